package mail

import (
	"bytes"
	"encoding/base64"
	"mime/quotedprintable"
	"strings"
)

// SevenBit gives canonical content in 7-bit form, for a server without
// 8BITMIME (RFC 6152): leaf parts that need it become quoted-printable if they
// are text, else base64; header text becomes encoded words; addresses that are
// not ASCII become groups that name them (RFC 6857), which only matters to
// readers, since recipients come from the envelope. Content that is 7-bit
// already comes back as it is.
//
// Signed content that would have to change, or a signed part in it, is an
// error with CodeSignedContent; so is, with CodeTooLarge, a structure deeper
// than 100 or of more than 1,000 parts. The Field is "raw.content".
func SevenBit(content []byte) ([]byte, error) {
	if isASCII(content) {
		return content, nil
	}
	for _, f := range scanHeader(content).fields {
		if f.is("DKIM-Signature") || f.is("ARC-Message-Signature") || f.is("ARC-Seal") {
			return nil, errSigned()
		}
	}
	size := len(content) + len(content)/16 + 1024
	for _, c := range content {
		size += int(c>>7) * 2
	}
	r := rewriter{sevenBit: true}
	return r.entity(make([]byte, 0, size), content, "")
}

// shortened encodes the leaf parts of canonical content that have lines which
// are too long to send. Signed parts in it stay as they are.
func shortened(content []byte) ([]byte, error) {
	r := rewriter{}
	return r.entity(make([]byte, 0, len(content)+len(content)/8), content, "")
}

func errSigned() error {
	return &FieldError{Field: "raw.content", Reason: "is signed and has 8-bit text, which the server does not take; sign it in quoted-printable or base64", Code: CodeSignedContent}
}

// The limits of a structure that rewriter goes through.
const (
	maxDepth    = 100
	maxParts    = 1000
	maxBoundary = 2048
)

// rewriter encodes what cannot be sent, part by part, and copies the rest.
type rewriter struct {
	sevenBit bool // octets above 127 cannot be sent, besides long lines
	parts    int
	depth    int
}

// bad reports whether b cannot be sent as it is.
func (r *rewriter) bad(b []byte) bool { return r.sevenBit && !isASCII(b) || hasLongLine(b) }

// entity appends a message or part. The type is what it has without a
// Content-Type.
func (r *rewriter) entity(dst, b []byte, defaultType string) ([]byte, error) {
	if r.depth++; r.depth > maxDepth {
		return nil, &FieldError{Field: "raw.content", Reason: "has MIME parts nested more than 100 deep; flatten it", Code: CodeTooLarge}
	}
	defer func() { r.depth-- }()
	if r.parts++; r.parts > maxParts {
		return nil, &FieldError{Field: "raw.content", Reason: "has more than 1000 MIME parts; send fewer", Code: CodeTooLarge}
	}
	if !r.bad(b) {
		return append(dst, b...), nil
	}
	p := readPart(b, defaultType)
	switch {
	case !r.bad(p.body):
		return append(r.header(dst, p.header, ""), p.body...), nil
	case p.mediaType == "multipart/signed" && len(p.delimiters) > 0:
		if r.sevenBit {
			return nil, errSigned()
		}
		return append(dst, b...), nil
	case len(p.delimiters) > 0:
		return r.multipart(r.header(dst, p.header, r.containerEncoding(p)), p)
	case p.isMessage():
		return r.entity(r.header(dst, p.header, r.containerEncoding(p)), p.body, "")
	}
	return r.leaf(dst, p), nil
}

// containerEncoding is what a container of parts declares afterwards: 7bit if
// it declared otherwise and everything in it becomes 7-bit.
func (r *rewriter) containerEncoding(p part) string {
	if r.sevenBit && p.encoding != "" {
		return "7bit"
	}
	return ""
}

// header appends the fields so that they can be sent, and the empty line. An
// encoding, if given, takes the place of the one there.
func (r *rewriter) header(dst []byte, h header, encoding string) []byte {
	for _, f := range h.fields {
		if encoding != "" && f.is("Content-Transfer-Encoding") {
			continue
		}
		dst = appendFixed(dst, f, r.sevenBit)
		if !bytes.HasSuffix(dst, []byte("\n")) {
			dst = append(dst, "\r\n"...) // a part that ended in its header
		}
	}
	if encoding != "" {
		dst = AppendField(dst, "Content-Transfer-Encoding", encoding)
	}
	return append(dst, "\r\n"...)
}

