package plugins

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/postilion-mail/postilion/internal/database"
	"github.com/postilion-mail/postilion/plugin"
	"github.com/postilion-mail/postilion/plugin/host"
	"github.com/postilion-mail/postilion/plugin/plugintest"
)

const patience = 60 * time.Second

// TestMain serves as the plugin of these tests.
func TestMain(m *testing.M) {
	plugintest.Main(m, func() plugin.Transport { return sloth{} })
}

// sloth is a transport whose deliveries end only when they are told to.
type sloth struct{}

func (sloth) Describe() plugin.Description {
	return plugin.Description{Name: "sloth", Version: "1", Title: "Sloth", Capabilities: plugin.Capabilities{ReportsCommit: true}}
}

func (sloth) Open(context.Context, plugin.Settings) (plugin.Instance, error) {
	fmt.Fprintln(os.Stderr, "opened")
	return hanging{}, nil
}

type hanging struct{}

func (hanging) Check(context.Context, plugin.CheckRequest, func(plugin.Stage)) error { return nil }

func (hanging) Deliver(ctx context.Context, _ *plugin.Delivery, committing func() error) ([]plugin.Outcome, error) {
	if err := committing(); err != nil {
		return nil, err
	}
	<-ctx.Done()
	return nil, ctx.Err()
}

func (hanging) Close() error { return nil }

// open opens a manager in new folders.
func open(t *testing.T, change func(*Options)) *Manager {
	t.Helper()
	data, err := os.MkdirTemp("", "pm") // t.TempDir's names are too long for sockets
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(data) })
	db, err := database.Open(t.Context(), database.Options{Dir: data})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	run, err := RunDir(data, filepath.Join(data, "run"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(run) }) // where the manager does not, which may have another
	o := Options{Database: db, Dir: filepath.Join(data, "plugins"), RunDir: run, StartTimeout: patience}
	if change != nil {
		change(&o)
	}
	m, err := Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { m.Close(context.Background()) })
	return m
}

func addSloth(t *testing.T, m *Manager) Info {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	added, _, err := m.Add(t.Context(), Addition{Path: self})
	if err != nil {
		t.Fatal(err)
	}
	if added.PID == 0 { // signals to it would be for our own group
		t.Fatalf("it does not run: %+v", added.Status)
	}
	return added
}

// toSomebody is a delivery.
func toSomebody() *plugin.Delivery {
	return &plugin.Delivery{
		ID: "1", Envelope: plugin.Envelope{Recipients: []plugin.Recipient{{Address: "a@b.example"}}}, Content: strings.NewReader("x\r\n"), Size: 3,
	}
}

func await(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for late := time.Now().Add(patience); !holds(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(late) {
			t.Fatalf("waited in vain until %s", what)
		}
	}
}

