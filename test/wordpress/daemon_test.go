package wordpress

import (
	"bytes"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"google.golang.org/protobuf/encoding/protojson"

	postilionv1 "github.com/postilion-mail/postilion/proto/gen/postilion/v1"

	"github.com/postilion-mail/postilion/internal/daemontest"
)

// daemon is the real one, with the questions that these tests ask.
type daemon struct{ *daemontest.Daemon }

// startDaemon gives a running daemon whose clients may send to this machine.
func startDaemon(t testing.TB, folder string, args ...string) *daemon {
	t.Helper()
	d := newDaemon(t, folder, args...)
	d.Start()
	return d
}

func newDaemon(t testing.TB, folder string, args ...string) *daemon {
	t.Helper()
	args = append([]string{"--allow-destinations", "127.0.0.0/8"}, args...)
	return &daemon{daemontest.New(t, programs, folder, args...)}
}

// cli runs `postilion ARGS` as root and gives what it printed.
func (d *daemon) cli(stdin string, args ...string) string {
	d.T.Helper()
	command := exec.Command(filepath.Join(programs, "postilion"), args...)
	command.Env = daemontest.Environment("POSTILION_DATA_DIR=" + d.Path("data"))
	command.Stdin = strings.NewReader(stdin)
	var out, errs bytes.Buffer
	command.Stdout, command.Stderr = &out, &errs
	if err := command.Start(); err != nil {
		d.T.Fatal(err)
	}
	late := time.AfterFunc(patience, func() { _ = command.Process.Kill() })
	defer late.Stop()
	if err := command.Wait(); err != nil {
		d.T.Fatalf("postilion %s: %v\n%s%s", strings.Join(args, " "), err, out.String(), errs.String())
	}
	return out.String()
}

// client makes a client with a token.
func (d *daemon) client(name string) (token string) {
	d.T.Helper()
	var answer postilionv1.CreateClientResponse
	out := d.cli("", "clients", "create", name, "--scope", "send,read,configure", "--json")
	if err := protojson.Unmarshal([]byte(out), &answer); err != nil {
		d.T.Fatalf("%v: %s", err, out)
	}
	return answer.GetToken()
}

// bind makes a client of the web server's user.
func (d *daemon) bind(name string) {
	d.T.Helper()
	d.cli("", "clients", "create", name, "--uid", "www-data", "--scope", "send,read,configure")
}

// messages lists the newest messages, newest first.
func (d *daemon) messages(args ...string) (list []*postilionv1.StoredMessage) {
	d.T.Helper()
	for line := range strings.Lines(d.cli("", append([]string{"messages", "list", "--json", "--limit", "10000"}, args...)...)) {
		message := &postilionv1.StoredMessage{}
		if err := protojson.Unmarshal([]byte(line), message); err != nil {
			d.T.Fatalf("%v: %s", err, line)
		}
		list = append(list, message)
	}
	return list
}

// kill ends the daemon as a power cut does.
func (d *daemon) kill() {
	d.T.Helper()
	d.Signal(syscall.SIGKILL)
	_ = d.Wait()
}
