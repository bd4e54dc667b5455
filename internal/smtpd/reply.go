package smtpd

import (
	"strconv"
	"strings"
)

// maxText bounds the text of a reply: a line has at most 512 octets (RFC 5321
// section 4.5.3.1.5).
const maxText = 480

// Reply is what a client is told.
type Reply struct {
	Code     int    // three digits
	Enhanced string // such as "5.7.1" (RFC 3463)
	Text     string // in one line; whatever is not printable ASCII is replaced
}

// Error gives the reply as it goes over the wire.
func (r *Reply) Error() string {
	return strconv.Itoa(r.Code) + " " + r.Enhanced + " " + printable(r.Text)
}

// printable keeps others' words within a reply: one line, ASCII (RFC 6531
// section 3.7.4.1 allows no more to clients that have not asked for it).
func printable(text string) string {
	plain := strings.IndexFunc(text, func(r rune) bool { return r < ' ' || r > '~' }) < 0
	if !plain {
		text = strings.Map(func(r rune) rune {
			if r < ' ' || r > '~' {
				return '?'
			}
			return r
		}, text)
	}
	if len(text) > maxText {
		text = text[:maxText-3] + "..."
	}
	return text
}

// reply writes one line. It stays in the buffer until the session waits for
// input, so that pipelined commands get one write (RFC 2920 section 3.2).
func (s *session) reply(text string) {
	s.out.WriteString(text) // it keeps its error until it is flushed
	s.out.WriteString("\r\n")
}

// fault is a reply to a command that should not have been given.
func (s *session) fault(text string) {
	s.faults++
	s.reply(text)
}

// sequence is the reply to a command out of order. When MAIL was refused, what
// was pipelined behind it is out of order through no fault of the client.
func (s *session) sequence(text string) {
	if s.refused {
		s.reply(text)
		return
	}
	s.fault(text)
}
