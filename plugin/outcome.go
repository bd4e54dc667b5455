package plugin

import (
	"errors"
	"fmt"
	"time"
)

// Outcome tells what became of one recipient, or of the transaction as a
// whole. It is data: whoever reads it never has to look at texts.
type Outcome struct {
	Class    Class
	Blame    Blame
	Phase    Phase
	Code     int    // SMTP reply code, 0 for none
	Enhanced string // enhanced status code (RFC 3463) such as "5.1.1", or empty
	Reply    string // the server's words, or ours if Inferred; never a secret
	// Inferred: nobody said so, we concluded it (a timeout, a refused
	// connection). Otherwise the peer said it.
	Inferred bool
	// RetryAfter is how long the peer asked us to wait, 0 if it did not.
	RetryAfter time.Duration
}

// Class is what an outcome means for the recipient.
type Class uint8

// The classes of outcomes.
const (
	ClassUnspecified Class = iota
	Accepted               // the other side has taken responsibility
	Temporary              // it has not; trying again makes sense
	Permanent              // it has not; trying again does not
	Unknown                // it may or may not have
)

// String gives the class in lower case.
func (c Class) String() string {
	return pick(c, "unspecified", "accepted", "temporary", "permanent", "unknown")
}

// Blame is whom or what an outcome is to be put down to.
type Blame uint8

// Whom or what to blame.
const (
	BlameNone Blame = iota
	BlameRecipient
	BlameSender
	BlameContent
	BlameAuth       // the credentials, or that there are none
	BlameConnection // the settings of the connection: host name, TLS, policy
	BlameNetwork    // the way to the server
	BlameServer     // the server, whatever we had sent
	BlameLimit      // a rate or quota
)

// String gives the blame in lower case, empty for none.
func (b Blame) String() string {
	return pick(b, "", "recipient", "sender", "content", "auth", "connection", "network", "server", "limit")
}

// Phase is where in a delivery something happened.
type Phase uint8

// The phases of a delivery, in their order.
const (
	PhaseNone     Phase = iota
	PhaseOpen           // settings, starting a plugin, the store
	PhaseResolve        // DNS
	PhaseConnect        // TCP
	PhaseGreeting       // the 220 banner
	PhaseHello          // EHLO or HELO
	PhaseStartTLS       // the STARTTLS command
	PhaseTLS            // the handshake
	PhaseAuth
	PhaseMail
	PhaseRecipient
	PhaseData    // DATA or BDAT before the last octet
	PhaseContent // after the last octet: the final reply
	PhaseReset
	PhaseQuit
)

// String gives the phase in lower case, empty for none.
func (p Phase) String() string {
	return pick(p, "", "open", "resolve", "connect", "greeting", "ehlo", "starttls", "tls", "auth", "mail", "rcpt", "data", "content", "rset", "quit")
}

func pick[T ~uint8](i T, names ...string) string {
	if int(i) < len(names) {
		return names[i]
	}
	return fmt.Sprintf("%d", i)
}

// ParsePhase is the inverse of Phase.String; it gives PhaseNone for a name it
// does not know.
func ParsePhase(name string) Phase {
	for p := PhaseNone; p <= PhaseQuit; p++ {
		if p.String() == name {
			return p
		}
	}
	return PhaseNone
}

// DeliveryError is the error of a transaction as a whole. Its outcome holds
// for every recipient that has none of its own.
type DeliveryError struct {
	Outcome Outcome
	Err     error // the cause, may be nil
}

// Error gives the phase and what was said.
func (e *DeliveryError) Error() string {
	text := e.Outcome.Reply
	if text == "" && e.Err != nil {
		text = e.Err.Error()
	}
	if e.Outcome.Phase == PhaseNone {
		return text
	}
	return e.Outcome.Phase.String() + ": " + text
}

// Unwrap gives the cause.
func (e *DeliveryError) Unwrap() error { return e.Err }

// ErrCrashed in the chain of Deliver's error says that the transport itself
// ended, by a panic or with its process, while it delivered. A message that
// does that again and again is taken out of the way.
var ErrCrashed = errors.New("the transport crashed")

// SettingError reports a setting that a transport cannot take.
type SettingError struct {
	Field  string // as in Description.Fields
	Reason string // a sentence that names the remedy, never the value of a secret
}

// Error names the field and the reason.
func (e *SettingError) Error() string { return e.Field + ": " + e.Reason }

// Settle fills in, for n recipients, the outcomes that Deliver left open from
// its error, as the comment of Instance.Deliver says. It is what the host does
// with the answer of every transport.
func Settle(outcomes []Outcome, err error, n int, committed bool) []Outcome {
	rest := Outcome{Class: Temporary, Blame: BlameServer, Inferred: true, Reply: "the transport gave no outcome"}
	if committed {
		rest.Class = Unknown
	}
	if de := (*DeliveryError)(nil); errors.As(err, &de) && de.Outcome.Class != ClassUnspecified {
		rest = de.Outcome
	} else if err != nil {
		rest.Reply = err.Error()
	}
	settled := make([]Outcome, n)
	for i := range settled {
		settled[i] = rest
		if i < len(outcomes) && outcomes[i].Class != ClassUnspecified {
			settled[i] = outcomes[i]
		}
	}
	return settled
}
