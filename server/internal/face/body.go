package face

import (
	"context"
	"errors"
	"io"
	"net/http"
	"os"
	"runtime/debug"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"connectrpc.com/connect"
	"google.golang.org/grpc/codes"

	"github.com/postilion-mail/postilion/server/internal/fault"
)

// bounds are those of the bodies of calls. The times are of unary calls only:
// streams may rest.
type bounds struct {
	receiving int64         // octets of all that are being read or decoded
	idle      time.Duration // one that stands still for so long is given up
	whole     time.Duration // and one that is not there by then
}

// usual bounds: what is being received may take as much memory as what is
// being accepted.
var usual = bounds{receiving: 128 << 20, idle: 30 * time.Second, whole: 5 * time.Minute}

// maxExpansion is the most that deflate can do, by its format.
const maxExpansion = 1032

// budget counts octets in memory. It is safe for concurrent use.
type budget struct {
	most int64
	used atomic.Int64
}

func (b *budget) take(octets int64) bool {
	if b.used.Add(octets) > b.most {
		b.used.Add(-octets)
		return false
	}
	return true
}

// body is the body of a call, bounded by the budget and, if it is a unary
// call's, in time.
type body struct {
	io.ReadCloser
	budget *budget
	factor int64 // what an octet can become in memory
	most   int64 // what a message can become

	control *http.ResponseController // nil for a stream
	idle    time.Duration
	until   time.Time

	mu    sync.Mutex
	read  int64 // of the present message
	taken int64
	over  bool // nothing is taken any more
}

// Read implements io.Reader. Its errors are *connect.Error where we gave up.
func (b *body) Read(p []byte) (int, error) {
	if b.control != nil {
		deadline := time.Now().Add(b.idle)
		if deadline.After(b.until) {
			deadline = b.until
		}
		_ = b.control.SetReadDeadline(deadline)
	}
	n, err := b.ReadCloser.Read(p)
	if !b.hold(int64(n)) {
		return n, connectError(errReceiving)
	}
	if err == io.EOF && b.large() {
		debug.FreeOSMemory() // what its buffer has outgrown would stay beside what it is decoded to
	}
	switch {
	case b.control == nil:
	case errors.Is(err, os.ErrDeadlineExceeded):
		err = connectError(errSlow)
	case err != nil:
		// The connection's next request, and the look-out for the caller's
		// going away, have no deadline.
		_ = b.control.SetReadDeadline(time.Time{})
	}
	return n, err
}

// step is how much is taken out of the budget at a time.
const step = 64 << 10

// hold takes what so many more octets can become.
func (b *body) hold(octets int64) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.read += octets
	want := min(b.read*b.factor, b.most)
	if want <= b.taken {
		return true
	}
	more := (want - b.taken + step - 1) / step * step
	if b.over || !b.budget.take(more) {
		return false
	}
	b.taken += more
	return true
}

// collectFrom is the size, in octets, from which a body is worth a garbage
// collection.
const collectFrom = 4 << 20

func (b *body) large() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.read > collectFrom
}

// release gives back what was taken: the message has been decoded.
func (b *body) release() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.budget.used.Add(-b.taken)
	b.read, b.taken = 0, 0
}

// end is release for good: a stream may be read when its handler is gone.
func (b *body) end() {
	b.release()
	b.mu.Lock()
	defer b.mu.Unlock()
	b.over = true
}

var (
	errReceiving = fault.Fault{
		Code: codes.ResourceExhausted, Reason: "busy", Text: "too many octets are being received at the moment", RetryAfter: time.Second,
		Remedy: "try again in a moment with the same idempotency key",
	}.Err()
	errSlow = fault.Fault{
		Code: codes.DeadlineExceeded, Reason: "slow_body", Text: "the request's body came too slowly",
		Remedy: "send it at once",
	}.Err()
)

type bodyKey struct{}

// decoded is told that a message has been made of what was read.
func decoded(ctx context.Context) {
	if b, ok := ctx.Value(bodyKey{}).(*body); ok {
		b.release()
	}
}

// decoding tells when a stream's message is decoded.
type decoding struct {
	connect.StreamingHandlerConn
	ctx context.Context
}

// Receive implements connect.StreamingHandlerConn.
func (d decoding) Receive(m any) error {
	defer decoded(d.ctx)
	return d.StreamingHandlerConn.Receive(m)
}

// Bound puts bounds to the bodies of calls, and gives every error of a unary
// call the form and the details that those of the handlers have.
func (o Options) Bound(next http.Handler) http.Handler { return o.bound(next, usual) }

func (o Options) bound(next http.Handler, is bounds) http.Handler {
	receiving := &budget{most: is.receiving}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !strings.HasPrefix(r.URL.Path, "/postilion.") {
			next.ServeHTTP(w, r)
			return
		}
		b := &body{ReadCloser: r.Body, budget: receiving, factor: 1, most: int64(o.maxBody())}
		if compressed(r.Header) {
			b.factor = maxExpansion
		}
		defer b.end()
		stream := streams(r)
		if r.ContentLength != 0 {
			if !stream {
				b.control, b.idle, b.until = http.NewResponseController(w), is.idle, time.Now().Add(is.whole)
				// Also for who is refused before the body is read: what is left
				// of it is read by net/http.
				_ = b.control.SetReadDeadline(time.Now().Add(is.idle))
			}
			r = r.WithContext(context.WithValue(r.Context(), bodyKey{}, b))
			r.Body = b
		}
		if stream {
			next.ServeHTTP(w, r)
			return
		}
		e := &errorWriter{ResponseWriter: w}
		next.ServeHTTP(e, r)
		e.finish(r)
	})
}

// streams tells whether a call is one of a streaming protocol.
func streams(r *http.Request) bool {
	kind := r.Header.Get("Content-Type")
	return strings.HasPrefix(kind, "application/connect+") || strings.HasPrefix(kind, "application/grpc")
}

// compressed tells whether messages may be, in any of the protocols.
func compressed(h http.Header) bool {
	for _, name := range []string{"Content-Encoding", "Connect-Content-Encoding", "Grpc-Encoding"} {
		if encoding := h.Get(name); encoding != "" && encoding != "identity" {
			return true
		}
	}
	return false
}
