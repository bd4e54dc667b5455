package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/pflag"

	"github.com/postilion-mail/postilion/cmd/postilion/internal/bulk"
	postilionv1 "github.com/postilion-mail/postilion/proto/gen/postilion/v1"
	"github.com/postilion-mail/postilion/sdk"
)

// bulkFlags are those of send --bulk.
type bulkFlags struct {
	path   string
	format string
	run    string
	strict bool
}

func (b *bulkFlags) register(flags *pflag.FlagSet) {
	flags.StringVar(&b.path, "bulk", "", "`file` or folder with many messages; - reads standard input")
	flags.StringVar(&b.format, "bulk-format", "", "`format` of --bulk: jsonl, csv or eml (by its name)")
	flags.StringVar(&b.run, "run", "", "with --bulk: `name` of this run; the same messages under another name are sent again")
	flags.BoolVar(&b.strict, "strict", false, "with --bulk: send nothing if a line is bad")
}

// Flags that make no sense with --bulk, and those that make a table's template.
var (
	singleFlags   = []string{"raw", "to", "cc", "bcc", "key", "wait"}
	templateFlags = []string{"from", "reply-to", "subject", "text", "text-file", "html", "html-file", "attach", "header"}
)

func (s *send) runBulk(ctx context.Context, a *app, client *sdk.Client, flags *pflag.FlagSet) error {
	options, err := s.bulkOptions(a, flags)
	if err != nil {
		return err
	}
	info, err := client.Admin.GetServerInfo(ctx, &postilionv1.GetServerInfoRequest{})
	if err != nil {
		return err
	}
	r := &bulkRun{app: a, limit: info.GetMaxContentBytes(), progress: newProgress(a, 0)}
	if s.bulk.strict {
		if s.bulk.path == "-" {
			return usage("--strict reads the messages twice; give a file, not standard input")
		}
		if err := r.check(options); err != nil {
			return err
		}
	}
	r.strict = s.bulk.strict
	return r.send(ctx, client, options)
}

// bulkOptions says what to read and what all messages have in common.
func (s *send) bulkOptions(a *app, flags *pflag.FlagSet) (bulk.Options, error) {
	options := bulk.Options{Path: s.bulk.path, In: a.In, Format: bulk.Format(s.bulk.format), Run: s.bulk.run}
	switch options.Format {
	case "", bulk.Lines, bulk.Table, bulk.Folder:
	default:
		return options, usage("--bulk-format %q is unknown; use one of jsonl, csv, eml", s.bulk.format)
	}
	for _, name := range singleFlags {
		if flags.Changed(name) {
			return options, usage("--%s is for a single message, not for --bulk", name)
		}
	}
	var err error
	if options.Format, err = bulk.FormatOf(options.Path, options.Format); err != nil {
		return options, bulkUsage(err)
	}
	if options.Format != bulk.Table {
		for _, name := range templateFlags {
			if flags.Changed(name) {
				return options, usage("--%s is for tables (CSV); these messages are complete", name)
			}
		}
	}
	if flags.Changed("envelope-from") && options.Format != bulk.Folder {
		return options, usage("--envelope-from is for --raw and for folders of messages")
	}
	if err := errors.Join(s.options(a), s.parts(a)); err != nil {
		return options, err
	}
	options.Base = s.message.Request()
	if from := s.envelopeFrom; options.Format == bulk.Folder && from != "" {
		if from == "<>" {
			from = ""
		}
		options.Base.Content = &postilionv1.SendRequest_Raw{Raw: &postilionv1.RawMessage{Envelope: &postilionv1.Envelope{From: &from}}}
	}
	return options, nil
}

func bulkUsage(err error) error {
	if as := (*bulk.UsageError)(nil); errors.As(err, &as) {
		return usage("%v", err)
	}
	return err
}

// bulkRun counts what becomes of the messages and tells it.
type bulkRun struct {
	app      *app
	limit    int64 // the daemon's, of a content
	strict   bool
	progress *progress

	accepted, replayed, refused int
}

// check reads all and sends nothing.
func (r *bulkRun) check(options bulk.Options) error {
	source, err := bulk.Open(options)
	if err != nil {
		return bulkUsage(err)
	}
	defer source.Close()
	all := 0
	for item, err := range source.Items {
		if err != nil {
			return err
		}
		all++
		if item.Err == nil {
			item.Err = bulk.Check(item.Request, r.limit)
		}
		if item.Err != nil {
			r.tell(item, nil, item.Err)
		}
	}
	if r.refused > 0 {
		return exit{exitData, fmt.Errorf("%d of %d messages are bad; nothing was sent", r.refused, all)}
	}
	return nil
}

func (r *bulkRun) send(ctx context.Context, client *sdk.Client, options bulk.Options) error {
	source, err := bulk.Open(options)
	if err != nil {
		return bulkUsage(err)
	}
	defer source.Close()
	r.progress = newProgress(r.app, source.Total)
	sender := bulk.Sender{
		Mailer: client.Mailer, MaxBytes: r.limit, Patience: r.app.timeout,
		Done: func(item bulk.Item, response *postilionv1.SendResponse, err error) bool {
			r.tell(item, response, err)
			r.progress.show(item.Read, r.accepted, r.refused)
			return err == nil || !r.strict
		},
		Waiting: func(why error, pause time.Duration) {
			r.progress.line("the daemon asks to wait %v: %s", pause, sdk.AsError(why).Message)
		},
	}
	err = sender.Send(ctx, source.Items)
	r.progress.end()
	return r.summary(ctx, err)
}

// told is what --json prints of each message.
type told struct {
	Place    string `json:"place"` // "line 12", or a file's name
	ID       string `json:"id,omitempty"`
	Replayed bool   `json:"replayed,omitempty"` // it was accepted before
	Error    string `json:"error,omitempty"`
}

// tell counts an item, and prints it if it is bad.
func (r *bulkRun) tell(item bulk.Item, response *postilionv1.SendResponse, err error) {
	line := told{Place: item.Place(), ID: response.GetId(), Replayed: response.GetReplayed()}
	switch {
	case err != nil:
		r.refused++
		line.Error = sdk.AsError(err).Message
	case response.GetReplayed():
		r.replayed++
		fallthrough
	default:
		r.accepted++
	}
	if r.app.json {
		_ = json.NewEncoder(r.app.Out).Encode(line)
	} else if err != nil {
		r.progress.line("%s: %s", line.Place, line.Error)
	}
}

// summary prints the counts and gives what the command ends with.
func (r *bulkRun) summary(ctx context.Context, err error) error {
	if !r.app.json {
		text := fmt.Sprintf("%d messages are accepted", r.accepted)
		if r.replayed > 0 {
			text += fmt.Sprintf(", %d of them were before", r.replayed)
		}
		if r.refused > 0 {
			text += fmt.Sprintf("; %d are bad", r.refused)
		}
		r.app.printf("%s\n", text)
	}
	const again = "run the same command again: what was accepted is not sent twice"
	switch {
	case errors.Is(err, bulk.ErrInterrupted) && ctx.Err() == nil:
		return exit{exitData, errors.New("stopped at the first message that the daemon refused; mend it, and " + again)}
	case errors.Is(err, bulk.ErrInterrupted):
		return exit{exitFailed, errors.New("interrupted; " + again)}
	case err != nil:
		r.progress.line("broken off; %s", again)
		return err
	case r.refused > 0:
		return exit{code: exitData}
	}
	return nil
}
