// Package fault makes the errors of the API: a gRPC status with details that
// programs can read, and a text that tells a person what to do next.
package fault

import (
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/protoadapt"
	"google.golang.org/protobuf/types/known/durationpb"

	postilionv1 "github.com/postilion-mail/postilion/proto/gen/postilion/v1"
)

// Domain is the domain of our google.rpc.ErrorInfo.
const Domain = "postilion"

// Fault describes an error of the API.
type Fault struct {
	Code       codes.Code
	Reason     string   // stable, snake_case
	Text       string   // what is wrong, lower case, without secrets
	Fields     []string // paths in the request
	Remedy     string   // what to do, a sentence
	RetryAfter time.Duration
	Resource   string // kind and name of what is missing or in the way, such as "connection/shop"
}

// Err gives the fault as a gRPC status error.
func (f Fault) Err() error {
	st := status.New(f.Code, f.message())
	details := []protoadapt.MessageV1{protoadapt.MessageV1Of(&errdetails.ErrorInfo{Reason: f.Reason, Domain: Domain})}
	add := func(m protoadapt.MessageV2) { details = append(details, protoadapt.MessageV1Of(m)) }
	detail := &postilionv1.ErrorDetail{Reason: f.Reason, Fields: f.Fields, Remedy: f.Remedy}
	if len(f.Fields) > 0 {
		bad := &errdetails.BadRequest{}
		for _, field := range f.Fields {
			bad.FieldViolations = append(bad.FieldViolations, &errdetails.BadRequest_FieldViolation{
				Field: field, Description: f.Text, Reason: f.Reason,
			})
		}
		add(bad)
	}
	if f.RetryAfter > 0 {
		detail.RetryAfter = durationpb.New(f.RetryAfter)
		add(&errdetails.RetryInfo{RetryDelay: detail.RetryAfter})
	}
	if f.Resource != "" {
		add(&errdetails.ResourceInfo{ResourceType: "postilion", ResourceName: f.Resource, Description: f.Text})
	}
	add(detail)
	if with, err := st.WithDetails(details...); err == nil {
		st = with
	}
	return st.Err()
}

func (f Fault) message() string {
	text := f.Text
	if len(f.Fields) == 1 {
		text = f.Fields[0] + ": " + text
	}
	if f.Remedy != "" {
		text += "; " + f.Remedy
	}
	return text
}

// Detail finds our detail in an error's status; nil if it has none.
func Detail(err error) *postilionv1.ErrorDetail {
	for _, d := range status.Convert(err).Details() {
		if detail, ok := d.(*postilionv1.ErrorDetail); ok {
			return detail
		}
	}
	return nil
}

// Invalid is INVALID_ARGUMENT for a field of the request.
func Invalid(field, text, remedy string) error {
	return Fault{Code: codes.InvalidArgument, Reason: "invalid_argument", Fields: []string{field}, Text: text, Remedy: remedy}.Err()
}

// NotFound is NOT_FOUND for a thing of a kind, also one that is another
// client's.
func NotFound(kind, name string) error {
	return Fault{Code: codes.NotFound, Reason: kind + "_not_found", Text: "there is no " + kind + " " + quote(name), Resource: kind + "/" + name}.Err()
}

// Unauthenticated is for callers without valid credentials.
func Unauthenticated(text, remedy string) error {
	return Fault{Code: codes.Unauthenticated, Reason: "unauthenticated", Text: text, Remedy: remedy}.Err()
}

// Denied is for callers whose rights do not suffice.
func Denied(text, remedy string) error {
	return Fault{Code: codes.PermissionDenied, Reason: "permission_denied", Text: text, Remedy: remedy}.Err()
}
