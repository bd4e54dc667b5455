package dispatch

import (
	"context"
	"fmt"
	"sync"
	"time"
)

// cutOffWait is how long a transport has to come back after its delivery was
// cut off.
const cutOffWait = 10 * time.Second

// Stop begins no new attempt and gives back what was not tried. Deliveries
// under way go on for Options.Drain, or until ctx ends; then they are cut
// off. What they came to is recorded. Stop returns when all is done, or with
// an error that says how much was left behind: the next run finds it again.
// The store may be closed afterwards. It is safe to call it more than once.
func (d *Dispatcher) Stop(ctx context.Context) error {
	d.stopOnce.Do(func() {
		d.work.seal(func() { d.running.Store(false) })
		close(d.stopping)
		d.stopErr = d.stop(ctx)
		close(d.stopped)
	})
	<-d.stopped
	return d.stopErr
}

func (d *Dispatcher) stop(ctx context.Context) error {
	for _, l := range d.all() {
		l.stop()
	}
	soft, cancel := context.WithTimeout(ctx, d.Drain)
	defer cancel()
	if !d.work.wait(soft) {
		d.Log.Warn("deliveries are cut off because the daemon stops")
	}
	d.cutOff(ErrStopped)
	hard, cancel := context.WithTimeout(context.WithoutCancel(ctx), cutOffWait)
	defer cancel()
	done := d.work.wait(hard)
	close(d.givenUp)
	for _, l := range d.all() {
		l.mu.Lock()
		l.retire()
		l.mu.Unlock()
	}
	if !done {
		return fmt.Errorf("%d tasks did not end after deliveries were cut off", d.work.left())
	}
	closed, cancel := context.WithTimeout(context.WithoutCancel(ctx), cutOffWait)
	defer cancel()
	if !d.work.wait(closed) {
		return fmt.Errorf("%d transports did not close", d.work.left())
	}
	return nil
}

// stop gives the queued jobs back.
func (l *lane) stop() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.timer != nil {
		l.timer.Stop()
	}
	items := l.queue.drain()
	l.d.work.run(func() { l.giveBack(items) })
}

// sleep waits; false means to give up.
func (d *Dispatcher) sleep(wait time.Duration) bool {
	select {
	case <-time.After(wait):
		return true
	case <-d.givenUp:
		return false
	}
}

// work counts the goroutines that must end before the dispatcher has stopped.
type work struct {
	mu     sync.Mutex
	count  int
	sealed bool
	idle   chan struct{} // closed when count is 0; nil when nobody waits
}

// begin counts one from outside; false when no more may begin.
func (w *work) begin() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.sealed {
		return false
	}
	w.count++
	return true
}

// run does something that belongs to what has begun, in a goroutine.
func (w *work) run(f func()) {
	w.mu.Lock()
	w.count++
	w.mu.Unlock()
	go func() {
		defer w.done()
		f()
	}()
}

func (w *work) done() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.count--
	if w.count == 0 && w.idle != nil {
		close(w.idle)
		w.idle = nil
	}
}

// start calls f unless the work is sealed; seal calls f and ends begin.
func (w *work) start(f func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.sealed {
		f()
	}
}

func (w *work) seal(f func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.sealed = true
	f()
}

func (w *work) left() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.count
}

// wait gives false when ctx ended first.
func (w *work) wait(ctx context.Context) bool {
	w.mu.Lock()
	if w.count == 0 {
		w.mu.Unlock()
		return true
	}
	if w.idle == nil {
		w.idle = make(chan struct{})
	}
	idle := w.idle
	w.mu.Unlock()
	select {
	case <-idle:
		return true
	case <-ctx.Done():
		return false
	}
}
