package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/postilion-mail/postilion/plugin"
)

// transport implements plugin.Transport.
type transport struct{}

// Describe implements plugin.Transport.
func (transport) Describe() plugin.Description {
	return plugin.Description{
		Name: "maildir", Version: "1", Title: "Mailboxes on this machine",
		Fields: []plugin.Field{{
			Name: "directory", Type: plugin.TypeString, Label: "Directory", Required: true,
			Help: "Where the mailboxes lie, as an absolute path.",
		}, {
			Name: "mailbox", Type: plugin.TypeString, Label: "Mailbox", Default: "{local}",
			Help: "Which mailbox in the directory is a recipient's: {local} stands for the part of the address before @, " +
				"without what follows a +, and {domain} for the other.",
		}, {
			Name: "create", Type: plugin.TypeBoolean, Label: "Make mailboxes", Default: "false",
			Help: "Whether mailboxes that are not there are made. Otherwise their recipients are refused.",
		}},
		Capabilities: plugin.Capabilities{ReportsCommit: true, SendsNothing: true},
	}
}

// settings of a connection, as Describe names them.
type settings struct {
	Directory string `setting:"directory"`
	Mailbox   string `setting:"mailbox"`
	Create    bool   `setting:"create"`
}

// Open implements plugin.Transport.
func (t transport) Open(_ context.Context, s plugin.Settings) (plugin.Instance, error) {
	i := &instance{}
	if err := s.Decode(t.Describe().Fields, &i.settings); err != nil {
		return nil, err
	}
	if !filepath.IsAbs(i.Directory) {
		return nil, &plugin.SettingError{Field: "directory", Reason: "must be an absolute path, such as /var/mail"}
	}
	if !strings.Contains(i.Mailbox, "{local}") || !filepath.IsLocal(i.Mailbox) {
		return nil, &plugin.SettingError{Field: "mailbox", Reason: "must be a path below the directory with {local} in it, such as {domain}/{local}"}
	}
	return i, nil
}

// instance implements plugin.Instance.
type instance struct{ settings }

// Check implements plugin.Instance.
func (i *instance) Check(ctx context.Context, r plugin.CheckRequest, report func(plugin.Stage)) error {
	began := time.Now()
	stage := plugin.Stage{Name: "directory", Status: plugin.StagePassed, Detail: "mailboxes are in " + i.Directory}
	info, err := os.Stat(i.Directory)
	if err == nil && !info.IsDir() {
		err = errors.New(i.Directory + " is no directory")
	}
	if err != nil {
		o := trouble(err)
		stage.Status, stage.Detail, stage.Outcome = plugin.StageFailed, err.Error(), &o
	}
	stage.Duration = time.Since(began)
	report(stage)
	if r.Message == nil || err != nil {
		return nil
	}
	began = time.Now()
	outcomes, err := i.Deliver(ctx, r.Message, func() error { return nil })
	o := plugin.Settle(outcomes, err, 1, true)[0]
	stage = plugin.Stage{Name: "content", Status: plugin.StagePassed, Detail: o.Reply, Duration: time.Since(began)}
	if o.Class != plugin.Accepted {
		stage.Status, stage.Outcome = plugin.StageFailed, &o
	}
	report(stage)
	return nil
}

// Deliver implements plugin.Instance. All files are written before the first
// is put where a reader sees it.
func (i *instance) Deliver(ctx context.Context, d *plugin.Delivery, committing func() error) ([]plugin.Outcome, error) {
	outcomes := make([]plugin.Outcome, len(d.Envelope.Recipients))
	files := make(map[string]*file) // by mailbox: recipients who share one get one copy
	defer func() {
		for _, f := range files {
			f.discard()
		}
	}()
	boxes := make([]string, len(outcomes))
	for n, r := range d.Envelope.Recipients {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		box, ok := i.mailbox(r.Address)
		if !ok {
			outcomes[n] = unknownUser()
			continue
		}
		boxes[n] = box
		if files[box] != nil {
			continue
		}
		f, err := write(box, d, i.Create)
		if err != nil {
			outcomes[n] = trouble(err)
			continue
		}
		files[box] = f
	}
	if len(files) == 0 {
		return outcomes, nil
	}
	if err := committing(); err != nil {
		return nil, err
	}
	for n, box := range boxes {
		f := files[box]
		if f == nil {
			continue
		}
		if err := f.publish(); err != nil {
			outcomes[n] = trouble(err)
			continue
		}
		outcomes[n] = plugin.AcceptedOutcome("delivered to " + box)
	}
	return outcomes, nil
}

// Close implements plugin.Instance.
func (*instance) Close() error { return nil }

// mailbox gives the directory of a recipient's mailbox, and whether the
// address is one that can have any. No address leads out of the directory.
func (i *instance) mailbox(address string) (string, bool) {
	at := strings.LastIndexByte(address, '@')
	if at < 1 {
		return "", false
	}
	local, _, _ := strings.Cut(strings.ToLower(address[:at]), "+")
	domain := strings.ToLower(address[at+1:])
	for _, part := range []string{local, domain} {
		if part == "" || part[0] == '.' || strings.ContainsAny(part, "/\\\x00") {
			return "", false
		}
	}
	path := strings.NewReplacer("{local}", local, "{domain}", domain).Replace(i.Mailbox)
	return filepath.Join(i.Directory, path), true
}

func unknownUser() plugin.Outcome {
	o := plugin.PermanentOutcome(plugin.BlameRecipient, plugin.PhaseRecipient, "there is no such mailbox here")
	o.Code, o.Enhanced = 550, "5.1.1"
	return o
}

// trouble is the outcome of a file that could not be written: that there is no
// mailbox, that its owner has no room, or that the system does not do as it
// should, which is nothing that a recipient can help.
func trouble(err error) plugin.Outcome {
	if errors.Is(err, errNoMailbox) {
		return unknownUser()
	}
	blame, enhanced := plugin.BlameServer, "4.3.0"
	if errors.Is(err, syscall.EDQUOT) {
		blame, enhanced = plugin.BlameRecipient, "4.2.2"
	}
	o := plugin.TemporaryOutcome(blame, plugin.PhaseData, fmt.Sprintf("the message could not be written: %v", err))
	o.Enhanced, o.Inferred = enhanced, true
	return o
}
