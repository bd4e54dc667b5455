package mail

import (
	"bytes"
	"fmt"
	"strings"
)

// Policy says what a connection does to the sender of the messages that go
// out through it. The zero Policy does nothing.
type Policy struct {
	From      Address // for messages without From or without a name
	ForceFrom bool    // From.Addr in place of any other
	ForceName bool    // From.Name in place of any other
	// ExceptFrom are addresses, and domains ("example.com" or
	// "@example.com"), that the force fields leave alone.
	ExceptFrom   []string
	ReplyTo      []Address // for messages without one
	ForceReplyTo bool      // for all
	// EnvelopeFrom takes the place of any envelope sender but the null one.
	EnvelopeFrom string
	Headers      []Header // added to messages that have no field of the name
	AlwaysBcc    []string // further recipients
	// AllowedFromDomains are the domains that senders may have; with "*." in
	// front, their subdomains. Empty allows all.
	AllowedFromDomains []string
}

// Overlay is what a message gets in front and around it for one connection.
type Overlay struct {
	// Header is complete lines: From, Sender, Reply-To and added fields.
	// Empty for sealed content.
	Header []byte
	// UTF8: the header has octets above 127, so SMTPUTF8 is needed.
	UTF8 bool
	// EnvelopeFrom is the envelope sender; empty is the null reverse-path.
	EnvelopeFrom string
	// ExtraRecipients get the message besides those it is for.
	ExtraRecipients []string
	// From is the author that readers see, empty if it cannot be read.
	From Address
}

// Validate judges the policy. The Field of the error begins with
// "connection.sender.".
func (p *Policy) Validate() error {
	const at = "connection.sender."
	if err := checkText(at+"from_name", p.From.Name); err != nil {
		return err
	}
	if p.From.Addr != "" {
		if _, err := ParsePath(p.From.Addr); err != nil {
			return inField(err, at+"from_address")
		}
	} else if p.ForceFrom {
		return refuse(at+"from_address", "is empty; give the address that is to be forced")
	}
	if p.ForceName && p.From.Name == "" {
		return refuse(at+"from_name", "is empty; give the name that is to be forced")
	}
	if p.ForceReplyTo && len(p.ReplyTo) == 0 {
		return refuse(at+"reply_to", "is empty; give the address that is to be forced")
	}
	for i, a := range p.ReplyTo {
		if err := a.check(fmt.Sprintf("%sreply_to[%d]", at, i)); err != nil {
			return err
		}
	}
	if p.EnvelopeFrom != "" {
		if _, err := ParsePath(p.EnvelopeFrom); err != nil {
			return inField(err, at+"envelope_from")
		}
	}
	for i, addr := range p.AlwaysBcc {
		if _, err := ParsePath(addr); err != nil {
			return inField(err, fmt.Sprintf("%salways_bcc[%d]", at, i))
		}
	}
	for i, s := range p.ExceptFrom {
		var err error
		if local, domain, ok := strings.Cut(s, "@"); ok && local == "" {
			_, err = ParseDomain(domain)
		} else if ok {
			_, err = ParsePath(s)
		} else {
			_, err = ParseDomain(s)
		}
		if err != nil {
			return inField(err, fmt.Sprintf("%sforce_exceptions[%d]", at, i))
		}
	}
	for i, s := range p.AllowedFromDomains {
		if _, err := ParseDomain(strings.TrimPrefix(strings.TrimPrefix(s, "*."), "@")); err != nil {
			return inField(err, fmt.Sprintf("%sallowed_from_domains[%d]", at, i))
		}
	}
	return checkHeaderList(at+"headers", p.Headers)
}

