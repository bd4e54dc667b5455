package cli

import (
	"context"
	"errors"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	postilionv1 "github.com/postilion-mail/postilion/proto/gen/postilion/v1"
	"github.com/postilion-mail/postilion/sdk"
)

var errGone = errors.New("the content is gone: it is purged after delivery, unless the message was sent with keep_content")

// pageSize is the most that the API gives at once.
const pageSize = 1000

func decimal(n int32) string { return strconv.Itoa(int(n)) }

// durationFlag sets a Duration of the API only if it is given.
type durationFlag struct{ target **durationpb.Duration }

// String implements pflag.Value.
func (d *durationFlag) String() string {
	if d.target == nil || *d.target == nil {
		return ""
	}
	return (*d.target).AsDuration().String()
}

// Type implements pflag.Value.
func (d *durationFlag) Type() string { return "duration" }

// Set implements pflag.Value.
func (d *durationFlag) Set(text string) error {
	duration, err := time.ParseDuration(text)
	*d.target = durationpb.New(duration)
	return err
}

type messagesList struct {
	request *postilionv1.ListMessagesRequest
	states  []string
	since   string
	until   string
	limit   int
}

func (a *app) messagesList() *cobra.Command {
	l := messagesList{request: &postilionv1.ListMessagesRequest{}}
	command := &cobra.Command{
		Use:     "list",
		Short:   "List messages, newest first",
		Example: "  postilion messages list --state deferred,held --since -24h",
		Args:    cobra.NoArgs,
		RunE: a.run(func(ctx context.Context, client *sdk.Client, _ []string) error {
			return l.run(ctx, a, client)
		}),
	}
	flags := command.Flags()
	flags.StringSliceVar(&l.states, "state", nil, "queued, sending, deferred, held, sent, failed, expired, cancelled or suppressed")
	flags.StringVar(&l.request.Recipient, "recipient", "", "`address` of a recipient")
	flags.StringVar(&l.request.Tag, "tag", "", "`word` the message was tagged with")
	flags.StringVar(&l.request.Connection, "connection", "", "`name` of a connection")
	flags.StringVar(&l.request.MessageId, "message-id", "", "the header field Message-`ID`")
	flags.StringVar(&l.since, "since", "", "accepted after this `time`, such as -24h or 2026-01-31T08:00:00Z")
	flags.StringVar(&l.until, "until", "", "accepted before this `time`")
	flags.StringVar(&l.request.Client, "client", "", "`name` of the client (admin only)")
	flags.IntVar(&l.limit, "limit", 100, "at most this `number`")
	return command
}

func (l *messagesList) run(ctx context.Context, a *app, client *sdk.Client) error {
	if err := l.filters(a); err != nil {
		return err
	}
	result := table{head: []string{"ID", "STATE", "AGE", "FROM", "TO", "SUBJECT"}, shrink: []int{3, 4, 5}}
	more := false
	err := l.pages(ctx, client, func(message *postilionv1.StoredMessage) error {
		if a.json {
			return a.object(message)
		}
		a.addMessage(&result, message)
		return nil
	}, &more)
	if err != nil || a.json {
		return err
	}
	if len(result.rows) == 0 {
		a.printf("no messages\n")
		return nil
	}
	result.print(a.Out, a.style)
	if more {
		a.printf("… and more; see --limit\n")
	}
	return nil
}

func (l *messagesList) filters(a *app) error {
	if l.limit < 1 {
		return usage("--limit %d: give 1 or more", l.limit)
	}
	for _, state := range l.states {
		value, err := enum(postilionv1.MessageState_value, "MESSAGE_STATE_", state, "--state")
		if err != nil {
			return err
		}
		l.request.States = append(l.request.States, postilionv1.MessageState(value))
	}
	for _, bound := range []struct {
		text, flag string
		target     **timestamppb.Timestamp
	}{{l.since, "--since", &l.request.Since}, {l.until, "--until", &l.request.Until}} {
		if bound.text == "" {
			continue
		}
		at, err := a.parseTime(bound.text, bound.flag)
		if err != nil {
			return err
		}
		*bound.target = timestamppb.New(at)
	}
	return nil
}

func (l *messagesList) pages(ctx context.Context, client *sdk.Client, each func(*postilionv1.StoredMessage) error, more *bool) error {
	for left := l.limit; left > 0; {
		l.request.PageSize = int32(min(left, pageSize))
		answer, err := client.Messages.ListMessages(ctx, l.request)
		if err != nil {
			return err
		}
		for _, message := range answer.GetMessages() {
			if err := each(message); err != nil {
				return err
			}
		}
		left -= len(answer.GetMessages())
		l.request.PageToken = answer.GetNextPageToken()
		if *more = l.request.PageToken != ""; !*more {
			return nil
		}
	}
	return nil
}

