package smtpd

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"strconv"
	"strings"
	"time"
)

// slowest is how many octets of a content must come in a second, beyond the
// time that Options.Idle gives.
const slowest = 512

// firstPiece is how many octets of memory a content gets at first.
const firstPiece = 4 << 10

// content gathers a message in memory that is reserved piece by piece.
type content struct {
	server   *Server
	b        []byte
	declared int64 // by SIZE, a hint
	reserved int64
	size     int64 // octets in all, those that were dropped too
	full     bool  // there was no room
}

// write takes octets. Once the content is beyond what may be, none are kept.
func (c *content) write(p []byte) {
	c.size += int64(len(p))
	if c.full || c.size > c.server.MaxSize || !c.grow(len(p)) {
		c.drop()
		return
	}
	c.b = append(c.b, p...)
}

// grow makes room for n octets more.
func (c *content) grow(n int) bool {
	need := len(c.b) + n
	if need <= cap(c.b) {
		return true
	}
	size := max(int64(need), min(2*int64(cap(c.b)), c.server.MaxSize), min(firstPiece, c.server.MaxSize))
	// What is declared is believed when a good part of it has come.
	if d := c.declared; d >= int64(need) && (d <= bulkBuffer || d <= 64*int64(need)) {
		size = d
	}
	if c.server.Reserve != nil && !c.server.Reserve(size-c.reserved) {
		c.full = true
		return false
	}
	c.reserved = size
	c.b = append(make([]byte, 0, size), c.b...)
	return true
}

// drop gives the memory back. What is written afterwards is counted only.
func (c *content) drop() {
	if c.reserved > 0 && c.server.Release != nil {
		c.server.Release(c.reserved)
	}
	c.b, c.reserved = nil, 0
}

// excess tells that the client sends much more than anything that is accepted,
// and will not come to an end soon.
func (c *content) excess() bool { return c.size > 4*c.server.MaxSize+maxDropped }

// dropContent gives back what the transaction has gathered.
func (s *session) dropContent() {
	if s.tx.content.server != nil {
		s.tx.content.drop()
	}
}

// begin starts a content.
func (s *session) begin() *content {
	c := &s.tx.content
	if c.server == nil {
		c.server, c.declared = s.server, s.tx.size
	}
	return c
}

// bulk is the reader with the large buffer.
func (s *session) bulk() *bufio.Reader {
	if s.in == s.small {
		s.in = s.server.bulk.Get().(*bufio.Reader)
		s.in.Reset(s.small) // which hands over what it has and then gets out of the way
	}
	return s.in
}

// clock gives a content the time that its size allows.
func (s *session) clock(begin time.Time, octets int64) {
	if s.server.Idle > 0 {
		s.deadline(time.Until(begin.Add(s.server.Idle + time.Duration(octets/slowest)*time.Second)))
	}
}

// data is DATA. Only CRLF "." CRLF ends the content, whatever else some
// servers take for it (SMTP smuggling), save in a dialogue on pipes whose
// client ends its lines in LF.
func (s *session) data(rest string, lf bool) error {
	switch {
	case rest != "":
		s.fault("501 5.5.4 DATA has no parameters")
		return nil
	case s.tx.chunked:
		s.fault("503 5.5.1 The content has begun with BDAT")
		return nil
	case len(s.tx.recipients) == 0:
		s.sequence("503 5.5.1 There is no recipient")
		return nil
	}
	s.reply("354 End with a line that has only a dot")
	c := s.begin()
	d := dotted{lf: lf && s.conn == nil}
	begin := time.Now()
	s.clock(begin, 0)
	in := s.bulk()
	for done := false; !done; {
		if _, err := in.Peek(1); err != nil {
			return broken(err)
		}
		piece, _ := in.Peek(in.Buffered())
		var n int
		n, done = d.feed(c, piece)
		_, _ = in.Discard(n)
		if done {
			break
		}
		if c.excess() {
			s.reply(s.server.tooLarge)
			return errHangUp
		}
		s.clock(begin, c.size)
	}
	s.finish()
	return nil
}

// broken is the error of an input that ended within a content.
func broken(err error) error {
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}

