package mail

import (
	"bytes"
	"mime"
	"strconv"
	"strings"
)

// Address is a mailbox as it stands in a header: a display name, which may be
// empty, and an address.
type Address struct {
	Name string
	Addr string
}

// String writes the address as a header field has it, in ASCII unless the
// local part is not.
func (a Address) String() string {
	return strings.TrimSpace(strings.ReplaceAll(string(appendMailboxes(nil, 0, []Address{a}, false)), "\r\n", ""))
}

// path is the address in the form that is sent, or as given if it is not valid.
func (a Address) path() string {
	if p, err := ParsePath(a.Addr); err == nil {
		return p.String()
	}
	return a.Addr
}

// check judges an address that came in a structured form.
func (a Address) check(field string) error {
	if err := checkText(field+".name", a.Name); err != nil {
		return err
	}
	if _, err := ParsePath(a.Addr); err != nil {
		return inField(err, field+".address")
	}
	return nil
}

// ParseAddress reads one address as people write it: with or without a
// display name, quotes, comments or encoded words (RFC 5322 section 3.4, RFC
// 2047). What comes out is strict: Addr is valid as ParsePath says and in the
// form that is sent. The error is a *FieldError whose Field is "address".
func ParseAddress(s string) (Address, error) {
	list, err := ParseAddressList(s)
	switch {
	case err != nil:
		return Address{}, inField(err, "address")
	case len(list) == 0:
		return Address{}, refuse("address", "is empty; give an address such as name@example.com")
	case len(list) > 1:
		return Address{}, refuse("address", "holds more than one address; give one")
	}
	return list[0], nil
}

// ParseAddressList is ParseAddress for a list, with groups taken apart and
// semicolons accepted for commas. An empty list is no error. The Field of the
// error is "address[n]".
func ParseAddressList(s string) ([]Address, error) {
	if err := checkText("address[0]", s); err != nil {
		return nil, err
	}
	return parseAddresses(s, "address", "")
}

// parseAddresses reads the unfolded value of a field. Names without a domain
// get the given one.
func parseAddresses(s, field, domain string) ([]Address, error) {
	boxes, reason := splitMailboxes(s)
	if reason != "" {
		return nil, refuse(field+"["+strconv.Itoa(len(boxes))+"]", reason)
	}
	list := make([]Address, 0, len(boxes))
	for i, box := range boxes {
		p, err := ParsePath(Complete(box.Addr, domain))
		if err != nil {
			return nil, inField(err, field+"["+strconv.Itoa(i)+"]")
		}
		list = append(list, Address{Name: box.Name, Addr: p.String()})
	}
	return list, nil
}

// splitMailboxes takes a list apart without judging the addresses. With a
// reason it gives what it had read so far.
func splitMailboxes(s string) ([]Address, string) {
	p := listParser{s: s}
	for p.i < len(p.s) && p.reason == "" {
		p.next()
	}
	if p.reason == "" {
		p.flush()
	}
	return p.out, p.reason
}

// listParser goes through an address list once, collecting one mailbox at a
// time.
type listParser struct {
	s      string
	i      int
	out    []Address
	reason string

	name    []byte // the words so far, as a display name
	bare    []byte // and as an address without angle brackets
	space   bool   // white space since the last token
	comment string // the last one
	angle   string
	inAngle bool // the mailbox has angle brackets
	inGroup bool
}

func (p *listParser) next() {
	switch c := p.s[p.i]; c {
	case ' ', '\t', '\r', '\n':
		p.space = true
		p.i++
	case '"':
		raw := p.delimited('"', "has a quotation mark that is not closed; close it")
		p.word(unescape(raw), `"`+raw+`"`)
	case '(':
		p.comment = p.readComment()
	case '[':
		raw := p.delimited(']', "has a bracket that is not closed; close it")
		p.word("["+raw+"]", "["+raw+"]")
	case '<':
		if p.inAngle {
			p.reason = "holds two addresses without a comma between them; separate them"
			return
		}
		p.i++
		p.inAngle, p.angle = true, p.readAngle()
	case ',', ';':
		p.flush()
		p.inGroup = p.inGroup && c == ','
		p.i++
	case ':':
		if p.inGroup || p.inAngle || bytes.IndexByte(p.bare, '@') >= 0 {
			p.reason = "has a colon outside quotation marks; quote the name"
			return
		}
		p.reset()
		p.inGroup = true
		p.i++
	default:
		start := p.i
		p.i += encodedWord(p.s[start:])
		for p.i < len(p.s) && strings.IndexByte(" \t\r\n\"([<,;:", p.s[p.i]) < 0 {
			p.i++
		}
		p.word(p.s[start:p.i], p.s[start:p.i])
	}
}

