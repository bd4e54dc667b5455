package sendmail

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"strings"
)

// readMessage reads a message to the end of the input. Without ignoreDots a
// line with only a dot ends it, and a dot goes from the beginning of other
// lines: that is how sendmail reads, and what Symfony writes for.
func readMessage(r io.Reader, ignoreDots bool, limit int) ([]byte, error) {
	var b bytes.Buffer
	lines := bufio.NewReaderSize(io.LimitReader(r, int64(limit)*2+2), 64<<10)
	var err error
	if ignoreDots {
		_, err = io.CopyN(&b, lines, int64(limit)+1)
	} else {
		err = readLines(&b, lines, limit)
	}
	switch {
	case err != nil && err != io.EOF:
		return nil, failf(exitData, "cannot read the message from standard input: %v", err)
	case b.Len() == 0:
		return nil, failf(exitData, "standard input is empty: there is no message to send")
	case b.Len() > limit:
		return nil, failf(exitData, "the message is larger than %d MiB", limit>>20)
	}
	return b.Bytes(), nil
}

// readLines copies lines up to the one with only a dot, or until b holds more
// than limit.
func readLines(b *bytes.Buffer, r *bufio.Reader, limit int) error {
	for start := true; b.Len() <= limit; {
		piece, err := r.ReadSlice('\n') // part of a line if that is long
		if start && len(piece) > 0 && piece[0] == '.' {
			piece = piece[1:]
			if len(bytes.TrimRight(piece, "\r\n")) == 0 && !errors.Is(err, bufio.ErrBufferFull) {
				return nil
			}
		}
		b.Write(piece)
		if err != nil && !errors.Is(err, bufio.ErrBufferFull) {
			return err
		}
		start = err == nil
	}
	return nil
}

// hasFrom reports whether the header of a message has a From field. The
// header ends at an empty line or at the first that cannot belong to it.
func hasFrom(content []byte) bool {
	for line := range bytes.Lines(content) {
		if c := line[0]; c == ' ' || c == '\t' {
			continue // folded
		}
		name, _, ok := bytes.Cut(line, []byte(":"))
		name = bytes.TrimRight(name, " \t")
		if bytes.HasPrefix(line, []byte("From ")) && !bytes.EqualFold(name, []byte("From")) {
			continue // of an mbox
		}
		if !ok || len(name) == 0 || bytes.ContainsAny(name, " \t") {
			return false
		}
		if bytes.EqualFold(name, []byte("From")) {
			return true
		}
	}
	return false
}

func hasControl(s string) bool {
	return strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r == 0x7f })
}

func isASCII(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return r > 0x7e })
}

// printable keeps what others wrote from steering a terminal.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r >= 0x7f && r < 0xa0 {
			return '?'
		}
		return r
	}, s)
}
