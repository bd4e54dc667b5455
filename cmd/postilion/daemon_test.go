package main

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/postilion-mail/postilion/cmd/postilion/internal/cli"
	"github.com/postilion-mail/postilion/internal/config"
	"github.com/postilion-mail/postilion/internal/dnstest"
	"github.com/postilion-mail/postilion/internal/smtptest"
	"github.com/postilion-mail/postilion/server"
)

// The exit codes of cli.
const (
	exitFailed     = 1
	exitData       = 65
	exitPermission = 77
)

// daemon is a running daemon, by its data directory.
type daemon struct{ data string }

// result is what a command left behind.
type result struct {
	code     int
	out, err string
}

// run runs a command against the daemon.
func (d *daemon) run(t *testing.T, args ...string) result {
	t.Helper()
	return run(t, append([]string{"--data-dir", d.data}, args...)...)
}

func run(t *testing.T, args ...string) result {
	t.Helper()
	var out, errors bytes.Buffer
	code := cli.Run(t.Context(), args, process(&out, &errors))
	return result{code, out.String(), errors.String()}
}

// process has an empty environment.
func process(out, errors io.Writer) cli.Process {
	return cli.Process{
		In: strings.NewReader(""), Out: out, Err: errors, UID: os.Geteuid(), Now: time.Now,
		Getenv: func(string) string { return "" }, Environ: func() []string { return nil },
	}
}

func (r result) want(t *testing.T, code int, texts ...string) {
	t.Helper()
	if r.code != code {
		t.Errorf("exit %d, want %d\n%s%s", r.code, code, r.out, r.err)
	}
	for _, text := range texts {
		if !strings.Contains(r.out+r.err, text) {
			t.Errorf("no %q in\n%s%s", text, r.out, r.err)
		}
	}
}

func write(t *testing.T, name, content string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// startDaemon runs the daemon itself through `serve`, on a data directory of its own.
func startDaemon(t *testing.T) *daemon {
	t.Helper()
	d, _ := serveOn(t, shortDir(t))
	return d
}

// shortDir is a private directory whose path leaves room for sockets' names.
func shortDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "cli")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return dir
}

// serveOn runs the daemon on a data directory until stop is called, or the test
// ends.
func serveOn(t *testing.T, data string, flags ...string) (d *daemon, stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	ready, ended := make(chan struct{}), make(chan int, 1)
	var log strings.Builder
	go func() {
		here := process(&log, &log)
		here.Serve = func(ctx context.Context, configuration *config.Config, log *slog.Logger) error {
			return server.Run(ctx, configuration, server.Options{Version: "real", Log: log, Ready: func(server.Addresses) { close(ready) }})
		}
		ended <- cli.Run(ctx, append([]string{"serve", "--data-dir", data, "--grpc-listen", "off", "--http-listen", "off"}, flags...), here)
	}()
	stop = sync.OnceFunc(func() {
		cancel()
		if code := <-ended; code != 0 || t.Failed() {
			t.Errorf("serve: exit %d\n%s", code, log.String())
		}
	})
	t.Cleanup(stop)
	select {
	case <-ready:
	case code := <-ended:
		ended <- code
		t.Fatal("the daemon did not start")
	}
	return &daemon{data: data}, stop
}

// until runs a command again and again until it says what is wanted.
func (d *daemon) until(t *testing.T, text string, args ...string) {
	t.Helper()
	for deadline := time.Now().Add(60 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		result := d.run(t, args...)
		if strings.Contains(result.out, text) {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("no %q:\n%s%s", text, result.out, result.err)
		}
	}
}

// TestWrongPassword is the story of a person who gives a wrong password, sees
// why nothing goes out, and mends it.
func TestWrongPassword(t *testing.T) {
	t.Parallel()
	provider := smtptest.Start(t, smtptest.Account("u@example.com", "right"))
	d, _ := serveOn(t, shortDir(t), "--dns-server", dnstest.Start(t, "").Address())
	d.run(t, "doctor").want(t, 0, "no connection delivers yet")
	port := regexp.MustCompile(`\d+$`).FindString(provider.Address())
	d.run(t, "configure", "main", "--host", "localhost", "--port", port, "--ca-file", write(t, "ca.pem", provider.CA().PEM()),
		"--username", "u@example.com", "--password-file", write(t, "password", "wrong"), "--from", "shop@example.com").
		want(t, 0, "created", "messages that name no connection go here")
	d.run(t, "test", "main").want(t, exitFailed, "✓ tls", "✗ auth", "535")
	d.run(t, "send", "--to", "jane@example.net", "--subject", "Grüße", "--text", "Hello.", "--wait", "30s", "--tag", "t").want(t, 0, "accepted", "535")
	d.until(t, "535", "connections", "list")
	d.run(t, "connections", "list").want(t, 0, "main (default)", "paused", "alarm: ")
	d.run(t, "messages", "list", "--state", "deferred", "--tag", "t").want(t, 0, "deferred", "jane@example.net", "next attempt", "535")
	d.run(t, "doctor", "--no-test").want(t, exitFailed, "✗ connection admin/main: paused", "1 recipient is waiting for another attempt")

	d.run(t, "configure", "main", "--host", "127.0.0.1").want(t, exitData, "password")
	d.run(t, "configure", "main", "--password-file", write(t, "password", "right")).want(t, 0, "changed")
	messages := provider.Messages(1)
	if messages[0].AuthUser != "u@example.com" || !messages[0].TLS {
		t.Errorf("%+v", messages[0])
	}
	d.until(t, "sent", "messages", "list", "--recipient", "jane@example.net")
	d.run(t, "test", "main").want(t, 0, "All stages passed", "certificate of localhost")
	d.run(t, "doctor", "--no-test").want(t, 0, "✓ connection: 1 that deliver", "✓ queue: ")
}

