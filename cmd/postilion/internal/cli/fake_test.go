package cli

import (
	"bytes"
	"context"
	"net"
	"os"
	"path"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/protoadapt"

	postilionv1 "github.com/postilion-mail/postilion/proto/gen/postilion/v1"
)

var testTime = time.Date(2026, 11, 26, 12, 0, 0, 0, time.UTC)

// daemon answers calls with what a test gave for the method's name: a message,
// an error, or a function of the request.
type daemon struct {
	postilionv1.UnimplementedMailerServiceServer
	postilionv1.UnimplementedConnectionServiceServer
	postilionv1.UnimplementedMessageServiceServer
	postilionv1.UnimplementedAdminServiceServer
	postilionv1.UnimplementedPluginServiceServer

	data   string
	events []*postilionv1.Event

	mu       sync.Mutex
	answers  map[string]any
	requests []proto.Message
	tokens   []string
}

// start listens on the admin and the public sockets of a data directory.
func start(t *testing.T, answers map[string]any) *daemon {
	t.Helper()
	data, err := os.MkdirTemp("", "cli") // short, for the sockets
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(data) })
	d := &daemon{data: data, answers: answers}
	server := grpc.NewServer(grpc.UnaryInterceptor(d.intercept))
	postilionv1.RegisterMailerServiceServer(server, d)
	postilionv1.RegisterConnectionServiceServer(server, d)
	postilionv1.RegisterMessageServiceServer(server, d)
	postilionv1.RegisterAdminServiceServer(server, d)
	postilionv1.RegisterPluginServiceServer(server, d)
	if err := os.Mkdir(filepath.Join(data, "run"), 0o711); err != nil {
		t.Fatal(err)
	}
	for _, socket := range []string{"admin.sock", "run/postilion.sock", "run/postilion-http.sock"} {
		listener, err := net.Listen("unix", filepath.Join(data, socket))
		if err != nil {
			t.Fatal(err)
		}
		go func() { _ = server.Serve(listener) }()
	}
	t.Cleanup(server.Stop)
	return d
}

func (d *daemon) intercept(ctx context.Context, request any, info *grpc.UnaryServerInfo, _ grpc.UnaryHandler) (any, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.requests = append(d.requests, proto.Clone(request.(proto.Message)))
	md, _ := metadata.FromIncomingContext(ctx)
	d.tokens = append(d.tokens, md.Get("authorization")...)
	switch answer := d.answers[path.Base(info.FullMethod)].(type) {
	case proto.Message:
		return answer, nil
	case error:
		return nil, answer
	case func(proto.Message) (proto.Message, error):
		return answer(request.(proto.Message))
	}
	return nil, status.Errorf(codes.Unimplemented, "the test has no answer for %s", info.FullMethod)
}

func (d *daemon) WatchEvents(request *postilionv1.WatchEventsRequest, stream grpc.ServerStreamingServer[postilionv1.WatchEventsResponse]) error {
	d.mu.Lock()
	d.requests = append(d.requests, request)
	d.mu.Unlock()
	for _, event := range d.events {
		if err := stream.Send(&postilionv1.WatchEventsResponse{Event: event}); err != nil {
			return err
		}
	}
	return nil
}

// last is the request that came last.
func (d *daemon) last() proto.Message {
	d.mu.Lock()
	defer d.mu.Unlock()
	if len(d.requests) == 0 {
		return nil
	}
	return d.requests[len(d.requests)-1]
}

// result is what a command left behind.
type result struct {
	code     int
	out, err string
}

// invocation is how a command is run in a test.
type invocation struct {
	stdin       string
	environment map[string]string
	serve       Daemon
	version     string
}

func (i invocation) run(t *testing.T, args ...string) result {
	t.Helper()
	var out, errors bytes.Buffer
	code := Run(t.Context(), args, Process{
		Version: i.version, Serve: i.serve, In: strings.NewReader(i.stdin), Out: &out, Err: &errors,
		Getenv: func(name string) string { return i.environment[name] },
		Environ: func() []string {
			var entries []string
			for name, value := range i.environment {
				entries = append(entries, name+"="+value)
			}
			return entries
		},
		UID: os.Geteuid(), Now: func() time.Time { return testTime },
	})
	return result{code, out.String(), errors.String()}
}

// run runs a command against the daemon.
func (d *daemon) run(t *testing.T, args ...string) result {
	t.Helper()
	return invocation{}.run(t, append([]string{"--data-dir", d.data}, args...)...)
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

func refusal(code codes.Code, message string, detail *postilionv1.ErrorDetail) error {
	refused, err := status.New(code, message).WithDetails(protoadapt.MessageV1Of(detail))
	if err != nil {
		return err
	}
	return refused.Err()
}