// multipart appends the parts between their delimiters. Preamble and epilogue,
// which nobody sees, are left out if they cannot be sent.
func (r *rewriter) multipart(dst []byte, p part) ([]byte, error) {
	if preamble := p.body[:p.delimiters[0].start]; !r.bad(preamble) {
		dst = append(dst, preamble...)
	}
	for i, d := range p.delimiters {
		dst = append(dst, p.body[d.start:d.end]...)
		if d.closing {
			if epilogue := p.body[d.end:]; !r.bad(epilogue) {
				dst = append(dst, epilogue...)
			}
			break
		}
		content, lineEnd := p.between(i)
		childType := ""
		if p.mediaType == "multipart/digest" {
			childType = "message/rfc822"
		}
		var err error
		if dst, err = r.entity(dst, content, childType); err != nil {
			return nil, err
		}
		dst = append(dst, lineEnd...)
	}
	return dst, nil
}

// leaf appends a part with its body encoded.
func (r *rewriter) leaf(dst []byte, p part) []byte {
	switch {
	case p.encoding == "base64":
		return appendRewrapped(r.header(dst, p.header, ""), p.body)
	case p.encoding == "quoted-printable":
		return appendRequoted(r.header(dst, p.header, ""), p.body)
	case p.mediaType == "" || strings.HasPrefix(p.mediaType, "text/") || strings.HasPrefix(p.mediaType, "multipart/"):
		out := appender{r.header(dst, p.header, "quoted-printable")}
		w := quotedprintable.NewWriter(&out)
		_, _ = w.Write(p.body) // an appender takes everything
		_ = w.Close()
		return out.b
	}
	return AppendBase64(r.header(dst, p.header, "base64"), p.body)
}

// appender is an io.Writer to the end of a slice.
type appender struct{ b []byte }

func (a *appender) Write(p []byte) (int, error) {
	a.b = append(a.b, p...)
	return len(p), nil
}

// AppendBase64 appends src in base64, in lines of 76 that all end in CRLF (RFC
// 2045 section 6.8).
func AppendBase64(dst, src []byte) []byte {
	const perLine = 57
	for len(src) > 0 {
		n := min(perLine, len(src))
		dst = append(base64.StdEncoding.AppendEncode(dst, src[:n]), "\r\n"...)
		src = src[n:]
	}
	return dst
}

// Base64Len is the number of octets that AppendBase64 appends for n.
func Base64Len(n int) int {
	return base64.StdEncoding.EncodedLen(n) + (n+56)/57*2
}

// appendRewrapped appends base64 in lines of 76, without what is none.
func appendRewrapped(dst, src []byte) []byte {
	col := 0
	for _, c := range src {
		if c <= ' ' || c >= 0x7f {
			continue
		}
		if col == 76 {
			dst = append(dst, "\r\n"...)
			col = 0
		}
		dst = append(dst, c)
		col++
	}
	if bytes.HasSuffix(src, []byte("\n")) && col > 0 {
		dst = append(dst, "\r\n"...)
	}
	return dst
}

// appendRequoted appends quoted-printable text with lines of at most 76 and
// octets above 127 encoded, all else unchanged.
func appendRequoted(dst, src []byte) []byte {
	col := 0
	for i := 0; i < len(src); {
		n := 1
		switch c := src[i]; {
		case c == '\r' || c == '\n':
			dst = append(dst, c)
			col = 0
			i++
			continue
		case c == '=' && i+2 < len(src) && isHex(src[i+1]) && isHex(src[i+2]):
			n = 3
		}
		width := n
		if src[i] >= 0x80 {
			width = 3
		}
		endsLine := i+n == len(src) || src[i+n] == '\r'
		if col+width > 75 && !(endsLine && col+width <= 76) {
			dst = append(dst, "=\r\n"...)
			col = 0
		}
		if c := src[i]; c >= 0x80 {
			dst = append(dst, '=', hexDigits[c>>4], hexDigits[c&15])
		} else {
			dst = append(dst, src[i:i+n]...)
		}
		col += width
		i += n
	}
	return dst
}

func isHex(c byte) bool {
	return c >= '0' && c <= '9' || c >= 'A' && c <= 'F' || c >= 'a' && c <= 'f'
}