// Apply computes what the policy makes of a message's sender.
//
// A forced From sends the earlier one to Reply-To, unless the message or the
// policy has one, drops Sender, and is the envelope sender too (another would
// not be aligned with it, RFC 7489 section 3.1). The null reverse-path always
// stays: it keeps bounces from going in circles.
//
// The errors have CodeSenderNotAllowed if a domain is not allowed,
// CodeSignedContent if sealed content would have to change and
// CodeSenderRequired if there is no sender at all.
func (p *Policy) Apply(id Identity) (Overlay, error) {
	o := Overlay{ExtraRecipients: p.AlwaysBcc}
	a := p.author(id)
	if id.Sealed && (a.changed || p.ForceReplyTo && !sameAddresses(p.ReplyTo, id.ReplyTo)) {
		return o, &FieldError{Field: "raw.content", Reason: "is signed, and the sender policy of the connection would change what the signature covers; send it unsigned or through another connection", Code: CodeSignedContent}
	}
	if err := p.checkAllowed(id, a); err != nil {
		return o, err
	}
	if id.Sealed && p.restricts() && bytes.Count(id.fromField, []byte("@")) != len(id.From) {
		return o, notAllowed("message.from") // readers may disagree about whom it names
	}
	if len(a.from) > 0 {
		o.From = a.from[0]
	} else if id.fromField == nil {
		return o, &FieldError{Field: "message.from", Reason: "is missing, and the connection has no sender of its own; give one", Code: CodeSenderRequired}
	}
	var err error
	if o.EnvelopeFrom, err = p.envelope(id, a); err != nil {
		return o, err
	}
	if !id.Sealed {
		o.Header = p.header(id, a)
		o.UTF8 = !isASCII(o.Header)
	}
	return o, nil
}

// authorship is the From that goes out.
type authorship struct {
	from    []Address
	changed bool // it is not as the message has it
	own     bool // its address is the policy's, so it needs no permission
	forced  bool // by ForceFrom
}

func (p *Policy) author(id Identity) authorship {
	from := id.From
	if id.FromDefaulted && p.From.Addr != "" {
		from = nil
	}
	if len(from) == 0 {
		unreadable := id.fromField != nil
		if p.From.Addr == "" || unreadable && !p.ForceFrom {
			return authorship{}
		}
		return authorship{from: []Address{p.From}, changed: true, own: true, forced: p.ForceFrom}
	}
	if len(from) == 1 && matchesAny(from[0].Addr, p.ExceptFrom) {
		return authorship{from: from}
	}
	a := authorship{from: from, own: p.ForceFrom, forced: p.ForceFrom}
	one := from[0]
	if p.ForceFrom && (len(from) > 1 || !sameAddress(one.Addr, p.From.Addr)) {
		one.Addr, a.changed = p.From.Addr, true
	}
	if len(from) == 1 || a.changed {
		if p.From.Name != "" && one.Name != p.From.Name && (p.ForceName || one.Name == "" && !id.Sealed) {
			one.Name, a.changed = p.From.Name, true
		}
	}
	if a.changed {
		a.from = []Address{one}
	}
	return a
}

// checkAllowed holds all who claim to send the message against the allowed
// domains.
func (p *Policy) checkAllowed(id Identity, a authorship) error {
	if len(p.AllowedFromDomains) == 0 {
		return nil
	}
	if len(a.from) == 0 && id.fromField != nil {
		return notAllowed("message.from")
	}
	for _, one := range a.from {
		if !a.own && !p.allows(one.Addr) {
			return notAllowed("message.from")
		}
	}
	if a.forced {
		return nil // neither of the others goes out
	}
	if id.Sender.Addr == "" && id.senderField != nil || id.Sender.Addr != "" && !p.allows(id.Sender.Addr) {
		return notAllowed("message.sender")
	}
	if id.EnvelopeGiven && id.EnvelopeFrom != "" && p.EnvelopeFrom == "" && !p.allows(id.EnvelopeFrom) {
		return notAllowed("envelope.from")
	}
	return nil
}

func notAllowed(field string) error {
	return &FieldError{Field: field, Reason: "is not in a domain that may send through this connection; use an allowed one", Code: CodeSenderNotAllowed}
}

