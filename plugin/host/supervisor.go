package host

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/postilion-mail/postilion/plugin"
)

// State is how a plugin is.
type State string

// The states of a plugin.
const (
	Starting State = "starting"
	Ready    State = "ready"
	Backoff  State = "backoff" // it has ended, and is started again after a while
	Failed   State = "failed"  // it is not started again by itself
	Stopped  State = "stopped"
)

// Policy says when a plugin that has ended is started again. The zero value
// has the defaults.
type Policy struct {
	// First is the wait after the first end, doubled at each further one up to
	// Longest, by a fifth more or less. Defaults: 500 ms and 30 s.
	First, Longest time.Duration
	// Limit is how many ends in a row are too many. Default: 10.
	Limit int
	// Stable is how long a process must have run to count as a good one.
	// Default: 1 min.
	Stable time.Duration
	// Drain is how long a process that is replaced has for the deliveries
	// under way. Default: 60 s.
	Drain time.Duration
}

func (p Policy) withDefaults() Policy {
	set := func(d *time.Duration, preset time.Duration) {
		if *d <= 0 {
			*d = preset
		}
	}
	set(&p.First, 500*time.Millisecond)
	set(&p.Longest, 30*time.Second)
	set(&p.Stable, time.Minute)
	set(&p.Drain, time.Minute)
	if p.Limit <= 0 {
		p.Limit = 10
	}
	return p
}

// wait is how long to wait after so many ends in a row.
func (p Policy) wait(failures int) time.Duration {
	d := p.First
	for n := 1; n < failures && d < p.Longest; n++ {
		d *= 2
	}
	return time.Duration(float64(min(d, p.Longest)) * (0.8 + 0.4*rand.Float64()))
}

// Status is what there is to say about a plugin.
type Status struct {
	State   State
	Reason  string // why it does not run, in one line
	PID     int    // of the process, 0 for none
	Starts  int    // attempts to start it
	Crashes int    // of processes that were ready
	Since   time.Time
	// Confinement is what keeps the last process from harm, such as
	// "user 61234, landlock, memory 64 MiB"; "trusted like the daemon" if
	// nothing does. Empty before the first start.
	Confinement string
}

// Plugin is a transport whose process is started, and started again when it
// ends. Its methods are safe for concurrent use.
type Plugin struct {
	options Options
	policy  Policy
	ctx     context.Context
	cancel  context.CancelFunc
	ended   chan struct{} // closed when nothing is started any more
	again   chan struct{} // a start that does not wait is asked for
	drains  sync.WaitGroup

	mu          sync.Mutex
	status      Status
	description plugin.Description
	current     *running      // while ready
	changed     chan struct{} // closed and replaced at each change
	stopping    bool
}

// running is a process that is in use.
type running struct {
	*Process
	calls   sync.WaitGroup // grows only while it is the current one
	retired chan struct{}
	why     error // it was retired, to be read after that
}

var errEnded = errors.New("the process has ended")

// Supervise starts a plugin and keeps it running until Stop.
func Supervise(o Options, policy Policy) *Plugin {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	p := &Plugin{
		options: o, policy: policy.withDefaults(), ended: make(chan struct{}),
		again: make(chan struct{}, 1), changed: make(chan struct{}), status: Status{State: Starting, Since: time.Now()},
	}
	p.options.output = newOutput(o.Log, o.Name)
	p.ctx, p.cancel = context.WithCancel(context.Background())
	go p.keep()
	return p
}

// keep is the one who starts the process.
func (p *Plugin) keep() {
	defer close(p.ended)
	for failures := 0; p.ctx.Err() == nil; {
		p.update(func() { p.status.State, p.status.Starts = Starting, p.status.Starts+1 })
		began := time.Now()
		err := p.once()
		if p.ctx.Err() != nil {
			break
		}
		if time.Since(began) >= p.policy.Stable {
			failures = 0
		}
		failures++
		failed := failures > p.policy.Limit || errors.Is(err, ErrChecksum)
		wait := p.policy.wait(failures)
		p.update(func() {
			p.status.State, p.status.Reason, p.status.PID = Backoff, err.Error(), 0
			if failed {
				p.status.State = Failed
			}
		})
		var timer <-chan time.Time
		if failed {
			p.options.Log.Error("a plugin does not work and is not started again", "plugin", p.options.Name, "error", err)
		} else {
			p.options.Log.Warn("a plugin does not run", "plugin", p.options.Name, "error", err, "again", wait)
			timer = time.After(wait)
		}
		select {
		case <-timer:
		case <-p.again:
			failures = 0
		case <-p.ctx.Done():
		}
	}
	p.update(func() { p.status.State, p.status.PID, p.current = Stopped, 0, nil })
}

