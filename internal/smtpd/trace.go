package smtpd

import (
	"bytes"
	"strings"
	"time"
)

// trace makes the Received field of a message (RFC 5321 section 4.4). It names
// the client by its account, not by its address: that would tell the world
// about the network within.
func (s *session) trace(now time.Time) []byte {
	protocol := "SMTP"
	switch {
	case s.tx.utf8:
		protocol = "UTF8SMTP" // RFC 6531 section 4.3
	case s.extended:
		protocol = "ESMTP"
	}
	if s.extended && s.secure {
		protocol += "S" // RFC 3848
	}
	if s.extended && s.known {
		protocol += "A"
	}
	b := make([]byte, 0, 192)
	b = append(b, "Received: from "...)
	b = append(b, helloName(s.hello)...)
	b = append(b, " (client "...)
	b = append(b, atom(s.account.Name())...)
	b = append(b, ")\r\n\tby "...)
	b = append(b, s.server.Name...)
	b = append(b, " (Postilion) with "...)
	b = append(b, protocol...)
	b = append(b, ";\r\n\t"...)
	b = now.UTC().AppendFormat(b, "Mon, 02 Jan 2006 15:04:05 -0700")
	return append(b, "\r\n"...)
}

// helloName is what the client calls itself, if that can stand in a field.
func helloName(s string) string {
	inner := s
	if strings.HasPrefix(s, "[") && strings.HasSuffix(s, "]") {
		inner = s[1 : len(s)-1]
	}
	if inner == "" || len(inner) > 255 || inner != s && len(inner) > 60 {
		return "unknown"
	}
	for i := range len(inner) {
		if c := inner[i]; !isAlnum(c) && c != '.' && c != '-' && c != '_' && !(c == ':' && inner != s) {
			return "unknown"
		}
	}
	return s
}

// atom replaces what must not stand in a comment.
func atom(s string) string {
	return strings.Map(func(r rune) rune {
		if r < 0x80 && isAlnum(byte(r)) || r == '.' || r == '-' || r == '_' {
			return r
		}
		return '_'
	}, s)
}

func isAlnum(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9'
}

// hops counts the Received fields of a message.
func hops(content []byte) int {
	n := 0
	for line := range bytes.Lines(content) {
		line = bytes.TrimRight(line, "\r\n")
		if len(line) == 0 {
			break
		}
		const name = "Received"
		if len(line) > len(name) && line[0]|0x20 == 'r' && bytes.EqualFold(line[:len(name)], []byte(name)) &&
			bytes.HasPrefix(bytes.TrimLeft(line[len(name):], " \t"), []byte(":")) {
			n++
		}
	}
	return n
}
