package mail

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/net/idna"
)

// Limits of RFC 5321 section 4.5.3.1, in octets as sent. A path may have 256
// with its angle brackets.
const (
	maxLocal  = 64
	maxDomain = 255
	maxPath   = 254
)

// Path is an envelope address (RFC 5321 section 4.1.2). The zero Path is the
// null reverse-path. Paths can be compared with ==.
type Path struct {
	// Local is the local part without quoting.
	Local string
	// Domain is in ASCII (A-labels) and lower case.
	Domain string
}

// IsNull reports whether p is the null reverse-path.
func (p Path) IsNull() bool { return p == Path{} }

// NeedsUTF8 reports whether the address can only go to a server with SMTPUTF8
// (RFC 6531): its local part is not ASCII. An international domain needs
// nothing, it is in ASCII already.
func (p Path) NeedsUTF8() bool { return !isASCII(p.Local) }

// ASCIIDomain is the domain in A-labels.
func (p Path) ASCIIDomain() string { return p.Domain }

// String gives the address as it is sent, without angle brackets: the local
// part is quoted only where it must be, the domain is in ASCII.
func (p Path) String() string {
	if p.IsNull() {
		return ""
	}
	return quoteLocal(p.Local) + "@" + p.Domain
}

// ParsePath reads an envelope address, with or without angle brackets, by the
// rules of RFC 5321. Anything by which an SMTP command could be bent is
// refused: control characters (quoted or not), a second address, parameters,
// source routes. So are address literals, since whoever relays for us refuses
// them too. The error is a *FieldError whose Field is "address".
func ParsePath(s string) (Path, error) {
	p, reason := parsePath(s)
	if reason != "" {
		return Path{}, refuse("address", reason)
	}
	return p, nil
}

// ParseReversePath is ParsePath for a sender: it takes "" and "<>" for the
// null reverse-path.
func ParseReversePath(s string) (Path, error) {
	if s == "" || s == "<>" {
		return Path{}, nil
	}
	return ParsePath(s)
}

// Complete gives a local name without a domain, such as "root", the domain.
// Other addresses come back as they are.
func Complete(addr, domain string) string {
	if addr == "" || domain == "" {
		return addr
	}
	_, rest, reason := cutLocal(addr)
	if reason == "" && rest == "" {
		return addr + "@" + domain
	}
	return addr
}

func parsePath(s string) (Path, string) {
	if strings.HasPrefix(s, "<") && strings.HasSuffix(s, ">") {
		s = s[1 : len(s)-1]
	}
	switch {
	case s == "":
		return Path{}, "is empty; give an address such as name@example.com"
	case !utf8.ValidString(s):
		return Path{}, "is not valid UTF-8; convert it before sending"
	case hasControl(s):
		return Path{}, "holds a control character such as CR, LF or NUL; remove it"
	}
	local, rest, reason := cutLocal(s)
	if reason != "" {
		return Path{}, reason
	}
	if rest == "" {
		return Path{}, "has no domain; write it as name@example.com"
	}
	domain, reason := asciiDomain(rest[1:])
	if reason != "" {
		return Path{}, reason
	}
	p := Path{Local: local, Domain: domain}
	if len(quoteLocal(local)) > maxLocal {
		return Path{}, "has more than 64 octets before the @; give a shorter address"
	}
	if len(p.String()) > maxPath {
		return Path{}, "is longer than 254 octets; give a shorter address"
	}
	return p, ""
}

// cutLocal splits s at the @ behind the local part, which it unquotes. The
// rest begins with the @ or is empty. The reason says what is wrong.
func cutLocal(s string) (local, rest, reason string) {
	if strings.HasPrefix(s, `"`) {
		local, rest, reason = cutQuoted(s)
	} else {
		at := strings.IndexByte(s, '@')
		if at < 0 {
			at = len(s)
		}
		local, rest = s[:at], s[at:]
		reason = checkDotString(local)
	}
	switch {
	case reason != "":
	case local == "":
		reason = "has nothing before the @; give an address such as name@example.com"
	case rest != "" && rest[0] != '@':
		reason = "has something between the quoted part and the @; quote all of it or nothing"
	case !plainRunes(local):
		reason = "holds an invisible or separating character; type the address again"
	}
	return local, rest, reason
}

