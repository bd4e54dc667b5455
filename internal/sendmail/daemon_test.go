package sendmail

import (
	"context"
	"crypto/sha256"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/postilion-mail/postilion/internal/maildrop"
)

// T110: what the daemon answers becomes the exit code.
func TestExitCodes(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		code, reason string
		exit         int
		kept         bool // in the maildrop
	}{
		{"invalid_argument", "", exitData, false},
		{"invalid_argument", "sender_not_allowed", exitUnavailable, false},
		{"failed_precondition", "signed_content", exitUnavailable, false},
		{"out_of_range", "", exitData, false},
		{"unauthenticated", "", exitPermission, false},
		{"permission_denied", "", exitPermission, false},
		{"permission_denied", "sender_not_allowed", exitUnavailable, false},
		{"failed_precondition", "", exitUnavailable, false},
		{"not_found", "", exitConfig, false},
		{"already_exists", "", exitSoftware, false},
		{"resource_exhausted", "too_large", exitData, false},
		{"resource_exhausted", "message_too_large", exitData, false},
		{"resource_exhausted", "", exitOK, true},
		{"unavailable", "", exitOK, true},
		{"internal", "", exitOK, true},
		{"unknown", "", exitOK, true},
		{"deadline_exceeded", "", exitOK, true},
		{"canceled", "", exitOK, true},
		{"aborted", "", exitOK, true},
		{"unimplemented", "", exitOK, true},
	} {
		w := newWorld(t, reject(tt.code, "the daemon's \x1b[31mwords", tt.reason))
		exit, stdout, stderr := w.run(letter, "-t", "-i")
		if exit != tt.exit || stdout != "" {
			t.Errorf("%s %s: exit %d, want %d", tt.code, tt.reason, exit, tt.exit)
		}
		if tt.exit != 0 && stderr != "sendmail: the daemon's ?[31mwords\n" || tt.exit == 0 && stderr != "" {
			t.Errorf("%s: stderr %q", tt.code, stderr)
		}
		d := w.drops()
		if (len(d) == 1) != tt.kept {
			t.Errorf("%s %s: %d in the maildrop", tt.code, tt.reason, len(d))
		}
		if tt.kept && d[0].Key != w.one().IdempotencyKey {
			t.Errorf("%s: the keys differ", tt.code)
		}
	}
}

// An answer that does not say that the message was accepted may have been
// lost on its way: the message is kept, under the same key.
func TestGarbageAnswers(t *testing.T) {
	t.Parallel()
	for name, answer := range map[string]string{
		"nothing":        "\n",
		"not HTTP":       "SSH-2.0-OpenSSH_9.2\r\n\r\n",
		"no status":      "HTTP/1.1 abc\r\n\r\n",
		"only a status":  "HTTP/1.1 200 OK\r\n",
		"HTML":           "HTTP/1.1 200 OK\r\nContent-Length: 15\r\n\r\n<html>OK</html>",
		"no id":          "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}",
		"cut":            "HTTP/1.1 200 OK\r\nContent-Length: 13\r\n\r\n{\"id\":\"019",
		"cut, no length": "HTTP/1.1 200 OK\r\n\r\n{\"id\":\"019",
		"cut chunk":      "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nd\r\n{\"id\":\"0193\"}\r\n",
		"wrong chunk":    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-1\r\n{\"id\":\"0193\"}\r\n0\r\n\r\n",
		"negative":       "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n{\"id\":\"0193\"}",
		"huge":           "HTTP/1.1 200 OK\r\nContent-Length: 99999999999999\r\n\r\n{\"id\":\"0193\"}",
		"huge chunk":     "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n7fffffffffffffff\r\n{\"id\":\"0193\"}",
		"endless line":   "HTTP/1.1 200 OK\r\nX: " + strings.Repeat("x", 1<<20),
		"another server": "HTTP/1.1 404 Not Found\r\nContent-Length: 9\r\n\r\nnot found",
		"a redirect":     "HTTP/1.1 302 Found\r\nLocation: /\r\nContent-Length: 0\r\n\r\n",
		"empty error":    "HTTP/1.1 500 x\r\nContent-Length: 2\r\n\r\n{}",
		"array":          "HTTP/1.1 500 x\r\nContent-Length: 2\r\n\r\n[]",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := down(t)
			w.raw(answer)
			exit, _, stderr := w.run(letter, "-t", "-i", "-v")
			if d := w.drops(); exit != 0 || len(d) != 1 || string(d[0].Content) != letter || !strings.Contains(stderr, "maildrop") {
				t.Errorf("exit %d, %d in the maildrop, %q", exit, len(d), stderr)
			}
		})
	}
}

