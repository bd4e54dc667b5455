package api_test

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"

	"github.com/postilion-mail/postilion/internal/database"
	"github.com/postilion-mail/postilion/internal/registry"
	"github.com/postilion-mail/postilion/internal/secret"
	postilionv1 "github.com/postilion-mail/postilion/proto/gen/postilion/v1"
	"github.com/postilion-mail/postilion/server/internal/api"
	"github.com/postilion-mail/postilion/server/internal/auth"
	"github.com/postilion-mail/postilion/server/internal/face"
)

// syncBuffer takes a log.
type syncBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *syncBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *syncBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

// broken is an API without outbox and intake: whatever asks them panics.
type broken struct {
	log    syncBuffer
	panics atomic.Int64
	grpc   *grpc.ClientConn
	http   http.Handler
}

func newBroken(t *testing.T) *broken {
	t.Helper()
	db, err := database.Open(t.Context(), database.Options{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	box, err := secret.Load(secret.Source{DataDir: t.TempDir(), Create: true})
	if err != nil {
		t.Fatal(err)
	}
	clients, err := registry.Open(t.Context(), registry.Options{Database: db, Box: box})
	if err != nil {
		t.Fatal(err)
	}
	b := &broken{}
	log := slog.New(slog.NewTextHandler(&b.log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	panicked := func() { b.panics.Add(1) }
	a := &api.API{Registry: clients, Log: log, Panicked: func(context.Context, []byte) { panicked() }, Stopping: make(chan struct{})}
	options := face.Options{
		Gate: &auth.Gate{Directory: clients}, MaxMessage: 1 << 20,
		Observe: face.Observer{Log: log, Called: func(string, codes.Code, time.Duration) {}, Panicked: panicked},
	}
	server := face.NewGRPC(options)
	a.RegisterGRPC(server)
	path := filepath.Join(t.TempDir(), "s")
	l, err := face.ListenUnix(path, 0o600, -1)
	if err != nil {
		t.Fatal(err)
	}
	go func() { _ = server.Serve(&face.Listener{Listener: l, Kind: auth.DoorPublic}) }()
	t.Cleanup(server.Stop)
	token, err := clients.EnsureAdminToken(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	b.grpc, err = grpc.NewClient("unix://"+path, grpc.WithTransportCredentials(insecure.NewCredentials()), grpc.WithPerRPCCredentials(bearer(token)))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = b.grpc.Close() })
	mux := http.NewServeMux()
	a.Handle(mux, options.HandlerOptions(true), options.HandlerOptions(false))
	b.http = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r.Header.Set("Authorization", "Bearer "+token)
		options.Bound(mux).ServeHTTP(w, r)
	})
	return b
}

type bearer string

func (b bearer) GetRequestMetadata(context.Context, ...string) (map[string]string, error) {
	return map[string]string{"authorization": "Bearer " + string(b)}, nil
}
func (bearer) RequireTransportSecurity() bool { return false }

const canary = "canary-text-of-a-message"

func crafted() *postilionv1.SendRequest {
	return &postilionv1.SendRequest{Content: &postilionv1.SendRequest_Message{Message: &postilionv1.StructuredMessage{
		To: []*postilionv1.Address{{Address: "a@b.example"}}, Text: canary,
	}}}
}

// A handler that panics is an error of its call and no more, on both faces and
// within a batch: it is counted, and the log has the place without the message.
func TestAPanicIsAnErrorOfItsCall(t *testing.T) {
	t.Parallel()
	b := newBroken(t)
	mailer := postilionv1.NewMailerServiceClient(b.grpc)
	if _, err := mailer.Send(t.Context(), crafted()); status.Code(err) != codes.Internal {
		t.Errorf("over gRPC: %v", err)
	}

	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	web := &http.Server{Handler: b.http}
	go func() { _ = web.Serve(listener) }()
	t.Cleanup(func() { _ = web.Close() })
	res, err := http.Post("http://"+listener.Addr().String()+"/postilion.v1.MailerService/Send", "application/json",
		strings.NewReader(`{"message":{"to":[{"address":"a@b.example"}],"text":"`+canary+`"}}`))
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode != http.StatusInternalServerError || !strings.Contains(string(body), `"internal"`) {
		t.Errorf("over HTTP: %d %s, %v", res.StatusCode, body, err)
	}

	batch, err := mailer.SendBatch(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := batch.Send(&postilionv1.SendBatchRequest{CorrelationId: "1", Send: crafted()}); err != nil {
		t.Fatal(err)
	}
	answer, err := batch.Recv()
	if err != nil || answer.GetError().GetCode() != int32(codes.Internal) || answer.GetError().GetDetail().GetReason() != "internal" {
		t.Errorf("in a batch: %v, %v", answer, err)
	}

	watch, err := postilionv1.NewMessageServiceClient(b.grpc).WatchEvents(t.Context(), &postilionv1.WatchEventsRequest{})
	if err == nil {
		_, err = watch.Recv()
	}
	if status.Code(err) != codes.Internal {
		t.Errorf("in a stream: %v", err)
	}

	if n := b.panics.Load(); n != 4 {
		t.Errorf("%d panics are counted", n)
	}
	log := b.log.String()
	if !strings.Contains(log, "api.(*API).send") || !strings.Contains(log, "an item of a batch failed") || strings.Contains(log, canary) {
		t.Errorf("the log is: %s", log)
	}
	if _, err := postilionv1.NewAdminServiceClient(b.grpc).ListClients(t.Context(), &postilionv1.ListClientsRequest{}); err != nil {
		t.Errorf("afterwards: %v", err)
	}
}
