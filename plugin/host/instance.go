package host

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/postilion-mail/postilion/plugin"
)

// openTimeout bounds the opening of an instance, which reaches over no network.
const openTimeout = 30 * time.Second

var _ plugin.Transport = (*Plugin)(nil)

// Describe implements plugin.Transport. It gives what the last process said,
// nothing before the first was ready.
func (p *Plugin) Describe() plugin.Description {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.description
}

// Open implements plugin.Transport. The instance outlives the process: it is
// opened again in the next one.
func (p *Plugin) Open(ctx context.Context, s plugin.Settings) (plugin.Instance, error) {
	i := &instance{plugin: p, settings: s}
	if err := i.use(ctx, func(plugin.Instance) error { return nil }); err != nil {
		return nil, err
	}
	return i, nil
}

// instance is one of a plugin, in whatever process there is.
type instance struct {
	plugin   *Plugin
	settings plugin.Settings

	mu     sync.Mutex
	in     plugin.Instance
	of     *running // the process that in is of
	closed bool
}

// use calls with the instance of the process that runs.
func (i *instance) use(ctx context.Context, call func(plugin.Instance) error) error {
	r, err := i.plugin.acquire(ctx)
	if err != nil {
		return err
	}
	defer r.calls.Done()
	in, err := i.opened(ctx, r)
	if err != nil {
		return i.plugin.learn(r, untried(err))
	}
	return i.plugin.learn(r, call(in))
}

// untried is the error of a call that was not made: for a delivery, nothing
// has gone out, whether the transport reports commits or not.
func untried(err error) error {
	if errors.As(err, new(*plugin.DeliveryError)) {
		return err
	}
	return &plugin.DeliveryError{Err: err, Outcome: plugin.Outcome{
		Class: plugin.Temporary, Blame: plugin.BlameConnection, Phase: plugin.PhaseOpen, Inferred: true, Reply: err.Error(),
	}}
}

// opened gives the instance in a process, which may be a new one.
func (i *instance) opened(ctx context.Context, r *running) (plugin.Instance, error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.closed {
		return nil, errors.New("the connection was closed")
	}
	if i.of == r {
		return i.in, nil
	}
	ctx, cancel := context.WithTimeout(ctx, openTimeout)
	defer cancel()
	in, err := r.Transport().Open(ctx, i.settings)
	if err != nil {
		return nil, err
	}
	i.in, i.of = in, r // the old one has ended with its process, or is about to
	return in, nil
}

// Check implements plugin.Instance.
func (i *instance) Check(ctx context.Context, request plugin.CheckRequest, report func(plugin.Stage)) error {
	return i.use(ctx, func(in plugin.Instance) error { return in.Check(ctx, request, report) })
}

// Deliver implements plugin.Instance. A delivery that broke is never tried
// again here.
func (i *instance) Deliver(ctx context.Context, d *plugin.Delivery, committing func() error) (outcomes []plugin.Outcome, err error) {
	err = i.use(ctx, func(in plugin.Instance) (err error) {
		outcomes, err = in.Deliver(ctx, d, committing)
		return err
	})
	return outcomes, err
}

// Close implements plugin.Instance.
func (i *instance) Close() error {
	i.mu.Lock()
	in := i.in
	i.in, i.of, i.closed = nil, nil, true
	i.mu.Unlock()
	if in == nil {
		return nil
	}
	return in.Close()
}
