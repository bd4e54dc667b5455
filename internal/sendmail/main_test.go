package sendmail

import (
	"bytes"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"sync"
	"testing"

	"github.com/postilion-mail/postilion/internal/maildrop"
)

// TestMain serves as the command in tests that need a process of its own.
func TestMain(m *testing.M) {
	if os.Getenv("SENDMAIL_TEST_MAIN") != "" {
		os.Exit(Main(os.Args, os.Stdin, os.Stdout, os.Stderr, os.Getenv))
	}
	os.Exit(m.Run())
}

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

const letter = "From: App <app@example.com>\nTo: a@example.com\nCc: Dora <d@example.com>\nBcc: hidden@example.com\nSubject: x\n\nhello\n"

// The forms of calling that were observed, and what they mean.
func TestCallers(t *testing.T) {
	t.Parallel()
	all := []string{"a@example.com", "d@example.com", "hidden@example.com"}
	tests := map[string]struct {
		args []string
		from string
		to   []string
	}{
		"PHP":                  {args: []string{"-t", "-i"}, to: all},
		"PHP with sender":      {args: []string{"-t", "-i", "-fbounce@example.com"}, from: "<bounce@example.com>", to: all},
		"PHPMailer 6":          {args: []string{"-oi", "-fapp@example.com", "-t"}, from: "<app@example.com>", to: all},
		"PHPMailer 7":          {args: []string{"-fapp@example.com", "-i", "-t"}, from: "<app@example.com>", to: all},
		"PHPMailer, set twice": {args: []string{"-t", "-i", "-oi", "-fapp@example.com", "-t"}, from: "<app@example.com>", to: all},
		"Symfony":              {args: []string{"-fapp@example.com", "--", "b@example.com", "c@example.com"}, from: "<app@example.com>", to: []string{"b@example.com", "c@example.com"}},
		"nodemailer":           {args: []string{"-i", "-f", "app@example.com", "b@example.com"}, from: "<app@example.com>", to: []string{"b@example.com"}},
		"ruby mail":            {args: []string{"-i", "-f", "app@example.com", "--", "b@example.com"}, from: "<app@example.com>", to: []string{"b@example.com"}},
		"cron":                 {args: []string{"-FCronDaemon", "-i", "-B8BITMIME", "-oem", "root"}, to: []string{"root@home.example"}},
		"mutt":                 {args: []string{"-oem", "-oi", "b@example.com"}, to: []string{"b@example.com"}},
		"MIME::Lite":           {args: []string{"-t", "-oi", "-oem"}, to: all},
		"bundled":              {args: []string{"-ti"}, to: all},
		"bundled with sender":  {args: []string{"-itfapp@example.com"}, from: "<app@example.com>", to: all},
		"old name of sender":   {args: []string{"-r", "app@example.com", "b@example.com"}, from: "<app@example.com>", to: []string{"b@example.com"}},
		"null sender":          {args: []string{"-f", "<>", "b@example.com"}, from: "<>", to: []string{"b@example.com"}},
		"empty sender":         {args: []string{"-f", "", "b@example.com"}, from: "<>", to: []string{"b@example.com"}},
		"local sender":         {args: []string{"-f", "www-data", "b@example.com"}, from: "<www-data@home.example>", to: []string{"b@example.com"}},
		"sender in brackets":   {args: []string{"-f", "<app@example.com>", "b@example.com"}, from: "<app@example.com>", to: []string{"b@example.com"}},
		"plus sender":          {args: []string{"-f", "app+tag=x@example.com", "b@example.com"}, from: "<app+tag=x@example.com>", to: []string{"b@example.com"}},
		"quoted sender":        {args: []string{"-f", `"a b"@example.com`, "b@example.com"}, from: `<"a b"@example.com>`, to: []string{"b@example.com"}},
		"options last":         {args: []string{"b@example.com", "-i", "-f", "app@example.com"}, from: "<app@example.com>", to: []string{"b@example.com"}},
		"union with -t":        {args: []string{"-t", "b@example.com", "a@example.com"}, to: append(append([]string{}, all...), "b@example.com")},
		"list in an operand":   {args: []string{"b@example.com, Jo <c@example.com>"}, to: []string{"b@example.com", "c@example.com"}},
		"twice":                {args: []string{"b@example.com", "b@EXAMPLE.com"}, to: []string{"b@example.com"}},
		"ignored options": {
			args: []string{"-Ac", "-C", "/etc/passwd", "-G", "-h", "3", "-Ltag", "-m", "-n", "-O", "QueueDirectory=/tmp", "-oQ/tmp", "-o", "db", "-pSMTP:x", "-q15m", "-U", "-X", "/tmp/x.php", "-eq", "-E", "-x", "-d8.99", "-d", "b@example.com"},
			to:   []string{"b@example.com"},
		},
		"mode -bm": {args: []string{"-bm", "-b", "m", "b@example.com"}, to: []string{"b@example.com"}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, accept)
			exit, stdout, stderr := w.run(letter, tt.args...)
			if exit != 0 || stdout != "" || stderr != "" {
				t.Fatalf("exit %d, %q, %q", exit, stdout, stderr)
			}
			got := w.one()
			if tt.from == "" {
				tt.from = "(none)"
			}
			if got.from() != tt.from || !reflect.DeepEqual(got.to(), tt.to) {
				t.Errorf("from %s to %q, want from %s to %q", got.from(), got.to(), tt.from, tt.to)
			}
			if string(got.Raw.Content) != letter {
				t.Errorf("content %q", got.Raw.Content)
			}
			if !maildrop.IsKey(got.IdempotencyKey) || !got.NotifySender {
				t.Errorf("key %q, notify the sender: %v", got.IdempotencyKey, got.NotifySender)
			}
		})
	}
}

