package e2e

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	postilionv1 "github.com/postilion-mail/postilion/proto/gen/postilion/v1"
)

// daemon is `postilion serve` in folders of its own.
type daemon struct {
	t      *testing.T
	folder string
	args   []string
	log    *output

	grpc, http, smtp string // host:port, once it is started

	command *exec.Cmd
	ended   chan struct{} // closed when the process has ended, with err
	err     error
}

// newDaemon prepares a daemon without starting it. The arguments are added to
// those that put it into the folder.
func newDaemon(t *testing.T, folder string, args ...string) *daemon {
	t.Helper()
	need(t)
	d := &daemon{t: t, folder: folder, log: &output{}}
	d.args = append([]string{
		"serve", "--data-dir", d.path("data"), "--run-dir", d.path("run"), "--maildrop-dir", d.path("maildrop"),
		"--grpc-listen", "127.0.0.1:0", "--http-listen", "127.0.0.1:0", "--log-format", "json",
	}, args...)
	return d
}

// startDaemon gives a running daemon.
func startDaemon(t *testing.T, folder string, args ...string) *daemon {
	t.Helper()
	d := newDaemon(t, folder, args...)
	d.start()
	return d
}

func (d *daemon) path(parts ...string) string {
	return filepath.Join(append([]string{d.folder}, parts...)...)
}

func (d *daemon) socket() string { return d.path("run", "postilion.sock") }

func (d *daemon) httpSocket() string { return d.path("run", "postilion-http.sock") }

// start starts the daemon and returns when it is ready. It is stopped at the
// end of the test, if it still runs then.
func (d *daemon) start() {
	d.t.Helper()
	d.launch(exec.Command(filepath.Join(programs, "postilion"), d.args...))
	d.ready()
}

// launch starts a command as the daemon.
func (d *daemon) launch(command *exec.Cmd) {
	d.t.Helper()
	command.Env = append(environment(), command.Env...)
	command.Stdout, command.Stderr = d.log, d.log
	d.log.mark()
	if err := command.Start(); err != nil {
		d.t.Fatal(err)
	}
	ended := make(chan struct{})
	d.command, d.ended = command, ended
	go func() {
		d.err = command.Wait()
		close(ended)
	}()
	d.t.Cleanup(func() {
		if d.ended == ended {
			d.stop()
		}
		if d.t.Failed() {
			d.t.Logf("the daemon's log:\n%s", d.log)
		}
	})
}

// ready waits until the daemon says that it serves, and learns where.
func (d *daemon) ready() {
	d.t.Helper()
	await(d.t, "the daemon is ready", func() bool {
		for line := range strings.Lines(d.log.recent()) {
			var entry struct{ Msg, GRPC, HTTP, SMTP string }
			if json.Unmarshal([]byte(line), &entry) == nil && entry.Msg == "ready" {
				d.grpc, d.http, d.smtp = entry.GRPC, entry.HTTP, entry.SMTP
				return true
			}
		}
		select {
		case <-d.ended:
			d.t.Fatalf("the daemon ended: %v\n%s", d.err, d.log)
		default:
		}
		return false
	})
}

