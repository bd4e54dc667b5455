package smtp

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/postilion-mail/postilion/plugin"
)

const (
	// maxRecipients of a transaction (Postfix's default_destination_recipient_limit).
	maxRecipients = 50
	// oneWrite is up to which size a message goes out with its commands in one
	// write.
	oneWrite = 64 << 10
	// justUsed is how long ago a session must have been used for that. A server
	// that closes an idle session at this very moment would leave us not
	// knowing whether it took the message.
	justUsed = time.Second
)

// errAgain means: the transaction is to be done again, without what is now
// known to be missing.
var errAgain = errors.New("the server lacks what it announced")

// transaction sends one message to some recipients over a session.
type transaction struct {
	*job
	s       *session
	caps    capabilities
	missing lacks // tried out in this delivery, not yet proven

	recipients []int // indexes of those in the transaction
	accepted   []int // of those, the ones that the server took
	mail       bool  // the server took the sender
	answered   bool  // the server has answered to MAIL, other than by a farewell
	handed     bool  // the last octet went out: the server may have the message
	again      bool
	started    time.Time // of the content
	sent       int64     // octets of the content
}

// run sends to the first of the pending recipients and tells how many those
// are. Afterwards each has an outcome, except after a commitError and errAgain.
func (t *transaction) run(pending []int) (int, error) {
	limit := maxRecipients
	if n := t.caps.recipients; n > 0 {
		limit = min(limit, n)
	}
	batch := pending[:min(len(pending), limit)]
	if t.recipients = t.fit(batch); len(t.recipients) == 0 {
		return len(batch), nil
	}
	t.s.messages++
	err := t.send()
	var stopped commitError
	switch {
	case errors.As(err, &stopped):
		return len(batch), err
	case err == nil && t.again:
		return len(batch), errAgain
	case err != nil:
		t.broke(err)
	}
	return len(batch), err
}

// fit decides on the recipients whom the server cannot be given the message
// for, and gives the others.
func (t *transaction) fit(batch []int) []int {
	refuse := func(indexes []int, o plugin.Outcome) {
		for _, i := range indexes {
			t.outcomes[i] = o
		}
	}
	if t.from.utf8 && !t.caps.utf8 {
		refuse(batch, ours(plugin.Permanent, plugin.BlameSender, plugin.PhaseMail, "5.6.7", "the server does not support SMTPUTF8, which the sender's address needs"))
		return nil
	}
	if t.eightBit && !t.caps.eightBit || t.utf8Headers && !t.caps.utf8 {
		if err := t.toSevenBit(); err != nil {
			o := ours(plugin.Permanent, plugin.BlameContent, plugin.PhaseMail, "5.6.3", "the server takes 7-bit content only, and the message has 8 bits: "+err.Error())
			if errors.Is(err, errContent) {
				o.Class, o.Blame, o.Enhanced = plugin.Temporary, plugin.BlameNone, ""
			}
			refuse(batch, o)
			return nil
		}
	}
	if t.caps.size > 0 && t.size > t.caps.size {
		refuse(batch, ours(plugin.Permanent, plugin.BlameContent, plugin.PhaseMail, "5.3.4",
			fmt.Sprintf("the message has %d octets, and the server takes %d at most", t.size, t.caps.size)))
		return nil
	}
	if t.caps.utf8 {
		return batch
	}
	rest := make([]int, 0, len(batch))
	for _, i := range batch {
		if t.job.recipients[i].utf8 {
			t.outcomes[i] = ours(plugin.Permanent, plugin.BlameRecipient, plugin.PhaseRecipient, "5.6.7", "the server does not support SMTPUTF8, which the recipient's address needs")
			continue
		}
		rest = append(rest, i)
	}
	return rest
}

// send chooses how to send.
func (t *transaction) send() error {
	if err := t.clear(); err != nil {
		return err
	}
	switch {
	case !t.caps.chunking:
		return t.sendData()
	case t.caps.pipelining && t.learned.chunks.Load() && t.size <= oneWrite && time.Since(t.s.used) < justUsed:
		return t.sendAtOnce()
	}
	return t.sendChunks()
}

