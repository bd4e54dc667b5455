// Package mail is what a message is before it is delivered: addresses, the
// structured message of the API and its validation, raw messages and their
// canonical form, the sender policy.
//
// It imports only the standard library and golang.org/x/net/idna because the
// sendmail command, which starts for every mail, is built on it. Composing
// needs more and has a package of its own, mail/compose.
//
// Everything here is a plain function of its input; values may be shared
// between goroutines as long as nobody changes them.
package mail

import "time"

// Message is the structured message of the API.
type Message struct {
	From    Address // none if Addr is empty; then the policy says
	Sender  Address // none if Addr is empty
	ReplyTo []Address
	To      []Address
	Cc      []Address
	Bcc     []Address

	Subject     string
	Text        string // of the part in plain text
	HTML        string
	Attachments []Attachment

	Headers         []Header // further fields
	ListUnsubscribe ListUnsubscribe
	Importance      Importance
	Date            time.Time // zero: now
	MessageID       string    // with or without angle brackets; empty: one is made
	InReplyTo       string    // likewise
	References      []string  // likewise
}

// Attachment is a file in a message.
type Attachment struct {
	Filename    string // without a path
	ContentType string // empty: found from the file name
	Content     []byte
	ContentID   string // how the HTML refers to it ("cid:..."), with or without angle brackets
	Inline      bool   // shown with the text where possible; ContentID implies it
}

// Header is one further header field, in UTF-8.
type Header struct {
	Name  string
	Value string
}

// ListUnsubscribe says how to leave a list (RFC 2369, RFC 8058).
type ListUnsubscribe struct {
	URLs     []string // https, http and mailto
	OneClick bool     // a POST to the first https URL is enough
}

// Importance is how important readers should find a message.
type Importance uint8

// The degrees of importance; the zero value says nothing.
const (
	ImportanceUnspecified Importance = iota
	ImportanceHigh
	ImportanceNormal
	ImportanceLow
)

// Recipients lists the addresses of To, Cc and Bcc.
func (m *Message) Recipients() []Address {
	all := make([]Address, 0, len(m.To)+len(m.Cc)+len(m.Bcc))
	return append(append(append(all, m.To...), m.Cc...), m.Bcc...)
}
