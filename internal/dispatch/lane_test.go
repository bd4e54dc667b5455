package dispatch

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync/atomic"
	"testing"
	"testing/iotest"
	"testing/synctest"
	"time"

	"github.com/google/uuid"

	"github.com/postilion-mail/postilion/internal/outbox"
	"github.com/postilion-mail/postilion/plugin"
)

func TestSentByHandAndByClaim(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		r.connect("a", accept)
		early := r.store.accept(job("a")) // before Run: it waits in the store
		r.start()
		synctest.Wait()
		late := r.store.accept(job("a"))
		later := job("a")
		later.Due = time.Now().Add(time.Hour)
		planned := r.store.accept(later)
		synctest.Wait()
		if got := r.store.end(early); len(got) != 1 || got[0].Next != outbox.Sent {
			t.Errorf("the message from before the start: %v", got)
		}
		if got := r.store.end(late); len(got) != 1 || got[0].Next != outbox.Sent {
			t.Errorf("the message handed over: %v", got)
		}
		time.Sleep(time.Hour - time.Nanosecond)
		if got := r.store.end(planned); len(got) != 0 {
			t.Errorf("the message for later went out too early")
		}
		time.Sleep(time.Nanosecond)
		synctest.Wait()
		if got := r.store.end(planned); len(got) != 1 || got[0].Next != outbox.Sent {
			t.Errorf("the message for later: %v", got)
		}
		r.stop()
	})
}

// A burst of one client does not delay another's single mail, nor bulk mail
// an urgent one, wherever they wait.
func TestFairness(t *testing.T) {
	t.Parallel()
	for name, late := range map[string]outbox.Job{
		"another client": {Client: "b", Priority: outbox.PriorityBulk},
		"urgent":         {Client: "a", Priority: outbox.PriorityHigh},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t)
				r.connect("a", slowly(50*time.Millisecond))
				r.start()
				synctest.Wait()
				for range 5000 {
					burst := job("a")
					burst.Client, burst.Priority = "a", outbox.PriorityBulk
					r.store.accept(burst)
				}
				for range 7 {
					time.Sleep(4300 * time.Millisecond)
					began := time.Now()
					one := job("a")
					one.Client, one.Priority = late.Client, late.Priority
					id := r.store.accept(one)
					for len(r.store.end(id)) == 0 && time.Since(began) < time.Minute {
						time.Sleep(10 * time.Millisecond)
					}
					if waited := time.Since(began); waited > time.Second {
						t.Errorf("waited %v", waited)
					}
				}
				r.stop()
			})
		})
	}
}

// slowly accepts after a time, which is fake in these tests.
func slowly(wait time.Duration) deliverFunc {
	return func(ctx context.Context, d *plugin.Delivery, commit func() error) ([]plugin.Outcome, error) {
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			return nil, ctx.Err()
		}
		return accept(ctx, d, commit)
	}
}

// Connections that hang cost the others nothing.
func TestBlackHole(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		run := func(holes int) time.Duration {
			r := newRig(t)
			names := []string{"a", "b", "c", "d", "e", "f", "g", "h", "i"}
			for _, name := range names {
				r.connect(name, slowly(10*time.Millisecond))
			}
			for n := range holes {
				r.connect(string(rune('A'+n)), slowly(1000*time.Hour))
			}
			r.start()
			synctest.Wait()
			began := time.Now()
			for range 200 {
				for n := range holes {
					r.store.accept(job(string(rune('A' + n))))
				}
			}
			for range 200 {
				for _, name := range names {
					r.store.accept(job(name))
				}
			}
			for r.store.ended() < 200*len(names) && time.Since(began) < time.Hour {
				time.Sleep(time.Millisecond)
			}
			took := time.Since(began)
			r.stop()
			return took
		}
		alone, beside := run(0), run(26)
		if beside > alone*12/10 {
			t.Errorf("nine lanes took %v, beside dead ones %v", alone, beside)
		}
	})
}

