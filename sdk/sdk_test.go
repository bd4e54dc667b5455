package sdk

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/protoadapt"
	"google.golang.org/protobuf/testing/protocmp"
	"google.golang.org/protobuf/types/known/durationpb"

	postilionv1 "github.com/postilion-mail/postilion/proto/gen/postilion/v1"
)

// mailer is a daemon that answers Send as the test says.
type mailer struct {
	postilionv1.UnimplementedMailerServiceServer
	answer func(call int, request *postilionv1.SendRequest) (*postilionv1.SendResponse, error)

	mu       sync.Mutex
	requests []*postilionv1.SendRequest
	tokens   []string
	deadline time.Duration
}

func (m *mailer) Send(ctx context.Context, request *postilionv1.SendRequest) (*postilionv1.SendResponse, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.requests = append(m.requests, request)
	md, _ := metadata.FromIncomingContext(ctx)
	m.tokens = append(m.tokens, md.Get("authorization")...)
	if at, ok := ctx.Deadline(); ok {
		m.deadline = time.Until(at)
	}
	return m.answer(len(m.requests), request)
}

func serve(t testing.TB, socket string, m *mailer) *grpc.Server {
	t.Helper()
	listener, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	server := grpc.NewServer()
	postilionv1.RegisterMailerServiceServer(server, m)
	go func() { _ = server.Serve(listener) }()
	t.Cleanup(server.Stop)
	return server
}

// tempSocket has a short name, which Unix sockets need.
func tempSocket(t testing.TB) string {
	t.Helper()
	directory, err := os.MkdirTemp("", "sdk")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(directory) })
	return filepath.Join(directory, "s.sock")
}

func dial(t testing.TB, target string, options ...Option) *Client {
	t.Helper()
	client, err := Dial(target, options...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = client.Close() })
	return client
}

func accept(int, *postilionv1.SendRequest) (*postilionv1.SendResponse, error) {
	return &postilionv1.SendResponse{Id: "m1"}, nil
}

func TestSendRepeatsOnceWithTheSameKey(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		errors []error
		calls  int
		code   codes.Code
	}{
		"accepted":               {nil, 1, codes.OK},
		"away once":              {[]error{status.Error(codes.Unavailable, "stopping")}, 2, codes.OK},
		"away twice":             {[]error{status.Error(codes.Unavailable, "a"), status.Error(codes.Unavailable, "b")}, 2, codes.Unavailable},
		"refused":                {[]error{status.Error(codes.InvalidArgument, "no recipient")}, 1, codes.InvalidArgument},
		"away for longer":        {[]error{detailed(codes.Unavailable, &postilionv1.ErrorDetail{RetryAfter: durationpb.New(time.Hour)})}, 1, codes.Unavailable},
		"full is for the caller": {[]error{status.Error(codes.ResourceExhausted, "full")}, 1, codes.ResourceExhausted},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := &mailer{answer: func(call int, _ *postilionv1.SendRequest) (*postilionv1.SendResponse, error) {
				if call <= len(test.errors) {
					return nil, test.errors[call-1]
				}
				return &postilionv1.SendResponse{Id: "m1"}, nil
			}}
			socket := tempSocket(t)
			serve(t, socket, m)
			_, err := dial(t, socket).Send(t.Context(), &Message{To: []string{"a@example.com"}})
			if status.Code(err) != test.code {
				t.Errorf("Send: %v, want code %v", err, test.code)
			}
			if err != nil && AsError(err).Code != test.code {
				t.Errorf("AsError(%v).Code = %v", err, AsError(err).Code)
			}
			if len(m.requests) != test.calls {
				t.Fatalf("%d calls, want %d", len(m.requests), test.calls)
			}
			for _, request := range m.requests {
				if len(request.IdempotencyKey) < 20 || request.IdempotencyKey != m.requests[0].IdempotencyKey {
					t.Errorf("key %q after %q", request.IdempotencyKey, m.requests[0].IdempotencyKey)
				}
			}
		})
	}
}

