package mail

import "bytes"

// maxLine is the longest line that may be sent, without CRLF (RFC 5322
// section 2.1.1, RFC 5321 section 4.5.3.1.6).
const maxLine = 998

// canonicalLines ends every line in CRLF, the last one too, and drops NUL and
// every CR that is not part of a line end: known servers take some of them for
// line ends, so that one message becomes two (SMTP smuggling, CVE-2023-51764
// and its kin). Only if there is no LF at all, CR is the line end. It gives b
// itself if nothing is to be done.
func canonicalLines(b []byte) []byte {
	if hasCanonicalLines(b) {
		return b
	}
	end := byte('\n')
	if bytes.IndexByte(b, end) < 0 {
		end = '\r'
	}
	out := make([]byte, 0, len(b)+bytes.Count(b, []byte{end})+2)
	for len(b) > 0 {
		line, rest, _ := bytes.Cut(b, []byte{end})
		for len(line) > 0 {
			i := bytes.IndexByte(line, '\r')
			if i < 0 {
				i = len(line)
			}
			if j := bytes.IndexByte(line[:i], 0); j >= 0 {
				i = j
			}
			out = append(out, line[:i]...)
			line = line[min(i+1, len(line)):]
		}
		out = append(out, '\r', '\n')
		b = rest
	}
	return out
}

func hasCanonicalLines(b []byte) bool {
	if len(b) > 0 && b[len(b)-1] != '\n' || bytes.IndexByte(b, 0) >= 0 {
		return false
	}
	lines := 0
	for rest := b; len(rest) > 0; lines++ {
		i := bytes.IndexByte(rest, '\n')
		if i < 1 || rest[i-1] != '\r' {
			return false
		}
		rest = rest[i+1:]
	}
	return bytes.Count(b, []byte{'\r'}) == lines
}

// hasLongLine reports whether a line of canonical b is longer than may be
// sent.
func hasLongLine(b []byte) bool {
	for len(b) > maxLine {
		// Wherever a line begins, it ends within the limit if there is an LF
		// in the octets up to there; the last of them is the shortest way on.
		i := bytes.LastIndexByte(b[:min(maxLine+2, len(b))], '\n')
		if i < 0 {
			return true
		}
		b = b[i+1:]
	}
	return false
}

// withoutPrefix drops what is in front of some stored messages: the byte order
// mark of Windows editors, which would make the whole header part of the body,
// Bcc with it, and the "From " line of mail folders. (A field "From :" with
// the white space of RFC 822 is not one.)
func withoutPrefix(b []byte) []byte {
	b = bytes.TrimPrefix(b, []byte("\xef\xbb\xbf"))
	for bytes.HasPrefix(b, []byte("From ")) && !bytes.HasPrefix(bytes.TrimLeft(b[5:], " \t"), []byte(":")) {
		i := bytes.IndexByte(b, '\n')
		b = b[i+1:]
	}
	return b
}
