package plugins

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"syscall"

	"github.com/postilion-mail/postilion/plugin"
	"github.com/postilion-mail/postilion/plugin/host"
)

// programCopy is the name of self in RunDir.
const programCopy = "postilion"

// self is a copy of the running program, which the file that it was started
// from may no longer be.
type self struct{ file, sum string }

// maxIsolated is how many processes a client may have for its connections,
// which it may configure as it likes.
const maxIsolated = 20

// Isolate makes an instance that has a process of its own, which runs the
// program of this one, for a connection of a client. The process ends when the
// instance is closed; one that ends earlier is followed by another.
func (m *Manager) Isolate(ctx context.Context, client string, run Run, s plugin.Settings) (plugin.Instance, error) {
	program, err := m.program()
	if err != nil {
		return nil, unavailable(fmt.Errorf("a process of its own: %w", err))
	}
	o := m.hostOptions(&Entry{Name: s.Connection, File: program.file, SHA256: program.sum, Run: run})
	o.Dir, o.Private, o.SameUser = m.options.RunDir, nil, true
	process, err := m.superviseFor(client, o)
	if err != nil {
		return nil, unavailable(err)
	}
	in, err := process.Open(ctx, s)
	if err != nil {
		m.release(process)
		return nil, err
	}
	return &ownProcess{Instance: in, process: process, manager: m}, nil
}

// superviseFor starts a process for a client.
func (m *Manager) superviseFor(client string, o host.Options) (*host.Plugin, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	count := 0
	for _, owner := range m.isolated {
		if owner == client {
			count++
		}
	}
	switch {
	case m.closed:
		return nil, errors.New("the daemon stops")
	case count >= maxIsolated:
		return nil, fmt.Errorf("%d connections of the client have processes of their own already, and no more may; take isolation from some", count)
	}
	process := host.Supervise(o, m.options.Policy)
	m.isolated[process] = client
	return process, nil
}

// release ends a process that nobody uses.
func (m *Manager) release(process *host.Plugin) {
	process.Stop(m.ctx)
	m.mu.Lock()
	delete(m.isolated, process)
	m.mu.Unlock()
}

// program gives the copy of the running program, which the first call makes.
func (m *Manager) program() (self, error) {
	m.copying.Lock()
	defer m.copying.Unlock()
	if m.self.file != "" {
		return m.self, nil
	}
	if m.options.RunDir == "" {
		return self{}, host.ErrNoRunDir
	}
	from, err := openSelf()
	if err != nil {
		return self{}, err
	}
	defer from.Close()
	// As in the host: a process that is forked meanwhile would have the copy open
	// for writing, and the system runs no program that is so.
	syscall.ForkLock.RLock()
	defer syscall.ForkLock.RUnlock()
	path := filepath.Join(m.options.RunDir, programCopy)
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) { // an earlier daemon's
		return self{}, err
	}
	to, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o500)
	if err != nil {
		return self{}, err
	}
	hash := sha256.New()
	_, err = io.Copy(io.MultiWriter(to, hash), from)
	if err = errors.Join(err, to.Close()); err != nil {
		m.remove(path)
		return self{}, err
	}
	m.self = self{programCopy, hex.EncodeToString(hash.Sum(nil))}
	return m.self, nil
}

// openSelf opens the running program.
func openSelf() (*os.File, error) {
	if f, err := os.Open("/proc/self/exe"); err == nil { // proc(5)
		return f, nil
	}
	path, err := os.Executable()
	if err != nil {
		return nil, err
	}
	return os.Open(path)
}

// ownProcess is an instance with a process of its own.
type ownProcess struct {
	plugin.Instance
	process *host.Plugin
	manager *Manager
}

// Check implements plugin.Instance.
func (o *ownProcess) Check(ctx context.Context, r plugin.CheckRequest, report func(plugin.Stage)) error {
	awaitRestart(ctx, o.process, true)
	return o.Instance.Check(ctx, r, report)
}

// Deliver implements plugin.Instance.
func (o *ownProcess) Deliver(ctx context.Context, d *plugin.Delivery, committing func() error) ([]plugin.Outcome, error) {
	ctx, cancel := o.manager.options.bounded(ctx)
	defer cancel()
	awaitRestart(ctx, o.process, true)
	return o.Instance.Deliver(ctx, d, committing)
}

// Close implements plugin.Instance.
func (o *ownProcess) Close() error {
	err := o.Instance.Close()
	o.manager.release(o.process)
	return err
}
