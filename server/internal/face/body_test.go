package face

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/postilion-mail/postilion/server/internal/auth"
)

const callPath = "/postilion.v1.MailerService/Send"

// reading is a handler that reads the body and says how that went, as the
// handlers of Connect do.
func reading(w http.ResponseWriter, r *http.Request) {
	b, err := io.ReadAll(r.Body)
	if err != nil {
		w.WriteHeader(http.StatusInternalServerError)
		fmt.Fprintf(w, `{"code":"unknown","message":%q}`, err.Error())
		return
	}
	fmt.Fprintf(w, `{"read":%d}`, len(b))
}

func bounded(t *testing.T, handler http.HandlerFunc, is bounds) net.Conn {
	t.Helper()
	path := filepath.Join(t.TempDir(), "s")
	l, err := ListenUnix(path, 0o600, -1)
	if err != nil {
		t.Fatal(err)
	}
	h := NewHTTP(Options{MaxMessage: 3 << 20}.bound(handler, is), slog.New(slog.DiscardHandler))
	go func() { _ = ServeHTTP(h, &Listener{Listener: l, Kind: auth.DoorPublic}) }()
	t.Cleanup(func() { _ = h.server.Close() })
	conn, err := net.Dial("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	if err := conn.SetDeadline(time.Now().Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	return conn
}

func roundTrip(t *testing.T, conn net.Conn, request string) (int, string) {
	t.Helper()
	if _, err := io.WriteString(conn, request); err != nil {
		t.Fatal(err)
	}
	res, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, string(b)
}

const head = "POST " + callPath + " HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 10\r\n\r\n"

// A body that does not come is given up, when it stands still and when it
// comes too slowly on the whole.
func TestSlowBodiesAreGivenUp(t *testing.T) {
	t.Parallel()
	for name, is := range map[string]bounds{
		"standing still": {receiving: 1 << 20, idle: 20 * time.Millisecond, whole: time.Hour},
		"too long":       {receiving: 1 << 20, idle: time.Hour, whole: 20 * time.Millisecond},
	} {
		conn := bounded(t, reading, is)
		if _, text := roundTrip(t, conn, head+"12345"); !strings.Contains(text, "too slowly") {
			t.Errorf("%s: %s", name, text)
		}
	}
}

// Also a refused caller, whose body nobody reads, cannot keep a connection.
func TestTheRestOfARefusedBodyIsGivenUp(t *testing.T) {
	t.Parallel()
	refuse := func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusUnauthorized) }
	conn := bounded(t, refuse, bounds{receiving: 1 << 20, idle: 20 * time.Millisecond, whole: time.Hour})
	if status, _ := roundTrip(t, conn, head+"12345"); status != http.StatusUnauthorized {
		t.Errorf("the status is %d", status)
	}
	if _, err := conn.Read(make([]byte, 1)); err != io.EOF {
		t.Errorf("the connection is not closed: %v", err)
	}
}

// The time for a body does not bound the handler: who waits for an outcome is
// not cut off.
func TestTheTimeOfABodyEndsWithIt(t *testing.T) {
	t.Parallel()
	handler := func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		select {
		case <-r.Context().Done():
			w.WriteHeader(http.StatusGone)
		case <-time.After(3 * time.Second):
		}
	}
	// Long enough that a busy machine has read the body by then.
	conn := bounded(t, handler, bounds{receiving: 1 << 20, idle: time.Second, whole: 2 * time.Second})
	for range 2 { // the second on the same connection
		if status, _ := roundTrip(t, conn, head+"1234567890"); status != http.StatusOK {
			t.Errorf("the status is %d", status)
		}
	}
}

