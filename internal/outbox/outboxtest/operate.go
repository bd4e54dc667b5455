package outboxtest

import (
	"time"

	"github.com/google/uuid"

	"github.com/postilion-mail/postilion/internal/outbox"
	"github.com/postilion-mail/postilion/plugin"
)

// cancel: T30.
func cancel(t *tester) {
	m := t.accept(recipients(2))
	_, err := t.Store.Cancel(t.Context(), "b", m.ID)
	t.is("another client's", err, outbox.ErrNotFound)
	j := t.one("l")
	_, err = t.Store.Cancel(t.Context(), "a", m.ID)
	t.is("while it is delivered", err, outbox.ErrTooLate)
	r := t.report(j, outbox.Deferred, t.now().Add(time.Minute))
	r.Results[0].Next, r.Results[0].Outcome = outbox.Sent, accepted
	t.ok(t.Store.Record(t.Context(), r))
	v, err := t.Store.Cancel(t.Context(), "a", m.ID)
	t.ok(err)
	same(t, "state", v.Recipients[1].State, outbox.Cancelled)
	same(t, "content", v.ContentKept, false)
	t.state(m.ID, outbox.Sent, outbox.Cancelled)
	list := t.events(m.ID)
	same(t, "events", len(list), 4)
	same(t, "the last", list[3].Type, outbox.EventCancelled)
	_, err = t.Store.Cancel(t.Context(), "a", m.ID)
	t.is("twice", err, outbox.ErrTooLate)
	t.Clock.Advance(time.Hour)
	t.none("l")
	_, waits, err := t.Store.NextDue(t.Context(), "l")
	t.ok(err)
	same(t, "waits", waits, false)
	held := t.accept(func(m *outbox.Message) { m.Hold = "look" })
	_, err = t.Store.Cancel(t.Context(), "", held.ID)
	t.ok(err)
	t.state(held.ID, outbox.Cancelled)
}

func holdAndRelease(t *tester) {
	m := t.accept()
	v, err := t.Store.Hold(t.Context(), "a", m.ID, "suspicious")
	t.ok(err)
	same(t, "reason", v.Recipients[0].Reason, "suspicious")
	t.none("l")
	t.restart()
	t.none("l")
	_, err = t.Store.Hold(t.Context(), "a", m.ID, "again")
	t.is("hold of what is held", err, outbox.ErrTooLate)
	_, err = t.Store.ReleaseHeld(t.Context(), "b", m.ID)
	t.is("another client's", err, outbox.ErrNotFound)
	h := &handoff{}
	t.Store.SetHandoff(h)
	v, err = t.Store.ReleaseHeld(t.Context(), "a", m.ID)
	t.ok(err)
	same(t, "state", v.Recipients[0].State, outbox.Queued)
	same(t, "woken", len(h.woken()), 1)
	_, err = t.Store.ReleaseHeld(t.Context(), "a", m.ID)
	t.is("release of what is not held", err, outbox.ErrTooLate)
	j := t.one("l")
	_, err = t.Store.Hold(t.Context(), "a", m.ID, "late")
	t.is("hold of what is delivered", err, outbox.ErrTooLate)
	t.record(j, outbox.Sent, time.Time{})
	t.told(m.ID, outbox.EventAccepted, outbox.EventHeld, outbox.EventReleased, outbox.EventSent)
	same(t, "reason of the event", t.events(m.ID)[1].Reason, "suspicious")
	started := t.accept(func(m *outbox.Message) { m.Hold = "from the start" })
	t.told(started.ID, outbox.EventAccepted, outbox.EventHeld)
	same(t, "reason", t.view(started.ID).Recipients[0].Reason, "from the start")

	later := t.now().Add(time.Hour)
	early := t.accept(func(m *outbox.Message) { m.Hold, m.SendAt = "wait", later })
	v, err = t.Store.ReleaseHeld(t.Context(), "a", early.ID)
	t.ok(err)
	same(t, "next attempt of what is released before its time", v.Recipients[0].Next, later)
	t.none("l")
}

// releaseAfterLife: the time on hold is not held against the message.
func releaseAfterLife(t *tester) {
	m := t.accept(func(m *outbox.Message) { m.Hold = "wait" })
	life := m.Expires.Sub(m.Accepted)
	t.Clock.Advance(2 * life)
	v, err := t.Store.ReleaseHeld(t.Context(), "a", m.ID)
	t.ok(err)
	same(t, "expires", v.Expires, t.now().Add(life))
	t.sweep()
	t.state(m.ID, outbox.Queued)
	t.record(t.one("l"), outbox.Sent, time.Time{})
}

func retry(t *tester) {
	m := t.accept(recipients(3), lane("l", "m"), func(m *outbox.Message) { m.KeepContent = true })
	r := t.report(t.one("l"), outbox.Deferred, t.now().Add(time.Hour))
	r.Results[0].Next, r.Results[0].Outcome = outbox.Sent, accepted
	r.Results[1].Next, r.Results[1].Outcome = outbox.Failed, refused
	t.ok(t.Store.Record(t.Context(), r))
	v, err := t.Store.Retry(t.Context(), "a", m.ID, time.Hour)
	t.ok(err)
	same(t, "expires", v.Expires, t.now().Add(time.Hour))
	t.state(m.ID, outbox.Sent, outbox.Queued, outbox.Queued)
	jobs := t.claim("l", 10).Jobs
	same(t, "jobs", len(jobs), 2)
	_, err = t.Store.Retry(t.Context(), "a", m.ID, time.Hour)
	t.is("while it is delivered", err, outbox.ErrTooLate)
	for _, j := range jobs {
		t.record(j, outbox.Failed, time.Time{})
	}
	same(t, "done", t.view(m.ID).Done.IsZero(), false)
	_, err = t.Store.Retry(t.Context(), "a", m.ID, time.Hour)
	t.ok(err)
	v = t.view(m.ID)
	same(t, "done", v.Done.IsZero(), true)
	n, bytes, err := t.Store.Usage(t.Context(), "a")
	t.ok(err)
	same(t, "usage", n, 1)
	same(t, "usage", bytes, v.Size)
	j := t.one("l")
	same(t, "attempt", j.Attempt, 1)
	same(t, "content", t.text(&j), "X-Hop: l\r\n"+string(m.Content))
	t.record(j, outbox.Sent, time.Time{})
	_, err = t.Store.Retry(t.Context(), "a", m.ID, time.Hour)
	t.is("when all is sent", err, outbox.ErrTooLate)
	gone := t.accept()
	t.record(t.one("l"), outbox.Failed, time.Time{})
	_, err = t.Store.Retry(t.Context(), "a", gone.ID, time.Hour)
	t.is("when the content is gone", err, outbox.ErrTooLate)
	_, err = t.Store.Retry(t.Context(), "b", m.ID, time.Hour)
	t.is("another client's", err, outbox.ErrNotFound)
}

