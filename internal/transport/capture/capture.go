// Package capture is the transport that delivers nowhere: it keeps mail as
// files for looking at. It is what a new installation uses, so that nothing
// leaves by accident.
//
// Each connection has a folder of its own below Options.Dir, named after it,
// with one .eml file per message, exactly as it would have gone out, and
// index.jsonl, which has the envelopes. Only the newest are kept.
package capture

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/postilion-mail/postilion/plugin"
)

// defaultKeep and maxKeep bound the messages kept of a connection.
const (
	defaultKeep = 100
	maxKeep     = 100_000
)

// Options are what the transport needs. Dir must be given.
type Options struct {
	Dir string           // where the folders go; made when first needed, for its owner only
	Now func() time.Time // defaults to time.Now
}

// Transport implements plugin.Transport.
type Transport struct {
	options Options

	mu    sync.Mutex
	boxes map[string]*box // by folder: the instances of a connection share it
}

var _ plugin.Transport = (*Transport)(nil)

// New makes the transport.
func New(o Options) *Transport {
	if o.Now == nil {
		o.Now = time.Now
	}
	return &Transport{options: o, boxes: make(map[string]*box)}
}

// Describe implements plugin.Transport.
func (t *Transport) Describe() plugin.Description {
	return plugin.Description{
		Name: "capture", Version: "1", Title: "Keep mail on this machine",
		Fields: []plugin.Field{{
			Name: "keep", Type: plugin.TypeInteger, Label: "Messages to keep", Default: fmt.Sprint(defaultKeep),
			Help: "How many of the newest messages are kept. Older ones are removed.",
		}},
		Capabilities: plugin.Capabilities{ReportsCommit: true, SendsNothing: true},
	}
}

// Open implements plugin.Transport. It touches no file.
func (t *Transport) Open(_ context.Context, s plugin.Settings) (plugin.Instance, error) {
	keep := defaultKeep
	for name, value := range s.Values {
		if name != "keep" {
			return nil, &plugin.SettingError{Field: name, Reason: "there is no such setting; the only one is keep"}
		}
		number, ok := value.(float64)
		if !ok || number != float64(int(number)) || number < 1 || number > maxKeep {
			return nil, &plugin.SettingError{Field: "keep", Reason: fmt.Sprintf("must be a whole number from 1 to %d", maxKeep)}
		}
		keep = int(number)
	}
	for name := range s.Secrets {
		return nil, &plugin.SettingError{Field: name, Reason: "there is no such setting; the only one is keep"}
	}
	return &instance{box: t.box(s.Connection), keep: keep}, nil
}

// List gives what is kept of a connection, newest first.
func (t *Transport) List(connection string) ([]Entry, error) {
	return t.box(connection).list()
}

// Message opens a kept message.
func (t *Transport) Message(connection string, e Entry) (*os.File, error) {
	return t.box(connection).open(e.File)
}

func (t *Transport) box(connection string) *box {
	folder := folderName(connection)
	t.mu.Lock()
	defer t.mu.Unlock()
	b := t.boxes[folder]
	if b == nil {
		b = &box{dir: filepath.Join(t.options.Dir, folder), now: t.options.Now}
		t.boxes[folder] = b
	}
	return b
}

// folderName makes a name of its own for each connection that stays within
// the folder: no separator, no hidden file, not empty, nothing a file system
// refuses for its length.
func folderName(connection string) string {
	name := url.PathEscape(connection)
	switch {
	case name == "":
		return "%"
	case len(name) > 200:
		return fmt.Sprintf("%%%x", sha256.Sum256([]byte(connection)))
	case name[0] == '.':
		return "%2E" + name[1:]
	}
	return name
}

// instance implements plugin.Instance.
type instance struct {
	box  *box
	keep int
}

// Check implements plugin.Instance: the folder must be writable.
func (i *instance) Check(ctx context.Context, request plugin.CheckRequest, report func(plugin.Stage)) error {
	began := time.Now()
	stage := plugin.Stage{Name: "directory", Status: plugin.StagePassed, Detail: "mail is kept in " + i.box.dir + " and does not leave this machine"}
	if err := i.box.probe(); err != nil {
		failed := outcome(err)
		stage.Status, stage.Detail, stage.Outcome = plugin.StageFailed, err.Error(), &failed
	}
	stage.Duration = time.Since(began)
	report(stage)
	if request.Message == nil || request.LoginOnly || stage.Status != plugin.StagePassed {
		return nil
	}
	began = time.Now()
	outcomes, err := i.Deliver(ctx, request.Message, func() error { return nil })
	one := plugin.Settle(outcomes, err, 1, false)[0]
	stage = plugin.Stage{Name: "content", Status: plugin.StagePassed, Detail: one.Reply, Duration: time.Since(began)}
	if one.Class != plugin.Accepted {
		stage.Status, stage.Outcome = plugin.StageFailed, &one
	}
	report(stage)
	return nil
}

// Deliver implements plugin.Instance. A message is kept once for all its
// recipients.
func (i *instance) Deliver(ctx context.Context, d *plugin.Delivery, committing func() error) ([]plugin.Outcome, error) {
	name, err := i.box.keep(ctx, d, i.keep, committing)
	if err != nil {
		return nil, &plugin.DeliveryError{Outcome: outcome(err), Err: err}
	}
	outcomes := make([]plugin.Outcome, len(d.Envelope.Recipients))
	for n := range outcomes {
		outcomes[n] = plugin.Outcome{Class: plugin.Accepted, Phase: plugin.PhaseContent, Inferred: true, Reply: "kept as " + name}
	}
	return outcomes, nil
}

// Close implements plugin.Instance.
func (i *instance) Close() error { return nil }

// outcome of a failure: nothing was kept, and the disk is to blame. The
// message has no way of failing for its own sake.
func outcome(err error) plugin.Outcome {
	reason := err
	if pe := (*os.PathError)(nil); errors.As(err, &pe) {
		reason = pe.Err
	}
	return plugin.Outcome{Class: plugin.Temporary, Blame: plugin.BlameServer, Phase: plugin.PhaseData, Inferred: true,
		Reply: "the message could not be kept: " + reason.Error()}
}
