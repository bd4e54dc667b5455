package smtp

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Bounds of a reply, so that a hostile server cannot fill the memory. RFC 5321
// section 4.5.3.1.5 asks for lines of 512 octets; real ones are longer.
const (
	maxReplyLine  = 2048
	maxReplyLines = 100
	maxReplyBytes = 64 << 10
	maxReplyText  = 500 // what is shown of a reply
)

// reply is one complete answer of the server. Its text is valid until the next
// reply is read.
type reply struct {
	code int
	text []byte // of all lines without their codes, separated by \n
}

// ok tells whether the first digit is 2. RFC 5321 section 4.2: decide by the
// code alone, for an unknown one by its first digit.
func (r reply) ok() bool { return r.code/100 == 2 }

// String gives code and text on one line, fit to be shown.
func (r reply) String() string {
	return printable(fmt.Sprintf("%d %s", r.code, strings.ReplaceAll(string(r.text), "\n", " ")), maxReplyText)
}

// protocolError is a breach of the protocol by the server.
type protocolError string

func (e protocolError) Error() string { return string(e) }

// readReply reads one reply, which may have several lines. The text is appended
// to buffer. Errors are protocolError, or those of the connection, with
// io.ErrUnexpectedEOF if it ended within the reply.
func readReply(in *bufio.Reader, buffer []byte) (reply, error) {
	var r reply
	r.text = buffer[:0]
	total := 0
	for lines := 1; ; lines++ {
		line, err := readLine(in)
		total += len(line)
		switch {
		case err != nil:
			if errors.Is(err, io.EOF) && total > 0 {
				err = io.ErrUnexpectedEOF
			}
			return reply{}, err
		case lines > maxReplyLines:
			return reply{}, protocolError(fmt.Sprintf("the server's reply has over %d lines", maxReplyLines))
		case total > maxReplyBytes:
			return reply{}, protocolError(fmt.Sprintf("the server's reply has over %d octets", maxReplyBytes))
		}
		code, more, text, ok := splitLine(line)
		if !ok {
			return reply{}, protocolError("the server did not answer in SMTP: " + printable(string(line), 200))
		}
		if lines > 1 {
			if code != r.code {
				return reply{}, protocolError(fmt.Sprintf("the server's reply mixes the codes %d and %d", r.code, code))
			}
			r.text = append(r.text, '\n')
		}
		r.code = code
		r.text = append(r.text, text...)
		if !more {
			return r, nil
		}
	}
}

// readLine gives the next line without its end. A bare LF ends a line too:
// some old servers send it and nothing can be smuggled to a client by it.
func readLine(in *bufio.Reader) ([]byte, error) {
	line, err := in.ReadSlice('\n')
	if errors.Is(err, bufio.ErrBufferFull) || len(line) > maxReplyLine {
		return nil, protocolError(fmt.Sprintf("a line of the server's reply is longer than %d octets", maxReplyLine))
	}
	if err != nil {
		return line, err
	}
	line = line[:len(line)-1]
	if n := len(line); n > 0 && line[n-1] == '\r' {
		line = line[:n-1]
	}
	return line, nil
}

// splitLine takes a line of a reply apart (RFC 5321 section 4.2).
func splitLine(line []byte) (code int, more bool, text []byte, ok bool) {
	if len(line) < 3 || line[0] < '2' || line[0] > '5' {
		return 0, false, nil, false
	}
	for _, c := range line[:3] {
		if c < '0' || c > '9' {
			return 0, false, nil, false
		}
		code = code*10 + int(c-'0')
	}
	if len(line) == 3 {
		return code, false, nil, true
	}
	if line[3] != ' ' && line[3] != '-' {
		return 0, false, nil, false
	}
	return code, line[3] == '-', line[4:], true
}

// printable makes what a server said safe to show and to log: control and
// format characters and invalid UTF-8 appear escaped, and no more than limit
// octets remain.
func printable(s string, limit int) string {
	if len(s) <= limit && plain(s) {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); {
		r, n := utf8.DecodeRuneInString(s[i:])
		piece := s[i : i+n]
		switch {
		case r == utf8.RuneError && n == 1:
			piece = fmt.Sprintf(`\x%02x`, s[i])
		case r < 0x80 && !unicode.IsPrint(r):
			piece = fmt.Sprintf(`\x%02x`, r)
		case !unicode.IsPrint(r):
			piece = fmt.Sprintf(`\u%04x`, r)
		}
		if b.Len()+len(piece) > limit-len("...") && (i+n < len(s) || b.Len()+len(piece) > limit) {
			return b.String() + "..."
		}
		b.WriteString(piece)
		i += n
	}
	return b.String()
}

func plain(s string) bool {
	for i := range len(s) {
		if s[i] < ' ' || s[i] > '~' {
			return false
		}
	}
	return true
}
