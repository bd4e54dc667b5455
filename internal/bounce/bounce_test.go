package bounce

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/uuid"

	"github.com/postilion-mail/postilion/internal/intake"
	"github.com/postilion-mail/postilion/internal/outbox"
	"github.com/postilion-mail/postilion/internal/registry"
	"github.com/postilion-mail/postilion/plugin"
)

func TestTwoOfFiveFail(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	s := w.submission("a@example.net", "b@example.net", "c@example.net", "d@example.net", "e@example.net")
	s.EnvelopeID = "order+17"
	id := w.accept(s)
	w.record(w.one(), outbox.Failed, refused, 1, 3)
	w.clock.Advance(time.Second)

	d := w.bounce()
	j := d.job
	if e := j.Envelope; e.From != "" || len(e.Recipients) != 1 || e.Recipients[0].Address != "me@example.com" {
		t.Errorf("the envelope is %+v", e)
	}
	if v, err := w.store.Get(t.Context(), w.client.ID, j.Message); err != nil || v.Source != "bounce" || v.Client != w.client.ID {
		t.Errorf("the bounce is %+v, %v", v, err)
	}
	is(t, d.header, "From", "Mail Delivery System <mailer-daemon@host.example.com>")
	is(t, d.header, "To", "me@example.com")
	is(t, d.header, "Subject", "Undelivered mail: Order 17")
	is(t, d.header, "Auto-Submitted", "auto-replied")
	is(t, d.header, "In-Reply-To", "<17@example.com>")
	is(t, d.message, "Reporting-MTA", "dns; host.example.com")
	is(t, d.message, "Original-Envelope-Id", "order+17")
	is(t, d.message, "Arrival-Date", "Wed, 04 Mar 2026 12:30:00 +0000")
	if len(d.recipients) != 2 {
		t.Fatalf("the status is of %d recipients", len(d.recipients))
	}
	for i, address := range []string{"b@example.net", "d@example.net"} {
		is(t, d.recipients[i], "Final-Recipient", "rfc822; "+address)
		is(t, d.recipients[i], "Action", "failed")
		is(t, d.recipients[i], "Status", "5.1.1")
		is(t, d.recipients[i], "Remote-MTA", "dns; out.example.net")
		is(t, d.recipients[i], "Diagnostic-Code", "smtp; 550 5.1.1 no such user")
		is(t, d.recipients[i], "Last-Attempt-Date", "Wed, 04 Mar 2026 12:30:00 +0000")
		is(t, d.recipients[i], "Will-Retry-Until", "")
	}
	has(t, d.text, "<b@example.net>\r\n<d@example.net>\r\n", "There is no such mailbox. The recipient's server does not know this address.",
		"out.example.net said: 550 5.1.1 no such user", "What to do: Check the address for typing errors.", "Subject:    Order 17")
	hasNot(t, d.text, "a@example.net", "c@example.net")
	if d.returned != "text/rfc822-headers" || !strings.HasPrefix(d.original, "From: Me <me@example.com>\r\n") || strings.Contains(d.original, "The text") {
		t.Errorf("returned is %s: %q", d.returned, d.original)
	}
	// And that is all, also when the bounce fails.
	w.record(j, outbox.Failed, refused, 0)
	w.quiet("after the bounce failed")
	if v, err := w.store.Get(t.Context(), "", id); err != nil || v.ContentKept {
		t.Errorf("the content is kept: %v", err)
	}
}

// Whenever the run ends, there is one.
func TestOnceAcrossRestarts(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.accept(w.submission("a@example.net"))
	w.record(w.one(), outbox.Failed, refused, 0)
	w.restart() // before anything was done
	var n outbox.Notice
	if list, err := w.store.Notices(t.Context(), 10); err != nil || len(list) != 1 {
		t.Fatalf("notices: %v, %v", list, err)
	} else {
		n = list[0]
	}
	w.bounce()
	w.restart() // after the accept, before anybody heard of it
	if err := w.worker.settle(t.Context(), &n); err != nil {
		t.Error(err)
	}
	w.clock.Advance(72 * time.Hour) // when no key would know it any more
	w.restart()
	if _, err := w.store.Recover(t.Context()); err != nil {
		t.Fatal(err)
	}
	w.record(w.one(), outbox.Sent, sent)
	w.clock.Advance(72 * time.Hour)
	if err := w.worker.settle(t.Context(), &n); err != nil {
		t.Error(err)
	}
	w.quiet("after the restarts")
}

