package domaincheck

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"

	"blitiri.com.ar/go/spf"
)

// spf looks at SPF (RFC 7208): at the domain of the envelope sender, whether
// who sends passes; at that of From, if it is another, for its soundness.
func (k *check) spf(ctx context.Context) {
	k.spfOf(ctx, k.Envelope, true)
	if !strings.EqualFold(k.Envelope, k.Domain) {
		k.spfOf(ctx, k.Domain, false)
	}
}

// spfOf looks at the record of one domain.
func (k *check) spfOf(ctx context.Context, domain string, sends bool) {
	texts, err := k.dns.txt(ctx, domain)
	if err != nil {
		k.unknown("spf", domain, err)
		return
	}
	records := those(texts, isSPF)
	switch {
	case len(records) == 0:
		k.noSPF(domain, those(texts, likeSPF), sends)
	case len(records) > 1:
		k.answerSPF(sends, no)
		k.add(Finding{
			Name: "spf", Code: "spf.multiple", Status: Failed, Record: domain, Found: records, Publish: k.asking(merged(records), sends),
			Detail:   fmt.Sprintf("%s has %d SPF records. Receivers take that for an error, as if there were none (RFC 7208 section 4.5).", domain, len(records)),
			Remedies: []string{"Delete them and publish the one record below, which holds the terms of all."},
		})
	default:
		k.soundSPF(ctx, domain, records[0], sends)
	}
}

// those gives the texts that something holds for. An answer of the name system
// is shared, so it is never changed.
func those(texts []string, holds func(string) bool) []string {
	var found []string
	for _, text := range texts {
		if holds(text) {
			found = append(found, text)
		}
	}
	return found
}

// answerSPF keeps for DMARC whether mail passes. What fails at the domain may
// pass at an envelope sender that the provider chooses.
func (k *check) answerSPF(sends bool, a answer) {
	if sends && !(a == no && k.OwnEnvelope) {
		k.spfPasses = a
	}
}

// asking adds the sender to a record that is to be published, if it is not in
// it.
func (k *check) asking(record string, sends bool) string {
	if !sends || len(k.Includes) == 0 {
		return record
	}
	for _, include := range k.Includes {
		if strings.Contains(strings.ToLower(record), "include:"+include) {
			return record
		}
	}
	return withInclude(record, k.Includes[0])
}

func (k *check) noSPF(domain string, alike []string, sends bool) {
	f := Finding{
		Name: "spf", Code: "spf.missing", Status: Failed, Record: domain, Found: alike,
		Detail:  domain + " has no SPF record, so nobody knows which servers may send its mail.",
		Publish: k.asking("v=spf1 ~all", sends),
	}
	if len(alike) > 0 {
		f.Code = "spf.version"
		f.Detail = domain + ` has a text that looks like an SPF record, but does not begin with "v=spf1" and a space, so receivers leave it aside.`
	}
	if !sends {
		f.Status, f.Publish = Notice, ""
		f.Detail += " It does not matter for this mail, whose envelope sender is of " + k.Envelope + "."
	} else {
		f.Remedies = []string{"Publish the TXT record below at " + domain + ".", "If other servers send mail of the domain, too, add them before ~all."}
		if len(k.Includes) == 0 {
			f.Publish = ""
			f.Remedies = []string{"Look in the documentation of who sends your mail for its SPF include, and publish a TXT record such as v=spf1 include:THAT ~all at " + domain + "."}
		}
		k.answerSPF(sends, no)
		k.mayBeOwn(&f)
	}
	k.add(f)
}

// soundSPF looks at the one record that there is.
func (k *check) soundSPF(ctx context.Context, domain, record string, sends bool) {
	walk := &spfWalk{dns: k.dns}
	walk.walk(ctx, record, []string{domain}, true)
	if walk.unknown != nil {
		k.unknown("spf", domain, walk.unknown)
		return
	}
	base := Finding{Name: "spf", Record: domain, Found: []string{record}}
	loose, cure := looseSPF(base, record)
	broken := k.brokenSPF(ctx, base, walk, record)
	var unfit *Finding
	if broken || !sends {
		k.answerSPF(sends, no)
	} else if unfit = k.sender(ctx, base, walk); unfit != nil && unfit.Code == "spf.provider_missing" {
		cure = withInclude(cure, k.Includes[0])
		unfit.Publish = cure
	}
	if loose != nil && cure != record {
		loose.Publish = cure // one record that mends both
	}
	for _, f := range []*Finding{unfit, loose} {
		if f != nil {
			k.add(*f)
		}
	}
	if !broken && loose == nil && unfit == nil {
		f := base
		f.Code, f.Status = "spf.ok", OK
		f.Detail = fmt.Sprintf("The record is sound and takes %d of 10 lookups", walk.count)
		if sends && k.spfPasses == yes {
			f.Detail += "; mail of " + k.senderName() + " passes"
		}
		f.Detail += "."
		k.add(f)
	}
}

