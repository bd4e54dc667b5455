package mail

import (
	"fmt"
	"mime"
	"strings"
	"unicode/utf8"
)

// Limits of a structured message.
const (
	maxRecipients  = 1000
	maxAttachments = 500 // well below the 1,000 parts that SevenBit takes
	maxFilename    = 255
	maxMsgID       = 500
	maxURL         = 900
)

// Validate judges every field before a library sees it: header injection,
// invalid UTF-8, malformed addresses, limits. The error is a *FieldError whose
// Field begins with "message.".
func (m *Message) Validate() error {
	for _, check := range []func() error{m.checkAddresses, m.checkTexts, m.checkIDs, m.checkAttachments, m.checkHeaders, m.checkUnsubscribe} {
		if err := check(); err != nil {
			return err
		}
	}
	return nil
}

func (m *Message) checkAddresses() error {
	if n := len(m.To) + len(m.Cc) + len(m.Bcc); n == 0 {
		return refuse("message.to", "is empty; give at least one recipient in to, cc or bcc")
	} else if n > maxRecipients {
		return &FieldError{Field: "message.to", Reason: "makes more than 1000 recipients with cc and bcc; send several messages", Code: CodeTooLarge}
	}
	for _, one := range []struct {
		field string
		a     Address
	}{{"message.from", m.From}, {"message.sender", m.Sender}} {
		if one.a == (Address{}) {
			continue
		}
		if err := one.a.check(one.field); err != nil {
			return err
		}
	}
	for _, list := range []struct {
		field string
		list  []Address
	}{{"reply_to", m.ReplyTo}, {"to", m.To}, {"cc", m.Cc}, {"bcc", m.Bcc}} {
		for i, a := range list.list {
			if a.check("") != nil { // formatting a thousand names for nothing costs
				return a.check(fmt.Sprintf("message.%s[%d]", list.field, i))
			}
		}
	}
	return nil
}

func (m *Message) checkTexts() error {
	if m.Text == "" && m.HTML == "" && len(m.Attachments) == 0 {
		return refuse("message.text", "is empty; give text, html or an attachment")
	}
	if !utf8.ValidString(m.Text) {
		return refuse("message.text", "is not valid UTF-8; convert it before sending")
	}
	if !utf8.ValidString(m.HTML) {
		return refuse("message.html", "is not valid UTF-8; convert it before sending")
	}
	if y := m.Date.Year(); !m.Date.IsZero() && (y < 1900 || y > 9999) {
		return refuse("message.date", "is out of range; give a year from 1900 to 9999")
	}
	if m.Importance > ImportanceLow {
		return refuse("message.importance", "is not known; give high, normal or low")
	}
	return checkText("message.subject", m.Subject)
}

func (m *Message) checkIDs() error {
	if m.MessageID != "" && !isMsgID(m.MessageID) {
		return refuse("message.message_id", "is not a message id; write it as <unique@example.com>, in ASCII")
	}
	if m.InReplyTo != "" && !isMsgID(m.InReplyTo) {
		return refuse("message.in_reply_to", "is not a message id; write it as <unique@example.com>, in ASCII")
	}
	for i, id := range m.References {
		if !isMsgID(id) {
			return refuse(fmt.Sprintf("message.references[%d]", i), "is not a message id; write it as <unique@example.com>, in ASCII")
		}
	}
	return nil
}

// isMsgID checks a message id with or without brackets (RFC 5322 section
// 3.6.4), as leniently as is safe.
func isMsgID(s string) bool {
	s = Bare(s)
	left, right, ok := strings.Cut(s, "@")
	return ok && left != "" && right != "" && len(s) <= maxMsgID && isPrintable(s, `<>()[]\,;:"`) && !strings.Contains(right, "@")
}

// Bare takes one pair of angle brackets off an id.
func Bare(id string) string {
	if len(id) > 1 && id[0] == '<' && id[len(id)-1] == '>' {
		return id[1 : len(id)-1]
	}
	return id
}

func (m *Message) checkAttachments() error {
	if len(m.Attachments) > maxAttachments {
		return &FieldError{Field: "message.attachments", Reason: "has more than 500 files; put them into an archive", Code: CodeTooLarge}
	}
	for i := range m.Attachments {
		if err := m.Attachments[i].check(fmt.Sprintf("message.attachments[%d].", i)); err != nil {
			return err
		}
	}
	return nil
}

