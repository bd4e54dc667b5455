package domaincheck

import (
	"context"
	"fmt"
	"slices"
	"strings"
)

const (
	spfLookups = 10 // that a record may need, RFC 7208 section 4.6.4
	spfVoids   = 2  // of them without an answer
	// maxSPFCount is where counting ends: it is far too much already.
	maxSPFCount = 60
)

// spfWalk goes through a record and all that it includes, as a receiver does
// for an address that matches nothing.
type spfWalk struct {
	dns *lookups

	count, voids int
	empty        []string // terms without an answer
	faults       []spfFault
	unknown      error // a lookup that failed
	// passes are the domains whose own pass is one of the record.
	passes []string
}

// spfFault is what makes receivers reject a record as a whole.
type spfFault struct{ code, text string }

func (w *spfWalk) fault(code, format string, arguments ...any) {
	w.faults = append(w.faults, spfFault{code, fmt.Sprintf(format, arguments...)})
}

// record gives the one SPF record of a domain that is included; empty, with
// the fault noted, if there is not exactly one.
func (w *spfWalk) record(ctx context.Context, domain, term string) string {
	texts, err := w.dns.txt(ctx, domain)
	if err != nil {
		w.unknown = fmt.Errorf("%s: %w", domain, err)
		return ""
	}
	if len(texts) == 0 {
		w.void(term)
	}
	records := those(texts, isSPF)
	switch len(records) {
	case 0:
		w.fault("spf.include_missing", "the term %s leads to a domain without an SPF record", term)
		return ""
	case 1:
		return records[0]
	}
	w.fault("spf.include_multiple", "the term %s leads to a domain with %d SPF records", term, len(records))
	return ""
}

func (w *spfWalk) void(term string) {
	w.voids++
	w.empty = append(w.empty, term)
}

// walk goes through the terms of a record. Pass says whether what passes here
// passes for the first record. The path is that of the domains to it.
func (w *spfWalk) walk(ctx context.Context, record string, path []string, pass bool) {
	domain := path[len(path)-1]
	if pass {
		w.passes = append(w.passes, domain)
	}
	terms, err := parseSPF(record)
	if err != nil {
		w.fault("spf.syntax", "the record of %s is wrong: %v", domain, err)
		return
	}
	all := slices.IndexFunc(terms, func(t spfTerm) bool { return t.name == "all" })
	for i, term := range terms {
		beyond := all >= 0 && (i > all || term.name == "redirect") // never looked at
		if !term.looksUp() || beyond || w.count >= maxSPFCount || w.unknown != nil {
			continue
		}
		w.count++
		w.look(ctx, term, path, pass)
	}
}

// look makes the lookup of a term.
func (w *spfWalk) look(ctx context.Context, term spfTerm, path []string, pass bool) {
	target := term.domain(path[len(path)-1])
	if target == "" {
		return
	}
	switch term.name {
	case "include", "redirect":
		if slices.Contains(path, target) {
			w.fault("spf.loop", "the term %s leads back to %s", term.text, target)
			return
		}
		if record := w.record(ctx, target, term.text); record != "" {
			through := pass && (term.name == "redirect" || term.qualifier == '+')
			w.walk(ctx, record, append(slices.Clone(path), target), through)
		}
	case "mx":
		found, err := w.dns.LookupMX(ctx, target)
		w.heard(target, term.text, len(found), err)
	case "a", "exists":
		found, err := w.dns.addresses(ctx, target)
		w.heard(target, term.text, len(found), err)
	}
}

func (w *spfWalk) heard(target, term string, found int, err error) {
	if found > 0 {
		return
	}
	if err = known(err); err != nil {
		w.unknown = fmt.Errorf("%s: %w", target, err)
		return
	}
	w.void(term)
}

// costs gives how many lookups each term of a record is worth, the dearest
// first, for advice.
func costs(ctx context.Context, dns *lookups, domain, record string) []string {
	type cost struct {
		term  string
		count int
	}
	var list []cost
	terms, _ := parseSPF(record)
	for _, term := range terms {
		if !term.looksUp() {
			continue
		}
		w := &spfWalk{dns: dns}
		w.count++
		w.look(ctx, term, []string{domain}, false)
		list = append(list, cost{term.text, w.count})
	}
	slices.SortStableFunc(list, func(a, b cost) int { return b.count - a.count })
	var out []string
	for _, c := range list[:min(5, len(list))] {
		out = append(out, fmt.Sprintf("%s (%d)", c.term, c.count))
	}
	return out
}

// withInclude gives a record that lets a sender pass, too.
func withInclude(record, include string) string {
	fields := strings.Fields(record)
	at := slices.IndexFunc(fields, func(f string) bool {
		f = strings.ToLower(f)
		return strings.TrimLeft(f, "+-~?") == "all" || strings.HasPrefix(f, "redirect=")
	})
	if at < 0 {
		at = len(fields)
	}
	return strings.Join(slices.Insert(fields, at, "include:"+include), " ")
}

// replaced gives a record with another term in the place of one.
func replaced(record, term, by string) string {
	fields := strings.Fields(record)
	if at := slices.Index(fields, term); at >= 0 {
		fields[at] = by
	}
	return strings.Join(fields, " ")
}

// merged makes one record of several.
func merged(records []string) string {
	out := []string{"v=spf1"}
	end := ""
	for _, record := range records {
		for _, field := range strings.Fields(record)[1:] {
			bare := strings.TrimLeft(strings.ToLower(field), "+-~?")
			switch {
			case bare == "all":
				end = stricter(end, field)
			case !slices.Contains(out, field):
				out = append(out, field)
			}
		}
	}
	if end == "" || strings.HasPrefix(end, "+") || strings.EqualFold(end, "all") || strings.HasPrefix(end, "?") {
		end = "~all"
	}
	return strings.Join(append(out, end), " ")
}

// stricter chooses between two terms of all: the softer of "-" and "~", so
// that merging refuses no mail that passed before.
func stricter(a, b string) string {
	if a == "" || strings.HasPrefix(b, "~") {
		return b
	}
	return a
}
