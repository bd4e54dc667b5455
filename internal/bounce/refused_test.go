package bounce

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/postilion-mail/postilion/internal/intake"
	"github.com/postilion-mail/postilion/internal/mail"
	"github.com/postilion-mail/postilion/internal/maildrop"
	"github.com/postilion-mail/postilion/internal/outbox"
)

var errRecipient = &mail.FieldError{Field: "raw.envelope.recipients[0].address", Reason: "has no domain; give one"}

// aDrop is a message that the sendmail command has left.
func aDrop(from string, recipients ...string) *maildrop.Drop {
	return &maildrop.Drop{
		Key: maildrop.NewKey(), Created: start, From: &from, Recipients: recipients, NotifySender: true, EnvelopeID: "env",
		Content: []byte("From: Me <me@example.com>\nSubject: Order 17\nMessage-ID: <17@example.com>\n\nThe text.\n"),
	}
}

func TestRefusedDrop(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	d := aDrop("me@example.com", "nobody@", "b@example.net")
	for range 2 { // it may be told twice
		w.ok(w.worker.Refused(t.Context(), w.client.ID, d, maildrop.Permanent(errRecipient)))
		w.restart()
	}
	got := w.bounce()
	if e := got.job.Envelope; e.From != "" || e.Recipients[0].Address != "me@example.com" {
		t.Errorf("the envelope is %+v", e)
	}
	is(t, got.header, "Subject", "Refused mail: Order 17")
	is(t, got.header, "In-Reply-To", "<17@example.com>")
	is(t, got.message, "Original-Envelope-Id", "env")
	is(t, got.message, "Arrival-Date", "Wed, 04 Mar 2026 12:30:00 +0000")
	if len(got.recipients) != 2 {
		t.Fatalf("the status is of %d recipients", len(got.recipients))
	}
	is(t, got.recipients[0], "Final-Recipient", "rfc822; nobody@")
	is(t, got.recipients[0], "Status", "5.1.3")
	is(t, got.recipients[0], "Action", "failed")
	is(t, got.recipients[0], "Diagnostic-Code", "X-Postilion; "+errRecipient.Error())
	is(t, got.recipients[0], "Last-Attempt-Date", "")
	has(t, got.text, "could not be accepted", "<nobody@>\r\n<b@example.net>\r\n  "+errRecipient.Error())
	if got.returned != "text/rfc822-headers" || !strings.Contains(got.original, "Subject: Order 17\r\n") || strings.Contains(got.original, "The text") {
		t.Errorf("returned is %s: %q", got.returned, got.original)
	}
	// It came up again after the sender was told.
	w.ok(w.worker.Refused(t.Context(), w.client.ID, d, maildrop.Permanent(errRecipient)))
	w.quiet("the second time")
	w.record(got.job, outbox.Failed, refused, 0)
	w.quiet("after the bounce failed")
}

func TestRefusedDropOfNobody(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	null := aDrop("", "a@example.net")
	never := aDrop("me@example.com", "a@example.net")
	never.Notify = "NEVER"
	unasked := aDrop("me@example.com", "a@example.net")
	unasked.NotifySender = false
	unknown := aDrop("", "a@example.net")
	unknown.From, unknown.Content = nil, []byte("Subject: x\n\ny\n")
	strange := aDrop("no address", "a@example.net")
	for _, d := range []*maildrop.Drop{null, never, unasked, unknown, strange} {
		w.ok(w.worker.Refused(t.Context(), w.client.ID, d, errRecipient))
		w.quiet(fmt.Sprintf("%+v", d))
	}
}

func TestSenderOfADrop(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ content, author, want string }{
		{"From: A <a@example.com>\nSubject: x\n\n", "j@example.com", "a@example.com"},
		{"From: a@example.com\nSender: s@example.com\n\n", "", "s@example.com"},
		{"Subject: x\n\ny", "Jane <j@example.com>", "j@example.com"},
		{"Subject: x\n\ny", "", ""},
		{"", "", ""},
	} {
		d := aDrop("", "a@example.net")
		d.From, d.Author, d.Content = nil, test.author, []byte(test.content)
		content, err := mail.Canonicalize(d.Content, mail.Options{Domain: "host.example.com", Now: start, ID: d.Key})
		if err != nil {
			content = &mail.Content{}
		}
		if got := dropSender(d, content); got != test.want {
			t.Errorf("%q by %q: %q", test.content, test.author, got)
		}
	}
}

func TestRefusals(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		err  error
		want string
	}{
		{fmt.Errorf("%w: 30", intake.ErrTooLarge), "5.3.4"},
		{errors.New("no connection"), "5.3.5"},
		{&mail.FieldError{Field: "message.from", Code: mail.CodeSenderNotAllowed}, "5.7.1"},
		{errRecipient, "5.1.3"},
		{&mail.FieldError{Field: "raw.content"}, "5.6.0"},
	} {
		if got := refusal(maildrop.Permanent(test.err)); got.Enhanced != test.want || got.Reply != test.err.Error() || !got.Inferred {
			t.Errorf("%v: %+v", test.err, got)
		}
	}
}
