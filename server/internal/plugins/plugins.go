// Package plugins keeps the daemon's plugins: which programs there are and how
// they are run, in the database and in DATA/plugins, and the processes.
package plugins

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/postilion-mail/postilion/internal/database"
	"github.com/postilion-mail/postilion/plugin"
	"github.com/postilion-mail/postilion/plugin/host"
)

// Defaults of Options.
const (
	defaultStart       = 30 * time.Second
	defaultPingEvery   = 15 * time.Second
	defaultPingTimeout = 30 * time.Second
	defaultDelivery    = 30 * time.Minute
	defaultDrain       = time.Minute
)

// Options are what a manager needs. Database and Dir must be given.
type Options struct {
	Database *database.DB
	// Dir is where the programs are kept; made with mode 0700.
	Dir string
	// RunDir is where the processes have their directories: see RunDir. Without
	// it none starts: the error is host.ErrNoRunDir.
	RunDir string
	// Private are the daemon's own directories, which no plugin reaches.
	Private []string
	Log     *slog.Logger
	// BuiltIn says whether a built-in transport has this name.
	BuiltIn func(name string) bool
	// Changed is called when a plugin's processes have become other ones, so
	// that what waits for it can go on. It must not change the manager.
	Changed func(name string)
	// Delivered is told how long a delivery took.
	Delivered func(name string, took time.Duration)
	// StartTimeout is how long a process may take to answer first. Default: 30 s.
	StartTimeout time.Duration
	// PingEvery is how often a process is asked for its health, and PingTimeout
	// how long it may take to answer. Defaults: 15 s and 30 s.
	PingEvery, PingTimeout time.Duration
	// Delivery is how long a delivery may take: a plugin's own time limits
	// need not be good. Default: 30 min.
	Delivery time.Duration
	// Drain is how long a plugin that is replaced or disabled has for the
	// deliveries under way. Default: 1 min.
	Drain time.Duration
	// Policy says when processes are started again.
	Policy host.Policy
}

func (o Options) withDefaults() Options {
	set := func(d *time.Duration, preset time.Duration) {
		if *d <= 0 {
			*d = preset
		}
	}
	set(&o.StartTimeout, defaultStart)
	set(&o.PingEvery, defaultPingEvery)
	set(&o.PingTimeout, defaultPingTimeout)
	set(&o.Delivery, defaultDelivery)
	set(&o.Drain, defaultDrain)
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.BuiltIn == nil {
		o.BuiltIn = func(string) bool { return false }
	}
	if o.Changed == nil {
		o.Changed = func(string) {}
	}
	if o.Delivered == nil {
		o.Delivered = func(string, time.Duration) {}
	}
	return o
}

// Manager has the plugins. It is safe for concurrent use.
type Manager struct {
	options Options
	ctx     context.Context // of the watchers
	cancel  context.CancelFunc
	work    sync.WaitGroup // watchers, and processes that are ending

	change sync.Mutex // one change at a time
	mu     sync.Mutex
	known  map[string]*managed
	// isolated are the processes of instances that have their own, and whose
	// client's they are.
	isolated map[*host.Plugin]string
	closed   bool

	copying sync.Mutex // for self
	self    self
}

// managed is a plugin. The manager's lock guards it.
type managed struct {
	entry   Entry
	process *host.Plugin // nil while disabled
	// epoch grows whenever the processes have become other ones.
	epoch int64
	since time.Time // when it was disabled
	// What earlier supervisors counted.
	starts, crashes int
}

// Open reads the plugins. Start starts them.
func Open(ctx context.Context, o Options) (*Manager, error) {
	m := &Manager{options: o.withDefaults(), known: make(map[string]*managed), isolated: make(map[*host.Plugin]string)}
	m.ctx, m.cancel = context.WithCancel(context.Background())
	if err := os.MkdirAll(o.Dir, 0o700); err != nil {
		return nil, fmt.Errorf("plugins: %w", err)
	}
	entries, err := m.load(ctx)
	if err != nil {
		return nil, fmt.Errorf("plugins: %w", err)
	}
	used := make(map[string]bool)
	for _, e := range entries {
		m.known[e.Name] = &managed{entry: e, since: time.Now()}
		used[e.File] = true
	}
	if err := m.sweep(used); err != nil {
		return nil, fmt.Errorf("plugins: %w", err)
	}
	return m, nil
}

// sweep removes what an unclean end has left: processes and their directories,
// and programs that no plugin has. What processes have left may resist.
func (m *Manager) sweep(used map[string]bool) error {
	if run := m.options.RunDir; run != "" {
		if err := host.Sweep(run); err != nil {
			m.options.Log.Warn("cannot remove what is left of plugins", "dir", run, "error", err)
		}
	}
	programs, err := os.ReadDir(m.options.Dir)
	if err != nil {
		return err
	}
	for _, e := range programs {
		if !used[e.Name()] {
			m.remove(filepath.Join(m.options.Dir, e.Name()))
		}
	}
	return nil
}

