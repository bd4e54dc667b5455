// Package launch tries the daemon as the child of another program: by the Go
// client, by hashicorp/go-plugin, and by a program in Python.
package launch

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"
	goplugin "github.com/hashicorp/go-plugin"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/emptypb"

	"github.com/postilion-mail/postilion/internal/daemontest"
	"github.com/postilion-mail/postilion/internal/smtptest"
	postilionv1 "github.com/postilion-mail/postilion/proto/gen/postilion/v1"
	"github.com/postilion-mail/postilion/sdk"
)

// programs is the folder of the built programs.
var programs string

// parentVariable makes this program one that launches the daemon in the folder
// that it names, and then waits for its own end.
const parentVariable = "LAUNCH_TEST_PARENT"

func TestMain(m *testing.M) {
	if folder := os.Getenv(parentVariable); folder != "" {
		os.Exit(parent(folder))
	}
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

// parent launches a daemon and says which.
func parent(folder string) int {
	daemon, err := sdk.Launch(context.Background(), sdk.LaunchOptions{
		Binary: os.Getenv("LAUNCH_TEST_BINARY"), DataDir: folder, Log: os.Stderr,
	})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	fmt.Println(daemon.PID())
	select {}
}

func folder(t *testing.T) string {
	t.Helper()
	folder, err := daemontest.Folder()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(folder) })
	return folder
}

// launch starts a daemon on a folder; it ends with the test.
func launch(t *testing.T, folder string, args ...string) *sdk.Sidecar {
	t.Helper()
	log := &daemontest.Output{}
	daemon, err := sdk.Launch(t.Context(), sdk.LaunchOptions{
		Binary: filepath.Join(programs, "postilion"), DataDir: folder, Log: log, StartTimeout: daemontest.Patience, Args: args,
	})
	if err != nil {
		t.Fatalf("%v\n%s", err, log)
	}
	t.Cleanup(func() {
		if daemon.Err() == nil {
			stop(t, daemon)
		}
		if t.Failed() {
			t.Logf("the daemon's log:\n%s", log)
		}
	})
	return daemon
}

func stop(t *testing.T, daemon *sdk.Sidecar) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 2*daemontest.Patience)
	defer cancel()
	if err := daemon.Stop(ctx); err != nil {
		t.Errorf("stop: %v", err)
	}
}

// slow configures the daemon's default connection: a server that takes the
// recipient when the channel that it gives is closed.
func slow(t *testing.T, client *sdk.Client) (reached <-chan struct{}, release func()) {
	t.Helper()
	arrived, open := make(chan struct{}, 10), make(chan struct{})
	server := smtptest.Start(t, func(c *smtptest.Config) {
		c.Security = smtptest.Plain
		c.Recipient = func(string) error {
			arrived <- struct{}{}
			<-open
			return nil
		}
	})
	configure(t, client, server.Port())
	done := false
	release = func() {
		if !done {
			done = true
			close(open)
		}
	}
	t.Cleanup(release)
	return arrived, release
}

// configure has the daemon deliver to a port of this machine.
func configure(t *testing.T, client *sdk.Client, port int) {
	t.Helper()
	_, err := client.Mailer.Configure(t.Context(), &postilionv1.ConfigureRequest{
		SetDefault: true,
		Connection: &postilionv1.Connection{
			Name: "slow", AllowDestinations: []string{"127.0.0.1/32"},
			Transport: &postilionv1.Connection_Smtp{Smtp: &postilionv1.SmtpSettings{
				Host: "127.0.0.1", Port: uint32(port), Security: postilionv1.Security_SECURITY_NONE,
			}},
		},
	})
	if err != nil {
		t.Fatal(err)
	}
}

func await(t *testing.T, what string, c <-chan struct{}) {
	t.Helper()
	select {
	case <-c:
	case <-time.After(daemontest.Patience):
		t.Fatalf("waited in vain until %s", what)
	}
}

func send(t *testing.T, client *sdk.Client) string {
	t.Helper()
	receipt, err := client.Send(t.Context(), &sdk.Message{
		From: "shop@a.example", To: []string{"jane@b.example"}, Subject: "Hello", Text: "Hello.\n",
	})
	if err != nil {
		t.Fatal(err)
	}
	return receipt.GetId()
}

// sentOnce demands that a message has gone out at its first attempt.
func sentOnce(t *testing.T, client *sdk.Client, id string) {
	t.Helper()
	answer, err := client.Messages.GetMessage(t.Context(), &postilionv1.GetMessageRequest{Id: id})
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range answer.GetMessage().GetRecipients() {
		if r.GetState() != postilionv1.MessageState_MESSAGE_STATE_SENT || r.GetAttempts() != 1 || r.GetPossibleDuplicate() {
			t.Errorf("recipient %v", r)
		}
	}
}

