package bounce

import (
	"bytes"
	"mime/multipart"
	"mime/quotedprintable"
	"net/textproto"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/postilion-mail/postilion/internal/mail"
	"github.com/postilion-mail/postilion/internal/outbox"
)

// report is a delivery status notification in the making.
type report struct {
	notice   *outbox.Notice
	domain   string // that reports
	from     string // domain of the author
	now      time.Time
	original []byte // what is returned; may be empty
	whole    bool   // it is the whole message
	host     func(connection string) string
}

// maxSubject is how much of the original's subject is repeated, in characters.
const maxSubject = 200

// compose gives the message: a multipart/report (RFC 6522) of words for
// people, the status for programs (RFC 3464), and what is returned of the
// original. Only a whole original can make it other than 7-bit: whatever the
// way back is, it can be sent.
func (r *report) compose() []byte {
	var body bytes.Buffer
	parts := multipart.NewWriter(&body)
	part := func(contentType, description, encoding string, content []byte) {
		h := textproto.MIMEHeader{"Content-Type": {contentType}, "Content-Description": {description}}
		if encoding != "" {
			h.Set("Content-Transfer-Encoding", encoding)
		}
		// Writes to a buffer do not fail.
		p, _ := parts.CreatePart(h)
		if encoding == "quoted-printable" {
			q := quotedprintable.NewWriter(p)
			_, _ = q.Write(content)
			_ = q.Close()
			return
		}
		_, _ = p.Write(content)
	}
	part("text/plain; charset=utf-8", "Notification", "quoted-printable", []byte(r.text()))
	part("message/delivery-status", "Delivery report", "", r.status())
	encoding := ""
	switch {
	case len(r.original) == 0:
	case r.whole:
		if !isASCII(r.original) {
			encoding = "8bit"
		}
		part("message/rfc822", "Undelivered message", encoding, r.original)
	case isASCII(r.original):
		part("text/rfc822-headers", "Header of the message", "", r.original)
	default:
		part("text/rfc822-headers; charset=utf-8", "Header of the message", "quoted-printable", bytes.ToValidUTF8(r.original, []byte("?")))
	}
	_ = parts.Close()
	return append(r.header(parts.Boundary(), encoding), body.Bytes()...)
}

// header is that of the report. Auto-Submitted keeps vacation messages and
// the like from answering it (RFC 3834 section 5).
func (r *report) header(boundary, encoding string) []byte {
	n := r.notice
	out := mail.AppendAddresses(nil, "From", []mail.Address{{Name: "Mail Delivery System", Addr: "mailer-daemon@" + r.from}})
	out = mail.AppendAddresses(out, "To", []mail.Address{{Addr: n.Sender}})
	subject := map[outbox.NoticeType]string{outbox.NoticeFailed: "Undelivered mail", outbox.NoticeDelayed: "Delayed mail", outbox.NoticeRefused: "Refused mail"}[n.Type]
	if original := shorten(clean(n.Subject), maxSubject); original != "" {
		subject += ": " + original
	}
	out = mail.AppendField(out, "Subject", subject)
	out = mail.AppendField(out, "Date", mail.FormatDate(r.now))
	if id := n.MessageID; id != "" && len(id) < 500 && clean(id) == id {
		out = mail.AppendField(out, "In-Reply-To", id)
		out = mail.AppendField(out, "References", id)
	}
	out = mail.AppendField(out, "Auto-Submitted", "auto-replied")
	out = mail.AppendField(out, "MIME-Version", "1.0")
	out = mail.AppendField(out, "Content-Type", `multipart/report; report-type=delivery-status; boundary="`+boundary+`"`)
	if encoding != "" {
		out = mail.AppendField(out, "Content-Transfer-Encoding", encoding)
	}
	return append(out, "\r\n"...)
}

// clean makes one line of a text without control characters.
func clean(s string) string {
	s = strings.ToValidUTF8(s, "\ufffd")
	return strings.Join(strings.FieldsFunc(s, func(r rune) bool { return r <= ' ' || r >= 0x7f && r < 0xa0 || r == '\u2028' || r == '\u2029' }), " ")
}

// shorten cuts a text to a number of characters.
func shorten(s string, most int) string {
	if utf8.RuneCountInString(s) <= most {
		return s
	}
	return string([]rune(s)[:most]) + "..."
}
