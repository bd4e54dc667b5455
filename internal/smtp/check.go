package smtp

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"os"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/postilion-mail/postilion/plugin"
)

const (
	checkStage   = 10 * time.Second // for a stage of a connection test
	checkTotal   = 30 * time.Second // for all of it: PHP's max_execution_time
	expiresSoon  = 21 * 24 * time.Hour
	errCheckTime = stopped("the test took longer than 30s")
)

// checker goes through the stages of a connection test.
type checker struct {
	*opening
	instance *instance
	request  plugin.CheckRequest
	report   func(plugin.Stage)
	failed   plugin.Phase   // the stage that failed, PhaseNone while none has
	target   netip.AddrPort // where the session leads
	heard    *overhearing   // the session's connection

	facts map[string]string // of the stage that runs
	warn  string            // about the stage that runs
	said  string            // in it by a server that does not speak SMTP
}

// fact notes something about the stage that runs; nothing is no fact.
func (k *checker) fact(name, value string) {
	if value != "" {
		k.facts[name] = value
	}
}

// Check implements plugin.Instance. The stages are resolve, connect, greeting,
// ehlo, starttls, tls, auth, mail, rcpt, reset, with a message content, and
// quit; with implicit TLS, tls comes after connect. It uses a session of its
// own and sends no content unless there is a message.
func (i *instance) Check(ctx context.Context, request plugin.CheckRequest, report func(plugin.Stage)) error {
	ctx, cancel := context.WithTimeoutCause(ctx, checkTotal, errCheckTime)
	defer cancel()
	closing, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	defer context.AfterFunc(i.ctx, func() { stop(errClosed) })()

	c := i.config
	c.timeouts = c.timeouts.capped(checkStage)
	handshake := i.tls.Clone()
	handshake.ClientSessionCache = nil // to see the whole certificate chain
	k := &checker{
		opening:  &opening{config: &c, options: &i.options, tls: handshake},
		instance: i, request: request, report: report,
	}
	own := map[plugin.Phase]func(context.Context) error{
		plugin.PhaseResolve: k.resolve, plugin.PhaseConnect: k.connect, plugin.PhaseGreeting: k.greet, plugin.PhaseTLS: k.secure,
	}
	for _, step := range k.steps() {
		if run := own[step.phase]; run != nil {
			step.run = run
		}
		k.stage(closing, step.phase, step.run)
	}
	if !request.LoginOnly {
		k.transaction(closing)
	}
	k.quit(closing)
	if k.session != nil {
		k.session.close()
	}
	return nil
}

// transaction tests sender and recipient and takes them back.
func (k *checker) transaction(ctx context.Context) {
	sender, recipient := k.envelope()
	k.stage(ctx, plugin.PhaseMail, k.saying(plugin.PhaseMail, "MAIL FROM:<"+sender.text+">", sender.err))
	k.stage(ctx, plugin.PhaseRecipient, k.saying(plugin.PhaseRecipient, "RCPT TO:<"+recipient.text+">", recipient.err))
	refused := k.failed
	if (refused == plugin.PhaseMail || refused == plugin.PhaseRecipient) && k.usable() {
		k.failed = plugin.PhaseNone // the session itself is well
	}
	k.stage(ctx, plugin.PhaseReset, k.saying(plugin.PhaseReset, "RSET", nil))
	if k.request.Message != nil {
		if k.failed == plugin.PhaseNone {
			k.failed = refused
		}
		k.stage(ctx, plugin.PhaseContent, k.deliver)
	}
}

// quit says goodbye where the session can still take it.
func (k *checker) quit(ctx context.Context) {
	if k.usable() {
		k.failed = plugin.PhaseNone
	}
	k.stage(ctx, plugin.PhaseQuit, k.saying(plugin.PhaseQuit, "QUIT", nil))
}

func (k *checker) usable() bool { return k.session != nil && !k.session.broken }

// tested is an address to test, or why there is none.
type tested struct {
	text string
	err  error
}