func holdLane(t *tester) {
	t.acceptMany(700, func(i int, m *outbox.Message) {
		m.Client, m.Priority = []string{"a", "a", "a", "a", "a", "a", "b", "c"}[i%8], outbox.Priority(i%8/7)
	})
	later := t.accept(at(t.now().Add(time.Hour)))
	other := t.accept(lane("m"))
	claimed := t.claim("l", 2).Jobs
	n, err := t.Store.HoldLane(t.Context(), "l", "the connection was deleted")
	t.ok(err)
	same(t, "held", n, 699)
	t.none("l")
	t.state(later.ID, outbox.Held)
	t.state(other.ID, outbox.Queued)
	t.record(claimed[0], outbox.Sent, time.Time{})
	t.record(claimed[1], outbox.Deferred, t.now())
	n, err = t.Store.HoldLane(t.Context(), "l", "the connection was deleted")
	t.ok(err)
	same(t, "held later", n, 1)
	n, err = t.Store.Waiting(t.Context(), "l")
	t.ok(err)
	same(t, "waiting", n, 700)
}

func pauses(t *tester) {
	list, err := t.Store.Pauses(t.Context())
	t.ok(err)
	same(t, "pauses at first", len(list), 0)
	auth := plugin.Outcome{Class: plugin.Temporary, Blame: plugin.BlameAuth, Phase: plugin.PhaseAuth, Code: 535, Enhanced: "5.7.8", Reply: "bad password"}
	p := outbox.Pause{Lane: "l", Until: t.now().Add(time.Minute), Since: t.now(), Strikes: 1, Outcome: auth}
	t.ok(t.Store.SetPause(t.Context(), p))
	p.Strikes, p.Until = 2, t.now().Add(2*time.Minute)
	t.ok(t.Store.SetPause(t.Context(), p))
	t.ok(t.Store.SetPause(t.Context(), outbox.Pause{Lane: "m", Until: t.now(), Since: t.now(), Strikes: 1, Outcome: busy}))
	t.restart()
	list, err = t.Store.Pauses(t.Context())
	t.ok(err)
	if len(list) != 2 || list[0] != p {
		t.Errorf("pauses %+v", list)
	}
	lost := plugin.Outcome{Class: plugin.Temporary, Blame: plugin.BlameNetwork, Phase: plugin.PhaseConnect, Inferred: true, Reply: "refused"}
	unknown := plugin.Outcome{Class: plugin.Unknown, Blame: plugin.BlameNetwork, Phase: plugin.PhaseContent, Inferred: true, Reply: "lost"}
	blamed, unreached, doubtful, other := t.accept(), t.accept(), t.accept(), t.accept()
	for _, j := range t.claim("l", 10).Jobs {
		r := t.report(j, outbox.Deferred, t.now().Add(time.Hour))
		switch j.Message {
		case blamed.ID:
			r.Results[0].Outcome = auth
		case unreached.ID:
			r.Results[0].Outcome = lost
		case doubtful.ID:
			r.Results[0].Outcome, r.Results[0].Duplicate = unknown, true
		}
		t.ok(t.Store.Record(t.Context(), r))
	}
	h := &handoff{}
	t.Store.SetHandoff(h)
	t.ok(t.Store.ClearPause(t.Context(), "l"))
	same(t, "woken", len(h.woken()) > 0, true)
	list, err = t.Store.Pauses(t.Context())
	t.ok(err)
	same(t, "pauses at the end", len(list), 1)
	due := t.claim("l", 10).Jobs
	if len(due) != 2 || due[0].Message != blamed.ID || due[1].Message != unreached.ID {
		t.Errorf("due at once are %v", due)
	}
	for _, m := range []uuid.UUID{doubtful.ID, other.ID} {
		same(t, "not due", t.view(m).Recipients[0].Next, t.now().Add(time.Hour))
	}
	t.ok(t.Store.ClearPause(t.Context(), "none"))
}

// poison: T7, a record that cannot be read stops nobody.
func poison(t *tester) {
	bad, good := t.accept(), t.accept()
	t.Corrupt(bad.ID)
	same(t, "claimed", t.one("l").Message, good.ID)
	t.none("l")
	t.state(bad.ID, outbox.Held)
	if r := t.view(bad.ID).Recipients[0]; r.Reason == "" {
		t.Error("no reason")
	}
	t.told(bad.ID, outbox.EventAccepted, outbox.EventHeld)
	t.restart()
	_, err := t.Store.Recover(t.Context())
	t.ok(err)
	same(t, "after a restart", t.one("l").Message, good.ID)
	_, err = t.Store.Cancel(t.Context(), "", bad.ID)
	t.ok(err)
}
