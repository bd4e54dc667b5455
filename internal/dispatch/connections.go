package dispatch

import (
	"context"
	"fmt"
	"runtime/debug"
	"sync"
	"time"

	"github.com/postilion-mail/postilion/internal/diagnose"
	"github.com/postilion-mail/postilion/internal/outbox"
	"github.com/postilion-mail/postilion/plugin"
)

// Connections tells how to deliver through a connection. Whoever changes one
// calls Dispatcher.Configure with its id afterwards.
type Connections interface {
	// Lookup gives the present configuration of a connection; false if there
	// is none. It is called while the store commits: it answers from memory.
	Lookup(id string) (Connection, bool)
}

// Connection is a configured way out, as a lane needs it.
type Connection struct {
	// Name is for logs and alarms.
	Name string
	// Known is what diagnoses in logs may go by.
	Known diagnose.Context
	// Generation changes with every change that needs a new instance.
	Generation int64
	// Open makes the instance that delivers. It is called at the first
	// delivery of a generation, by one goroutine at a time, and again at the
	// next when it failed.
	Open func(ctx context.Context) (plugin.Instance, error)
	// Capabilities and Limits are the transport's. Messages to more recipients
	// than Limits.Recipients are delivered in several parts.
	Capabilities plugin.Capabilities
	Limits       plugin.Limits
	// Concurrency is the most deliveries at a time, up to 20. Defaults to 5.
	Concurrency int
	// Rates bound what is claimed. A lane that has any takes no job from the
	// store's hand, since only Claim counts them.
	Rates []outbox.Rate
	// Schedule is the time to the next attempt after the first, second and so
	// on; the last one repeats. Defaults to 1 m, 5 m, 15 m, 30 m, 1 h, 2 h, 3 h.
	Schedule []time.Duration
}

// concurrency is the limit that holds.
func (c *Connection) concurrency() int {
	most := c.Concurrency
	if most <= 0 {
		most = defaultConcurrency
	}
	if own := c.Limits.Concurrency; own > 0 {
		most = min(most, own)
	}
	return min(most, maxConcurrency)
}

// holder keeps one generation's instance open while anybody uses it.
type holder struct {
	open func(context.Context) (plugin.Instance, error)

	mu       sync.Mutex // of the opening
	instance plugin.Instance

	// The lane's lock guards these.
	users   int
	retired bool
	closed  bool
}

// get opens the instance if it is not yet.
func (h *holder) get(ctx context.Context) (plugin.Instance, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.instance != nil {
		return h.instance, nil
	}
	instance, err := openSafely(ctx, h.open)
	if err != nil {
		return nil, err
	}
	h.instance = instance
	return instance, nil
}

// openSafely turns a panic of a transport into an error.
func openSafely(ctx context.Context, open func(context.Context) (plugin.Instance, error)) (i plugin.Instance, err error) {
	defer func() {
		if r := recover(); r != nil {
			i, err = nil, fmt.Errorf("%w while it was opened: %v", plugin.ErrCrashed, r)
		}
	}()
	return open(ctx)
}

// close ends the instance. Nobody uses it anymore.
func (h *holder) close() (err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.instance == nil {
		return nil
	}
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("%w while it was closed: %v\n%s", plugin.ErrCrashed, r, debug.Stack())
		}
	}()
	return h.instance.Close()
}
