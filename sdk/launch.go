package sdk

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	"google.golang.org/protobuf/types/known/emptypb"
)

// What program and daemon agree upon before they talk: docs/launch.md has it
// for those who launch the daemon without this package.
const (
	sidecarCookie = "POSTILION_SIDECAR=daemon"
	hostPID       = "POSTILION_HOST_PID"
	handshake     = "1|1|unix|" // then the socket, then "|grpc"
	shutdown      = "/plugin.GRPCController/Shutdown"

	defaultStart = time.Minute
	maxHandshake = 4 << 10 // octets
	maxTail      = 2 << 10 // octets of the log that are kept for errors
	afterlife    = 5 * time.Second
)

// LaunchOptions say how Launch starts the daemon. DataDir must be given.
type LaunchOptions struct {
	// Binary is the program: a path, or a name that PATH has. Default:
	// "postilion".
	Binary string
	// DataDir is where the daemon keeps mail and settings: the same at each
	// start of the application, and no other daemon's. It is made if it is not
	// there. It should be short, since a socket lies in it.
	DataDir string
	// Args are further arguments of `postilion serve`, such as "--config" and a
	// file. Without them the daemon listens on no port, only on sockets in
	// DataDir.
	Args []string
	// Env is the daemon's environment. If it is nil, that is our own without
	// the variables of Postilion and systemd.
	Env []string
	// Log takes the daemon's log. Default: none.
	Log io.Writer
	// StartTimeout is how long it may take until the daemon serves. Default:
	// 1 min.
	StartTimeout time.Duration
	// Dial are options of the client.
	Dial []Option
}

// Sidecar is a daemon that is a child of this process. Its methods are safe
// for concurrent use.
type Sidecar struct {
	// Client is an admin: this process has the daemon's files anyway.
	Client *Client

	command *exec.Cmd
	ended   chan struct{}
	err     error // how the process ended, after ended
}

// Launch starts the daemon as a child of this process, on the same machine and
// as the same user, and gives a client for it. It returns when the daemon
// serves. ctx bounds the start, nothing else.
//
// What the daemon has accepted is on disk: it goes on with it at the next
// start. Whoever launches it ends it by Stop. If this process ends without
// that, however it ends, the daemon notices within a second and stops in order.
func Launch(ctx context.Context, o LaunchOptions) (*Sidecar, error) {
	if o.DataDir == "" {
		return nil, errors.New("sdk: launch: DataDir is empty; name the directory where the daemon is to keep mail")
	}
	if o.Binary == "" {
		o.Binary = "postilion"
	}
	if o.StartTimeout <= 0 {
		o.StartTimeout = defaultStart
	}
	dir, err := filepath.Abs(o.DataDir)
	if err != nil {
		return nil, fmt.Errorf("sdk: launch: DataDir: %w", err)
	}
	args := append([]string{"serve", "--data-dir", dir, "--grpc-listen", "off", "--http-listen", "off"}, o.Args...)
	s := &Sidecar{command: exec.Command(o.Binary, args...), ended: make(chan struct{})}
	if o.Env == nil {
		o.Env = ourEnvironment(os.Environ())
	}
	s.command.Env = append(o.Env[:len(o.Env):len(o.Env)], sidecarCookie, hostPID+"="+strconv.Itoa(os.Getpid()))
	said, log := &firstLine{line: make(chan string, 1)}, &tail{to: o.Log}
	s.command.Stdout, s.command.Stderr, s.command.WaitDelay = said, log, afterlife
	detach(s.command)
	if err := s.command.Start(); err != nil {
		return nil, fmt.Errorf("sdk: launch: Binary: %w", err)
	}
	go func() {
		s.err = s.command.Wait()
		close(s.ended)
	}()
	if err := s.connect(ctx, &o, said.line, log); err != nil {
		s.kill()
		return nil, fmt.Errorf("sdk: launch: %w", err)
	}
	return s, nil
}

