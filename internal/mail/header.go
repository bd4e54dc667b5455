package mail

import (
	"bytes"
	"strings"
)

// Limits of a header. Postfix has the same (header_size_limit); the number of
// fields bounds what everyone behind us has to go through.
const (
	maxHeaderBytes  = 102400
	maxHeaderFields = 1000
	maxNameBytes    = 255
)

// field is one header field as it stands in canonical content.
type field struct {
	raw   []byte // complete lines with their CRLF
	colon int    // offset of the colon in raw
}

// name is the field's name without the white space that RFC 822 allowed
// before the colon.
func (f field) name() []byte { return bytes.TrimRight(f.raw[:f.colon], " \t") }

// is compares the name.
func (f field) is(name string) bool {
	n := f.name()
	return len(n) == len(name) && strings.EqualFold(string(n), name)
}

// value is the unfolded value without white space at its ends.
func (f field) value() string {
	v := f.raw[f.colon+1:]
	if i := bytes.IndexByte(v, '\n'); i == len(v)-1 {
		return string(bytes.TrimSpace(v))
	}
	return string(bytes.TrimSpace(bytes.ReplaceAll(v, []byte("\r\n"), nil)))
}

// header is the leniently read header of canonical content or of a part.
type header struct {
	fields []field
	end    int // where the fields end
	body   int // where the body begins, behind the empty line if there is one
}

// scanHeader reads fields up to an empty line, or to the first line that
// cannot be one: with that the body has begun, as every MTA takes it.
func scanHeader(b []byte) header {
	h := header{fields: make([]field, 0, 24)}
	for h.end < len(b) {
		line := b[h.end:]
		if i := bytes.IndexByte(line, '\n'); i >= 0 {
			line = line[:i+1]
		}
		if len(bytes.TrimRight(line, "\r\n")) == 0 {
			h.body = h.end + len(line)
			return h
		}
		if n := len(h.fields); isWSP(line[0]) && n > 0 {
			start := h.end - len(h.fields[n-1].raw)
			h.fields[n-1].raw = b[start : h.end+len(line)]
		} else if colon := nameEnd(line); colon > 0 {
			h.fields = append(h.fields, field{raw: line, colon: colon})
		} else {
			break
		}
		h.end += len(line)
	}
	h.body = h.end
	return h
}

// nameEnd gives the offset of the colon if the line begins a field, else 0.
func nameEnd(line []byte) int {
	i := 0
	for i < len(line) && isFtext(line[i]) {
		i++
	}
	n := i
	for i < len(line) && isWSP(line[i]) {
		i++
	}
	if n == 0 || i == len(line) || line[i] != ':' {
		return 0
	}
	return i
}

// get gives the value of the first field with the name.
func (h *header) get(name string) (value string, ok bool) {
	for _, f := range h.fields {
		if f.is(name) {
			return f.value(), true
		}
	}
	return "", false
}

// checkHeader holds a finished header against the limits.
func checkHeader(b []byte, fields []field) error {
	tooLarge := func(reason string) error {
		return &FieldError{Field: "raw.content", Reason: reason, Code: CodeTooLarge}
	}
	if len(b) > maxHeaderBytes {
		return tooLarge("has a header of more than 102400 octets; shorten it")
	}
	if len(fields) > maxHeaderFields {
		return tooLarge("has more than 1000 header fields; remove some")
	}
	for _, f := range fields {
		if len(f.name()) > maxNameBytes {
			return tooLarge("has a header name of more than 255 octets; shorten it")
		}
	}
	return nil
}

// kind is how the value of a field is built, which says how it may be encoded.
type kind uint8

const (
	unstructured kind = iota
	addresses         // phrases in an address list may be encoded
	parameters        // a MIME value with parameters (RFC 2045, RFC 2231)
)

// kindOf looks at a field's name.
func kindOf(name []byte) kind {
	switch strings.ToLower(string(name)) {
	case "from", "sender", "reply-to", "to", "cc", "bcc",
		"resent-from", "resent-sender", "resent-reply-to", "resent-to", "resent-cc", "resent-bcc",
		"disposition-notification-to", "return-receipt-to", "errors-to", "mail-followup-to", "mail-reply-to":
		return addresses
	case "content-type", "content-disposition":
		return parameters
	}
	return unstructured
}

// appendFixed appends a field so that it can be sent: lines not too long and
// none that is only white space, text in ASCII. Address fields keep addresses
// that are not ASCII unless downgrade says otherwise.
func appendFixed(dst []byte, f field, downgrade bool) []byte {
	ascii := isASCII(f.raw)
	if ascii && !hasLongLine(f.raw) && !hasBlankLine(f.raw) {
		return append(dst, f.raw...)
	}
	name, value := string(f.name()), f.value()
	switch kindOf(f.name()) {
	case addresses:
		if list, reason := splitMailboxes(toUTF8(value)); reason == "" {
			if len(list) == 0 {
				return AppendAddresses(dst, name, nil)
			}
			fixed := append(append(dst, name...), ':')
			fixed = append(appendMailboxes(fixed, len(name)+1, list, downgrade), "\r\n"...)
			if !hasLongLine(fixed[len(dst):]) {
				return fixed
			}
		}
	case parameters:
		return appendParameters(dst, name, value)
	}
	if !ascii {
		value = spaced(decodeText(value))
	}
	return AppendField(dst, name, value)
}

// hasBlankLine reports whether a field has a line of white space alone, which
// some readers take for the end of the header.
func hasBlankLine(raw []byte) bool {
	for line := range bytes.Lines(raw) {
		if len(bytes.TrimSpace(line)) == 0 {
			return true
		}
	}
	return false
}
