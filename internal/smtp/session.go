package smtp

import (
	"bufio"
	"context"
	"encoding/base64"
	"errors"
	"net"
	"strings"
	"time"

	"github.com/postilion-mail/postilion/plugin"
)

// stopped is why we broke something off ourselves.
type stopped string

func (e stopped) Error() string { return string(e) }

// errClosed is the cause when the instance was closed under a delivery.
const errClosed = stopped("the connection was closed or configured anew")

// session is one SMTP session. It is used by one goroutine at a time; only
// kill may be called beside it.
type session struct {
	config   *config
	timeouts timeouts
	trace    func(Line)

	raw  net.Conn // the TCP connection
	conn net.Conn // raw, or TLS over it
	in   *bufio.Reader
	out  []byte          // what the next flush writes
	text []byte          // buffer of the last reply
	ctx  context.Context // of the delivery that uses the session

	last    reply // that was read
	replies int   // that were read

	limit     time.Duration // of the phase that is under way
	caps      capabilities
	greeting  string
	secure    bool
	mechanism string   // that we logged in with, empty if we did not
	tried     []string // mechanisms that failed, with the server's answer

	dirty    bool // a transaction was left open and needs RSET
	broken   bool // must be closed, not used again
	born     time.Time
	used     time.Time
	messages int
}

func newSession(c *config, conn net.Conn, trace func(Line)) *session {
	now := time.Now()
	return &session{
		config: c, timeouts: c.timeouts, trace: trace,
		raw: conn, conn: conn, in: bufio.NewReader(conn), ctx: context.Background(), born: now, used: now,
	}
}

// newRedactor replaces the password in the forms in which it goes out, since a
// server may echo it. One of less than four characters is left: it would be
// found everywhere, which gives it away.
func newRedactor(username, password string) *strings.Replacer {
	if len(password) < 4 {
		return nil
	}
	encode := base64.StdEncoding.EncodeToString
	var pairs []string
	for _, form := range []string{
		encode([]byte("\x00" + username + "\x00" + password)),
		encode([]byte("user=" + username + "\x01auth=Bearer " + password + "\x01\x01")),
		encode([]byte(password)),
		password,
	} {
		pairs = append(pairs, form, "[redacted]")
	}
	return strings.NewReplacer(pairs...)
}

// redact takes the secrets out of a text.
func (s *session) redact(text string) string {
	if s.config.redactor == nil {
		return text
	}
	return s.config.redactor.Replace(text)
}

// words gives a reply as it may be shown.
func (s *session) words(r reply) string {
	if s.config.redactor != nil {
		r.text = []byte(s.redact(string(r.text))) // before it is cut off
	}
	return r.String()
}

// bind makes ctx reach down to the socket: when it ends, the session is killed.
// The caller calls the returned function when it is done with the session.
func (s *session) bind(ctx context.Context) (release func()) {
	s.ctx = ctx
	stop := context.AfterFunc(ctx, s.kill)
	return func() {
		if !stop() {
			s.broken = true
		}
		s.ctx = context.Background()
	}
}

// kill cuts the connection. What waits for it returns at once.
func (s *session) kill() { _ = s.raw.Close() }

// arm sets the deadline for a phase, which covers what is written and read from
// now on.
func (s *session) arm(phase plugin.Phase) { s.armFor(s.timeouts.of(phase)) }

func (s *session) armFor(limit time.Duration) {
	s.limit = limit
	_ = s.conn.SetDeadline(time.Now().Add(limit)) // fails on a closed connection, as the next use of it
}

// queue adds lines to what the next flush writes.
func (s *session) queue(parts ...string) {
	start := len(s.out)
	for _, part := range parts {
		s.out = append(s.out, part...)
	}
	if s.trace != nil {
		s.trace(Line{s.config.connection, true, printable(string(s.out[start:]), maxReplyLine)})
	}
	s.out = append(s.out, "\r\n"...)
}

// queueSecret is queue for a line of which only the beginning may be shown.
func (s *session) queueSecret(visible, secret string) {
	if s.trace != nil {
		s.trace(Line{s.config.connection, true, visible + "[redacted]"})
	}
	s.out = append(append(append(s.out, visible...), secret...), "\r\n"...)
}

// flush writes what was queued. It tells how much of it was handed over.
func (s *session) flush(phase plugin.Phase) (int, error) {
	n, err := s.conn.Write(s.out)
	s.out = s.out[:0]
	if err != nil {
		return n, s.fault(phase, err)
	}
	return n, nil
}

// read reads a reply. The error is a *plugin.DeliveryError.
func (s *session) read(phase plugin.Phase) (reply, error) {
	r, err := readReply(s.in, s.text)
	if err != nil {
		return reply{}, s.fault(phase, err)
	}
	s.text, s.last = r.text, r
	s.replies++
	if s.trace != nil {
		s.trace(Line{s.config.connection, false, s.words(r)})
	}
	if r.code == 421 {
		s.broken = true // RFC 5321 section 3.8: the server closes
	}
	return r, nil
}

// command sends one line and reads the reply, under one deadline.
func (s *session) command(phase plugin.Phase, parts ...string) (reply, error) {
	s.queue(parts...)
	return s.exchange(phase)
}

// exchange sends what is queued and reads one reply, under one deadline.
func (s *session) exchange(phase plugin.Phase) (reply, error) {
	s.arm(phase)
	if _, err := s.flush(phase); err != nil {
		return reply{}, err
	}
	return s.read(phase)
}

// expect is command for which only a positive reply is no error.
func (s *session) expect(phase plugin.Phase, parts ...string) (reply, error) {
	r, err := s.command(phase, parts...)
	if err == nil && !r.ok() {
		err = s.refusal(phase, r)
	}
	return r, err
}

// fault makes the error for trouble with the connection or the protocol, after
// which the session is of no use.
func (s *session) fault(phase plugin.Phase, err error) error {
	s.broken = true
	switch {
	case s.ctx.Err() != nil:
		err = context.Cause(s.ctx)
	case errors.Is(err, net.ErrClosed):
		err = errClosed
	}
	outcome := infer(phase, err, s.limit)
	outcome.Reply = s.redact(outcome.Reply)
	return &plugin.DeliveryError{Outcome: outcome, Err: err}
}

// refusal makes the error for a reply that is none of what was hoped for.
func (s *session) refusal(phase plugin.Phase, r reply) error {
	if r.code/100 != 4 && r.code/100 != 5 {
		return s.fault(phase, protocolError("the server gave an answer that does not fit: "+s.words(r)))
	}
	return &plugin.DeliveryError{Outcome: s.judge(phase, r)}
}

// judge classifies a reply.
func (s *session) judge(phase plugin.Phase, r reply) plugin.Outcome {
	return classify(phase, r.code, s.words(r), s.mechanism != "")
}

// quit ends the session politely and closes it. Nothing depends on the answer.
func (s *session) quit() {
	if !s.broken {
		_, _ = s.command(plugin.PhaseQuit, "QUIT")
	}
	s.close()
}

// close closes the session without a word of SMTP. TLS says its own goodbye
// only on a session that is well: it would wait for a dead peer.
func (s *session) close() {
	if s.broken {
		_ = s.raw.Close()
		return
	}
	s.broken = true
	_ = s.conn.Close()
}
