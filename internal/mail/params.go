package mail

import (
	"strconv"
	"strings"
)

// tspecials must not stand in a MIME token (RFC 2045 section 5.1).
const tspecials = "()<>@,;:\\\"/[]?="

// param is one parameter of a MIME value.
type param struct {
	key        string // lower case
	value      string // without quotation marks
	start, end int    // where it stands in the value, from its semicolon on
}

// parseParams reads "type/subtype; key=value" as leniently as mail readers do
// (`text/plain; charset=` is everyday). The type is in lower case.
func parseParams(s string) (mediaType string, params []param) {
	i := strings.IndexByte(s, ';')
	if i < 0 {
		return strings.ToLower(strings.TrimSpace(withoutComment(s))), nil
	}
	mediaType = strings.ToLower(strings.TrimSpace(withoutComment(s[:i])))
	for i < len(s) {
		p := param{start: i}
		end := i + 1
		for quotes := false; end < len(s) && (quotes || s[end] != ';'); end++ {
			switch s[end] {
			case '"':
				quotes = !quotes
			case '\\':
				end += btoi(quotes && end+1 < len(s))
			}
		}
		key, value, _ := strings.Cut(s[i+1:end], "=")
		p.key = strings.ToLower(strings.TrimSpace(key))
		p.value = paramValue(strings.TrimSpace(value))
		p.end = end
		if p.key != "" {
			params = append(params, p)
		}
		i = end
	}
	return mediaType, params
}

func btoi(b bool) int {
	if b {
		return 1
	}
	return 0
}

// paramValue takes off quotation marks and what may stand behind them.
func paramValue(s string) string {
	if !strings.HasPrefix(s, `"`) {
		if i := strings.IndexAny(s, " \t("); i >= 0 {
			s = s[:i]
		}
		return s
	}
	for i := 1; i < len(s); i++ {
		switch s[i] {
		case '\\':
			i++
		case '"':
			return unescape(s[1:i])
		}
	}
	return unescape(s[1:])
}

func withoutComment(s string) string {
	if i := strings.IndexByte(s, '('); i >= 0 {
		return s[:i]
	}
	return s
}

// getParam gives the value of the first parameter with the key.
func getParam(params []param, key string) string {
	for _, p := range params {
		if p.key == key {
			return p.value
		}
	}
	return ""
}

// appendParameters writes a MIME field anew, one parameter a line, with what
// is not ASCII, or too long for one line, as RFC 2231 has it.
func appendParameters(dst []byte, name, value string) []byte {
	mediaType, params := parseParams(toUTF8(value))
	dst = append(dst, name...)
	dst = append(dst, ": "...)
	for i := range min(len(mediaType), maxWord) {
		if isFtext(mediaType[i]) {
			dst = append(dst, mediaType[i])
		}
	}
	for _, p := range params {
		if !isPrintable(p.key, tspecials) || len(p.key) > 60 {
			continue // no reader could use it
		}
		dst = AppendParam(dst, p.key, p.value)
	}
	return append(dst, "\r\n"...)
}

// AppendParam appends one MIME parameter on a line of its own, without the
// line end: quoted if it is short ASCII, else percent-encoded and in pieces
// (RFC 2231 sections 3 and 4).
func AppendParam(dst []byte, key, value string) []byte {
	if value != "" && len(value) <= maxWord/2 && isPrintable(value, tspecials) {
		return append(dst, ";\r\n "+key+"="+value...)
	}
	if isASCII(value) && !hasControl(value) && len(value) <= maxWord/2 {
		return append(append(append(dst, ";\r\n "+key...), '='), quoted(value)...)
	}
	encoded := percentEncode("utf-8''", value)
	const piece = 60
	if len(encoded) <= piece {
		return append(dst, ";\r\n "+key+"*="+encoded...)
	}
	for n := 0; encoded != ""; n++ {
		end := min(piece, len(encoded))
		for back := 1; back <= 2 && end < len(encoded); back++ {
			if encoded[end-back] == '%' {
				end -= back
				break
			}
		}
		dst = append(dst, ";\r\n "+key+"*"+strconv.Itoa(n)+"*="+encoded[:end]...)
		encoded = encoded[end:]
	}
	return dst
}

func percentEncode(prefix, s string) string {
	var b strings.Builder
	b.WriteString(prefix)
	for i := range len(s) {
		if c := s[i]; isWordSafe(c) && c != '*' && c != '/' || c == '.' || c == '_' {
			b.WriteByte(c)
		} else {
			b.Write([]byte{'%', hexDigits[c>>4], hexDigits[c&15]})
		}
	}
	return b.String()
}
