package smtp

import (
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"golang.org/x/net/idna"
)

// maxPath is the longest address that is sent: RFC 5321 section 4.5.3.1.3
// without the brackets.
const maxPath = 254

// wirePath gives an address as it stands between the brackets of MAIL or RCPT:
// the domain in A-labels, the local part as it is. needsUTF8 tells whether the
// local part takes SMTPUTF8. Addresses were checked when the message was
// accepted; this is the last line of defence against commands smuggled in them.
func wirePath(address string) (path string, needsUTF8 bool, err error) {
	local, domain, found := cutLast(address)
	if !found {
		// RFC 5321 section 4.1.1.3: postmaster alone needs no domain.
		if strings.EqualFold(address, "postmaster") {
			return address, false, nil
		}
		return "", false, errors.New("the address has no domain")
	}
	if needsUTF8, err = checkLocal(local); err != nil {
		return "", false, err
	}
	ascii, err := wireDomain(domain)
	if err != nil {
		return "", false, err
	}
	path = address
	if ascii != domain {
		path = local + "@" + ascii
	}
	if len(path) > maxPath {
		return "", false, fmt.Errorf("the address is longer than %d octets", maxPath)
	}
	return path, needsUTF8, nil
}

func cutLast(address string) (local, domain string, found bool) {
	at := strings.LastIndexByte(address, '@')
	if at < 0 {
		return "", "", false
	}
	return address[:at], address[at+1:], true
}

// checkLocal checks a local part: a dot-string or a quoted string (RFC 5321
// section 4.1.2, RFC 6531 section 3.3), leniently about dots.
func checkLocal(local string) (needsUTF8 bool, err error) {
	if local == "" {
		return false, errors.New("the address has nothing before the @")
	}
	if !utf8.ValidString(local) {
		return false, errors.New("the address is not in UTF-8")
	}
	quoted := len(local) >= 2 && local[0] == '"' && local[len(local)-1] == '"'
	inner := local
	if quoted {
		inner = local[1 : len(local)-1]
	}
	for i := 0; i < len(inner); i++ {
		c := inner[i]
		switch {
		case c >= utf8.RuneSelf:
			needsUTF8 = true
		case c < ' ' || c == 0x7f:
			return false, errors.New("the address holds a control character")
		case quoted && c == '"':
			return false, errors.New("the address holds a quote within quotes")
		case quoted && c == '\\':
			if i++; i == len(inner) || inner[i] < ' ' || inner[i] > '~' {
				return false, errors.New("the address holds a misplaced backslash")
			}
		case !quoted && strings.IndexByte(" \"(),:;<>@[\\]", c) >= 0:
			return false, fmt.Errorf("the address holds %q outside of quotes", c)
		}
	}
	return needsUTF8, nil
}

// wireDomain gives a domain in A-labels. An ASCII one stays as it is.
func wireDomain(domain string) (string, error) {
	ascii := domain != ""
	for i := range len(domain) {
		c := domain[i]
		switch {
		case c >= utf8.RuneSelf:
			ascii = false
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', c == '-', c == '.', c == '_':
		case strings.IndexByte("[]:", c) >= 0 && domain[0] == '[' && domain[len(domain)-1] == ']':
		default:
			return "", fmt.Errorf("the address's domain holds %q", c)
		}
	}
	if ascii {
		return domain, nil
	}
	if !utf8.ValidString(domain) {
		return "", errors.New("the address's domain is not in UTF-8")
	}
	converted, err := idna.Lookup.ToASCII(domain)
	if err != nil || converted == "" {
		return "", errors.New("the address's domain is no valid domain name")
	}
	return converted, nil
}

// xtext encodes a value of a DSN parameter (RFC 3461 section 4).
func xtext(s string) string {
	safe := func(c byte) bool { return c >= '!' && c <= '~' && c != '+' && c != '=' }
	clean := true
	for i := range len(s) {
		clean = clean && safe(s[i])
	}
	if clean {
		return s
	}
	var b strings.Builder
	for i := range len(s) {
		if safe(s[i]) {
			b.WriteByte(s[i])
		} else {
			fmt.Fprintf(&b, "+%02X", s[i])
		}
	}
	return b.String()
}