// A process that does not answer is replaced.
func TestAProcessThatIsHung(t *testing.T) {
	t.Parallel()
	m := open(t, func(o *Options) {
		o.PingEvery, o.PingTimeout = 20*time.Millisecond, 2*time.Second
		o.Policy = host.Policy{First: time.Millisecond, Drain: time.Millisecond}
	})
	pid := addSloth(t, m).PID
	if err := syscall.Kill(pid, syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	await(t, "there is another process", func() bool {
		i, _ := m.Get("sloth")
		return i.State == host.Ready && i.PID != pid
	})
	await(t, "the hung process is gone", func() bool { return syscall.Kill(pid, 0) == syscall.ESRCH })
}

// What a process said can be read when it has ended.
func TestTheLogOfAPluginThatHasEnded(t *testing.T) {
	t.Parallel()
	m := open(t, func(o *Options) { o.Policy = host.Policy{First: time.Millisecond} })
	pid := addSloth(t, m).PID
	if _, err := m.Open(t.Context(), "sloth", plugin.Settings{}); err != nil {
		t.Fatal(err)
	}
	said := func() bool {
		lines, err := m.Log("sloth")
		return err == nil && slices.Contains(lines, "opened")
	}
	await(t, "it has said something", said)
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	await(t, "there is another process", func() bool {
		i, _ := m.Get("sloth")
		return i.State == host.Ready && i.PID != pid
	})
	if !said() {
		t.Error("what it said is gone")
	}
}

// A delivery that takes too long is told to end, and counts as what it may
// have done.
func TestADeliveryThatDoesNotEnd(t *testing.T) {
	t.Parallel()
	took := make(chan time.Duration, 1)
	m := open(t, func(o *Options) {
		o.Delivery = 50 * time.Millisecond
		o.Delivered = func(_ string, d time.Duration) { took <- d }
	})
	addSloth(t, m)
	in, err := m.Open(t.Context(), "sloth", plugin.Settings{Connection: "test"})
	if err != nil {
		t.Fatal(err)
	}
	committed := false
	outcomes, err := in.Deliver(t.Context(), toSomebody(), func() error { committed = true; return nil })
	if o := plugin.Settle(outcomes, err, 1, committed)[0]; o.Class != plugin.Unknown {
		t.Errorf("it counts as %+v, %v", o, err)
	}
	if d := <-took; d < 50*time.Millisecond {
		t.Errorf("it is said to have taken %v", d)
	}
}

// What is disabled has its mail wait.
func TestNoDeliveryWithoutProcess(t *testing.T) {
	t.Parallel()
	m := open(t, nil)
	addSloth(t, m)
	if _, err := m.Disable(t.Context(), "sloth"); err != nil {
		t.Fatal(err)
	}
	var waits *plugin.DeliveryError
	if _, err := m.Open(t.Context(), "sloth", plugin.Settings{}); !errors.As(err, &waits) || waits.Outcome.Class != plugin.Temporary || waits.Outcome.Blame != plugin.BlameConnection {
		t.Errorf("opening it gives %v", err)
	}
	for _, call := range []func() error{
		func() error { _, err := m.Enable(t.Context(), "nobody"); return err },
		func() error { _, err := m.Disable(t.Context(), "nobody"); return err },
		func() error { return m.Remove(t.Context(), "nobody") },
		func() error { _, err := m.Verify("nobody"); return err },
		func() error { _, err := m.Log("nobody"); return err },
	} {
		if as := (*Error)(nil); !errors.As(call(), &as) || as.Code != NotFound {
			t.Errorf("a plugin that is not there gives %v", call())
		}
	}
}

// A start clears away what an unclean end has left, and nothing else.
func TestSweep(t *testing.T) {
	t.Parallel()
	m := open(t, nil)
	file := addSloth(t, m).File
	m.Close(t.Context())
	for _, left := range []string{filepath.Join(m.options.Dir, "new-123"), filepath.Join(m.options.RunDir, "p123")} {
		if err := os.MkdirAll(left, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	again, err := Open(t.Context(), m.options)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { again.Close(context.Background()) })
	for dir, want := range map[string]string{m.options.Dir: file, m.options.RunDir: ""} {
		entries, err := os.ReadDir(dir)
		var names []string
		for _, e := range entries {
			names = append(names, e.Name())
		}
		if err != nil || strings.Join(names, " ") != want {
			t.Errorf("in %s there is %q, %v", dir, names, err)
		}
	}
}

// What cannot be cleared away keeps nobody from starting.
func TestASweepThatFails(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	open(t, func(o *Options) {
		o.RunDir = filepath.Join(o.RunDir, "missing")
		o.Log = slog.New(slog.NewTextHandler(&log, nil))
	})
	if !strings.Contains(log.String(), "missing") {
		t.Errorf("the log is %q", log.String())
	}
}

// Where no process can run, all else works, and the error says why.
func TestNoRunDir(t *testing.T) {
	t.Parallel()
	m := open(t, func(o *Options) { o.RunDir = "" })
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	want := host.ErrNoRunDir.Error()
	if _, _, err := m.Add(t.Context(), Addition{Path: self}); err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("adding a plugin gives %v", err)
	}
	var waits *plugin.DeliveryError
	if _, err := m.Isolate(t.Context(), "c", Run{}, plugin.Settings{}); !errors.As(err, &waits) || !errors.Is(err, host.ErrNoRunDir) {
		t.Errorf("a process of its own gives %v", err)
	}
	m.Close(t.Context())
	if _, err := os.Lstat(programCopy); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the working directory has a copy of the program: %v", err)
	}
}

