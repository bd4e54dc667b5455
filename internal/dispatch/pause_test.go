package dispatch

import (
	"context"
	"errors"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/postilion-mail/postilion/internal/outbox"
	"github.com/postilion-mail/postilion/plugin"
)

// T31: a wrong password pauses the connection, bounces nothing, and all goes
// out when the connection is mended.
func TestWrongPasswordPauses(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		wrong := r.connect("a", always(badLogin))
		r.start()
		synctest.Wait()
		began := time.Now()
		for range 50 {
			r.store.accept(job("a"))
		}
		synctest.Wait()
		if n := wrong.calls.Load(); n > startConcurrency {
			t.Errorf("%d logins before the pause", n)
		}
		for minute, pauses := time.Duration(0), []time.Duration{1, 2, 4, 8, 16, 30, 30}; len(pauses) > 0; pauses = pauses[1:] {
			alarms := r.d.Alarms()
			if len(alarms) != 1 || !alarms[0].Settings || alarms[0].Outcome.Code != 535 || !alarms[0].Since.Equal(began) {
				t.Fatalf("alarms: %+v", alarms)
			}
			minute += pauses[0]
			if want := began.Add(minute * time.Minute); !alarms[0].Until.Equal(want) {
				t.Fatalf("paused until %v, want %v", alarms[0].Until, want)
			}
			if p := r.store.paused()["a"]; !p.Until.Equal(alarms[0].Until) || p.Strikes != alarms[0].Failures {
				t.Fatalf("the store has %+v", p)
			}
			before := wrong.calls.Load()
			time.Sleep(time.Until(alarms[0].Until) - time.Nanosecond)
			if n := wrong.calls.Load() - before; n != 0 {
				t.Errorf("%d attempts during a pause", n)
			}
			time.Sleep(time.Nanosecond)
			synctest.Wait()
			if n := wrong.calls.Load() - before; n != 1 {
				t.Errorf("%d attempts at the end of a pause of %d min, want 1", n, pauses[0])
			}
		}
		if n := r.store.ended(); n != 0 {
			t.Errorf("%d messages ended", n)
		}
		r.connect("a", accept)
		synctest.Wait()
		if n := r.store.ended(); n != 50 {
			t.Errorf("%d of 50 messages went out at once when the connection was mended", n)
		}
		if len(r.d.Alarms()) != 0 || len(r.store.paused()) != 0 || !wrong.closed.Load() {
			t.Errorf("left: alarms %v, pauses %v, old instance closed %v", r.d.Alarms(), r.store.paused(), wrong.closed.Load())
		}
		r.stop()
	})
}

// What is being put off for a pause when a person ends it goes out at once too.
func TestMendedWhilePuttingOff(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		r.connect("a", always(badLogin))
		r.start()
		synctest.Wait()
		r.store.accept(job("a"))
		synctest.Wait()
		r.store.fail(func(op string) error {
			if op == "record" {
				time.Sleep(time.Second) // the store is slow
			}
			return nil
		})
		r.store.accept(job("a"))
		synctest.Wait()
		r.connect("a", accept)
		time.Sleep(10 * time.Second)
		if n := r.store.ended(); n != 2 {
			t.Errorf("%d of 2 messages went out", n)
		}
		r.stop()
	})
}

// A pause for settings survives a restart, one for the network does not.
func TestPauseSurvivesRestart(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		r.connect("a", always(badLogin))
		r.connect("b", always(refused))
		r.start()
		synctest.Wait()
		r.store.accept(job("a"))
		for range 4 {
			r.store.accept(job("b"))
		}
		synctest.Wait()
		if n := len(r.d.Alarms()); n != 2 {
			t.Fatalf("%d alarms before the restart", n)
		}
		r.stop()

		next := newRig(t)
		next.store = r.store
		next.d = New(Options{Store: r.store, Connections: next.conns})
		a := next.connect("a", accept)
		b := next.connect("b", accept)
		next.start()
		synctest.Wait()
		next.store.accept(job("a"))
		next.store.accept(job("b"))
		time.Sleep(30 * time.Second)
		if a.calls.Load() != 0 || b.calls.Load() == 0 {
			t.Errorf("%d attempts on the paused and %d on the other connection", a.calls.Load(), b.calls.Load())
		}
		time.Sleep(time.Minute)
		if a.calls.Load() != 2 || len(next.store.paused()) != 0 || len(next.d.Alarms()) != 0 {
			t.Errorf("after the pause: %d attempts, pauses %v", a.calls.Load(), next.store.paused())
		}
		next.stop()
	})
}