func (k *check) senderName() string {
	switch {
	case k.Sender != "":
		return k.Sender
	case k.Host != "":
		return k.Host
	}
	return "the sender"
}

// brokenSPF reports what makes receivers leave the record aside.
func (k *check) brokenSPF(ctx context.Context, base Finding, walk *spfWalk, record string) bool {
	remedies := map[string][]string{
		"spf.syntax":           {"Correct the term. One that is not known makes the whole record invalid (RFC 7208 section 4.6)."},
		"spf.loop":             {"Remove the term that leads back."},
		"spf.include_missing":  {"Remove the term, or correct the name: the domain has no SPF record, which makes the whole record invalid."},
		"spf.include_multiple": {"Ask the owner of that domain to publish one record only; until then remove the term."},
	}
	seen := map[string]bool{}
	for _, fault := range walk.faults {
		if seen[fault.code] {
			continue
		}
		seen[fault.code] = true
		f := base
		f.Code, f.Status, f.Remedies = fault.code, Failed, remedies[fault.code]
		f.Detail = strings.ToUpper(fault.text[:1]) + fault.text[1:] + "."
		k.add(f)
	}
	if walk.count > spfLookups {
		f := base
		f.Code, f.Status = "spf.too_many_lookups", Failed
		f.Detail = fmt.Sprintf("The record takes %d lookups, and 10 are allowed: receivers leave it aside (RFC 7208 section 4.6.4).", walk.count)
		f.Remedies = []string{"Remove terms of services that no longer send. What each takes: " + strings.Join(costs(ctx, k.dns, base.Record, record), ", ") + ".",
			"Move a service to a subdomain of its own, with a record of its own."}
		k.add(f)
	}
	if walk.voids > spfVoids {
		f := base
		f.Code, f.Status = "spf.too_many_voids", Failed
		f.Detail = fmt.Sprintf("%d terms lead to names without records, and receivers may stop after 2 (RFC 7208 section 4.6.4): %s.", walk.voids, strings.Join(walk.empty[:min(5, len(walk.empty))], ", "))
		f.Remedies = []string{"Remove or correct these terms."}
		k.add(f)
	}
	return len(walk.faults) > 0 || walk.count > spfLookups || walk.voids > spfVoids
}

// looseSPF is about a record that says too little; nil if it does not. The
// cure is the record as it should be in that respect.
func looseSPF(f Finding, record string) (loose *Finding, cure string) {
	terms, err := parseSPF(record)
	if err != nil {
		return nil, record // that is reported
	}
	at := slices.IndexFunc(terms, func(t spfTerm) bool { return t.name == "all" })
	redirects := slices.ContainsFunc(terms, func(t spfTerm) bool { return t.name == "redirect" })
	switch {
	case at >= 0 && terms[at].qualifier == '+':
		f.Code, f.Status = "spf.pass_all", Failed
		f.Detail = "The record ends with +all: every machine in the world may send mail as " + f.Record + ", and filters hold that against the domain."
		cure = replaced(record, terms[at].text, "~all")
	case at >= 0 && terms[at].qualifier == '?':
		f.Code, f.Status = "spf.neutral_all", Warning
		f.Detail = "The record ends with ?all, which says nothing about other servers: forged mail looks like yours."
		cure = replaced(record, terms[at].text, "~all")
	case at < 0 && !redirects:
		f.Code, f.Status = "spf.no_all", Warning
		f.Detail = "The record has no all at its end, so it says nothing about other servers."
		cure = record + " ~all"
	case at >= 0 && at < len(terms)-1 && slices.ContainsFunc(terms[at+1:], func(t spfTerm) bool { return t.qualifier != 0 }):
		f.Code, f.Status = "spf.after_all", Warning
		f.Detail = fmt.Sprintf("What stands after %s is never looked at.", terms[at].text)
		f.Remedies = []string{"Move " + terms[at].text + " to the end."}
		return &f, record
	default:
		return nil, record
	}
	f.Remedies = []string{"Put ~all at the end; when all mail passes, -all."}
	return &f, cure
}