// addMessage adds a row, with the reason below it where the message is not
// simply on its way.
func (a *app) addMessage(t *table, message *postilionv1.StoredMessage) {
	var to []string
	for _, recipient := range message.GetRecipients() {
		to = append(to, recipient.GetAddress())
	}
	recipients := strings.Join(to, ", ")
	if len(to) > 3 {
		recipients = strings.Join(to[:2], ", ") + " and " + strconv.Itoa(len(to)-2) + " more"
	}
	t.add(message.GetId(), word(message.GetState(), "MESSAGE_STATE_"),
		age(a.Now().Sub(message.GetAcceptTime().AsTime())), message.GetFrom(), recipients, message.GetSubject())
	seen := map[string]bool{}
	for _, recipient := range message.GetRecipients() {
		note := a.recipientNote(recipient)
		if note == "" || seen[note] {
			continue
		}
		seen[note] = true
		if len(to) > 1 {
			note = recipient.GetAddress() + ": " + note
		}
		if len(seen) > 3 {
			t.note("…")
			return
		}
		t.note(note)
	}
}

func (a *app) messagesEvents() *cobra.Command {
	var (
		after  int64
		follow bool
		types  []string
	)
	command := &cobra.Command{
		Use:   "events [ID]",
		Short: "Show what happened, to one message or to all",
		Args:  cobra.MaximumNArgs(1),
	}
	flags := command.Flags()
	flags.Int64Var(&after, "after", 0, "only events after this sequence `number`")
	flags.BoolVar(&follow, "follow", false, "go on as events happen; without --after only new ones")
	flags.StringSliceVar(&types, "type", nil, "accepted, deferred, held, released, retried, sent, failed, expired or cancelled")
	command.RunE = a.run(func(ctx context.Context, client *sdk.Client, args []string) error {
		var wanted []postilionv1.EventType
		for _, text := range types {
			value, err := enum(postilionv1.EventType_value, "EVENT_TYPE_", text, "--type")
			if err != nil {
				return err
			}
			wanted = append(wanted, postilionv1.EventType(value))
		}
		id := strings.Join(args, "")
		if !follow {
			return a.listEvents(ctx, client, &postilionv1.ListEventsRequest{AfterSequence: after, Id: id, Types: wanted, PageSize: pageSize})
		}
		request := &postilionv1.WatchEventsRequest{Id: id, Types: wanted}
		if flags.Changed("after") || id != "" {
			request.AfterSequence = &after
		}
		return a.followEvents(ctx, client, request)
	})
	return command
}

func (a *app) listEvents(ctx context.Context, client *sdk.Client, request *postilionv1.ListEventsRequest) error {
	for {
		answer, err := client.Messages.ListEvents(ctx, request)
		if err != nil {
			return err
		}
		for _, event := range answer.GetEvents() {
			if err := a.printEvent(event); err != nil {
				return err
			}
		}
		if len(answer.GetEvents()) < pageSize {
			return nil
		}
		request.AfterSequence = answer.GetLastSequence()
	}
}

func (a *app) followEvents(ctx context.Context, client *sdk.Client, request *postilionv1.WatchEventsRequest) error {
	stream, err := client.Messages.WatchEvents(ctx, request)
	if err != nil {
		return err
	}
	for {
		answer, err := stream.Recv()
		switch {
		case errors.Is(err, io.EOF), ctx.Err() != nil:
			return nil // the reader has seen enough
		case err != nil:
			return err
		}
		if err := a.printEvent(answer.GetEvent()); err != nil {
			return err
		}
	}
}

func (a *app) printEvent(event *postilionv1.Event) error {
	if a.json {
		return a.object(event)
	}
	line := []string{
		strconv.FormatInt(event.GetSequence(), 10), event.GetTime().AsTime().Local().Format("2006-01-02 15:04:05"),
		word(event.GetType(), "EVENT_TYPE_"), event.GetId(), event.GetAddress(),
	}
	if event.GetConnection() != "" {
		line = append(line, "through "+event.GetConnection())
	}
	text := clean(strings.Join(line, "  "))
	for _, part := range []string{event.GetReason(), replyOf(event.GetOutcome())} {
		if part != "" {
			text += ": " + clean(part)
		}
	}
	a.printf("%s\n", text)
	return nil
}

func replyOf(outcome *postilionv1.Outcome) string {
	if outcome == nil {
		return ""
	}
	return reply(outcome)
}
