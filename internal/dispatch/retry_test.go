package dispatch

import (
	"context"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/postilion-mail/postilion/internal/outbox"
	"github.com/postilion-mail/postilion/plugin"
)

// T15: the whole life of a message that is deferred each time.
func TestRetryScheduleToTheEnd(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		r.connect("a", always(greylisted))
		r.start()
		synctest.Wait()
		began := time.Now()
		id := r.store.accept(job("a"))
		time.Sleep(5*24*time.Hour + 2*time.Minute)
		attempts := r.store.tried()
		last := began
		for n, a := range attempts {
			gap := a.Started.Sub(last)
			last = a.Started
			if n == 0 {
				if gap != 0 {
					t.Errorf("the first attempt is %v late", gap)
				}
				continue
			}
			want := defaultSchedule[min(n-1, len(defaultSchedule)-1)]
			if gap < want*8/10 || gap > want*12/10 {
				t.Errorf("attempt %d came %v after the one before, want %v +-20%%", n+1, gap, want)
			}
		}
		if len(attempts) < 35 || len(attempts) > 60 {
			t.Errorf("%d attempts in five days", len(attempts))
		}
		if end := r.store.end(id); len(end) != 1 || end[0].Next != outbox.Expired || end[0].Duplicate {
			t.Errorf("ended as %v, want once EXPIRED", end)
		}
		r.stop()
	})
}

// T10: what may have been accepted waits, stays where it is, and is marked.
func TestUnknownStaysOnItsConnection(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		a := r.connect("a", func(_ context.Context, _ *plugin.Delivery, commit func() error) ([]plugin.Outcome, error) {
			if err := commit(); err != nil {
				return nil, err
			}
			return nil, context.DeadlineExceeded // an error without an outcome
		})
		b := r.connect("b", accept)
		r.start()
		synctest.Wait()
		id := r.store.accept(job("a", "b"))
		synctest.Wait()
		if got := r.store.deferred(id); !got.Duplicate || got.Hop != 0 || got.Outcome.Class != plugin.Unknown {
			t.Errorf("after the first attempt: %+v", got)
		}
		time.Sleep(10*time.Minute - time.Second)
		if n := a.calls.Load(); n != 1 {
			t.Errorf("%d attempts within 10 minutes", n)
		}
		time.Sleep(5 * 24 * time.Hour)
		if a.calls.Load() < 20 || b.calls.Load() != 0 {
			t.Errorf("%d attempts on the same connection and %d on the other", a.calls.Load(), b.calls.Load())
		}
		if end := r.store.end(id); len(end) != 1 || end[0].Next != outbox.Expired || !end[0].Duplicate {
			t.Errorf("ended as %+v, want EXPIRED as a possible duplicate", end)
		}
		r.stop()
	})
}

// A transport that does not tell its commit point may have sent the mail.
func TestUnknownWithoutCommitReports(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		r.connect("a", func(context.Context, *plugin.Delivery, func() error) ([]plugin.Outcome, error) {
			return nil, context.DeadlineExceeded
		}, func(c *Connection) { c.Capabilities.ReportsCommit = false })
		r.start()
		synctest.Wait()
		id := r.store.accept(job("a"))
		synctest.Wait()
		if got := r.store.deferred(id).Outcome.Class; got != plugin.Unknown {
			t.Errorf("class %s, want unknown", got)
		}
		r.stop()
	})
}

// T23: each recipient has its own fate, and only what is left is tried again.
func TestEachRecipientIsDecided(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		var again atomic.Value
		r.connect("a", func(ctx context.Context, d *plugin.Delivery, commit func() error) ([]plugin.Outcome, error) {
			if len(d.Envelope.Recipients) == 1 {
				again.Store(d.Envelope.Recipients[0].Address)
				return accept(ctx, d, commit)
			}
			return []plugin.Outcome{{Class: plugin.Accepted}, greylisted,
				{Class: plugin.Permanent, Blame: plugin.BlameRecipient, Code: 550}}, nil
		})
		r.start()
		synctest.Wait()
		j := job("a")
		j.Envelope.Recipients = []plugin.Recipient{{Address: "x@a.org"}, {Address: "y@a.org"}, {Address: "z@a.org"}}
		id := r.store.accept(j)
		time.Sleep(2 * time.Minute)
		var states []outbox.State
		for _, end := range r.store.end(id) {
			states = append(states, end.Next)
		}
		if want := []outbox.State{outbox.Sent, outbox.Failed, outbox.Sent}; !slices.Equal(states, want) {
			t.Errorf("states %v, want %v", states, want)
		}
		if again.Load() != "y@a.org" {
			t.Errorf("tried again: %v", again.Load())
		}
		r.stop()
	})
}

func TestFallbackAtOnce(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		outcome plugin.Outcome
		sent    bool // through the second connection, at once
	}{
		"network":   {refused, true},
		"auth":      {badLogin, true},
		"recipient": {greylisted, false},
		"content":   {plugin.Outcome{Class: plugin.Temporary, Blame: plugin.BlameContent}, false},
		"unknown":   {unheard, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t)
				r.connect("a", always(test.outcome))
				b := r.connect("b", accept)
				r.start()
				synctest.Wait()
				id := r.store.accept(job("a", "b"))
				synctest.Wait()
				end := r.store.end(id)
				if sent := len(end) == 1 && end[0].Next == outbox.Sent; sent != test.sent || int(b.calls.Load()) != len(end) {
					t.Errorf("sent at once is %v, with %d attempts through the second", sent, b.calls.Load())
				}
				r.stop()
			})
		})
	}
}

