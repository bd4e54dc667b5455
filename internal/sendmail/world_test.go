package sendmail

import (
	"bytes"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/postilion-mail/postilion/internal/maildrop"
)

// sent is a request of MailerService.Send as the daemon sees it.
type sent struct {
	IdempotencyKey string
	NotifySender   bool
	Raw            struct {
		Content  []byte
		Envelope struct {
			From       *string
			Recipients []recipient
			EnvelopeID string
			Return     string
		}
	}
	header http.Header
}

func (s sent) to() (list []string) {
	for _, r := range s.Raw.Envelope.Recipients {
		list = append(list, r.Address)
	}
	return list
}

func (s sent) from() string {
	if s.Raw.Envelope.From == nil {
		return "(none)"
	}
	return "<" + *s.Raw.Envelope.From + ">"
}

// world is a machine with a daemon, or without.
type world struct {
	t    testing.TB
	dir  string
	vars map[string]string

	mu       sync.Mutex
	requests []sent
}

// accept is the answer of a daemon that takes everything.
func accept(w http.ResponseWriter, _ sent) { io.WriteString(w, `{"id":"0193"}`) }

// reject answers with an error as connect-go writes it.
func reject(code, message, reason string) func(http.ResponseWriter, sent) {
	return func(w http.ResponseWriter, _ sent) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusTeapot)
		json.NewEncoder(w).Encode(map[string]any{"code": code, "message": message, "details": []any{
			map[string]any{"type": "google.rpc.BadRequest", "value": "", "debug": map[string]any{}},
			map[string]any{"type": "postilion.v1.ErrorDetail", "value": "", "debug": map[string]any{"reason": reason}},
		}})
	}
}

// newWorld starts a daemon that answers so; nil is none at all.
func newWorld(t testing.TB, answer func(http.ResponseWriter, sent)) *world {
	t.Helper()
	w := down(t)
	if answer == nil {
		return w
	}
	w.listen(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodPost || r.URL.Path != "/postilion.v1.MailerService/Send" || r.Header.Get("Content-Type") != "application/json" {
			t.Errorf("unexpected request %s %s, %s", r.Method, r.URL, r.Header.Get("Content-Type"))
		}
		s := sent{header: r.Header}
		d := json.NewDecoder(r.Body)
		d.DisallowUnknownFields()
		if err := d.Decode(&s); err != nil {
			t.Errorf("request: %v", err)
		}
		w.mu.Lock()
		w.requests = append(w.requests, s)
		w.mu.Unlock()
		answer(rw, s)
	}))
	return w
}

// down is a world without a daemon.
func down(t testing.TB) *world {
	t.Helper()
	dir, err := os.MkdirTemp("", "sm") // short: the name of a socket has 107 octets at most
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	if err := os.Mkdir(filepath.Join(dir, "drop"), 0o700); err != nil {
		t.Fatal(err)
	}
	w := &world{t: t, dir: dir, vars: map[string]string{
		"POSTILION_SOCKET":          filepath.Join(dir, "s"),
		"POSTILION_MAILDROP_DIR":    filepath.Join(dir, "drop"),
		"POSTILION_SENDMAIL_CONFIG": filepath.Join(dir, "sendmail.conf"),
	}}
	w.config("domain = home.example\n")
	return w
}

func (w *world) listen(h http.Handler) {
	w.t.Helper()
	l, err := net.Listen("unix", w.vars["POSTILION_SOCKET"])
	if err != nil {
		w.t.Fatal(err)
	}
	server := &http.Server{Handler: h}
	go server.Serve(l)
	w.t.Cleanup(func() { server.Close() })
}

// raw answers every connection with the given octets, and hangs if there are
// none.
func (w *world) raw(answer string) {
	w.t.Helper()
	l, err := net.Listen("unix", w.vars["POSTILION_SOCKET"])
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				if answer != "" {
					b := make([]byte, 64<<10)
					conn.Read(b)
					io.WriteString(conn, answer)
					return
				}
				io.Copy(io.Discard, conn) // until the other side gives up
			}()
		}
	}()
}

func (w *world) config(text string) {
	w.t.Helper()
	if err := os.WriteFile(w.vars["POSTILION_SENDMAIL_CONFIG"], []byte(text), 0o644); err != nil {
		w.t.Fatal(err)
	}
}

// run runs the command by the name "sendmail".
func (w *world) run(input string, args ...string) (exit int, stdout, stderr string) {
	return w.runAs("/usr/sbin/sendmail", input, args...)
}

func (w *world) runAs(name, input string, args ...string) (exit int, stdout, stderr string) {
	var out, errs bytes.Buffer
	exit = Main(append([]string{name}, args...), strings.NewReader(input), &out, &errs, func(k string) string { return w.vars[k] })
	if exit == 75 {
		w.t.Errorf("exit 75, which PHP takes for success")
	}
	return exit, out.String(), errs.String()
}

// one gives the only message that the daemon got.
func (w *world) one() sent {
	w.t.Helper()
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.requests) != 1 {
		w.t.Fatalf("the daemon got %d messages, want 1", len(w.requests))
	}
	return w.requests[0]
}

// drops gives what lies in the maildrop.
func (w *world) drops() (list []*maildrop.Drop) {
	w.t.Helper()
	dir := filepath.Join(w.dir, "drop")
	entries, err := os.ReadDir(dir)
	if err != nil {
		w.t.Fatal(err)
	}
	for _, e := range entries {
		data, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if err != nil {
			w.t.Fatal(err)
		}
		d, err := maildrop.Parse(data)
		if err != nil {
			w.t.Fatalf("%s: %v", e.Name(), err)
		}
		if d.Key != e.Name() {
			w.t.Errorf("%s has the key %s", e.Name(), d.Key)
		}
		list = append(list, d)
	}
	return list
}

// nothing checks that no message got anywhere.
func (w *world) nothing() {
	w.t.Helper()
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.requests) > 0 {
		w.t.Errorf("the daemon got %d messages, want none", len(w.requests))
	}
	if d := w.drops(); len(d) > 0 {
		w.t.Errorf("%d messages in the maildrop, want none", len(d))
	}
}
