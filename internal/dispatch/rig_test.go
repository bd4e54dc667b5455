package dispatch

import (
	"context"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/postilion-mail/postilion/internal/outbox"
	"github.com/postilion-mail/postilion/plugin"
)

// rig is a dispatcher on a fake store, with transports that are functions.
type rig struct {
	t     testing.TB
	store *fakeStore
	d     *Dispatcher
	conns *fakeConnections
	done  chan error
}

type deliverFunc func(ctx context.Context, d *plugin.Delivery, commit func() error) ([]plugin.Outcome, error)

// fakeConnections are configured by the tests.
type fakeConnections struct {
	mu sync.Mutex
	by map[string]Connection
}

func (c *fakeConnections) Lookup(id string) (Connection, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	connection, ok := c.by[id]
	return connection, ok
}

// fakeInstance delivers by a function.
type fakeInstance struct {
	deliver deliverFunc
	active  atomic.Int32
	most    atomic.Int32
	calls   atomic.Int32
	closed  atomic.Bool
}

func (f *fakeInstance) Check(context.Context, plugin.CheckRequest, func(plugin.Stage)) error {
	return nil
}

func (f *fakeInstance) Deliver(ctx context.Context, d *plugin.Delivery, commit func() error) ([]plugin.Outcome, error) {
	f.calls.Add(1)
	now := f.active.Add(1)
	defer f.active.Add(-1)
	for most := f.most.Load(); now > most && !f.most.CompareAndSwap(most, now); most = f.most.Load() {
	}
	return f.deliver(ctx, d, commit)
}

func (f *fakeInstance) Close() error {
	f.closed.Store(true)
	return nil
}

func newRig(t testing.TB) *rig {
	r := &rig{t: t, store: newFakeStore(), conns: &fakeConnections{by: make(map[string]Connection)}}
	r.d = New(Options{Store: r.store, Connections: r.conns})
	return r
}

// connect configures a connection; change may adapt it.
func (r *rig) connect(id string, deliver deliverFunc, change ...func(*Connection)) *fakeInstance {
	instance := &fakeInstance{deliver: deliver}
	c := Connection{
		Name: id, Generation: time.Now().UnixNano(),
		Open:         func(context.Context) (plugin.Instance, error) { return instance, nil },
		Capabilities: plugin.Capabilities{ReportsCommit: true},
	}
	for _, f := range change {
		f(&c)
	}
	r.conns.mu.Lock()
	for c.Generation <= r.conns.by[id].Generation {
		c.Generation++
	}
	r.conns.by[id] = c
	r.conns.mu.Unlock()
	if r.done != nil {
		r.d.Configure(id)
	}
	return instance
}

func (r *rig) start() {
	r.done = make(chan error, 1)
	go func() { r.done <- r.d.Run(context.Background()) }()
}

// stop ends the dispatcher; nothing may be left of it.
func (r *rig) stop() {
	r.t.Helper()
	if err := r.d.Stop(context.Background()); err != nil {
		r.t.Errorf("Stop: %v", err)
	}
	if err := <-r.done; err != nil {
		r.t.Errorf("Run: %v", err)
	}
	if n := r.d.held.Load(); n != 0 {
		r.t.Errorf("%d jobs are still counted as held", n)
	}
	if n := r.d.bytes.Load(); n != 0 {
		r.t.Errorf("%d bytes are still counted", n)
	}
}

// job is one for a chain of connections, with five days to live.
func job(chain ...string) outbox.Job {
	return outbox.Job{Chain: chain, Client: "c", Priority: outbox.PriorityNormal, Expires: time.Now().Add(5 * 24 * time.Hour)}
}

func always(o plugin.Outcome) deliverFunc {
	return func(context.Context, *plugin.Delivery, func() error) ([]plugin.Outcome, error) {
		return nil, &plugin.DeliveryError{Outcome: o}
	}
}

func accept(_ context.Context, d *plugin.Delivery, commit func() error) ([]plugin.Outcome, error) {
	if err := commit(); err != nil {
		return nil, err
	}
	all := make([]plugin.Outcome, len(d.Envelope.Recipients))
	for n := range all {
		all[n] = plugin.Outcome{Class: plugin.Accepted, Phase: plugin.PhaseContent, Code: 250}
	}
	return all, nil
}

var (
	greylisted = plugin.Outcome{Class: plugin.Temporary, Blame: plugin.BlameRecipient, Phase: plugin.PhaseRecipient, Code: 450}
	unheard    = plugin.Outcome{Class: plugin.Unknown, Blame: plugin.BlameNetwork, Phase: plugin.PhaseContent, Inferred: true}
	refused    = plugin.Outcome{Class: plugin.Temporary, Blame: plugin.BlameNetwork, Phase: plugin.PhaseConnect, Inferred: true}
	badLogin   = plugin.Outcome{Class: plugin.Permanent, Blame: plugin.BlameAuth, Phase: plugin.PhaseAuth, Code: 535}
)
