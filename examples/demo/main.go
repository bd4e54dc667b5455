// Command demo shows Postilion at work on a machine that has only Go: it
// builds the programs, starts a daemon in a temporary directory and a mail
// server that stands in for a provider, sends in three ways, and shows what
// arrived.
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/postilion-mail/postilion/internal/smtptest"
	postilionv1 "github.com/postilion-mail/postilion/proto/gen/postilion/v1"
	"github.com/postilion-mail/postilion/sdk"
)

// patience is how long anything may take before the demo gives up.
const patience = 60 * time.Second

const (
	user     = "shop@provider.example"
	password = "correct-horse-battery-staple"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := demonstrate(ctx)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "demo:", err)
		os.Exit(1)
	}
}

// demo is the stage: a directory, the programs, the provider.
type demo struct {
	directory string
	provider  *smtptest.Server
	step      int
}

func demonstrate(ctx context.Context) (err error) {
	directory, err := os.MkdirTemp("", "postilion-demo")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(directory) }()
	d := &demo{directory: directory}

	d.tell("Building postilion and postilion-sendmail")
	if err := d.build(ctx); err != nil {
		return err
	}
	built := time.Now()

	d.tell("Starting a mail server that stands in for your provider: it demands STARTTLS and a login")
	d.provider, err = smtptest.New(smtptest.Config{Domain: "smtp.provider.example", Accounts: map[string]string{user: password}})
	if err != nil {
		return err
	}
	defer d.provider.Stop()
	fmt.Printf("  it listens at localhost:%d\n", d.provider.Port())

	d.tell("Starting the daemon; whatever it accepts is on disk before it says so")
	daemon, err := d.serve(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, daemon.stop()) }()

	for _, act := range []func(context.Context) error{
		d.configure, d.sendByGRPC, d.sendByJSON, d.sendBySendmail, d.showArrived,
	} {
		if err := act(ctx); err != nil {
			return fmt.Errorf("%w\nthe daemon's log:\n%s", err, daemon.log())
		}
	}
	fmt.Printf("\nThat was it, in %.1f s after building. Next: docs/getting-started.md\n", time.Since(built).Seconds())
	return nil
}

func (d *demo) tell(text string) {
	d.step++
	fmt.Printf("\n%d. %s\n", d.step, text)
}

func (d *demo) path(parts ...string) string {
	return filepath.Join(append([]string{d.directory}, parts...)...)
}

func (d *demo) build(ctx context.Context) error {
	module, err := exec.CommandContext(ctx, "go", "list", "-m", "-f", "{{.Dir}}").Output()
	if err != nil {
		return fmt.Errorf("go list: %w; run the demo within the repository", err)
	}
	build := exec.CommandContext(ctx, "go", "build", "-buildvcs=false", "-o", d.path("bin")+"/", "./cmd/postilion", "./cmd/postilion-sendmail")
	build.Dir = strings.TrimSpace(string(module))
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	build.Stderr = os.Stderr
	return build.Run()
}

// show runs one of the programs, and prints the command line and what it says.
func (d *demo) show(ctx context.Context, stdin string, environment []string, name string, args ...string) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	fmt.Printf("  $ %s %s\n", name, strings.Join(quote(args), " "))
	command := exec.CommandContext(ctx, d.path("bin", name), args...)
	command.Env = append(os.Environ(), environment...)
	command.Stdin = strings.NewReader(stdin)
	output, err := command.CombinedOutput()
	for line := range strings.Lines(string(output)) {
		fmt.Print("    ", line)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	return nil
}

func quote(args []string) []string {
	var quoted []string
	for _, arg := range args {
		if strings.ContainsAny(arg, " <>") {
			arg = `"` + arg + `"`
		}
		quoted = append(quoted, arg)
	}
	return quoted
}

// postilion runs the command line against the daemon.
func (d *demo) postilion(ctx context.Context, stdin string, args ...string) error {
	return d.show(ctx, stdin, []string{"POSTILION_DATA_DIR=" + d.path("data")}, "postilion", args...)
}

