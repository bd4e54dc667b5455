package intake

import (
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/postilion-mail/postilion/internal/mail"
	"github.com/postilion-mail/postilion/internal/outbox"
	"github.com/postilion-mail/postilion/internal/registry"
)

// MaxLife bounds how long a message may be tried.
const MaxLife = 30 * 24 * time.Hour

// The bounds of what goes with a message, as the API's comments say.
const (
	maxKey       = 255
	maxTags      = 20
	maxTag       = 64
	maxMetadata  = 20
	maxMetaKey   = 64
	maxMetaValue = 512
	maxAhead     = 30 * 24 * time.Hour
)

// refuse is an error that names a field and the remedy.
func refuse(field, format string, args ...any) error {
	return &mail.FieldError{Field: field, Reason: fmt.Sprintf(format, args...)}
}

// atField moves an error to the field of the request.
func atField(err error, field string) error {
	if as := (*mail.FieldError)(nil); errors.As(err, &as) {
		return &mail.FieldError{Field: field, Reason: as.Reason, Code: as.Code}
	}
	return err
}

// check judges what goes with the message. The message itself is judged when
// it is composed.
func (s *Submission) check(now time.Time) error {
	if s.Message == nil && len(s.Raw) == 0 {
		return refuse("message", "is missing; give message, or raw with the content of a whole message")
	}
	if len(s.Key) > maxKey || strings.ContainsFunc(s.Key, func(r rune) bool { return r < '!' || r > '~' }) {
		return refuse("idempotency_key", "must be 1 to %d printable ASCII characters without blanks", maxKey)
	}
	if s.SendAt.After(now.Add(maxAhead)) {
		return refuse("send_at", "is more than %d days ahead; choose an earlier time", int(maxAhead.Hours()/24))
	}
	if s.ExpiresAfter != nil && (*s.ExpiresAfter < 0 || *s.ExpiresAfter > MaxLife) {
		return refuse("expires_after", "must be from 0s to %d days", int(MaxLife.Hours()/24))
	}
	if len(s.Tags) > maxTags {
		return refuse("tags", "has more than %d entries; give fewer", maxTags)
	}
	for i, tag := range s.Tags {
		if err := checkWord(fmt.Sprintf("tags[%d]", i), tag, maxTag, utf8.RuneCountInString(tag)); err != nil {
			return err
		}
	}
	if len(s.Metadata) > maxMetadata {
		return refuse("metadata", "has more than %d entries; give fewer", maxMetadata)
	}
	for key, value := range s.Metadata {
		if err := checkWord("metadata", key, maxMetaKey, utf8.RuneCountInString(key)); err != nil {
			return err
		}
		if len(value) > maxMetaValue || !utf8.ValidString(value) {
			return refuse("metadata", "has a value of more than %d octets or of invalid UTF-8; shorten or encode it", maxMetaValue)
		}
	}
	return s.checkSender()
}

// checkSender judges the envelope sender and makes it canonical.
func (s *Submission) checkSender() error {
	if !s.FromGiven || s.From == "" {
		return nil
	}
	path, err := mail.ParsePath(s.From)
	if err != nil {
		return atField(err, "raw.envelope.from")
	}
	s.From = path.String()
	return nil
}

func checkWord(field, s string, most, length int) error {
	if s == "" || length > most || !utf8.ValidString(s) ||
		strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r == 0x7f }) {
		return refuse(field, "must be 1 to %d characters without control characters", most)
	}
	return nil
}

// checkRecipients holds the number of recipients against the limits.
func (in *Intake) checkRecipients(m *outbox.Message, client *registry.Client, c *registry.Connection) error {
	field := "message.to"
	limit, whose := in.Limits.Recipients, "a message may have"
	lower := func(n uint32, who string) {
		if n > 0 && int(n) < limit {
			limit, whose = int(n), who
		}
	}
	lower(c.Limits.RecipientsPerMessage, "the connection allows a message")
	lower(client.Limits.RecipientsPerMessage, "the client's messages may have")
	if len(m.Recipients) > limit {
		return &mail.FieldError{
			Field: field, Code: mail.CodeTooLarge,
			Reason: fmt.Sprintf("there are %d recipients and %s %d; send several messages", len(m.Recipients), whose, limit),
		}
	}
	return nil
}
