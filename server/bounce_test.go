package server

import (
	"bytes"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/postilion-mail/postilion/internal/maildrop"
	"github.com/postilion-mail/postilion/internal/smtptest"
	postilionv1 "github.com/postilion-mail/postilion/proto/gen/postilion/v1"
)

// choosy is a server that refuses recipients whose address contains "bad",
// and all mail back to "nobody".
func choosy(t *testing.T) *smtptest.Server {
	t.Helper()
	return smtptest.Start(t, plain, func(c *smtptest.Config) {
		c.Recipient = func(address string) error {
			if strings.Contains(address, "bad") || strings.HasPrefix(address, "nobody") {
				return smtptest.Refuse(550, [3]int{5, 1, 1}, "no such user here")
			}
			return nil
		}
	})
}

// aDrop is a message of the sendmail command.
func aDrop(from string, recipients ...string) *maildrop.Drop {
	return &maildrop.Drop{
		Key: maildrop.NewKey(), Created: time.Now(), From: &from, Recipients: recipients, NotifySender: true,
		Content: []byte("From: me@example.com\nTo: you@example.net\nSubject: Order 17\n\nThe text.\n"),
	}
}

// bounces gives the messages of the outbox that carry a notice.
func (r *rig) bounces() (list []*postilionv1.StoredMessage) {
	r.t.Helper()
	all, err := r.admin.ListMessages(r.ctx(), &postilionv1.ListMessagesRequest{})
	if err != nil {
		r.t.Fatal(err)
	}
	for _, m := range all.GetMessages() {
		if m.GetSource() == "bounce" {
			list = append(list, m)
		}
	}
	return list
}

// awaitBounce awaits the first, in a state.
func (r *rig) awaitBounce(want postilionv1.MessageState) {
	r.t.Helper()
	await(r.t, "a bounce is "+want.String(), func() bool {
		list := r.bounces()
		return len(list) > 0 && list[0].GetState() == want
	})
}

// The whole way: some recipients of a message are refused, and its sender's
// server gets one report of both.
func TestFailuresGoBackToTheSender(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	provider := choosy(t)
	c := connection("provider", provider)
	c.Shared = true
	configure(t, r.admin, c)
	r.drop(aDrop("me@example.com", "a@example.net", "bad1@example.net", "c@example.net", "bad2@example.net", "e@example.net"), "")

	messages := provider.Messages(2)
	if messages[0].From == "" {
		messages[0], messages[1] = messages[1], messages[0]
	}
	if len(messages[0].To) != 3 {
		t.Errorf("the message went to %v", messages[0].To)
	}
	back := messages[1]
	if back.From != "" || len(back.To) != 1 || back.To[0] != "me@example.com" {
		t.Errorf("the report went from %q to %v", back.From, back.To)
	}
	content := string(bytes.ReplaceAll(back.Content, []byte("\r\n\t"), nil))
	for _, want := range []string{
		"mailer-daemon@mail.example.com", "Subject: Undelivered mail: Order 17", "Auto-Submitted: auto-replied",
		"multipart/report; report-type=delivery-status", "Reporting-MTA: dns; mail.example.com",
		"Final-Recipient: rfc822; bad1@example.net\r\nAction: failed\r\nStatus: 5.1.1\r\nRemote-MTA: dns; [127.0.0.1]\r\nDiagnostic-Code: smtp; 550 5.1.1 no such user here\r\n",
		"Final-Recipient: rfc822; bad2@example.net", "text/rfc822-headers", "Check the address",
	} {
		contains(t, content, want)
	}
	if strings.Count(content, "Final-Recipient") != 2 || strings.Contains(content, "The text.") {
		t.Errorf("the report is\n%s", content)
	}
	r.awaitBounce(sent)
	if list := r.bounces(); len(list) != 1 || list[0].GetClient() != "local" {
		t.Errorf("the bounces are %v", list)
	}
}

// A report that fails is the end of it; what nobody asked for is not made.
func TestNothingGoesInCircles(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	provider := choosy(t)
	c := connection("provider", provider)
	c.Shared = true
	configure(t, r.admin, c)
	never := aDrop("me@example.com", "bad@example.net")
	never.Notify = "NEVER"
	for _, d := range []*maildrop.Drop{
		aDrop("", "bad@example.net"), never,
		aDrop("nobody@example.com", "bad@example.net"),
	} {
		r.drop(d, "")
	}
	// By the API only whoever asks is told.
	req := letter("bad@example.net")
	req.Wait = durationpb.New(patience)
	if _, err := r.admin.Send(r.ctx(), req); err != nil {
		t.Fatal(err)
	}
	r.awaitBounce(postilionv1.MessageState_MESSAGE_STATE_FAILED)
	r.restart()
	req.NotifySender = true
	if _, err := r.admin.Send(r.ctx(), req); err != nil {
		t.Fatal(err)
	}
	if got := provider.Messages(1)[0]; got.From != "" || got.To[0] != "shop@example.com" {
		t.Errorf("the report went from %q to %v", got.From, got.To)
	}
	r.awaitBounce(sent)
	if list := r.bounces(); len(list) != 2 {
		t.Errorf("the bounces are %v", list)
	}
}

func (r *rig) restart() {
	r.t.Helper()
	r.stop()
	r.start()
}

// The sendmail command has said that a drop was accepted. When it is not, its
// sender is told.
func TestARefusedDropGoesBack(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	provider := choosy(t)
	c := connection("provider", provider)
	c.Shared, c.Sender = true, &postilionv1.SenderPolicy{AllowedFromDomains: []string{"example.com"}}
	configure(t, r.admin, c)
	d := aDrop("me@example.com", "you@example.net", "broken@@example.net")
	null := aDrop("", "broken@@example.net")
	for _, drop := range []*maildrop.Drop{null, d} {
		if err := maildrop.Write(r.cfg.MaildropDir, drop, ""); err != nil {
			t.Fatal(err)
		}
	}
	got := provider.Messages(1)[0]
	if got.From != "" || got.To[0] != "me@example.com" {
		t.Errorf("the report went from %q to %v", got.From, got.To)
	}
	for _, want := range []string{
		"Subject: Refused mail: Order 17", "Final-Recipient: rfc822; you@example.net", "Final-Recipient: rfc822; broken@@example.net",
		"Status: 5.1.3", "mailer-daemon@example.com",
	} {
		contains(t, string(got.Content), want)
	}
	for _, drop := range []*maildrop.Drop{null, d} {
		await(t, "the drop is moved away", func() bool {
			found, err := filepath.Glob(filepath.Join(r.cfg.MaildropDir, "bad", drop.Key))
			return err == nil && len(found) == 1
		})
	}
	r.awaitBounce(sent)
	if list := r.bounces(); len(list) != 1 {
		t.Errorf("the bounces are %v", list)
	}
}