func (d *demo) configure(ctx context.Context) error {
	authority := d.path("ca.pem")
	if err := os.WriteFile(authority, []byte(d.provider.CA().PEM()), 0o600); err != nil {
		return err
	}
	d.tell("Telling the daemon about the provider, once for all applications; the password comes by standard input and is kept encrypted")
	err := d.postilion(ctx, password, "configure", "provider", "--host", "localhost", "--port", fmt.Sprint(d.provider.Port()),
		"--ca-file", authority, "--username", user, "--password-file", "-", "--from", "shop@example.com", "--from-name", "The Shop", "--shared")
	if err != nil {
		return err
	}
	d.tell("Testing it: every stage, in the server's own words")
	return d.postilion(ctx, "", "test", "provider")
}

func (d *demo) sendByGRPC(ctx context.Context) error {
	d.tell("Sending by gRPC, from Go (any language with gRPC does the same)")
	client, err := sdk.Dial(d.path("data", "run", "postilion.sock"), sdk.WithToken(""))
	if err != nil {
		return err
	}
	defer func() { _ = client.Close() }()
	began := time.Now()
	receipt, err := client.Send(ctx, &sdk.Message{
		To: []string{"Jürgen <jurgen@example.net>"}, Subject: "Grüße by gRPC", Text: "Handed over by gRPC.\n",
	})
	if err != nil {
		return err
	}
	fmt.Printf("  accepted in %.1f ms as %s\n", float64(time.Since(began).Microseconds())/1000, receipt.GetId())
	return nil
}

func (d *demo) sendByJSON(ctx context.Context) error {
	d.tell("Sending by JSON, as curl and PHP do")
	socket := d.path("data", "run", "postilion-http.sock")
	body := `{"message": {"to": [{"address": "jane@example.net"}], "subject": "Hello by JSON", "text": "Handed over by JSON."}}`
	fmt.Printf("  $ curl --unix-socket %s http://postilion/postilion.v1.MailerService/Send \\\n      -H 'Content-Type: application/json' -d '%s'\n", socket, body)
	client := &http.Client{Timeout: patience, Transport: &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "unix", socket)
		},
	}}
	defer client.CloseIdleConnections()
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://postilion/postilion.v1.MailerService/Send", strings.NewReader(body))
	if err != nil {
		return err
	}
	request.Header.Set("Content-Type", "application/json")
	response, err := client.Do(request)
	if err != nil {
		return err
	}
	defer func() { _ = response.Body.Close() }()
	answer, err := io.ReadAll(response.Body)
	if err != nil {
		return err
	}
	var short bytes.Buffer
	if json.Compact(&short, answer) == nil {
		answer = short.Bytes()
	}
	fmt.Printf("    %s\n", answer)
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("HTTP status %s", response.Status)
	}
	return nil
}

func (d *demo) sendBySendmail(ctx context.Context) error {
	d.tell("Sending by sendmail, as PHP's mail(), cron and everything else on a Unix machine does")
	message := "To: joe@example.net\nSubject: Hello by sendmail\n\nHanded over by sendmail.\n"
	return d.show(ctx, message, []string{
		"POSTILION_SOCKET=" + d.path("data", "run", "postilion-http.sock"),
		"POSTILION_MAILDROP_DIR=" + d.path("data", "maildrop"),
	}, "postilion-sendmail", "-t", "-i")
}

func (d *demo) showArrived(ctx context.Context) error {
	d.tell("What arrived at the provider")
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	messages, err := d.provider.Wait(ctx, 3)
	if err != nil {
		return fmt.Errorf("not all three messages arrived: %w", err)
	}
	for _, message := range messages {
		fmt.Printf("  %s\n", arrival(message))
		if !message.TLS || message.AuthUser != user {
			return errors.New("a message came without TLS or without login")
		}
	}
	d.tell("And what the daemon says became of them")
	return d.settled(ctx)
}

// settled waits until the daemon has stored the outcomes, and lists them.
func (d *demo) settled(ctx context.Context) error {
	client, err := sdk.Dial(d.path("data", "admin.sock"), sdk.WithToken(""))
	if err != nil {
		return err
	}
	defer func() { _ = client.Close() }()
	stream, err := client.Messages.WatchEvents(ctx, &postilionv1.WatchEventsRequest{
		AfterSequence: new(int64), Types: []postilionv1.EventType{postilionv1.EventType_EVENT_TYPE_SENT},
	})
	if err != nil {
		return err
	}
	for range 3 {
		if _, err := stream.Recv(); err != nil {
			return err
		}
	}
	return d.postilion(ctx, "", "messages", "list")
}
