package plugins

import (
	"context"
	"fmt"
	"time"

	"github.com/postilion-mail/postilion/plugin"
	"github.com/postilion-mail/postilion/plugin/host"
)

// Open makes an instance of a plugin's transport. While the plugin does not
// run, the error is a *plugin.DeliveryError that has the mail wait.
func (m *Manager) Open(ctx context.Context, name string, s plugin.Settings) (plugin.Instance, error) {
	m.mu.Lock()
	var process *host.Plugin
	if p := m.known[name]; p != nil {
		process = p.process
	}
	m.mu.Unlock()
	if process == nil {
		return nil, unavailable(fmt.Errorf("the plugin %s does not run: it is disabled; enable it with postilion plugins enable", name))
	}
	in, err := process.Open(ctx, s)
	if err != nil {
		return nil, err
	}
	return &instance{Instance: in, plugin: name, process: process, options: &m.options}, nil
}

// unavailable is the error of a connection without process: its mail waits, or
// takes another one.
func unavailable(err error) error {
	return &plugin.DeliveryError{Err: err, Outcome: plugin.Outcome{
		Class: plugin.Temporary, Blame: plugin.BlameConnection, Phase: plugin.PhaseOpen, Inferred: true, Reply: err.Error(),
	}}
}

// restartPatience is how long a delivery waits for a process that is started
// again, before its connection counts as broken.
const restartPatience = 5 * time.Second

// awaitRestart waits for a process that has ended and is started again soon.
// With revive also one that has failed too often is started again: that its
// connection is tried is reason enough.
func awaitRestart(ctx context.Context, p *host.Plugin, revive bool) {
	timer := time.NewTimer(restartPatience)
	defer timer.Stop()
	for {
		changed := p.Changed()
		switch state := p.Status().State; {
		case state == host.Failed && revive:
			p.Retry()
			revive = false
		case state != host.Backoff && state != host.Starting:
			return
		}
		select {
		case <-changed:
		case <-timer.C:
			return
		case <-ctx.Done():
			return
		}
	}
}

// bounded gives a delivery its time. A process that does not end it then is
// replaced.
func (o *Options) bounded(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeoutCause(ctx, o.Delivery, fmt.Errorf("the plugin did not finish the delivery within %s", o.Delivery))
}

// instance is one of a plugin, whose deliveries are bounded and measured.
type instance struct {
	plugin.Instance
	plugin  string
	process *host.Plugin
	options *Options
}

// Deliver implements plugin.Instance.
func (i *instance) Deliver(ctx context.Context, d *plugin.Delivery, committing func() error) ([]plugin.Outcome, error) {
	ctx, cancel := i.options.bounded(ctx)
	defer cancel()
	awaitRestart(ctx, i.process, false)
	began := time.Now()
	defer func() { i.options.Delivered(i.plugin, time.Since(began)) }()
	return i.Instance.Deliver(ctx, d, committing)
}
