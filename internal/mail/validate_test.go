package mail

import (
	"errors"
	"strings"
	"testing"
	"time"
)

func validMessage() *Message {
	return &Message{
		From: Address{"Jane", "jane@example.com"}, Sender: Address{Addr: "app@example.com"},
		ReplyTo: []Address{{"", "r@example.com"}}, To: []Address{{"Jörg", "jörg@bücher.example"}},
		Cc: []Address{{"", "c@example.com"}}, Bcc: []Address{{"", "secret@example.com"}},
		Subject: "Grüße", Text: "text", HTML: "<p>html",
		Attachments: []Attachment{
			{Filename: "a b.pdf", ContentType: "application/pdf", Content: []byte("x")},
			{Filename: "ä.png", ContentType: "image/png", Content: []byte("y"), ContentID: "img@x", Inline: true},
		},
		Headers:         []Header{{"X-Campaign", "größer"}, {"Auto-Submitted", "auto-generated"}},
		ListUnsubscribe: ListUnsubscribe{URLs: []string{"https://example.com/u?x=1", "mailto:u@example.com"}, OneClick: true},
		Importance:      ImportanceHigh, MessageID: "<1@example.com>", InReplyTo: "2@example.com", References: []string{"<3@example.com>"},
	}
}

// place is a field that text gets into, and the path that an error must have.
type place struct {
	field string
	set   func(*Message, string)
}

var places = []place{
	{"message.from.name", func(m *Message, s string) { m.From.Name = s }},
	{"message.from.address", func(m *Message, s string) { m.From.Addr = s }},
	{"message.sender.name", func(m *Message, s string) { m.Sender.Name = s }},
	{"message.sender.address", func(m *Message, s string) { m.Sender.Addr = s }},
	{"message.reply_to[0].name", func(m *Message, s string) { m.ReplyTo[0].Name = s }},
	{"message.reply_to[0].address", func(m *Message, s string) { m.ReplyTo[0].Addr = s }},
	{"message.to[0].name", func(m *Message, s string) { m.To[0].Name = s }},
	{"message.to[0].address", func(m *Message, s string) { m.To[0].Addr = s }},
	{"message.cc[0].address", func(m *Message, s string) { m.Cc[0].Addr = s }},
	{"message.bcc[0].address", func(m *Message, s string) { m.Bcc[0].Addr = s }},
	{"message.subject", func(m *Message, s string) { m.Subject = s }},
	{"message.attachments[1].filename", func(m *Message, s string) { m.Attachments[1].Filename = s }},
	{"message.attachments[1].content_type", func(m *Message, s string) { m.Attachments[1].ContentType = s }},
	{"message.attachments[1].content_type", func(m *Message, s string) { m.Attachments[1].ContentType = "text/plain; charset=" + s }},
	{"message.attachments[1].content_type", func(m *Message, s string) { m.Attachments[1].ContentType = `text/plain; charset="` + s + `"` }},
	{"message.attachments[1].content_id", func(m *Message, s string) { m.Attachments[1].ContentID = s }},
	{"message.headers[1].name", func(m *Message, s string) { m.Headers[1].Name = s }},
	{"message.headers[1].value", func(m *Message, s string) { m.Headers[1].Value = s }},
	{"message.list_unsubscribe.urls[0]", func(m *Message, s string) { m.ListUnsubscribe.URLs[0] = "https://" + s }},
	{"message.message_id", func(m *Message, s string) { m.MessageID = s + "@x" }},
	{"message.in_reply_to", func(m *Message, s string) { m.InReplyTo = s + "@x" }},
	{"message.references[0]", func(m *Message, s string) { m.References[0] = s + "@x" }},
}

// No control character gets into any field.
func TestValidateInjection(t *testing.T) {
	t.Parallel()
	bad := []string{"a\r\nBcc: evil@x", "a\nb", "a\rb", "a\xffb", "\r\n", "a\x7fb"}
	for c := range 0x20 {
		bad = append(bad, "a"+string(rune(c))+"b")
	}
	for _, p := range places {
		for _, s := range bad {
			m := validMessage()
			p.set(m, s)
			wantField(t, m.Validate(), p.field)
		}
	}
}

