package kill

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/postilion-mail/postilion/internal/failpoint"
	postilionv1 "github.com/postilion-mail/postilion/proto/gen/postilion/v1"
	"github.com/postilion-mail/postilion/sdk"
)

// patience is how long anything may take before the harness gives up.
const patience = 3 * time.Minute

// Build makes the programs with failpoints in a folder. The tests run it from
// any folder of the module.
func Build(ctx context.Context, folder string) error {
	build := exec.CommandContext(ctx, "go", "build", "-buildvcs=false", "-tags", "failpoint", "-o", folder+"/",
		"github.com/postilion-mail/postilion/cmd/postilion", "github.com/postilion-mail/postilion/cmd/postilion-sendmail")
	build.Env = append(os.Environ(), "CGO_ENABLED=0", "GOFLAGS=")
	build.Stderr = os.Stderr
	if err := build.Run(); err != nil {
		return fmt.Errorf("building the programs: %w", err)
	}
	return nil
}

// place is where the daemon's files are. The public sockets are not on the
// disk that loses power: they would vanish under the senders.
type place struct {
	programs string
	disk     string // data and maildrop
	run      string
}

func (p place) data() string       { return filepath.Join(p.disk, "data") }
func (p place) maildrop() string   { return filepath.Join(p.disk, "drop") }
func (p place) grpcSocket() string { return filepath.Join(p.run, "postilion.sock") }
func (p place) httpSocket() string { return filepath.Join(p.run, "postilion-http.sock") }

// prepare makes the directories that an installation makes, to last.
func (p place) prepare() error {
	for dir, mode := range map[string]os.FileMode{p.data(): 0o700, p.maildrop(): 0o733} {
		if err := os.Mkdir(dir, mode); err != nil {
			return err
		}
	}
	disk, err := os.Open(p.disk)
	if err != nil {
		return err
	}
	return errors.Join(disk.Sync(), disk.Close())
}

// environment is ours without what steers Postilion.
func environment(more ...string) []string {
	var kept []string
	for _, entry := range os.Environ() {
		if !strings.HasPrefix(entry, "POSTILION_") {
			kept = append(kept, entry)
		}
	}
	return append(kept, more...)
}

// daemon is one life of `postilion serve`.
type daemon struct {
	command *exec.Cmd
	log     *tail
	ready   chan struct{} // closed when it serves
	ended   chan struct{} // closed when the process is gone, with err
	err     error
}

// start begins a life; fail may be empty or NAME:N.
func (p place) start(fail string) (*daemon, error) {
	d := &daemon{ready: make(chan struct{}), ended: make(chan struct{})}
	d.log = &tail{found: d.ready}
	d.command = exec.Command(filepath.Join(p.programs, "postilion"), "serve", "--data-dir", p.data(), "--run-dir", p.run,
		"--maildrop-dir", p.maildrop(), "--grpc-listen", "off", "--http-listen", "off", "--log-format", "json")
	d.command.Env = environment(failpoint.Variable + "=" + fail)
	d.command.Stdout, d.command.Stderr = d.log, d.log
	if err := d.command.Start(); err != nil {
		return nil, err
	}
	go func() {
		d.err = d.command.Wait()
		close(d.ended)
	}()
	return d, nil
}

// awaitReady waits until the daemon serves or was killed by its failpoint. Any
// other end is an error.
func (d *daemon) awaitReady(ctx context.Context) (serves bool, err error) {
	select {
	case <-d.ready:
		return true, nil
	case <-d.ended:
		return false, d.check()
	case <-ctx.Done():
		return false, ctx.Err()
	case <-time.After(patience):
		d.kill()
		return false, fmt.Errorf("the daemon did not get ready\n%s", d.log)
	}
}

// check is an error if the daemon ended in another way than by kill -9.
func (d *daemon) check() error {
	<-d.ended
	if exit := (*exec.ExitError)(nil); errors.As(d.err, &exit) {
		if status, ok := exit.Sys().(syscall.WaitStatus); ok && status.Signaled() && status.Signal() == syscall.SIGKILL {
			return nil
		}
	}
	return fmt.Errorf("the daemon ended by itself: %v\n%s", d.err, d.log)
}

// kill is kill -9.
func (d *daemon) kill() {
	_ = d.command.Process.Kill()
	<-d.ended
}

// stop ends the daemon in order.
func (d *daemon) stop() error {
	_ = d.command.Process.Signal(syscall.SIGTERM)
	select {
	case <-d.ended:
	case <-time.After(patience):
		d.kill()
		return fmt.Errorf("the daemon did not stop\n%s", d.log)
	}
	if d.err != nil {
		return fmt.Errorf("the daemon did not stop in order: %w\n%s", d.err, d.log)
	}
	return nil
}

// tail keeps the end of a log and looks for the line that says ready.
type tail struct {
	mu    sync.Mutex
	text  []byte
	found chan struct{}
	seen  bool
}

// Write implements io.Writer.
func (t *tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.text = append(t.text, p...)
	if !t.seen && bytes.Contains(t.text, []byte(`"msg":"ready"`)) {
		t.seen = true
		close(t.found)
	}
	if len(t.text) > 1<<16 {
		t.text = append([]byte(nil), t.text[len(t.text)-1<<15:]...)
	}
	return len(p), nil
}

func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return string(t.text)
}

// dial gives a client that comes back soon after the daemon does.
func dial(socket string) (*sdk.Client, error) {
	return sdk.Dial(socket, sdk.WithToken(""), sdk.WithTimeout(patience), sdk.WithDialOptions(grpc.WithConnectParams(grpc.ConnectParams{
		Backoff: backoff.Config{BaseDelay: 10 * time.Millisecond, Multiplier: 1.5, MaxDelay: 100 * time.Millisecond}, MinConnectTimeout: patience,
	})))
}

// install makes the sink the way out, in a first life that ends in order.
func (p place) install(ctx context.Context, port int) (err error) {
	d, err := p.start("")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, d.stop()) }()
	if _, err := d.awaitReady(ctx); err != nil {
		return err
	}
	return p.configure(ctx, port)
}

// configure tells the daemon of the sink.
func (p place) configure(ctx context.Context, port int) error {
	client, err := p.admin()
	if err != nil {
		return err
	}
	defer func() { _ = client.Close() }()
	_, err = client.Mailer.Configure(ctx, &postilionv1.ConfigureRequest{SetDefault: true, Connection: &postilionv1.Connection{
		Name: "sink", Shared: true,
		Transport: &postilionv1.Connection_Smtp{Smtp: &postilionv1.SmtpSettings{
			Host: "127.0.0.1", Port: uint32(port),
			Security: postilionv1.Security_SECURITY_NONE, Authentication: postilionv1.Authentication_AUTHENTICATION_NONE,
		}},
		Retry: &postilionv1.RetryPolicy{Schedule: []*durationpb.Duration{durationpb.New(time.Second)}},
	}})
	return err
}

// admin gives an admin's client.
func (p place) admin() (*sdk.Client, error) { return dial(filepath.Join(p.data(), "admin.sock")) }
