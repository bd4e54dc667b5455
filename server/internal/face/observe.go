package face

import (
	"context"
	"errors"
	"log/slog"
	"runtime/debug"
	"time"

	"connectrpc.com/connect"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/postilion-mail/postilion/server/internal/fault"
)

// Observer is told of calls. Its functions are called concurrently.
type Observer struct {
	Log *slog.Logger
	// Called counts a call by its method and result.
	Called func(method string, code codes.Code, took time.Duration)
	// Panicked counts the panics of handlers.
	Panicked func()
}

// call is deferred around a handler: it turns a panic into INTERNAL, so that
// one bad message does not end the process, and any error into a status.
func (o Observer) call(ctx context.Context, method string, start time.Time, err *error) {
	if p := recover(); p != nil {
		// What was panicked with may hold parts of the message; the stack does
		// not.
		o.Log.ErrorContext(ctx, "a call panicked", "method", method, "stack", string(debug.Stack()))
		o.Panicked()
		*err = fault.Fault{Code: codes.Internal, Reason: "internal", Text: "the daemon failed on this request; its log tells more"}.Err()
	}
	code := codes.OK
	if as := (*connect.Error)(nil); errors.As(*err, &as) {
		code = codes.Code(as.Code()) // its own, of a stream that broke
	} else {
		*err = fault.From(*err)
		code = status.Code(*err)
	}
	o.Called(method, code, time.Since(start))
	switch code {
	case codes.Internal, codes.Unknown, codes.DataLoss:
		o.Log.ErrorContext(ctx, "a call failed", "method", method, "code", code.String(), "error", *err)
	case codes.OK:
	default:
		o.Log.DebugContext(ctx, "a call was refused", "method", method, "code", code.String(), "error", *err)
	}
}
