package smtpd

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"net"
	"os"
	"strings"
	"sync/atomic"
	"time"
)

const (
	maxCommand = 4096     // octets of a command line with its end, AUTH too
	maxDropped = 1 << 20  // octets of a line beyond that, before we hang up
	bulkBuffer = 32 << 10 // octets of the buffer for contents
	replies    = 512      // octets of the buffer for replies
)

// How a dialogue ends other than by QUIT or at its end between two messages.
var (
	// ErrUnfinished: the input ended in the middle of a transaction, of which
	// nothing was submitted.
	ErrUnfinished = errors.New("the dialogue ended in the middle of a message")
	// ErrTooManyErrors: the client was hung up on.
	ErrTooManyErrors = errors.New("the dialogue had too many errors")
)

// Reasons to end a session.
var (
	errQuit     = errors.New("quit")
	errStopping = errors.New("stopping")
	errHangUp   = errors.New("hang up") // what comes next cannot be understood
	errTooLong  = errors.New("line too long")
)

// session is one dialogue. An idle one has two small buffers; the large one
// for contents is lent.
type session struct {
	server *Server
	conn   net.Conn // after STARTTLS with TLS; nil for a dialogue on pipes
	input  io.Reader
	remote net.Addr

	small *bufio.Reader
	in    *bufio.Reader // small, or a large one while a content is read
	out   *bufio.Writer

	hello    string // what the client calls itself; empty before HELO
	extended bool   // it said EHLO
	secure   bool   // by STARTTLS
	account  Account
	known    bool // by AUTH

	tx      transaction
	refused bool // the last MAIL was, or its message
	faults  int
	cut     bool // we hang up while the client may still be sending

	// busy tells Server.Shutdown that a transaction is open.
	busy atomic.Bool
}

// Read fills the buffers of the session. Before it waits, all replies go out.
func (s *session) Read(p []byte) (int, error) {
	if s.out.Buffered() > 0 {
		if err := s.out.Flush(); err != nil {
			return 0, err
		}
	}
	return s.input.Read(p)
}

// run holds the dialogue.
func (s *session) run() error {
	s.reply("220 " + s.server.Name + " ESMTP Postilion")
	for s.faults < s.server.MaxErrors {
		line, lf, err := s.readCommand()
		if err == errTooLong {
			s.fault("500 5.5.2 The line is too long")
			continue
		}
		if err == nil {
			err = s.command(line, lf)
		}
		if err != nil {
			return s.end(err)
		}
	}
	s.reply("421 4.7.0 Too many errors")
	s.cut = true
	return errors.Join(ErrTooManyErrors, s.out.Flush())
}

// end says goodbye, if there is a word for it, and gives the error of the
// dialogue.
func (s *session) end(err error) error {
	open := s.tx.open && err != errQuit
	s.dropContent()
	late := errors.Is(err, os.ErrDeadlineExceeded)
	switch {
	case err == errStopping, late && s.server.stopping.Load():
		s.reply("421 4.3.2 The server is being stopped, come back soon")
	case late:
		s.reply("421 4.4.2 You took too long")
	case err == errHangUp:
		s.cut = true
	}
	s.deadline(5 * time.Second)
	if e := s.out.Flush(); e != nil || open {
		return errors.Join(ErrUnfinished, e)
	}
	return nil
}

// deadline bounds what comes next. A session that looks whether the server is
// being stopped does so after it has set its deadline: so either it sees that,
// or Shutdown's deadline stands.
func (s *session) deadline(d time.Duration) {
	if s.conn != nil && d > 0 {
		_ = s.conn.SetDeadline(time.Now().Add(d))
	}
}

// readCommand reads a line; lf tells that it ended without CR.
func (s *session) readCommand() (line string, lf bool, err error) {
	if s.in != s.small && s.in.Buffered() == 0 {
		s.server.bulk.Put(s.in)
		s.in = s.small
	}
	if waiting, _ := s.in.Peek(s.in.Buffered()); bytes.IndexByte(waiting, '\n') < 0 {
		s.deadline(s.server.Idle)
	}
	if s.server.stopping.Load() && !s.tx.open {
		return "", false, errStopping
	}
	piece, err := s.in.ReadSlice('\n')
	if err == nil && len(piece) <= maxCommand {
		piece = piece[:len(piece)-1]
		n := len(piece)
		if n > 0 && piece[n-1] == '\r' {
			return string(piece[:n-1]), false, nil
		}
		return string(piece), true, nil
	}
	for dropped := len(piece); err == bufio.ErrBufferFull; dropped += len(piece) {
		if dropped > maxDropped {
			s.reply("421 4.7.0 The line does not end")
			return "", false, errHangUp
		}
		piece, err = s.in.ReadSlice('\n')
	}
	if err == nil {
		err = errTooLong
	}
	return "", false, err
}