// envelope chooses the addresses: the sender defaults to the user name if that
// is an address, else to the null reverse-path; the recipient to the sender.
func (k *checker) envelope() (sender, recipient tested) {
	from, to := k.request.Sender, k.request.Recipient
	if from == "" && strings.Contains(k.config.username, "@") {
		from = k.config.username
	}
	if from != "" {
		sender = checkedPath(plugin.PhaseMail, plugin.BlameSender, from)
	}
	if to == "" {
		to = from
	}
	switch {
	case to == "":
		return sender, tested{err: skipped("there is no recipient to test with")}
	case sender.err != nil:
		return sender, tested{err: skipped("the server was given no sender")}
	}
	return sender, checkedPath(plugin.PhaseRecipient, plugin.BlameRecipient, to)
}

func checkedPath(phase plugin.Phase, blame plugin.Blame, address string) tested {
	p, utf8, err := wirePath(address)
	if err == nil && utf8 {
		return tested{err: skipped("the address needs SMTPUTF8, which the test does not use")}
	}
	if err != nil {
		return tested{err: &plugin.DeliveryError{Outcome: ours(plugin.Permanent, blame, phase, "", err.Error())}}
	}
	return tested{text: p}
}

// saying makes a step of one command, or of the error if there is one.
func (k *checker) saying(phase plugin.Phase, line string, err error) func(context.Context) error {
	return func(ctx context.Context) error {
		if err != nil {
			return err
		}
		return k.within(ctx, func() error {
			_, err := k.session.expect(phase, line)
			return err
		})
	}
}

// deliver sends the message of the request over the session.
func (k *checker) deliver(ctx context.Context) error {
	message := *k.request.Message
	if len(message.Envelope.Recipients) == 0 {
		message.Envelope.Recipients = []plugin.Recipient{{Address: k.request.Recipient}}
	}
	j := newJob(k.instance, &message, func() error { return nil })
	return k.within(ctx, func() error {
		missing := lacks(0)
		for pending := j.admit(); len(pending) > 0; {
			known := missing | lacks(k.instance.learned.lacks.Load())
			t := &transaction{job: j, s: k.session, missing: missing, caps: k.session.caps.without(known)}
			done, err := t.run(pending)
			if errors.Is(err, errAgain) && !k.session.broken {
				missing = t.missing
				continue
			}
			if err != nil {
				_ = j.fail(err) // for the outcomes
				break
			}
			pending = pending[done:]
		}
		for _, o := range j.outcomes {
			if o.Class != plugin.Accepted {
				return &plugin.DeliveryError{Outcome: o}
			}
			k.fact("queue_id", queueID(o.Reply))
		}
		return nil
	})
}

// stage runs one stage and reports it. After a failed one the others are
// skipped.
func (k *checker) stage(ctx context.Context, phase plugin.Phase, run func(context.Context) error) {
	stage := plugin.Stage{Name: phase.String(), Status: plugin.StagePassed}
	if k.failed != plugin.PhaseNone {
		stage.Status, stage.Detail = plugin.StageSkipped, "not reached, because "+k.failed.String()+" failed"
		k.report(stage)
		return
	}
	limited, cancel := context.WithTimeoutCause(ctx, checkStage, os.ErrDeadlineExceeded)
	defer cancel()
	replies := 0
	if k.session != nil {
		replies = k.session.replies
	}
	begin := time.Now()
	k.facts, k.warn, k.said = map[string]string{}, "", ""
	err := run(limited)
	stage.Duration = time.Since(begin)
	var why skipped
	switch {
	case errors.As(err, &why):
		stage.Status, stage.Detail = plugin.StageSkipped, why.Error()
	case err != nil:
		k.fail(&stage, phase, err)
	default:
		if s := k.session; s != nil && s.replies > replies {
			stage.Server = s.words(s.last)
		}
		k.describe(phase)
		if k.warn != "" {
			stage.Status, stage.Detail = plugin.StageWarning, k.warn
		}
	}
	if len(k.facts) > 0 {
		stage.Facts = k.facts
	}
	k.report(stage)
}

