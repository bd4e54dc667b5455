package fault

import (
	"context"
	"errors"
	"strconv"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/postilion-mail/postilion/internal/mail"
	"github.com/postilion-mail/postilion/internal/outbox"
	"github.com/postilion-mail/postilion/internal/registry"
	"github.com/postilion-mail/postilion/plugin"
	"github.com/postilion-mail/postilion/server/internal/plugins"
)

// From makes the API's error of one from within. It is the one place where
// errors of the daemon's packages get a code. Errors that have one stay as
// they are; what is not known becomes INTERNAL, without its text, which may
// name paths and hosts: the log has it.
func From(err error) error {
	if err == nil {
		return nil
	}
	if _, ok := err.(interface{ GRPCStatus() *status.Status }); ok {
		return err
	}
	if f, ok := fromField(err); ok {
		return f.Err()
	}
	if f, ok := fromOutbox(err); ok {
		return f.Err()
	}
	switch {
	case errors.Is(err, context.Canceled):
		return Fault{Code: codes.Canceled, Reason: "cancelled", Text: "the caller went away"}.Err()
	case errors.Is(err, context.DeadlineExceeded):
		return Fault{Code: codes.DeadlineExceeded, Reason: "deadline_exceeded", Text: "the deadline passed before there was an answer"}.Err()
	}
	return &internal{status: status.Convert(Fault{Code: codes.Internal, Reason: "internal", Text: "the daemon failed on this request; its log tells more"}.Err()), err: err}
}

// internal shows the caller a status and the log the cause.
type internal struct {
	status *status.Status
	err    error
}

func (i *internal) Error() string              { return i.err.Error() }
func (i *internal) Unwrap() error              { return i.err }
func (i *internal) GRPCStatus() *status.Status { return i.status }

func fromField(err error) (Fault, bool) {
	if as := (*mail.FieldError)(nil); errors.As(err, &as) {
		reason := as.Code
		if reason == "" {
			reason = "invalid_argument"
		}
		return Fault{Code: codes.InvalidArgument, Reason: reason, Fields: []string{as.Field}, Text: as.Reason}, true
	}
	if as := (*plugin.SettingError)(nil); errors.As(err, &as) {
		return Fault{Code: codes.InvalidArgument, Reason: "invalid_setting", Fields: []string{as.Field}, Text: as.Reason}, true
	}
	if as := (*registry.Error)(nil); errors.As(err, &as) {
		f := Fault{Code: registryCodes[as.Code], Reason: as.Reason, Text: as.Text, Remedy: as.Remedy}
		if as.Field != "" {
			f.Fields = []string{as.Field}
		}
		return f, true
	}
	if as := (*plugins.Error)(nil); errors.As(err, &as) {
		f := Fault{Code: pluginCodes[as.Code], Reason: as.Reason, Text: as.Text, Remedy: as.Remedy}
		if as.Field != "" {
			f.Fields = []string{as.Field}
		}
		return f, true
	}
	return Fault{}, false
}

var pluginCodes = map[plugins.Code]codes.Code{
	plugins.NotFound: codes.NotFound,
	plugins.Exists:   codes.AlreadyExists,
	plugins.Invalid:  codes.InvalidArgument,
	plugins.Refused:  codes.FailedPrecondition,
}

var registryCodes = map[registry.Code]codes.Code{
	registry.Invalid:  codes.InvalidArgument,
	registry.NotFound: codes.NotFound,
	registry.Exists:   codes.AlreadyExists,
	registry.Conflict: codes.Aborted,
	registry.InUse:    codes.FailedPrecondition,
	registry.Denied:   codes.PermissionDenied,
}

func fromOutbox(err error) (Fault, bool) {
	switch {
	case errors.Is(err, outbox.ErrNotFound):
		return Fault{Code: codes.NotFound, Reason: "message_not_found", Text: "there is no such message"}, true
	case errors.Is(err, outbox.ErrKeyReused):
		return Fault{
			Code: codes.AlreadyExists, Reason: "idempotency_key_reused", Fields: []string{"idempotency_key"},
			Text: "the key stands for another request", Remedy: "use a new key for each message; nothing was queued",
		}, true
	case errors.Is(err, outbox.ErrTooLate):
		return Fault{Code: codes.FailedPrecondition, Reason: "too_late", Text: err.Error(), Remedy: "see its state with GetMessage"}, true
	case errors.Is(err, outbox.ErrFull):
		return Fault{
			Code: codes.ResourceExhausted, Reason: "outbox_full", Text: err.Error(), RetryAfter: 30 * time.Second,
			Remedy: "try again when mail has gone out",
		}, true
	case errors.Is(err, outbox.ErrUnavailable):
		return Fault{
			Code: codes.Unavailable, Reason: "outbox_unavailable", Text: "the message could not be stored",
			RetryAfter: time.Second, Remedy: "try again with the same idempotency key",
		}, true
	}
	return Fault{}, false
}

// TooLarge is RESOURCE_EXHAUSTED for content above the limit.
func TooLarge(field string, limit int64) error {
	return Fault{
		Code: codes.ResourceExhausted, Reason: "message_too_large", Fields: []string{field},
		Text:   "the message is larger than " + strconv.FormatInt(limit, 10) + " octets",
		Remedy: "send less, or let the administrator raise max_message_size",
	}.Err()
}
