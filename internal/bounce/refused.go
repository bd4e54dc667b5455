package bounce

import (
	"context"
	"errors"
	"strings"

	"github.com/postilion-mail/postilion/internal/intake"
	"github.com/postilion-mail/postilion/internal/mail"
	"github.com/postilion-mail/postilion/internal/maildrop"
	"github.com/postilion-mail/postilion/internal/outbox"
	"github.com/postilion-mail/postilion/plugin"
)

// Refused has the sender of a drop told that it could not be accepted: the
// sendmail command has said that it was. It gives an error if that cannot be
// promised now. The drop's key makes a repetition do nothing.
func (w *Worker) Refused(ctx context.Context, client string, d *maildrop.Drop, reason error) error {
	if !d.NotifySender || !outbox.WantsFailure(d.Notify) {
		return nil
	}
	content := &mail.Content{}
	var head []byte
	if !d.Request {
		head = header(d.Content)
		// What cannot be read is perhaps the very reason.
		if c, err := mail.Canonicalize(d.Content, mail.Options{Now: d.Created, Domain: w.Domain, ID: d.Key}); err == nil {
			content = c
		}
	}
	sender := dropSender(d, content)
	if sender == "" || len(d.Recipients) == 0 {
		w.Log.Info("nobody is told that a drop was refused: it names no sender or no recipient", "key", d.Key)
		return nil
	}
	n := &outbox.Notice{
		Client: client, Key: d.Key, Sender: sender, Subject: content.Subject, MessageID: ownID(d, content),
		EnvelopeID: d.EnvelopeID, Accepted: d.Created, Header: head,
	}
	outcome := refusal(reason)
	for _, address := range d.Recipients {
		n.Recipients = append(n.Recipients, outbox.NoticeRecipient{Address: address, State: outbox.Failed, Outcome: outcome})
	}
	return w.Store.AddNotice(ctx, n)
}

// dropSender is the envelope sender: the one given, which may be null, else
// who wrote the message. It is empty if there is none that mail could go to.
func dropSender(d *maildrop.Drop, content *mail.Content) string {
	var address string
	switch author, _ := mail.ParseAddress(d.Author); {
	case d.From != nil:
		address = *d.From
	case content.Identity.Sender.Addr != "":
		address = content.Identity.Sender.Addr
	case len(content.Identity.From) > 0 && !content.Identity.FromDefaulted:
		address = content.Identity.From[0].Addr
	default:
		address = author.Addr
	}
	path, err := mail.ParseReversePath(address)
	if err != nil || path.IsNull() {
		return ""
	}
	return path.String()
}

// ownID is the Message-ID that the drop came with; one that is made for it
// here nobody has seen.
func ownID(d *maildrop.Drop, content *mail.Content) string {
	if strings.Contains(content.MessageID, d.Key) {
		return ""
	}
	return content.MessageID
}

// refusal puts an error of the intake as an outcome.
func refusal(err error) plugin.Outcome {
	o := plugin.Outcome{Class: plugin.Permanent, Blame: plugin.BlameContent, Inferred: true, Enhanced: "5.6.0", Reply: err.Error()}
	field := (*mail.FieldError)(nil)
	switch {
	case errors.Is(err, intake.ErrTooLarge):
		o.Enhanced = "5.3.4" // message too big for system
	case !errors.As(err, &field):
		o.Blame, o.Enhanced = plugin.BlameConnection, "5.3.5" // system incorrectly configured
	case field.Code == mail.CodeSenderNotAllowed || field.Code == mail.CodeSenderRequired:
		o.Blame, o.Enhanced = plugin.BlameSender, "5.7.1"
	case strings.Contains(field.Field, "recipients"):
		o.Blame, o.Enhanced = plugin.BlameRecipient, "5.1.3" // bad destination mailbox address syntax
	}
	return o
}
