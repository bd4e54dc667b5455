// Package intake is the one way into the outbox. Whatever way a message came,
// here it is checked, routed, given its sender by the connection's policy,
// composed once, and accepted.
package intake

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"sync/atomic"
	"time"

	"github.com/google/uuid"

	"github.com/postilion-mail/postilion/internal/mail"
	"github.com/postilion-mail/postilion/internal/mail/compose"
	"github.com/postilion-mail/postilion/internal/outbox"
	"github.com/postilion-mail/postilion/internal/registry"
)

// Submission is a message as it came in.
type Submission struct {
	Client *registry.Client
	Source string // "grpc", "json", "maildrop", ...

	// Either Message or Raw.
	Message *mail.Message
	Raw     []byte
	// Envelope goes with Raw.
	From       string
	FromGiven  bool // then an empty From is the null reverse-path
	Recipients []outbox.Recipient
	EnvelopeID string
	Return     string
	// Trace are header lines that a hop puts in front of Raw. They do not
	// count for the limit of the content.
	Trace []byte
	// Reserved says that the caller has reserved the octets of Raw.
	Reserved bool

	// Written is when the message was handed over, for the Date of one without;
	// zero stands for now.
	Written time.Time

	Connection string
	// Via is the id of a connection, which goes before Connection and the
	// routes as long as it exists.
	Via          string
	Key          string
	SendAt       time.Time
	ExpiresAfter *time.Duration
	Priority     outbox.Priority
	Tags         []string
	Metadata     map[string]string
	KeepContent  bool
	Notify       bool
	Hold         string // if not empty, the reason why it is held from the start
	// Origin is where the caller believes to be; empty if it did not say.
	Origin string
	// Parent and Notice as in outbox.Message.
	Parent string
	Notice int64
}

// Accepted is the answer.
type Accepted struct {
	outbox.Receipt
	Connection string // name of the first of the chain; empty if replayed
	Recipients []outbox.Recipient
	Held       bool
}

// Limits of a submission.
type Limits struct {
	ContentBytes int64 // of a message
	Recipients   int   // of a message
	InFlight     int64 // octets of all messages that are being accepted
}

// ErrTooLarge is in the chain of the error for a message above the limit.
var ErrTooLarge = errors.New("the message is too large")

// ErrBusy is in the chain of the error when too much is being accepted at the
// moment.
var ErrBusy = errors.New("too many octets are being accepted at the moment")

// Options are what an intake needs.
type Options struct {
	Registry *registry.Registry
	Store    outbox.Store
	Limits   Limits
	// Domain is this host's, for Message-IDs and names without domain.
	Domain string
	// Now is the clock of the outbox.
	Now func() time.Time
	// Expiry is how long a message is tried if nobody says.
	Expiry time.Duration
	// Accepted, if set, is told of each new message.
	Accepted func(source string)
}

// Intake accepts messages. It is safe for concurrent use.
type Intake struct {
	Options
	inFlight atomic.Int64
}

// New makes an intake.
func New(o Options) *Intake {
	return &Intake{Options: o}
}

// collectFrom is the size, in octets, from which a message is worth a garbage
// collection.
const collectFrom = 4 << 20

// askFirst is the size from which a key is looked up before the message is
// composed.
const askFirst = 128 << 10

// Accept takes a submission. When it returns without error, the message is on
// stable storage. Before is called with the id that a new message will have,
// for those who want to watch it from the beginning; it may be nil.
func (in *Intake) Accept(ctx context.Context, s *Submission, before func(uuid.UUID)) (Accepted, error) {
	now := in.Now()
	if err := s.check(now); err != nil {
		return Accepted{}, err
	}
	size := s.size()
	if size > in.Limits.ContentBytes {
		return Accepted{}, fmt.Errorf("%w: it has %d octets and the limit is %d", ErrTooLarge, size, in.Limits.ContentBytes)
	}
	if !s.Reserved {
		if !in.Reserve(size) {
			return Accepted{}, ErrBusy
		}
		defer in.Release(size)
	}

	var fingerprint []byte
	if s.Key != "" {
		fingerprint = s.fingerprint()
	}
	// Most keys are new, and the store finds out by itself whether one is
	// known; only for what is large it pays to ask before composing.
	if s.Key != "" && size > askFirst {
		if receipt, err := in.Store.Lookup(ctx, s.Client.ID, s.Key, fingerprint); !errors.Is(err, outbox.ErrNotFound) {
			return Accepted{Receipt: receipt}, err
		}
	}
	id, err := uuid.NewV7()
	if err != nil {
		return Accepted{}, err
	}
	m, first, err := in.prepare(s, id, now)
	if err != nil && s.Key != "" {
		// What was accepted once stays so, also when it would be refused now.
		if receipt, known := in.Store.Lookup(ctx, s.Client.ID, s.Key, fingerprint); known == nil {
			return Accepted{Receipt: receipt}, nil
		}
	}
	if err != nil {
		return Accepted{}, err
	}
	m.Key, m.Fingerprint = s.Key, fingerprint
	if before != nil {
		before(id)
	}
	receipt, err := in.Store.Accept(ctx, m)
	if size > collectFrom {
		s.Raw, m.Content = nil, nil
		debug.FreeOSMemory() // or all this is still there when the next one comes
	}
	if err != nil {
		return Accepted{}, err
	}
	if !receipt.Replayed && in.Options.Accepted != nil {
		in.Options.Accepted(s.Source)
	}
	return Accepted{Receipt: receipt, Connection: first, Recipients: m.Recipients, Held: m.Hold != ""}, nil
}