// clear ends a transaction that was left open. RSET costs a round trip, so it
// waits until it is needed. Servers exist that refuse it (go-mail issue 463);
// that is no verdict on the message.
func (t *transaction) clear() error {
	if !t.s.dirty {
		return nil
	}
	r, err := t.s.command(plugin.PhaseReset, "RSET")
	switch {
	case err != nil:
		return err
	case !r.ok():
		return t.s.fault(plugin.PhaseReset, protocolError("the server refused RSET: "+t.s.words(r)))
	}
	t.s.dirty = false
	return nil
}

// broke gives the recipients without outcome the one of an error. If the
// message went out to the last octet and the server has not refused it in so
// many words, it may have it.
func (t *transaction) broke(err error) {
	t.s.broken = true
	fault := new(plugin.DeliveryError)
	if !errors.As(err, &fault) {
		fault.Outcome = ours(plugin.Temporary, plugin.BlameNone, plugin.PhaseData, "", err.Error())
	}
	for _, i := range t.recipients {
		if t.outcomes[i].Class != plugin.ClassUnspecified {
			continue
		}
		t.outcomes[i] = fault.Outcome
		if t.handed && fault.Outcome.Inferred {
			t.outcomes[i].Class = plugin.Unknown
		}
	}
}

// stale tells whether an error says no more than that a reused session had died:
// the server had nothing of the message that it could have kept.
func (t *transaction) stale(err error) bool {
	var fault *plugin.DeliveryError
	if !errors.As(err, &fault) {
		return false
	}
	switch {
	case fault.Outcome.Phase == plugin.PhaseReset:
		return true
	case fault.Outcome.Code == 421:
		return !t.answered
	}
	return !t.handed && fault.Outcome.Inferred && fault.Outcome.Blame == plugin.BlameNetwork
}

// queueMail puts the MAIL command.
func (t *transaction) queueMail() {
	size, body, utf8 := "", "", ""
	if t.caps.hasSize {
		size = " SIZE=" + strconv.FormatInt(t.size, 10)
	}
	if t.eightBit {
		body = " BODY=8BITMIME"
	}
	if t.needsUTF8() {
		utf8 = " SMTPUTF8"
	}
	t.s.queue("MAIL FROM:<", t.from.text, ">", size, body, utf8, t.mailDSN())
}

// needsUTF8: RFC 6531 section 3.4 wants SMTPUTF8 for internationalised mail
// only; servers exist that announce it and refuse it (go-mail issue 545).
func (t *transaction) needsUTF8() bool {
	if !t.caps.utf8 {
		return false
	}
	if t.utf8Headers || t.from.utf8 {
		return true
	}
	for _, i := range t.recipients {
		if t.job.recipients[i].utf8 {
			return true
		}
	}
	return false
}

// mailDSN gives the parameters of RFC 3461 sections 4.3 and 4.4.
func (t *transaction) mailDSN() string {
	envelope := &t.delivery.Envelope
	if !t.caps.dsn || envelope.Return == "" && envelope.EnvelopeID == "" {
		return ""
	}
	parameters := ""
	if envelope.Return == "FULL" || envelope.Return == "HDRS" {
		parameters = " RET=" + envelope.Return
	}
	if id := xtext(envelope.EnvelopeID); id != "" && len(id) <= 100 {
		parameters += " ENVID=" + id
	}
	return parameters
}

// queueRecipient puts a RCPT command.
func (t *transaction) queueRecipient(i int) {
	p, parameters := t.job.recipients[i], ""
	if notify := t.delivery.Envelope.Recipients[i].Notify; t.caps.dsn && validNotify(notify) {
		parameters = " NOTIFY=" + notify
		if !p.utf8 {
			parameters += " ORCPT=rfc822;" + xtext(p.text)
		}
	}
	t.s.queue("RCPT TO:<", p.text, ">", parameters)
}

func validNotify(notify string) bool {
	if notify == "NEVER" {
		return true
	}
	for word := range strings.SplitSeq(notify, ",") {
		if word != "SUCCESS" && word != "FAILURE" && word != "DELAY" {
			return false
		}
	}
	return true
}