func (m *Manager) remove(path string) {
	if err := os.RemoveAll(path); err != nil {
		m.options.Log.Warn("cannot remove what is left of a plugin", "path", path, "error", err)
	}
}

// Start starts the enabled plugins, without waiting for them.
func (m *Manager) Start() {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, p := range m.known {
		if p.entry.Enabled && p.process == nil && !m.closed {
			m.supervise(p)
		}
	}
}

// Close lets deliveries under way finish as long as ctx has not ended, and
// ends all processes.
func (m *Manager) Close(ctx context.Context) {
	m.change.Lock()
	defer m.change.Unlock()
	m.mu.Lock()
	m.closed = true
	var running []*host.Plugin
	for _, p := range m.known {
		if p.process != nil {
			running = append(running, p.process)
		}
	}
	running = slices.AppendSeq(running, maps.Keys(m.isolated))
	m.mu.Unlock()
	for _, p := range running {
		m.work.Go(func() { p.Stop(ctx) })
	}
	m.cancel()
	m.work.Wait()
	if run := m.options.RunDir; run != "" {
		m.remove(filepath.Join(run, programCopy))
		_ = os.Remove(run) // the next start makes it again
	}
}

// Hold keeps the programs as they are until the function that it gives is
// called: for a backup, whose entries and programs must fit together.
func (m *Manager) Hold() func() {
	m.change.Lock()
	return m.change.Unlock
}

// supervise starts a plugin's process. It is called with the lock.
func (m *Manager) supervise(p *managed) {
	p.process = host.Supervise(m.hostOptions(&p.entry), m.options.Policy)
	process := p.process
	name := p.entry.Name
	m.work.Go(func() { m.watch(name, p, process) })
}

func (m *Manager) hostOptions(e *Entry) host.Options {
	return host.Options{
		Name: e.Name, Dir: m.options.Dir, File: e.File, SHA256: e.SHA256, Args: e.Args, Env: e.Environment,
		RunDir: m.options.RunDir, Private: m.options.Private, ReadPaths: e.ReadPaths, WritePaths: e.WritePaths,
		MaxMemory: e.MaxMemory, MaxCPU: e.MaxCPU, NoNetwork: e.NoNetwork, WithoutTLS: e.WithoutTLS, Log: m.options.Log,
		StartTimeout: m.options.StartTimeout,
	}
}

// watch tells of processes that have become ready, and asks them for their
// health, until the plugin is stopped.
func (m *Manager) watch(name string, p *managed, process *host.Plugin) {
	ticker := time.NewTicker(m.options.PingEvery)
	defer ticker.Stop()
	for pid := 0; ; {
		changed := process.Changed()
		status := process.Status()
		if status.State == host.Stopped {
			return
		}
		if status.State == host.Ready && status.PID != pid {
			pid = status.PID
			m.becameReady(name, p, process)
		}
		select {
		case <-changed:
		case <-ticker.C:
			ctx, cancel := context.WithTimeout(m.ctx, m.options.PingTimeout)
			if err := process.Ping(ctx); err != nil {
				m.options.Log.Error("a plugin is not well and is started again", "plugin", name, "error", err)
			}
			cancel()
		case <-m.ctx.Done():
			return
		}
	}
}

// becameReady lets go on what waits for a plugin.
func (m *Manager) becameReady(name string, p *managed, process *host.Plugin) {
	m.mu.Lock()
	current := m.known[name] == p && p.process == process
	if current {
		p.epoch++
	}
	m.mu.Unlock()
	if current {
		m.options.Changed(name)
	}
}

// Info is a plugin and how it is.
type Info struct {
	Entry
	host.Status
}

// Get gives one plugin.
func (m *Manager) Get(name string) (Info, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	p := m.known[name]
	if p == nil {
		return Info{}, false
	}
	return p.info(), true
}

// List gives all plugins by name.
func (m *Manager) List() []Info {
	m.mu.Lock()
	defer m.mu.Unlock()
	list := make([]Info, 0, len(m.known))
	for _, p := range m.known {
		list = append(list, p.info())
	}
	slices.SortFunc(list, func(a, b Info) int { return strings.Compare(a.Name, b.Name) })
	return list
}

func (p *managed) info() Info {
	i := Info{Entry: p.entry, Status: host.Status{State: host.Stopped, Reason: "it is disabled", Since: p.since}}
	if p.process != nil {
		i.Status = p.process.Status()
	}
	i.Starts += p.starts
	i.Crashes += p.crashes
	return i
}

// Describe gives what a plugin said of itself when it was added, whether it
// runs or not.
func (m *Manager) Describe(name string) (plugin.Description, bool) {
	i, ok := m.Get(name)
	return i.Description, ok
}

// Epoch changes whenever a plugin's processes have become other ones.
func (m *Manager) Epoch(name string) int64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	if p := m.known[name]; p != nil {
		return p.epoch
	}
	return 0
}
