// Package host runs transports as processes of their own: it verifies,
// launches, watches and ends them, and believes nothing that they say.
package host

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/hashicorp/go-hclog"
	goplugin "github.com/hashicorp/go-plugin"
	"github.com/hashicorp/go-plugin/runner"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/postilion-mail/postilion/plugin"
)

const (
	defaultStartTimeout = 10 * time.Second
	stopTimeout         = 3 * time.Second
	maxAnswer           = 4 << 20  // octets of a message from a plugin
	maxHeaders          = 64 << 10 // octets of headers of an answer
	windowSize          = 1 << 20  // octets that a plugin may send ahead in a call
	socketName          = 32       // octets that the names below RunDir need
	privatePrefix       = "p"      // of the names of private directories
	maxSocketPath       = 104      // octets of a socket's name, on all systems
)

// ErrNoRunDir says that there is no directory for the processes of plugins.
var ErrNoRunDir = errors.New("run dir: there is none in which plugins can run; set run_dir to another directory (the daemon's log tells at its start why none will do)")

// Options say what is run. Name, Dir, File, SHA256 and RunDir must be given.
type Options struct {
	// Name is the plugin's, for the log.
	Name string
	// Dir is where plugins are, and File the program's name in it. Others than
	// its owner must not be able to write to either, and no link may lead out.
	Dir, File string
	// SHA256 is the program's checksum in hexadecimal. It is compared before
	// every start.
	SHA256 string
	// Args are the program's arguments.
	Args []string
	// Env are the names of the variables of our environment that the plugin
	// gets, beside PATH, LANG and TZ. It gets no others. Content over 1 MiB is
	// kept in TMPDIR, which is the private directory unless it stands here.
	Env []string
	// WorkDir is its working directory; by default a private one that is
	// removed with it.
	WorkDir string
	// RunDir is where each process has a directory of its own, with mode 0700,
	// for the copy that runs, its socket and its temporary files. Programs must
	// be allowed to run there. It must be short, for the socket's sake. Without
	// it Start gives ErrNoRunDir.
	RunDir string
	// ReadPaths and WritePaths are absolute paths that the plugin may read, or
	// read and write, beside its own directory and what every program needs.
	ReadPaths, WritePaths []string
	// Private are the daemon's own directories, with its key, its database and
	// its sockets. The plugin never reaches them: a path that leads there, or
	// contains one of them, is refused.
	Private []string
	// SameUser has it run as the daemon's user even where it could have one of
	// its own: for programs of the daemon's own.
	SameUser bool
	// MaxMemory is how much memory it may have, in octets, and MaxCPU how much
	// processor time, in thousandths of a processor; 0 stands for no limit.
	MaxMemory int64
	MaxCPU    uint32
	// NoNetwork leaves it no way to the network but its own socket.
	NoNetwork bool
	// StartTimeout is how long it may take to answer the first call.
	// Default: 10 s.
	StartTimeout time.Duration
	// WithoutTLS is for plugins in languages whose gRPC knows no P-521
	// certificates. The socket is protected by its directory then, and a port
	// is not at all.
	WithoutTLS bool
	// Log takes what the plugin writes. Default: none.
	Log *slog.Logger

	output *output // of a plugin whose processes follow each other
}

// Process is a plugin that runs. Its methods are safe for concurrent use.
type Process struct {
	child     *child
	client    *goplugin.Client
	transport plugin.Transport
	private   string
	confined  *confinement
	stop      sync.Once
}

// Start runs a plugin and waits until it has described itself. The error is
// one line that says what to do.
func Start(ctx context.Context, o Options) (*Process, error) {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.StartTimeout <= 0 {
		o.StartTimeout = defaultStartTimeout
	}
	if o.RunDir == "" {
		return nil, ErrNoRunDir
	}
	if len(o.RunDir)+socketName > maxSocketPath {
		return nil, fmt.Errorf("run dir: %s is too long for sockets, which may have %d octets; choose a shorter one", o.RunDir, maxSocketPath-socketName)
	}
	if err := o.checkPaths(); err != nil {
		return nil, err
	}
	private, err := os.MkdirTemp(o.RunDir, privatePrefix) // mode 0700
	if err != nil {
		return nil, err
	}
	if private, err = filepath.Abs(private); err != nil {
		return nil, err
	}
	program, err := verified(&o, private)
	if err != nil {
		_ = os.RemoveAll(private)
		return nil, err
	}
	p := &Process{private: private}
	if p.confined, err = confine(&o, private); err != nil {
		_ = os.RemoveAll(private)
		return nil, err
	}
	out := o.output
	if out == nil {
		out = newOutput(o.Log, o.Name)
	}
	out.begin()
	if err := p.start(ctx, &o, program, out); err != nil {
		p.Stop()
		return nil, p.startError(err, out)
	}
	return p, nil
}