// TestSendSurvivesRestart has the daemon away at the first call.
func TestSendSurvivesRestart(t *testing.T) {
	t.Parallel()
	socket := tempSocket(t)
	client := dial(t, socket)
	m := &mailer{answer: accept}
	first := serve(t, socket, m)
	if _, err := client.Send(t.Context(), &Message{}); err != nil {
		t.Fatal(err)
	}
	first.Stop()
	serve(t, socket, m)
	if _, err := client.Send(t.Context(), &Message{}); err != nil {
		t.Fatalf("after the restart: %v", err)
	}
}

func TestSendWithoutDaemon(t *testing.T) {
	t.Parallel()
	_, err := dial(t, tempSocket(t)).Send(t.Context(), &Message{})
	if failure := AsError(err); failure == nil || failure.Code != codes.Unavailable || !failure.Temporary() {
		t.Errorf("Send: %v", err)
	}
}

func TestRequests(t *testing.T) {
	t.Parallel()
	null, week := "", 168*time.Hour
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	options := Options{
		Connection: "main", Key: "k", Wait: time.Second, SendAt: at, ExpiresAfter: &week, Priority: postilionv1.Priority_PRIORITY_HIGH,
		Tags: []string{"t"}, Metadata: map[string]string{"a": "b"}, KeepContent: true, NotifySender: true, Origin: "https://shop.example",
	}
	message := (&Message{
		From: "Jane Doe <jane@example.com>", Sender: "s@example.com", ReplyTo: []string{"r@example.com"},
		To: []string{"Jürgen <j@bücher.example>", "not an address"}, Cc: []string{"c@example.com"}, Bcc: []string{"b@example.com"},
		Subject: "Grüße", Text: "text", HTML: "<p>html", MessageID: "id@example.com", InReplyTo: "x", References: []string{"y"},
		Attachments: []Attachment{{Filename: "f", ContentType: "text/plain", Content: []byte("c"), ContentID: "i", Inline: true}},
		Headers:     []Header{{"X-A", "b"}}, Unsubscribe: []string{"https://example.com/u"}, OneClick: true,
		Importance: postilionv1.Importance_IMPORTANCE_LOW, Date: at, Options: options,
	}).Request()
	raw := (&Raw{Content: []byte("Subject: x\n\n"), EnvelopeFrom: &null, Recipients: []string{"a@example.com"}, Options: options}).Request()

	for _, request := range []proto.Message{message, message.GetMessage(), message.GetMessage().Attachments[0], raw} {
		assertAllSet(t, request, "raw", "message", "envelope_id", "return")
	}
	wantTo := []*postilionv1.Address{{Address: "j@bücher.example", Name: "Jürgen"}, {Address: "not an address"}}
	if diff := cmp.Diff(wantTo, message.GetMessage().To, protocmp.Transform()); diff != "" {
		t.Error(diff)
	}
	wantRaw := &postilionv1.RawMessage{Content: []byte("Subject: x\n\n"), Envelope: &postilionv1.Envelope{
		From: &null, Recipients: []*postilionv1.EnvelopeRecipient{{Address: "a@example.com"}},
	}}
	if diff := cmp.Diff(wantRaw, raw.GetRaw(), protocmp.Transform()); diff != "" {
		t.Error(diff)
	}
	if envelope := (&Raw{}).Request().GetRaw().Envelope; envelope != nil {
		t.Errorf("envelope %v, want it absent", envelope)
	}
}

// assertAllSet fails for a field that the conversion forgot.
func assertAllSet(t *testing.T, message proto.Message, except ...string) {
	t.Helper()
	reflection := message.ProtoReflect()
	fields := reflection.Descriptor().Fields()
	for i := range fields.Len() {
		excepted := false
		for _, name := range except {
			excepted = excepted || string(fields.Get(i).Name()) == name
		}
		if !excepted && !reflection.Has(fields.Get(i)) {
			t.Errorf("%s is not set", fields.Get(i).FullName())
		}
	}
}

func detailed(code codes.Code, detail *postilionv1.ErrorDetail) error {
	with, err := status.New(code, "refused").WithDetails(protoadapt.MessageV1Of(detail))
	if err != nil {
		return err
	}
	return with.Err()
}

