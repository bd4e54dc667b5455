// Package examples_test runs every example against the real daemon.
package examples_test

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	postilionv1 "github.com/postilion-mail/postilion/proto/gen/postilion/v1"
	"github.com/postilion-mail/postilion/sdk"
)

// patience is how long anything may take before a test gives up.
const patience = 60 * time.Second

// TestDemo runs the demo as `make demo` does.
func TestDemo(t *testing.T) {
	t.Parallel()
	demo := filepath.Join(t.TempDir(), "demo")
	command(t, ".", nil, "go", "build", "-o", demo, "./demo")
	output := command(t, ".", nil, demo)
	for _, text := range []string{`"Grüße by gRPC"`, `"Hello by JSON"`, `"Hello by sendmail"`, "All stages passed"} {
		if !strings.Contains(output, text) {
			t.Errorf("no %s in\n%s", text, output)
		}
	}
	if count := strings.Count(output, "TLS, logged in as shop@provider.example"); count != 3 {
		t.Errorf("%d messages came with TLS and login, want 3\n%s", count, output)
	}
}

// TestExamples runs the examples one after the other, since each is to find
// its own message as the newest.
func TestExamples(t *testing.T) {
	t.Parallel()
	bin := t.TempDir()
	command(t, "..", []string{"CGO_ENABLED=0"}, "go", "build", "-o", bin+"/", "./cmd/postilion", "./cmd/postilion-sendmail", "./examples/go")
	data := serve(t, filepath.Join(bin, "postilion"))
	client, err := sdk.Dial(filepath.Join(data, "admin.sock"), sdk.WithToken(""))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = client.Close() })
	await(t, client)

	environment := []string{
		"POSTILION_SOCKET=" + filepath.Join(data, "run", "postilion-http.sock"),
		"POSTILION_MAILDROP_DIR=" + filepath.Join(data, "maildrop"),
		"POSTILION_SENDMAIL=" + filepath.Join(bin, "postilion-sendmail"),
		"POSTILION_TOKEN=", "POSTILION_TOKEN_FILE=", "POSTILION_ADDRESS=",
	}
	for _, example := range []struct{ program, subject string }{
		{filepath.Join(bin, "go"), "Your order, with greetings from Go: Grüße"},
		{"./curl/send.sh", "Your order, with greetings from curl: Grüße"},
		{"./python/send.py", "Your order, with greetings from Python: Grüße"},
		{"./django/send.py", "Your order, with greetings from Django: Grüße"},
		{"./nodemailer/run.sh", "Your order, with greetings from Nodemailer: Grüße"},
		{"./rails/send.rb", "Your order, with greetings from Rails: Grüße"},
		{"./php-mail/run.sh", "Your order, with greetings from PHP: Grüße"},
		{"./php-plain/send.php", "Your order, with greetings from PHP's client: Grüße"},
		{"./phpmailer/send.php", "Your order, with greetings from PHPMailer: Grüße"},
		{"./symfony/send.php", "Your order, with greetings from Symfony: Grüße"},
		{"./mediawiki/run.sh", "Account details on Wiki"},
		{"./wordpress/run.sh", "[Blog] Password Reset"},
	} {
		command(t, ".", environment, example.program, "you@example.com")
		answer, err := client.Messages.ListMessages(t.Context(), &postilionv1.ListMessagesRequest{PageSize: 1})
		if err != nil {
			t.Fatal(err)
		}
		if len(answer.GetMessages()) != 1 {
			t.Fatalf("%s: no message", example.program)
		}
		message := answer.GetMessages()[0]
		if message.GetSubject() != example.subject || message.GetRecipients()[0].GetAddress() != "you@example.com" {
			t.Errorf("%s: %v", example.program, message)
		}
	}
}

// serve runs the daemon with a new data directory until the test ends.
func serve(t *testing.T, program string) (data string) {
	t.Helper()
	data, err := os.MkdirTemp("", "ex") // short, for the sockets
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(data) })
	var log bytes.Buffer
	daemon := exec.Command(program, "serve", "--data-dir", data, "--grpc-listen", "off", "--http-listen", "off")
	daemon.Stdout, daemon.Stderr = &log, &log
	if err := daemon.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		kill := time.AfterFunc(2*patience, func() { _ = daemon.Process.Kill() })
		defer kill.Stop()
		_ = daemon.Process.Signal(syscall.SIGTERM)
		if err := daemon.Wait(); err != nil || t.Failed() {
			t.Errorf("the daemon: %v\n%s", err, log.String())
		}
	})
	return data
}

// await returns when the daemon answers.
func await(t *testing.T, client *sdk.Client) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	for {
		_, err := client.Admin.GetServerInfo(ctx, &postilionv1.GetServerInfoRequest{})
		if err == nil {
			return
		}
		select {
		case <-ctx.Done():
			t.Fatalf("the daemon does not answer: %v", err)
		case <-time.After(10 * time.Millisecond):
		}
	}
}

// command runs a program and gives what it printed; the test fails if it does.
func command(t *testing.T, directory string, environment []string, name string, args ...string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*patience)
	defer cancel()
	program := exec.CommandContext(ctx, name, args...)
	program.Dir = directory
	program.Env = append(os.Environ(), environment...)
	output, err := program.CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v\n%s", name, err, output)
	}
	return string(output)
}
