// Package plugin is what the author of a transport writes against: the one
// interface for everything that delivers mail. The built-in transports of the
// daemon implement it in its process, others as processes of their own.
//
// The package imports nothing heavy, so that a transport stays a small program.
package plugin

import (
	"context"
	"io"
	"time"
)

// Transport delivers mail in one way: by SMTP, through a provider's API, to a
// pipe. It is a factory: Open makes the instances that deliver. Its methods
// are safe for concurrent use.
type Transport interface {
	// Describe says what the transport is and which settings it takes. It has
	// no side effects and always gives the same answer.
	Describe() Description

	// Open checks settings and makes an instance for one connection. It does
	// not reach over the network: Check does that. A bad setting is reported
	// as *SettingError, which names the field.
	Open(ctx context.Context, settings Settings) (Instance, error)
}

// Instance delivers for one connection, with the settings it was opened with.
// Its methods are safe for concurrent use.
type Instance interface {
	// Check goes through the stages that a delivery would go through, short
	// of sending mail unless the request says so, and reports each when it is
	// done. The error is for what could not be tested at all; a stage that
	// failed is no error.
	Check(ctx context.Context, request CheckRequest, report func(Stage)) error

	// Deliver tries to hand over one message to all recipients of its
	// envelope. It calls committing once, before the point of no return (the
	// moment from which the other side may have accepted the message although
	// we never learn of it), and stops with what committing returns if that is
	// an error.
	//
	// The outcomes are in the order of the envelope's recipients. A recipient
	// whose outcome has ClassUnspecified, or for which there is none, gets
	// the outcome of the error: that of a *DeliveryError in its chain, else
	// temporary before committing was called and unknown after.
	//
	// When ctx ends, Deliver returns soon, with the outcome as it then is.
	Deliver(ctx context.Context, delivery *Delivery, committing func() error) ([]Outcome, error)

	// Close ends what the instance holds open. Deliveries under way may be cut
	// off; whoever wants them to finish waits for them first.
	Close() error
}

// Description says what a transport is.
type Description struct {
	Name         string // lower case, as in a connection's settings: "smtp"
	Version      string // of the implementation
	Title        string // for people: "SMTP server"
	Fields       []Field
	Capabilities Capabilities
	Limits       Limits
}

// Capabilities tells what a transport can do beyond delivering.
type Capabilities struct {
	// ReportsCommit: Deliver calls committing. Without it every broken
	// delivery counts as unknown, since the message may have gone out.
	ReportsCommit bool
	// SendsNothing: mail does not leave the machine (capture).
	SendsNothing bool
}

// Limits of one delivery; zero means none.
type Limits struct {
	MessageBytes int64
	Recipients   int
	Concurrency  int // deliveries at a time for an instance
}

// Field describes one setting of a transport.
type Field struct {
	Name     string // as in Settings.Values, snake_case
	Type     FieldType
	Label    string
	Help     string
	Default  string // in the textual form of Type; empty for none
	Required bool
	Secret   bool // then it stands in Settings.Secrets and is never shown
	Options  []string
}

// FieldType is the type of a setting.
type FieldType string

// The types of settings. Values are held as the Go types in the comments.
const (
	TypeString   FieldType = "string"   // string
	TypeInteger  FieldType = "integer"  // float64 without fraction, as JSON has it
	TypeBoolean  FieldType = "boolean"  // bool
	TypeDuration FieldType = "duration" // string such as "30s"
	TypeEnum     FieldType = "enum"     // string, one of Field.Options
)

// Settings are a connection's settings for its transport.
type Settings struct {
	// Connection is the name of the connection, for logs.
	Connection string
	// Values by field name, with JSON's types: string, float64, bool, []any,
	// map[string]any.
	Values map[string]any
	// Secrets by field name. They must not appear in errors, stages, logs or
	// outcomes.
	Secrets map[string]string
}

// Envelope says from whom and to whom, as in RFC 5321 section 2.3.1.
type Envelope struct {
	From       string // reverse-path without brackets; empty is the null reverse-path
	Recipients []Recipient
	EnvelopeID string // ENVID of RFC 3461, not encoded; empty for none
	Return     string // RET of RFC 3461: "", "FULL" or "HDRS"
}

// Recipient is one forward-path.
type Recipient struct {
	Address string // without brackets, domain in its given form (U-label or A-label)
	Notify  string // NOTIFY of RFC 3461: "", "NEVER", or "SUCCESS,FAILURE,DELAY" in parts
}

// Delivery is one message on its way to some of its recipients.
type Delivery struct {
	ID       string // the message's id, the same at every attempt
	Attempt  int    // 1 for the first
	Envelope Envelope
	// Content is the whole RFC 5322 message in canonical form: lines end in
	// CRLF, no NUL, no bare CR or LF. It is valid until Deliver returns.
	Content io.ReaderAt
	Size    int64
	// EightBit: octets above 127 are present, so that a server needs 8BITMIME.
	EightBit bool
	// UTF8Headers: the header has octets above 127, which needs SMTPUTF8
	// (RFC 6531) whatever the addresses are.
	UTF8Headers bool
	// Signed: a signature covers the content; it must go out as it is.
	Signed bool
}

// CheckRequest says how far a connection test goes.
type CheckRequest struct {
	Sender    string // envelope sender; empty: the transport's own choice
	Recipient string // for the RCPT stage; empty: the sender
	// Message, if set, is sent to Recipient at the end.
	Message *Delivery
	// LoginOnly ends the test after the login: sender, recipient and message
	// are not tried.
	LoginOnly bool
}

// Stage is one step of a connection test.
type Stage struct {
	Name     string // such as "resolve", "connect", "tls", "auth"
	Status   StageStatus
	Detail   string // what was found, for people
	Server   string // what the server said, secrets redacted
	Duration time.Duration
	Outcome  *Outcome          // for a failed stage, how it is classified
	Facts    map[string]string // such as "tls_version", "certificate_expires"
}

// StageStatus tells how a stage went.
type StageStatus string

// The ways a stage can go.
const (
	StagePassed  StageStatus = "passed"
	StageWarning StageStatus = "warning"
	StageFailed  StageStatus = "failed"
	StageSkipped StageStatus = "skipped" // Detail says why
)