// A launched daemon can be asked for everything, also for what needs admins,
// and stops in order: what is under way is finished.
func TestStopDrains(t *testing.T) {
	t.Parallel()
	dir := folder(t)
	daemon := launch(t, dir)
	reached, release := slow(t, daemon.Client)
	if _, err := daemon.Client.Admin.ListClients(t.Context(), &postilionv1.ListClientsRequest{}); err != nil {
		t.Error(err)
	}
	id := send(t, daemon.Client)
	await(t, "the message is on its way", reached)
	stopped := make(chan struct{})
	go func() { defer close(stopped); stop(t, daemon) }()
	awaitNotReady(t, dir)
	select {
	case <-stopped:
		t.Error("it did not wait for what was under way")
	default:
	}
	release()
	await(t, "the daemon has stopped", stopped)
	await(t, "Done is closed", daemon.Done())
	again := launch(t, dir)
	sentOnce(t, again.Client, id)
}

// awaitNotReady returns when the daemon of a folder says that it stops.
func awaitNotReady(t *testing.T, dir string) {
	t.Helper()
	conn, err := grpc.NewClient("unix://"+filepath.Join(dir, "admin.sock"), grpc.WithTransportCredentials(plain()))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	daemontest.Await(t, "the daemon is not ready any more", func() bool {
		answer, err := grpc_health_v1.NewHealthClient(conn).Check(t.Context(), &grpc_health_v1.HealthCheckRequest{})
		return err == nil && answer.GetStatus() == grpc_health_v1.HealthCheckResponse_NOT_SERVING
	})
}

// A parent that was killed leaves no orphan: the daemon ends by itself, in
// order, although nobody reads its log any more.
func TestParentKilled(t *testing.T) {
	t.Parallel()
	dir := folder(t)
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	command := exec.Command(self)
	command.Env = append(os.Environ(), parentVariable+"="+dir, "LAUNCH_TEST_BINARY="+filepath.Join(programs, "postilion"))
	out, err := command.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	var log daemontest.Output
	command.Stderr = &log
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = command.Process.Kill() })
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatalf("%v\n%s", err, &log)
	}
	pid, err := strconv.Atoi(strings.TrimSpace(line))
	if err != nil {
		t.Fatal(err)
	}
	client, err := sdk.Dial(filepath.Join(dir, "admin.sock"), sdk.WithToken(""))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = client.Close() }()
	reached, release := slow(t, client)
	id := send(t, client)
	await(t, "the message is on its way", reached)

	_ = command.Process.Kill()
	_ = command.Wait()
	awaitNotReady(t, dir)
	release()
	daemontest.Await(t, "the daemon has ended", func() bool { return ended(pid) })
	sentOnce(t, launch(t, dir).Client, id)
}

// ended tells whether a process is no more, or waits for init to hear of it.
func ended(pid int) bool {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	return err != nil || strings.Contains(string(stat), ") Z ")
}

// A daemon that is killed is told of, and what it had accepted is there at the
// next start.
func TestDaemonKilled(t *testing.T) {
	t.Parallel()
	dir := folder(t)
	daemon := launch(t, dir)
	id := send(t, daemon.Client) // kept, since nothing is configured
	if err := syscall.Kill(daemon.PID(), syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	await(t, "Done is closed", daemon.Done())
	if daemon.Err() == nil {
		t.Error("a daemon that was killed has ended in order")
	}
	again := launch(t, dir)
	if _, err := again.Client.Messages.GetMessage(t.Context(), &postilionv1.GetMessageRequest{Id: id}); err != nil {
		t.Error(err)
	}
}

// A stop that may not last kills.
func TestStopWithoutPatience(t *testing.T) {
	t.Parallel()
	daemon := launch(t, folder(t))
	silent := smtptest.StartScripted(t, smtptest.Script{Rules: []smtptest.Rule{{On: "MAIL", Do: smtptest.Silence()}}})
	configure(t, daemon.Client, silent.Port())
	id := send(t, daemon.Client)
	daemontest.Await(t, "the message is on its way", func() bool {
		answer, err := daemon.Client.Messages.GetMessage(t.Context(), &postilionv1.GetMessageRequest{Id: id})
		return err == nil && answer.GetMessage().GetState() == postilionv1.MessageState_MESSAGE_STATE_SENDING
	})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := daemon.Stop(ctx); err == nil {
		t.Error("it was stopped in order")
	}
	await(t, "Done is closed", daemon.Done())
}

func TestRefusals(t *testing.T) {
	t.Parallel()
	program := filepath.Join(programs, "postilion")
	taken := folder(t)
	launch(t, taken)
	for name, test := range map[string]struct {
		options sdk.LaunchOptions
		says    string
	}{
		"no directory":         {sdk.LaunchOptions{Binary: program}, "DataDir"},
		"no program":           {sdk.LaunchOptions{Binary: "/no/such/program", DataDir: folder(t)}, "Binary"},
		"another program":      {sdk.LaunchOptions{Binary: "/bin/echo", DataDir: folder(t)}, "is Binary the program postilion"},
		"a daemon's folder":    {sdk.LaunchOptions{Binary: program, DataDir: taken}, "has ended"},
		"a wrong flag":         {sdk.LaunchOptions{Binary: program, DataDir: folder(t), Args: []string{"--nonsense"}}, "nonsense"},
		"a mistaken setting":   {sdk.LaunchOptions{Binary: program, DataDir: folder(t), Args: []string{"--drain", "soon"}}, "drain"},
		"a program that hangs": {sdk.LaunchOptions{Binary: sleeper(t), DataDir: folder(t), StartTimeout: 100 * time.Millisecond}, "does not serve within"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			daemon, err := sdk.Launch(t.Context(), test.options)
			if err == nil {
				_ = daemon.Stop(context.Background())
				t.Fatal("it was launched")
			}
			t.Log(err)
			if !strings.Contains(err.Error(), test.says) {
				t.Errorf("%v does not say %q", err, test.says)
			}
		})
	}
}