func TestAsError(t *testing.T) {
	t.Parallel()
	if AsError(nil) != nil {
		t.Error("nil is no error")
	}
	detail := &postilionv1.ErrorDetail{Reason: "secret_required", Fields: []string{"connection.smtp.password"}, Remedy: "give it again", RetryAfter: durationpb.New(time.Minute)}
	for _, err := range []error{
		detailed(codes.InvalidArgument, detail),
		fmt.Errorf("configure: %w", detailed(codes.InvalidArgument, detail)),
		AsError(detailed(codes.InvalidArgument, detail)),
	} {
		got := AsError(err)
		if got.Code != codes.InvalidArgument || got.Reason != "secret_required" || len(got.Fields) != 1 || got.RetryAfter != time.Minute || !got.Temporary() {
			t.Errorf("AsError(%v) = %+v", err, got)
		}
	}
	if text := AsError(detailed(codes.InvalidArgument, detail)).Error(); text != "refused: give it again" {
		t.Errorf("text %q", text)
	}
	if got := AsError(context.DeadlineExceeded); got.Code != codes.DeadlineExceeded {
		t.Errorf("code %v", got.Code)
	}
	if got := AsError(errors.New("else")); got.Code != codes.Unknown || got.Error() != "else" {
		t.Errorf("%+v", got)
	}
}

func TestTokenAndDeadline(t *testing.T) {
	t.Parallel()
	socket := tempSocket(t)
	m := &mailer{answer: accept}
	serve(t, socket, m)
	file := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(file, []byte("one\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	client := dial(t, "unix://"+socket, WithTokenFile(file), WithTimeout(time.Hour))
	if _, err := client.Send(t.Context(), &Message{Options: Options{Wait: time.Hour}}); err != nil {
		t.Fatal(err)
	}
	if m.deadline < time.Hour {
		t.Errorf("deadline %v, want timeout and wait", m.deadline)
	}
	if err := os.WriteFile(file, []byte("two\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := client.SendRaw(t.Context(), &Raw{}); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"Bearer one", "Bearer two"}, m.tokens); diff != "" {
		t.Error(diff)
	}
}

func TestDialRefuses(t *testing.T) {
	t.Parallel()
	empty := filepath.Join(t.TempDir(), "empty")
	if err := os.WriteFile(empty, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for name, attempt := range map[string]func() (*Client, error){
		"no port":            func() (*Client, error) { return Dial("mail.example.com") },
		"no path":            func() (*Client, error) { return Dial("unix://") },
		"token in the clear": func() (*Client, error) { return Dial("mail.example.com:9125", WithToken("secret")) },
		"no token file":      func() (*Client, error) { return Dial("/s", WithTokenFile(empty+"x")) },
		"empty token file":   func() (*Client, error) { return Dial("/s", WithTokenFile(empty)) },
	} {
		if client, err := attempt(); err == nil {
			t.Errorf("%s: dialled %s", name, client.Target())
		}
	}
	for _, target := range []string{"127.0.0.1:9125", "localhost:9125", "[::1]:9125", ":9125"} {
		dial(t, target, WithToken("secret"))
	}
	dial(t, "mail.example.com:9125", WithToken("secret"), WithTLS(nil))
}

func TestDefaultTarget(t *testing.T) {
	t.Parallel()
	for want, environment := range map[string]map[string]string{
		DefaultSocket: {},
		"/a/p.sock":   {"POSTILION_SOCKET": "/a/p.sock"},
		"/b/p.sock":   {"POSTILION_SOCKET": "/b/p-http.sock"},
		"mail:9125":   {"POSTILION_SOCKET": "/a/p.sock", "POSTILION_ADDRESS": "mail:9125"},
	} {
		if got := defaultTarget(func(name string) string { return environment[name] }); got != want {
			t.Errorf("%v: %q, want %q", environment, got, want)
		}
	}
}

func FuzzResolve(f *testing.F) {
	for _, seed := range []string{"", "unix:", "unix:///a", "/a", "host:1", "[::1]:1", "a:b:c", ":1", "./s"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, target string) {
		if got, err := resolve(target); err == nil && got.target == "" {
			t.Errorf("resolve(%q) gave nothing", target)
		}
	})
}
