package registry

import "strings"

// Code is the kind of an Error, by which the faces choose their own codes.
type Code uint8

// The kinds of errors.
const (
	// NotFound: there is none of this name, or it is another client's.
	NotFound Code = iota + 1
	// Conflict: the etag is not the current one; somebody else was faster.
	Conflict
	// Invalid: a value cannot be taken.
	Invalid
	// Exists: the name or the Unix user is taken.
	Exists
	// InUse: what refers to it must be changed first.
	InUse
	// Denied: it needs the scope admin.
	Denied
)

// The reasons that programs may want to tell apart. Others are for people.
const (
	ReasonSecretRequired = "secret_required"       // a stored secret is not carried over to other settings
	ReasonEtagMismatch   = "etag_mismatch"         // somebody else was faster
	ReasonAdminRequired  = "admin_required"        // the field needs the scope admin
	ReasonFallbackCycle  = "fallback_cycle"        // the fallbacks lead back to the connection
	ReasonNoConnection   = "unknown_connection"    // no connection of this name
	ReasonNoDefault      = "no_default_connection" // neither an own default nor a shared one
	ReasonNoClient       = "unknown_client"        // no client of this name
	ReasonNoToken        = "unknown_token"         // no token of this id
	ReasonReferenced     = "referenced"            // fallbacks or routes name it
	ReasonBuiltIn        = "built_in"              // the clients admin and local cannot be changed so
	ReasonTaken          = "taken"                 // the name or Unix user belongs to another
	ReasonTooMany        = "too_many"              // a fixed bound is reached
	ReasonMalformed      = "malformed"             // the value is not of the right form
)

// Error says what is wrong with a request and what to do about it. It never
// holds a secret.
type Error struct {
	Code   Code
	Reason string // one of the Reason constants
	// Field is the path of the field in the API's request, such as
	// "connection.fallbacks[1]" or "routes[2].connection"; empty if no single
	// field is to blame.
	Field  string
	Text   string // what is wrong, in lower case
	Remedy string // what to do
}

// The kinds on which callers branch, for errors.Is.
var (
	ErrNotFound = &Error{Code: NotFound, Text: "not found"}
	ErrConflict = &Error{Code: Conflict, Text: "changed in the meantime"}
	ErrExists   = &Error{Code: Exists, Text: "taken"}
	ErrInvalid  = &Error{Code: Invalid, Text: "invalid"}
	ErrInUse    = &Error{Code: InUse, Text: "in use"}
	ErrDenied   = &Error{Code: Denied, Text: "needs the scope admin"}
)

// Error gives field, text and remedy in one line.
func (e *Error) Error() string {
	var b strings.Builder
	if e.Field != "" {
		b.WriteString(e.Field + ": ")
	}
	b.WriteString(e.Text)
	if e.Remedy != "" {
		b.WriteString("; " + e.Remedy)
	}
	return b.String()
}

// Is makes errors.Is(err, ErrNotFound) and its like compare the codes.
func (e *Error) Is(target error) bool {
	t, ok := target.(*Error)
	return ok && t.Code == e.Code && t.Reason == ""
}

// malformed is the error of a value that has not the right form.
func malformed(field, text, remedy string) *Error {
	return &Error{Code: Invalid, Reason: ReasonMalformed, Field: field, Text: text, Remedy: remedy}
}

// needsAdmin is the error of a field that only an admin may set.
func needsAdmin(field string) *Error {
	return &Error{
		Code: Denied, Reason: ReasonAdminRequired, Field: field,
		Text:   "needs the scope admin",
		Remedy: "leave it as it is, or let an admin set it",
	}
}