// start makes the process and its first call. Go-plugin's functions know no
// context: when ours ends, we end the process.
func (p *Process) start(ctx context.Context, o *Options, program string, out *output) error {
	ctx, cancel := context.WithTimeoutCause(ctx, o.StartTimeout, fmt.Errorf("it did not answer within %s", o.StartTimeout))
	defer cancel()
	unwatch := func() bool { return true }
	p.client = goplugin.NewClient(&goplugin.ClientConfig{
		HandshakeConfig:  plugin.Handshake(),
		VersionedPlugins: plugin.Protocols(),
		AllowedProtocols: []goplugin.Protocol{goplugin.ProtocolGRPC},
		AutoMTLS:         !o.WithoutTLS,
		SkipHostEnv:      true,
		StartTimeout:     o.StartTimeout + time.Minute, // ours comes first
		Logger:           hclog.NewNullLogger(),
		SyncStdout:       &stream{out: out},
		SyncStderr:       &stream{out: out},
		UnixSocketConfig: &goplugin.UnixSocketConfig{TempDir: p.private},
		GRPCDialOptions: []grpc.DialOption{
			grpc.WithWriteBufferSize(128 << 10), grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(maxAnswer)), grpc.WithMaxHeaderListSize(maxHeaders),
			// Fixed windows: gRPC would ping with each answer to find out about the way.
			grpc.WithInitialWindowSize(windowSize), grpc.WithInitialConnWindowSize(16 * windowSize),
			grpc.WithDisableRetry(), // a delivery is never tried again below us
			grpc.WithChainStreamInterceptor(withoutBroker),
		},
		RunnerFunc: func(_ hclog.Logger, cmd *exec.Cmd, _ string) (runner.Runner, error) {
			p.child = newChild(o, program, p.private, cmd.Env, p.confined, out)
			unwatch = p.child.killWith(ctx)
			return p.child, nil
		},
	})
	err := p.connect()
	if !unwatch() || err != nil && ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return err
}

// brokerStream is the call by which go-plugin's two sides agree on further
// connections.
const brokerStream = "/plugin.GRPCBroker/StartStream"

// withoutBroker keeps go-plugin from making that call: no transport needs it,
// and what a plugin says there would be kept in our memory without end.
func withoutBroker(ctx context.Context, desc *grpc.StreamDesc, conn *grpc.ClientConn, method string, next grpc.Streamer,
	options ...grpc.CallOption) (grpc.ClientStream, error) {
	if method == brokerStream {
		return nil, status.Error(codes.Unimplemented, "the daemon has no further connections with plugins")
	}
	return next(ctx, desc, conn, method, options...)
}

func (p *Process) connect() error {
	protocol, err := p.client.Client()
	if err != nil {
		return err
	}
	dispensed, err := protocol.Dispense(plugin.Name)
	if err != nil {
		return err
	}
	transport, ok := dispensed.(plugin.Transport)
	if !ok {
		return fmt.Errorf("it serves %T, which is no transport", dispensed)
	}
	p.transport = transport
	return nil
}

// foreignCookie is what go-plugin's programs say that look for another cookie.
const foreignCookie = "not meant to be executed directly"

// startError puts into one line why a plugin did not start, with the last
// that it said.
func (p *Process) startError(err error, out *output) error {
	text := p.explain(err)
	foreign := slices.ContainsFunc(out.last(), func(line string) bool { return strings.Contains(line, foreignCookie) })
	if said := out.said(); said != "" && foreign {
		text = "it is a plugin of another program: it does not know the cookie " + plugin.Handshake().MagicCookieKey
	} else if said != "" {
		text += fmt.Sprintf("; it said %.300q", said)
	}
	return &StartError{text: printable(text), err: err}
}

