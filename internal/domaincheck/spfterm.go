package domaincheck

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
)

// spfTerm is a directive or a modifier of an SPF record (RFC 7208 section
// 4.6.1).
type spfTerm struct {
	text      string // as it stands in the record
	qualifier byte   // '+', '-', '~' or '?'; 0 for a modifier
	name      string // such as "include", in lower case
	value     string // what follows ":" or "="
}

// isSPF says whether a text is an SPF record at all (RFC 7208 section 4.5).
func isSPF(text string) bool {
	const version = "v=spf1"
	return len(text) >= len(version) && strings.EqualFold(text[:len(version)], version) &&
		(len(text) == len(version) || text[len(version)] == ' ')
}

// likeSPF says whether a text was meant to be an SPF record.
func likeSPF(text string) bool {
	return !isSPF(text) && strings.Contains(strings.ToLower(text[:min(len(text), 20)]), "spf1")
}

// parseSPF takes a record apart. The error says which term is wrong.
func parseSPF(record string) ([]spfTerm, error) {
	var terms []spfTerm
	for _, text := range strings.Fields(record)[1:] {
		term, err := parseSPFTerm(text)
		if err != nil {
			return terms, err
		}
		if term.name == "redirect" && slices.ContainsFunc(terms, func(t spfTerm) bool { return t.name == "redirect" }) {
			return terms, fmt.Errorf("there is more than one redirect")
		}
		terms = append(terms, term)
	}
	return terms, nil
}

func parseSPFTerm(text string) (spfTerm, error) {
	term := spfTerm{text: text}
	if name, value, ok := strings.Cut(text, "="); ok && !strings.ContainsAny(name, ":/") && name != "" {
		term.name, term.value = strings.ToLower(name), value
		if term.name == "redirect" && !isTarget(value) {
			return term, fmt.Errorf("%q names no domain", text)
		}
		return term, nil // others are to be ignored
	}
	term.qualifier = '+'
	rest := text
	if strings.IndexByte("+-~?", rest[0]) >= 0 {
		term.qualifier, rest = rest[0], rest[1:]
	}
	end := strings.IndexAny(rest, ":/")
	if end < 0 {
		end = len(rest)
	}
	term.name, term.value = strings.ToLower(rest[:end]), strings.TrimPrefix(rest[end:], ":")
	switch term.name {
	case "all":
		if end < len(rest) {
			return term, fmt.Errorf("%q: all takes no value", text)
		}
	case "include", "exists":
		if !isTarget(term.value) || rest[end] != ':' {
			return term, fmt.Errorf("%q names no domain", text)
		}
	case "ip4", "ip6":
		if !isNetwork(term.value, term.name == "ip4") {
			return term, fmt.Errorf("%q is no %s address or network", text, map[string]string{"ip4": "IPv4", "ip6": "IPv6"}[term.name])
		}
	case "a", "mx", "ptr":
		if end < len(rest) && rest[end] == ':' && (term.value == "" || strings.HasPrefix(term.value, "/")) {
			return term, fmt.Errorf("%q names no domain", text)
		}
	default:
		return term, fmt.Errorf("%q is not known", text)
	}
	return term, nil
}

// isTarget says whether a value can be a domain, perhaps with macros.
func isTarget(value string) bool {
	return value != "" && len(value) <= 253 && !strings.ContainsAny(value, " @,;\"'()")
}

func isNetwork(value string, four bool) bool {
	address, err := netip.ParseAddr(value)
	if err != nil {
		prefix, err := netip.ParsePrefix(value)
		return err == nil && prefix.Addr().Is4() == four
	}
	return address.Is4() == four && address.Zone() == ""
}

// domain gives the one that a term looks at: its own, else that of the record.
// It is empty if macros stand in it, which only a mail has values for.
func (t spfTerm) domain(record string) string {
	value, _, _ := strings.Cut(t.value, "/")
	switch {
	case strings.Contains(value, "%"):
		return ""
	case value == "":
		return record
	}
	return strings.ToLower(strings.TrimSuffix(value, "."))
}

// looksUp says whether a term counts as a lookup (RFC 7208 section 4.6.4).
func (t spfTerm) looksUp() bool {
	return slices.Contains([]string{"include", "a", "mx", "ptr", "exists", "redirect"}, t.name)
}