func (k *checker) fail(stage *plugin.Stage, phase plugin.Phase, err error) {
	k.failed = phase
	stage.Status, stage.Detail = plugin.StageFailed, err.Error()
	if phase == plugin.PhaseQuit { // all is done by then
		k.failed, stage.Status = plugin.PhaseNone, plugin.StageWarning
	}
	var fault *plugin.DeliveryError
	if errors.As(err, &fault) {
		if k.failed != plugin.PhaseNone {
			stage.Outcome = &fault.Outcome
		}
		stage.Detail = fault.Outcome.Reply
		if !fault.Outcome.Inferred {
			stage.Server, stage.Detail = fault.Outcome.Reply, "the server refused"
		}
	}
	if k.said != "" {
		stage.Server = k.said
	}
	if name, _ := certificateFault(err); name != "" {
		k.fact("certificate_fault", name)
		maps.Copy(k.facts, refusedCertificate(err))
	}
	if phase == plugin.PhaseAuth {
		k.describeAuth()
	}
}

// describe adds what a passed stage has found out.
func (k *checker) describe(phase plugin.Phase) {
	s := k.session
	switch phase {
	case plugin.PhaseConnect:
		k.fact("remote_address", s.raw.RemoteAddr().String())
		k.fact("local_address", s.raw.LocalAddr().String())
	case plugin.PhaseHello:
		maps.Copy(k.facts, s.helloFacts())
	case plugin.PhaseTLS:
		k.describeTLS()
	case plugin.PhaseAuth:
		k.describeAuth()
		k.fact("mechanism", s.mechanism)
		if !s.secure {
			k.warn = "the password went over the network without encryption"
		}
	}
}

// describeAuth tells what the server offered and what came of each mechanism
// before the last.
func (k *checker) describeAuth() {
	k.fact("auth_mechanisms", printable(strings.Join(k.session.caps.auth, " "), 200))
	k.fact("mechanisms_tried", strings.Join(k.session.tried, "; "))
}

func (k *checker) describeTLS() {
	facts, expires := k.session.tlsFacts()
	maps.Copy(k.facts, facts)
	if k.config.security != securityTLS { // EHLO has been said anew
		maps.Copy(k.facts, k.session.helloFacts())
	}
	switch {
	case !k.config.verifies():
		k.warn = "the server's certificate was not verified: anybody on the way could pose as the server"
	case time.Until(expires) < expiresSoon:
		k.warn = fmt.Sprintf("the server's certificate expires on %s", expires.UTC().Format(time.DateOnly))
	}
}

// helloFacts describes what the server says it can do.
func (s *session) helloFacts() map[string]string {
	facts := map[string]string{
		"extensions":      printable(strings.Join(s.caps.lines, ", "), 2000),
		"auth_mechanisms": printable(strings.Join(s.caps.auth, " "), 200),
	}
	if s.caps.size > 0 {
		facts["size"] = strconv.FormatInt(s.caps.size, 10)
	}
	return facts
}

// queueID finds the name under which a server has queued a message; empty if
// its reply does not tell.
func queueID(reply string) string {
	for _, words := range queued {
		if m := words.FindStringSubmatch(reply); m != nil && strings.ContainsAny(m[1], "0123456789") {
			return m[1]
		}
	}
	return ""
}

// queued are the words of servers: Postfix and many others; Exim; Sendmail; SES
// and what is like it.
var queued = []*regexp.Regexp{
	regexp.MustCompile(`(?i)queued as ([0-9a-z][0-9a-z.-]{5,79})\b`),
	regexp.MustCompile(`(?i)\bid=([0-9a-z][0-9a-z.-]{5,79})\b`),
	regexp.MustCompile(`(?i)^250 (?:2\.\d\.\d )?([0-9a-z][0-9a-z.-]{5,79}) message accepted`),
	regexp.MustCompile(`(?i)^250 (?:2\.\d\.\d )?ok:? ([0-9a-z][0-9a-z.-]{5,79})\b`),
}