func cutQuoted(s string) (local, rest, reason string) {
	var b strings.Builder
	for i := 1; i < len(s); i++ {
		switch s[i] {
		case '"':
			return b.String(), s[i+1:], ""
		case '\\':
			if i++; i == len(s) || s[i] >= 0x80 {
				return "", "", "has a backslash that quotes nothing; remove it"
			}
		}
		if isControl(s[i]) {
			return "", "", "holds a control character such as CR, LF or NUL; remove it"
		}
		b.WriteByte(s[i])
	}
	return "", "", "has a quotation mark that is not closed; close it"
}

// checkDotString wants atoms with single dots between them.
func checkDotString(s string) string {
	for i := range len(s) {
		switch c := s[i]; {
		case c == '.':
			if i == 0 || i == len(s)-1 || s[i-1] == '.' {
				return "has a dot at an end of the local part or two in a row; quote that part or correct it"
			}
		case !isAtext(c) && c < 0x80:
			return "has the character '" + string(rune(c)) + "' before the @; quote that part or correct it"
		}
	}
	return ""
}

// plainRunes refuses in a local part what cannot be seen or looks like space,
// beyond ASCII.
func plainRunes(s string) bool {
	for _, r := range s {
		if r == utf8.RuneError || r >= 0x80 && (unicode.IsControl(r) || unicode.IsSpace(r) || unicode.In(r, unicode.Zl, unicode.Zp, unicode.Cf)) {
			return false
		}
	}
	return true
}

// quoteLocal writes a local part as a dot-string if it is one, else quoted.
func quoteLocal(local string) string {
	if local != "" && checkDotString(local) == "" {
		return local
	}
	return quoted(local)
}

// quoted writes a quoted-string.
func quoted(s string) string {
	var b strings.Builder
	b.WriteByte('"')
	for i := range len(s) {
		if s[i] == '"' || s[i] == '\\' {
			b.WriteByte('\\')
		}
		b.WriteByte(s[i])
	}
	b.WriteByte('"')
	return b.String()
}

// ParseDomain gives a domain or host name in lower-case ASCII (A-labels). The
// error is a *FieldError whose Field is "domain".
func ParseDomain(s string) (string, error) {
	ascii, reason := asciiDomain(s)
	if reason != "" {
		return "", refuse("domain", reason)
	}
	return ascii, nil
}

func asciiDomain(s string) (ascii, reason string) {
	switch {
	case s == "":
		return "", "has nothing after the @; give a domain"
	case strings.HasPrefix(s, "["):
		return "", "has an IP address as its domain, which providers refuse; give a domain name"
	case strings.ContainsRune(s, '@'):
		return "", "has more than one @; give one address, or quote the part before the last @"
	case strings.HasSuffix(s, "."):
		return "", "ends in a dot; remove it"
	case len(s) > maxDomain*4: // before mapping, which is not free
		return "", "has a domain of more than 255 octets; give a shorter one"
	}
	ascii = strings.ToLower(s)
	if !isASCII(s) || strings.Contains(ascii, "xn--") {
		var err error
		if ascii, err = idna.Lookup.ToASCII(s); err != nil {
			return "", "has a domain that international domain names do not allow (RFC 5891); type it again"
		}
	}
	if len(ascii) > maxDomain {
		return "", "has a domain of more than 255 octets; give a shorter one"
	}
	if !isHostName(ascii) {
		return "", "has a domain that is no host name; it takes letters, digits, hyphens and single dots"
	}
	if last := ascii[strings.LastIndexByte(ascii, '.')+1:]; strings.Trim(last, "0123456789") == "" {
		return "", "has an IP address as its domain, which providers refuse; give a domain name"
	}
	return ascii, ""
}

// isHostName checks labels of RFC 1123, with the underscore besides, which
// names in container networks have.
func isHostName(s string) bool {
	for label := range strings.SplitSeq(s, ".") {
		if label == "" || len(label) > 63 || label[0] == '-' || label[len(label)-1] == '-' {
			return false
		}
		for i := range len(label) {
			c := label[i]
			if !(c >= 'a' && c <= 'z' || c >= '0' && c <= '9' || c == '-' || c == '_') {
				return false
			}
		}
	}
	return true
}
