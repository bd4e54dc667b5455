package outboxtest

import (
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/postilion-mail/postilion/internal/outbox"
)

// DelayNotice is after what time a store under test makes notices of delay.
const DelayNotice = 4 * time.Hour

func notify(m *outbox.Message) { m.Notify = true }

// asking gives the recipients their values of NOTIFY.
func asking(values ...string) func(*outbox.Message) {
	return func(m *outbox.Message) {
		recipients(len(values))(m)
		for i, v := range values {
			m.Recipients[i].Notify = v
		}
	}
}

// notices gives those that are due.
func (t *tester) notices() []outbox.Notice {
	t.Helper()
	list, err := t.Store.Notices(t.Context(), 100)
	t.ok(err)
	return list
}

// notice gives the only one that is due.
func (t *tester) notice() outbox.Notice {
	t.Helper()
	list := t.notices()
	if len(list) != 1 {
		t.Fatalf("%d notices are due, want 1: %+v", len(list), list)
	}
	return list[0]
}

// about names the recipients of a notice.
func about(n outbox.Notice) string {
	var list []string
	for _, r := range n.Recipients {
		list = append(list, strings.TrimSuffix(r.Address, "@example.com")+" "+r.State.String())
	}
	return strings.Join(list, ", ")
}

// bounce makes the message that carries a notice.
func bounce(n outbox.Notice) func(*outbox.Message) {
	return func(m *outbox.Message) {
		m.Source, m.Notice, m.Parent = outbox.SourceBounce, n.ID, n.Message.String()
		m.Chain[0].EnvelopeFrom = ""
	}
}

func noticeOfFailure(t *tester) {
	m := t.accept(notify, recipients(5), lane("l", "k"), func(m *outbox.Message) { m.EnvelopeID, m.Return = "env", "HDRS" })
	j := t.one("l")
	r := t.report(j, outbox.Failed, time.Time{})
	for _, i := range []int{0, 2, 4} {
		r.Results[i].Next, r.Results[i].Outcome = outbox.Sent, accepted
	}
	t.ok(t.Store.Record(t.Context(), r))
	for range 2 { // also in the next run
		n := t.notice()
		same(t, "notice is about", about(n), "r1 FAILED, r3 FAILED")
		same(t, "its message", n.Message, m.ID)
		same(t, "its sender", n.Sender, "l@example.com")
		same(t, "what goes with it", strings.Join([]string{n.Client, n.MessageID, n.Subject, n.EnvelopeID, n.Return, n.Type.String()}, " "),
			strings.Join([]string{"a", m.MessageID, m.Subject, "env", "HDRS", "failed"}, " "))
		same(t, "when", n.Created.Equal(t.now()) && n.Accepted.Equal(t.now()), true)
		same(t, "the outcome", n.Recipients[1].Outcome, refused)
		same(t, "the attempt", n.Recipients[1].Attempts, 1)
		same(t, "its time", n.Recipients[1].Tried.Equal(t.now()), true)
		same(t, "the connection", n.Recipients[1].Connection, "l")
		t.restart()
	}
	// The content stays for the notice, and goes with it.
	c, err := t.Store.Raw(t.Context(), "", m.ID)
	t.ok(err)
	if text := t.all(c); !strings.HasPrefix(text, "X-Hop: l\r\nSubject: Message") {
		t.Errorf("the content is %q", text)
	}
	t.ok(t.Store.DropNotice(t.Context(), t.notice().ID))
	same(t, "notices left", len(t.notices()), 0)
	same(t, "content kept", t.view(m.ID).ContentKept, false)
	t.ok(t.Store.DropNotice(t.Context(), 12345))
}

func noticeOfNobody(t *tester) {
	for _, change := range []func(*outbox.Message){
		func(m *outbox.Message) {},
		func(m *outbox.Message) { m.Notify, m.Chain[0].EnvelopeFrom = true, "" },
		func(m *outbox.Message) { m.Notify, m.Parent = true, uuid.NewString() },
		func(m *outbox.Message) { m.Notify, m.Source = true, outbox.SourceBounce },
		func(m *outbox.Message) { m.Notify = true; asking("NEVER")(m) },
		func(m *outbox.Message) { m.Notify = true; asking("SUCCESS,DELAY")(m) },
	} {
		m := t.accept(change)
		t.record(t.one("l"), outbox.Failed, time.Time{})
		same(t, "notices", len(t.notices()), 0)
		same(t, "content kept", t.view(m.ID).ContentKept, false)
	}
	t.accept(notify)
	t.record(t.one("l"), outbox.Sent, time.Time{})
	m := t.accept(notify)
	_, err := t.Store.Cancel(t.Context(), "", m.ID)
	t.ok(err)
	same(t, "notices of what was sent or cancelled", len(t.notices()), 0)

	t.accept(notify, asking("NEVER", "FAILURE", "", "SUCCESS"))
	t.record(t.one("l"), outbox.Failed, time.Time{})
	same(t, "notice is about", about(t.notice()), "r1 FAILED, r2 FAILED")
}

