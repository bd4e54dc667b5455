// Package fault puts the real daemon into a faulty world: disks that fail or
// are full, descriptors that run out, signals at the wrong time, an environment
// that misleads it. What it promises has to hold, and it has to come back by
// itself.
package fault

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/postilion-mail/postilion/internal/daemontest"
	"github.com/postilion-mail/postilion/internal/smtptest"
	postilionv1 "github.com/postilion-mail/postilion/proto/gen/postilion/v1"
)

const (
	sent     = postilionv1.MessageState_MESSAGE_STATE_SENT
	deferred = postilionv1.MessageState_MESSAGE_STATE_DEFERRED
	failed   = postilionv1.MessageState_MESSAGE_STATE_FAILED

	serving    = grpc_health_v1.HealthCheckResponse_SERVING
	notServing = grpc_health_v1.HealthCheckResponse_NOT_SERVING
)

// programs is the folder of the built programs.
var programs string

func TestMain(m *testing.M) {
	os.Exit(build(m))
}

func build(m *testing.M) int {
	folder, err := daemontest.Folder()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(folder)
	programs = folder
	if err := daemontest.Build(folder); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return m.Run()
}

// need fails the test unless it is root's and the programs are installed.
func need(t *testing.T, names ...string) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Fatal("this test mounts or traces: run it as root")
	}
	for _, name := range names {
		if _, err := exec.LookPath(name); err != nil {
			t.Fatalf("%s is not installed: run scripts/setup as root", name)
		}
	}
}

// daemon is the real one, with an admin's client of it.
type daemon struct {
	*daemontest.Daemon
	postilionv1.MailerServiceClient
	postilionv1.ConnectionServiceClient
	postilionv1.MessageServiceClient
	postilionv1.AdminServiceClient
	grpc_health_v1.HealthClient
}

// prepare gives a daemon in a folder of its own that was not started yet.
func prepare(t *testing.T, args ...string) *daemon {
	t.Helper()
	folder, err := daemontest.Folder()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(folder) })
	d := &daemon{Daemon: daemontest.New(t, programs, folder, args...)}
	d.use("unix://" + d.AdminSocket())
	return d
}

// use makes calls go to a target, and reconnects soon after a restart.
func (d *daemon) use(target string) {
	d.T.Helper()
	conn, err := grpc.NewClient(target, grpc.WithTransportCredentials(insecure.NewCredentials()), grpc.WithNoProxy(),
		grpc.WithConnectParams(grpc.ConnectParams{
			Backoff: backoff.Config{BaseDelay: 10 * time.Millisecond, Multiplier: 1.5, MaxDelay: 100 * time.Millisecond}, MinConnectTimeout: daemontest.Patience,
		}))
	if err != nil {
		d.T.Fatal(err)
	}
	d.T.Cleanup(func() { _ = conn.Close() })
	d.MailerServiceClient, d.ConnectionServiceClient = postilionv1.NewMailerServiceClient(conn), postilionv1.NewConnectionServiceClient(conn)
	d.MessageServiceClient, d.AdminServiceClient = postilionv1.NewMessageServiceClient(conn), postilionv1.NewAdminServiceClient(conn)
	d.HealthClient = grpc_health_v1.NewHealthClient(conn)
}

// start gives a running daemon.
func start(t *testing.T, args ...string) *daemon {
	t.Helper()
	d := prepare(t, args...)
	d.Start()
	return d
}

func (d *daemon) ctx() context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), daemontest.Patience)
	d.T.Cleanup(cancel)
	return ctx
}

// plain makes a server without TLS.
func plain(c *smtptest.Config) { c.Security = smtptest.Plain }

