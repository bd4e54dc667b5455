// Package daemontest runs the real daemon for tests: a process of its own, in
// folders of its own, built as it is shipped.
package daemontest

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

const (
	// Patience is how long anything may take before a test gives up.
	Patience = 60 * time.Second
	// pause is between two looks at whether something has happened.
	pause = 20 * time.Millisecond
)

// Build makes the programs as they are shipped, without the race detector, in a
// folder. It works from any folder of the module.
func Build(folder string) error {
	command := exec.Command("go", "build", "-buildvcs=false", "-o", folder+"/",
		"github.com/postilion-mail/postilion/cmd/postilion", "github.com/postilion-mail/postilion/cmd/postilion-sendmail")
	command.Env = append(os.Environ(), "CGO_ENABLED=0", "GOFLAGS=")
	command.Stderr = os.Stderr
	if err := command.Run(); err != nil {
		return fmt.Errorf("building the programs: %w", err)
	}
	return nil
}

// Folder makes a folder that other users can go through, with a short name,
// since sockets come to lie in it. t.TempDir gives neither. The caller removes
// it.
func Folder() (string, error) {
	folder, err := os.MkdirTemp("", "pd")
	if err != nil {
		return "", err
	}
	return folder, os.Chmod(folder, 0o711)
}

// Await asks until a condition holds.
func Await(t testing.TB, what string, holds func() bool) {
	t.Helper()
	for late := time.Now().Add(Patience); !holds(); time.Sleep(pause) {
		if time.Now().After(late) {
			t.Fatalf("waited in vain until %s", what)
		}
	}
}

var lastHost atomic.Uint32

// Host gives a loopback address that is used by nobody else: a server can be
// stopped and started on it without losing its port. It is made of the process
// id, so that test binaries do not meet.
func Host() string {
	pid, n := uint32(os.Getpid()), 1+lastHost.Add(1)%14
	return netip.AddrFrom4([4]byte{127, byte(n<<4 | pid>>16&15), byte(pid >> 8), byte(pid)}).String()
}

// Environment is ours without what steers Postilion.
func Environment(more ...string) []string {
	var kept []string
	for _, entry := range os.Environ() {
		if !strings.HasPrefix(entry, "POSTILION_") {
			kept = append(kept, entry)
		}
	}
	return append(kept, more...)
}

// Daemon is `postilion serve` in a folder of its own. It belongs to one
// goroutine.
type Daemon struct {
	T       testing.TB
	Program string
	Folder  string
	Args    []string
	Env     []string // beside Environment
	Log     *Output

	GRPC, HTTP, SMTP, Metrics string // host:port, once it is ready

	command *exec.Cmd
	ended   chan struct{} // closed when the process has ended, with err
	err     error
}

// New prepares a daemon of the programs in a folder without starting it. The
// arguments are added to those that put it into its own folder.
func New(t testing.TB, programs, folder string, args ...string) *Daemon {
	t.Helper()
	d := &Daemon{T: t, Program: filepath.Join(programs, "postilion"), Folder: folder, Log: &Output{}}
	d.Args = append([]string{
		"serve", "--data-dir", d.Path("data"), "--run-dir", d.Path("run"), "--maildrop-dir", d.Path("maildrop"),
		"--grpc-listen", "127.0.0.1:0", "--http-listen", "127.0.0.1:0", "--log-format", "json",
	}, args...)
	return d
}

// Path gives a place in the daemon's folder.
func (d *Daemon) Path(parts ...string) string {
	return filepath.Join(append([]string{d.Folder}, parts...)...)
}

// AdminSocket speaks gRPC, to admins.
func (d *Daemon) AdminSocket() string { return d.Path("data", "admin.sock") }

// Socket speaks gRPC.
func (d *Daemon) Socket() string { return d.Path("run", "postilion.sock") }

// HTTPSocket speaks HTTP.
func (d *Daemon) HTTPSocket() string { return d.Path("run", "postilion-http.sock") }

// PID is the process id.
func (d *Daemon) PID() int { return d.command.Process.Pid }

// Start starts the daemon and returns when it is ready. It is stopped at the
// end of the test, if it still runs then.
func (d *Daemon) Start() {
	d.T.Helper()
	d.Launch(exec.Command(d.Program, d.Args...))
	d.Ready()
}

// Launch starts a command as the daemon.
func (d *Daemon) Launch(command *exec.Cmd) {
	d.T.Helper()
	command.Env = append(Environment(d.Env...), command.Env...)
	command.Stdout, command.Stderr = d.Log, d.Log
	d.Log.mark()
	if err := command.Start(); err != nil {
		d.T.Fatal(err)
	}
	ended := make(chan struct{})
	d.command, d.ended = command, ended
	go func() {
		d.err = command.Wait()
		close(ended)
	}()
	d.T.Cleanup(func() {
		if d.ended == ended {
			d.Stop()
		}
		if d.T.Failed() {
			d.T.Logf("the daemon's log:\n%s", d.Log)
		}
	})
}

// Ready waits until the daemon says that it serves, and learns where.
func (d *Daemon) Ready() {
	d.T.Helper()
	Await(d.T, "the daemon is ready", func() bool {
		for line := range strings.Lines(d.Log.recent()) {
			var entry struct{ Msg, GRPC, HTTP, SMTP, Metrics string }
			if json.Unmarshal([]byte(line), &entry) == nil && entry.Msg == "ready" {
				d.GRPC, d.HTTP, d.SMTP, d.Metrics = entry.GRPC, entry.HTTP, entry.SMTP, entry.Metrics
				return true
			}
		}
		select {
		case <-d.ended:
			d.T.Fatalf("the daemon ended: %v\n%s", d.err, d.Log)
		default:
		}
		return false
	})
}

// Said tells whether the daemon has logged a message since its last start.
func (d *Daemon) Said(msg string) bool {
	for line := range strings.Lines(d.Log.recent()) {
		var entry struct{ Msg string }
		if json.Unmarshal([]byte(line), &entry) == nil && entry.Msg == msg {
			return true
		}
	}
	return false
}

// Signal sends a signal to the daemon.
func (d *Daemon) Signal(signal syscall.Signal) {
	d.T.Helper()
	if err := d.command.Process.Signal(signal); err != nil {
		d.T.Fatal(err)
	}
}

// Stop ends the daemon in order.
func (d *Daemon) Stop() {
	d.T.Helper()
	_ = d.command.Process.Signal(syscall.SIGTERM)
	if err := d.Wait(); err != nil {
		d.T.Errorf("the daemon: %v\n%s", err, d.Log)
	}
}

// Wait waits until the daemon has ended, and gives what exec.Cmd.Wait gave. One
// that does not end is killed.
func (d *Daemon) Wait() error {
	d.T.Helper()
	select {
	case <-d.ended:
	case <-time.After(2 * Patience):
		_ = d.command.Process.Kill()
		<-d.ended
		d.T.Errorf("the daemon did not stop\n%s", d.Log)
	}
	d.ended = nil
	return d.err
}
