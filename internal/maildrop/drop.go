// Package maildrop is the way in while the daemon is down: a directory into
// which the sendmail command puts messages, one file each, and from which the
// daemon picks them up.
//
// Every local user may write there (mode 3733: add, but neither list nor touch
// what others have added), so that all that is read from it is hostile until
// proven otherwise. Who sent a message is told by the owner of its file, never
// by its content.
package maildrop

import (
	"bytes"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// magic is the first line of a drop; a reader refuses other versions.
const magic = "postilion-maildrop 1"

// formRequest is the value of the line "form" where the content is a request.
const formRequest = "request"

// The limits of what Parse takes besides the content.
const (
	maxHead       = 1 << 20 // octets before the content
	maxRecipients = 10_000  // the daemon's own limit is lower, and has better words
)

// Drop is one message with its envelope, as MailerService.Send takes it raw.
type Drop struct {
	// Key is the idempotency key of the message, from NewKey, and the name of
	// its file: what was accepted and dropped as well is sent once.
	Key string
	// Created is when the message was handed over, in whole seconds.
	Created time.Time
	// From is the envelope sender: nil leaves it to the sender policy and the
	// header, empty is the null reverse-path.
	From *string
	// Recipients are the envelope's, without angle brackets; at least one,
	// unless Content is a Request.
	Recipients []string
	// Notify, Return and EnvelopeID are NOTIFY (for all recipients), RET and
	// ENVID of RFC 3461, not encoded; empty for none.
	Notify, Return, EnvelopeID string
	// Author is the value of the header field From for a message that has none
	// and whose sender policy has none either; may be empty.
	Author string
	// NotifySender: failures are mailed to the envelope sender.
	NotifySender bool
	// Content is the message as it was given.
	Content []byte
	// Request: Content is a whole SendRequest in JSON, as clients of the API
	// leave it. It alone says what is sent, from its own idempotency key to its
	// recipients; From and Recipients, which may be missing, say who is told if
	// it is refused.
	Request bool

	digest [sha256.Size]byte // of all but the proof
	proof  []byte
}

// NewKey makes an idempotency key: 128 random bits as 32 hexadecimal digits.
func NewKey() string {
	var b [16]byte
	rand.Read(b[:]) // never fails (crypto/rand, Go 1.24)
	return hex.EncodeToString(b[:])
}

// IsKey reports whether s has the form of NewKey's keys.
func IsKey(s string) bool {
	if len(s) != 32 {
		return false
	}
	return strings.Trim(s, "0123456789abcdef") == ""
}

// Proven reports whether whoever wrote the drop had the token whose SHA-256 is
// given. A sender that is known by a token stays known by it, without the
// token lying about in a file.
func (d *Drop) Proven(tokenHash []byte) bool {
	return d.proof != nil && hmac.Equal(d.proof, prove(d.digest, tokenHash))
}

// HasProof reports whether the sender used a token, so that one has to match.
func (d *Drop) HasProof() bool { return d.proof != nil }

func prove(digest [sha256.Size]byte, tokenHash []byte) []byte {
	m := hmac.New(sha256.New, tokenHash)
	m.Write([]byte(magic))
	m.Write(digest[:])
	return m.Sum(nil)
}

// head gives what stands before the content. The checksum covers the lines
// above it and the content.
func (d *Drop) head(token string) ([]byte, error) {
	if err := d.check(); err != nil {
		return nil, err
	}
	var b bytes.Buffer
	line := func(name, value string) {
		if value != "" {
			fmt.Fprintf(&b, "%s: %s\n", name, value)
		}
	}
	b.WriteString(magic + "\n")
	line("key", d.Key)
	line("created", strconv.FormatInt(d.Created.Unix(), 10))
	if d.Request {
		line("form", formRequest)
	}
	if d.From != nil {
		line("from", "<"+*d.From+">")
	}
	for _, r := range d.Recipients {
		line("to", r)
	}
	line("notify", d.Notify)
	line("return", d.Return)
	line("envelope-id", d.EnvelopeID)
	line("author", d.Author)
	if d.NotifySender {
		line("notify-sender", "yes")
	}
	line("length", strconv.Itoa(len(d.Content)))
	digest := checksum(b.Bytes(), d.Content)
	line("sha256", hex.EncodeToString(digest[:]))
	if token != "" {
		hash := sha256.Sum256([]byte(token))
		line("proof", hex.EncodeToString(prove(digest, hash[:])))
	}
	b.WriteByte('\n')
	return b.Bytes(), nil
}

func checksum(head, content []byte) (sum [sha256.Size]byte) {
	h := sha256.New()
	h.Write(head)
	h.Write(content)
	h.Sum(sum[:0])
	return sum
}

// check refuses what could not be read back.
func (d *Drop) check() error {
	if !IsKey(d.Key) {
		return errors.New("key: is not 32 hexadecimal digits")
	}
	if len(d.Recipients) == 0 && !d.Request {
		return errors.New("to: there is no recipient")
	}
	values := append([]string{d.Notify, d.Return, d.EnvelopeID, d.Author}, d.Recipients...)
	if d.From != nil {
		values = append(values, *d.From)
	}
	for _, v := range values {
		if strings.ContainsAny(v, "\r\n\x00") {
			return fmt.Errorf("the value %q has a line break or NUL in it", v)
		}
	}
	for _, r := range d.Recipients {
		if r == "" {
			return errors.New("to: a recipient is empty")
		}
	}
	return nil
}

// WithAuthor gives the content with a From field of the Author, for a message
// that was refused because nobody else names one. The same goes before it in
// the command and in the daemon, so that they make the same message.
func (d *Drop) WithAuthor() []byte {
	content := d.Content
	for bytes.HasPrefix(content, []byte("From ")) { // an mbox line would end the header here
		n := bytes.IndexByte(content, '\n')
		if n < 0 {
			n = len(content) - 1
		}
		content = content[n+1:]
	}
	return append([]byte("From: "+d.Author+"\r\n"), content...)
}
