package outboxtest

import (
	"slices"
	"time"

	"github.com/postilion-mail/postilion/internal/outbox"
	"github.com/postilion-mail/postilion/plugin"
)

// recordMixed: T23, and recipients that go on apart.
func recordMixed(t *tester) {
	m := t.accept(recipients(6), lane("l", "m"))
	j := t.one("l")
	soon, later := t.now().Add(time.Minute), t.now().Add(time.Hour)
	r := t.report(j, outbox.Deferred, soon)
	r.Results[0].Next, r.Results[0].Outcome = outbox.Sent, accepted
	r.Results[1].Next, r.Results[1].Outcome = outbox.Failed, refused
	r.Results[3].Due, r.Results[3].Hop = t.now(), 1
	r.Results[4].Due = later
	r.Results[5].Next, r.Results[5].Reason = outbox.Held, "look at it"
	t.ok(t.Store.Record(t.Context(), r))
	t.state(m.ID, outbox.Sent, outbox.Failed, outbox.Deferred, outbox.Deferred, outbox.Deferred, outbox.Held)
	v := t.view(m.ID)
	for i, want := range []outbox.RecipientView{
		{Outcome: accepted, Connection: "l"}, {Outcome: refused, Connection: "l"}, {Outcome: busy, Connection: "l", Next: soon},
		{Outcome: busy, Connection: "m", Next: t.now()}, {Outcome: busy, Connection: "l", Next: later}, {Outcome: busy, Connection: "l", Reason: "look at it"},
	} {
		got := v.Recipients[i]
		if got.Outcome != want.Outcome || got.Connection != want.Connection || !got.Next.Equal(want.Next) || got.Reason != want.Reason || got.Attempts != 1 {
			t.Errorf("recipient %d: %+v", i, got)
		}
	}
	same(t, "done", v.Done.IsZero(), true)
	other := t.one("m")
	if !slices.Equal(other.Indexes, []int{3}) || other.Hop != 1 || other.Attempt != 2 || other.Envelope.From != "m@example.com" || len(other.Envelope.Recipients) != 1 {
		t.Errorf("through the second hop: %+v", other)
	}
	same(t, "its content", t.text(&other), "X-Hop: m\r\n"+string(m.Content))
	t.record(other, outbox.Sent, time.Time{})
	t.none("l")
	t.Clock.Advance(time.Minute)
	j = t.one("l")
	same(t, "indexes", slices.Equal(j.Indexes, []int{2}), true)
	t.record(j, outbox.Failed, time.Time{})
	t.Clock.Advance(time.Hour)
	t.record(t.one("l"), outbox.Expired, time.Time{})
	_, err := t.Store.ReleaseHeld(t.Context(), "", m.ID)
	t.ok(err)
	t.Clock.Advance(time.Second)
	t.record(t.one("l"), outbox.Sent, time.Time{})
	v = t.view(m.ID)
	same(t, "done", v.Done, t.now())
	same(t, "content kept", v.ContentKept, false)
	t.state(m.ID, outbox.Sent, outbox.Failed, outbox.Failed, outbox.Sent, outbox.Expired, outbox.Sent)
	t.endedOnce(m)
	attempts, err := t.Store.Attempts(t.Context(), m.ID)
	t.ok(err)
	same(t, "attempts", len(attempts), 6+4)
	a := attempts[slices.IndexFunc(attempts, func(a outbox.Attempt) bool { return a.Recipient == 0 })]
	if a.Number != 1 || a.Connection != "l" || a.Duration != 5*time.Millisecond || !a.Started.Equal(Start) || a.Address != "r0@example.com" || a.Outcome != accepted {
		t.Errorf("attempt %+v", a)
	}
}

// endedOnce checks that each recipient of a message had one terminal event.
func (t *tester) endedOnce(m *outbox.Message) {
	t.Helper()
	terminal := make(map[int]int)
	for _, e := range t.events(m.ID) {
		if slices.Contains([]outbox.EventType{outbox.EventSent, outbox.EventFailed, outbox.EventExpired}, e.Type) {
			terminal[e.Recipient]++
			same(t, "address", e.Address, m.Recipients[e.Recipient].Address)
		}
	}
	for i := range m.Recipients {
		same(t, "terminal events", terminal[i], 1)
	}
}

func recordRefuses(t *tester) {
	m := t.accept(recipients(2))
	j := t.one("l")
	for name, change := range map[string]func(*outbox.Report){
		"too few results": func(r *outbox.Report) { r.Results = r.Results[:1] },
		"one twice":       func(r *outbox.Report) { r.Results[1].Index = 0 },
		"not its own":     func(r *outbox.Report) { r.Results[1].Index = 7 },
		"no such hop":     func(r *outbox.Report) { r.Results[1].Hop = 1 },
		"queued":          func(r *outbox.Report) { r.Results[1].Next = outbox.Queued },
		"cancelled":       func(r *outbox.Report) { r.Results[1].Next = outbox.Cancelled },
		"no state":        func(r *outbox.Report) { r.Results[1].Next = 0 },
	} {
		r := t.report(j, outbox.Deferred, t.now())
		change(&r)
		if err := t.Store.Record(t.Context(), r); err == nil {
			t.Errorf("%s: recorded", name)
		}
	}
	t.state(m.ID, outbox.Sending, outbox.Sending)
	t.told(m.ID, outbox.EventAccepted)
	t.record(j, outbox.Sent, time.Time{})
}

