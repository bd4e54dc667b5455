package plugins

// Code is the kind of an Error.
type Code uint8

// The kinds of errors.
const (
	NotFound Code = iota + 1 // there is no plugin of this name
	Exists                   // there is a transport of this name
	Invalid                  // a value cannot be taken
	Refused                  // the program is no plugin that can be used
)

// Error says what is wrong and what to do about it.
type Error struct {
	Code   Code
	Reason string // stable, snake_case
	Field  string // path in the API's request; empty for none
	Text   string // what is wrong, in lower case, one line
	Remedy string
}

// Error gives field, text and remedy in one line.
func (e *Error) Error() string {
	text := e.Text
	if e.Field != "" {
		text = e.Field + ": " + text
	}
	if e.Remedy != "" {
		text += "; " + e.Remedy
	}
	return text
}

func invalid(field, text, remedy string) *Error {
	return &Error{Code: Invalid, Reason: "invalid_argument", Field: field, Text: text, Remedy: remedy}
}

// refused is the error of a program.
func refused(text, remedy string) *Error {
	return &Error{Code: Refused, Reason: "plugin_refused", Text: text, Remedy: remedy}
}

func notFound(name string) *Error {
	return &Error{Code: NotFound, Reason: "plugin_not_found", Field: "name", Text: "there is no such plugin", Remedy: "see ListPlugins (postilion plugins list)"}
}
