package mail

import "errors"

// FieldError says which field of a request cannot be taken, and what to do
// about it. Every function of this package that judges input returns it.
type FieldError struct {
	// Field is the path of the field in the API, such as
	// "message.to[2].address".
	Field string
	// Reason is a sentence in lower case that names the remedy.
	Reason string
	// Code is set where a program may want to tell reasons apart: one of the
	// Code constants, or empty.
	Code string
}

// The codes of a FieldError.
const (
	CodeSignedContent    = "signed_content"     // a signature forbids a change that would be needed
	CodeSenderNotAllowed = "sender_not_allowed" // the policy does not let this sender through
	CodeSenderRequired   = "sender_required"    // neither the message nor the policy names one
	CodeTooLarge         = "too_large"          // a limit is exceeded
)

// Error names the field and the reason.
func (e *FieldError) Error() string { return e.Field + ": " + e.Reason }

// refuse is a FieldError as error.
func refuse(field, reason string) error { return &FieldError{Field: field, Reason: reason} }

// inField moves a FieldError to another field, for whoever knows where the
// value stood. It gives nil for nil.
func inField(err error, field string) error {
	fe := (*FieldError)(nil)
	if !errors.As(err, &fe) {
		return err
	}
	return &FieldError{Field: field, Reason: fe.Reason, Code: fe.Code}
}
