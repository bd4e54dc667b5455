package cli

import (
	"context"
	"time"

	"github.com/spf13/cobra"

	postilionv1 "github.com/postilion-mail/postilion/proto/gen/postilion/v1"
	"github.com/postilion-mail/postilion/sdk"
)

type send struct {
	message      sdk.Message
	textFile     string
	htmlFile     string
	attach       []string
	headers      []string
	metadata     map[string]string
	priority     string
	raw          string
	sendAt       string
	expiresAfter time.Duration
	envelopeFrom string
	bulk         bulkFlags
}

func (a *app) sendCommand() *cobra.Command {
	s := &send{}
	command := &cobra.Command{
		Use:   "send",
		Short: "Send a message",
		Long: `Send hands a message over to the daemon. It ends as soon as the message is on
stable storage; with --wait it waits for the first attempt, and exits with 1 if
a recipient was refused.

With --bulk it sends the many messages of a file: lines of JSON, each a
SendRequest of the API; a table (CSV) whose columns fill the templates that
--subject, --text, --html and --header are then, {{name}} for the column "name"
and the address in the column "to"; or a folder of composed messages (*.eml).
Each bad line is told with its number and the rest is sent; the exit code is 65
then. What was broken off can be run again: what was accepted before is not
sent twice.`,
		Example: `  postilion send --to jane@example.com --subject Report --text "See the file." --attach report.pdf
  uptime | postilion send --to ops@example.com --subject Uptime --text -
  postilion send --raw message.eml
  postilion send --bulk guests.csv --subject "Dear {{name}}" --html-file invitation.html`,
		Args: cobra.NoArgs,
	}
	flags := command.Flags()
	m := &s.message
	flags.StringVar(&m.From, "from", "", "`address` of the sender, also \"Name <address>\" (the connection's)")
	flags.StringArrayVar(&m.To, "to", nil, "`address` of a recipient")
	flags.StringArrayVar(&m.Cc, "cc", nil, "`address` that gets a copy")
	flags.StringArrayVar(&m.Bcc, "bcc", nil, "`address` that gets a blind copy")
	flags.StringArrayVar(&m.ReplyTo, "reply-to", nil, "`address` for answers")
	flags.StringVar(&m.Subject, "subject", "", "subject")
	flags.StringVar(&m.Text, "text", "", "plain `text`; - reads standard input")
	flags.StringVar(&s.textFile, "text-file", "", "`file` with the plain text")
	flags.StringVar(&m.HTML, "html", "", "`HTML` text; - reads standard input")
	flags.StringVar(&s.htmlFile, "html-file", "", "`file` with the HTML text")
	flags.StringArrayVar(&s.attach, "attach", nil, "`file` to attach")
	flags.StringArrayVar(&s.headers, "header", nil, "further header field, `\"Name: value\"`")
	flags.StringVar(&s.raw, "raw", "", "`file` with a whole message (RFC 5322) to send as it is; - reads standard input")
	flags.StringVar(&s.envelopeFrom, "envelope-from", "", "with --raw: `address` where bounces go")
	flags.StringVar(&m.Connection, "connection", "", "`name` of the connection (routes and default decide)")
	flags.StringVar(&m.Key, "key", "", "idempotency `key`: the same message with it is sent once")
	flags.StringArrayVar(&m.Tags, "tag", nil, "`word` to find and route by")
	flags.StringToStringVar(&s.metadata, "metadata", nil, "`name=value` that events carry")
	flags.DurationVar(&m.Wait, "wait", 0, "wait for the first attempt, at most this `time`")
	flags.StringVar(&s.priority, "priority", "", "high, normal or bulk")
	flags.StringVar(&s.sendAt, "send-at", "", "not before this `time`, such as 2026-01-31T08:00:00Z or +2h")
	flags.DurationVar(&s.expiresAfter, "expires-after", 0, "how long it is worth trying, a `time`")
	s.bulk.register(flags)
	command.RunE = a.run(func(ctx context.Context, client *sdk.Client, _ []string) error {
		if command.Flags().Changed("expires-after") {
			m.ExpiresAfter = &s.expiresAfter
		}
		if s.bulk.path != "" {
			return s.runBulk(ctx, a, client, command.Flags())
		}
		receipt, err := s.run(ctx, a, client)
		if err != nil {
			return err
		}
		return a.printReceipt(receipt)
	})
	return command
}

func (s *send) run(ctx context.Context, a *app, client *sdk.Client) (*sdk.Receipt, error) {
	if err := s.options(a); err != nil {
		return nil, err
	}
	if s.raw != "" {
		raw, err := s.rawMessage(a)
		if err != nil {
			return nil, err
		}
		return client.SendRaw(ctx, raw)
	}
	if err := s.parts(a); err != nil {
		return nil, err
	}
	return client.Send(ctx, &s.message)
}