func TestProperAnswers(t *testing.T) {
	t.Parallel()
	for name, answer := range map[string]string{
		"length":    "HTTP/1.1 200 OK\r\ncontent-length: 13\r\n\r\n{\"id\":\"0193\"}",
		"chunks":    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5;x=y\r\n{\"id\"\r\n8\r\n:\"0193\"}\r\n0\r\nX: y\r\n\r\n",
		"to EOF":    "HTTP/1.0 200 OK\n\n{\"id\":\"0193\",\"state\":\"MESSAGE_STATE_QUEUED\",\"recipients\":[{}]}",
		"connect's": "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nAccept-Encoding: gzip\r\nContent-Length: 13\r\n\r\n{\"id\":\"0193\"}",
	} {
		w := down(t)
		w.raw(answer)
		exit, _, stderr := w.run(letter, "-t", "-i", "-v")
		if d := w.drops(); exit != 0 || len(d) != 0 || stderr != "sendmail: accepted as 0193\n" {
			t.Errorf("%s: exit %d, %d in the maildrop, %q", name, exit, len(d), stderr)
		}
	}
}

func TestDaemonDown(t *testing.T) {
	t.Parallel()
	w := down(t)
	exit, stdout, stderr := w.run(letter, "-t", "-i", "-fb@example.com", "-N", "failure", "-R", "full", "-V", "e")
	if exit != 0 || stdout+stderr != "" {
		t.Fatal(exit, stdout, stderr)
	}
	d := w.drops()
	if len(d) != 1 {
		t.Fatalf("%d in the maildrop", len(d))
	}
	if got := d[0]; *got.From != "b@example.com" || strings.Join(got.Recipients, " ") != "a@example.com d@example.com hidden@example.com" ||
		got.Notify != "FAILURE" || got.Return != "FULL" || got.EnvelopeID != "e" || !got.NotifySender || string(got.Content) != letter || got.HasProof() {
		t.Errorf("%+v", got)
	}
}

func TestDaemonHangs(t *testing.T) {
	t.Parallel()
	w := down(t)
	w.config("timeout = 50ms")
	w.raw("")
	if exit, _, stderr := w.run(letter, "-t", "-i"); exit != 0 || len(w.drops()) != 1 {
		t.Error(exit, stderr)
	}
}

// A daemon that refuses without reading it all is still heard.
func TestEarlyRefusal(t *testing.T) {
	t.Parallel()
	w := down(t)
	w.raw("HTTP/1.1 401 Unauthorized\r\nContent-Length: 45\r\n\r\n" + `{"code":"unauthenticated","message":"no way"}`)
	big := letter + strings.Repeat("0123456789abcdef\n", 1<<18)
	if exit, _, stderr := w.run(big, "-t"); exit != exitPermission || !strings.Contains(stderr, "no way") {
		t.Error(exit, stderr)
	}
}

// So is one that accepts without reading it all, but not believed.
func TestEarlyAcceptance(t *testing.T) {
	t.Parallel()
	w := down(t)
	w.raw("HTTP/1.1 200 OK\r\nContent-Length: 13\r\n\r\n{\"id\":\"0193\"}")
	big := letter + strings.Repeat("0123456789abcdef\n", 1<<18)
	if exit, _, stderr := w.run(big, "-t"); exit != 0 || len(w.drops()) != 1 {
		t.Error(exit, stderr)
	}
}

// The answer is lost after the daemon has taken the message.
func TestLostAnswer(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(rw http.ResponseWriter, _ sent) { panic(http.ErrAbortHandler) })
	if exit, _, stderr := w.run(letter, "-t", "-i"); exit != 0 {
		t.Fatal(exit, stderr)
	}
	if d := w.drops(); len(d) != 1 || d[0].Key != w.one().IdempotencyKey || string(d[0].Content) != string(w.one().Raw.Content) {
		t.Errorf("%d in the maildrop", len(d))
	}
}