// encodedWord gives the length of the encoded word that s begins with, or 0.
// Careless programs leave in it what would mean something outside, such as a
// comma.
func encodedWord(s string) int {
	if !strings.HasPrefix(s, "=?") {
		return 0
	}
	if i := strings.IndexAny(s, " \t\r\n"); i >= 0 {
		s = s[:i]
	}
	charset, rest, ok := strings.Cut(s[2:], "?")
	if !ok || len(rest) < 2 || rest[1] != '?' {
		return 0
	}
	end := strings.Index(rest[2:], "?=")
	if end < 0 {
		return 0
	}
	return len("=?") + len(charset) + len("?q?") + end + len("?=")
}

// word takes one token: as part of a name, and as part of a bare address, in
// which white space beside an @ or a dot means nothing.
func (p *listParser) word(text, raw string) {
	if p.space && len(p.bare) > 0 {
		p.name = append(p.name, ' ')
		if last := p.bare[len(p.bare)-1]; last != '@' && last != '.' && raw[0] != '@' && raw[0] != '.' {
			p.bare = append(p.bare, ' ')
		}
	}
	p.name = append(p.name, text...)
	p.bare = append(p.bare, raw...)
	p.space = false
}

// flush ends a mailbox.
func (p *listParser) flush() {
	switch {
	case p.inAngle:
		name := string(p.name)
		if name == "" {
			name = p.comment
		}
		p.out = append(p.out, Address{Name: decodeName(name), Addr: p.angle})
	case len(p.bare) > 0:
		p.out = append(p.out, Address{Name: decodeName(p.comment), Addr: string(p.bare)})
	}
	p.reset()
}

func (p *listParser) reset() {
	p.name, p.bare, p.space = p.name[:0], p.bare[:0], false
	p.comment, p.angle, p.inAngle = "", "", false
}

// delimited reads from the character under the cursor to the given end, past
// backslashes, and gives what lies between.
func (p *listParser) delimited(end byte, reason string) string {
	start := p.i + 1
	for p.i = start; p.i < len(p.s); p.i++ {
		switch p.s[p.i] {
		case '\\':
			p.i++
		case end:
			p.i++
			return p.s[start : p.i-1]
		}
	}
	p.i = len(p.s)
	p.reason = reason
	return ""
}

// readComment reads a comment with the comments in it.
func (p *listParser) readComment() string {
	start, depth := p.i+1, 0
	for ; p.i < len(p.s); p.i++ {
		switch p.s[p.i] {
		case '\\':
			p.i++
		case '(':
			depth++
		case ')':
			if depth--; depth == 0 {
				p.i++
				return unescape(p.s[start : p.i-1])
			}
		}
	}
	p.i = len(p.s)
	p.reason = "has a parenthesis that is not closed; close it"
	return ""
}

// readAngle reads to the closing angle bracket, without white space at the
// ends and without comments.
func (p *listParser) readAngle() string {
	var b strings.Builder
	for p.i < len(p.s) && p.reason == "" {
		switch c := p.s[p.i]; c {
		case '>':
			p.i++
			return strings.Trim(b.String(), " \t\r\n")
		case '"':
			b.WriteString(`"` + p.delimited('"', "has a quotation mark that is not closed; close it") + `"`)
		case '(':
			p.readComment()
		default:
			b.WriteByte(c)
			p.i++
		}
	}
	if p.reason == "" {
		p.reason = "has an angle bracket that is not closed; close it"
	}
	return ""
}

// unescape removes the backslashes of quoted pairs.
func unescape(s string) string {
	if strings.IndexByte(s, '\\') < 0 {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '\\' && i+1 < len(s) {
			i++
		}
		b.WriteByte(s[i])
	}
	return b.String()
}

// decodeName gives a display name as people read it. Encoded words are decoded
// within quotation marks too, where RFC 2047 forbids them and PHP programs
// put them. Control characters become spaces: encoding hid them from every
// check before.
func decodeName(s string) string { return strings.TrimSpace(spaced(decodeText(s))) }

// decodeText decodes encoded words; text with a charset that is not known
// stays as it is.
func decodeText(s string) string {
	s = toUTF8(s)
	if !strings.Contains(s, "=?") {
		return s
	}
	if decoded, err := new(mime.WordDecoder).DecodeHeader(s); err == nil {
		return toUTF8(decoded)
	}
	return s
}