// T39: changing a connection all the time disturbs nothing, and every
// instance is closed, but not under a delivery.
func TestConfigureUnderLoad(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		var instances []*fakeInstance
		var cut atomic.Int32
		connect := func() {
			var closed atomic.Pointer[atomic.Bool]
			instance := r.connect("a", func(ctx context.Context, d *plugin.Delivery, commit func() error) ([]plugin.Outcome, error) {
				time.Sleep(30 * time.Millisecond)
				if c := closed.Load(); c != nil && c.Load() {
					cut.Add(1)
				}
				return accept(ctx, d, commit)
			})
			closed.Store(&instance.closed)
			instances = append(instances, instance)
		}
		connect()
		r.start()
		synctest.Wait()
		for range 100 {
			for range 5 {
				r.store.accept(job("a"))
			}
			time.Sleep(10 * time.Millisecond)
			connect()
		}
		time.Sleep(time.Minute)
		if n := r.store.ended(); n != 500 || len(r.store.tried()) != 500 {
			t.Errorf("%d of 500 sent, with %d attempts", n, len(r.store.tried()))
		}
		if n := cut.Load(); n != 0 {
			t.Errorf("%d instances were closed under a delivery", n)
		}
		used := 0
		for n, instance := range instances {
			if instance.calls.Load() > 0 {
				used++
			}
			if last := n == len(instances)-1; !last && instance.calls.Load() > 0 && !instance.closed.Load() {
				t.Errorf("instance %d is still open", n)
			}
		}
		if used < 20 {
			t.Errorf("only %d instances were used", used)
		}
		r.stop()
	})
}

// A connection that is no more holds what waits for it, unless there is
// another way.
func TestDeletedConnection(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		r.connect("b", accept)
		r.start()
		synctest.Wait()
		held := r.store.accept(job("gone"))
		moved := r.store.accept(job("gone", "b"))
		synctest.Wait()
		if end := r.store.end(held); len(end) != 1 || end[0].Next != outbox.Held || end[0].Reason == "" {
			t.Errorf("without another way: %+v", end)
		}
		if end := r.store.end(moved); len(end) != 1 || end[0].Next != outbox.Sent {
			t.Errorf("with another way: %+v", end)
		}
		r.stop()
	})
}

// A lane with rates takes nothing by hand, since only Claim counts them.
func TestRates(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		a := r.connect("a", accept, func(c *Connection) {
			c.Rates = []outbox.Rate{{Count: 3, Per: time.Hour}}
		})
		r.start()
		synctest.Wait()
		for range 2 {
			r.store.accept(job("a"))
		}
		synctest.Wait()
		if a.calls.Load() != 2 || r.store.count(&r.store.claims) == 0 {
			t.Errorf("%d attempts by %d claims", a.calls.Load(), r.store.count(&r.store.claims))
		}
		r.stop()
	})
}

// The store may fail for a while.
func TestStoreTrouble(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		a := r.connect("a", accept)
		r.start()
		synctest.Wait()
		r.store.fail(func(op string) error {
			if op == "record" || op == "claim" || op == "content" {
				return outbox.ErrUnavailable
			}
			return nil
		})
		id := r.store.accept(job("a"))
		for range 300 {
			r.store.accept(job("a"))
		}
		time.Sleep(10 * time.Minute) // several leases
		if n := a.calls.Load(); n > 120 || len(r.store.end(id)) != 0 {
			t.Errorf("%d attempts while nothing could be recorded", n)
		}
		before := a.calls.Load()
		r.store.fail(nil)
		time.Sleep(10 * time.Second)
		if n := r.store.ended(); n != 301 {
			t.Errorf("%d of 301 recorded", n)
		}
		if n := a.calls.Load(); n != 301 || before == 0 {
			t.Errorf("%d attempts for 301 messages, %d of them before", n, before)
		}
		r.stop()
	})
}

// A report that the store refuses for ever does not hold its job for ever.
func TestRefusedReport(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		a := r.connect("a", accept)
		r.start()
		synctest.Wait()
		var refusals atomic.Int32
		r.store.fail(func(op string) error {
			if op == "record" && refusals.Add(1) <= recordTries {
				return errors.New("no such column")
			}
			return nil
		})
		id := r.store.accept(job("a"))
		time.Sleep(10 * time.Minute)
		if end := r.store.end(id); len(end) != 1 || !end[0].Duplicate || a.calls.Load() != 2 {
			t.Errorf("ended as %+v after %d attempts", end, a.calls.Load())
		}
		r.stop()
	})
}