// What was left while the daemon was down is picked up once, with everything
// that the daemon would have got.
func TestLeftAndPickedUp(t *testing.T) {
	t.Parallel()
	w := down(t)
	w.vars["POSTILION_MAILDROP_DIR"] = filepath.Join(w.dir, "shared")
	if err := maildrop.Prepare(w.vars["POSTILION_MAILDROP_DIR"]); err != nil {
		t.Fatal(err)
	}
	if exit, _, stderr := w.run(letter, "-t", "-i", "-f", "b@example.com"); exit != 0 {
		t.Fatal(exit, stderr)
	}
	got := make(chan *maildrop.Drop, 2)
	p, err := maildrop.New(maildrop.Options{
		Dir: w.vars["POSTILION_MAILDROP_DIR"], Log: slog.New(slog.DiscardHandler), Interval: time.Millisecond,
		Submit: func(_ context.Context, uid uint32, d *maildrop.Drop) error {
			if uid != uint32(os.Getuid()) {
				t.Errorf("uid %d", uid)
			}
			got <- d
			return nil
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- p.Run(ctx) }()
	select {
	case d := <-got:
		if *d.From != "b@example.com" || len(d.Recipients) != 3 || string(d.Content) != letter {
			t.Errorf("%+v", d)
		}
	case <-time.After(60 * time.Second):
		t.Error("not picked up")
	}
	stop()
	<-done
	if len(got) > 0 {
		t.Error("picked up twice")
	}
}

func TestNowhereToPutIt(t *testing.T) {
	t.Parallel()
	w := down(t)
	w.vars["POSTILION_MAILDROP_DIR"] = filepath.Join(w.dir, "missing")
	exit, _, stderr := w.run(letter, "-t")
	if exit != exitConfig || !strings.Contains(stderr, "not accepted") || !strings.Contains(stderr, "missing") {
		t.Error(exit, stderr)
	}
	file := filepath.Join(w.dir, "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	w.vars["POSTILION_MAILDROP_DIR"] = file
	if exit, _, stderr := w.run(letter, "-t"); exit != exitUnavailable {
		t.Error(exit, stderr)
	}
}

func TestUnstored(t *testing.T) {
	t.Parallel()
	for err, want := range map[syscall.Errno]int{
		syscall.ENOENT: exitConfig, syscall.EACCES: exitConfig, syscall.EPERM: exitConfig,
		syscall.ENOSPC: exitUnavailable, syscall.EROFS: exitUnavailable, syscall.EIO: exitUnavailable, syscall.EDQUOT: exitUnavailable,
	} {
		if got := unstored(&os.PathError{Op: "open", Path: "/x", Err: err}); got != want {
			t.Errorf("%v: exit %d, want %d", err, got, want)
		}
	}
}

// token writes a file with a token and the given mode.
func (w *world) token(text string, mode os.FileMode) string {
	w.t.Helper()
	file := filepath.Join(w.dir, "token")
	os.Remove(file)
	if err := os.WriteFile(file, []byte(text), mode); err != nil {
		w.t.Fatal(err)
	}
	if err := os.Chmod(file, mode); err != nil {
		w.t.Fatal(err)
	}
	return file
}

func TestToken(t *testing.T) {
	t.Parallel()
	w := newWorld(t, reject("unavailable", "later", ""))
	w.config("# our site\n\ntoken_file = " + w.token("pst_secret\n", 0o600) + "\nfrom=bounce@example.com\n")
	if exit, _, stderr := w.run(letter, "-t"); exit != 0 {
		t.Fatal(exit, stderr)
	}
	got, drop := w.one(), w.drops()[0]
	if got.header.Get("Authorization") != "Bearer pst_secret" {
		t.Errorf("Authorization: %q", got.header.Get("Authorization"))
	}
	if got.from() != "<bounce@example.com>" {
		t.Error(got.from())
	}
	if hash := sha256.Sum256([]byte("pst_secret")); !drop.Proven(hash[:]) {
		t.Error("the drop does not prove the token")
	}
	w.vars["POSTILION_SENDMAIL_FROM"] = "env@example.com"
	if w.run(letter, "-t"); w.requests[1].from() != "<env@example.com>" {
		t.Error("the environment does not go before the file")
	}
	if w.run(letter, "-t", "-fa@example.com"); w.requests[2].from() != "<a@example.com>" {
		t.Error("-f does not go before the environment")
	}
}

func TestBadConfiguration(t *testing.T) {
	t.Parallel()
	w := newWorld(t, accept)
	check := func(name string, exit int, says string) {
		t.Helper()
		got, _, stderr := w.run(letter, "-t")
		if got != exit || !strings.Contains(stderr, says) || strings.Contains(stderr, "secret") {
			t.Errorf("%s: exit %d, want %d: %s", name, got, exit, stderr)
		}
	}
	for text, says := range map[string]string{
		"sockett = /x":      `line 1: unknown key "sockett"`,
		"\n\nsocket":        "line 3: want key = value",
		"timeout = ten":     "duration",
		"timeout = -1s":     "duration",
		"from =":            "key = value",
		"token_file = /nix": "token file",
	} {
		w.config(text)
		check(text, exitConfig, says)
	}
	w.config("from = two words@example.com")
	check("from", exitUsage, "configured sender")
	w.config("")
	for _, mode := range []os.FileMode{0o640, 0o604, 0o660, 0o666} {
		w.vars["POSTILION_TOKEN_FILE"] = w.token("secret", mode)
		check("mode", exitConfig, "chmod 600")
	}
	for _, text := range []string{"", "secret secret", "secret\r\nX: y", strings.Repeat("secret", 1000)} {
		w.vars["POSTILION_TOKEN_FILE"] = w.token(text, 0o600)
		check("token", exitConfig, "one token")
	}
	w.vars["POSTILION_TOKEN_FILE"] = w.dir
	check("directory", exitConfig, "regular file")
	w.vars["POSTILION_SENDMAIL_CONFIG"] = filepath.Join(w.dir, "none")
	check("missing", exitConfig, "none")
	w.nothing()
}

func TestQueue(t *testing.T) {
	t.Parallel()
	w := down(t)
	var tokens []string
	pages := map[string]string{
		`"pageToken":""`: `{"messages":[{"id":"0193-a","from":"app@example.com","size":"2048","acceptTime":"2026-01-02T03:04:05Z","recipients":[
			{"address":"a@example.com","state":"MESSAGE_STATE_DEFERRED","outcome":{"reply":"450 4.2.0 \u001b[31mgreylisted","code":450}},
			{"address":"b@example.com","state":"MESSAGE_STATE_SENT"}]}],"nextPageToken":"p2"}`,
		`"pageToken":"p2"`: `{"messages":[{"id":"0193-b","size":"1","acceptTime":"2026-01-02T03:04:05.5Z","recipients":[{"address":"c@example.com","state":"MESSAGE_STATE_HELD","reason":"by hand"}]}]}`,
	}
	w.listen(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		tokens = append(tokens, string(body))
		for token, page := range pages {
			if strings.Contains(string(body), token) {
				io.WriteString(rw, page)
			}
		}
	}))
	exit, out, stderr := w.runAs("/usr/bin/mailq", "")
	if exit != 0 || len(tokens) != 2 {
		t.Fatal(exit, stderr, tokens)
	}
	for _, want := range []string{"0193-a", "2048", "app@example.com", "a@example.com", "(450 4.2.0 ?[31mgreylisted)", "0193-b", "(by hand)", "c@example.com", "-- 3 Kbytes in 2 Requests."} {
		if !strings.Contains(out, want) {
			t.Errorf("no %q in\n%s", want, out)
		}
	}
	if strings.Contains(out, "b@example.com") {
		t.Errorf("a recipient that is done:\n%s", out)
	}
	clear(pages)
	pages["pageToken"] = `{}`
	if exit, out, _ := w.run("", "-bp"); exit != 0 || out != "Mail queue is empty\n" {
		t.Error(exit, out)
	}
	clear(pages)
	if exit, out, stderr := w.run("", "-bp"); exit != exitUnavailable || out != "" || stderr == "" {
		t.Error(exit, out, stderr)
	}
}

func TestQueueRefused(t *testing.T) {
	t.Parallel()
	w := down(t)
	if exit, _, stderr := w.run("", "-bp"); exit != exitUnavailable || !strings.Contains(stderr, "daemon") {
		t.Error(exit, stderr)
	}
	w.raw("HTTP/1.1 403 x\r\n\r\n" + `{"code":"permission_denied","message":"scope read is missing"}`)
	if exit, _, stderr := w.run("", "-bp"); exit != exitPermission || !strings.Contains(stderr, "scope read") {
		t.Error(exit, stderr)
	}
}