// After the last connection the chain begins again, by the schedule.
func TestChainWraps(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		limit := plugin.Outcome{Class: plugin.Temporary, Blame: plugin.BlameLimit, Phase: plugin.PhaseContent}
		a, b := r.connect("a", always(limit)), r.connect("b", always(limit))
		r.start()
		synctest.Wait()
		r.store.accept(job("a", "b"))
		for round := int32(1); round <= 3; round++ {
			synctest.Wait()
			if a.calls.Load() != round || b.calls.Load() != round {
				t.Fatalf("round %d: %d and %d attempts", round, a.calls.Load(), b.calls.Load())
			}
			time.Sleep(defaultSchedule[round-1] * 12 / 10)
		}
		r.stop()
	})
}

// T16: many that were deferred come back spread, never more at a time than
// the connection's limit.
func TestDeferredComeBackSpread(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const count = 10_000
		r := newRig(t)
		r.connect("a", always(greylisted))
		r.start()
		synctest.Wait()
		for n := range count {
			r.store.accept(job("a"))
			if n%50 == 0 {
				synctest.Wait()
			}
		}
		time.Sleep(10 * time.Second) // all were tried
		if n := len(r.store.tried()); n != count {
			t.Fatalf("%d were tried", n)
		}
		var seconds [90]atomic.Int32
		began := time.Now()
		healthy := r.connect("a", func(ctx context.Context, d *plugin.Delivery, commit func() error) ([]plugin.Outcome, error) {
			seconds[int(time.Since(began)/time.Second)].Add(1)
			time.Sleep(time.Millisecond)
			return accept(ctx, d, commit)
		})
		time.Sleep(80 * time.Second)
		if n := r.store.ended(); n != count {
			t.Errorf("%d of %d were sent", n, count)
		}
		if n := healthy.most.Load(); n > defaultConcurrency {
			t.Errorf("%d at a time", n)
		}
		if n := r.store.count(&r.store.claims); n > 2000 {
			t.Errorf("%d claims", n)
		}
		busy := 0
		for n := range seconds {
			if c := seconds[n].Load(); c > count/10 {
				t.Errorf("%d attempts in one second", c)
			} else if c > 0 {
				busy++
			}
		}
		if busy < 20 {
			t.Errorf("all came within %d seconds", busy)
		}
		r.stop()
	})
}

// T32: a message that crashes the transport is taken out; others go on.
func TestCrashesQuarantine(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		r.connect("a", func(ctx context.Context, d *plugin.Delivery, commit func() error) ([]plugin.Outcome, error) {
			if d.Envelope.From == "poison@example.org" {
				panic("boom")
			}
			return accept(ctx, d, commit)
		})
		r.start()
		synctest.Wait()
		poison := job("a")
		poison.Envelope.From = "poison@example.org"
		bad := r.store.accept(poison)
		for range 60 {
			good := r.store.accept(job("a"))
			synctest.Wait()
			if end := r.store.end(good); len(end) != 1 || end[0].Next != outbox.Sent {
				t.Errorf("another message ended as %v", end)
			}
			time.Sleep(2 * time.Minute)
		}
		end := r.store.end(bad)
		if len(end) != 1 || end[0].Next != outbox.Held || end[0].Reason != "the transport crashed 5 times" {
			t.Errorf("the message ended as %+v", end)
		}
		crashes := 0
		for _, a := range r.store.tried() {
			if a.Crashed {
				crashes++
			}
		}
		if crashes != crashLimit {
			t.Errorf("%d attempts crashed", crashes)
		}
		r.stop()
	})
}

// A job whose process died too often is held before it does it again.
func TestCrashedBeforeIsHeld(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		a := r.connect("a", accept)
		r.start()
		synctest.Wait()
		j := job("a")
		j.Crashes = crashLimit
		id := r.store.accept(j)
		synctest.Wait()
		if end := r.store.end(id); len(end) != 1 || end[0].Next != outbox.Held || a.calls.Load() != 0 {
			t.Errorf("ended as %+v after %d attempts", end, a.calls.Load())
		}
		r.stop()
	})
}

func TestOverdueIsNotTried(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		a := r.connect("a", always(greylisted))
		r.start()
		synctest.Wait()
		late := job("a")
		late.Accepted, late.Expires = time.Now().Add(-time.Hour), time.Now()
		id := r.store.accept(late)
		synctest.Wait()
		if end := r.store.end(id); len(end) != 1 || end[0].Next != outbox.Expired || a.calls.Load() != 0 {
			t.Errorf("ended as %+v after %d attempts", end, a.calls.Load())
		}
		once := job("a")
		once.Expires = time.Now()
		id = r.store.accept(once)
		synctest.Wait()
		if end := r.store.end(id); len(end) != 1 || end[0].Next != outbox.Expired || a.calls.Load() != 1 {
			t.Errorf("with no time to wait: %+v after %d attempts", end, a.calls.Load())
		}
		r.stop()
	})
}

func TestTransportLimits(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		a := r.connect("a", accept, func(c *Connection) { c.Limits = plugin.Limits{MessageBytes: 100, Recipients: 2} })
		r.start()
		synctest.Wait()
		j := job("a")
		j.Envelope.Recipients = make([]plugin.Recipient, 5)
		id := r.store.accept(j)
		synctest.Wait()
		if end := r.store.end(id); len(end) != 5 || a.calls.Load() != 3 {
			t.Errorf("%d recipients done with %d calls", len(end), a.calls.Load())
		}
		r.conns.by["a"] = func(c Connection) Connection { c.Limits.MessageBytes = 5; return c }(r.conns.by["a"])
		r.d.Configure("a")
		id = r.store.accept(job("a"))
		synctest.Wait()
		if end := r.store.end(id); len(end) != 1 || end[0].Next != outbox.Failed || end[0].Outcome.Blame != plugin.BlameContent {
			t.Errorf("too big: %+v", end)
		}
		r.stop()
	})
}
