package plugins

import (
	"context"
	"fmt"
	"path/filepath"
	"time"

	"github.com/postilion-mail/postilion/plugin/host"
)

// Enable starts a plugin anew unless it is ready, and returns when it is ready
// or it is known why not. Errors are *Error, save those of the database.
func (m *Manager) Enable(ctx context.Context, name string) (Info, error) {
	m.change.Lock()
	defer m.change.Unlock()
	m.mu.Lock()
	p := m.known[name]
	m.mu.Unlock()
	if p == nil {
		return Info{}, notFound(name)
	}
	if err := m.setEnabled(ctx, p, true); err != nil {
		return Info{}, err
	}
	before := p.process
	if before != nil && before.Status().State == host.Ready {
		i, _ := m.Get(name)
		return i, nil
	}
	if before != nil {
		<-m.stop(before)
	}
	m.mu.Lock()
	p.retire()
	if !m.closed {
		m.supervise(p)
	}
	process := p.process
	m.mu.Unlock()
	if process != nil {
		_ = process.Wait(ctx) // why it is not ready stands in its status
	}
	i, _ := m.Get(name)
	return i, nil
}

// Disable stops a plugin when its deliveries are done, and returns then, or
// when ctx ends. New ones wait from now on.
func (m *Manager) Disable(ctx context.Context, name string) (Info, error) {
	m.change.Lock()
	defer m.change.Unlock()
	m.mu.Lock()
	p := m.known[name]
	m.mu.Unlock()
	if p == nil {
		return Info{}, notFound(name)
	}
	if err := m.setEnabled(ctx, p, false); err != nil {
		return Info{}, err
	}
	m.mu.Lock()
	process := p.process
	p.retire()
	p.epoch++
	m.mu.Unlock()
	m.options.Changed(name)
	select {
	case <-m.stop(process):
	case <-ctx.Done():
	}
	i, _ := m.Get(name)
	return i, nil
}

// Remove stops a plugin and deletes its program. Whether a connection uses it
// is the caller's matter.
func (m *Manager) Remove(ctx context.Context, name string) error {
	m.change.Lock()
	defer m.change.Unlock()
	m.mu.Lock()
	p := m.known[name]
	m.mu.Unlock()
	if p == nil {
		return notFound(name)
	}
	if err := m.drop(context.WithoutCancel(ctx), name); err != nil {
		return err
	}
	m.mu.Lock()
	delete(m.known, name)
	m.mu.Unlock()
	m.stop(p.process)
	m.remove(filepath.Join(m.options.Dir, p.entry.File))
	m.options.Log.Info("plugin removed", "plugin", name)
	return nil
}

// setEnabled stores whether a plugin is enabled, if that is new.
func (m *Manager) setEnabled(ctx context.Context, p *managed, enabled bool) error {
	if p.entry.Enabled == enabled {
		return nil
	}
	e := p.entry
	e.Enabled = enabled
	if err := m.put(context.WithoutCancel(ctx), &e); err != nil {
		return err
	}
	m.mu.Lock()
	p.entry = e
	m.mu.Unlock()
	m.options.Log.Info("plugin switched", "plugin", e.Name, "enabled", enabled)
	return nil
}

// retire lets the process go, and keeps what it counted. It is called with the
// lock.
func (p *managed) retire() {
	i := p.info()
	p.starts, p.crashes = i.Starts, i.Crashes
	p.process, p.since = nil, time.Now()
}

// Verification tells whether a program is the one that was added.
type Verification struct {
	Name   string
	SHA256 string // as it was added
	Found  string // empty if it cannot be read
	Reason string // what is wrong, in one line; empty if nothing is
}

// Verify compares programs with their checksums: that of a name, or all for
// the empty one.
func (m *Manager) Verify(name string) ([]Verification, error) {
	if _, ok := m.Get(name); name != "" && !ok {
		return nil, notFound(name)
	}
	var all []Verification
	for _, i := range m.List() {
		if name != "" && i.Name != name {
			continue
		}
		v := Verification{Name: i.Name, SHA256: i.SHA256}
		var err error
		if v.Found, err = host.Checksum(m.options.Dir, i.File); err == nil && v.Found != v.SHA256 {
			err = host.ErrChecksum
		}
		if err != nil {
			v.Reason = fmt.Sprintf("%s: %v", i.File, err)
		}
		all = append(all, v)
	}
	return all, nil
}

// Log gives the last lines that a plugin wrote, oldest first.
func (m *Manager) Log(name string) ([]string, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	switch p := m.known[name]; {
	case p == nil:
		return nil, notFound(name)
	case p.process == nil:
		return nil, nil
	default:
		return p.process.Output(), nil
	}
}
