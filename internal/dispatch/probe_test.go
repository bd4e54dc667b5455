package dispatch

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/postilion-mail/postilion/internal/outbox"
	"github.com/postilion-mail/postilion/plugin"
)

// A delivery that takes its time does not keep a paused lane from trying
// again, and its end is told like any other.
func TestProbeBesideLongDelivery(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		var back atomic.Bool
		a := r.connect("a", func(ctx context.Context, d *plugin.Delivery, commit func() error) ([]plugin.Outcome, error) {
			switch {
			case d.Envelope.From == "long@example.org":
				return slowly(time.Hour)(ctx, d, commit)
			case back.Load():
				return accept(ctx, d, commit)
			}
			return always(refused)(ctx, d, commit)
		})
		r.start()
		synctest.Wait()
		long := job("a")
		long.Envelope.From = "long@example.org"
		id := r.store.accept(long)
		for range 20 {
			r.store.accept(job("a"))
		}
		time.Sleep(5 * time.Minute)
		if len(r.d.Alarms()) != 1 {
			t.Fatal("the lane is not paused")
		}
		back.Store(true)
		time.Sleep(20 * time.Minute)
		if n := r.store.ended(); n != 20 || len(r.d.Alarms()) != 0 {
			t.Errorf("%d of 20 sent beside the long one, alarms %v", n, r.d.Alarms())
		}
		time.Sleep(time.Hour)
		if end := r.store.end(id); len(end) != 1 || end[0].Next != outbox.Sent {
			t.Errorf("the long one ended as %v", end)
		}
		for range 20 {
			r.store.accept(job("a"))
		}
		synctest.Wait()
		if n := a.most.Load(); n > defaultConcurrency+1 || r.store.ended() != 41 {
			t.Errorf("%d at a time, %d sent", n, r.store.ended())
		}
		lane := r.d.lane("a")
		lane.mu.Lock()
		if lane.workers != 0 || lane.strays != 0 {
			t.Errorf("%d workers and %d strays are counted at rest", lane.workers, lane.strays)
		}
		lane.mu.Unlock()
		r.stop()
	})
}

// A change of limits alone ends no pause.
func TestLimitsChangeBesideAPause(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		a := r.connect("a", always(badLogin), func(c *Connection) { c.Generation = 1 })
		r.start()
		synctest.Wait()
		r.store.accept(job("a"))
		synctest.Wait()
		r.conns.mu.Lock()
		c := r.conns.by["a"]
		c.Concurrency = 1
		r.conns.by["a"] = c
		r.conns.mu.Unlock()
		r.d.Configure("a")
		time.Sleep(30 * time.Second)
		if alarms := r.d.Alarms(); len(alarms) != 1 || a.calls.Load() != 1 || a.closed.Load() {
			t.Errorf("alarms %+v after %d attempts, closed %v", alarms, a.calls.Load(), a.closed.Load())
		}
		lane := r.d.lane("a")
		lane.mu.Lock()
		if lane.pace.most != 1 {
			t.Errorf("the limit is %d", lane.pace.most)
		}
		lane.mu.Unlock()
		r.stop()
	})
}

// Deliveries that fail together are one failure of the connection.
func TestFailuresTogetherCountOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		r.connect("a", func(ctx context.Context, d *plugin.Delivery, commit func() error) ([]plugin.Outcome, error) {
			time.Sleep(time.Second)
			return always(badLogin)(ctx, d, commit)
		})
		r.start()
		synctest.Wait()
		for range 5 {
			r.store.accept(job("a"))
		}
		time.Sleep(2 * time.Second)
		if alarms := r.d.Alarms(); len(alarms) != 1 || alarms[0].Failures != 1 {
			t.Errorf("alarms %+v", alarms)
		}
		r.stop()
	})
}

// What says nothing about the connection does not end its pause.
func TestOnlyAnAnswerEndsAPause(t *testing.T) {
	t.Parallel()
	for name, other := range map[string]deliverFunc{
		"crash": func(context.Context, *plugin.Delivery, func() error) ([]plugin.Outcome, error) { panic("boom") },
		"disk":  nil,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t)
				var calls atomic.Int32
				r.connect("a", func(ctx context.Context, d *plugin.Delivery, commit func() error) ([]plugin.Outcome, error) {
					if calls.Add(1) == 1 {
						return always(badLogin)(ctx, d, commit)
					}
					return other(ctx, d, commit)
				})
				r.start()
				synctest.Wait()
				r.store.accept(job("a"))
				synctest.Wait()
				if other == nil {
					r.store.fail(func(op string) error {
						if op == "content" {
							return errors.New("input/output error")
						}
						return nil
					})
				}
				time.Sleep(5 * time.Minute)
				if alarms := r.d.Alarms(); len(alarms) != 1 || alarms[0].Failures != 1 || alarms[0].Outcome.Code != 535 {
					t.Errorf("alarms %+v", alarms)
				}
				r.stop()
			})
		})
	}
}

// A crash is for its message to answer, not for the connection.
func TestCrashesDoNotPause(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		r.connect("a", func(context.Context, *plugin.Delivery, func() error) ([]plugin.Outcome, error) { panic("boom") })
		r.start()
		synctest.Wait()
		for range 10 {
			r.store.accept(job("a"))
		}
		time.Sleep(10 * time.Second)
		if alarms := r.d.Alarms(); len(alarms) != 0 || len(r.store.tried()) != 10 {
			t.Errorf("%d attempts, alarms %+v", len(r.store.tried()), alarms)
		}
		r.stop()
	})
}

// Configure makes due what waits because of the settings, also when the
// connection is not paused.
func TestConfigureWithoutPause(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		r.connect("a", accept)
		r.start()
		synctest.Wait()
		later := job("a")
		later.Due = time.Now().Add(time.Hour)
		id := r.store.accept(later)
		r.store.mu.Lock()
		r.store.lanes["a"].waiting[0].blame = plugin.BlameAuth
		r.store.mu.Unlock()
		r.connect("a", accept)
		synctest.Wait()
		if len(r.store.end(id)) != 1 {
			t.Error("it still waits")
		}
		r.stop()
	})
}
