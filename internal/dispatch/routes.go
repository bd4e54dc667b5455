package dispatch

import (
	"fmt"
	"net/textproto"
	"slices"
	"strings"
)

// Rule routes mail to connections. A rule applies when all conditions that it
// has apply; a condition with several values applies when one of them does. A
// rule without conditions applies to all mail.
type Rule struct {
	// Clients are ids of clients.
	Clients []string
	// From are addresses ("ann@example.org") and domains ("example.org", or
	// "*.example.org" for the domains below it), of the header field.
	From []string
	// RecipientDomains applies when every recipient is in one of these
	// domains, since a message goes as a whole. Written as in From.
	RecipientDomains []string
	// Headers are fields that the message has.
	Headers []HeaderMatch
	Tags    []string
	// Connections are the names of the way out and its fallbacks, in order.
	Connections []string
}

// HeaderMatch matches a header field by its name, and by its value where one
// is given: the whole of it, without regard to case; "*" stands for anything.
type HeaderMatch struct {
	Name  string
	Value string
}

// Routed is what rules look at of a message.
type Routed struct {
	Client     string
	From       string // address, without a name
	Recipients []string
	// Header gives the values of a field, by its canonical name; nil for no
	// fields.
	Header func(name string) []string
	Tags   []string
}

// Resolve gives the connections of the first rule that applies and its index;
// nil and -1 when none does, so that the default connection is used.
func Resolve(rules []Rule, m *Routed) ([]string, int) {
	for n := range rules {
		if rules[n].applies(m) {
			return rules[n].Connections, n
		}
	}
	return nil, -1
}

// Validate reports the first rule that cannot work.
func Validate(rules []Rule) error {
	for n := range rules {
		if field, problem := rules[n].check(); problem != "" {
			return fmt.Errorf("rules[%d].%s: %s", n, field, problem)
		}
	}
	return nil
}

func (r *Rule) check() (field, problem string) {
	if len(r.Connections) == 0 {
		return "connections", "name at least one connection"
	}
	for n, name := range r.Connections {
		if name == "" {
			return fmt.Sprintf("connections[%d]", n), "the name is empty"
		}
	}
	for n, from := range r.From {
		if !validDomain(from[strings.LastIndexByte(from, '@')+1:]) {
			return fmt.Sprintf("from[%d]", n), "write an address, or a domain such as example.org or *.example.org"
		}
	}
	for n, domain := range r.RecipientDomains {
		if !validDomain(domain) {
			return fmt.Sprintf("recipient_domains[%d]", n), "write a domain such as example.org or *.example.org"
		}
	}
	for n, h := range r.Headers {
		if h.Name == "" || strings.ContainsAny(h.Name, ": \t\r\n") {
			return fmt.Sprintf("headers[%d].name", n), "write the name of a header field, without the colon"
		}
	}
	return "", ""
}

func validDomain(d string) bool {
	d = strings.TrimPrefix(d, "*.")
	return d != "" && !strings.ContainsAny(d, "@* \t\r\n") && !strings.HasPrefix(d, ".")
}

func (r *Rule) applies(m *Routed) bool {
	return (len(r.Clients) == 0 || slices.Contains(r.Clients, m.Client)) &&
		oneOf(r.From, func(from string) bool { return matchAddress(from, m.From) }) &&
		r.allRecipients(m.Recipients) &&
		oneOf(r.Headers, func(h HeaderMatch) bool { return h.matches(m.Header) }) &&
		oneOf(r.Tags, func(tag string) bool { return slices.Contains(m.Tags, tag) })
}

// oneOf says whether a condition holds for one of the values; it does when
// there are none.
func oneOf[T any](values []T, holds func(T) bool) bool {
	for _, v := range values {
		if holds(v) {
			return true
		}
	}
	return len(values) == 0
}

func (r *Rule) allRecipients(recipients []string) bool {
	if len(r.RecipientDomains) == 0 {
		return true
	}
	for _, recipient := range recipients {
		if !oneOf(r.RecipientDomains, func(d string) bool { return matchDomain(d, domainOf(recipient)) }) {
			return false
		}
	}
	return len(recipients) > 0
}

// matchAddress compares without regard to case: RFC 5321 section 2.4 lets
// local parts differ by it, but no mail system of today does.
func matchAddress(pattern, address string) bool {
	if strings.Contains(pattern, "@") && !strings.HasPrefix(pattern, "@") {
		return strings.EqualFold(pattern, address)
	}
	return matchDomain(strings.TrimPrefix(pattern, "@"), domainOf(address))
}

func matchDomain(pattern, domain string) bool {
	if below, ok := strings.CutPrefix(pattern, "*."); ok {
		n := len(domain) - len(below) - 1
		return n > 0 && domain[n] == '.' && strings.EqualFold(domain[n+1:], below)
	}
	return domain != "" && strings.EqualFold(pattern, domain)
}

// domainOf takes what stands after the last "@": one within quotes belongs to
// the local part.
func domainOf(address string) string {
	at := strings.LastIndexByte(address, '@')
	if at < 0 {
		return ""
	}
	return address[at+1:]
}

func (h HeaderMatch) matches(header func(string) []string) bool {
	if header == nil {
		return false
	}
	for _, value := range header(textproto.CanonicalMIMEHeaderKey(h.Name)) {
		if h.Value == "" || matchGlob(strings.ToLower(h.Value), strings.ToLower(strings.TrimSpace(value))) {
			return true
		}
	}
	return false
}

// matchGlob matches "*" with anything, in time linear in each part.
func matchGlob(pattern, s string) bool {
	parts := strings.Split(pattern, "*")
	if len(parts) == 1 {
		return pattern == s
	}
	first, last := parts[0], parts[len(parts)-1]
	if len(s) < len(first)+len(last) || !strings.HasPrefix(s, first) || !strings.HasSuffix(s, last) {
		return false
	}
	s = s[len(first) : len(s)-len(last)]
	for _, part := range parts[1 : len(parts)-1] {
		n := strings.Index(s, part)
		if n < 0 {
			return false
		}
		s = s[n+len(part):]
	}
	return true
}