// envelope sends sender and recipients and, if the server pipelines, one more
// command (or none), whose reply the caller has to read: the result tells
// whether it was sent.
func (t *transaction) envelope(next string) (sent bool, err error) {
	if !t.caps.pipelining {
		return false, t.stepwise()
	}
	t.queueMail()
	for _, i := range t.recipients {
		t.queueRecipient(i)
	}
	if next != "" {
		t.s.queue(next)
	}
	t.s.arm(plugin.PhaseMail)
	if _, err := t.s.flush(plugin.PhaseMail); err != nil {
		return false, err
	}
	return next != "", t.readEnvelope()
}

// stepwise sends the envelope to a server that does not pipeline.
func (t *transaction) stepwise() error {
	t.queueMail()
	r, err := t.s.exchange(plugin.PhaseMail)
	if err == nil {
		err = t.tookMail(r)
	}
	if err != nil || !t.mail {
		return err
	}
	for _, i := range t.recipients {
		t.queueRecipient(i)
		r, err := t.s.exchange(plugin.PhaseRecipient)
		if err == nil {
			err = t.tookRecipient(i, r)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// readEnvelope reads the replies to MAIL and to all RCPT (RFC 2920 section 3.1:
// every one must be looked at). The deadline for MAIL is set already.
func (t *transaction) readEnvelope() error {
	r, err := t.s.read(plugin.PhaseMail)
	if err == nil {
		err = t.tookMail(r)
	}
	if err != nil {
		return err
	}
	for _, i := range t.recipients {
		t.s.arm(plugin.PhaseRecipient)
		r, err := t.s.read(plugin.PhaseRecipient)
		if err == nil {
			err = t.tookRecipient(i, r)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// tookMail notes the reply to MAIL.
func (t *transaction) tookMail(r reply) error {
	if err := t.verdict(plugin.PhaseMail, r); err != nil {
		return err
	}
	t.answered = true
	if t.mail = r.ok(); t.mail {
		t.s.dirty = true
		if t.missing != 0 {
			t.learned.lacks.Or(uint32(t.missing))
		}
		return nil
	}
	if t.disliked(r) {
		t.again = true
		return nil
	}
	t.refuse(t.recipients, plugin.PhaseMail, r)
	return nil
}

// tookRecipient notes the reply to a RCPT.
func (t *transaction) tookRecipient(i int, r reply) error {
	if err := t.verdict(plugin.PhaseRecipient, r); err != nil {
		return err
	}
	switch {
	case !t.mail: // refused already
	case r.ok():
		t.accepted = append(t.accepted, i)
	default:
		t.outcomes[i] = t.s.judge(plugin.PhaseRecipient, r)
	}
	return nil
}

// verdict gives the error for a reply after which nothing more comes: 421, and
// what is neither yes nor no.
func (t *transaction) verdict(phase plugin.Phase, r reply) error {
	if r.code == 421 || r.code/100 == 3 {
		return t.s.refusal(phase, r)
	}
	return nil
}

func (t *transaction) refuse(indexes []int, phase plugin.Phase, r reply) {
	o := t.s.judge(phase, r)
	for _, i := range indexes {
		t.outcomes[i] = o
	}
}

// disliked finds out whether MAIL was refused for a parameter, of which
// it then takes away the most suspicious one.
func (t *transaction) disliked(r reply) bool {
	switch r.code {
	case 501, 502, 504, 555: // RFC 5321 section 4.1.1.11, and what servers say instead
	default:
		return false
	}
	if e := enhancedCode(r.code, t.s.words(r)); e != "" && !strings.HasPrefix(e, "5.5.") && e != "5.3.3" && e != "5.0.0" {
		return false
	}
	switch {
	case t.needsUTF8():
		t.missing |= lacksUTF8
	case t.eightBit:
		t.missing |= lacksEightBit
	case t.caps.hasSize:
		t.missing |= lacksSize
	default:
		return false
	}
	return true
}