// deliverTo makes a server the way out, with attempts every second.
func (d *daemon) deliverTo(provider *smtptest.Server) {
	d.T.Helper()
	_, err := d.Configure(d.ctx(), &postilionv1.ConfigureRequest{SetDefault: true, Connection: &postilionv1.Connection{
		Name: "provider",
		Transport: &postilionv1.Connection_Smtp{Smtp: &postilionv1.SmtpSettings{
			Host: "127.0.0.1", Port: uint32(provider.Port()),
			Security: postilionv1.Security_SECURITY_NONE, Authentication: postilionv1.Authentication_AUTHENTICATION_NONE,
		}},
		Retry: &postilionv1.RetryPolicy{Schedule: []*durationpb.Duration{durationpb.New(time.Second)}},
	}}, grpc.WaitForReady(true))
	if err != nil {
		d.T.Fatal(err)
	}
}

// letter is a message that can be sent, of so many octets at least.
func letter(key string, size int, to ...string) *postilionv1.SendRequest {
	m := &postilionv1.StructuredMessage{
		From: &postilionv1.Address{Address: "shop@example.com"}, Subject: key, Text: strings.Repeat("A line of the text.\n", 1+size/20),
	}
	for _, a := range to {
		m.To = append(m.To, &postilionv1.Address{Address: a})
	}
	return &postilionv1.SendRequest{Content: &postilionv1.SendRequest_Message{Message: m}, IdempotencyKey: strings.ReplaceAll(key, " ", "-")}
}

// send sends what must be accepted, and gives its id.
func (d *daemon) send(request *postilionv1.SendRequest) string {
	d.T.Helper()
	answer, err := d.Send(d.ctx(), request, grpc.WaitForReady(true))
	if err != nil {
		d.T.Fatal(err)
	}
	return answer.GetId()
}

// state gives a message as it is.
func (d *daemon) message(id string) *postilionv1.StoredMessage {
	d.T.Helper()
	answer, err := d.GetMessage(d.ctx(), &postilionv1.GetMessageRequest{Id: id}, grpc.WaitForReady(true))
	if err != nil {
		d.T.Fatal(err)
	}
	return answer.GetMessage()
}

// awaitState awaits a message's state.
func (d *daemon) awaitState(id string, state postilionv1.MessageState) {
	d.T.Helper()
	daemontest.Await(d.T, "message "+id+" is "+state.String(), func() bool { return d.message(id).GetState() == state })
}

// awaitHealth awaits what the health service says.
func (d *daemon) awaitHealth(want grpc_health_v1.HealthCheckResponse_ServingStatus) {
	d.T.Helper()
	daemontest.Await(d.T, "the daemon's health is "+want.String(), func() bool {
		answer, err := d.Check(d.ctx(), &grpc_health_v1.HealthCheckRequest{})
		return err == nil && answer.GetStatus() == want
	})
}

// once checks that each message arrived, and twice only where the daemon says
// that it may have.
func (d *daemon) once(provider *smtptest.Server, ids map[string]string) {
	d.T.Helper()
	arrived := make(map[string]int)
	for _, m := range provider.Messages(0) {
		_, rest, _ := strings.Cut(string(m.Content), "\nSubject: ")
		subject, _, _ := strings.Cut(rest, "\r\n")
		arrived[subject]++
	}
	for key, id := range ids {
		n := arrived[key]
		if n == 0 {
			d.T.Errorf("%s was accepted and is lost", key)
		}
		if n > 1 && !d.message(id).GetRecipients()[0].GetPossibleDuplicate() {
			d.T.Errorf("%s arrived %d times, and nothing says so", key, n)
		}
	}
}

// run starts a helping program that ends with the test at the latest, and
// gives what it says and a function that ends it.
func run(t *testing.T, name string, args ...string) (*daemontest.Output, func()) {
	t.Helper()
	output := &daemontest.Output{}
	command := exec.Command(name, args...)
	command.Stdout, command.Stderr = output, output
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	ended := false
	end := func() {
		if !ended {
			ended = true
			_ = command.Process.Signal(syscall.SIGTERM)
			_ = command.Wait()
		}
	}
	t.Cleanup(end)
	return output, end
}