func TestRunDir(t *testing.T) {
	t.Parallel()
	dir, err := os.MkdirTemp("", "pm")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	closed := filepath.Join(dir, "closed")
	if err := os.Mkdir(closed, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "file"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	long := filepath.Join(dir, strings.Repeat("x", maxRunDir))
	short := filepath.Join(dir, "run")
	got, err := RunDir("data", filepath.Join(dir, "file"), filepath.Join(dir, "no", "where"), long, short)
	if err != nil || got != short {
		t.Errorf("it is %q, %v", got, err)
	}
	if info, err := os.Stat(short); err != nil || info.Mode().Perm()&0o066 != 0 {
		t.Errorf("its mode is %v, %v", info.Mode(), err)
	}
	want := filepath.Join(closed, "run") // good enough unless plugins run as others
	if os.Geteuid() == 0 {
		want = short
	}
	if got, err := RunDir("data", filepath.Join(closed, "run"), short); err != nil || got != want {
		t.Errorf("beside one that lets nobody through it is %q, %v", got, err)
	}
	got, err = RunDir(dir, long)
	if err != nil || filepath.Dir(got) != filepath.Clean(os.TempDir()) {
		t.Errorf("without another it is %q, %v", got, err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(got) })
}

// A client cannot have any number of processes.
func TestProcessesOfAClient(t *testing.T) {
	t.Parallel()
	m := open(t, nil)
	m.mu.Lock()
	for range maxIsolated {
		m.isolated[new(host.Plugin)] = "greedy"
	}
	m.mu.Unlock()
	defer clear(m.isolated)
	var waits *plugin.DeliveryError
	if _, err := m.Isolate(t.Context(), "greedy", Run{}, plugin.Settings{}); !errors.As(err, &waits) || !strings.Contains(err.Error(), "no more") {
		t.Errorf("one more gives %v", err)
	}
	in, err := m.Isolate(t.Context(), "modest", Run{}, plugin.Settings{Connection: "modest/box"})
	if err != nil {
		t.Fatal(err)
	}
	if err := in.Close(); err != nil {
		t.Error(err)
	}
}

// A process of a connection that does not answer is replaced when the time of
// a delivery is over.
func TestAProcessOfAConnectionThatIsHung(t *testing.T) {
	t.Parallel()
	m := open(t, func(o *Options) {
		o.Delivery = 50 * time.Millisecond
		o.Policy = host.Policy{First: time.Millisecond, Drain: time.Millisecond}
	})
	in, err := m.Isolate(t.Context(), "c", Run{}, plugin.Settings{Connection: "c/box"})
	if err != nil {
		t.Fatal(err)
	}
	process := in.(*ownProcess).process
	pid := process.Status().PID
	if pid == 0 {
		t.Fatalf("it does not run: %+v", process.Status())
	}
	if err := syscall.Kill(pid, syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if _, err := in.Deliver(ctx, toSomebody(), func() error { return nil }); !errors.Is(err, plugin.ErrHung) || ctx.Err() != nil {
		t.Errorf("the delivery gives %v", err)
	}
	await(t, "there is another process", func() bool {
		s := process.Status()
		return s.State == host.Ready && s.PID != pid
	})
	if err := in.Close(); err != nil {
		t.Error(err)
	}
}
