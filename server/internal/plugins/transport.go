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
		err := fmt.Errorf("the plugin %s does not run: %w", name, errDisabled)
		return nil, &plugin.DeliveryError{Err: err, Outcome: plugin.Outcome{
			Class: plugin.Temporary, Blame: plugin.BlameConnection, Phase: plugin.PhaseOpen, Inferred: true, Reply: err.Error(),
		}}
	}
	in, err := process.Open(ctx, s)
	if err != nil {
		return nil, err
	}
	return &instance{Instance: in, plugin: name, options: &m.options}, nil
}

// instance is one of a plugin, whose deliveries are bounded and measured.
type instance struct {
	plugin.Instance
	plugin  string
	options *Options
}

// Deliver implements plugin.Instance.
func (i *instance) Deliver(ctx context.Context, d *plugin.Delivery, committing func() error) ([]plugin.Outcome, error) {
	limit := i.options.Delivery
	ctx, cancel := context.WithTimeoutCause(ctx, limit, fmt.Errorf("the plugin did not finish the delivery within %s", limit))
	defer cancel()
	began := time.Now()
	defer func() { i.options.Delivered(i.plugin, time.Since(began)) }()
	return i.Instance.Deliver(ctx, d, committing)
}