// T17: a dead server is left alone after one cohort of failures, while
// another connection works as ever.
func TestDeadServer(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		var back atomic.Bool
		dead := r.connect("a", func(ctx context.Context, d *plugin.Delivery, commit func() error) ([]plugin.Outcome, error) {
			if back.Load() {
				return accept(ctx, d, commit)
			}
			return always(refused)(ctx, d, commit)
		})
		r.connect("b", accept)
		r.start()
		synctest.Wait()
		for range 200 {
			r.store.accept(job("a"))
		}
		id := r.store.accept(job("b"))
		synctest.Wait()
		if n := dead.calls.Load(); n > startConcurrency {
			t.Errorf("%d attempts before the pause", n)
		}
		if len(r.store.end(id)) != 1 {
			t.Error("the other connection's message is not sent")
		}
		time.Sleep(time.Hour)
		if n := dead.calls.Load(); n > 15 {
			t.Errorf("%d attempts in an hour", n)
		}
		if alarms := r.d.Alarms(); len(alarms) != 1 || alarms[0].Settings {
			t.Errorf("alarms: %+v", alarms)
		}
		back.Store(true)
		time.Sleep(troublePauseMax + 30*time.Second)
		if n := r.store.ended(); n != 201 {
			t.Errorf("%d of 201 sent when the server was back", n)
		}
		r.stop()
	})
}

// Mail of a paused connection that has another one does not wait: neither
// what is in memory, nor what is in the store, nor what comes in.
func TestPausedMailGoesAnotherWay(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		for range 500 {
			r.store.accept(job("a", "b"))
		}
		a, b := r.connect("a", always(badLogin)), r.connect("b", accept)
		r.d = New(Options{Store: r.store, Connections: r.conns})
		r.start()
		time.Sleep(time.Second)
		if n := r.store.ended(); n != 500 {
			t.Errorf("%d of 500 went the other way", n)
		}
		id := r.store.accept(job("a", "b"))
		synctest.Wait()
		if len(r.store.end(id)) != 1 {
			t.Error("a new one did not go the other way")
		}
		if n := a.calls.Load(); n > startConcurrency {
			t.Errorf("%d attempts on the paused connection", n)
		}
		if n := b.calls.Load(); n != 501 {
			t.Errorf("%d attempts on the other connection", n)
		}
		r.stop()
	})
}

// What has no other way is put off to the end of the pause, without counting
// as an attempt; the backlog in the store is not touched as a whole.
func TestPausedMailWaits(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		r.connect("a", always(badLogin))
		r.start()
		synctest.Wait()
		for range 2000 {
			r.store.accept(job("a"))
		}
		synctest.Wait()
		untried := r.store.count(&r.store.untried)
		if untried > 1000+siftSize {
			t.Errorf("%d were put off at once", untried)
		}
		time.Sleep(25 * time.Second)
		if n := r.store.count(&r.store.untried) - untried; n > 2*siftSize {
			t.Errorf("%d more were put off in 25 s", n)
		}
		until := r.d.Alarms()[0].Until
		copied := job("a", "b")
		copied.Duplicate = true
		r.connect("b", accept)
		id := r.store.accept(copied)
		synctest.Wait()
		got := r.store.deferred(id)
		if got.Next != outbox.Deferred || !got.Due.Equal(until) || got.Hop != 0 || got.Outcome.Code != 535 || got.Outcome.Class != plugin.Temporary {
			t.Errorf("a possible duplicate: %+v", got)
		}
		r.stop()
	})
}