// bdat is BDAT (RFC 3030). A chunk that is not wanted is read all the same, as
// the client has sent it already.
func (s *session) bdat(rest string) error {
	if !s.server.Chunking {
		s.fault("502 5.5.1 Not here")
		return nil
	}
	size, last, _ := strings.Cut(rest, " ")
	n, err := strconv.ParseUint(size, 10, 62)
	if last = strings.TrimSpace(last); err != nil || last != "" && !strings.EqualFold(last, "LAST") {
		// Where the next command begins cannot be known.
		s.fault("501 5.5.4 Want BDAT and the number of octets, and LAST at the end")
		return errHangUp
	}
	wanted := len(s.tx.recipients) > 0
	c := &content{server: s.server, full: true} // keeps nothing
	if wanted {
		s.tx.chunked = true
		c = s.begin()
	}
	if err := s.chunk(c, int64(n)); err != nil {
		return err
	}
	switch {
	case !wanted:
		s.sequence("503 5.5.1 There is no recipient")
	case last != "":
		s.finish()
	case c.size > s.server.MaxSize || c.full:
		s.finish() // with the reply that says why; the rest is out of order
	default:
		s.reply("250 2.0.0 " + strconv.FormatUint(n, 10) + " octets")
	}
	return nil
}

// chunk reads n octets.
func (s *session) chunk(c *content, n int64) error {
	begin := time.Now()
	s.clock(begin, 0)
	var in *bufio.Reader
	for left := n; left > 0; {
		if in == nil {
			in = s.bulk()
		}
		if _, err := in.Peek(1); err != nil {
			return broken(err)
		}
		piece, _ := in.Peek(int(min(left, int64(in.Buffered()))))
		c.write(piece)
		_, _ = in.Discard(len(piece))
		left -= int64(len(piece))
		if c.excess() {
			s.reply(s.server.tooLarge)
			return errHangUp
		}
		s.clock(begin, n-left)
	}
	return nil
}

// finish ends the transaction with the whole content, and answers.
func (s *session) finish() {
	c := &s.tx.content
	switch {
	case c.size > s.server.MaxSize:
		s.reply(s.server.tooLarge)
	case c.full:
		s.reply("452 4.3.1 Too much is being accepted at the moment, try again soon")
	case len(c.b) == 0:
		s.reply("554 5.6.0 The message is empty")
	case s.server.MaxHops > 0 && hops(c.b) > s.server.MaxHops:
		s.reply("554 5.4.6 Too many Received fields, the mail runs in a circle")
	default:
		s.submit(c.b)
		return
	}
	s.reset()
	s.refused = true
}

func (s *session) submit(b []byte) {
	m := &Message{
		From: s.tx.from, Recipients: s.tx.recipients, EnvelopeID: s.tx.envelopeID, Return: s.tx.ret, Content: b,
	}
	if s.server.Trace {
		m.Trace = s.trace(time.Now())
	}
	text, err := s.account.Submit(m)
	s.reset()
	reply := &Reply{Code: 250, Enhanced: "2.0.0", Text: text}
	if err != nil && !errors.As(err, &reply) {
		reply = &Reply{451, "4.3.0", "The message could not be accepted, try again later"}
	}
	s.refused = err != nil
	s.reply(reply.Error())
}

// dotted finds the end of a content and takes the stuffed dots away (RFC 5321
// section 4.5.2), however the content is cut into pieces.
type dotted struct {
	lf    bool // lines end in LF
	state dotState
}

type dotState uint8

const (
	lineStart  dotState = iota // the zero state: a content begins with a line
	inLine                     // behind anything else
	afterCR                    // behind a CR in a line
	afterDot                   // behind a dot at a line's start
	afterDotCR                 // behind a dot at a line's start and CR
)

// feed takes a piece. n octets of it belong to the content; when done, its end
// was among them.
func (d *dotted) feed(c *content, piece []byte) (n int, done bool) {
	stop := byte('\r')
	if d.lf {
		stop = '\n'
	}
	from := 0 // what is to be written begins here
	for i := 0; i < len(piece); i++ {
		b := piece[i]
		switch d.state {
		case inLine:
			j := bytes.IndexByte(piece[i:], stop)
			if j < 0 {
				c.write(piece[from:])
				return len(piece), false
			}
			i += j
			d.state = d.after(stop)
		case afterCR:
			if d.state = d.after(b); b == '\n' {
				d.state = lineStart
			}
		case lineStart:
			if b == '.' {
				c.write(piece[from:i])
				from = i + 1
				d.state = afterDot
				continue
			}
			d.state = d.after(b)
		case afterDot:
			switch {
			case d.lf && b == '\n':
				return i + 1, true
			case !d.lf && b == '\r':
				from = i + 1
				d.state = afterDotCR
			default:
				d.state = d.after(b)
			}
		case afterDotCR:
			if b == '\n' {
				return i + 1, true
			}
			c.write([]byte{'\r'})
			from = i
			d.state = d.after(b)
		}
	}
	c.write(piece[from:])
	return len(piece), false
}

// after is the state behind an octet that is part of the content, except for
// the LF of CRLF.
func (d *dotted) after(b byte) dotState {
	switch {
	case d.lf && b == '\n':
		return lineStart
	case !d.lf && b == '\r':
		return afterCR
	}
	return inLine
}
