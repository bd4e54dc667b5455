package face

import (
	"context"
	"errors"
	"io"
	"net/http"
	"os"
	"strings"
	"sync/atomic"
	"time"

	"google.golang.org/grpc/codes"

	"github.com/postilion-mail/postilion/server/internal/fault"
)

// bounds are those of the bodies of unary calls. Streams may rest.
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

// body is the body of a unary call, bounded in time and by the budget.
type body struct {
	io.ReadCloser
	control *http.ResponseController
	budget  *budget
	idle    time.Duration
	until   time.Time
	factor  int64 // what an octet can become in memory
	most    int64 // what the whole can become
	read    int64
	taken   atomic.Int64
}

// Read implements io.Reader. Its errors are *connect.Error where we gave up.
func (b *body) Read(p []byte) (int, error) {
	deadline := time.Now().Add(b.idle)
	if deadline.After(b.until) {
		deadline = b.until
	}
	_ = b.control.SetReadDeadline(deadline)
	n, err := b.ReadCloser.Read(p)
	b.read += int64(n)
	if !b.hold(min(b.read*b.factor, b.most)) {
		return n, connectError(errReceiving)
	}
	switch {
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

func (b *body) hold(octets int64) bool {
	have := b.taken.Load()
	if octets <= have {
		return true
	}
	more := (octets - have + step - 1) / step * step
	if !b.budget.take(more) {
		return false
	}
	b.taken.Add(more)
	return true
}

// release gives back what was taken: the message has been decoded, or the call
// is over.
func (b *body) release() { b.budget.used.Add(-b.taken.Swap(0)) }

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

// decoded is told that the message of a call has been made of its body.
func decoded(ctx context.Context) {
	if b, ok := ctx.Value(bodyKey{}).(*body); ok {
		b.release()
	}
}

// Bound puts bounds to the bodies of unary calls, and gives every error of
// such a call the form and the details that those of the handlers have.
func (o Options) Bound(next http.Handler) http.Handler { return o.bound(next, usual) }

func (o Options) bound(next http.Handler, is bounds) http.Handler {
	receiving := &budget{most: is.receiving}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !strings.HasPrefix(r.URL.Path, "/postilion.") || streams(r) {
			next.ServeHTTP(w, r)
			return
		}
		b := &body{
			ReadCloser: r.Body, control: http.NewResponseController(w), budget: receiving,
			idle: is.idle, until: time.Now().Add(is.whole), factor: 1, most: int64(o.maxBody()),
		}
		if encoding := r.Header.Get("Content-Encoding"); encoding != "" && encoding != "identity" {
			b.factor = maxExpansion
		}
		defer b.release()
		if r.ContentLength != 0 {
			// Also for who is refused before the body is read: what is left of
			// it is read by net/http.
			_ = b.control.SetReadDeadline(time.Now().Add(is.idle))
			r = r.WithContext(context.WithValue(r.Context(), bodyKey{}, b))
			r.Body = b
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