func TestHalfLifeAlarm(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		r.connect("a", always(badLogin))
		r.start()
		synctest.Wait()
		short := job("a")
		short.Expires = time.Now().Add(3 * time.Hour)
		id := r.store.accept(short)
		r.store.accept(job("a"))
		time.Sleep(80 * time.Minute)
		if n := r.d.Alarms()[0].Late; n != 0 {
			t.Errorf("%d late before half the time", n)
		}
		time.Sleep(90 * time.Minute)
		if n := r.d.Alarms()[0].Late; n != 1 {
			t.Errorf("%d late after half the time, want 1", n)
		}
		time.Sleep(time.Hour)
		if end := r.store.end(id); len(end) != 1 || end[0].Next != outbox.Expired {
			t.Errorf("a pause stopped the expiry: %v", end)
		}
		r.stop()
	})
}

// A provider that says when to come again is not asked before.
func TestToldToWait(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		a := r.connect("a", always(plugin.Outcome{Class: plugin.Temporary, Blame: plugin.BlameLimit, Code: 429, RetryAfter: time.Hour}))
		r.start()
		synctest.Wait()
		r.store.accept(job("a"))
		synctest.Wait()
		r.store.accept(job("a"))
		time.Sleep(time.Hour - time.Second)
		if n := a.calls.Load(); n != 1 {
			t.Errorf("%d attempts within the hour", n)
		}
		r.stop()
	})
}

func TestBadSettingsPause(t *testing.T) {
	t.Parallel()
	for name, open := range map[string]func(context.Context) (plugin.Instance, error){
		"error": func(context.Context) (plugin.Instance, error) { return nil, errors.New("no such host") },
		"panic": func(context.Context) (plugin.Instance, error) { panic("no such host") },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t)
				r.connect("a", accept, func(c *Connection) { c.Open = open })
				r.start()
				synctest.Wait()
				id := r.store.accept(job("a"))
				synctest.Wait()
				got := r.store.deferred(id)
				if got.Outcome.Blame != plugin.BlameConnection || got.Outcome.Phase != plugin.PhaseOpen {
					t.Errorf("outcome %+v", got.Outcome)
				}
				if alarms := r.d.Alarms(); len(alarms) != 1 || !alarms[0].Settings {
					t.Errorf("alarms %+v", alarms)
				}
				r.stop()
			})
		})
	}
}

func TestJudge(t *testing.T) {
	t.Parallel()
	ok := plugin.Outcome{Class: plugin.Accepted}
	limit := plugin.Outcome{Class: plugin.Temporary, Blame: plugin.BlameLimit, Phase: plugin.PhaseRecipient, Code: 450}
	early := limit
	early.Phase = plugin.PhaseGreeting
	closed := plugin.Outcome{Class: plugin.Temporary, Blame: plugin.BlameRecipient, Code: 421}
	policy := plugin.Outcome{Class: plugin.Temporary, Blame: plugin.BlameSender, Enhanced: "4.7.1"}
	for _, test := range []struct {
		outcomes []plugin.Outcome
		want     verdict
	}{
		{[]plugin.Outcome{ok}, healthy},
		{[]plugin.Outcome{greylisted, ok}, healthy},
		{[]plugin.Outcome{refused}, trouble},
		{[]plugin.Outcome{unheard}, trouble},
		{[]plugin.Outcome{refused, ok}, slow},
		{[]plugin.Outcome{badLogin, ok}, fault},
		{[]plugin.Outcome{limit}, slow},
		{[]plugin.Outcome{early}, trouble},
		{[]plugin.Outcome{closed}, slow},
		{[]plugin.Outcome{policy}, slow},
	} {
		if got, _ := judge(test.outcomes); got != test.want {
			t.Errorf("%+v: verdict %d, want %d", test.outcomes, got, test.want)
		}
	}
}

func TestPace(t *testing.T) {
	t.Parallel()
	p := newPace(5)
	var limits []int
	for range 16 {
		p.succeeded()
		limits = append(limits, p.limit)
	}
	if want := []int{2, 3, 3, 3, 4, 4, 4, 4, 5, 5, 5, 5, 5, 5, 5, 5}; !slices.Equal(limits, want) {
		t.Errorf("limits %v, want %v", limits, want)
	}
	for _, want := range []bool{false, false, false, false, true} {
		if got := p.failed(); got != want {
			t.Errorf("failure %d: cohort over is %v", p.failures, got)
		}
	}
	for range 10 {
		p.slow()
	}
	if p.limit != 1 {
		t.Errorf("limit %d after complaints", p.limit)
	}
}
