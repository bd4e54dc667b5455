// Package dispatch picks what to send when: it takes jobs out of the outbox,
// by hand from Accept or by a claim, delivers each through the lane of its
// connection, and records what became of it.
//
// A lane is what waits for one connection. It has workers, limits, a circuit
// breaker and a window in memory of its own and shares none of them, so that
// a slow or dead connection costs the others nothing. A lane with nothing to
// do has no goroutine.
//
// decide.go holds the policy: retry, fall back, fail, expire, hold.
package dispatch

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"github.com/postilion-mail/postilion/internal/outbox"
	"github.com/postilion-mail/postilion/plugin"
)

// Store is the part of outbox.Store that the dispatcher uses.
type Store interface {
	SetHandoff(h outbox.Handoff)
	Claim(ctx context.Context, c outbox.Claim) (outbox.Claimed, error)
	Extend(ctx context.Context, lease time.Duration, tokens ...outbox.Token) ([]outbox.Token, error)
	Record(ctx context.Context, r outbox.Report) error
	Release(ctx context.Context, tokens ...outbox.Token) error
	NextDue(ctx context.Context, lane string) (time.Time, bool, error)
	Lanes(ctx context.Context) ([]string, error)
	Content(ctx context.Context, j *outbox.Job) (outbox.Content, error)
	Recover(ctx context.Context) (int, error)
	Sweep(ctx context.Context) (more bool, err error)
	Pauses(ctx context.Context) ([]outbox.Pause, error)
	SetPause(ctx context.Context, p outbox.Pause) error
	ClearPause(ctx context.Context, lane string) error
}

var _ Store = outbox.Store(nil)

// Metrics is told what happens. Its methods are called by many goroutines and
// must not block. Connections are given by their ids.
type Metrics interface {
	// Attempted is called for each recipient of an attempt.
	Attempted(connection string, o *plugin.Outcome, took time.Duration)
	// Crashed: the transport panicked or its process ended.
	Crashed(connection string)
	// Stale: a claim was lost before its outcome was recorded.
	Stale(connection string)
	// Paused: the lane's circuit breaker opened, or stays open for longer.
	Paused(connection string, p outbox.Pause)
	// Unrecorded: the store did not take an outcome; it is tried again.
	Unrecorded(connection string)
}

// Options are what a dispatcher needs. Store and Connections must be given.
type Options struct {
	Store       Store
	Connections Connections
	Log         *slog.Logger // defaults to none
	Metrics     Metrics      // defaults to none

	// Now is the clock that due times are compared with. Defaults to time.Now.
	Now func() time.Time
	// Window is how many jobs all lanes hold in memory. Each lane may hold a
	// few even when others fill it. Defaults to 1,000.
	Window int
	// Bytes bounds the contents that the store hands over in memory. What is
	// claimed holds no content until it is delivered. Defaults to 64 MiB.
	Bytes int64
	// Lease is for how long a job is claimed; half of it after, it is
	// extended. Defaults to 2 minutes.
	Lease time.Duration
	// SweepEvery is the time between two runs of Store.Sweep. Defaults to 1
	// minute.
	SweepEvery time.Duration
	// Drain is how long deliveries may go on after Stop before they are cut
	// off. Defaults to 60 s.
	Drain time.Duration
}