func (a *Attachment) check(prefix string) error {
	if err := checkText(prefix+"filename", a.Filename); err != nil {
		return err
	}
	switch {
	case len(a.Filename) > maxFilename:
		return refuse(prefix+"filename", "is longer than 255 octets; shorten it")
	case strings.ContainsAny(a.Filename, `/\`):
		return refuse(prefix+"filename", "holds a path; give the last part of it only")
	case a.ContentID != "" && (!isPrintable(Bare(a.ContentID), `<>()[]\,;:"`) || Bare(a.ContentID) == "" || len(a.ContentID) > 200):
		return refuse(prefix+"content_id", "is not a content id; write it as image1@example.com, in ASCII without spaces")
	}
	if a.ContentType == "" {
		return nil
	}
	if err := checkText(prefix+"content_type", a.ContentType); err != nil {
		return err
	}
	mediaType, params, err := mime.ParseMediaType(a.ContentType)
	if err != nil || !strings.Contains(mediaType, "/") || len(a.ContentType) > maxWord {
		return refuse(prefix+"content_type", "is not a MIME type; write it as image/png")
	}
	if strings.HasPrefix(mediaType, "multipart/") {
		return refuse(prefix+"content_type", "is a multipart type; attach the parts, or the whole as message/rfc822")
	}
	for _, value := range params {
		if checkText("", value) != nil { // percent-encoding hid it before
			return refuse(prefix+"content_type", "has a parameter with a control character; remove it")
		}
	}
	return nil
}

func (m *Message) checkHeaders() error {
	if err := checkHeaderList("message.headers", m.Headers); err != nil {
		return err
	}
	size := len(m.Subject)
	for _, a := range append(m.Recipients(), m.ReplyTo...) {
		size += len(a.Name) + len(a.Addr) + 4
	}
	for _, h := range m.Headers {
		size += len(h.Name) + len(h.Value) + 4
	}
	for _, id := range m.References {
		size += len(id) + 1
	}
	if size > maxHeaderBytes {
		return &FieldError{Field: "message.headers", Reason: "make, with the addresses and the subject, a header of more than 102400 octets; shorten them", Code: CodeTooLarge}
	}
	return nil
}

// checkHeaderList judges further header fields, those of a message and those
// of a policy.
func checkHeaderList(field string, list []Header) error {
	if len(list) > maxHeaderFields-50 { // leaves room for ours
		return &FieldError{Field: field, Reason: "has more than 950 fields; remove some", Code: CodeTooLarge}
	}
	for i, h := range list {
		at := fmt.Sprintf("%s[%d].", field, i)
		switch {
		case h.Name == "" || len(h.Name) > 100 || !isPrintable(h.Name, ":"):
			return refuse(at+"name", "is not a header name; it takes up to 100 printable ASCII characters without space and colon")
		case isReserved(h.Name):
			return refuse(at+"name", "is a field that cannot be set here; use the field of the message that stands for it, or send the message raw")
		}
		if err := checkText(at+"value", h.Value); err != nil {
			return err
		}
	}
	return nil
}

// isReserved reports whether a header is written by us or belongs to those who
// relay or sign. Setting it by hand would forge it or break the message.
func isReserved(name string) bool {
	name = strings.ToLower(name)
	for _, prefix := range []string{"content-", "resent-", "arc-", "dkim-", "domainkey-"} {
		if strings.HasPrefix(name, prefix) {
			return true
		}
	}
	switch name {
	case "from", "sender", "reply-to", "to", "cc", "bcc", "subject", "date", "message-id", "in-reply-to", "references",
		"mime-version", "received", "return-path", "delivered-to", "received-spf", "authentication-results":
		return true
	}
	return false
}

func (m *Message) checkUnsubscribe() error {
	https := false
	for i, u := range m.ListUnsubscribe.URLs {
		lower := strings.ToLower(u)
		known := strings.HasPrefix(lower, "https://") || strings.HasPrefix(lower, "http://") || strings.HasPrefix(lower, "mailto:")
		https = https || strings.HasPrefix(lower, "https://")
		if !known || len(u) > maxURL || !isPrintable(u, `<>,"\`) {
			return refuse(fmt.Sprintf("message.list_unsubscribe.urls[%d]", i), "is not a URL that fits; give one with https: or mailto:, with special characters percent-encoded")
		}
	}
	if m.ListUnsubscribe.OneClick && !https {
		return refuse("message.list_unsubscribe.one_click", "needs an https URL that takes a POST (RFC 8058); add it to urls")
	}
	if len(m.ListUnsubscribe.URLs) > 20 {
		return refuse("message.list_unsubscribe.urls", "has more than 20 URLs; remove some")
	}
	if len(m.ListUnsubscribe.URLs) == 0 {
		return nil
	}
	for i, h := range m.Headers {
		if strings.EqualFold(h.Name, "List-Unsubscribe") || strings.EqualFold(h.Name, "List-Unsubscribe-Post") {
			return refuse(fmt.Sprintf("message.headers[%d].name", i), "is given by list_unsubscribe too; leave one of them out")
		}
	}
	return nil
}