func TestNobodyIsTold(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(*intake.Submission){
		"no notice asked for":  func(s *intake.Submission) { s.Notify = false },
		"NOTIFY=NEVER":         func(s *intake.Submission) { s.Recipients[0].Notify = "NEVER" },
		"NOTIFY=SUCCESS":       func(s *intake.Submission) { s.Recipients[0].Notify = "SUCCESS" },
		"null reverse-path":    func(s *intake.Submission) { s.From = "" },
		"a bounce by its kind": func(s *intake.Submission) { s.Source = outbox.SourceBounce },
		"a bounce by parent":   func(s *intake.Submission) { s.Parent = uuid.NewString() },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			s := w.submission("a@example.net")
			change(s)
			w.accept(s)
			w.record(w.one(), outbox.Failed, refused, 0)
			w.quiet(name)
		})
	}
}

func TestExpiry(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.accept(w.submission("a@example.net", "b@example.net"))
	w.record(w.one(), outbox.Deferred, busy, 0)
	w.clock.Advance(5*24*time.Hour + time.Minute)
	if _, err := w.store.Sweep(t.Context()); err != nil {
		t.Fatal(err)
	}
	d := w.bounce()
	is(t, d.recipients[0], "Action", "failed")
	is(t, d.recipients[0], "Status", "4.4.7")
	is(t, d.recipients[0], "Diagnostic-Code", "smtp; 451 4.3.2 try later")
	is(t, d.recipients[0], "Last-Attempt-Date", "Wed, 04 Mar 2026 12:30:00 +0000")
	has(t, d.text, "The time for its delivery is over. It was tried once, the last time on 4 March 2026 12:30 UTC.",
		"The server is in trouble.", "said: 451 4.3.2 try later", "What to do: Send the message again later")
	hasNot(t, d.text, "Wait;", "b@example.net", "It is tried again by itself")
	if len(d.recipients) != 1 {
		t.Errorf("the status is of %d recipients", len(d.recipients))
	}
}

func TestDelay(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.accept(w.submission("a@example.net", "b@example.net", "c@example.net FAILURE"))
	w.record(w.one(), outbox.Deferred, busy, 0, 2)
	w.clock.Advance(4*time.Hour - time.Second)
	w.work()
	if jobs := w.claim(); len(jobs) > 0 {
		t.Fatal("the delay is told too early")
	}
	w.clock.Advance(time.Second)
	d := w.bounce()
	is(t, d.header, "Subject", "Delayed mail: Order 17")
	is(t, d.recipients[0], "Final-Recipient", "rfc822; a@example.net")
	is(t, d.recipients[0], "Action", "delayed")
	is(t, d.recipients[0], "Status", "4.3.2")
	is(t, d.recipients[0], "Will-Retry-Until", "Mon, 09 Mar 2026 12:30:00 +0000")
	has(t, d.text, "until 9 March 2026 12:30 UTC; you need not send it again", "try later")
	hasNot(t, d.text, "What to do", "b@example.net", "c@example.net")
	w.record(d.job, outbox.Sent, sent)
	w.clock.Advance(4 * time.Hour)
	w.quiet("after the delay was told")
}

// What has arrived in time needs no notice of a delay.
func TestNoDelayAfterTheEnd(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.accept(w.submission("a@example.net"))
	if w.notices() != 1 {
		t.Fatal("a delay would not be noticed")
	}
	w.record(w.one(), outbox.Sent, sent)
	w.quiet("at the end")
}

