package sdk

import (
	"mime"
	"net/mail"
	"os"
	"path/filepath"
	"time"

	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	postilionv1 "github.com/postilion-mail/postilion/proto/gen/postilion/v1"
)

// Message is a mail in parts, which the daemon composes. Addresses are written
// as "jane@example.com" or "Jane Doe <jane@example.com>". What is wrong with a
// message is for the daemon to say; nothing is checked here.
type Message struct {
	From        string // the connection's own address if empty
	Sender      string // who actually sends, if another than From
	ReplyTo     []string
	To          []string
	Cc          []string
	Bcc         []string // get the message without being named in it
	Subject     string
	Text        string
	HTML        string
	Attachments []Attachment
	Headers     []Header

	// Unsubscribe are https: and mailto: URLs for List-Unsubscribe; OneClick
	// says that the first https URL takes a POST (RFC 8058).
	Unsubscribe []string
	OneClick    bool

	Importance postilionv1.Importance
	Date       time.Time // now if zero
	MessageID  string    // made if empty
	InReplyTo  string
	References []string

	Options
}

// Raw is a mail that is composed already, as RFC 5322 has it.
type Raw struct {
	Content []byte
	// EnvelopeFrom is where bounces go. Nil leaves it to the connection, or to
	// From in the content; empty is the null reverse-path, to which none go.
	EnvelopeFrom *string
	// Recipients are bare addresses; if there are none, they are taken from
	// To, Cc and Bcc in the content.
	Recipients []string

	Options
}

// Options say how a message is to be treated. The zero value is right for
// most.
type Options struct {
	// Connection to send through; the daemon's routes and default if empty.
	Connection string
	// Key makes a repetition safe: see SendRequest.idempotency_key in the
	// API. Made at random if empty, which covers the repetition by Send
	// itself; give one made of your own data, such as "order-1234-receipt",
	// to cover those of your program too.
	Key string
	// Wait for the first outcome, up to this long; 0 returns as soon as the
	// message is on stable storage.
	Wait time.Duration
	// SendAt holds the message back until then.
	SendAt time.Time
	// ExpiresAfter is how long it is worth trying; the connection's if nil.
	ExpiresAfter *time.Duration
	Priority     postilionv1.Priority
	Tags         []string
	Metadata     map[string]string
	// KeepContent keeps the content after the delivery.
	KeepContent bool
	// NotifySender mails failures to the envelope sender.
	NotifySender bool
	// Origin is where the caller believes to be, such as the URL of its site.
	// If the client's is another, the message is held: this is a copy.
	Origin string
}

// Attachment is a file, or with a ContentID an image that the HTML shows as
// "cid:<ContentID>".
type Attachment struct {
	Filename    string
	ContentType string // found from the name if empty
	Content     []byte
	ContentID   string
	Inline      bool
}

// Header is one further field of the header.
type Header struct{ Name, Value string }

// Receipt is the daemon's answer to a message that it accepted.
type Receipt = postilionv1.SendResponse

// AttachFile reads a file to attach, under its own name.
func AttachFile(path string) (Attachment, error) {
	content, err := os.ReadFile(path)
	if err != nil {
		return Attachment{}, err
	}
	return Attachment{
		Filename:    filepath.Base(path),
		ContentType: mime.TypeByExtension(filepath.Ext(path)),
		Content:     content,
	}, nil
}

// Address reads an address as Message takes it. What cannot be read is given
// on as it stands, for the daemon to refuse with the field's name.
func Address(text string) *postilionv1.Address {
	parsed, err := mail.ParseAddress(text)
	if err != nil {
		return &postilionv1.Address{Address: text}
	}
	return &postilionv1.Address{Address: parsed.Address, Name: parsed.Name}
}

// Request gives the message as the API has it.
func (m *Message) Request() *postilionv1.SendRequest {
	message := &postilionv1.StructuredMessage{
		From:       optionalAddress(m.From),
		Sender:     optionalAddress(m.Sender),
		ReplyTo:    addresses(m.ReplyTo),
		To:         addresses(m.To),
		Cc:         addresses(m.Cc),
		Bcc:        addresses(m.Bcc),
		Subject:    m.Subject,
		Text:       m.Text,
		Html:       m.HTML,
		Importance: m.Importance,
		MessageId:  m.MessageID,
		InReplyTo:  m.InReplyTo,
		References: m.References,
		Date:       timestamp(m.Date),
	}
	for _, attachment := range m.Attachments {
		message.Attachments = append(message.Attachments, &postilionv1.Attachment{
			Filename:    attachment.Filename,
			ContentType: attachment.ContentType,
			Content:     attachment.Content,
			ContentId:   attachment.ContentID,
			Inline:      attachment.Inline,
		})
	}
	for _, header := range m.Headers {
		message.Headers = append(message.Headers, &postilionv1.Header{Name: header.Name, Value: header.Value})
	}
	if len(m.Unsubscribe) > 0 || m.OneClick {
		message.ListUnsubscribe = &postilionv1.ListUnsubscribe{Urls: m.Unsubscribe, OneClick: m.OneClick}
	}
	request := m.Options.request()
	request.Content = &postilionv1.SendRequest_Message{Message: message}
	return request
}

// Request gives the message as the API has it.
func (r *Raw) Request() *postilionv1.SendRequest {
	raw := &postilionv1.RawMessage{Content: r.Content}
	if r.EnvelopeFrom != nil || len(r.Recipients) > 0 {
		raw.Envelope = &postilionv1.Envelope{From: r.EnvelopeFrom}
		for _, recipient := range r.Recipients {
			raw.Envelope.Recipients = append(raw.Envelope.Recipients, &postilionv1.EnvelopeRecipient{Address: recipient})
		}
	}
	request := r.Options.request()
	request.Content = &postilionv1.SendRequest_Raw{Raw: raw}
	return request
}

func (o Options) request() *postilionv1.SendRequest {
	request := &postilionv1.SendRequest{
		Connection:     o.Connection,
		IdempotencyKey: o.Key,
		SendAt:         timestamp(o.SendAt),
		Priority:       o.Priority,
		Tags:           o.Tags,
		Metadata:       o.Metadata,
		KeepContent:    o.KeepContent,
		NotifySender:   o.NotifySender,
		Origin:         o.Origin,
	}
	if o.Wait != 0 {
		request.Wait = durationpb.New(o.Wait)
	}
	if o.ExpiresAfter != nil {
		request.ExpiresAfter = durationpb.New(*o.ExpiresAfter)
	}
	return request
}

func optionalAddress(text string) *postilionv1.Address {
	if text == "" {
		return nil
	}
	return Address(text)
}

func addresses(texts []string) []*postilionv1.Address {
	var result []*postilionv1.Address
	for _, text := range texts {
		result = append(result, Address(text))
	}
	return result
}

func timestamp(t time.Time) *timestamppb.Timestamp {
	if t.IsZero() {
		return nil
	}
	return timestamppb.New(t)
}
