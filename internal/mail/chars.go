package mail

import (
	"encoding/binary"
	"strings"
	"unicode"
	"unicode/utf8"
)

// isAtext reports whether c may stand in an atom (RFC 5322 section 3.2.3).
func isAtext(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' ||
		strings.IndexByte("!#$%&'*+-/=?^_`{|}~", c) >= 0
}

// isFtext reports whether c may stand in a header name (RFC 5322 section 3.6.8).
func isFtext(c byte) bool { return c > ' ' && c < 0x7f && c != ':' }

// isWSP reports whether c is a space or a tab.
func isWSP(c byte) bool { return c == ' ' || c == '\t' }

// isControl reports whether c is a C0 control character or DEL.
func isControl(c byte) bool { return c < ' ' || c == 0x7f }

// hasControl reports whether s holds a C0 control character or DEL.
func hasControl(s string) bool {
	for i := range len(s) {
		if isControl(s[i]) {
			return true
		}
	}
	return false
}

// isASCII reports whether b has no octet above 127. It looks at eight octets
// at a time because it runs over every message.
func isASCII[T ~string | ~[]byte](b T) bool {
	i := 0
	if p, ok := any(b).([]byte); ok {
		for ; i+8 <= len(p); i += 8 {
			if binary.NativeEndian.Uint64(p[i:])&0x8080808080808080 != 0 {
				return false
			}
		}
	}
	for ; i < len(b); i++ {
		if b[i] >= 0x80 {
			return false
		}
	}
	return true
}

// isPrintable reports whether s is graphic ASCII without space, save for the
// characters in except.
func isPrintable(s, except string) bool {
	for i := range len(s) {
		if s[i] <= ' ' || s[i] >= 0x7f || strings.IndexByte(except, s[i]) >= 0 {
			return false
		}
	}
	return true
}

// checkText refuses what must not stand in any one-line value: control
// characters, by which headers are injected, and invalid UTF-8.
func checkText(field, s string) error {
	if !utf8.ValidString(s) {
		return refuse(field, "is not valid UTF-8; convert it before sending")
	}
	if hasControl(s) {
		return refuse(field, "holds a control character such as CR, LF, TAB or NUL; remove it")
	}
	return nil
}

// spaced replaces control characters by spaces.
func spaced(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return ' '
		}
		return r
	}, s)
}

// win1252 are the characters of windows-1252 from 0x80 on; where it has none,
// those of ISO 8859-1.
var win1252 = [32]rune{
	0x20ac, 0x81, 0x201a, 0x192, 0x201e, 0x2026, 0x2020, 0x2021, 0x2c6, 0x2030, 0x160, 0x2039, 0x152, 0x8d, 0x17d, 0x8f,
	0x90, 0x2018, 0x2019, 0x201c, 0x201d, 0x2022, 0x2013, 0x2014, 0x2dc, 0x2122, 0x161, 0x203a, 0x153, 0x9d, 0x17e, 0x178,
}

// toUTF8 gives s as it is if it is UTF-8, else as if it were windows-1252, the
// superset of ISO 8859-1 that programs mean when they say the latter.
func toUTF8(s string) string {
	if utf8.ValidString(s) {
		return s
	}
	var b strings.Builder
	for i := range len(s) {
		switch c := s[i]; {
		case c >= 0x80 && c < 0xa0:
			b.WriteRune(win1252[c-0x80])
		default:
			b.WriteRune(rune(c))
		}
	}
	return b.String()
}