// What is refused before anything is read or sent.
func TestRefusals(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		args []string
		exit int
		says string
	}{
		"no recipient":           {nil, exitUsage, "-t"},
		"unknown option":         {[]string{"-Z", "b@example.com"}, exitUsage, "-Z"},
		"unknown in a bundle":    {[]string{"-tiZ"}, exitUsage, "-Z"},
		"long option":            {[]string{"--help"}, exitUsage, "--"},
		"no argument":            {[]string{"-t", "-f"}, exitUsage, "-f"},
		"daemon mode":            {[]string{"-bd"}, exitUsage, "-b"},
		"empty mode":             {[]string{"-b", "", "b@example.com"}, exitUsage, "-b"},
		"T103":                   {[]string{"-X/tmp/x.php", "-OQueueDirectory=/tmp", "-oQ/tmp", "-C/etc/passwd", "-be", "-bd", "-q"}, exitUsage, "-b"},
		"wrong -N":               {[]string{"-N", "never,delay", "b@example.com"}, exitUsage, "-N"},
		"wrong -R":               {[]string{"-R", "some", "b@example.com"}, exitUsage, "-R"},
		"wrong -V":               {[]string{"-V", "a\nb", "b@example.com"}, exitUsage, "-V"},
		"wrong -B":               {[]string{"-B", "9BIT", "b@example.com"}, exitUsage, "-B"},
		"line break in the name": {[]string{"-F", "x\nBcc: y@example.com", "b@example.com"}, exitUsage, "-F"},
		"T104 options":           {[]string{"-f", "a@example.com -OQueueDirectory=/tmp -X/tmp/x.php", "b@example.com"}, exitUsage, "sender"},
		"T104 quotes":            {[]string{"-f", `"attacker\" -oQ/tmp/ -X/tmp/x.php  some"@example.com x`, "b@example.com"}, exitUsage, "sender"},
		"option for a sender":    {[]string{"-f", "-t", "b@example.com"}, exitUsage, "option"},
		"line break in sender":   {[]string{"-f", "a@example.com\r\nRCPT TO:<x@example.com>", "b@example.com"}, exitUsage, "sender"},
		"T105":                   {[]string{"--", "-bs"}, exitData, "option"},
		"T105 address":           {[]string{"--", "-t@example.com"}, exitData, "option"},
		"T105 in brackets":       {[]string{"<-t@example.com>"}, exitData, "option"},
		"a dash":                 {[]string{"-"}, exitData, "option"},
		"T106 pipe":              {[]string{"|/bin/sh"}, exitData, "command"},
		"T106 quoted pipe":       {[]string{`"|/bin/sh -c id"@example.com`}, exitData, "command"},
		"T106 escaped pipe":      {[]string{`"\|id"@example.com`}, exitData, "command"},
		"T106 file":              {[]string{"/etc/passwd"}, exitData, "command"},
		"T106 include":           {[]string{":include:/etc/passwd"}, exitData, "command"},
		"T106 in a list":         {[]string{"b@example.com, |/bin/sh"}, exitData, ""},
		"T106 CVE-2020-7247":     {[]string{";sleep 66;@example.com"}, exitData, ""},
		"two at signs":           {[]string{"a@b@example.com"}, exitData, "@"},
		"empty":                  {[]string{""}, exitData, "empty"},
		"address literal":        {[]string{"a@[127.0.0.1]"}, exitData, "IP"},
		"line break":             {[]string{"b@example.com\nc@example.com"}, exitData, "control"},
		"empty group":            {[]string{"undisclosed-recipients:;"}, exitData, "recipient"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, accept)
			exit, stdout, stderr := w.run(letter, tt.args...)
			if exit != tt.exit || stdout != "" || !strings.Contains(stderr, tt.says) || !strings.HasPrefix(stderr, "sendmail: ") {
				t.Errorf("exit %d, want %d; %q %q", exit, tt.exit, stdout, stderr)
			}
			if strings.Count(stderr, "\n") != 1 {
				t.Errorf("more than one line: %q", stderr)
			}
			w.nothing()
		})
	}
}