func (o Options) withDefaults() Options {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Metrics == nil {
		o.Metrics = noMetrics{}
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Window <= 0 {
		o.Window = 1000
	}
	if o.Bytes <= 0 {
		o.Bytes = 64 << 20
	}
	if o.Lease <= 0 {
		o.Lease = 2 * time.Minute
	}
	if o.SweepEvery <= 0 {
		o.SweepEvery = time.Minute
	}
	if o.Drain <= 0 {
		o.Drain = time.Minute
	}
	return o
}

// Dispatcher moves mail from the outbox to the transports. Its methods are
// safe for concurrent use.
type Dispatcher struct {
	Options
	random func() float64

	running atomic.Bool
	held    atomic.Int64 // jobs in memory, those promised included
	bytes   atomic.Int64 // their contents

	mu    sync.RWMutex
	lanes map[string]*lane

	work    work
	watch   watchers
	started atomic.Bool
	// hard ends with ErrStopped when deliveries are cut off; given up is
	// closed when nothing is waited for anymore.
	hard     context.Context
	cutOff   context.CancelCauseFunc
	givenUp  chan struct{}
	stopping chan struct{}
	stopOnce sync.Once
	stopped  chan struct{}
	stopErr  error
}

// ErrStopped is the cause with which deliveries are cut off.
var ErrStopped = errors.New("the daemon stops")

// New makes a dispatcher and becomes the store's hand-off: it takes nothing
// before Run.
func New(o Options) *Dispatcher {
	d := &Dispatcher{
		Options:  o.withDefaults(),
		random:   rand.Float64,
		lanes:    make(map[string]*lane),
		givenUp:  make(chan struct{}),
		stopping: make(chan struct{}),
		stopped:  make(chan struct{}),
	}
	d.hard, d.cutOff = context.WithCancelCause(context.Background())
	d.Store.SetHandoff(d)
	return d
}

// Run recovers what an earlier run left, then delivers until Stop, or until
// ctx ends, which stops it in the same way. It returns when all is stopped;
// its error is what kept it from starting, or Stop's. Call it once.
func (d *Dispatcher) Run(ctx context.Context) error {
	if d.started.Swap(true) {
		return errors.New("the dispatcher was run before")
	}
	if err := d.load(ctx); err != nil {
		return err
	}
	d.work.start(func() { d.running.Store(true) })
	d.wakeAll(ctx)

	background := context.WithoutCancel(ctx)
	var loops sync.WaitGroup
	loops.Go(func() { d.sweepLoop(background) })
	loops.Go(func() { d.leaseLoop(background) })
	select {
	case <-ctx.Done():
		_ = d.Stop(background) // the same error is below
	case <-d.stopping:
		<-d.stopped
	}
	loops.Wait()
	return d.stopErr
}

// load brings back claims of dead runs and the pauses.
func (d *Dispatcher) load(ctx context.Context) error {
	recovered, err := d.Store.Recover(ctx)
	if err != nil {
		return fmt.Errorf("recover claimed messages: %w", err)
	}
	if recovered > 0 {
		d.Log.Warn("messages were under way when the daemon ended; they are tried again and may arrive twice", "count", recovered)
	}
	pauses, err := d.Store.Pauses(ctx)
	if err != nil {
		return fmt.Errorf("load pauses: %w", err)
	}
	for _, p := range pauses {
		d.lane(p.Lane).load(p)
	}
	return nil
}

// lane finds or makes a lane.
func (d *Dispatcher) lane(id string) *lane {
	d.mu.RLock()
	l := d.lanes[id]
	d.mu.RUnlock()
	if l != nil {
		return l
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if l := d.lanes[id]; l != nil {
		return l
	}
	l = newLane(d, id)
	d.lanes[id] = l
	return l
}

// all gives the lanes there are.
func (d *Dispatcher) all() []*lane {
	d.mu.RLock()
	defer d.mu.RUnlock()
	lanes := make([]*lane, 0, len(d.lanes))
	for _, l := range d.lanes {
		lanes = append(lanes, l)
	}
	return lanes
}

// Configure tells that a connection was made, changed or deleted. A new
// generation ends the lane's pause and makes what was deferred by it due at
// once; deliveries under way finish on the old instance. In the same
// generation only limits change, such as the rates of a client.
func (d *Dispatcher) Configure(connection string) {
	d.lane(connection).configure()
}

// wakeAll lets every lane with jobs look for due ones. A wake that got lost
// costs no more than the time between two sweeps.
func (d *Dispatcher) wakeAll(ctx context.Context) {
	lanes, err := d.Store.Lanes(ctx)
	if err != nil {
		d.Log.Error("cannot list the lanes", "error", err)
	}
	now := d.Now()
	for _, id := range lanes {
		d.lane(id).wake(now)
	}
}

// sweepLoop lets the store expire, recover and purge.
func (d *Dispatcher) sweepLoop(ctx context.Context) {
	ticker := time.NewTicker(d.SweepEvery)
	defer ticker.Stop()
	for {
		select {
		case <-d.stopping:
			return
		case <-ticker.C:
		}
		for more := true; more && d.running.Load(); {
			var err error
			if more, err = d.Store.Sweep(ctx); err != nil {
				d.Log.Error("cannot sweep the outbox", "error", err)
				break
			}
		}
		d.wakeAll(ctx)
	}
}

type noMetrics struct{}

func (noMetrics) Attempted(string, *plugin.Outcome, time.Duration) {}
func (noMetrics) Crashed(string)                                   {}
func (noMetrics) Stale(string)                                     {}
func (noMetrics) Paused(string, outbox.Pause)                      {}
func (noMetrics) Unrecorded(string)                                {}