// A notice becomes a message once, whenever the run ends.
func noticeOnce(t *tester) {
	m := t.accept(notify, func(m *outbox.Message) { m.Content = []byte(strings.Repeat("x", 200<<10)) })
	j := t.one("l")
	t.record(j, outbox.Failed, time.Time{})
	t.is("a report again", t.Store.Record(t.Context(), t.report(j, outbox.Failed, time.Time{})), outbox.ErrStaleToken)
	n := t.notice()
	t.restart()
	first := t.accept(bounce(n))
	same(t, "notices left", len(t.notices()), 0)
	same(t, "content kept", t.view(m.ID).ContentKept, false)
	t.restart()
	_, err := t.Store.Accept(t.Context(), t.message(bounce(n)))
	t.is("a second message for the notice", err, outbox.ErrNotFound)
	t.record(t.one("l"), outbox.Failed, time.Time{})
	t.state(first.ID, outbox.Failed)
	same(t, "notices of a bounce", len(t.notices()), 0)

	// What is not accepted leaves the notice.
	t.accept(notify, key("k", "1"))
	t.record(t.one("l"), outbox.Failed, time.Time{})
	n = t.notice()
	_, err = t.Store.Accept(t.Context(), t.message(bounce(n), key("k", "2")))
	t.is("a bounce with a key that is taken", err, outbox.ErrKeyReused)
	same(t, "the notice", t.notice().ID, n.ID)
}

func noticeOfExpiry(t *tester) {
	t.accept(notify, recipients(3))
	j := t.one("l")
	r := t.report(j, outbox.Deferred, t.now().Add(time.Hour))
	r.Results[0].Next, r.Results[0].Outcome = outbox.Sent, accepted
	t.ok(t.Store.Record(t.Context(), r))
	same(t, "notices of what is deferred", len(t.notices()), 0)
	t.Clock.Advance(5*24*time.Hour + time.Minute)
	t.sweep()
	n := t.notice()
	same(t, "notice is about", about(n), "r1 EXPIRED, r2 EXPIRED")
	same(t, "the outcome", n.Recipients[0].Outcome, busy)
	same(t, "the last attempt", n.Recipients[0].Tried.Equal(Start), true)

	// What its notice is about is kept as long as that waits.
	t.Clock.Advance(400 * 24 * time.Hour)
	t.sweep()
	n = t.notice()
	same(t, "notice is about", about(n), "r1 EXPIRED, r2 EXPIRED")
	t.ok(t.Store.PostponeNotice(t.Context(), n.ID, t.now().Add(time.Hour)))
	same(t, "notices due", len(t.notices()), 0)
	t.Clock.Advance(time.Hour)
	t.ok(t.Store.DropNotice(t.Context(), t.notice().ID))
	t.sweep()
	_, err := t.Store.Get(t.Context(), "", n.Message)
	t.is("the message", err, outbox.ErrNotFound)
}

func noticeOfDelay(t *tester) {
	t.accept()                                     // not of interest
	t.accept(notify, lane("sent"))                 // delivered in time
	t.accept(notify, lane("m"), asking("FAILURE")) // not asked for
	wanted := t.accept(notify, lane("k"), asking("", "FAILURE,DELAY", "NEVER", ""))
	later := t.accept(notify, lane("n"), at(t.now().Add(time.Hour)))
	t.sent("sent")
	r := t.report(t.one("k"), outbox.Deferred, t.now().Add(24*time.Hour))
	r.Results[3].Next = outbox.Sent
	t.ok(t.Store.Record(t.Context(), r))

	t.Clock.Advance(DelayNotice - time.Second)
	same(t, "notices before their time", len(t.notices()), 0)
	t.Clock.Advance(time.Second)
	t.restart()
	n := t.notice()
	same(t, "type", n.Type, outbox.NoticeDelayed)
	same(t, "message", n.Message, wanted.ID)
	same(t, "notice is about", about(n), "r0 DEFERRED, r1 DEFERRED")
	same(t, "the outcome", n.Recipients[0].Outcome, busy)
	same(t, "expires", n.Expires.Equal(wanted.Expires), true)
	t.accept(bounce(n), lane("bounces"))
	same(t, "notices left", len(t.notices()), 0)
	same(t, "content kept", t.view(wanted.ID).ContentKept, true)
	t.Clock.Advance(time.Hour)
	n = t.notice()
	same(t, "message", n.Message, later.ID)
	_, err := t.Store.Hold(t.Context(), "", later.ID, "a person wants it so")
	t.ok(err)
	same(t, "notice of what is held is about", about(t.notice()), "")
	_, err = t.Store.Cancel(t.Context(), "", later.ID)
	t.ok(err)
	same(t, "notices of what has ended", len(t.notices()), 0)
	same(t, "content kept", t.view(later.ID).ContentKept, false)
}

func noticeOfRefusal(t *tester) {
	n := outbox.Notice{
		Client: "a", Sender: "me@example.com", Key: "drop", EnvelopeID: "env", Header: []byte("Subject: Hello\r\n\r\n"),
		Recipients: []outbox.NoticeRecipient{{Address: "r0@example.com", State: outbox.Failed, Outcome: refused}},
	}
	for range 2 {
		t.ok(t.Store.AddNotice(t.Context(), &n))
		t.restart()
	}
	got := t.notice()
	same(t, "type", got.Type, outbox.NoticeRefused)
	same(t, "notice is about", about(got), "r0 FAILED")
	same(t, "what goes with it", got.Client+got.Sender+got.Key+got.EnvelopeID+string(got.Header), n.Client+n.Sender+n.Key+n.EnvelopeID+string(n.Header))
	same(t, "when", got.Created.Equal(t.now()), true)
	t.accept(bounce(got))
	same(t, "notices left", len(t.notices()), 0)
}
