package mail

import (
	"encoding/base64"
	"strings"
	"unicode/utf8"
)

// Lengths of header lines, without CRLF: where we fold (RFC 5322 section
// 2.1.1, RFC 2047 section 2) and from which length on a piece that cannot be
// folded is encoded, so that no line reaches 998.
const (
	foldAt  = 76
	maxWord = 900
)

// AppendField appends "Name: value" as one field of unstructured text in
// complete lines: folded, and in encoded words (RFC 2047) if it is not ASCII.
func AppendField(dst []byte, name, value string) []byte {
	dst = append(dst, name...)
	dst = append(dst, ':')
	value = strings.Trim(value, " \t")
	if value == "" {
		return append(dst, " \r\n"...)
	}
	if plain, ok := appendFolded(dst, value, len(name)+1); ok {
		return append(plain, "\r\n"...)
	}
	dst, _ = appendEncoded(dst, toUTF8(value), len(name)+1)
	return append(dst, "\r\n"...)
}

// AppendAddresses appends an address field in complete lines, with the
// display names encoded as needed. Without addresses it is an empty group,
// the way to say that the recipients are not to be seen.
func AppendAddresses(dst []byte, name string, list []Address) []byte {
	dst = append(dst, name...)
	dst = append(dst, ':')
	if len(list) == 0 {
		return append(dst, " undisclosed-recipients:;\r\n"...)
	}
	return append(appendMailboxes(dst, len(name)+1, list, false), "\r\n"...)
}

// appendFolded writes ASCII text, folded at its own white space, of which
// nothing is lost. It gives up on text that has to be encoded.
func appendFolded(dst []byte, s string, col int) ([]byte, bool) {
	if !isASCII(s) || hasControl(strings.ReplaceAll(s, "\t", "")) {
		return dst, false
	}
	s = " " + s
	for first := true; s != ""; first = false {
		end := len(s) - len(strings.TrimLeft(s, " \t"))
		if i := strings.IndexAny(s[end:], " \t"); i >= 0 {
			end += i
		} else {
			end = len(s)
		}
		if end > maxWord {
			return dst, false
		}
		if col+end > foldAt && !first || col+end > maxWord {
			dst = append(dst, "\r\n"...)
			col = 0
		}
		dst = append(dst, s[:end]...)
		col += end
		s = s[end:]
	}
	return dst, true
}

// appendEncoded writes UTF-8 text as encoded words on lines that begin at
// column col, and gives the column where it ended.
func appendEncoded(dst []byte, s string, col int) ([]byte, int) {
	const overhead = len("=?utf-8?q?") + len("?=")
	quoted := quotedLen(s) <= base64.StdEncoding.EncodedLen(len(s))
	for s != "" {
		room := foldAt - 1 - col - overhead
		if room < 24 {
			dst = append(dst, "\r\n"...)
			col, room = 0, foldAt-1-overhead
		}
		n := fitting(s, room, quoted)
		before := len(dst)
		if quoted {
			dst = appendQuotedWord(append(dst, " =?utf-8?q?"...), s[:n])
		} else {
			dst = base64.StdEncoding.AppendEncode(append(dst, " =?utf-8?b?"...), []byte(s[:n]))
		}
		dst = append(dst, "?="...)
		col += len(dst) - before
		s = s[n:]
	}
	return dst, col
}

// fitting says how many octets of s, in whole characters, fit into room when
// encoded.
func fitting(s string, room int, quoted bool) int {
	n, used := 0, 0
	for n < len(s) {
		_, size := utf8.DecodeRuneInString(s[n:])
		used = base64.StdEncoding.EncodedLen(n + size)
		if quoted {
			used = quotedLen(s[:n+size])
		}
		if used > room {
			break
		}
		n += size
	}
	return n
}

// isWordSafe reports whether c stands for itself in an encoded word anywhere,
// also in a phrase (RFC 2047 section 5, rule 3).
func isWordSafe(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || strings.IndexByte("!*+-/", c) >= 0
}

func quotedLen(s string) int {
	n := 0
	for i := range len(s) {
		if n++; !isWordSafe(s[i]) && s[i] != ' ' {
			n += 2
		}
	}
	return n
}

const hexDigits = "0123456789ABCDEF"

func appendQuotedWord(dst []byte, s string) []byte {
	for i := range len(s) {
		switch c := s[i]; {
		case c == ' ':
			dst = append(dst, '_')
		case isWordSafe(c):
			dst = append(dst, c)
		default:
			dst = append(dst, '=', hexDigits[c>>4], hexDigits[c&15])
		}
	}
	return dst
}

// appendMailboxes writes an address list from column col on. With downgrade,
// an address that is not ASCII is written as an empty group with its text as
// the name, as RFC 6857 section 3.1.9 has it for servers without SMTPUTF8.
func appendMailboxes(dst []byte, col int, list []Address, downgrade bool) []byte {
	for i, a := range list {
		comma := ","
		if i == len(list)-1 {
			comma = ""
		}
		addr := a.path()
		if !isASCII(addr) && downgrade {
			dst, col = appendEncoded(dst, strings.TrimSpace(a.Name+" "+addr), col)
			dst, col = appendUnit(dst, ":;"+comma, col)
			continue
		}
		if a.Name == "" {
			dst, col = appendUnit(dst, addr+comma, col)
			continue
		}
		dst, col = appendPhrase(dst, spaced(toUTF8(a.Name)), col)
		dst, col = appendUnit(dst, "<"+addr+">"+comma, col)
	}
	return dst
}

// appendUnit writes a space or a fold, then text that must stay together.
func appendUnit(dst []byte, s string, col int) ([]byte, int) {
	if col > 1 && col+1+len(s) > foldAt {
		dst = append(dst, "\r\n"...)
		col = 0
	}
	dst = append(dst, ' ')
	return append(dst, s...), col + 1 + len(s)
}

// appendPhrase writes a display name: as atoms, quoted, or in encoded words.
func appendPhrase(dst []byte, name string, col int) ([]byte, int) {
	if !isASCII(name) || len(name) > 200 {
		return appendEncoded(dst, name, col)
	}
	for i := range len(name) {
		if !isAtext(name[i]) && (name[i] != ' ' || i == 0 || i == len(name)-1 || name[i-1] == ' ') {
			return appendUnit(dst, quoted(name), col)
		}
	}
	return appendUnit(dst, name, col)
}
