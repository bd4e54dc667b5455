package face

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/health/grpc_health_v1"

	"github.com/postilion-mail/postilion/internal/registry"
	"github.com/postilion-mail/postilion/server/internal/auth"
)

// nobody is a directory without clients.
type nobody struct{}

func (nobody) Authenticate(string) (*registry.Client, bool) { return nil, false }
func (nobody) ByUID(uint32) (*registry.Client, bool)        { return nil, false }
func (nobody) Admin() *registry.Client                      { return nil }

// slow is a service whose watches end when they are let, whatever the caller
// does. Its methods are open to everybody.
type slow struct {
	grpc_health_v1.UnimplementedHealthServer
	running, most, all atomic.Int64
	proceed            chan struct{}
}

func (s *slow) Check(context.Context, *grpc_health_v1.HealthCheckRequest) (*grpc_health_v1.HealthCheckResponse, error) {
	return &grpc_health_v1.HealthCheckResponse{Status: grpc_health_v1.HealthCheckResponse_SERVING}, nil
}

func (s *slow) Watch(*grpc_health_v1.HealthCheckRequest, grpc.ServerStreamingServer[grpc_health_v1.HealthCheckResponse]) error {
	s.all.Add(1)
	n := s.running.Add(1)
	defer s.running.Add(-1)
	for most := s.most.Load(); n > most && !s.most.CompareAndSwap(most, n); most = s.most.Load() {
	}
	<-s.proceed
	return nil
}

// serveSlow gives the path of a gRPC face that serves s.
func serveSlow(t *testing.T, s *slow, more ...grpc.ServerOption) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "pst")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	path := filepath.Join(dir, "s")
	l, err := ListenUnix(path, 0o600, -1)
	if err != nil {
		t.Fatal(err)
	}
	server := NewGRPC(Options{
		Gate: &auth.Gate{Directory: nobody{}}, MaxMessage: 1 << 20,
		Observe: Observer{Log: slog.New(slog.DiscardHandler), Called: func(string, codes.Code, time.Duration) {}, Panicked: func() {}},
	}, more...)
	grpc_health_v1.RegisterHealthServer(server, s)
	go func() { _ = server.Serve(&Listener{Listener: l, Kind: auth.DoorPublic}) }()
	t.Cleanup(server.Stop)
	return path
}

// wire speaks HTTP/2 without the manners of a library.
type wire struct {
	t      *testing.T
	framer *http2.Framer
	block  bytes.Buffer
	hpack  *hpack.Encoder
}

func newWire(t *testing.T, path string) *wire {
	t.Helper()
	conn, err := net.Dial("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	if err := conn.SetDeadline(time.Now().Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	if _, err := conn.Write([]byte(http2.ClientPreface)); err != nil {
		t.Fatal(err)
	}
	w := &wire{t: t, framer: http2.NewFramer(conn, conn)}
	w.framer.ReadMetaHeaders = hpack.NewDecoder(4096, nil)
	w.hpack = hpack.NewEncoder(&w.block)
	w.must(w.framer.WriteSettings())
	return w
}