// connect waits until the daemon says where it listens.
func (s *Sidecar) connect(ctx context.Context, o *LaunchOptions, line <-chan string, log *tail) error {
	timer := time.NewTimer(o.StartTimeout)
	defer timer.Stop()
	var said string
	select {
	case said = <-line:
	case <-s.ended:
		select {
		case said = <-line: // what is not the daemon can say something and end
		default:
			return fmt.Errorf("the daemon has ended (%v): %s", s.err, log)
		}
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-timer.C:
		return fmt.Errorf("the daemon does not serve within %s: %s", o.StartTimeout, log)
	}
	socket, err := socketOf(said)
	if err != nil {
		return err
	}
	s.Client, err = Dial("unix://"+socket, append([]Option{WithToken("")}, o.Dial...)...)
	return err
}

// socketOf reads the line by which the daemon says where it listens.
func socketOf(line string) (string, error) {
	rest, known := strings.CutPrefix(line, handshake)
	socket, protocol, _ := strings.Cut(rest, "|")
	protocol, _, _ = strings.Cut(protocol, "|") // what may follow is for others
	if !known || !filepath.IsAbs(socket) || protocol != "grpc" {
		return "", fmt.Errorf("it does not say where it listens but %.200q; is Binary the program postilion, and no newer than this package?", line)
	}
	return socket, nil
}

// Done is closed when the daemon has ended, by Stop or by itself. A daemon
// that ended by itself is not started again: launch it once more.
func (s *Sidecar) Done() <-chan struct{} { return s.ended }

// Err says how the daemon's process ended, nil for in order. It is to be asked
// after Done.
func (s *Sidecar) Err() error {
	select {
	case <-s.ended:
		return s.err
	default:
		return nil
	}
}

// PID is the daemon's process id.
func (s *Sidecar) PID() int { return s.command.Process.Pid }

// Stop ends the daemon in order: what is being delivered may finish, which can
// take a minute, and what waits is delivered after the next start. When ctx
// ends first, the daemon is killed; it loses nothing by that either, but
// deliveries under way may be made twice. The client is closed.
func (s *Sidecar) Stop(ctx context.Context) error {
	defer func() { _ = s.Client.Close() }()
	// If the call fails, the daemon is ending already, or hangs.
	called := s.Client.conn.Invoke(ctx, shutdown, &emptypb.Empty{}, &emptypb.Empty{})
	select {
	case <-s.ended:
		return s.err
	case <-ctx.Done():
		s.kill()
		return errors.Join(context.Cause(ctx), called)
	}
}

func (s *Sidecar) kill() {
	_ = s.command.Process.Kill()
	<-s.ended
}

// ourEnvironment leaves out what another daemon was configured by, and what
// systemd said to this process alone.
func ourEnvironment(environ []string) []string {
	var kept []string
	for _, entry := range environ {
		name, _, _ := strings.Cut(entry, "=")
		switch {
		case strings.HasPrefix(name, "POSTILION_"), strings.HasPrefix(name, "LISTEN_"), strings.HasPrefix(name, "WATCHDOG_"):
		case name == "NOTIFY_SOCKET", name == "JOURNAL_STREAM", name == "CREDENTIALS_DIRECTORY":
		default:
			kept = append(kept, entry)
		}
	}
	return kept
}

// firstLine gives the first line that is written to it, and takes the rest
// for nothing.
type firstLine struct {
	line   chan string // has room for one
	buffer []byte
	done   bool
}

func (f *firstLine) Write(p []byte) (int, error) {
	if f.done {
		return len(p), nil
	}
	f.buffer = append(f.buffer, p...)
	line, _, whole := bytes.Cut(f.buffer, []byte("\n"))
	if whole || len(f.buffer) > maxHandshake {
		f.done, f.buffer = true, nil
		f.line <- string(line)
	}
	return len(p), nil
}

// tail hands on what is written to it, and keeps the end.
type tail struct {
	to io.Writer

	mu   sync.Mutex
	kept []byte
}

func (t *tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.kept = append(t.kept, p...)
	if over := len(t.kept) - maxTail; over > 0 {
		t.kept = append([]byte(nil), t.kept[over:]...)
	}
	if t.to != nil {
		_, _ = t.to.Write(p) // a log that cannot be written is no reason to end
	}
	return len(p), nil
}

// String gives the last line.
func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	lines := strings.Split(strings.TrimSpace(string(t.kept)), "\n")
	if last := lines[len(lines)-1]; last != "" {
		return last
	}
	return "it has said nothing"
}