// sleeper is a program that says nothing and does not end.
func sleeper(t *testing.T) string {
	t.Helper()
	file := filepath.Join(folder(t), "sleeper")
	if err := os.WriteFile(file, []byte("#!/bin/sh\nexec sleep 1000\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	return file
}

// mailer is how a program that uses go-plugin gets the services.
type mailer struct {
	goplugin.NetRPCUnsupportedPlugin
}

func (mailer) GRPCServer(*goplugin.GRPCBroker, *grpc.Server) error { return nil }

func (mailer) GRPCClient(_ context.Context, _ *goplugin.GRPCBroker, conn *grpc.ClientConn) (any, error) {
	return conn, nil
}

// The daemon is a plugin like any other for hashicorp/go-plugin.
func TestGoPlugin(t *testing.T) {
	t.Parallel()
	dir := folder(t)
	command := exec.Command(filepath.Join(programs, "postilion"), "serve", "--data-dir", dir, "--grpc-listen", "off", "--http-listen", "off")
	command.Env = daemontest.Environment()
	client := goplugin.NewClient(&goplugin.ClientConfig{
		HandshakeConfig:  goplugin.HandshakeConfig{ProtocolVersion: 1, MagicCookieKey: "POSTILION_SIDECAR", MagicCookieValue: "daemon"},
		Plugins:          goplugin.PluginSet{"mailer": mailer{}},
		AllowedProtocols: []goplugin.Protocol{goplugin.ProtocolGRPC},
		Cmd:              command, StartTimeout: daemontest.Patience, Logger: hclog.NewNullLogger(), SkipHostEnv: true,
	})
	defer client.Kill()
	protocol, err := client.Client()
	if err != nil {
		t.Fatal(err)
	}
	if err := protocol.Ping(); err != nil {
		t.Errorf("ping: %v", err)
	}
	dispensed, err := protocol.Dispense("mailer")
	if err != nil {
		t.Fatal(err)
	}
	receipt, err := postilionv1.NewMailerServiceClient(dispensed.(*grpc.ClientConn)).Send(t.Context(), (&sdk.Message{
		From: "shop@a.example", To: []string{"jane@b.example"}, Subject: "Hello", Text: "Hello.\n",
	}).Request())
	if err != nil || receipt.GetId() == "" {
		t.Errorf("send: %v, %v", receipt, err)
	}
	pid := command.Process.Pid
	client.Kill()
	if !ended(pid) {
		t.Error("the daemon has not ended")
	}
}

// Others than the parent cannot end the daemon.
func TestOnlyAdminsShutDown(t *testing.T) {
	t.Parallel()
	dir := folder(t)
	daemon := launch(t, dir)
	conn, err := grpc.NewClient("unix://"+filepath.Join(dir, "run", "postilion.sock"), grpc.WithTransportCredentials(plain()))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	err = conn.Invoke(t.Context(), "/plugin.GRPCController/Shutdown", &emptypb.Empty{}, &emptypb.Empty{})
	if code := status.Code(err); code != codes.PermissionDenied && code != codes.Unauthenticated {
		t.Errorf("shutdown through the public socket: %v", err)
	}
	send(t, daemon.Client)
}

// TestExamples runs the examples, in Go and in Python.
func TestExamples(t *testing.T) {
	t.Parallel()
	program := filepath.Join(programs, "postilion")
	for name, test := range map[string]struct {
		command *exec.Cmd
		says    []string
	}{
		"go": {exec.Command("go", "run", "../../examples/launch", "-binary", program, "you@example.com"),
			[]string{"the daemon runs as process", "you@example.com MESSAGE_STATE_SENT kept as", "the daemon has stopped"}},
		"python": {exec.Command("../../examples/launch/launch.py", program, filepath.Join(folder(t), "mail"), "you@example.com"),
			[]string{"sent by the daemon's process", "kept as", "the daemon has stopped with 0"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test.command.Env = daemontest.Environment()
			output, err := test.command.CombinedOutput()
			t.Logf("%s", output)
			if err != nil {
				t.Fatal(err)
			}
			for _, text := range test.says {
				if !strings.Contains(string(output), text) {
					t.Errorf("no %q in\n%s", text, output)
				}
			}
		})
	}
}

func plain() credentials.TransportCredentials { return insecure.NewCredentials() }
