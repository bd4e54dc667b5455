package kill

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"net"
	"net/mail"
	"strconv"
	"strings"
	"sync"
)

// gate says where the sink stops until it is opened.
type gate int

const (
	gateOpen    gate = iota
	gateNothing      // answers no MAIL: nothing is taken
	gateReply        // takes mail, without saying so
)

// copied is a message that the sink took for one recipient.
type copied struct {
	messageID string
	whole     bool // the body is the one that its own header announces
}

// sink is the next mail server. It belongs to the harness and outlives the
// daemon; what it has taken it keeps.
type sink struct {
	listener net.Listener

	mu     sync.Mutex
	gate   gate
	opened chan struct{} // closed when the gate is
	copies map[string][]copied
	seen   map[string]bool // recipients that were put off once
	taken  int
	change chan struct{} // closed and replaced at each copy
}

func newSink() (*sink, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	s := &sink{
		listener: listener, opened: make(chan struct{}), change: make(chan struct{}),
		copies: make(map[string][]copied), seen: make(map[string]bool),
	}
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go s.serve(conn)
		}
	}()
	return s, nil
}

func (s *sink) port() int { return s.listener.Addr().(*net.TCPAddr).Port }

func (s *sink) close() {
	s.set(gateOpen)
	_ = s.listener.Close()
}

// set moves the gate.
func (s *sink) set(g gate) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if g == gateOpen && s.gate != gateOpen {
		close(s.opened)
		s.opened = make(chan struct{})
	}
	s.gate = g
}

// pass waits if the gate is at g.
func (s *sink) pass(g gate) {
	s.mu.Lock()
	opened, closed := s.opened, s.gate == g
	s.mu.Unlock()
	if closed {
		<-opened
	}
}

// arrivals gives the number of copies so far and a channel that is closed at
// the next one.
func (s *sink) arrivals() (int, <-chan struct{}) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.taken, s.change
}

// has tells whether every one of some recipients has a copy.
func (s *sink) has(recipients []string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, r := range recipients {
		if len(s.copies[r]) == 0 {
			return false
		}
	}
	return true
}

// postpones says whether a recipient is refused for now: those that ask for it
// are, once.
func (s *sink) postpones(recipient string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !strings.HasPrefix(recipient, "later-") || s.seen[recipient] {
		return false
	}
	s.seen[recipient] = true
	return true
}

// take keeps a message. From here on the sink may have it, whatever becomes of
// its answer.
func (s *sink) take(recipients []string, content []byte) {
	c := examine(content)
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, r := range recipients {
		s.copies[r] = append(s.copies[r], c)
	}
	s.taken += len(recipients)
	close(s.change)
	s.change = make(chan struct{})
}

// examine compares a message with the sum that its sender put into it.
func examine(content []byte) copied {
	parsed, err := mail.ReadMessage(bytes.NewReader(content))
	if err != nil {
		return copied{}
	}
	body, err := io.ReadAll(parsed.Body)
	return copied{messageID: parsed.Header.Get("Message-ID"), whole: err == nil && sum(body) == parsed.Header.Get(sumField)}
}

// sumField is the header field with the sum of the body.
const sumField = "X-Sum"

// sum is that of a text, whatever its line ends.
func sum(body []byte) string {
	text := bytes.TrimRight(bytes.ReplaceAll(body, []byte("\r\n"), []byte("\n")), "\n")
	hash := sha256.Sum256(text)
	return hex.EncodeToString(hash[:])
}

// session is the sink's side of a connection.
type session struct {
	*sink
	r          *bufio.Reader
	w          *bufio.Writer
	recipients []string
	content    []byte
}

func (s *sink) serve(conn net.Conn) {
	defer conn.Close()
	c := &session{sink: s, r: bufio.NewReader(conn), w: bufio.NewWriter(conn)}
	c.reply("220 sink.example ESMTP")
	for {
		// Answers to what was pipelined go out together (RFC 2920 section 3.2).
		if c.r.Buffered() == 0 && c.w.Flush() != nil {
			return
		}
		line, err := c.r.ReadString('\n')
		if err != nil || !c.command(strings.TrimSpace(line)) {
			_ = c.w.Flush()
			return
		}
	}
}

func (c *session) reply(text string) { _, _ = c.w.WriteString(text + "\r\n") }

// command follows one; false ends the session.
func (c *session) command(line string) bool {
	verb, rest, _ := strings.Cut(line, " ")
	switch strings.ToUpper(verb) {
	case "EHLO":
		c.reply("250-sink.example\r\n250-PIPELINING\r\n250-CHUNKING\r\n250-8BITMIME\r\n250-SMTPUTF8\r\n250-ENHANCEDSTATUSCODES\r\n250 SIZE 100000000")
	case "MAIL":
		c.reset()
		c.pass(gateNothing)
		c.reply("250 2.1.0 sender")
	case "RCPT":
		address, _, _ := strings.Cut(strings.TrimPrefix(rest, "TO:<"), ">")
		if c.postpones(address) {
			c.reply("450 4.2.1 try again soon")
			break
		}
		c.recipients = append(c.recipients, address)
		c.reply("250 2.1.5 recipient")
	case "DATA":
		return c.data()
	case "BDAT":
		return c.chunk(rest)
	case "RSET":
		c.reset()
		c.reply("250 2.0.0 reset")
	case "NOOP":
		c.reply("250 2.0.0 here")
	case "QUIT":
		c.reply("221 2.0.0 bye")
		return false
	default:
		c.reply("500 5.5.1 " + fmt.Sprintf("%q", verb))
	}
	return true
}

func (c *session) reset() { c.recipients, c.content = nil, nil }

func (c *session) data() bool {
	if len(c.recipients) == 0 {
		c.reply("554 5.5.1 no recipients")
		return true
	}
	c.reply("354 go on")
	if c.w.Flush() != nil {
		return false
	}
	for {
		line, err := c.r.ReadBytes('\n')
		if err != nil {
			return false
		}
		if string(line) == ".\r\n" {
			break
		}
		c.content = append(c.content, bytes.TrimPrefix(line, []byte("."))...)
	}
	c.finish()
	return true
}

// chunk follows BDAT (RFC 3030).
func (c *session) chunk(arguments string) bool {
	number, last, _ := strings.Cut(arguments, " ")
	size, err := strconv.Atoi(number)
	if err != nil || size < 0 || size > 100_000_000 {
		return false
	}
	if c.r.Buffered() == 0 && c.w.Flush() != nil {
		return false
	}
	piece := make([]byte, size)
	if _, err := io.ReadFull(c.r, piece); err != nil {
		return false
	}
	switch {
	case len(c.recipients) == 0:
		c.reply("554 5.5.1 no recipients")
	case last == "":
		c.content = append(c.content, piece...)
		c.reply("250 2.0.0 chunk")
	default:
		c.content = append(c.content, piece...)
		c.finish()
	}
	return true
}

func (c *session) finish() {
	c.take(c.recipients, c.content)
	c.reset()
	c.pass(gateReply)
	c.reply("250 2.0.0 taken")
}

// all gives the copies of each recipient.
func (s *sink) all() map[string][]copied {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := make(map[string][]copied, len(s.copies))
	for r, list := range s.copies {
		all[r] = append([]copied(nil), list...)
	}
	return all
}
