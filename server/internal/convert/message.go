package convert

import (
	"fmt"
	"strings"

	"github.com/postilion-mail/postilion/internal/mail"
	"github.com/postilion-mail/postilion/internal/outbox"
	postilionv1 "github.com/postilion-mail/postilion/proto/gen/postilion/v1"
	"github.com/postilion-mail/postilion/server/internal/fault"
)

// Message takes the API's structured message. What is in it is judged later,
// by mail.Message.Validate.
func Message(in *postilionv1.StructuredMessage) (*mail.Message, error) {
	m := &mail.Message{
		From:        address(in.GetFrom()),
		Sender:      address(in.GetSender()),
		ReplyTo:     mapSlice(in.GetReplyTo(), address),
		To:          mapSlice(in.GetTo(), address),
		Cc:          mapSlice(in.GetCc(), address),
		Bcc:         mapSlice(in.GetBcc(), address),
		Subject:     in.GetSubject(),
		Text:        in.GetText(),
		HTML:        in.GetHtml(),
		Attachments: mapSlice(in.GetAttachments(), attachment),
		Headers: mapSlice(in.GetHeaders(), func(h *postilionv1.Header) mail.Header {
			return mail.Header{Name: h.GetName(), Value: h.GetValue()}
		}),
		ListUnsubscribe: mail.ListUnsubscribe{
			URLs: in.GetListUnsubscribe().GetUrls(), OneClick: in.GetListUnsubscribe().GetOneClick(),
		},
		MessageID:  in.GetMessageId(),
		InReplyTo:  in.GetInReplyTo(),
		References: in.GetReferences(),
	}
	switch in.GetImportance() {
	case postilionv1.Importance_IMPORTANCE_UNSPECIFIED:
	case postilionv1.Importance_IMPORTANCE_HIGH:
		m.Importance = mail.ImportanceHigh
	case postilionv1.Importance_IMPORTANCE_NORMAL:
		m.Importance = mail.ImportanceNormal
	case postilionv1.Importance_IMPORTANCE_LOW:
		m.Importance = mail.ImportanceLow
	default:
		return nil, unknownValue("message.importance")
	}
	if in.GetDate() != nil {
		if err := in.GetDate().CheckValid(); err != nil {
			return nil, fault.Invalid("message.date", "is not a time", "give one such as \"2026-01-31T12:00:00Z\"")
		}
		m.Date = in.GetDate().AsTime()
	}
	return m, nil
}

func address(in *postilionv1.Address) mail.Address {
	return mail.Address{Addr: in.GetAddress(), Name: in.GetName()}
}

func attachment(in *postilionv1.Attachment) mail.Attachment {
	return mail.Attachment{
		Filename: in.GetFilename(), ContentType: in.GetContentType(), Content: in.GetContent(),
		ContentID: in.GetContentId(), Inline: in.GetInline(),
	}
}

// Envelope is what a caller said of the envelope. Addresses are as given.
type Envelope struct {
	From       string
	FromGiven  bool // and so an empty From is the null reverse-path
	Recipients []outbox.Recipient
	EnvelopeID string
	Return     string
}

var dsnNotify = map[postilionv1.DsnNotify]string{
	postilionv1.DsnNotify_DSN_NOTIFY_NEVER:   "NEVER",
	postilionv1.DsnNotify_DSN_NOTIFY_SUCCESS: "SUCCESS",
	postilionv1.DsnNotify_DSN_NOTIFY_FAILURE: "FAILURE",
	postilionv1.DsnNotify_DSN_NOTIFY_DELAY:   "DELAY",
}

// EnvelopeFrom takes the API's envelope.
func EnvelopeFrom(in *postilionv1.Envelope) (Envelope, error) {
	e := Envelope{From: in.GetFrom(), FromGiven: in != nil && in.From != nil, EnvelopeID: in.GetEnvelopeId()}
	if len(e.EnvelopeID) > 100 || strings.ContainsFunc(e.EnvelopeID, func(r rune) bool { return r < ' ' || r > '~' }) {
		return e, fault.Invalid("raw.envelope.envelope_id", "is longer than 100 characters or not printable ASCII", "shorten it (RFC 3461 section 4.4)")
	}
	switch in.GetReturn() {
	case postilionv1.DsnReturn_DSN_RETURN_UNSPECIFIED:
	case postilionv1.DsnReturn_DSN_RETURN_FULL:
		e.Return = "FULL"
	case postilionv1.DsnReturn_DSN_RETURN_HEADERS:
		e.Return = "HDRS"
	default:
		return e, unknownValue("raw.envelope.return")
	}
	for i, r := range in.GetRecipients() {
		field := fmt.Sprintf("raw.envelope.recipients[%d].notify", i)
		notify := make([]string, 0, len(r.GetNotify()))
		for _, n := range r.GetNotify() {
			word, ok := dsnNotify[n]
			if !ok {
				return e, unknownValue(field)
			}
			notify = append(notify, word)
		}
		if len(notify) > 1 && has(notify, "NEVER") {
			return e, fault.Invalid(field, "NEVER stands beside others", "give it alone (RFC 3461 section 4.1)")
		}
		e.Recipients = append(e.Recipients, outbox.Recipient{Address: r.GetAddress(), Notify: strings.Join(notify, ",")})
	}
	return e, nil
}

// Priority takes the API's priority, with the default for the way in.
func Priority(in postilionv1.Priority, otherwise outbox.Priority) (outbox.Priority, error) {
	switch in {
	case postilionv1.Priority_PRIORITY_UNSPECIFIED:
		return otherwise, nil
	case postilionv1.Priority_PRIORITY_HIGH:
		return outbox.PriorityHigh, nil
	case postilionv1.Priority_PRIORITY_NORMAL:
		return outbox.PriorityNormal, nil
	case postilionv1.Priority_PRIORITY_BULK:
		return outbox.PriorityBulk, nil
	}
	return 0, unknownValue("priority")
}

func unknownValue(field string) error {
	return fault.Invalid(field, "has a value that this version does not know", "choose one of the API's values")
}