// command obeys one line. An error ends the session.
func (s *session) command(line string, lf bool) error {
	verb, rest, _ := strings.Cut(line, " ")
	rest = strings.TrimSpace(rest)
	switch verb = strings.ToUpper(verb); verb {
	case "EHLO", "HELO":
		s.greet(rest, verb == "EHLO")
	case "MAIL":
		s.mailFrom(rest)
	case "RCPT":
		s.rcptTo(rest)
	case "DATA":
		return s.data(rest, lf)
	case "BDAT":
		return s.bdat(rest)
	case "RSET":
		s.reset()
		s.reply("250 2.0.0 OK")
	case "NOOP":
		s.reply("250 2.0.0 OK")
	case "AUTH":
		return s.auth(rest)
	case "STARTTLS":
		return s.startTLS(rest)
	case "VRFY":
		s.reply("252 2.5.0 Send some mail, it will be tried")
	case "HELP":
		s.reply("214 2.0.0 EHLO HELO MAIL RCPT DATA RSET NOOP VRFY QUIT")
	case "QUIT":
		s.reply("221 2.0.0 Bye")
		return errQuit
	case "EXPN", "ETRN":
		s.fault("502 5.5.1 Not here")
	default:
		if s.conn != nil && isHTTP(verb) {
			s.reply("421 4.7.0 This is not HTTP")
			return errHangUp
		}
		s.fault("500 5.5.2 Unknown command")
	}
	return nil
}

// isHTTP knows the methods by which a browser, led by some web page, would
// send SMTP commands in the body of its request. The page must not get that
// far.
func isHTTP(verb string) bool {
	switch verb {
	case "GET", "POST", "PUT", "HEAD", "OPTIONS", "DELETE", "PATCH", "CONNECT", "TRACE", "PRI":
		return true
	}
	return false
}

// greet answers EHLO and HELO.
func (s *session) greet(name string, extended bool) {
	if name == "" {
		s.fault("501 5.5.4 Say who you are")
		return
	}
	s.reset()
	s.hello, s.extended = name, extended
	if !extended {
		s.reply("250 " + s.server.Name)
		return
	}
	s.reply("250-" + s.server.Name)
	for _, line := range s.server.offers {
		s.reply("250-" + line)
	}
	if s.server.StartTLS != nil && !s.secure {
		s.reply("250-STARTTLS")
	}
	if s.server.Login != nil && !s.known && !s.exposed() {
		s.reply("250-AUTH PLAIN LOGIN")
	}
	s.reply("250 ENHANCEDSTATUSCODES")
}

// exposed tells that others could read along: a password must not be sent.
func (s *session) exposed() bool {
	return s.server.StartTLS != nil && !s.secure && !isLoopback(s.remote)
}

// reset ends the transaction.
func (s *session) reset() {
	s.dropContent()
	s.tx, s.refused = transaction{}, false
	s.busy.Store(false)
}

// startTLS makes the rest of the session a secret (RFC 3207). What was sent
// before the handshake is not taken for what comes after it, or anybody on the
// way could put commands in front of the client's.
func (s *session) startTLS(rest string) error {
	switch {
	case s.server.StartTLS == nil || s.conn == nil:
		s.fault("502 5.5.1 Not here")
		return nil
	case rest != "":
		s.fault("501 5.5.4 STARTTLS has no parameters")
		return nil
	case s.secure:
		s.fault("503 5.5.1 It is TLS already")
		return nil
	case s.in.Buffered() > 0 || s.small.Buffered() > 0:
		s.reply("421 4.7.0 Wait for the reply to STARTTLS")
		return errHangUp
	}
	s.reply("220 2.0.0 Go ahead")
	if err := s.out.Flush(); err != nil {
		return err
	}
	s.deadline(time.Minute)
	conn, err := s.server.StartTLS(s.conn)
	if err != nil {
		return err
	}
	s.reset()
	s.conn, s.input, s.secure = conn, conn, true
	s.out.Reset(conn)
	s.hello, s.extended, s.known = "", false, false
	s.account = s.server.anonymous(s.remote)
	return nil
}
