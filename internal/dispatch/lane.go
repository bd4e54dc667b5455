package dispatch

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/postilion-mail/postilion/internal/outbox"
)

// lane is what waits for one connection, and those who work on it. No method
// of the store is called while its lock is held, nor another lane's lock
// taken.
type lane struct {
	d  *Dispatcher
	id string

	mu         sync.Mutex
	connection Connection
	exists     bool // the connection does
	holder     *holder
	breaker    breaker
	pace       pace
	meter      meter

	queue    queue
	items    map[*item]struct{} // claimed jobs: queued, delivered, recorded
	reserved int                // places promised to the store
	workers  int
	strays   int // deliveries that began before the pause

	// What waits in the store: backlog says that there may be due jobs, next
	// is when the first of the others is due, after is when the store may be
	// asked again.
	claiming bool
	backlog  bool
	next     time.Time
	after    time.Time
	timer    *time.Timer
	timerAt  time.Time
}

// item is a job in memory.
type item struct {
	lane  *lane
	job   outbox.Job
	bytes int64 // of its content, as long as it is counted in memory
	epoch int   // of the breaker when the attempt began

	// The lane's lock guards these: whether a worker has it, and whether that
	// worker is one of the strays, whom the lane counts no more.
	active, stray bool

	lost      atomic.Bool // the claim is no longer ours
	committed atomic.Bool
	ctx       context.Context // of the delivery
	cancel    context.CancelCauseFunc
}

func newLane(d *Dispatcher, id string) *lane {
	l := &lane{d: d, id: id, items: make(map[*item]struct{})}
	l.meter.rate = initialRate
	l.connection, l.exists = d.Connections.Lookup(id)
	l.pace = newPace(l.connection.concurrency())
	return l
}

// configure takes over a changed configuration. One of the same generation
// differs in its limits only: that ends no pause.
func (l *lane) configure() {
	connection, exists := l.d.Connections.Lookup(l.id)
	l.mu.Lock()
	defer l.mu.Unlock()
	same := connection.Generation == l.connection.Generation && exists == l.exists
	l.connection, l.exists = connection, exists
	l.backlog, l.after = true, time.Time{}
	if same {
		l.pace.bound(connection.concurrency())
	} else {
		l.retire()
		l.pace = newPace(connection.concurrency())
		l.breaker.clear()
		l.breaker.unsaved = true // what the store deferred is due again
		l.savePause()
	}
	l.kick()
}

// use gives the holder of the present instance; unuse gives it back.
func (l *lane) use() *holder {
	if l.holder == nil {
		l.holder = &holder{open: l.connection.Open}
	}
	l.holder.users++
	return l.holder
}

func (l *lane) unuse(h *holder) {
	h.users--
	l.closeUnused(h)
}

// retire lets the instance go when its last delivery is done.
func (l *lane) retire() {
	if h := l.holder; h != nil {
		l.holder = nil
		h.retired = true
		l.closeUnused(h)
	}
}

func (l *lane) closeUnused(h *holder) {
	if !h.retired || h.users > 0 || h.closed {
		return
	}
	h.closed = true
	l.d.work.run(func() {
		if err := h.close(); err != nil {
			l.d.Log.Error("cannot close a connection's transport", "connection", l.id, "error", err)
		}
	})
}

// room is how many more jobs the lane may hold. It holds what it delivers in
// half a second, so that what comes later, from another client or with a
// higher priority, does not wait behind a long line. A few are always
// allowed, whatever other lanes hold; one that tries whether the connection
// works again holds one.
func (l *lane) room(now time.Time) int {
	held := l.reserved + len(l.items)
	if l.breaker.probing(now) {
		return 1 - (held - l.strays)
	}
	least := 2 * max(1, l.pace.most)
	window := max(least, int(l.meter.rate/2))
	shared := l.d.Window - int(l.d.held.Load())
	return max(least-held, min(window-held, shared))
}

// delivers says whether the lane attempts deliveries now.
func (l *lane) delivers(now time.Time) bool {
	return l.exists && !l.breaker.open(now)
}

// kick starts what can be started: workers, a claim, or the timer that comes
// back when there is something to do. It is called with the lock after every
// change.
func (l *lane) kick() {
	if !l.d.running.Load() {
		return
	}
	now := l.d.Now()
	if l.queue.length > 0 && !l.delivers(now) {
		items := l.queue.drain()
		l.d.work.run(func() { l.divert(items, false) })
	}
	for n := l.queue.length; n > 0 && l.workers < l.pace.limit; n-- {
		if !l.d.work.begin() {
			return
		}
		l.workers++
		go l.deliverAll()
	}
	switch {
	case l.claiming:
	case !l.mayClaim(now):
		l.arm(now)
	case l.d.work.begin():
		l.claiming = true
		go l.claim()
	}
}

// deliverAll is a worker: it delivers until there is nothing for it.
func (l *lane) deliverAll() {
	defer l.d.work.done()
	for {
		i := l.pick()
		if i == nil {
			return
		}
		l.attempt(i)
		if l.left(i) {
			return
		}
	}
}

// left says whether the worker of a job became a stray: its lane was paused
// under it, and others take its place.
func (l *lane) left(i *item) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	i.active = false
	return i.stray
}

// stray leaves the deliveries under way to themselves: however long they take,
// the lane can try whether the connection works again.
func (l *lane) stray() {
	for i := range l.items {
		if i.active && !i.stray {
			i.stray = true
			l.strays++
			l.workers--
		}
	}
}

// pick takes the next job, or ends the worker.
func (l *lane) pick() *item {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := l.d.Now()
	if l.workers <= l.pace.limit && l.d.running.Load() && l.delivers(now) {
		for i := l.queue.pop(); i != nil; i = l.queue.pop() {
			if i.lost.Load() {
				l.d.Metrics.Stale(l.id)
				l.forget(i)
				continue
			}
			i.active, i.epoch = true, l.breaker.epoch
			return i
		}
	}
	l.workers--
	l.kick()
	return nil
}

// drop forgets a job that is done with.
func (l *lane) drop(i *item) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.forget(i)
	l.meter.add(l.d.Now(), l.queue.length > 0 || l.backlog)
	l.kick()
}

func (l *lane) forget(i *item) {
	if _, ok := l.items[i]; ok {
		delete(l.items, i)
		l.d.held.Add(-1)
		if i.stray {
			l.strays--
		}
		l.uncount(i)
	}
}

// uncount is called when the content is no longer needed.
func (l *lane) uncount(i *item) {
	l.d.bytes.Add(-i.bytes)
	i.bytes, i.job.Content = 0, nil
}

// giveBack releases claims that were not tried.
func (l *lane) giveBack(items []*item) {
	if len(items) == 0 {
		return
	}
	tokens := make([]outbox.Token, len(items))
	for n, i := range items {
		tokens[n] = i.job.Token
	}
	if err := l.d.Store.Release(context.Background(), tokens...); err != nil {
		l.d.Log.Error("cannot give claims back; they are recovered when their lease ends", "connection", l.id, "error", err)
	}
	for _, i := range items {
		l.drop(i)
	}
	l.wake(l.d.Now())
}
