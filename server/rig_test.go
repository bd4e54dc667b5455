package server

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	"github.com/postilion-mail/postilion/internal/config"
	"github.com/postilion-mail/postilion/internal/smtptest"
	postilionv1 "github.com/postilion-mail/postilion/proto/gen/postilion/v1"
	"github.com/postilion-mail/postilion/server/internal/plugins"
)

// patience bounds every wait of these tests; it is for machines that are busy.
const patience = 60 * time.Second

// rig is a daemon that runs for one test, or a part of it.
type rig struct {
	t       *testing.T
	cfg     config.Config
	addr    Addresses
	admin   caller // through the admin socket
	log     *logBuffer
	plugins func(*plugins.Options) // changes them
	cancel  context.CancelFunc
	done    chan error
}

// newRig makes a data directory with a short path, since a socket's may have
// 107 octets only, and starts a daemon on it.
func newRig(t *testing.T, change ...func(*config.Config)) *rig {
	t.Helper()
	r := preparedRig(t, change...)
	r.start()
	return r
}

// preparedRig is newRig without the start.
func preparedRig(t *testing.T, change ...func(*config.Config)) *rig {
	t.Helper()
	dir := shortDir(t)
	cfg := config.Default()
	cfg.DataDir, cfg.RunDir, cfg.MaildropDir = filepath.Join(dir, "d"), filepath.Join(dir, "r"), filepath.Join(dir, "d", "maildrop")
	cfg.GRPCListen, cfg.HTTPListen, cfg.Hostname = "127.0.0.1:0", "127.0.0.1:0", "mail.example.com"
	cfg.Drain = 5 * time.Second
	for _, c := range change {
		c(&cfg)
	}
	r := &rig{t: t, cfg: cfg, log: &logBuffer{}}
	r.plugins = func(o *plugins.Options) { o.StartTimeout = patience }
	t.Cleanup(r.stop)
	return r
}

func shortDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "pst")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o711); err != nil { // plugins may be other users
		t.Fatal(err)
	}
	return dir
}

func (r *rig) start() {
	r.t.Helper()
	err := r.launch()
	// A process that another test starts has, until it is another program, our
	// files open, and among them the lock.
	for late := time.Now().Add(patience); err != nil && strings.Contains(err.Error(), "in use by another daemon") && time.Now().Before(late); {
		err = r.launch()
	}
	if err != nil {
		r.t.Fatalf("the daemon did not start: %v", err)
	}
	r.admin = r.dial("unix://"+r.addr.AdminSocket, "")
}

// launch starts the daemon and waits until it serves.
func (r *rig) launch() error {
	ctx, cancel := context.WithCancel(context.Background())
	ready := make(chan Addresses, 1)
	r.cancel, r.done = cancel, make(chan error, 1)
	done, cfg, change := r.done, r.cfg, r.plugins
	go func() {
		done <- Run(ctx, &cfg, Options{
			Version: "test", Ready: func(a Addresses) { ready <- a }, plugins: change,
			Log: slog.New(slog.NewTextHandler(r.log, &slog.HandlerOptions{Level: slog.LevelDebug})),
		})
	}()
	select {
	case r.addr = <-ready:
		return nil
	case err := <-done:
		cancel()
		r.cancel = nil
		return err
	}
}

// stop ends the daemon and fails the test if it ends in disorder.
func (r *rig) stop() {
	if r.cancel == nil {
		return
	}
	r.cancel()
	r.cancel = nil
	if err := <-r.done; err != nil {
		r.t.Errorf("the daemon ended with: %v", err)
	}
	if r.t.Failed() {
		r.t.Logf("log of the daemon:\n%s", r.log)
	}
}

// logBuffer takes the daemon's log.
type logBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *logBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *logBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// caller is a client of all services over gRPC.
type caller struct {
	postilionv1.MailerServiceClient
	postilionv1.ConnectionServiceClient
	postilionv1.MessageServiceClient
	postilionv1.AdminServiceClient
	postilionv1.PluginServiceClient
	conn *grpc.ClientConn
}

// dial makes a client; target is unix://PATH or host:port.
func (r *rig) dial(target, token string) caller {
	r.t.Helper()
	bearer := func(ctx context.Context) context.Context {
		if token == "" {
			return ctx
		}
		return metadata.AppendToOutgoingContext(ctx, "authorization", "Bearer "+token)
	}
	conn, err := grpc.NewClient(target, grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithUnaryInterceptor(func(ctx context.Context, method string, req, reply any, cc *grpc.ClientConn, invoke grpc.UnaryInvoker, o ...grpc.CallOption) error {
			return invoke(bearer(ctx), method, req, reply, cc, o...)
		}),
		grpc.WithStreamInterceptor(func(ctx context.Context, desc *grpc.StreamDesc, cc *grpc.ClientConn, method string, stream grpc.Streamer, o ...grpc.CallOption) (grpc.ClientStream, error) {
			return stream(bearer(ctx), desc, cc, method, o...)
		}))
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() { _ = conn.Close() })
	return caller{
		postilionv1.NewMailerServiceClient(conn), postilionv1.NewConnectionServiceClient(conn),
		postilionv1.NewMessageServiceClient(conn), postilionv1.NewAdminServiceClient(conn), postilionv1.NewPluginServiceClient(conn), conn,
	}
}

