package dispatch

import (
	"context"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/postilion-mail/postilion/internal/outbox"
	"github.com/postilion-mail/postilion/plugin"
)

// T12: a delivery that outlives its claim is refused, and another attempt is
// made in its place.
func TestLostLease(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		var calls atomic.Int32
		hang := make(chan struct{})
		r.connect("a", func(ctx context.Context, d *plugin.Delivery, commit func() error) ([]plugin.Outcome, error) {
			if calls.Add(1) > 1 {
				return accept(ctx, d, commit)
			}
			if err := commit(); err != nil {
				t.Error(err)
			}
			<-hang // deaf to its context
			return accept(ctx, d, func() error { return nil })
		})
		r.start()
		synctest.Wait()
		id := r.store.accept(job("a"))
		time.Sleep(20 * time.Minute)
		if n := calls.Load(); n != 1 {
			t.Fatalf("%d attempts while the lease was extended", n)
		}
		r.store.fail(func(op string) error {
			if op == "extend" {
				return outbox.ErrUnavailable
			}
			return nil
		})
		time.Sleep(5 * time.Minute)
		r.store.fail(nil)
		time.Sleep(time.Minute)
		if end := r.store.end(id); len(end) != 1 || end[0].Next != outbox.Sent || !end[0].Duplicate || calls.Load() != 2 {
			t.Errorf("after the lease ended: %+v, %d attempts", end, calls.Load())
		}
		close(hang)
		synctest.Wait()
		if end := r.store.end(id); len(end) != 1 || r.store.count(&r.store.stale) != 1 {
			t.Errorf("the late report: %+v, %d refused", end, r.store.count(&r.store.stale))
		}
		r.stop()
	})
}

// A delivery that lost its claim does not get past the point of no return.
func TestLostLeaseStopsBeforeCommit(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		var refusals atomic.Int32
		r.connect("a", func(ctx context.Context, d *plugin.Delivery, commit func() error) ([]plugin.Outcome, error) {
			<-ctx.Done()
			if err := commit(); err != nil {
				refusals.Add(1)
				return nil, err
			}
			return accept(ctx, d, commit)
		})
		r.start()
		synctest.Wait()
		r.store.accept(job("a"))
		synctest.Wait()
		r.store.mu.Lock()
		for _, f := range r.store.lanes["a"].claimed {
			f.Token.Count++ // another owner has it
		}
		r.store.mu.Unlock()
		time.Sleep(r.d.Lease)
		if refusals.Load() != 1 || r.store.count(&r.store.stale) != 1 {
			t.Errorf("%d commits refused, %d reports", refusals.Load(), r.store.count(&r.store.stale))
		}
		r.stop()
	})
}

// T37: what is under way may finish, then it is cut off: what waited for the
// last answer is unknown, what had not got there goes back untried, as does
// what was in memory. Mail is accepted all the while.
func TestStopDrains(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		finishes := r.connect("finishes", slowly(40*time.Second))
		before := r.connect("before", slowly(time.Hour))
		after := r.connect("after", func(ctx context.Context, _ *plugin.Delivery, commit func() error) ([]plugin.Outcome, error) {
			if err := commit(); err != nil {
				return nil, err
			}
			<-ctx.Done()
			return nil, ctx.Err()
		})
		r.start()
		synctest.Wait()
		var done, cut, unknown []outbox.Job
		for range startConcurrency {
			done = append(done, job("finishes"))
			cut = append(cut, job("before"))
			unknown = append(unknown, job("after"))
		}
		for _, jobs := range [][]outbox.Job{done, cut, unknown} {
			for n := range jobs {
				jobs[n].Message = r.store.accept(jobs[n])
			}
		}
		waiting := r.store.accept(job("before"))
		synctest.Wait()

		began := time.Now()
		stopped := make(chan struct{})
		go func() {
			defer close(stopped)
			r.stop()
		}()
		synctest.Wait()
		during := r.store.accept(job("finishes"))
		time.Sleep(41 * time.Second)
		for _, j := range done {
			if end := r.store.end(j.Message); len(end) != 1 || end[0].Next != outbox.Sent {
				t.Errorf("what finished in time: %v", end)
			}
		}
		<-stopped
		if took := time.Since(began); took != time.Minute {
			t.Errorf("stopped after %v, want the drain time", took)
		}
		for _, j := range unknown {
			if got := r.store.deferred(j.Message); got.Outcome.Class != plugin.Unknown || !got.Duplicate {
				t.Errorf("after the point of no return: %+v", got)
			}
		}
		if n := len(r.store.tried()); n != len(done)+len(unknown) {
			t.Errorf("%d attempts were recorded", n)
		}
		if claimed, free := r.store.jobs(); claimed != 0 || free != len(cut)+len(unknown)+2 {
			t.Errorf("%d jobs are claimed, %d free", claimed, free)
		}
		if len(r.store.end(waiting))+len(r.store.end(during)) != 0 {
			t.Error("something was attempted after the stop")
		}
		for _, instance := range []*fakeInstance{finishes, before, after} {
			if !instance.closed.Load() {
				t.Error("an instance is still open")
			}
		}
	})
}