// Reserve takes octets out of the budget of what is in flight, for those who
// gather a message before they submit it. It is false if the budget has not
// so many left; what it gave goes back by Release.
func (in *Intake) Reserve(octets int64) bool {
	if in.inFlight.Add(octets) > in.Limits.InFlight {
		in.inFlight.Add(-octets)
		return false
	}
	return true
}

// Release gives back what Reserve took.
func (in *Intake) Release(octets int64) { in.inFlight.Add(-octets) }

// size is about what the message needs in memory.
func (s *Submission) size() int64 {
	if s.Message == nil {
		return int64(len(s.Raw))
	}
	n := len(s.Message.Text) + len(s.Message.HTML) + len(s.Message.Subject)
	for _, a := range s.Message.Attachments {
		n += len(a.Content)
	}
	return int64(n)
}

// prepare makes the message of the outbox, and the name of its first
// connection.
func (in *Intake) prepare(s *Submission, id uuid.UUID, now time.Time) (*outbox.Message, string, error) {
	size := s.size()
	if size > collectFrom {
		// The call has left copies of the message behind, as received and as
		// decoded; without this they stay while the next ones are made.
		debug.FreeOSMemory()
	}
	content, err := in.content(s, id, now)
	if err != nil {
		return nil, "", err
	}
	if size > collectFrom && s.Message != nil {
		s.Message.Attachments = nil // they are in the content now
	}
	if size := int64(len(content.Bytes) - len(s.Trace)); size > in.Limits.ContentBytes {
		return nil, "", fmt.Errorf("%w: as it would be sent it has %d octets and the limit is %d", ErrTooLarge, size, in.Limits.ContentBytes)
	}
	content.Identity.EnvelopeFrom, content.Identity.EnvelopeGiven = s.From, s.FromGiven
	recipients, err := in.recipients(s)
	if err != nil {
		return nil, "", err
	}
	chain, err := in.chain(s, content, recipients)
	if err != nil {
		return nil, "", err
	}
	m := &outbox.Message{
		ID: id, Client: s.Client.ID, Source: s.Source, Priority: s.Priority, Accepted: now, SendAt: s.SendAt,
		MessageID: content.MessageID, Subject: content.Subject, Tags: s.Tags, Metadata: s.Metadata,
		EnvelopeID: s.EnvelopeID, Return: s.Return, Content: content.Bytes,
		EightBit: content.EightBit, UTF8Headers: content.UTF8Headers, Signed: content.Signed,
		KeepContent: s.KeepContent, Notify: s.Notify,
		Hold: s.Hold, Parent: s.Parent, Notice: s.Notice,
	}
	if s.strayed() && m.Hold == "" {
		m.Hold = fmt.Sprintf("it comes from %.200q and the client is at %.200q: it may be a copy", s.Origin, s.Client.Origin)
	}
	extra, err := in.hops(m, content, chain)
	if err != nil {
		return nil, "", err
	}
	m.Recipients = merge(recipients, extra)
	if chain, err = in.guard(&s.Client.Guard, m, content, chain); err != nil {
		return nil, "", err
	}
	if err := in.checkRecipients(m, s.Client, &chain[0]); err != nil {
		return nil, "", err
	}
	start := now
	if s.SendAt.After(now) {
		start = s.SendAt
	}
	m.Expires = start.Add(in.life(s, &chain[0]))
	return m, chain[0].Name, nil
}

func (in *Intake) content(s *Submission, id uuid.UUID, now time.Time) (*mail.Content, error) {
	if !s.Written.IsZero() {
		now = s.Written
	}
	if s.Message != nil {
		return compose.Compose(s.Message, compose.Options{Now: now, Domain: in.Domain, ID: id.String()})
	}
	return mail.Canonicalize(s.Raw, mail.Options{Now: now, Domain: in.Domain, ID: id.String(), Trace: s.Trace})
}