// sender looks whether the mail that we send passes; nil if it does, or nobody
// can say.
func (k *check) sender(ctx context.Context, f Finding, walk *spfWalk) *Finding {
	if len(k.Includes) == 0 {
		return k.hostPasses(ctx, f)
	}
	for _, include := range k.Includes {
		if slices.Contains(walk.passes, strings.ToLower(include)) {
			k.spfPasses = yes
			return nil
		}
	}
	pass := false
	networks, err := k.networks(ctx, k.Includes[0])
	if err == nil && len(networks) > 0 {
		pass, err = k.allPass(ctx, f.Record, networks)
	}
	switch {
	case err != nil:
		return unknown("spf", k.Includes[0], err)
	case pass: // the networks stand in the record themselves
		k.spfPasses = yes
		return nil
	}
	k.answerSPF(true, no)
	f.Code, f.Status = "spf.provider_missing", Failed
	f.Detail = "The record does not let mail of " + k.senderName() + " pass, so receivers take it for forged."
	f.Remedies = []string{"Replace the record by the one below, which has include:" + k.Includes[0] + "."}
	k.mayBeOwn(&f)
	return &f
}

// mayBeOwn makes a failure a warning where the provider chooses the envelope
// sender.
func (k *check) mayBeOwn(f *Finding) {
	if k.OwnEnvelope {
		f.Status = Warning
		f.Detail += " That matters only if " + k.senderName() + " sends with an envelope sender of " + f.Record + ", not with one of its own."
	}
}

// hostPasses judges by the addresses of the server that mail is given to:
// those that it sends from may be others.
func (k *check) hostPasses(ctx context.Context, f Finding) *Finding {
	if k.Host == "" {
		return nil
	}
	var addresses []net.IPAddr
	if ip, err := netip.ParseAddr(k.Host); err == nil {
		addresses = []net.IPAddr{{IP: ip.AsSlice()}}
	} else if addresses, err = k.dns.addresses(ctx, k.Host); err != nil || len(addresses) == 0 {
		return nil // the test of the connection says more about it
	}
	pass, err := k.allPass(ctx, f.Record, addresses[:1])
	switch {
	case err != nil:
		return unknown("spf", f.Record, err)
	case pass:
		k.spfPasses = yes
		return nil
	}
	f.Code, f.Status = "spf.server_not_listed", Warning
	f.Detail = "The record does not let the address of " + k.Host + " pass. That is right only if that server hands mail on to another one that passes."
	f.Remedies = []string{"Look in the documentation of who runs " + k.Host + " for its SPF include.",
		"If it is your own server, add a:" + k.Host + " before the end of the record."}
	return &f
}

// maxSamples bounds how many addresses of a sender are tried.
const maxSamples = 4

// networks gives an address of each of some networks of a sender.
func (k *check) networks(ctx context.Context, include string) ([]net.IPAddr, error) {
	var samples []net.IPAddr
	seen := []string{}
	for queue := []string{include}; len(queue) > 0 && len(samples) < maxSamples && len(seen) < spfLookups; queue = queue[1:] {
		if slices.Contains(seen, queue[0]) {
			continue
		}
		seen = append(seen, queue[0])
		texts, err := k.dns.txt(ctx, queue[0])
		if err != nil {
			return nil, err
		}
		for _, text := range texts {
			if !isSPF(text) {
				continue
			}
			terms, _ := parseSPF(text)
			for _, term := range terms {
				switch {
				case term.qualifier == '+' && (term.name == "ip4" || term.name == "ip6") && len(samples) < maxSamples:
					address, _, _ := strings.Cut(term.value, "/")
					samples = append(samples, net.IPAddr{IP: net.ParseIP(address)})
				case term.name == "include" || term.name == "redirect":
					if next := term.domain(queue[0]); next != "" {
						queue = append(queue, next)
					}
				}
			}
		}
	}
	return samples, nil
}

// allPass evaluates the record of a domain for addresses.
func (k *check) allPass(ctx context.Context, domain string, addresses []net.IPAddr) (bool, error) {
	for _, address := range addresses {
		result, err := spf.CheckHostWithSender(address.IP, domain, "postmaster@"+domain, spf.WithContext(ctx), spf.WithResolver(k.dns))
		switch result {
		case spf.Pass:
		case spf.TempError:
			if err = known(err); err == nil {
				err = fmt.Errorf("it could not be evaluated")
			}
			return false, err
		default:
			return false, nil
		}
	}
	return true, nil
}
