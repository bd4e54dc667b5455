package outboxtest

import (
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/postilion-mail/postilion/internal/outbox"
	"github.com/postilion-mail/postilion/plugin"
)

// leases: T12.
func leases(t *tester) {
	m := t.accept()
	kept := t.accept(lane("m"))
	j, k := t.one("l"), t.one("m")
	t.Clock.Advance(50 * time.Second)
	stale, err := t.Store.Extend(t.Context(), time.Minute, k.Token, outbox.Token{Job: k.Token.Job, Epoch: k.Token.Epoch, Count: 99})
	t.ok(err)
	if len(stale) != 1 || stale[0].Count != 99 {
		t.Errorf("stale %v", stale)
	}
	t.sweep()
	t.state(m.ID, outbox.Sending)
	t.Clock.Advance(20 * time.Second)
	t.sweep()
	t.state(m.ID, outbox.Queued)
	t.state(kept.ID, outbox.Sending)
	t.is("a late report", t.Store.Record(t.Context(), t.report(j, outbox.Sent, time.Time{})), outbox.ErrStaleToken)
	again := t.one("l")
	same(t, "attempt", again.Attempt, 2)
	same(t, "duplicate", again.Duplicate, true)
	t.is("a late report while it is tried again", t.Store.Record(t.Context(), t.report(j, outbox.Sent, time.Time{})), outbox.ErrStaleToken)
	stale, err = t.Store.Extend(t.Context(), time.Minute, j.Token)
	t.ok(err)
	same(t, "stale", len(stale), 1)
	t.record(again, outbox.Sent, time.Time{})
	t.told(m.ID, outbox.EventAccepted, outbox.EventDeferred, outbox.EventSent)
	t.record(k, outbox.Sent, time.Time{})
	// A step of the wall clock ends no lease.
	t.accept()
	j = t.one("l")
	t.Clock.Jump(72 * time.Hour)
	t.sweep()
	t.record(j, outbox.Sent, time.Time{})
}

// churn: jobs that come back at once are recorded and claimed again by many at
// a time, often in one commit. No claim may be lost in that, nor held twice.
func churn(t *tester) {
	const messages, rounds, workers = 12, 12, 6
	t.acceptMany(messages, func(int, *outbox.Message) {})
	var held sync.Map
	var all sync.WaitGroup
	var left atomic.Int64
	left.Store(messages * rounds)
	for range workers {
		all.Go(func() {
			for left.Load() > 0 && !t.Failed() {
				c, err := t.Store.Claim(t.Context(), outbox.Claim{Lane: "l", Limit: 2, Lease: time.Hour})
				if err != nil {
					t.Error(err)
				}
				for _, j := range c.Jobs {
					if _, twice := held.LoadOrStore(j.Message, true); twice {
						t.Errorf("message %s is held twice", j.Message)
					}
					r := t.report(j, outbox.Deferred, t.now())
					held.Delete(j.Message)
					if err := t.Store.Record(t.Context(), r); err != nil {
						t.Errorf("attempt %d: %v", j.Attempt, err)
					}
					left.Add(-1)
				}
			}
		})
	}
	all.Wait()
}

// crashIsUnknown: T8, T9.
func crashIsUnknown(t *tester) {
	m := t.accept(recipients(3), lane("l", "m"))
	j := t.one("l")
	r := t.report(j, outbox.Deferred, t.now().Add(time.Minute))
	r.Results[0].Next, r.Results[0].Outcome = outbox.Sent, accepted
	t.ok(t.Store.Record(t.Context(), r))
	t.Clock.Advance(time.Minute)
	j = t.one("l")
	t.restart()
	t.none("l")
	n, err := t.Store.Recover(t.Context())
	t.ok(err)
	same(t, "recovered", n, 1)
	n, err = t.Store.Recover(t.Context())
	t.ok(err)
	same(t, "recovered again", n, 0)
	t.state(m.ID, outbox.Sent, outbox.Queued, outbox.Queued)
	v := t.view(m.ID)
	if o := v.Recipients[1].Outcome; o.Class != plugin.Unknown || !o.Inferred || !v.Recipients[1].Duplicate || v.Recipients[0].Duplicate || v.Recipients[1].Attempts != 2 {
		t.Errorf("after the crash: %+v", v.Recipients)
	}
	t.is("a report of the dead run", t.Store.Record(t.Context(), t.report(j, outbox.Sent, time.Time{})), outbox.ErrStaleToken)
	j = t.one("l")
	if j.Attempt != 3 || j.Crashes != 1 || !j.Duplicate || j.MessageID != m.MessageID || !slices.Equal(j.Indexes, []int{1, 2}) {
		t.Errorf("job %+v", j)
	}
	t.record(j, outbox.Sent, time.Time{})
	t.state(m.ID, outbox.Sent, outbox.Sent, outbox.Sent)
	attempts, err := t.Store.Attempts(t.Context(), m.ID)
	t.ok(err)
	unknown := 0
	for _, a := range attempts {
		if a.Outcome.Class == plugin.Unknown {
			unknown++
		}
	}
	same(t, "attempts", len(attempts), 3+2+2)
	same(t, "unknown attempts", unknown, 2)
}

// crashesHold: T32, by the crash of the daemon and as reported of a transport.
func crashesHold(t *tester) {
	m, fine := t.accept(), t.accept(lane("m"))
	for i := range 5 {
		j := t.one("l")
		same(t, "crashes", j.Crashes, i)
		t.restart()
		_, err := t.Store.Recover(t.Context())
		t.ok(err)
	}
	t.none("l")
	t.state(m.ID, outbox.Held)
	v := t.view(m.ID)
	if !strings.Contains(v.Recipients[0].Reason, "crash") {
		t.Errorf("reason %q", v.Recipients[0].Reason)
	}
	j := t.one("m")
	same(t, "the other message", j.Message, fine.ID)
	for i := range 3 {
		r := t.report(j, outbox.Deferred, t.now())
		r.Crashed = true
		t.ok(t.Store.Record(t.Context(), r))
		j = t.one("m")
		same(t, "reported crashes", j.Crashes, i+1)
	}
	t.record(j, outbox.Deferred, t.now())
	same(t, "crashes after another outcome", t.one("m").Crashes, 0)
	_, err := t.Store.ReleaseHeld(t.Context(), "a", m.ID)
	t.ok(err)
	same(t, "crashes after a release", t.one("l").Crashes, 0)
}

func release(t *tester) {
	a, b := t.accept(), t.accept()
	jobs := t.claim("l", 10, outbox.Rate{Count: 2, Per: time.Hour}).Jobs
	same(t, "claimed", len(jobs), 2)
	t.ok(t.Store.Release(t.Context(), jobs[0].Token, jobs[1].Token, outbox.Token{Job: 99, Epoch: 1, Count: 1}))
	t.state(a.ID, outbox.Queued)
	t.state(b.ID, outbox.Queued)
	t.is("a report after the release", t.Store.Record(t.Context(), t.report(jobs[0], outbox.Sent, time.Time{})), outbox.ErrStaleToken)
	again := t.claim("l", 10, outbox.Rate{Count: 2, Per: time.Hour}).Jobs
	same(t, "claimed again, as the rate was given back", len(again), 2)
	same(t, "attempt", again[0].Attempt, 1)
	t.ok(t.Store.Release(t.Context(), jobs[0].Token)) // stale
	t.state(a.ID, outbox.Sending)
}
