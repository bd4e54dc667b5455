package e2e

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	postilionv1 "github.com/postilion-mail/postilion/proto/gen/postilion/v1"

	"github.com/postilion-mail/postilion/internal/daemontest"
)

// daemon is the real one, with the questions that these tests ask.
type daemon struct{ *daemontest.Daemon }

// newDaemon prepares a daemon without starting it. The arguments are added to
// those that put it into the folder.
func newDaemon(t testing.TB, folder string, args ...string) *daemon {
	t.Helper()
	need(t)
	return &daemon{daemontest.New(t, programs, folder, args...)}
}

// startDaemon gives a running daemon.
func startDaemon(t testing.TB, folder string, args ...string) *daemon {
	t.Helper()
	d := newDaemon(t, folder, args...)
	d.Start()
	return d
}

// result is what a program has said.
type result struct {
	out, err string
	code     int
}

// execute runs a program to its end.
func execute(t testing.TB, command *exec.Cmd) result {
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
	d.T.Helper()
	command := exec.Command(filepath.Join(programs, "postilion"), args...)
	command.Env = daemontest.Environment("POSTILION_DATA_DIR=" + d.Path("data"))
	command.Stdin = strings.NewReader(stdin)
	return execute(d.T, command)
}

// cli is try for what must succeed, and gives what was printed.
func (d *daemon) cli(stdin string, args ...string) string {
	d.T.Helper()
	done := d.try(stdin, args...)
	if done.code != 0 {
		d.T.Fatalf("postilion %s: exit %d\n%s%s", strings.Join(args, " "), done.code, done.out, done.err)
	}
	return done.out
}

// messages lists messages by `postilion messages list --json`, oldest first.
func (d *daemon) messages(args ...string) []*postilionv1.StoredMessage {
	d.T.Helper()
	var list []*postilionv1.StoredMessage
	for line := range strings.Lines(d.cli("", append([]string{"messages", "list", "--json", "--limit", "10000"}, args...)...)) {
		message := &postilionv1.StoredMessage{}
		parse(d.T, line, message)
		list = append([]*postilionv1.StoredMessage{message}, list...)
	}
	return list
}

// connection shows a connection by `postilion connections list --json`.
func (d *daemon) connection(name string) *postilionv1.Connection {
	d.T.Helper()
	for line := range strings.Lines(d.cli("", "connections", "list", "--json")) {
		connection := &postilionv1.Connection{}
		if parse(d.T, line, connection); connection.GetName() == name {
			return connection
		}
	}
	d.T.Fatalf("there is no connection %s", name)
	return nil
}

// awaitAll waits until so many messages are in one state, and all others are
// not there.
func (d *daemon) awaitAll(n int, state postilionv1.MessageState) []*postilionv1.StoredMessage {
	d.T.Helper()
	var list []*postilionv1.StoredMessage
	await(d.T, state.String()+" is what all messages are", func() bool {
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

func parse(t testing.TB, text string, message proto.Message) {
	t.Helper()
	if err := protojson.Unmarshal([]byte(text), message); err != nil {
		t.Fatalf("%v: %s", err, text)
	}
}

// sendmail is `postilion-sendmail`, with the environment that leads it to the
// daemon.
func (d *daemon) sendmail() (program string, env []string) {
	return filepath.Join(programs, "postilion-sendmail"),
		daemontest.Environment("POSTILION_SOCKET="+d.HTTPSocket(), "POSTILION_MAILDROP_DIR="+d.Path("maildrop"))
}

// get reads a page of the daemon.
func get(t testing.TB, url string) string {
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
