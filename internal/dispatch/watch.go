package dispatch

import (
	"sync"
	"sync/atomic"

	"github.com/google/uuid"
)

// Watch tells when a message had its first outcome: what came of its attempt,
// or that it waits for a paused connection, is recorded, and it does not go on
// at once through another one. Watch before Accept, so that nothing is missed,
// and call stop when done.
func (d *Dispatcher) Watch(message uuid.UUID) (outcome <-chan struct{}, stop func()) {
	w := &watcher{message: message, told: make(chan struct{})}
	d.watch.add(w)
	return w.told, func() { d.watch.remove(w) }
}

type watcher struct {
	message uuid.UUID
	told    chan struct{}
}

// watchers finds those of a message.
type watchers struct {
	count atomic.Int64 // so that nobody locks when nobody watches
	mu    sync.Mutex
	by    map[uuid.UUID][]*watcher
}

func (w *watchers) add(one *watcher) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.by == nil {
		w.by = make(map[uuid.UUID][]*watcher)
	}
	w.by[one.message] = append(w.by[one.message], one)
	w.count.Add(1)
}

func (w *watchers) remove(one *watcher) {
	w.mu.Lock()
	defer w.mu.Unlock()
	left := w.by[one.message]
	for n, other := range left {
		if other == one {
			w.count.Add(-1)
			left = append(left[:n:n], left[n+1:]...)
			break
		}
	}
	if w.by[one.message] = left; len(left) == 0 {
		delete(w.by, one.message)
	}
}

func (w *watchers) tell(message uuid.UUID) {
	if w.count.Load() == 0 {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, one := range w.by[message] {
		close(one.told)
		w.count.Add(-1)
	}
	delete(w.by, message)
}