func TestUnreadableContent(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		r.connect("a", accept)
		broken, missing := r.store.accept(job("a")), r.store.accept(job("a"))
		var reads atomic.Int32
		r.store.fail(func(op string) error {
			if op != "content" {
				return nil
			}
			if reads.Add(1) == 1 {
				return errors.New("input/output error")
			}
			return outbox.ErrNotFound
		})
		r.start()
		synctest.Wait()
		a, b := r.store.end(broken), r.store.end(missing)
		if len(a)+len(b) != 1 || append(a, b...)[0].Next != outbox.Held {
			t.Errorf("ends: %+v and %+v; want one held", a, b)
		}
		if len(r.d.Alarms()) != 0 {
			t.Errorf("alarms: %+v", r.d.Alarms())
		}
		r.store.fail(nil)
		time.Sleep(time.Hour)
		if r.store.ended() != 2 {
			t.Error("the other is not sent later")
		}
		r.stop()
	})
}

func TestWatch(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		r.connect("a", always(refused))
		r.connect("b", slowly(time.Second))
		r.start()
		synctest.Wait()
		j := job("a", "b")
		j.Message = uuid.New()
		outcome, stop := r.d.Watch(j.Message)
		defer stop()
		began := time.Now()
		r.store.accept(j)
		<-outcome
		if took := time.Since(began); took != time.Second {
			t.Errorf("told after %v, want the outcome of the second connection", took)
		}
		if len(r.store.end(j.Message)) != 1 {
			t.Error("told before it was recorded")
		}
		_, other := r.d.Watch(j.Message)
		other()
		other()
		if n := r.d.watch.count.Load(); n != 0 || len(r.d.watch.by) != 0 {
			t.Errorf("%d watchers are left", n)
		}
		r.stop()
	})
}

// The content is overlay and body, as a whole and in any part.
func TestJoinedContent(t *testing.T) {
	t.Parallel()
	c := joined{[]byte("From: a\r\n"), []byte("Subject: x\r\n\r\n")}
	if err := iotest.TestReader(io.NewSectionReader(c, 0, c.Size()), []byte("From: a\r\nSubject: x\r\n\r\n")); err != nil {
		t.Error(err)
	}
	if n, err := c.ReadAt(make([]byte, 1), c.Size()); n != 0 || err != io.EOF {
		t.Errorf("after the end: %d, %v", n, err)
	}
}

// The budget of bytes bounds what is handed over, not what is claimed.
func TestByteBudget(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		r.d = New(Options{Store: r.store, Connections: r.conns, Bytes: 20})
		r.connect("a", slowly(time.Second))
		r.start()
		synctest.Wait()
		for range 10 {
			r.store.accept(job("a"))
		}
		if n := r.d.bytes.Load(); n > 20 {
			t.Errorf("%d bytes in memory", n)
		}
		time.Sleep(10 * time.Second)
		if n := r.store.ended(); n != 10 {
			t.Errorf("%d of 10 sent", n)
		}
		r.stop()
	})
}

// What a client gave first goes first, though what comes in later could be
// taken by hand while the others wait in the store.
func TestOldestFirst(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		var order []string
		r.connect("a", func(ctx context.Context, d *plugin.Delivery, commit func() error) ([]plugin.Outcome, error) {
			order = append(order, d.Envelope.EnvelopeID) // one at a time
			return slowly(10*time.Millisecond)(ctx, d, commit)
		}, func(c *Connection) { c.Concurrency = 1 })
		r.start()
		synctest.Wait()
		for n := range 1000 {
			j := job("a")
			j.Envelope.EnvelopeID = fmt.Sprintf("%04d", n)
			r.store.accept(j)
			if n > 300 {
				time.Sleep(5 * time.Millisecond)
			}
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		if len(order) != 1000 || !slices.IsSorted(order) {
			t.Errorf("%d went out, in order: %v", len(order), slices.IsSorted(order))
		}
		r.stop()
	})
}