// recordUntried leaves no attempt behind.
func recordUntried(t *tester) {
	m, over := t.accept(lane("l", "m")), t.accept(lane("x"))
	j := t.one("l")
	r := t.report(j, outbox.Deferred, t.now())
	r.Untried = true
	r.Results[0].Hop = 1
	t.ok(t.Store.Record(t.Context(), r))
	j = t.one("m")
	same(t, "attempt", j.Attempt, 1)
	v := t.view(m.ID).Recipients[0]
	same(t, "attempts", v.Attempts, 0)
	same(t, "outcome", v.Outcome, busy)
	attempts, err := t.Store.Attempts(t.Context(), m.ID)
	t.ok(err)
	same(t, "attempts", len(attempts), 0)
	t.record(j, outbox.Sent, time.Time{})

	r = t.report(t.one("x"), outbox.Expired, time.Time{})
	r.Untried = true
	t.ok(t.Store.Record(t.Context(), r))
	t.state(over.ID, outbox.Expired)
	same(t, "done", t.view(over.ID).Done.IsZero(), false)
}

func staleTokens(t *tester) {
	m := t.accept()
	j := t.one("l")
	for name, token := range map[string]outbox.Token{
		"another job":   {Job: j.Token.Job + 1, Epoch: j.Token.Epoch, Count: j.Token.Count},
		"another run":   {Job: j.Token.Job, Epoch: j.Token.Epoch - 1, Count: j.Token.Count},
		"another claim": {Job: j.Token.Job, Epoch: j.Token.Epoch, Count: j.Token.Count + 1},
	} {
		bad := j
		bad.Token = token
		t.is(name, t.Store.Record(t.Context(), t.report(bad, outbox.Sent, time.Time{})), outbox.ErrStaleToken)
	}
	t.state(m.ID, outbox.Sending)
	t.record(j, outbox.Deferred, t.now())
	t.is("twice", t.Store.Record(t.Context(), t.report(j, outbox.Sent, time.Time{})), outbox.ErrStaleToken)
	t.told(m.ID, outbox.EventAccepted, outbox.EventDeferred)
	t.record(t.one("l"), outbox.Sent, time.Time{})
	t.is("after the end", t.Store.Record(t.Context(), t.report(j, outbox.Sent, time.Time{})), outbox.ErrStaleToken)
}

// expiry: T25, exactly one terminal event.
func expiry(t *tester) {
	m := t.accept(recipients(2), func(m *outbox.Message) { m.Expires = t.now().Add(2 * time.Hour) })
	never := t.accept(lane("m"), func(m *outbox.Message) { m.Expires = time.Time{} })
	untried := t.accept(lane("x"), func(m *outbox.Message) { m.Expires = t.now().Add(time.Hour) })
	held := t.accept(lane("h"), func(m *outbox.Message) { m.Hold = "wait"; m.Expires = t.now().Add(time.Hour) })
	t.record(t.one("l"), outbox.Deferred, t.now().Add(3*time.Hour))
	t.Clock.Advance(2*time.Hour - time.Second)
	t.sweep()
	t.state(m.ID, outbox.Deferred, outbox.Deferred)
	t.state(untried.ID, outbox.Expired)
	t.Clock.Advance(time.Second)
	t.sweep()
	t.sweep()
	t.state(m.ID, outbox.Expired, outbox.Expired)
	t.told(m.ID, outbox.EventAccepted, outbox.EventDeferred, outbox.EventDeferred, outbox.EventExpired, outbox.EventExpired)
	v := t.view(m.ID)
	same(t, "outcome", v.Recipients[0].Outcome, busy)
	same(t, "content kept", v.ContentKept, false)
	same(t, "outcome without an attempt", t.view(untried.ID).Recipients[0].Outcome.Class, plugin.Temporary)
	t.state(held.ID, outbox.Held)
	t.Clock.Advance(10000 * time.Hour)
	t.sweep()
	t.state(never.ID, outbox.Queued)
	same(t, "expires", t.view(never.ID).Expires.IsZero(), true)
}

// clockJumps: T14, a clock that is set makes nothing expire and nothing wait
// longer.
func clockJumps(t *tester) {
	m := t.accept()
	life := m.Expires.Sub(m.Accepted)
	t.record(t.one("l"), outbox.Deferred, t.now().Add(time.Hour))
	for _, jump := range []time.Duration{6 * 24 * time.Hour, -12 * 24 * time.Hour} {
		t.Clock.Jump(jump)
		t.sweep()
		t.none("l")
		t.state(m.ID, outbox.Deferred)
		v := t.view(m.ID)
		same(t, "next", v.Recipients[0].Next.Sub(t.now()), time.Hour)
		same(t, "expires", v.Expires.Sub(t.now()), life)
	}
	t.Clock.Advance(time.Hour)
	t.record(t.one("l"), outbox.Deferred, t.now().Add(life))
	t.Clock.Advance(life - time.Hour)
	t.sweep()
	t.state(m.ID, outbox.Expired)
}

func clockJumpsOverRestart(t *tester) {
	m := t.accept()
	life := m.Expires.Sub(m.Accepted)
	t.record(t.one("l"), outbox.Deferred, t.now().Add(time.Hour))
	t.Clock.Advance(2 * time.Minute)
	t.sweep()
	t.Clock.Jump(-6 * 24 * time.Hour)
	t.restart()
	t.sweep()
	v := t.view(m.ID)
	same(t, "next", v.Recipients[0].Next.Sub(t.now()), 58*time.Minute)
	same(t, "expires", v.Expires.Sub(t.now()), life-2*time.Minute)
	t.Clock.Advance(58 * time.Minute)
	t.one("l")
}