func wantField(t *testing.T, err error, field string) {
	t.Helper()
	if fe := (*FieldError)(nil); !errors.As(err, &fe) || fe.Field != field || fe.Reason == "" {
		t.Errorf("got %v, want an error of %s", err, field)
	}
}

func TestValidate(t *testing.T) {
	t.Parallel()
	if err := validMessage().Validate(); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		field string
		set   func(*Message)
	}{
		{"message.to", func(m *Message) { m.To, m.Cc, m.Bcc = nil, nil, nil }},
		{"message.to", func(m *Message) { m.To = make([]Address, 1001) }},
		{"message.from.address", func(m *Message) { m.From = Address{Name: "x"} }},
		{"message.text", func(m *Message) { m.Text, m.HTML, m.Attachments = "", "", nil }},
		{"message.text", func(m *Message) { m.Text = "\xff" }},
		{"message.html", func(m *Message) { m.HTML = "\xff" }},
		{"message.date", func(m *Message) { m.Date = time.Date(12345, 1, 1, 0, 0, 0, 0, time.UTC) }},
		{"message.importance", func(m *Message) { m.Importance = 9 }},
		{"message.message_id", func(m *Message) { m.MessageID = "<a@b@c>" }},
		{"message.message_id", func(m *Message) { m.MessageID = "ä@b" }},
		{"message.attachments", func(m *Message) { m.Attachments = make([]Attachment, 501) }},
		{"message.attachments[0].filename", func(m *Message) { m.Attachments[0].Filename = "../etc/passwd" }},
		{"message.attachments[0].filename", func(m *Message) { m.Attachments[0].Filename = strings.Repeat("x", 256) }},
		{"message.attachments[0].content_type", func(m *Message) { m.Attachments[0].ContentType = "pdf" }},
		{"message.attachments[0].content_type", func(m *Message) { m.Attachments[0].ContentType = "multipart/mixed" }},
		{"message.attachments[0].content_type", func(m *Message) { m.Attachments[0].ContentType = "text/plain; x*=utf-8''a%0Ab" }},
		{"message.attachments[0].content_id", func(m *Message) { m.Attachments[0].ContentID = "<a b>" }},
		{"message.attachments[0].content_id", func(m *Message) { m.Attachments[0].ContentID = "<>" }},
		{"message.headers", func(m *Message) { m.Headers = make([]Header, 1000) }},
		{"message.headers", func(m *Message) { m.Headers[0].Value = strings.Repeat("x ", 60000) }},
		{"message.headers[0].name", func(m *Message) { m.Headers[0].Name = "" }},
		{"message.headers[0].name", func(m *Message) { m.Headers[0].Name = "X Y" }},
		{"message.headers[0].name", func(m *Message) { m.Headers[0].Name = "X:" }},
		{"message.headers[0].name", func(m *Message) { m.Headers[0].Name = "Ä" }},
		{"message.headers[0].name", func(m *Message) { m.Headers[0].Name = "list-unsubscribe" }},
		{"message.list_unsubscribe.urls[1]", func(m *Message) { m.ListUnsubscribe.URLs[1] = "javascript:x" }},
		{"message.list_unsubscribe.urls[1]", func(m *Message) { m.ListUnsubscribe.URLs[1] = "mailto:a>,<b" }},
		{"message.list_unsubscribe.one_click", func(m *Message) { m.ListUnsubscribe.URLs = []string{"mailto:u@x"} }},
	} {
		m := validMessage()
		test.set(m)
		wantField(t, m.Validate(), test.field)
	}
	for _, name := range []string{"From", "TO", "bcc", "Content-Type", "Content-X", "DKIM-Signature", "Received", "Return-Path", "Resent-To", "Message-ID", "Subject", "MIME-Version"} {
		m := validMessage()
		m.Headers[1].Name = name
		wantField(t, m.Validate(), "message.headers[1].name")
	}
}
