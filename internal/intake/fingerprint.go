package intake

import (
	"crypto/sha256"
	"encoding/binary"
	"hash"
	"sort"
	"time"

	"github.com/postilion-mail/postilion/internal/mail"
)

// fingerprint is a hash of the request before anything was made of it, the
// same for all ways in: sendmail hands in by JSON, or when that fails by a
// file, and the second must be known for a repetition of the first. What does
// not belong to the message (how long to wait for an outcome) is not in it.
func (s *Submission) fingerprint() []byte {
	f := fingerprint{sha256.New()}
	f.text("postilion fingerprint 1")
	f.text(s.Connection)
	f.time(s.SendAt)
	if s.ExpiresAfter != nil {
		f.number(int64(*s.ExpiresAfter))
	} else {
		f.number(-1)
	}
	f.number(int64(s.Priority))
	f.texts(s.Tags)
	keys := make([]string, 0, len(s.Metadata))
	for key := range s.Metadata {
		keys = append(keys, key)
	}
	sort.Strings(keys)
	f.number(int64(len(keys)))
	for _, key := range keys {
		f.text(key)
		f.text(s.Metadata[key])
	}
	f.flag(s.KeepContent)
	f.flag(s.Notify)
	if s.Message != nil {
		f.message(s.Message)
		return f.Sum(nil)
	}
	f.text(s.From)
	f.flag(s.FromGiven)
	f.number(int64(len(s.Recipients)))
	for _, r := range s.Recipients {
		f.text(r.Address)
		f.text(r.Notify)
	}
	f.text(s.EnvelopeID)
	f.text(s.Return)
	f.bytes(s.Raw)
	return f.Sum(nil)
}

// fingerprint writes values so that no two sequences give the same octets:
// each with its length in front.
type fingerprint struct{ hash.Hash }

func (f fingerprint) number(n int64) {
	var b [8]byte
	binary.BigEndian.PutUint64(b[:], uint64(n))
	f.Write(b[:])
}

func (f fingerprint) bytes(b []byte) {
	f.number(int64(len(b)))
	f.Write(b)
}

func (f fingerprint) text(s string) { f.bytes([]byte(s)) }

func (f fingerprint) texts(list []string) {
	f.number(int64(len(list)))
	for _, s := range list {
		f.text(s)
	}
}

func (f fingerprint) flag(b bool) {
	if b {
		f.number(1)
	} else {
		f.number(0)
	}
}

func (f fingerprint) time(t time.Time) {
	if t.IsZero() {
		f.number(0)
	} else {
		f.number(t.UnixNano())
	}
}

func (f fingerprint) addresses(list ...mail.Address) {
	f.number(int64(len(list)))
	for _, a := range list {
		f.text(a.Addr)
		f.text(a.Name)
	}
}

func (f fingerprint) message(m *mail.Message) {
	f.addresses(m.From, m.Sender)
	f.addresses(m.ReplyTo...)
	f.addresses(m.To...)
	f.addresses(m.Cc...)
	f.addresses(m.Bcc...)
	f.texts([]string{m.Subject, m.Text, m.HTML, m.MessageID, m.InReplyTo})
	f.texts(m.References)
	f.number(int64(len(m.Attachments)))
	for _, a := range m.Attachments {
		f.texts([]string{a.Filename, a.ContentType, a.ContentID})
		f.flag(a.Inline)
		f.bytes(a.Content)
	}
	f.number(int64(len(m.Headers)))
	for _, h := range m.Headers {
		f.text(h.Name)
		f.text(h.Value)
	}
	f.texts(m.ListUnsubscribe.URLs)
	f.flag(m.ListUnsubscribe.OneClick)
	f.number(int64(m.Importance))
	f.time(m.Date)
}
