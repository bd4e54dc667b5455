package mail

import (
	"bytes"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// Options say how Canonicalize fills in what is missing.
type Options struct {
	Now    time.Time // for a missing Date, in the zone it is to show
	Domain string    // for a missing Message-ID, and behind senders without a domain
	ID     string    // for a missing Message-ID: unique, of characters that may stand in an atom
	// DefaultFrom is taken if there is no From.
	DefaultFrom Address
	// KeepBcc leaves Bcc in, for content that is not sent but handed on to
	// someone who reads the recipients from it.
	KeepBcc bool
	// Trace are header lines that go in front, with their CRLF: a Received
	// field of whoever took the message. They are not checked.
	Trace []byte
}

// Canonicalize makes Content of a message in the form of RFC 5322, read as
// leniently as an MTA does. This and nothing else is changed: line ends become
// CRLF, NUL and stray CR go, so do a byte order mark, leading mbox "From "
// lines and Bcc; missing Date, Message-ID, MIME-Version, empty line and charset
// are added, and with the latter the encoding 8bit; header text beyond ASCII is
// encoded (RFC 2047); lines that are too long are folded in the header and
// encoded in the body; a second Content-Type goes. From, Sender and Reply-To
// move from the bytes to the identity.
//
// A message with a DKIM or ARC signature is sealed: only line ends, NUL, stray
// CR, mbox lines and Bcc are mended, and a Bcc that is signed is refused with
// CodeSignedContent, because it could neither go nor stay. The body of a
// multipart/signed message is not encoded either.
//
// The result may be part of raw. The Field of the error is "raw.content".
func Canonicalize(raw []byte, o Options) (*Content, error) {
	data := withoutPrefix(canonicalLines(raw))
	if len(data) == 0 {
		return nil, refuse("raw.content", "is empty; give a message with a header and a body")
	}
	b := rawBuilder{options: o, data: data, header: scanHeader(data)}
	if len(b.header.fields) > 4*maxHeaderFields || b.header.end > 4*maxHeaderBytes {
		return nil, checkHeader(data[:b.header.end], b.header.fields) // no need to work on it first
	}
	b.inspect()
	if err := b.buildHeader(); err != nil {
		return nil, err
	}
	return b.content()
}

// rawBuilder holds the state of one Canonicalize.
type rawBuilder struct {
	options Options
	data    []byte
	header  header

	signed, sealed bool
	mediaType      string // of the first Content-Type
	params         []param
	has            map[string]bool // of the fields we may add, those that are there
	covered        map[string]bool // fields that a DKIM or ARC signature covers

	out      []byte // the new header
	identity Identity
}

func (b *rawBuilder) body() []byte { return b.data[b.header.body:] }

// inspect finds out what there is.
func (b *rawBuilder) inspect() {
	b.has, b.covered = make(map[string]bool, 8), map[string]bool{}
	for _, f := range b.header.fields {
		switch name := strings.ToLower(string(f.name())); name {
		case "dkim-signature", "arc-message-signature", "arc-seal":
			b.sealed, b.signed = true, true
			b.noteSigned(f.value())
		case "content-type":
			if !b.has[name] {
				b.mediaType, b.params = parseParams(f.value())
			}
			b.has[name] = true
		case "date", "message-id", "mime-version", "content-transfer-encoding":
			b.has[name] = b.has[name] || f.value() != ""
		}
	}
	b.signed = b.signed || b.mediaType == "multipart/signed"
}

// buildHeader writes the new header and fills in the identity.
func (b *rawBuilder) buildHeader() error {
	b.out = make([]byte, 0, len(b.options.Trace)+b.header.end+512)
	b.out = append(b.out, b.options.Trace...)
	contentTypes := 0
	for _, f := range b.header.fields {
		switch name := strings.ToLower(string(f.name())); {
		case (name == "bcc" || name == "resent-bcc") && !b.options.KeepBcc:
			if b.covered[name] {
				return &FieldError{Field: "raw.content", Reason: "has a signature over its Bcc field, which must not be sent; sign it without", Code: CodeSignedContent}
			}
		case name == "from" || name == "sender" || name == "reply-to":
			b.takeIdentity(name, f)
		case b.sealed:
			b.out = append(b.out, f.raw...)
		case (name == "date" || name == "message-id" || name == "mime-version") && !b.has[name]:
			// empty: replaced below
		case name == "content-type":
			if contentTypes++; contentTypes == 1 {
				b.appendContentType(f)
			}
		default:
			b.out = appendFixed(b.out, f, false)
		}
	}
	if !b.sealed {
		b.addMissing()
	}
	return nil
}

// noteSigned remembers what a signature covers (RFC 6376 section 3.5, tag h).
func (b *rawBuilder) noteSigned(signature string) {
	for tag := range strings.SplitSeq(signature, ";") {
		key, list, _ := strings.Cut(tag, "=")
		if strings.TrimSpace(key) != "h" {
			continue
		}
		for name := range strings.SplitSeq(list, ":") {
			b.covered[strings.ToLower(strings.TrimSpace(name))] = true
		}
	}
}

// takeIdentity reads a field that belongs to the overlay. Of several From
// fields, by which a reader could be shown another sender than the policy saw,
// the first is taken. Sealed content keeps them all, so the policy gets to see
// all.
func (b *rawBuilder) takeIdentity(name string, f field) {
	id := &b.identity
	fixed := f.raw
	if b.sealed {
		b.out = append(b.out, f.raw...)
	} else {
		fixed = appendFixed(nil, f, false)
	}
	list, err := parseAddresses(toUTF8(f.value()), name, b.options.Domain)
	if err != nil {
		list = nil
	}
	switch {
	case f.value() == "":
	case name == "from" && id.fromField == nil:
		id.fromField, id.From = slices.Clone(fixed), list
	case name == "from" && b.sealed:
		if len(list) == 0 {
			id.From = nil // unreadable in part is unreadable
		} else if len(id.From) > 0 {
			id.From = append(id.From, list...)
		}
		id.fromField = append(id.fromField, fixed...)
	case name == "sender" && (id.senderField == nil || b.sealed):
		id.senderField, id.Sender = append(id.senderField, fixed...), Address{}
		if len(list) == 1 && len(id.senderField) == len(fixed) {
			id.Sender = list[0]
		}
	case name == "reply-to" && id.replyToField == nil:
		id.replyToField, id.ReplyTo = fixed, list
	}
}

// appendContentType writes the Content-Type, with a charset if it is text and
// has none.
func (b *rawBuilder) appendContentType(f field) {
	fixed := appendFixed(nil, f, false)
	if b.mediaType != "text/plain" && b.mediaType != "text/html" || getParam(b.params, "charset") != "" {
		b.out = append(b.out, fixed...)
		return
	}
	value := field{raw: fixed, colon: bytes.IndexByte(fixed, ':')}.value()
	_, params := parseParams(value)
	empty := false
	for i := len(params) - 1; i >= 0; i-- {
		if p := params[i]; p.key == "charset" {
			value = value[:p.start] + value[p.end:]
			empty = true
		}
	}
	if b.has["content-transfer-encoding"] && !empty && isASCII(b.body()) {
		b.out = append(b.out, fixed...) // encoded in who knows what
		return
	}
	value = strings.TrimRight(value, "; \t") + "; charset=" + b.charset()
	b.out = AppendField(b.out, string(f.name()), value)
}

// charset is what the text of the body is most likely in.
func (b *rawBuilder) charset() string {
	if utf8.Valid(b.body()) {
		return "utf-8"
	}
	return "windows-1252"
}

// addMissing adds the fields that a message must have.
func (b *rawBuilder) addMissing() {
	if !b.has["date"] {
		b.out = AppendField(b.out, "Date", FormatDate(b.options.Now))
	}
	if !b.has["message-id"] {
		b.out = AppendField(b.out, "Message-ID", b.options.messageID())
	}
	if !b.has["mime-version"] {
		b.out = AppendField(b.out, "MIME-Version", "1.0")
	}
	if isASCII(b.body()) || b.has["content-transfer-encoding"] {
		return
	}
	if !b.has["content-type"] {
		b.out = AppendField(b.out, "Content-Type", "text/plain; charset="+b.charset())
	}
	if !strings.HasPrefix(b.mediaType, "multipart/") && !strings.HasPrefix(b.mediaType, "message/") {
		b.out = AppendField(b.out, "Content-Transfer-Encoding", "8bit")
	}
}

// content puts header and body together.
func (b *rawBuilder) content() (*Content, error) {
	bytes := b.assemble()
	if !b.signed && hasLongLine(bytes) {
		var err error
		if bytes, err = shortened(bytes); err != nil {
			return nil, err
		}
	}
	h := scanHeader(bytes)
	if err := checkHeader(bytes[:h.end], h.fields); err != nil {
		return nil, err
	}
	c := &Content{
		Bytes:       bytes,
		EightBit:    !isASCII(bytes),
		UTF8Headers: !isASCII(bytes[:h.end]),
		Signed:      b.signed,
		Sealed:      b.sealed,
	}
	c.MessageID, _ = h.get("Message-ID")
	subject, _ := h.get("Subject")
	c.Subject = decodeName(subject)
	c.Identity = b.identity
	c.Identity.Sealed, c.Identity.fields = b.sealed, h.fields
	if c.Identity.fromField == nil && !b.sealed {
		if from := b.options.DefaultFrom; from.Addr != "" {
			c.Identity.From, c.Identity.FromDefaulted = []Address{from}, true
		}
	}
	return c, nil
}

// assemble gives the new header with the body: the input if nothing has
// changed, or the end of it if the fields that went stood at its beginning.
func (b *rawBuilder) assemble() []byte {
	h := b.header
	if emptyLine := h.body > h.end; emptyLine && bytes.HasSuffix(b.data[:h.end], b.out) {
		return b.data[h.end-len(b.out):]
	}
	all := make([]byte, 0, len(b.out)+2+len(b.body()))
	all = append(append(all, b.out...), "\r\n"...)
	return append(all, b.body()...)
}

func (o Options) messageID() string {
	id, domain := o.ID, o.Domain
	if id == "" {
		id = strconv.FormatInt(o.Now.UnixNano(), 36)
	}
	if domain == "" {
		domain = "localhost.invalid"
	}
	return "<" + id + "@" + domain + ">"
}

// FormatDate writes a time as the Date field has it (RFC 5322 section 3.3).
func FormatDate(t time.Time) string { return t.Format("Mon, 02 Jan 2006 15:04:05 -0700") }
