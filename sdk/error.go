package sdk

import (
	"context"
	"errors"
	"strings"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	postilionv1 "github.com/postilion-mail/postilion/proto/gen/postilion/v1"
)

// Error is what the daemon, or the way to it, has against a call.
type Error struct {
	// Code is the gRPC status code.
	Code codes.Code
	// Message is for people.
	Message string
	// Reason is a stable name such as "secret_required"; empty if the daemon
	// gave none, as when it could not be reached.
	Reason string
	// Fields are the paths of the request's fields that are at fault, such as
	// "message.to[2].address".
	Fields []string
	// Remedy says what to do, in a sentence.
	Remedy string
	// RetryAfter is when it makes sense to try again; 0 if that is not known.
	RetryAfter time.Duration

	cause error
}

// AsError reads an error of any call to the daemon, also when it is wrapped.
// It gives nil for nil, and for an error that is not of a call one with the
// code Unknown.
func AsError(err error) *Error {
	if err == nil {
		return nil
	}
	var known *Error
	if errors.As(err, &known) {
		return known
	}
	given, ok := status.FromError(err)
	if !ok && (errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled)) {
		given = status.FromContextError(err)
	}
	result := &Error{Code: given.Code(), Message: given.Message(), cause: err}
	for _, detail := range given.Details() {
		if detail, ok := detail.(*postilionv1.ErrorDetail); ok {
			result.take(detail)
		}
	}
	return result
}

// take fills in what the daemon says in detail.
func (e *Error) take(detail *postilionv1.ErrorDetail) {
	e.Reason = detail.GetReason()
	e.Fields = detail.GetFields()
	e.Remedy = detail.GetRemedy()
	e.RetryAfter = detail.GetRetryAfter().AsDuration()
}

// Error gives the message, and the remedy where the message does not hold it.
func (e *Error) Error() string {
	if e.Remedy == "" || strings.Contains(e.Message, e.Remedy) {
		return e.Message
	}
	return e.Message + ": " + e.Remedy
}

// Unwrap gives the error as gRPC returned it.
func (e *Error) Unwrap() error { return e.cause }

// Temporary tells whether the same call can succeed later.
func (e *Error) Temporary() bool {
	switch e.Code {
	case codes.Unavailable, codes.ResourceExhausted, codes.DeadlineExceeded, codes.Internal:
		return true
	}
	return e.RetryAfter > 0
}
