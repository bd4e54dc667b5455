// Package smtpd is the server side of SMTP: the submission port of the daemon,
// and the dialogue of "sendmail -bs". It speaks RFC 5321 with SIZE (1870),
// PIPELINING (2920), CHUNKING (3030), STARTTLS (3207), DSN (3461), AUTH (4954),
// 8BITMIME (6152), SMTPUTF8 (6531) and ENHANCEDSTATUSCODES (2034).
//
// It knows nothing of what becomes of a message: an Account takes it. The
// sendmail command imports this package and is to start fast, so there is
// nothing in it but the standard library and internal/mail; TLS comes in as a
// function.
package smtpd

import (
	"net"
	"time"
)

// Account is whom a session belongs to. It takes the session's messages.
// It is used by one goroutine at a time.
type Account interface {
	// Name stands in the trace.
	Name() string
	// Submit takes a message, with its content, for good: when it returns
	// without error, the message is on stable storage, and the client gets the
	// text behind 250. A *Reply as error is what the client gets; any other is
	// a temporary failure, whose text the client does not see.
	Submit(m *Message) (text string, err error)
}

// Message is what a client sent in one transaction.
type Message struct {
	From       string // canonical; empty is the null reverse-path
	Recipients []Recipient
	EnvelopeID string // ENVID, decoded
	Return     string // RET: "FULL", "HDRS" or empty
	// Content is as it was sent: lines may end in whatever the client thinks a
	// line end is, and Content may go on without one.
	Content []byte
	// Trace is a Received field for the top of the header, with its CRLF;
	// empty unless Options.Trace is set.
	Trace []byte
}

// Recipient is one accepted RCPT.
type Recipient struct {
	Address  string // canonical
	Notify   string // NOTIFY: "NEVER", or a list of SUCCESS, FAILURE and DELAY; empty if not given
	Original string // ORCPT, decoded: "rfc822;a@example.com"; empty if not given
}

// Options say what a server offers and whom it serves.
type Options struct {
	// Name is this host's, for the greeting and the trace.
	Name string
	// Domain gives the one that goes behind addresses without any.
	Domain func() string
	// MaxSize of a content in octets. Exactly so many are accepted.
	MaxSize int64
	// MaxRecipients of a message. Those beyond are refused one by one.
	MaxRecipients int
	// MaxErrors is how many bad commands end a session.
	MaxErrors int
	// MaxHops is how many Received fields make a loop; 0 for no bound.
	MaxHops int
	// MaxSessions at a time, in all and from one IP address; 0 for no bound.
	MaxSessions, MaxPerAddress int
	// Idle is how long a client may take for a command, from its reply to the
	// command before. A content may take as long, and besides a second for
	// each 512 octets. 0 for no bound.
	Idle time.Duration

	// Login finds the account of a user by the password; ok is false if there
	// is none. Nil switches AUTH off.
	Login func(remote net.Addr, user, password string) (account Account, ok bool)
	// Anonymous gives the account of a client that did not log in; nil asks
	// for AUTH. A nil function asks everybody.
	Anonymous func(remote net.Addr) Account
	// StartTLS makes a handshake as server. Nil switches STARTTLS off. The
	// deadlines of the connection that it gives must be those of the one below.
	StartTLS func(net.Conn) (net.Conn, error)
	// Recipient makes an address of RCPT canonical, if it is to be done by
	// other rules than those of the sender's.
	Recipient func(address string) (string, error)

	// Reserve asks for octets of memory for a content, Release gives them
	// back. Nil for no bound but MaxSize.
	Reserve func(octets int64) bool
	Release func(octets int64)

	DSN      bool // offer DSN
	Chunking bool // offer CHUNKING
	Trace    bool // make Message.Trace
	// Panicked, if set, is told of a panic in a session, which ends the session
	// only. It is called where the panic's stack can still be seen.
	Panicked func(recovered any)
}