// once starts a process and says why it is not in use any more.
func (p *Plugin) once() error {
	process, err := Start(p.ctx, p.options)
	if err != nil {
		return err
	}
	r := &running{Process: process, retired: make(chan struct{})}
	p.update(func() {
		p.description, p.current = process.Transport().Describe(), r
		p.status.State, p.status.Reason, p.status.PID, p.status.Confinement = Ready, "", process.PID(), process.Confinement()
	})
	p.options.Log.Info("a plugin is ready", "plugin", p.options.Name, "pid", process.PID())
	select {
	case <-process.Done():
		if err = errEnded; process.Err() != nil {
			err = fmt.Errorf("%w: %w", errEnded, process.Err())
		}
		p.update(func() { p.status.Crashes++ })
	case <-r.retired:
		err = r.why
	case <-p.ctx.Done():
	}
	p.update(func() { p.current = nil })
	p.drains.Go(func() { p.drain(r) })
	return err
}

// drain ends a process that is not used for new calls.
func (p *Plugin) drain(r *running) {
	idle := make(chan struct{})
	go func() { r.calls.Wait(); close(idle) }()
	timer := time.NewTimer(p.policy.Drain)
	defer timer.Stop()
	select {
	case <-idle:
	case <-timer.C:
	case <-r.Done():
	case <-p.ctx.Done():
	}
	r.Stop()
}

// update changes what the mutex guards, and tells those who wait for it.
func (p *Plugin) update(change func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	before := p.status.State
	change()
	if p.status.State != before {
		p.status.Since = time.Now()
	}
	close(p.changed)
	p.changed = make(chan struct{})
}

// Status tells how the plugin is.
func (p *Plugin) Status() Status {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.status
}

// Output gives the last lines that the plugin wrote, oldest first, also those
// of processes that have ended.
func (p *Plugin) Output() []string { return p.options.output.last() }

// Retry starts a plugin that waits or has failed, now.
func (p *Plugin) Retry() {
	select {
	case p.again <- struct{}{}:
	default: // asked for already
	}
}

// Wait returns when the plugin is ready, or with the reason when it could not
// be started.
func (p *Plugin) Wait(ctx context.Context) error {
	r, err := p.acquire(ctx)
	if err == nil {
		r.calls.Done()
	}
	return err
}

// Stop lets the calls under way finish, as long as ctx has not ended, and ends
// the process. New calls fail at once. It returns when the process is gone.
func (p *Plugin) Stop(ctx context.Context) {
	var r *running
	p.update(func() { p.stopping, r = true, p.current })
	if r != nil {
		idle := make(chan struct{})
		go func() { r.calls.Wait(); close(idle) }()
		select {
		case <-idle:
		case <-r.Done():
		case <-ctx.Done():
		}
	}
	p.cancel()
	<-p.ended
	p.drains.Wait()
}

// acquire gives the process for a call. It waits for one that is starting.
// Whoever has it calls calls.Done.
func (p *Plugin) acquire(ctx context.Context) (*running, error) {
	for {
		p.mu.Lock()
		r, status, changed := p.current, p.status, p.changed
		usable := r != nil && !p.stopping
		if usable {
			r.calls.Add(1)
		}
		stopping := p.stopping || status.State == Stopped
		p.mu.Unlock()
		switch {
		case usable:
			return r, nil
		case stopping:
			return nil, p.unavailable("it is stopped")
		case status.State == Backoff || status.State == Failed:
			return nil, p.unavailable(status.Reason)
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return nil, untried(fmt.Errorf("the plugin %s is not ready: %w", p.options.Name, context.Cause(ctx)))
		}
	}
}

// unavailable is the error of calls while there is no process. The connection
// is to blame, so that its mail waits, or takes another one.
func (p *Plugin) unavailable(reason string) error {
	return untried(fmt.Errorf("the plugin %s does not run: %s", p.options.Name, reason))
}

// learn draws the consequences of a call's error and gives what to tell.
func (p *Plugin) learn(r *running, err error) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case errors.Is(err, plugin.ErrCrashed) && p.stopping:
		return errors.New("the plugin was stopped during the delivery")
	case errors.Is(err, plugin.ErrHung) && p.current == r && !p.stopping:
		p.current, r.why = nil, err
		close(r.retired)
	}
	return err
}