// restricts reports whether not everybody may send. Then a sender's field is
// written anew from what was checked, so that no reader can see another in it.
func (p *Policy) restricts() bool { return p.ForceFrom || len(p.AllowedFromDomains) > 0 }

// allows reports whether the address is in an allowed domain.
func (p *Policy) allows(addr string) bool {
	path, err := ParsePath(addr)
	if err != nil {
		return false
	}
	for _, allowed := range p.AllowedFromDomains {
		parent, sub := strings.CutPrefix(allowed, "*.")
		domain, err := ParseDomain(strings.TrimPrefix(parent, "@"))
		if err == nil && (!sub && path.Domain == domain || sub && strings.HasSuffix(path.Domain, "."+domain)) {
			return true
		}
	}
	return false
}

// envelope gives the envelope sender.
func (p *Policy) envelope(id Identity, a authorship) (string, error) {
	addr := id.EnvelopeFrom
	switch {
	case id.EnvelopeGiven && addr == "":
		return "", nil
	case p.EnvelopeFrom != "":
		addr = p.EnvelopeFrom
	case id.EnvelopeGiven && !a.forced:
	case id.Sender.Addr != "" && !a.forced:
		addr = id.Sender.Addr
	case len(a.from) > 0:
		addr = a.from[0].Addr
	case !id.EnvelopeGiven:
		return "", &FieldError{Field: "envelope.from", Reason: "is missing, and From cannot be read; give one", Code: CodeSenderRequired}
	}
	path, err := ParsePath(addr)
	if err != nil {
		return "", inField(err, "envelope.from")
	}
	return path.String(), nil
}

// header writes the overlay. What the policy leaves alone keeps its bytes.
func (p *Policy) header(id Identity, a authorship) []byte {
	out := make([]byte, 0, 256)
	put := func(name string, raw []byte, list []Address) {
		if raw != nil {
			out = append(out, raw...)
		} else if len(list) > 0 {
			out = AppendAddresses(out, name, list)
		}
	}
	if p.restricts() {
		id.fromField, id.senderField = nil, nil
	}
	if a.changed {
		put("From", nil, a.from)
	} else {
		put("From", id.fromField, a.from)
	}
	if !a.forced {
		var sender []Address
		if id.Sender.Addr != "" {
			sender = []Address{id.Sender}
		}
		put("Sender", id.senderField, sender)
	}
	switch {
	case p.ForceReplyTo:
		put("Reply-To", nil, p.ReplyTo)
	case len(id.ReplyTo) > 0 || id.replyToField != nil:
		put("Reply-To", id.replyToField, id.ReplyTo)
	case len(p.ReplyTo) > 0:
		put("Reply-To", nil, p.ReplyTo)
	case a.forced && !id.FromDefaulted && !sameAddresses(a.from, id.From):
		put("Reply-To", nil, id.From)
	}
	for _, h := range p.Headers {
		if !id.has(h.Name) {
			out = AppendField(out, h.Name, h.Value)
		}
	}
	return out
}

// matchesAny reports whether the address is one of the list or in one of its
// domains.
func matchesAny(addr string, list []string) bool {
	path, err := ParsePath(addr)
	if err != nil {
		return false
	}
	for _, s := range list {
		if local, domain, ok := strings.Cut(s, "@"); ok && local != "" {
			if sameAddress(addr, s) {
				return true
			}
			continue
		} else if ok {
			s = domain
		}
		if domain, err := ParseDomain(s); err == nil && domain == path.Domain {
			return true
		}
	}
	return false
}

// sameAddress compares addresses as people do, the local part without case.
func sameAddress(a, b string) bool {
	p, errA := ParsePath(a)
	q, errB := ParsePath(b)
	return errA == nil && errB == nil && p.Domain == q.Domain && strings.EqualFold(p.Local, q.Local)
}

func sameAddresses(a, b []Address) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if !sameAddress(a[i].Addr, b[i].Addr) {
			return false
		}
	}
	return true
}