// parts reads what the message is made of.
func (s *send) parts(a *app) error {
	if err := s.body(a); err != nil {
		return err
	}
	for _, text := range s.headers {
		name, value, err := header(text)
		if err != nil {
			return err
		}
		s.message.Headers = append(s.message.Headers, sdk.Header{Name: name, Value: value})
	}
	for _, path := range s.attach {
		attachment, err := sdk.AttachFile(path)
		if err != nil {
			return err
		}
		s.message.Attachments = append(s.message.Attachments, attachment)
	}
	return nil
}

func (s *send) options(a *app) error {
	s.message.Metadata = s.metadata
	if s.priority != "" {
		value, err := enum(postilionv1.Priority_value, "PRIORITY_", s.priority, "--priority")
		if err != nil {
			return err
		}
		s.message.Priority = postilionv1.Priority(value)
	}
	if s.sendAt != "" {
		at, err := a.parseTime(s.sendAt, "--send-at")
		if err != nil {
			return err
		}
		s.message.SendAt = at
	}
	return nil
}

func (s *send) body(a *app) error {
	m := &s.message
	if m.Text == "-" && m.HTML == "-" {
		return usage("--text and --html cannot both read standard input")
	}
	for _, part := range []struct {
		text *string
		file string
	}{{&m.Text, s.textFile}, {&m.HTML, s.htmlFile}} {
		file := part.file
		if *part.text == "-" {
			file = "-"
		}
		if file == "" {
			continue
		}
		content, err := a.readFile(file)
		if err != nil {
			return err
		}
		*part.text = string(content)
	}
	return nil
}

// rawMessage takes --to, --cc and --bcc as the envelope's recipients.
func (s *send) rawMessage(a *app) (*sdk.Raw, error) {
	m := &s.message
	if m.Subject != "" || m.Text != "" || m.HTML != "" || len(s.attach) > 0 || len(s.headers) > 0 || s.textFile != "" || s.htmlFile != "" {
		return nil, usage("--raw is a whole message; it goes only with --to, --cc, --bcc, --from and --envelope-from, which make the envelope")
	}
	content, err := a.readFile(s.raw)
	if err != nil {
		return nil, err
	}
	raw := &sdk.Raw{Content: content, Options: m.Options}
	for _, list := range [][]string{m.To, m.Cc, m.Bcc} {
		for _, address := range list {
			raw.Recipients = append(raw.Recipients, sdk.Address(address).GetAddress())
		}
	}
	switch {
	case s.envelopeFrom == "<>":
		raw.EnvelopeFrom = new(string)
	case s.envelopeFrom != "":
		raw.EnvelopeFrom = &s.envelopeFrom
	case m.From != "":
		address := sdk.Address(m.From).GetAddress()
		raw.EnvelopeFrom = &address
	}
	return raw, nil
}

func (a *app) printReceipt(receipt *sdk.Receipt) error {
	refused := false
	for _, recipient := range receipt.GetRecipients() {
		switch recipient.GetState() {
		case postilionv1.MessageState_MESSAGE_STATE_FAILED, postilionv1.MessageState_MESSAGE_STATE_EXPIRED:
			refused = true
		}
	}
	if a.json {
		if err := a.object(receipt); err != nil {
			return err
		}
	} else {
		a.describeReceipt(receipt)
	}
	if refused {
		return exit{code: exitFailed}
	}
	return nil
}

func (a *app) describeReceipt(receipt *sdk.Receipt) {
	what := "accepted"
	if receipt.GetReplayed() {
		what = "accepted before, with this key"
	}
	a.printf("%s %s, %s, through %s\n", clean(receipt.GetId()), what, word(receipt.GetState(), "MESSAGE_STATE_"), clean(receipt.GetConnection()))
	for _, recipient := range receipt.GetRecipients() {
		if recipient.GetOutcome() != nil {
			a.printf("  %s %s: %s\n", clean(recipient.GetAddress()), word(recipient.GetState(), "MESSAGE_STATE_"), clean(reply(recipient.GetOutcome())))
		}
	}
}

// parseTime reads a time as RFC 3339 has it, or a distance from now.
func (a *app) parseTime(text, flag string) (time.Time, error) {
	if at, err := time.Parse(time.RFC3339, text); err == nil {
		return at, nil
	}
	if distance, err := time.ParseDuration(text); err == nil {
		return a.Now().Add(distance), nil
	}
	return time.Time{}, usage("%s %q: write 2026-01-31T08:00:00Z, or a distance from now such as +2h or -30m", flag, text)
}
