package bulk

import (
	"errors"
	"fmt"
	"time"

	"github.com/postilion-mail/postilion/internal/mail"
	postilionv1 "github.com/postilion-mail/postilion/proto/gen/postilion/v1"
)

// Check judges a message as far as that can be done without the daemon: all of
// its own, but not whether a connection is there and lets its sender through.
// maxBytes is the daemon's limit of a content; 0 for none.
func Check(request *postilionv1.SendRequest, maxBytes int64) error {
	if err := checkSize(request, maxBytes); err != nil {
		return err
	}
	switch content := request.GetContent().(type) {
	case *postilionv1.SendRequest_Message:
		return toMessage(content.Message).Validate()
	case *postilionv1.SendRequest_Raw:
		return checkRaw(content.Raw)
	}
	return errors.New("message: is missing; give message, or raw with the content of a whole message")
}

// checkSize keeps back what the daemon would refuse by its size: sent over a
// stream that could be the end of the stream. The margin leaves the exact
// limit to the daemon.
func checkSize(request *postilionv1.SendRequest, maxBytes int64) error {
	const margin = 256 << 10 // of the daemon's limit for a request over that of a content
	if size := sizeOf(request); maxBytes > 0 && size > maxBytes+margin/2 {
		return fmt.Errorf("the message has %d octets and the daemon's limit is %d; send less", size, maxBytes)
	}
	return nil
}

func checkRaw(raw *postilionv1.RawMessage) error {
	if _, err := mail.Canonicalize(raw.GetContent(), mail.Options{Now: time.Unix(0, 0), Domain: "localhost", ID: "check"}); err != nil {
		return err
	}
	envelope := raw.GetEnvelope()
	if from := envelope.GetFrom(); from != "" {
		if _, err := mail.ParsePath(from); err != nil {
			return at(err, "raw.envelope.from")
		}
	}
	for i, recipient := range envelope.GetRecipients() {
		if _, err := mail.ParsePath(mail.Complete(recipient.GetAddress(), "localhost")); err != nil {
			return at(err, fmt.Sprintf("raw.envelope.recipients[%d].address", i))
		}
	}
	if len(envelope.GetRecipients()) > 0 {
		return nil
	}
	to, cc, bcc, err := mail.Recipients(raw.GetContent(), "localhost")
	if err == nil && len(to)+len(cc)+len(bcc) == 0 {
		err = errors.New("raw.envelope.recipients: there are none in the envelope, nor in To, Cc and Bcc")
	}
	return err
}

// at moves an error to another field.
func at(err error, field string) error {
	var as *mail.FieldError
	if errors.As(err, &as) {
		return &mail.FieldError{Field: field, Reason: as.Reason, Code: as.Code}
	}
	return err
}

func toMessage(in *postilionv1.StructuredMessage) *mail.Message {
	m := &mail.Message{
		From: toAddress(in.GetFrom()), Sender: toAddress(in.GetSender()), ReplyTo: toAddresses(in.GetReplyTo()),
		To: toAddresses(in.GetTo()), Cc: toAddresses(in.GetCc()), Bcc: toAddresses(in.GetBcc()),
		Subject: in.GetSubject(), Text: in.GetText(), HTML: in.GetHtml(), Importance: mail.Importance(in.GetImportance()),
		ListUnsubscribe: mail.ListUnsubscribe{URLs: in.GetListUnsubscribe().GetUrls(), OneClick: in.GetListUnsubscribe().GetOneClick()},
		MessageID:       in.GetMessageId(), InReplyTo: in.GetInReplyTo(), References: in.GetReferences(),
	}
	if in.GetDate() != nil {
		m.Date = in.GetDate().AsTime()
	}
	for _, a := range in.GetAttachments() {
		m.Attachments = append(m.Attachments, mail.Attachment{
			Filename: a.GetFilename(), ContentType: a.GetContentType(), Content: a.GetContent(), ContentID: a.GetContentId(), Inline: a.GetInline(),
		})
	}
	for _, h := range in.GetHeaders() {
		m.Headers = append(m.Headers, mail.Header{Name: h.GetName(), Value: h.GetValue()})
	}
	return m
}

func toAddresses(list []*postilionv1.Address) []mail.Address {
	out := make([]mail.Address, len(list))
	for i, a := range list {
		out[i] = toAddress(a)
	}
	return out
}

func toAddress(a *postilionv1.Address) mail.Address {
	return mail.Address{Addr: a.GetAddress(), Name: a.GetName()}
}