func TestReturnFull(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	s := w.submission("a@example.net")
	s.Return = "FULL"
	s.Raw = []byte("From: me@example.com\nSubject: Gruß\nMIME-Version: 1.0\nContent-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: 8bit\n\nGrüße\n")
	w.accept(s)
	w.record(w.one(), outbox.Failed, refused, 0)
	d := w.bounce()
	if d.returned != "message/rfc822" || !strings.HasSuffix(strings.TrimRight(d.original, "\r\n"), "\r\n\r\nGrüße") || !d.job.EightBit {
		t.Errorf("returned is %s: %q", d.returned, d.original)
	}
	is(t, d.header, "Content-Transfer-Encoding", "8bit")
	has(t, d.text, "Your message is attached.")
	w.record(d.job, outbox.Sent, sent)

	// With the report around it, it is too large: then its header goes back.
	s.Raw = append([]byte("From: me@example.com\r\nSubject: large\r\nMessage-ID: <l@example.com>\r\nDate: Wed, 04 Mar 2026 12:30:00 +0000\r\nMIME-Version: 1.0\r\n\r\n"),
		strings.Repeat(strings.Repeat("x", 74)+"\r\n", (1<<20-300)/76)...)
	w.accept(s)
	w.record(w.one(), outbox.Failed, refused, 0)
	d = w.bounce()
	if d.returned != "text/rfc822-headers" || !strings.Contains(d.original, "Subject: large") || strings.Contains(d.original, "xxx") {
		t.Errorf("returned is %s: %.200q", d.returned, d.original)
	}
	has(t, d.text, "The header of your message is attached.")
}

// What could not be sent back everywhere, or is still under way, goes back as
// its header, whatever was asked for.
func TestReturnHeaderOnly(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	s := w.submission("a@example.net")
	s.Return, s.Raw = "FULL", []byte("From: jörg@example.com\nSubject: x\n\nThe text.\n")
	for _, next := range []outbox.State{outbox.Failed, outbox.Deferred} {
		if next == outbox.Deferred {
			s.Raw = []byte("From: me@example.com\nSubject: x\n\nThe text.\n")
		}
		w.accept(s)
		w.record(w.one(), next, refused, 0)
		w.clock.Advance(4 * time.Hour)
		d := w.bounce()
		if d.returned != "text/rfc822-headers" || !strings.Contains(d.original, "Subject: x") || strings.Contains(d.original, "The text") ||
			next == outbox.Failed && !strings.Contains(d.original, "jörg@example.com") || d.job.EightBit || d.job.UTF8Header {
			t.Errorf("%s: returned is %s: %q", next, d.returned, d.original)
		}
		w.record(d.job, outbox.Sent, sent)
	}
}

func TestSenderPolicies(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		policy   registry.SenderPolicy
		from, to string
	}{
		"forced": {
			registry.SenderPolicy{FromAddress: "login@provider.example", ForceFromAddress: true},
			"Mail Delivery System <login@provider.example>", "login@provider.example",
		},
		"allowed": {
			registry.SenderPolicy{AllowedFromDomains: []string{"example.com"}},
			"Mail Delivery System <mailer-daemon@example.com>", "me@example.com",
		},
		"envelope": {
			registry.SenderPolicy{EnvelopeFrom: "returns@example.com"},
			"Mail Delivery System <mailer-daemon@host.example.com>", "returns@example.com",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, func(c *registry.Connection) { c.Sender = test.policy })
			w.accept(w.submission("a@example.net"))
			w.record(w.one(), outbox.Failed, refused, 0)
			d := w.bounce()
			is(t, d.header, "From", test.from)
			if e := d.job.Envelope; e.From != "" || e.Recipients[0].Address != test.to {
				t.Errorf("it goes from %q to %q", e.From, e.Recipients[0].Address)
			}
		})
	}
}

// The way back is the first connection of the chain that is still there.
func TestWayBack(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	second := w.configure("second")
	first := w.configure("first", func(c *registry.Connection) { c.Fallbacks = []string{"second"} })
	s := w.submission("a@example.net")
	s.Connection = "first"
	for _, want := range []string{first, second} {
		w.accept(s)
		w.record(w.one(), outbox.Failed, refused, 0)
		if want == second {
			_, err := w.registry.Delete(t.Context(), w.client.ID, "first", "")
			w.ok(err)
		}
		j := w.bounce().job
		if j.Lane != want {
			t.Errorf("it goes through %s, want %s", j.Lane, want)
		}
		w.record(j, outbox.Sent, sent)
	}
	// With none left, the default one.
	s.Connection = "second"
	w.accept(s)
	w.record(w.one(), outbox.Failed, refused, 0)
	_, err := w.registry.Delete(t.Context(), w.client.ID, "second", "")
	w.ok(err)
	if c, ok := w.registry.Connection(w.bounce().job.Lane); !ok || c.Name != "out" {
		t.Errorf("it goes through %q", c.Name)
	}
}

