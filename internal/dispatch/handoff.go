package dispatch

import (
	"time"

	"github.com/postilion-mail/postilion/internal/outbox"
)

var _ outbox.Handoff = (*Dispatcher)(nil)

// Reserve implements outbox.Handoff. A lane that has older jobs waiting in
// the store takes no new ones past them, and a lane with rates none at all.
func (d *Dispatcher) Reserve(lane string, size int64) bool {
	if !d.running.Load() {
		return false
	}
	if d.bytes.Add(size) > d.Bytes {
		d.bytes.Add(-size)
		return false
	}
	if !d.lane(lane).reserve() {
		d.bytes.Add(-size)
		return false
	}
	return true
}

// Return implements outbox.Handoff.
func (d *Dispatcher) Return(lane string, size int64) {
	d.bytes.Add(-size)
	d.lane(lane).unreserve()
}

// Take implements outbox.Handoff.
func (d *Dispatcher) Take(job outbox.Job) {
	d.lane(job.Lane).take(job)
}

// Wake implements outbox.Handoff.
func (d *Dispatcher) Wake(lane string, due time.Time) {
	d.lane(lane).wake(due)
}

// reserve holds a place for a job. A stop waits until it is taken or given
// back.
func (l *lane) reserve() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := l.d.Now()
	older := (l.backlog || l.claiming) && !l.breaker.open(now)
	if older || !l.exists || len(l.connection.Rates) > 0 || l.room(now) < 1 || !l.d.work.begin() {
		return false
	}
	l.reserved++
	l.d.held.Add(1)
	return true
}

func (l *lane) unreserve() {
	defer l.d.work.done()
	l.mu.Lock()
	defer l.mu.Unlock()
	l.reserved--
	l.d.held.Add(-1)
	l.kick()
}

// take puts a reserved job into the queue. When the dispatcher has stopped in
// between, the job goes back.
func (l *lane) take(job outbox.Job) {
	i := &item{lane: l, job: job, bytes: job.Size}
	defer l.d.work.done()
	l.mu.Lock()
	defer l.mu.Unlock()
	l.reserved--
	l.items[i] = struct{}{}
	if !l.d.running.Load() {
		l.d.work.run(func() { l.giveBack([]*item{i}) })
		return
	}
	l.queue.push(i)
	l.kick()
}