// What is being received is bounded over all calls, compressed bodies by what
// they may become, and given back afterwards.
func TestBodiesShareABudget(t *testing.T) {
	t.Parallel()
	inside, proceed := make(chan struct{}), make(chan struct{})
	handler := Options{MaxMessage: 3 << 20}.bound(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Wait") != "" {
			_, _ = io.Copy(io.Discard, r.Body)
			close(inside)
			<-proceed
			return
		}
		reading(w, r)
	}), bounds{receiving: 1 << 20, idle: time.Minute, whole: time.Minute})
	post := func(size int, header ...string) *httptest.ResponseRecorder {
		r := httptest.NewRequest(http.MethodPost, callPath, bytes.NewReader(make([]byte, size)))
		r.Header.Set("Content-Type", "application/json")
		for i := 0; i < len(header); i += 2 {
			r.Header.Set(header[i], header[i+1])
		}
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, r)
		return w
	}
	done := make(chan struct{})
	go func() { defer close(done); post(700<<10, "Wait", "1") }()
	<-inside
	if w := post(500 << 10); !strings.Contains(w.Body.String(), "being received") {
		t.Errorf("beyond the budget: %s", w.Body)
	}
	if w := post(100 << 10); w.Code != http.StatusOK {
		t.Errorf("within the budget: %s", w.Body)
	}
	if w := post(1<<10, "Content-Encoding", "gzip"); w.Code == http.StatusOK {
		t.Error("a compressed body counts as it comes, not as it may become")
	}
	if w := post(500<<10, "Content-Type", "application/grpc"); !strings.Contains(w.Body.String(), "being received") {
		t.Errorf("a stream beyond the budget: %s", w.Body)
	}
	close(proceed)
	<-done
	if w := post(1000 << 10); w.Code != http.StatusOK {
		t.Errorf("what was taken is not given back: %s", w.Body)
	}
}

// Errors without our details get them; those that have them stay as they are.
func TestErrorsGetDetails(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		about  string
		status int
		body   string
		code   string
		part   string
	}{
		{"an unknown field", 400, "{\"code\":\"invalid_argument\",\"message\":\"unmarshal message: proto:\u00a0(line 1:2): unknown field \\\"sendAtt\\\"\"}", "invalid_argument", `(line 1:2): unknown field \"sendAtt\"`},
		{"too large", 429, `{"code":"resource_exhausted","message":"message size 5 is larger than configured max 4"}`, "resource_exhausted", "max_message_size"},
		{"not found", 404, "404 page not found\n", "unimplemented", "no such method"},
		{"GET", 405, "", "unimplemented", "use POST"},
		{"a form", 415, "", "invalid_argument", "application/json"},
		{"anything", 500, "", "unknown", "Internal Server Error"},
	} {
		handler := Options{MaxMessage: 3 << 20}.Bound(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(c.status)
			_, _ = io.WriteString(w, c.body)
		}))
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, httptest.NewRequest(http.MethodPost, callPath, strings.NewReader("{}")))
		var said struct {
			Code    string
			Message string
			Details []struct{ Type string }
		}
		if err := json.Unmarshal(w.Body.Bytes(), &said); err != nil {
			t.Fatalf("%s: %v in %s", c.about, err, w.Body)
		}
		types := fmt.Sprint(said.Details)
		if w.Code != c.status || said.Code != c.code || !strings.Contains(w.Body.String(), c.part) || !strings.Contains(types, "postilion.v1.ErrorDetail") {
			t.Errorf("%s: %d %s", c.about, w.Code, w.Body)
		}
		if w.Header().Get("Content-Type") != "application/json" {
			t.Errorf("%s: the answer is %s", c.about, w.Header().Get("Content-Type"))
		}
	}
	const ours = `{"code":"not_found","message":"x","details":[{"type":"a"}]}`
	w := httptest.NewRecorder()
	Options{MaxMessage: 3}.Bound(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(404)
		_, _ = io.WriteString(w, ours)
	})).ServeHTTP(w, httptest.NewRequest(http.MethodPost, callPath, nil))
	if w.Code != 404 || w.Body.String() != ours {
		t.Errorf("an error with details became %d %s", w.Code, w.Body)
	}
}

// Of a stream each message counts while it is received, and nothing counts when
// the stream is over, whoever still reads.
func TestTheMessagesOfAStreamCountOneByOne(t *testing.T) {
	t.Parallel()
	all := &budget{most: 200 << 10}
	b := &body{ReadCloser: io.NopCloser(bytes.NewReader(make([]byte, 1<<20))), budget: all, factor: 1, most: 1 << 20}
	ctx := context.WithValue(t.Context(), bodyKey{}, b)
	piece := make([]byte, 100<<10)
	for range 5 {
		if _, err := b.Read(piece); err != nil {
			t.Fatal(err)
		}
		if all.used.Load() == 0 {
			t.Error("a message does not count")
		}
		decoded(ctx)
	}
	b.end()
	if _, err := b.Read(piece); err == nil || all.used.Load() != 0 {
		t.Errorf("after the end: %v, and %d octets count", err, all.used.Load())
	}
}
