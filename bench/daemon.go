package main

import (
	"context"
	"encoding/json"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"google.golang.org/grpc"

	postilionv1 "github.com/postilion-mail/postilion/proto/gen/postilion/v1"
	"github.com/postilion-mail/postilion/sdk"
)

// owner is the client whose the mail of the benchmarks is. It may have any
// number of messages waiting.
const owner = "bench"

// daemon is `postilion serve` in folders of its own, with the client owner.
type daemon struct {
	*process
	folder string
	token  string // of owner
	smtp   string // host:port
	ready  time.Duration
}

// installDaemon prepares folders of a daemon with the given connections, of
// which the first is the default. It does not run yet.
func (b *bench) installDaemon(connections ...*postilionv1.Connection) *daemon {
	d := &daemon{folder: b.dir()}
	b.scope(func(b *bench) {
		b.launch(d)
		client := d.admin(b)
		created, err := client.Admin.CreateClient(b.ctx, &postilionv1.CreateClientRequest{WithToken: true, Client: &postilionv1.Client{
			Name: owner, MaxQueuedMessages: 10_000_000, MaxQueuedBytes: 1 << 40,
		}})
		b.fail(err)
		d.token = created.GetToken()
		for i, connection := range connections {
			b.configure(d, connection, i == 0)
		}
	})
	return d
}

// startDaemon is installDaemon for a daemon that runs, with its SMTP port open.
func (b *bench) startDaemon(connections ...*postilionv1.Connection) *daemon {
	d := b.installDaemon(connections...)
	b.launch(d, "--smtp-listen", "127.0.0.1:0", "--smtp-local-client", owner)
	return d
}

// launch starts a daemon and returns when it is ready.
func (b *bench) launch(d *daemon, args ...string) {
	b.launchBy(d, nil, args...)
}

// launchBy is launch under another program.
func (b *bench) launchBy(d *daemon, by []string, args ...string) {
	line := append(append([]string{}, by...), filepath.Join(b.programs, "postilion"), "serve")
	profile := ""
	if b.profile != "" && b.profiled != "" {
		self, err := os.Executable()
		b.fail(err)
		b.fail(os.MkdirAll(b.profile, 0o755))
		line = []string{self, profiled}
		profile = filepath.Join(b.profile, b.profiled+".pprof") // the last life's is what stays
	}
	line = append(line, "--data-dir", d.path("data"), "--run-dir", d.path("run"), "--maildrop-dir", d.path("maildrop"),
		"--grpc-listen", "off", "--http-listen", "off", "--log-format", "json", "--hostname", "bench.example.com", "--drain", "1s")
	command := exec.Command(line[0], append(line[1:], args...)...)
	command.Env = environment(profileVariable + "=" + profile)
	began := time.Now()
	d.process = b.start(command)
	b.await("the daemon is ready", func() bool {
		b.alive(d.process)
		for line := range strings.Lines(d.log.String()) {
			var entry struct{ Msg, SMTP string }
			if json.Unmarshal([]byte(line), &entry) == nil && entry.Msg == "ready" {
				d.smtp, d.ready = entry.SMTP, time.Since(began)
				return true
			}
		}
		return false
	})
}

func (d *daemon) path(parts ...string) string {
	return filepath.Join(append([]string{d.folder}, parts...)...)
}

func (d *daemon) pid() int { return d.command.Process.Pid }

func (d *daemon) httpSocket() string { return d.path("run", "postilion-http.sock") }

// admin gives the administrator's client.
func (d *daemon) admin(b *bench) *sdk.Client {
	return b.dial(d.path("data", "admin.sock"), "")
}

// client gives owner's gRPC client.
func (d *daemon) client(b *bench) *sdk.Client {
	return b.dial(d.path("run", "postilion.sock"), d.token)
}

func (b *bench) dial(socket, token string) *sdk.Client {
	// One message has up to 25 MiB, in base64 a third more.
	client, err := sdk.Dial(socket, sdk.WithToken(token), sdk.WithTimeout(patience),
		sdk.WithDialOptions(grpc.WithDefaultCallOptions(grpc.MaxCallSendMsgSize(64<<20))))
	b.fail(err)
	b.cleanup(func() { _ = client.Close() })
	return client
}

// web gives a client for the JSON socket, which keeps its connections.
func (d *daemon) web(b *bench) *http.Client {
	client := &http.Client{Timeout: patience, Transport: &http.Transport{
		MaxIdleConnsPerHost: 100,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "unix", d.httpSocket())
		},
	}}
	b.cleanup(client.CloseIdleConnections)
	return client
}

// memory reads the daemon's memory in MiB: see memory.
func (d *daemon) memory(b *bench, name string) float64 {
	value, err := memory(d.pid(), name)
	b.fail(err)
	return value
}

// configure makes or changes a connection, which makes it live at once.
func (b *bench) configure(d *daemon, connection *postilionv1.Connection, first bool) {
	_, err := d.admin(b).Mailer.Configure(b.ctx, &postilionv1.ConfigureRequest{Connection: connection, SetDefault: first})
	b.fail(err)
}

// relay is a connection to a server on this machine without TLS and login.
func relay(name string, port int) *postilionv1.Connection {
	return &postilionv1.Connection{Name: name, Shared: true, Transport: &postilionv1.Connection_Smtp{Smtp: &postilionv1.SmtpSettings{
		Host: "127.0.0.1", Port: uint32(port),
		Security: postilionv1.Security_SECURITY_NONE, Authentication: postilionv1.Authentication_AUTHENTICATION_NONE,
	}}}
}
