package face

import (
	"bytes"
	"encoding/json"
	"net/http"
	"regexp"
	"strings"

	"connectrpc.com/connect"
	"google.golang.org/grpc/codes"

	"github.com/postilion-mail/postilion/server/internal/fault"
)

// errorWriter holds back an answer that is an error until finish, which gives
// it our details if it has none: the errors of Connect itself and of net/http.
type errorWriter struct {
	http.ResponseWriter
	status int // of an error
	body   bytes.Buffer
}

// Unwrap is for http.ResponseController.
func (e *errorWriter) Unwrap() http.ResponseWriter { return e.ResponseWriter }

func (e *errorWriter) WriteHeader(status int) {
	if status >= http.StatusBadRequest {
		e.status = status
		return
	}
	e.ResponseWriter.WriteHeader(status)
}

func (e *errorWriter) Write(p []byte) (int, error) {
	if e.status != 0 {
		return e.body.Write(p)
	}
	return e.ResponseWriter.Write(p)
}

// finish sends the error.
func (e *errorWriter) finish(r *http.Request) {
	if e.status == 0 {
		return
	}
	var said struct {
		Code    string
		Message string
		Details []json.RawMessage
	}
	_ = json.Unmarshal(e.body.Bytes(), &said) // of what is not JSON the status tells
	if len(said.Details) > 0 {
		e.ResponseWriter.WriteHeader(e.status)
		_, _ = e.ResponseWriter.Write(e.body.Bytes())
		return
	}
	f := plainFault(e.status, said.Code, said.Message)
	for _, name := range []string{"Content-Length", "Content-Encoding"} {
		e.Header().Del(name)
	}
	_ = connect.NewErrorWriter().Write(&fixedStatus{e.ResponseWriter, e.status}, r, connectError(f.Err()))
}

// fixedStatus keeps the status that was meant.
type fixedStatus struct {
	http.ResponseWriter
	status int
}

func (f *fixedStatus) WriteHeader(int) { f.ResponseWriter.WriteHeader(f.status) }

// plainFault makes an error of ours of one without details.
func plainFault(status int, code, text string) fault.Fault {
	switch status {
	case http.StatusNotFound:
		return fault.Fault{Code: codes.Unimplemented, Reason: "unknown_method", Text: "there is no such method", Remedy: "call POST /postilion.v1.<Service>/<Method>"}
	case http.StatusMethodNotAllowed:
		return fault.Fault{Code: codes.Unimplemented, Reason: "method_not_allowed", Text: "calls are made with POST", Remedy: "use POST"}
	case http.StatusUnsupportedMediaType:
		return fault.Fault{Code: codes.InvalidArgument, Reason: "unsupported_content_type", Text: "the Content-Type is not one of the API's", Remedy: "send JSON with Content-Type: application/json"}
	}
	f := fault.Fault{Code: codes.Unknown, Reason: "request_failed", Text: text}
	for c := codes.Canceled; c <= codes.Unauthenticated; c++ {
		if connect.Code(c).String() == code {
			f.Code = c
		}
	}
	switch f.Code {
	case codes.InvalidArgument:
		f.Reason, f.Remedy = "malformed_request", "correct it; the API's reference has the names and types of the fields"
		f.Text, f.Fields = unmarshalText(text)
	case codes.ResourceExhausted:
		f.Reason, f.Remedy = "message_too_large", "send less, or let the administrator raise max_message_size"
	case codes.Unimplemented:
		f.Reason, f.Remedy = "unsupported_encoding", "send the body as it is, or compressed with gzip"
	}
	if f.Text == "" {
		f.Text = http.StatusText(status)
	}
	return f
}

// namedField finds the field in an error of protojson.
var namedField = regexp.MustCompile(`unknown field "([^"]{1,100})"|field ([A-Za-z0-9_.]{1,100}):`)

// unmarshalText makes of an error of protojson one that reads like ours. That
// package varies its blanks, so that nobody relies on them.
func unmarshalText(text string) (string, []string) {
	text = strings.ReplaceAll(text, "\u00a0", " ")
	text = strings.TrimPrefix(strings.TrimPrefix(text, "unmarshal message: "), "proto: ")
	var fields []string
	if m := namedField.FindStringSubmatch(text); m != nil {
		fields = []string{m[1] + m[2]}
	}
	return text, fields
}