// recipients gives the envelope's, or else those of the header.
func (in *Intake) recipients(s *Submission) ([]outbox.Recipient, error) {
	if len(s.Recipients) > 0 {
		out := make([]outbox.Recipient, 0, len(s.Recipients))
		for i, r := range s.Recipients {
			path, err := mail.ParsePath(mail.Complete(r.Address, in.Domain))
			if err != nil {
				return nil, atField(err, fmt.Sprintf("raw.envelope.recipients[%d].address", i))
			}
			out = append(out, outbox.Recipient{Address: path.String(), Notify: r.Notify})
		}
		return merge(out, nil), nil
	}
	var lists [3][]mail.Address
	if s.Message != nil {
		lists = [3][]mail.Address{s.Message.To, s.Message.Cc, s.Message.Bcc}
	} else {
		var err error
		if lists[0], lists[1], lists[2], err = mail.Recipients(s.Raw, in.Domain); err != nil {
			return nil, err
		}
	}
	var out []outbox.Recipient
	for _, list := range lists {
		for _, a := range list {
			path, err := mail.ParsePath(a.Addr)
			if err != nil {
				return nil, err
			}
			out = append(out, outbox.Recipient{Address: path.String()})
		}
	}
	if len(out) == 0 {
		field := "raw.envelope.recipients"
		if s.Message != nil {
			field = "message.to"
		}
		return nil, &mail.FieldError{Field: field, Reason: "there are no recipients; give at least one"}
	}
	return merge(out, nil), nil
}

// merge adds addresses to a list, each once.
func merge(list []outbox.Recipient, extra []string) []outbox.Recipient {
	seen := make(map[string]bool, len(list)+len(extra))
	out := list[:0:0]
	add := func(r outbox.Recipient) {
		if key := r.Address; !seen[key] {
			seen[key] = true
			out = append(out, r)
		}
	}
	for _, r := range list {
		add(r)
	}
	for _, a := range extra {
		add(outbox.Recipient{Address: a})
	}
	return out
}

// chain resolves the connection that a message goes through, and those that it
// may fall back to: the one that is named, else what the routes say, else the
// client's default.
func (in *Intake) chain(s *Submission, c *mail.Content, recipients []outbox.Recipient) ([]registry.Connection, error) {
	if chain := in.Registry.Chain(s.Via); len(chain) > 0 {
		return chain, nil
	}
	if s.Connection == "" {
		subject := routeSubject(s, c, recipients)
		for _, rule := range in.Registry.Rules(s.Client.ID) {
			if matches(&rule.Route, subject) {
				return in.Registry.Chain(rule.ConnectionID), nil
			}
		}
	}
	first, err := in.Registry.Resolve(s.Client.ID, s.Connection)
	if err != nil {
		return nil, err
	}
	return in.Registry.Chain(first.ID), nil
}

// hops computes what differs from connection to connection, and gives the
// further recipients of the first. A fallback whose policy refuses the message
// is left out: it is no reason to refuse what the first connection takes.
func (in *Intake) hops(m *outbox.Message, c *mail.Content, chain []registry.Connection) ([]string, error) {
	var extra []string
	for i := range chain {
		connection := &chain[i]
		overlay, err := policy(&connection.Sender).Apply(c.Identity)
		if err != nil && i > 0 {
			continue
		}
		if err != nil {
			return nil, err
		}
		m.Chain = append(m.Chain, outbox.Hop{
			Connection: connection.ID, EnvelopeFrom: overlay.EnvelopeFrom, Overlay: overlay.Header,
		})
		if overlay.UTF8 {
			m.UTF8Headers, m.EightBit = true, true
		}
		if i == 0 {
			m.From, extra = overlay.From.Addr, overlay.ExtraRecipients
		}
	}
	return extra, nil
}

func policy(p *registry.SenderPolicy) *mail.Policy {
	out := &mail.Policy{
		From:      mail.Address{Addr: p.FromAddress, Name: p.FromName},
		ForceFrom: p.ForceFromAddress, ForceName: p.ForceFromName, ExceptFrom: p.ForceExceptions,
		ForceReplyTo: p.ForceReplyTo, EnvelopeFrom: p.EnvelopeFrom, AlwaysBcc: p.AlwaysBcc,
		AllowedFromDomains: p.AllowedFromDomains,
	}
	for _, a := range p.ReplyTo {
		out.ReplyTo = append(out.ReplyTo, mail.Address{Addr: a})
	}
	for _, h := range p.Headers {
		out.Headers = append(out.Headers, mail.Header{Name: h.Name, Value: h.Value})
	}
	return out
}

// CheckPolicy judges a sender policy. The error is a *mail.FieldError.
func CheckPolicy(p *registry.SenderPolicy) error { return policy(p).Validate() }

// OneAttempt is the life of a message that is to be tried once: enough to get
// there, too short for the first repetition.
const OneAttempt = 30 * time.Second

func (in *Intake) life(s *Submission, c *registry.Connection) time.Duration {
	switch {
	case s.ExpiresAfter != nil:
		return max(*s.ExpiresAfter, OneAttempt)
	case c.Retry.ExpiresAfter > 0:
		return c.Retry.ExpiresAfter
	}
	return in.Expiry
}