// troubled is an intake that refuses.
type troubled struct {
	Intake
	err error
}

func (i *troubled) Accept(ctx context.Context, s *intake.Submission, f func(uuid.UUID)) (intake.Accepted, error) {
	if i.err != nil {
		return intake.Accepted{}, i.err
	}
	return i.Intake.Accept(ctx, s, f)
}

func TestRefusedForNow(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	in := &troubled{w.intake, fmt.Errorf("%w: disk", outbox.ErrFull)}
	w.worker.Intake = in
	w.accept(w.submission("a@example.net"))
	w.record(w.one(), outbox.Failed, refused, 0)
	w.work()
	if w.notices() != 1 {
		t.Fatal("the notice is lost")
	}
	in.err = nil
	w.work()
	if len(w.claim()) > 0 {
		t.Error("it is tried again at once")
	}
	w.clock.Advance(retryMin)
	d := w.bounce()
	w.record(d.job, outbox.Sent, sent)

	// It is not tried for ever, and not if that is of no use.
	w.accept(w.submission("b@example.net"))
	w.record(w.one(), outbox.Failed, refused, 0)
	in.err = outbox.ErrUnavailable
	w.clock.Advance(patience)
	w.work()
	if w.notices() != 1 {
		t.Error("it is given up too early")
	}
	w.clock.Advance(retryMax)
	w.quiet("after some days")
	in.err = nil
	w.accept(w.submission("c@example.net"))
	w.record(w.one(), outbox.Failed, refused, 0)
	in.err = &registry.Error{Code: registry.NotFound}
	w.quiet("without a connection")
	has(t, w.log.String(), "cannot be told")
}

func TestDeletedClient(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.accept(w.submission("a@example.net"))
	w.record(w.one(), outbox.Failed, refused, 0)
	w.ok(w.registry.DeleteClient(t.Context(), "shop"))
	w.quiet("without the client")
}

// fakeStore counts the looks of Run.
type fakeStore struct {
	Store
	looks int
	err   error
}

func (s *fakeStore) Notices(context.Context, int) ([]outbox.Notice, error) {
	s.looks++
	return nil, s.err
}

func TestRun(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		store := &fakeStore{err: errors.New("trouble")}
		ctx, stop := context.WithTimeout(t.Context(), 10*time.Second+time.Millisecond)
		defer stop()
		New(Options{Store: store, Now: time.Now}).Run(ctx)
		if store.looks != 11 {
			t.Errorf("%d looks in ten seconds", store.looks)
		}
	})
}

// A message of a restored copy may have been told of before.
func TestRestored(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.accept(w.submission("a@example.net"))
	w.record(w.one(), outbox.Failed, refused, 0)
	dir := t.TempDir()
	w.ok(w.store.Backup(t.Context(), dir))
	w.db.Close()
	w.dir = dir
	w.start()
	w.work()
	list, _, err := w.store.List(t.Context(), outbox.Filter{States: []outbox.State{outbox.Held}, Limit: 10})
	if err != nil || len(list) != 1 || list[0].Source != "bounce" || !strings.Contains(list[0].Recipients[0].Reason, "restored") {
		t.Errorf("held are %+v, %v", list, err)
	}
	w.quiet("in the copy")
}

// Different outcomes are told apart, and what may have arrived says so.
func TestDuplicate(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.accept(w.submission("a@example.net"))
	j := w.one()
	now, _ := w.clock.Source()
	w.ok(w.store.Record(t.Context(), outbox.Report{Token: j.Token, Started: now, Results: []outbox.Result{{
		Index: 0, Next: outbox.Expired, Duplicate: true,
		Outcome: plugin.Outcome{Class: plugin.Unknown, Blame: plugin.BlameNetwork, Phase: plugin.PhaseContent, Inferred: true, Reply: "connection reset"},
	}}}))
	d := w.bounce()
	has(t, d.text, "it may have arrived all the same", "In detail: connection reset")
	is(t, d.recipients[0], "Diagnostic-Code", "X-Postilion; connection reset")
	is(t, d.recipients[0], "Remote-MTA", "")
}