// A context that ends cuts the drain short, and the end of Run's is a stop.
func TestStopAtOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		r.connect("a", slowly(time.Hour))
		r.start()
		synctest.Wait()
		r.store.accept(job("a"))
		synctest.Wait()
		began := time.Now()
		over, cancel := context.WithCancel(context.Background())
		cancel()
		if err := r.d.Stop(over); err != nil {
			t.Error(err)
		}
		if took := time.Since(began); took != 0 {
			t.Errorf("took %v", took)
		}
		r.stop()

		next := newRig(t)
		ctx, cancel := context.WithCancel(context.Background())
		next.done = make(chan error, 1)
		go func() { next.done <- next.d.Run(ctx) }()
		synctest.Wait()
		cancel()
		next.stop()
	})
}

// A transport that comes back at no price does not keep the daemon.
func TestStopLeavesTheDeafBehind(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		end := make(chan struct{})
		r.connect("a", func(context.Context, *plugin.Delivery, func() error) ([]plugin.Outcome, error) {
			<-end
			return nil, nil
		})
		r.start()
		synctest.Wait()
		r.store.accept(job("a"))
		synctest.Wait()
		if err := r.d.Stop(context.Background()); err == nil {
			t.Error("Stop says that all is done")
		}
		if err := <-r.done; err == nil {
			t.Error("Run says that all is done")
		}
		close(end)
	})
}

func TestStopBeforeRun(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		a := r.connect("a", accept)
		if err := r.d.Stop(context.Background()); err != nil {
			t.Error(err)
		}
		r.start()
		r.store.accept(job("a"))
		r.stop()
		if a.calls.Load() != 0 {
			t.Error("it delivered")
		}
		if err := r.d.Run(context.Background()); err == nil {
			t.Error("it ran twice")
		}
	})
}

func TestRunNeedsTheStore(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.store.fail(func(string) error { return outbox.ErrUnavailable })
	if err := r.d.Run(context.Background()); err == nil {
		t.Error("it ran without recovering")
	}
}

// Everything at once, with real time and the race detector: nothing is lost,
// and all goroutines end.
func TestStress(t *testing.T) {
	t.Parallel()
	store := newFakeStore()
	accepted := 0
	for round := range 5 {
		r := newRig(t)
		r.store = store
		r.d = New(Options{Store: store, Connections: r.conns, Window: 50, Lease: time.Second, SweepEvery: 10 * time.Millisecond})
		flaky := func(n int) deliverFunc {
			var calls atomic.Int32
			return func(ctx context.Context, d *plugin.Delivery, commit func() error) ([]plugin.Outcome, error) {
				switch c := int(calls.Add(1)); {
				case c%17 == n:
					return nil, &plugin.DeliveryError{Outcome: refused}
				case c%41 == n:
					panic("boom")
				}
				return accept(ctx, d, commit)
			}
		}
		names := []string{"a", "b", "c", "d"}
		for n, name := range names {
			r.connect(name, flaky(n))
		}
		r.start()
		var callers sync.WaitGroup
		for n, name := range names {
			callers.Go(func() {
				for range 200 {
					store.accept(job(name, names[(n+1)%4]))
					_ = r.d.Alarms()
				}
			})
		}
		callers.Go(func() {
			for n := range 20 {
				r.connect(names[n%4], flaky(n))
			}
		})
		if round%2 == 0 {
			callers.Wait()
		}
		r.stop()
		callers.Wait()
		accepted += 4 * 200
		if n, _ := store.jobs(); n != 0 {
			t.Fatalf("round %d: %d jobs are still claimed", round, n)
		}
	}
	_, waiting := store.jobs()
	if ended := store.ended(); ended+waiting != accepted {
		t.Errorf("%d ended and %d wait of %d", ended, waiting, accepted)
	}
}