// TestEveryCommand tries the commands against the daemon itself.
func TestEveryCommand(t *testing.T) {
	t.Parallel()
	d := startDaemon(t)
	d.run(t, "version").want(t, 0, "daemon    real", "client admin")
	d.run(t, "configure", "kept", "--transport", "capture", "--setting", "keep=7", "--display-name", "Kept").want(t, 0, "kept: created: capture")
	shown := d.run(t, "connections", "show", "kept")
	shown.want(t, 0, `"keep": 7`)
	d.run(t, "configure", "again", "--file", write(t, "c.yaml", "custom: {transport: capture, settings: {keep: 8}}")).want(t, 0, "again: created")
	d.run(t, "configure", "again", "--setting", "keep=nonsense").want(t, exitData, "keep")
	d.run(t, "connections", "default", "kept").want(t, 0)
	d.run(t, "connections", "list").want(t, 0, "kept (default)", "again")
	d.run(t, "routes", "set", "--file", write(t, "r.yaml", "routes:\n- tags: [news]\n  connection: again\n")).want(t, 0)
	d.run(t, "routes", "list").want(t, 0, "tag news", "again")
	d.run(t, "test", "kept").want(t, 0, "All stages passed")

	d.run(t, "send", "--from", "a@example.com", "--to", "b@example.com", "--text", "x", "--tag", "news", "--wait", "30s").want(t, 0, "sent, through again")
	id := d.send(t, "--send-at", "+1h")
	d.run(t, "messages", "raw", id).want(t, 0, "Subject: later")
	d.run(t, "messages", "hold", id, "--reason", "odd").want(t, 0, "held")
	d.run(t, "messages", "list", "--state", "held").want(t, 0, id, "odd")
	d.run(t, "messages", "cancel", id).want(t, 0, "cancelled")
	d.run(t, "messages", "cancel", id).want(t, exitFailed)
	d.run(t, "messages", "show", id).want(t, 0, "cancelled", "b@example.com")
	d.run(t, "messages", "events", id).want(t, 0, "accepted", "held", "cancelled")
	id = d.send(t, "--send-at", "+1h")
	d.run(t, "messages", "hold", id).want(t, 0, "held")
	d.run(t, "messages", "release", id).want(t, 0, id)
	d.run(t, "messages", "events", id, "--type", "released").want(t, 0, "released")
	d.run(t, "messages", "show", "00000000-0000-7000-8000-000000000000").want(t, exitFailed)

	d.run(t, "clients", "create", "shop", "--scope", "send,read", "--per-day", "9").want(t, 0, "client shop: scopes send, read", "pst_")
	d.run(t, "clients", "token", "create", "shop").want(t, 0, "pst_")
	d.run(t, "clients", "update", "shop", "--scope", "send").want(t, 0, "client shop: scopes send")
	d.run(t, "clients", "list").want(t, 0, "shop")
	tokens := d.run(t, "clients", "token", "list", "shop", "--json").out
	var token struct{ ID string }
	if err := json.Unmarshal([]byte(strings.SplitAfter(tokens, "\n")[0]), &token); err != nil {
		t.Fatal(err)
	}
	d.run(t, "clients", "token", "revoke", "shop", token.ID).want(t, 0, "revoked")
	d.run(t, "clients", "delete", "shop").want(t, 0, "deleted")
	d.run(t, "connections", "delete", "again").want(t, exitFailed, "route")
	d.run(t, "routes", "set", "--file", write(t, "r.yaml", "routes: []")).want(t, 0)
	d.run(t, "connections", "delete", "again").want(t, 0, "deleted")
	public := filepath.Join(d.data, "run", "postilion.sock")
	run(t, "--socket", public, "messages", "list").want(t, exitPermission)
}

// send gives the id of a message for b@example.com.
func (d *daemon) send(t *testing.T, args ...string) string {
	t.Helper()
	result := d.run(t, append([]string{"send", "--from", "a@example.com", "--to", "b@example.com", "--subject", "later", "--text", "x", "--json"}, args...)...)
	var receipt struct{ ID string }
	if err := json.Unmarshal([]byte(result.out), &receipt); err != nil {
		t.Fatalf("%v\n%+v", err, result)
	}
	return receipt.ID
}
