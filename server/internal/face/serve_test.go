package face

import (
	"bufio"
	"context"
	"io"
	"log/slog"
	"net"
	"net/http"
	"path/filepath"
	"testing"
	"time"

	"github.com/postilion-mail/postilion/server/internal/auth"
)

// started serves a handler on a Unix socket and gives a connection that the
// server has accepted.
func started(t *testing.T, handler http.HandlerFunc) (*HTTP, net.Conn, chan error) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "s")
	l, err := ListenUnix(path, 0o600, -1)
	if err != nil {
		t.Fatal(err)
	}
	h := NewHTTP(handler, slog.New(slog.DiscardHandler))
	served := make(chan error, 1)
	go func() { served <- ServeHTTP(h, &Listener{Listener: l, Kind: auth.DoorPublic}) }()
	conn, err := net.Dial("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	if err := conn.SetDeadline(time.Now().Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	for waiting := func() int { h.mu.Lock(); defer h.mu.Unlock(); return len(h.unheard) }; waiting() == 0; {
		time.Sleep(time.Millisecond)
	}
	return h, conn, served
}

// A connection that was accepted before the stop is answered, though its
// request comes after that.
func TestShutdownAnswersWhatWasAccepted(t *testing.T) {
	t.Parallel()
	h, conn, served := started(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "answer") })
	stopped := make(chan struct{})
	go func() {
		defer close(stopped)
		h.Shutdown(context.Background())
	}()
	if err := <-served; err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(conn, "GET / HTTP/1.1\r\nHost: x\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	answer, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(answer.Body)
	if err != nil || string(body) != "answer" || !answer.Close {
		t.Errorf("%q, %v, %+v", body, err, answer)
	}
	<-stopped
}

// Who says nothing cannot hold up the stop for longer than its context.
func TestShutdownEndsSilence(t *testing.T) {
	t.Parallel()
	h, conn, served := started(t, func(http.ResponseWriter, *http.Request) {})
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	h.Shutdown(ctx)
	if err := <-served; err != nil {
		t.Fatal(err)
	}
	if _, err := conn.Read(make([]byte, 1)); err != io.EOF {
		t.Errorf("the connection is not closed: %v", err)
	}
}