// client makes a client with scopes and gives its token.
func (r *rig) client(name string, scopes ...postilionv1.Scope) string {
	r.t.Helper()
	made, err := r.admin.CreateClient(r.ctx(), &postilionv1.CreateClientRequest{Client: &postilionv1.Client{Name: name, Scopes: scopes}})
	if err != nil {
		r.t.Fatal(err)
	}
	return made.GetToken()
}

var allScopes = []postilionv1.Scope{
	postilionv1.Scope_SCOPE_SEND, postilionv1.Scope_SCOPE_READ, postilionv1.Scope_SCOPE_CONTENT, postilionv1.Scope_SCOPE_CONFIGURE,
}

func (r *rig) ctx() context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	r.t.Cleanup(cancel)
	return ctx
}

// answer is what the HTTP face said.
type answer struct {
	status int
	body   []byte
}

// post calls a method of the HTTP face over TCP: "MailerService/Send".
func (r *rig) post(method, token string, body any) answer {
	r.t.Helper()
	var data []byte
	switch b := body.(type) {
	case string:
		data = []byte(b)
	case []byte:
		data = b
	case proto.Message:
		var err error
		if data, err = protojson.Marshal(b); err != nil {
			r.t.Fatal(err)
		}
	}
	req, err := http.NewRequestWithContext(r.ctx(), http.MethodPost, "http://"+r.addr.HTTP+"/postilion.v1."+method, bytes.NewReader(data))
	if err != nil {
		r.t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		r.t.Fatal(err)
	}
	defer res.Body.Close()
	all, err := io.ReadAll(res.Body)
	if err != nil {
		r.t.Fatal(err)
	}
	return answer{res.StatusCode, all}
}

// code is the Connect code of an error, or "ok".
func (a answer) code() string {
	if a.status == http.StatusOK {
		return "ok"
	}
	var e struct{ Code string }
	if err := json.Unmarshal(a.body, &e); err != nil {
		return fmt.Sprintf("%d %.80q", a.status, a.body)
	}
	return e.Code
}

// plain makes a server without TLS.
func plain(c *smtptest.Config) { c.Security = smtptest.Plain }

// connection points at a test server without TLS; the admin may reach
// loopback.
func connection(name string, s *smtptest.Server) *postilionv1.Connection {
	return &postilionv1.Connection{Name: name, Transport: &postilionv1.Connection_Smtp{Smtp: &postilionv1.SmtpSettings{
		Host: "127.0.0.1", Port: uint32(s.Port()), Security: postilionv1.Security_SECURITY_NONE, Authentication: postilionv1.Authentication_AUTHENTICATION_NONE,
	}}}
}

func configure(t *testing.T, as caller, c *postilionv1.Connection) *postilionv1.Connection {
	t.Helper()
	out, err := as.Configure(t.Context(), &postilionv1.ConfigureRequest{Connection: c})
	if err != nil {
		t.Fatal(err)
	}
	return out.GetConnection()
}

// letter is a message that can be sent.
func letter(to ...string) *postilionv1.SendRequest {
	m := &postilionv1.StructuredMessage{
		From: &postilionv1.Address{Address: "shop@example.com", Name: "Shop"}, Subject: "Hello", Text: "A text.\n",
	}
	for _, a := range to {
		m.To = append(m.To, &postilionv1.Address{Address: a})
	}
	return &postilionv1.SendRequest{Content: &postilionv1.SendRequest_Message{Message: m}}
}

// await asks until a condition holds.
func await(t *testing.T, what string, holds func() bool) {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	late := time.After(patience)
	for !holds() {
		select {
		case <-tick.C:
		case <-late:
			t.Fatalf("waited in vain until %s", what)
		}
	}
}

// awaitState awaits a message's state.
func (r *rig) awaitState(id string, want postilionv1.MessageState) *postilionv1.StoredMessage {
	r.t.Helper()
	var m *postilionv1.StoredMessage
	await(r.t, "message "+id+" is "+want.String(), func() bool {
		got, err := r.admin.GetMessage(r.ctx(), &postilionv1.GetMessageRequest{Id: id, View: postilionv1.MessageView_MESSAGE_VIEW_FULL})
		if err != nil {
			r.t.Fatal(err)
		}
		m = got.GetMessage()
		return m.GetState() == want
	})
	return m
}

func contains(t *testing.T, text, part string) {
	t.Helper()
	if !strings.Contains(text, part) {
		t.Errorf("%q is not in %q", part, text)
	}
}
