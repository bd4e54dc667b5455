package mail

import (
	"errors"
	"io"
)

// Content is a message ready for the outbox: everything but the fields that
// depend on the connection it goes out through. Those are an Overlay, which is
// put in front when the message is sent, so that a message that falls back to
// another connection is not composed again.
type Content struct {
	// Bytes are canonical: lines end in CRLF, no NUL, no stray CR, no Bcc.
	// They have no From, Sender and Reply-To unless Sealed. They may be part
	// of the input of Canonicalize.
	Bytes []byte
	// EightBit: there are octets above 127.
	EightBit bool
	// UTF8Headers: there are some in the header, so SMTPUTF8 is needed.
	UTF8Headers bool
	// Signed: a signature covers the body, which must go out as it is.
	Signed bool
	// Sealed: a signature (DKIM, ARC) covers the header too. Nothing may be
	// changed and there is no overlay.
	Sealed bool
	// MessageID is the value of the field, with angle brackets. It is empty
	// only if a sealed message has none.
	MessageID string
	// Subject is decoded, for showing it.
	Subject string
	// Identity is who sends the message, for Policy.Apply.
	Identity Identity
}

// Identity is what a sender policy has to know of a message.
type Identity struct {
	// From, Sender and ReplyTo as found; From is empty if there is none or
	// none that can be read.
	From    []Address
	Sender  Address
	ReplyTo []Address
	// FromDefaulted: the message had no From, it was filled in.
	FromDefaulted bool
	// Sealed: as in Content.
	Sealed bool
	// EnvelopeFrom is the envelope sender that was given, if EnvelopeGiven;
	// then empty is the null reverse-path.
	EnvelopeFrom  string
	EnvelopeGiven bool

	// The fields as they stood in raw content, nil if there were none.
	fromField, senderField, replyToField []byte
	// The other fields of the message.
	fields []field
}

// has reports whether the message has a field with the name.
func (id *Identity) has(name string) bool {
	for _, f := range id.fields {
		if f.is(name) {
			return true
		}
	}
	return false
}

// NewContent makes Content of canonical bytes that were composed here, for the
// message they were composed from.
func NewContent(m *Message, canonical []byte) *Content {
	h := scanHeader(canonical)
	c := &Content{
		Bytes:       canonical,
		EightBit:    !isASCII(canonical),
		UTF8Headers: !isASCII(canonical[:h.end]),
		Subject:     m.Subject,
		Identity:    Identity{Sender: m.Sender, ReplyTo: m.ReplyTo, fields: h.fields},
	}
	c.MessageID, _ = h.get("Message-ID")
	if m.From.Addr != "" {
		c.Identity.From = []Address{m.From}
	}
	return c
}

// Assembled is an overlay and a content one behind the other. It is safe for
// concurrent use if the content is.
type Assembled struct {
	overlay []byte
	content io.ReaderAt
	size    int64
}

// Reader puts an overlay in front of a content of the given size in octets.
func Reader(overlay []byte, content io.ReaderAt, size int64) *Assembled {
	return &Assembled{overlay: overlay, content: content, size: size}
}

// Size is the size of both together, in octets.
func (a *Assembled) Size() int64 { return int64(len(a.overlay)) + a.size }

// ReadAt implements io.ReaderAt.
func (a *Assembled) ReadAt(p []byte, off int64) (int, error) {
	if off < 0 {
		return 0, errors.New("mail: negative offset")
	}
	n := 0
	if off < int64(len(a.overlay)) {
		n = copy(p, a.overlay[off:])
		if n == len(p) {
			return n, nil
		}
	}
	at := off + int64(n) - int64(len(a.overlay))
	rest := p[n:]
	if at >= a.size {
		return n, io.EOF
	}
	short := int64(len(rest)) > a.size-at
	if short {
		rest = rest[:a.size-at]
	}
	m, err := a.content.ReadAt(rest, at)
	switch {
	case m < len(rest) && err == io.EOF:
		err = io.ErrUnexpectedEOF // the content is shorter than it should be
	case m == len(rest) && short:
		err = io.EOF
	case m == len(rest):
		err = nil
	}
	return n + m, err
}