func (w *wire) must(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

// open begins a call; more are names and values of headers.
func (w *wire) open(id uint32, path string, more ...string) error {
	w.block.Reset()
	fields := append([]string{":method", "POST", ":scheme", "http", ":path", path, ":authority", "x", "content-type", "application/grpc", "te", "trailers"}, more...)
	for i := 0; i < len(fields); i += 2 {
		if err := w.hpack.WriteField(hpack.HeaderField{Name: fields[i], Value: fields[i+1]}); err != nil {
			return err
		}
	}
	return w.framer.WriteHeaders(http2.HeadersFrameParam{StreamID: id, BlockFragment: w.block.Bytes(), EndHeaders: true})
}

// status gives the grpc-status of a call.
func (w *wire) status(id uint32) string {
	w.t.Helper()
	for {
		frame, err := w.framer.ReadFrame()
		w.must(err)
		headers, ok := frame.(*http2.MetaHeadersFrame)
		if !ok || headers.StreamID != id {
			continue
		}
		for _, f := range headers.Fields {
			if f.Name == "grpc-status" {
				return f.Value
			}
		}
	}
}

func message(compressed byte, b []byte) []byte {
	return append(binary.BigEndian.AppendUint32([]byte{compressed}, uint32(len(b))), b...)
}

const unimplemented = "12"

// A path without its slash is no method, not even one that is open to all.
func TestAPathHasItsSlash(t *testing.T) {
	t.Parallel()
	w := newWire(t, serveSlow(t, &slow{}))
	for i, c := range []struct{ path, status string }{
		{"/grpc.health.v1.Health/Check", "0"},
		{"grpc.health.v1.Health/Check", unimplemented},
		{"postilion.v1.AdminService/ListClients", unimplemented},
		{"//postilion.v1.AdminService/ListClients", unimplemented},
		{"/postilion.v1.AdminService/ListClients/", unimplemented},
		{"/postilion.v1.AdminService/ListClients", "16"},
		{"/grpc.reflection.v1.ServerReflection/ServerReflectionInfo", unimplemented},
		{"/grpc.channelz.v1.Channelz/GetServers", unimplemented},
	} {
		id := uint32(2*i + 1)
		w.must(w.open(id, c.path))
		w.must(w.framer.WriteData(id, true, message(0, nil)))
		if got := w.status(id); got != c.status {
			t.Errorf("%s gives %s, not %s", c.path, got, c.status)
		}
	}
}

// A compressed message cannot unfold in memory: over gRPC none is unpacked at
// all, since the callers are near.
func TestNothingUnfoldsOverGRPC(t *testing.T) {
	t.Parallel()
	var packed bytes.Buffer
	z := gzip.NewWriter(&packed)
	if _, err := z.Write(make([]byte, 2<<20)); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	w := newWire(t, serveSlow(t, &slow{}))
	w.must(w.open(1, "/grpc.health.v1.Health/Check", "grpc-encoding", "gzip"))
	w.must(w.framer.WriteData(1, true, message(1, packed.Bytes())))
	if got := w.status(1); got != unimplemented {
		t.Errorf("the status is %s", got)
	}
}

// Streams that are opened and reset at once do not pile up handlers, and
// others are served meanwhile (CVE-2023-44487).
func TestResetStreamsDoNotPileUp(t *testing.T) {
	t.Parallel()
	const streams, bound = 1000, 128
	s := &slow{proceed: make(chan struct{})}
	path := serveSlow(t, s)
	w := newWire(t, path)
	flooded := make(chan error, 1)
	go func() {
		for i := range uint32(streams) {
			if err := w.open(2*i+1, "/grpc.health.v1.Health/Watch"); err != nil {
				flooded <- err
				return
			}
			_ = w.framer.WriteData(2*i+1, true, message(0, nil))
			if err := w.framer.WriteRSTStream(2*i+1, http2.ErrCodeCancel); err != nil {
				flooded <- err
				return
			}
		}
		flooded <- nil
	}()
	late := time.Now().Add(time.Minute)
	for s.running.Load() < bound && time.Now().Before(late) {
		time.Sleep(time.Millisecond)
	}
	if n := s.running.Load(); n != bound {
		t.Errorf("%d handlers run", n)
	}
	other, err := grpc.NewClient("unix://"+path, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	if _, err := grpc_health_v1.NewHealthClient(other).Check(t.Context(), &grpc_health_v1.HealthCheckRequest{}); err != nil {
		t.Errorf("another caller gets %v", err)
	}
	close(s.proceed)
	if err := <-flooded; err != nil {
		t.Logf("the flood ended with %v", err) // the server may have had enough
	}
	for s.running.Load() > 0 && time.Now().Before(late) {
		time.Sleep(time.Millisecond)
	}
	if most := s.most.Load(); most > bound {
		t.Errorf("%d handlers ran at a time", most)
	}
}

// Who floods with pings is sent away.
func TestAPingFloodIsSentAway(t *testing.T) {
	t.Parallel()
	w := newWire(t, serveSlow(t, &slow{}))
	go func() {
		for range 100 {
			if w.framer.WritePing(false, [8]byte{}) != nil {
				return
			}
		}
	}()
	for {
		frame, err := w.framer.ReadFrame()
		w.must(err)
		if away, ok := frame.(*http2.GoAwayFrame); ok {
			if away.ErrCode != http2.ErrCodeEnhanceYourCalm {
				t.Errorf("it is sent away with %v", away.ErrCode)
			}
			return
		}
	}
}

// Who connects and does not begin to speak HTTP/2 is closed.
func TestAConnectionBeginsInTime(t *testing.T) {
	t.Parallel()
	path := serveSlow(t, &slow{}, grpc.ConnectionTimeout(50*time.Millisecond)) // in place of 10 s
	for _, said := range []string{"", "PRI * HTTP/2.0\r\n"} {
		conn, err := net.Dial("unix", path)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		_ = conn.SetDeadline(time.Now().Add(time.Minute))
		if _, err := io.WriteString(conn, said); err != nil {
			t.Fatal(err)
		}
		if _, err := io.Copy(io.Discard, conn); errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("after %q the connection is not closed: %v", said, err)
		}
	}
}
