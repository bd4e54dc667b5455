package host

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
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

// privateDir is the environment variable that tells a plugin its directory. It
// marks what the plugin starts, too.
const privateDir = "PLUGIN_UNIX_SOCKET_DIR"

// afterlife is how long the pipes of a process that has ended are still read:
// what it has left behind may hold them open.
const afterlife = 500 * time.Millisecond

// child is a process as go-plugin runs it. We start it ourselves, since
// go-plugin would give it our standard input, parse its log lines with code
// that they can make panic, and leave its children alive.
type child struct {
	cmd         *exec.Cmd
	program     string
	args        []string
	dir         string
	environment []string // without what only the start tells
	private     string
	confined    *confinement
	out         *output
	stdout      *firstLine
	stderr      *os.File

	mu     sync.Mutex // for starting and killing
	doomed bool       // it must not start any more
	gone   bool       // its number may be another's
	exited chan struct{}
	err    error // of the process, to be read after exited
}

// newChild prepares a process. The environment is what go-plugin needs and
// what is allowed, nothing else.
func newChild(o *Options, program, private string, needed []string, confined *confinement, out *output) *child {
	c := &child{
		program: program, args: o.Args, dir: private, private: private, confined: confined, out: out, exited: make(chan struct{}),
	}
	if o.WorkDir != "" {
		c.dir = o.WorkDir
	}
	for _, name := range append([]string{"PATH", "LANG", "TZ"}, o.Env...) {
		if value, ok := os.LookupEnv(name); ok {
			c.environment = append(c.environment, name+"="+value)
		}
	}
	for _, variable := range needed {
		if !strings.HasPrefix(variable, privateDir+"=") { // shorter: the name of a socket has few octets
			c.environment = append(c.environment, variable)
		}
	}
	c.environment = append(c.environment, privateDir+"="+private)
	if !slices.Contains(o.Env, "TMPDIR") {
		c.environment = append(c.environment, "TMPDIR="+private)
	}
	if o.MaxMemory > 0 {
		// What Go's runtime tries to stay below; it is no limit.
		c.environment = append(c.environment, "GOMEMLIMIT="+strconv.FormatInt(o.MaxMemory/10*9, 10))
	}
	return c
}

// command makes the command that runs the program; it can be started once.
func (c *child) command(write, writeErr *os.File) *exec.Cmd {
	cmd := exec.Command(c.program, c.args...)
	cmd.Dir, cmd.Stdout, cmd.Stderr = c.dir, write, writeErr
	cmd.Env = append(slices.Clip(c.environment), plugin.HostPID+"="+strconv.Itoa(c.confined.hostPID()))
	return cmd
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
	c.stdout, c.stderr = &firstLine{from: stdout}, stderr
	started := make(chan error, 1)
	// When the thread ends the system takes the process for an orphan and kills
	// it. So the thread lives as long.
	onOwnThread(func() { c.live(started, write, writeErr) })
	err = <-started
	_, _ = write.Close(), writeErr.Close()
	if err != nil {
		_, _ = stdout.Close(), stderr.Close()
	}
	return err
}

// live starts the process and waits for its end.
func (c *child) live(started chan<- error, write, writeErr *os.File) {
	c.mu.Lock()
	err := context.Canceled
	if !c.doomed {
		c.cmd, err = c.confined.start(func() *exec.Cmd { return c.command(write, writeErr) })
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
		_, _ = io.Copy(s, c.stderr)
		s.end()
		_ = c.stderr.Close()
	}()
	c.err = c.reap()
	deadline := time.Now().Add(afterlife)
	_, _ = c.stdout.from.SetReadDeadline(deadline), c.stderr.SetReadDeadline(deadline)
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
	if c.cmd != nil && !c.gone {
		c.killAll()
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
func (c *child) Name() string { return c.program }

// ID implements runner.Runner.
func (c *child) ID() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.cmd == nil {
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
		info, err := os.Lstat(address)
		if err == nil && info.Mode().Type() == fs.ModeSocket && filepath.Dir(filepath.Clean(address)) == c.private {
			return network, address, nil
		}
	case "tcp":
		if c.confined.isolated() {
			return "", "", errors.New("it listens on a port, which it cannot without network; it must be a socket in PLUGIN_UNIX_SOCKET_DIR")
		}
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

// maxHandshake is how long the line may be, in octets, in which a plugin says
// where it listens. There is a certificate in it.
const maxHandshake = 8 << 10

// firstLine reads what a plugin writes to its standard output, and keeps the
// first line for whoever wants to say what was wrong with it.
type firstLine struct {
	from *os.File

	mu    sync.Mutex
	line  []byte
	whole bool
}

var errNoLine = errors.New("the first line is too long")

// Read implements io.Reader.
func (l *firstLine) Read(p []byte) (int, error) {
	n, err := l.from.Read(p)
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.whole {
		return n, err
	}
	line, _, whole := bytes.Cut(p[:n], []byte("\n"))
	l.line, l.whole = append(l.line, line...), whole
	if len(l.line) > maxHandshake {
		return 0, errNoLine
	}
	return n, err
}

// Close implements io.Closer.
func (l *firstLine) Close() error { return l.from.Close() }

// tooLong tells whether the plugin has written much, and no line.
func (l *firstLine) tooLong() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return !l.whole && len(l.line) > maxHandshake
}