// stop ends the daemon in order.
func (d *daemon) stop() {
	d.t.Helper()
	_ = d.command.Process.Signal(syscall.SIGTERM)
	select {
	case <-d.ended:
		if d.err != nil {
			d.t.Errorf("the daemon: %v\n%s", d.err, d.log)
		}
	case <-time.After(2 * patience):
		_ = d.command.Process.Kill()
		<-d.ended
		d.t.Errorf("the daemon did not stop\n%s", d.log)
	}
	d.ended = nil
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

// result is what a program has said.
type result struct {
	out, err string
	code     int
}

// execute runs a program to its end.
func execute(t *testing.T, command *exec.Cmd) result {
	t.Helper()
	var out, errs bytes.Buffer
	command.Stdout, command.Stderr = &out, &errs
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	late := time.AfterFunc(2*patience, func() { _ = command.Process.Kill() })
	defer late.Stop()
	err := command.Wait()
	if failed := (*exec.ExitError)(nil); err != nil && !errors.As(err, &failed) {
		t.Fatalf("%s: %v", command.Path, err)
	}
	return result{out.String(), errs.String(), command.ProcessState.ExitCode()}
}

// try runs `postilion ARGS` as root.
func (d *daemon) try(stdin string, args ...string) result {
	d.t.Helper()
	command := exec.Command(filepath.Join(programs, "postilion"), args...)
	command.Env = environment("POSTILION_DATA_DIR=" + d.path("data"))
	command.Stdin = strings.NewReader(stdin)
	return execute(d.t, command)
}

// cli is try for what must succeed, and gives what was printed.
func (d *daemon) cli(stdin string, args ...string) string {
	d.t.Helper()
	done := d.try(stdin, args...)
	if done.code != 0 {
		d.t.Fatalf("postilion %s: exit %d\n%s%s", strings.Join(args, " "), done.code, done.out, done.err)
	}
	return done.out
}

// messages lists messages by `postilion messages list --json`, oldest first.
func (d *daemon) messages(args ...string) []*postilionv1.StoredMessage {
	d.t.Helper()
	var list []*postilionv1.StoredMessage
	for line := range strings.Lines(d.cli("", append([]string{"messages", "list", "--json", "--limit", "10000"}, args...)...)) {
		message := &postilionv1.StoredMessage{}
		parse(d.t, line, message)
		list = append([]*postilionv1.StoredMessage{message}, list...)
	}
	return list
}

// connection shows a connection by `postilion connections list --json`.
func (d *daemon) connection(name string) *postilionv1.Connection {
	d.t.Helper()
	for line := range strings.Lines(d.cli("", "connections", "list", "--json")) {
		connection := &postilionv1.Connection{}
		if parse(d.t, line, connection); connection.GetName() == name {
			return connection
		}
	}
	d.t.Fatalf("there is no connection %s", name)
	return nil
}

// awaitAll waits until so many messages are in one state, and all others are
// not there.
func (d *daemon) awaitAll(n int, state postilionv1.MessageState) []*postilionv1.StoredMessage {
	d.t.Helper()
	var list []*postilionv1.StoredMessage
	await(d.t, state.String()+" is what all messages are", func() bool {
		list = d.messages()
		if len(list) != n {
			return false
		}
		for _, message := range list {
			if message.GetState() != state {
				return false
			}
		}
		return true
	})
	return list
}

func parse(t *testing.T, text string, message proto.Message) {
	t.Helper()
	if err := protojson.Unmarshal([]byte(text), message); err != nil {
		t.Fatalf("%v: %s", err, text)
	}
}

// sendmail is `postilion-sendmail`, with the environment that leads it to the
// daemon.
func (d *daemon) sendmail() (program string, env []string) {
	return filepath.Join(programs, "postilion-sendmail"),
		environment("POSTILION_SOCKET="+d.httpSocket(), "POSTILION_MAILDROP_DIR="+d.path("maildrop"))
}

// get reads a page of the daemon.
func get(t *testing.T, url string) string {
	t.Helper()
	client := &http.Client{Timeout: patience}
	defer client.CloseIdleConnections()
	answer, err := client.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	page, err := io.ReadAll(answer.Body)
	if err != nil || answer.StatusCode != http.StatusOK {
		t.Fatalf("%s: %s, %v", url, answer.Status, err)
	}
	return string(page)
}

// output keeps what a program writes while others read it.
type output struct {
	mu     sync.Mutex
	buffer bytes.Buffer
	from   int // what recent leaves out
}

// Write implements io.Writer.
func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buffer.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buffer.String()
}

// mark makes recent begin here.
func (o *output) mark() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.from = o.buffer.Len()
}

func (o *output) recent() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buffer.String()[o.from:]
}