func TestQuotedSenderStaysOneAddress(t *testing.T) {
	t.Parallel()
	w := newWorld(t, accept)
	if exit, _, stderr := w.run(letter, "-f", `"x\" -oQ/tmp -X/tmp/x.php  y"@example.com`, "b@example.com"); exit != 0 {
		t.Fatal(exit, stderr)
	}
	if got := w.one().from(); got != `<"x\" -oQ/tmp -X/tmp/x.php  y"@example.com>` {
		t.Error(got)
	}
}

func TestNoOps(t *testing.T) {
	t.Parallel()
	w := newWorld(t, accept)
	w.config("nonsense")
	for _, args := range [][]string{{"-bi"}, {"-I"}} {
		if exit, out, stderr := w.run("", args...); exit != 0 || out+stderr != "" {
			t.Error(args, exit, out, stderr)
		}
	}
	if exit, _, stderr := w.runAs("/usr/bin/newaliases", ""); exit != 0 {
		t.Error(exit, stderr)
	}
	w.config("")
	if exit, _, stderr := w.run("", "-q"); exit != 0 {
		t.Error("-q", exit, stderr)
	}
	w.nothing()
}

func TestDeliveryStatusOptions(t *testing.T) {
	t.Parallel()
	w := newWorld(t, accept)
	if exit, _, stderr := w.run(letter, "-N", "success,Delay", "-R", "hdrs", "-V", "job 7", "b@example.com"); exit != 0 {
		t.Fatal(exit, stderr)
	}
	got := w.one().Raw.Envelope
	want := []recipient{{"b@example.com", []string{"DSN_NOTIFY_SUCCESS", "DSN_NOTIFY_DELAY"}}}
	if !reflect.DeepEqual(got.Recipients, want) || got.Return != "DSN_RETURN_HEADERS" || got.EnvelopeID != "job 7" {
		t.Errorf("%+v", got)
	}
	w = newWorld(t, accept)
	if exit, _, stderr := w.run(letter, "-Nnever", "-Rfull", "b@example.com"); exit != 0 {
		t.Fatal(exit, stderr)
	}
	if s := w.one(); s.NotifySender || s.Raw.Envelope.Recipients[0].Notify[0] != "DSN_NOTIFY_NEVER" || s.Raw.Envelope.Return != "DSN_RETURN_FULL" {
		t.Errorf("%+v", s)
	}
}
