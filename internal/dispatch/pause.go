package dispatch

import (
	"context"
	"time"

	"github.com/google/uuid"

	"github.com/postilion-mail/postilion/internal/diagnose"
	"github.com/postilion-mail/postilion/internal/outbox"
	"github.com/postilion-mail/postilion/plugin"
)

// How long a lane is paused, doubling with each failure in a row. Wrong
// settings are for a person, and a server may lock an account after a few
// wrong passwords; a network comes back by itself.
const (
	faultPause      = time.Minute
	faultPauseMax   = 30 * time.Minute
	troublePause    = 15 * time.Second
	troublePauseMax = 10 * time.Minute
)

// lateMax bounds what a lane remembers of messages past half their life.
const lateMax = 1000

// breaker is a lane's circuit breaker. Closed, it has no pause. Open, nothing
// is attempted until the pause ends; then one message probes, and closes it
// or opens it again for longer.
type breaker struct {
	pause outbox.Pause // no strikes: closed
	kind  verdict      // trouble or fault
	// epoch counts the changes: an attempt that began before the last one
	// says nothing about now.
	epoch int
	late  map[uuid.UUID]struct{}
	sifts int // pages of the store in this pause with nothing to move

	// The store keeps pauses for faults only. unsaved: it has yet to be told.
	unsaved bool
	saving  bool
}

func (b *breaker) open(now time.Time) bool {
	return b.pause.Strikes > 0 && now.Before(b.pause.Until)
}

func (b *breaker) probing(now time.Time) bool {
	return b.pause.Strikes > 0 && !now.Before(b.pause.Until)
}

// trip opens the breaker, for longer if it was open before for the same kind
// of reason.
func (b *breaker) trip(lane string, kind verdict, why *plugin.Outcome, now time.Time) {
	if b.pause.Strikes == 0 || b.kind != kind {
		b.pause = outbox.Pause{Lane: lane, Since: now}
	}
	b.unsaved = b.unsaved || kind == fault || b.kind == fault
	b.kind = kind
	first, most := troublePause, troublePauseMax
	if kind == fault {
		first, most = faultPause, faultPauseMax
	}
	wait := min(most, first<<min(b.pause.Strikes, 16))
	if kind == trouble {
		wait = max(wait, min(why.RetryAfter, retryAfterMax))
	}
	b.pause.Strikes++
	b.pause.Until = now.Add(wait)
	b.pause.Outcome = *why
	b.sifts = 0
	b.epoch++
}

// clear closes the breaker.
func (b *breaker) clear() {
	b.unsaved = b.unsaved || b.kind == fault
	b.pause, b.kind, b.late = outbox.Pause{}, healthy, nil
	b.epoch++
}

// load takes over a pause that an earlier run stored.
func (l *lane) load(p outbox.Pause) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.breaker.pause, l.breaker.kind = p, fault
	l.breaker.pause.Strikes = max(1, p.Strikes)
	l.pace.probe()
}

// learn adapts the lane to what an attempt says about its connection. It is
// called with the lock.
func (l *lane) learn(epoch int, outcomes []plugin.Outcome) {
	if epoch != l.breaker.epoch {
		return
	}
	v, why := judge(outcomes)
	now := l.d.Now()
	probe := l.breaker.probing(now)
	if probe && v < trouble {
		l.breaker.clear()
		l.pace = newPace(l.pace.most)
		l.savePause()
		l.d.Log.Info("the connection works again", "connection", l.id, "name", l.connection.Name)
	}
	switch v {
	case healthy:
		l.pace.succeeded()
	case slow:
		l.pace.slow()
	case trouble:
		told := why.Blame == plugin.BlameLimit && why.RetryAfter > 0
		if l.pace.failed() || probe || told {
			l.trip(v, why, now)
		}
	case fault:
		l.trip(v, why, now)
	}
}

// trip pauses the lane.
func (l *lane) trip(v verdict, why *plugin.Outcome, now time.Time) {
	l.breaker.trip(l.id, v, why, now)
	l.pace.probe()
	l.stray()
	l.after = time.Time{}
	l.savePause()
	p := l.breaker.pause
	l.d.Metrics.Paused(l.id, p)
	l.d.Log.Warn("the connection is paused", "connection", l.id, "name", l.connection.Name,
		"until", p.Until, "since", p.Since, "failures", p.Strikes, "blame", why.Blame.String(),
		"phase", why.Phase.String(), "code", why.Code, "reply", why.Reply,
		"cause", diagnose.Explain(*why, l.connection.Known).Code)
}

// savePause brings the store up to date, by one goroutine at a time, so that
// what it has last is what happened last. It is called with the lock.
func (l *lane) savePause() {
	if !l.breaker.saving && l.breaker.unsaved {
		l.breaker.saving = true
		l.d.work.run(l.savePauses)
	}
}

func (l *lane) savePauses() {
	for {
		l.mu.Lock()
		b := &l.breaker
		if !b.unsaved {
			b.saving = false
			l.kick()
			l.mu.Unlock()
			return
		}
		b.unsaved = false
		want := outbox.Pause{}
		if b.pause.Strikes > 0 && b.kind == fault {
			want = b.pause
		}
		l.mu.Unlock()
		err := l.storePause(want)
		l.mu.Lock()
		if err == nil {
			l.backlog = l.backlog || want.Strikes == 0
		} else {
			b.unsaved = true
		}
		l.mu.Unlock()
		if err != nil {
			l.d.Log.Error("cannot store a connection's pause", "connection", l.id, "error", err)
			if !l.d.sleep(claimRetry) {
				return
			}
		}
	}
}

func (l *lane) storePause(p outbox.Pause) error {
	ctx := context.WithoutCancel(l.d.hard)
	if p.Strikes > 0 {
		return l.d.Store.SetPause(ctx, p)
	}
	return l.d.Store.ClearPause(ctx, l.id)
}

// Alarm is a connection that is paused.
type Alarm struct {
	Connection string // id
	Name       string
	Until      time.Time // when one message tries whether it works again
	Since      time.Time // of the first failure in a row
	Failures   int       // in a row
	Outcome    plugin.Outcome
	// Settings: the credentials or settings are to blame, so that it takes a
	// person to mend them. Otherwise the connection comes back by itself.
	Settings bool
	// Late counts the messages seen past half their life, up to 1,000.
	Late int
}

// Alarms gives the paused connections.
func (d *Dispatcher) Alarms() []Alarm {
	var alarms []Alarm
	for _, l := range d.all() {
		l.mu.Lock()
		if p := l.breaker.pause; p.Strikes > 0 {
			alarms = append(alarms, Alarm{
				Connection: l.id, Name: l.connection.Name, Until: p.Until, Since: p.Since, Failures: p.Strikes,
				Outcome: p.Outcome, Settings: l.breaker.kind == fault, Late: len(l.breaker.late),
			})
		}
		l.mu.Unlock()
	}
	return alarms
}
