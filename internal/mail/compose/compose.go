// Package compose turns the structured message of the API into canonical
// content, by github.com/wneessen/go-mail.
package compose

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"time"

	gomail "github.com/wneessen/go-mail"

	"github.com/postilion-mail/postilion/internal/mail"
)

// Options are what a message needs besides its own fields.
type Options struct {
	Now    time.Time // for the Date of messages without one
	Domain string    // of a Message-ID that is made
	ID     string    // of a Message-ID that is made: unique, of characters that may stand in an atom
}

// Compose validates a message and writes its content, once: Date, Message-ID
// and boundaries are fixed then. It is 7-bit (unless an address is not) and
// has neither Bcc nor From, Sender and Reply-To, which are the overlay's. The
// error is a *mail.FieldError if the message is at fault.
//
// Text and HTML together are multipart/alternative, files with a content id
// are put beside them in multipart/related, other files in multipart/mixed.
// Attachments are encoded straight into the result, so that big ones exist
// once more and not three times.
func Compose(m *mail.Message, o Options) (*mail.Content, error) {
	if err := m.Validate(); err != nil {
		return nil, err
	}
	if o.Domain == "" || o.ID == "" {
		return nil, errors.New("compose: domain and id are needed for the message id")
	}
	out := &buffer{b: make([]byte, 0, estimate(m))}
	appendHeader(out, m)
	msg := message(m, o, out)
	if _, err := msg.WriteTo(out); err != nil {
		return nil, fmt.Errorf("compose: %w", err)
	}
	if !bytes.HasSuffix(out.b, []byte("\n")) {
		out.b = append(out.b, "\r\n"...)
	}
	return mail.NewContent(m, out.b), nil
}

// buffer is an io.Writer to the end of a slice.
type buffer struct{ b []byte }

func (w *buffer) Write(p []byte) (int, error) {
	w.b = append(w.b, p...)
	return len(p), nil
}

// estimate is an upper bound of the size of the content for everything but
// text, of which it is a good guess.
func estimate(m *mail.Message) int {
	n := 4096
	for _, h := range m.Headers {
		n += len(h.Name) + 2*len(h.Value)
	}
	n += 64 * (len(m.To) + len(m.Cc))
	for _, text := range []string{m.Text, m.HTML} {
		n += len(text) + len(text)/16
		for i := range len(text) {
			if text[i] >= 0x80 || text[i] == '=' {
				n += 2
			}
		}
	}
	for i := range m.Attachments {
		n += mail.Base64Len(len(m.Attachments[i].Content)) + 1024
	}
	return n
}

// appendHeader writes the fields that go-mail cannot write as we want them:
// it joins fields of one name, and folds none that has no spaces.
func appendHeader(out *buffer, m *mail.Message) {
	if len(m.To) > 0 || len(m.Cc) == 0 {
		out.b = mail.AppendAddresses(out.b, "To", m.To)
	}
	if len(m.Cc) > 0 {
		out.b = mail.AppendAddresses(out.b, "Cc", m.Cc)
	}
	out.b = mail.AppendField(out.b, "Subject", m.Subject)
	if m.InReplyTo != "" {
		out.b = mail.AppendField(out.b, "In-Reply-To", bracketed(m.InReplyTo))
	}
	if len(m.References) > 0 {
		ids := make([]string, len(m.References))
		for i, id := range m.References {
			ids[i] = bracketed(id)
		}
		out.b = mail.AppendField(out.b, "References", strings.Join(ids, " "))
	}
	switch m.Importance {
	case mail.ImportanceHigh:
		out.b = append(out.b, "Importance: high\r\nX-Priority: 1 (Highest)\r\n"...)
	case mail.ImportanceNormal:
		out.b = append(out.b, "Importance: normal\r\nX-Priority: 3 (Normal)\r\n"...)
	case mail.ImportanceLow:
		out.b = append(out.b, "Importance: low\r\nX-Priority: 5 (Lowest)\r\n"...)
	}
	if urls := m.ListUnsubscribe.URLs; len(urls) > 0 {
		out.b = mail.AppendField(out.b, "List-Unsubscribe", "<"+strings.Join(urls, ">, <")+">")
		if m.ListUnsubscribe.OneClick {
			out.b = append(out.b, "List-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n"...)
		}
	}
	for _, h := range m.Headers {
		out.b = mail.AppendField(out.b, h.Name, h.Value)
	}
}

// message is the rest of m as go-mail's message.
func message(m *mail.Message, o Options, out *buffer) *gomail.Msg {
	msg := gomail.NewMsg(gomail.WithNoDefaultUserAgent())
	date := m.Date
	if date.IsZero() {
		date = o.Now
	}
	msg.SetGenHeader(gomail.HeaderDate, mail.FormatDate(date))
	id := o.ID + "@" + o.Domain
	if m.MessageID != "" {
		id = mail.Bare(m.MessageID)
	}
	msg.SetMessageIDWithValue(id)
	switch {
	case m.Text != "" && m.HTML != "":
		msg.SetBodyString(gomail.TypeTextPlain, m.Text)
		msg.AddAlternativeString(gomail.TypeTextHTML, m.HTML)
	case m.HTML != "":
		msg.SetBodyString(gomail.TypeTextHTML, m.HTML)
	default:
		msg.SetBodyString(gomail.TypeTextPlain, m.Text)
	}
	var embedded, attached []*gomail.File
	for i := range m.Attachments {
		a := &m.Attachments[i]
		if a.ContentID != "" {
			embedded = append(embedded, file(a, out))
		} else {
			attached = append(attached, file(a, out))
		}
	}
	msg.SetEmbeds(embedded)
	msg.SetAttachments(attached)
	return msg
}