// explain says what go-plugin's and the system's errors mean.
func (p *Process) explain(err error) string {
	text, _, _ := strings.Cut(err.Error(), "\n")
	said, unrecognized := strings.CutPrefix(text, "Unrecognized remote plugin message: ")
	_, version, otherVersion := strings.Cut(text, "incompatible API version with plugin. Plugin version: ")
	version, _, _ = strings.Cut(version, ",")
	switch {
	case unrecognized && p.child.stdout.tooLong():
		return fmt.Sprintf("it writes more than %d octets to stdout before it says where it listens", maxHandshake)
	case unrecognized && said == "":
		return "it ended before it said where it listens"
	case unrecognized:
		return fmt.Sprintf("it writes %.100q to stdout before it says where it listens", said)
	case otherVersion:
		return fmt.Sprintf("it speaks version %s of the plugin protocol, and this daemon version 1; install the one that was made for this daemon", version)
	case strings.HasPrefix(text, "unsupported plugin protocol"):
		return "it does not serve gRPC, or serves nothing"
	case errors.Is(err, syscall.ENOEXEC):
		return fmt.Sprintf("the program is not made for this machine, which is %s/%s, or is no program: %s", runtime.GOOS, runtime.GOARCH, text)
	case errors.Is(err, fs.ErrNotExist):
		return "the interpreter that its first line names, or its loader, is not there: " + text
	case errors.Is(err, fs.ErrPermission):
		return "it may not be run; the run dir must be on a file system without noexec, and what the program needs must be in its read paths: " + text
	}
	return text
}

// StartError says in one line why a plugin could not be started.
type StartError struct {
	text string
	err  error
}

// Error gives the line.
func (e *StartError) Error() string { return "the plugin does not start: " + e.text }

// Unwrap gives the cause.
func (e *StartError) Unwrap() error { return e.err }

// Transport is what the plugin serves.
func (p *Process) Transport() plugin.Transport { return p.transport }

// PID is the process's id.
func (p *Process) PID() int { return p.child.cmd.Process.Pid }

// Confinement says what keeps the process from harm, for people.
func (p *Process) Confinement() string { return p.confined.String() }

// Done is closed when the process has ended, by itself or by Stop.
func (p *Process) Done() <-chan struct{} { return p.child.exited }

// Err says how the process ended, after Done.
func (p *Process) Err() error { return p.child.err }

// Output gives the last lines that the plugin wrote, oldest first.
func (p *Process) Output() []string { return p.child.out.last() }

// Stop ends the process, and with it the deliveries under way: whoever wants
// them to finish waits for them first. It returns when the process is gone; a
// process that does not end by itself is killed after 3 s.
func (p *Process) Stop() {
	p.stop.Do(func() {
		if p.child != nil {
			kill := time.AfterFunc(stopTimeout, func() { _ = p.child.Kill(context.Background()) })
			defer kill.Stop()
		}
		p.client.Kill() // also one that is dead: it holds goroutines
		if p.child != nil && p.child.stdout != nil {
			_ = p.child.stdout.Close()
		}
		p.confined.close()
		_ = removeAll(p.private)
	})
}

// sweepDirs takes away the directories of processes that are no more.
func sweepDirs(runDir string) error {
	entries, err := os.ReadDir(runDir)
	for _, e := range entries {
		if e.IsDir() && strings.HasPrefix(e.Name(), privatePrefix) {
			err = errors.Join(err, removeAll(filepath.Join(runDir, e.Name())))
		}
	}
	return err
}

// removeAll removes a plugin's directory. A plugin of our own user may have
// taken from us the right to look into what is in there.
func removeAll(private string) error {
	run, err := os.OpenRoot(filepath.Dir(private))
	if err != nil {
		return err
	}
	defer run.Close()
	name := filepath.Base(private)
	if err = run.RemoveAll(name); errors.Is(err, fs.ErrPermission) {
		unlock(run, name)
		err = run.RemoveAll(name)
	}
	return err
}

// unlock takes back all rights to a directory and those in it, and to nothing
// that links lead to outside of them.
func unlock(parent *os.Root, name string) {
	_ = parent.Chmod(name, 0o700)
	dir, err := parent.OpenRoot(name)
	if err != nil {
		return
	}
	defer dir.Close()
	entries, _ := fs.ReadDir(dir.FS(), ".")
	for _, e := range entries {
		if e.IsDir() {
			unlock(dir, e.Name())
		}
	}
}
