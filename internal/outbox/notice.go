package outbox

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/postilion-mail/postilion/plugin"
)

// Notice says that the sender of a message has to be told something by mail,
// since nobody watches its events. It is due from the transaction on in which
// the thing happened, until a message that carries it is accepted (see
// Message.Notice) or it is dropped.
type Notice struct {
	ID      int64
	Type    NoticeType
	Created time.Time
	Client  string
	// Message is what the notice is about; zero for one that was refused
	// before it became a message.
	Message    uuid.UUID
	Chain      []Hop
	Sender     string // the envelope sender who is to be told; never empty
	MessageID  string
	Subject    string
	EnvelopeID string // as in plugin.Envelope
	Return     string
	Accepted   time.Time
	Expires    time.Time // for NoticeDelayed: until when it is tried
	// Recipients are those that the notice is about. There are none left if
	// a delay ended before the notice was read.
	Recipients []NoticeRecipient
	// Key tells a refusal from all others; AddNotice takes it once.
	Key string
	// Header is that of a refused message. For others Store.Raw gives it: a
	// content is not purged while a NoticeFailed of its message waits.
	Header []byte
	// Hold, if not empty, is why the message with the notice is to be held.
	Hold string
}

// NoticeType is what a notice tells.
type NoticeType uint8

// The types of notices.
const (
	NoticeFailed  NoticeType = iota + 1 // some recipients ended in FAILED or EXPIRED
	NoticeDelayed                       // some are still waiting
	NoticeRefused                       // the message was not accepted after all
)

// String names the type.
func (t NoticeType) String() string {
	switch t {
	case NoticeFailed:
		return "failed"
	case NoticeDelayed:
		return "delayed"
	case NoticeRefused:
		return "refused"
	}
	return "unspecified"
}

// NoticeRecipient is what a notice tells about one recipient.
type NoticeRecipient struct {
	Address    string
	State      State
	Outcome    plugin.Outcome // the last one
	Connection string         // id, through which it was tried; empty for none
	Attempts   int
	Tried      time.Time // the last time; zero for never
	Duplicate  bool      // it may have arrived all the same
}

// Notices is the part of a store that a worker takes notices from.
type Notices interface {
	// Notices gives those that are due, the longest due first.
	Notices(ctx context.Context, limit int) ([]Notice, error)
	// AddNotice stores a notice of the type NoticeRefused, due at once, unless
	// one with its key waits already.
	AddNotice(ctx context.Context, n *Notice) error
	// PostponeNotice makes a notice due at a later time.
	PostponeNotice(ctx context.Context, id int64, due time.Time) error
	// DropNotice removes a notice that needs no message. One that is gone is
	// no error.
	DropNotice(ctx context.Context, id int64) error
}

// SourceBounce is the source of messages that carry notices.
const SourceBounce = "bounce"

// Notifies says whether failures of the message go back to its sender: never
// those of a message that carries a notice itself.
func (m *Message) Notifies() bool { return m.Notify && m.Parent == "" && m.Source != SourceBounce }

// WantsFailure and WantsDelay say whether a value of NOTIFY (RFC 3461 section
// 4.1) asks for a notice. Without one, both are sent if they are sent at all.
func WantsFailure(notify string) bool { return wants(notify, "FAILURE") }

// WantsDelay is WantsFailure for notices of delay.
func WantsDelay(notify string) bool { return wants(notify, "DELAY") }

func wants(notify, word string) bool {
	return notify == "" || slices.Contains(strings.Split(strings.ToUpper(notify), ","), word)
}

// SenderDomain is the domain of the one who is to be told.
func (n *Notice) SenderDomain() string { return n.Sender[strings.LastIndexByte(n.Sender, '@')+1:] }
