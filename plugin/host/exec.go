package host

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/postilion-mail/postilion/plugin"
)

// afterlife is how long the pipes of a process that has ended are still read:
// what it has left behind may hold them open.
const afterlife = 500 * time.Millisecond

// child is a process as go-plugin runs it. We start it ourselves, since
// go-plugin would give it our standard input, parse its log lines with code
// that they can make panic, and leave its children alive.
type child struct {
	cmd     *exec.Cmd
	private string
	out     *output
	stdout  *os.File

	mu     sync.Mutex // for starting and killing
	doomed bool       // it must not start any more
	gone   bool       // its number may be another's
	exited chan struct{}
	err    error // of the process, to be read after exited
}

// newChild prepares a process. The environment is what go-plugin needs and
// what is allowed, nothing else.
func newChild(o *Options, program, private string, needed []string, out *output) *child {
	c := &child{cmd: exec.Command(program, o.Args...), private: private, out: out, exited: make(chan struct{})}
	c.cmd.Dir = private
	if o.WorkDir != "" {
		c.cmd.Dir = o.WorkDir
	}
	for _, name := range append([]string{"PATH", "LANG", "TZ"}, o.Env...) {
		if value, ok := os.LookupEnv(name); ok {
			c.cmd.Env = append(c.cmd.Env, name+"="+value)
		}
	}
	for _, variable := range needed {
		if !strings.HasPrefix(variable, "PLUGIN_UNIX_SOCKET_DIR=") { // shorter: the name of a socket has few octets
			c.cmd.Env = append(c.cmd.Env, variable)
		}
	}
	c.cmd.Env = append(c.cmd.Env, "PLUGIN_UNIX_SOCKET_DIR="+private, plugin.HostPID+"="+strconv.Itoa(os.Getpid()))
	if !slices.Contains(o.Env, "TMPDIR") {
		c.cmd.Env = append(c.cmd.Env, "TMPDIR="+private)
	}
	detach(c.cmd)
	return c
}

// Start implements runner.Runner.
func (c *child) Start(context.Context) error {
	stdout, write, err := os.Pipe()
	if err != nil {
		return err
	}
	stderr, writeErr, err := os.Pipe()
	if err != nil {
		return errors.Join(err, stdout.Close(), write.Close())
	}
	c.stdout, c.cmd.Stdout, c.cmd.Stderr = stdout, write, writeErr
	started := make(chan error, 1)
	go c.live(started, stdout, stderr)
	err = <-started
	_, _ = write.Close(), writeErr.Close()
	if err != nil {
		_, _ = stdout.Close(), stderr.Close()
	}
	return err
}

// live starts the process and waits for its end, on a thread of its own: when
// the thread ends the system takes the process for an orphan and kills it.
func (c *child) live(started chan<- error, stdout, stderr *os.File) {
	keepThread()
	c.mu.Lock()
	err := context.Canceled
	if !c.doomed {
		err = c.cmd.Start()
	}
	c.mu.Unlock()
	started <- err
	if err != nil {
		return
	}
	said := make(chan struct{})
	go func() {
		defer close(said)
		s := &stream{out: c.out}
		_, _ = io.Copy(s, stderr)
		s.end()
		_ = stderr.Close()
	}()
	c.err = c.reap()
	deadline := time.Now().Add(afterlife)
	_, _ = stdout.SetReadDeadline(deadline), stderr.SetReadDeadline(deadline)
	<-said
	close(c.exited)
}

// Wait implements runner.Runner.
func (c *child) Wait(context.Context) error {
	<-c.exited
	return c.err
}

// Kill implements runner.Runner. It ends the process's children too.
func (c *child) Kill(context.Context) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.cmd.Process != nil && !c.gone {
		killGroup(c.cmd.Process)
		_ = c.cmd.Process.Kill()
	}
	return nil
}

// killWith ends the process, also one that starts only then, when ctx ends.
// The function that it gives calls that off; it is false if it is too late.
func (c *child) killWith(ctx context.Context) func() bool {
	return context.AfterFunc(ctx, func() {
		c.mu.Lock()
		c.doomed = true
		c.mu.Unlock()
		_ = c.Kill(ctx)
	})
}

// Stdout implements runner.Runner.
func (c *child) Stdout() io.ReadCloser { return c.stdout }

// Stderr implements runner.Runner: we read it ourselves.
func (c *child) Stderr() io.ReadCloser { return io.NopCloser(strings.NewReader("")) }

// Name implements runner.Runner.
func (c *child) Name() string { return c.cmd.Path }

// ID implements runner.Runner.
func (c *child) ID() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.cmd.Process == nil {
		return ""
	}
	return strconv.Itoa(c.cmd.Process.Pid)
}

// Diagnose implements runner.Runner.
func (c *child) Diagnose(context.Context) string { return "" }

// PluginToHost implements runner.Runner. A plugin can only name a socket of
// its own directory or a port of this machine, so that it cannot make us talk
// to somebody else.
func (c *child) PluginToHost(network, address string) (string, string, error) {
	switch network {
	case "unix":
		if filepath.Dir(filepath.Clean(address)) == c.private {
			return network, address, nil
		}
	case "tcp":
		if a, err := netip.ParseAddrPort(address); err == nil && a.Addr().IsLoopback() {
			return network, address, nil
		}
	}
	return "", "", fmt.Errorf("it listens on %.200q, %.200q; it must be a socket in PLUGIN_UNIX_SOCKET_DIR or a port of 127.0.0.1", network, address)
}

// HostToPlugin implements runner.Runner.
func (c *child) HostToPlugin(network, address string) (string, string, error) {
	return network, address, nil
}
