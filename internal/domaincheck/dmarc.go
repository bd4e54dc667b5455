package domaincheck

import (
	"context"
	"fmt"
	"net/url"
	"slices"
	"strings"

	"golang.org/x/net/publicsuffix"
)

// dmarcPolicy is what a DMARC record says.
type dmarcPolicy struct {
	record, text string
	tags         tags
	policy       string // that holds for the domain: none, quarantine, reject
	inherited    bool   // it is the organisational domain's
}

// enforced says whether mail that does not align is kept from the inbox.
func (p *dmarcPolicy) enforced() bool { return p.policy != "none" }

// organisational gives the domain that a registrant owns (RFC 7489 section
// 3.2); the domain itself if it is a public suffix.
func organisational(domain string) string {
	owned, err := publicsuffix.EffectiveTLDPlusOne(domain)
	if err != nil {
		return domain
	}
	return owned
}

// dmarc looks at the policy of the domain (RFC 7489 section 6).
func (k *check) dmarc(ctx context.Context) {
	name := "_dmarc." + k.Domain
	texts, err := k.dns.txt(ctx, name)
	if err != nil {
		k.unknown("dmarc", name, err)
		return
	}
	inherited := false
	records := versioned(texts, "DMARC1")
	if owner := organisational(k.Domain); len(records) == 0 && !alike(texts) && owner != k.Domain {
		above, err := k.dns.txt(ctx, "_dmarc."+owner)
		if err != nil {
			k.unknown("dmarc", "_dmarc."+owner, err)
			return
		}
		if len(versioned(above, "DMARC1")) > 0 {
			name, texts, inherited = "_dmarc."+owner, above, true
			records = versioned(above, "DMARC1")
		}
	}
	switch {
	case len(records) > 1:
		k.add(Finding{
			Name: "dmarc", Code: "dmarc.multiple", Status: Failed, Record: name, Found: records, Publish: records[0],
			Detail:   fmt.Sprintf("%s has %d DMARC records, so receivers take none of them (RFC 7489 section 6.6.3).", name, len(records)),
			Remedies: []string{"Delete all but one, such as the one below."},
		})
	case len(records) == 1:
		k.readDMARC(ctx, name, records[0], inherited)
	case alike(texts):
		k.badDMARC(name, texts, `it does not begin with "v=DMARC1;"`)
	default:
		k.noDMARC(ctx)
	}
}

// alike says whether a text was meant to be a DMARC record.
func alike(texts []string) bool {
	return slices.ContainsFunc(texts, func(s string) bool { return strings.Contains(strings.ToLower(s), "dmarc1") })
}

func (k *check) noDMARC(ctx context.Context) {
	name := "_dmarc." + k.Domain
	f := Finding{
		Name: "dmarc", Code: "dmarc.missing", Status: Warning, Record: name,
		Detail:  k.Domain + " has no DMARC record. Large receivers want one of everybody who sends much mail.",
		Publish: "v=DMARC1; p=none; rua=mailto:postmaster@" + k.Domain,
		Remedies: []string{"Publish the TXT record below at " + name + ": it changes nothing yet, but has reports sent.",
			"When the reports show that all your mail passes, change p=none to p=quarantine, then to p=reject."},
	}
	if at := k.misplaced(ctx, name, "DMARC1"); at != "" {
		f.Code, f.Publish = "dmarc.misplaced", ""
		f.Detail = "The DMARC record stands at " + at + ", under the domain twice, where nobody looks."
		f.Remedies = []string{"Move it to " + name + ": most forms want _dmarc alone as the name."}
	}
	k.add(f)
}

func (k *check) badDMARC(name string, texts []string, why string) {
	k.add(Finding{
		Name: "dmarc", Code: "dmarc.syntax", Status: Failed, Record: name, Found: texts,
		Detail:   "The DMARC record is wrong, so receivers leave it aside: " + why + ".",
		Publish:  "v=DMARC1; p=none; rua=mailto:postmaster@" + k.Domain,
		Remedies: []string{"Correct it after the pattern of the one below."},
	})
}

// readDMARC reads the one record there is (RFC 7489 section 6.3).
func (k *check) readDMARC(ctx context.Context, name, text string, inherited bool) {
	list, err := parseTags(text)
	if err != nil {
		k.badDMARC(name, []string{text}, err.Error())
		return
	}
	policy := strings.ToLower(list.get("p"))
	if inherited && list.has("sp") {
		policy = strings.ToLower(list.get("sp"))
	}
	policies := []string{"none", "quarantine", "reject"}
	switch {
	case !list.has("p"):
		k.badDMARC(name, []string{text}, "it has no p=, the policy")
		return
	case !slices.Contains(policies, policy):
		k.badDMARC(name, []string{text}, fmt.Sprintf("%q is no policy", policy))
		return
	}
	p := &dmarcPolicy{record: name, text: text, tags: list, policy: policy, inherited: inherited}
	k.policy = p
	k.reports(ctx, p)
	base := Finding{Name: "dmarc", Record: name, Found: []string{text}}
	if !inherited && p.enforced() && strings.EqualFold(list.get("sp"), "none") {
		f := base
		f.Code, f.Status = "dmarc.subdomains_open", Warning
		f.Detail = "sp=none leaves every subdomain open to forgers, also those that do not exist."
		f.Remedies = []string{"Remove sp= once your subdomains' mail passes."}
		k.add(f)
	}
	f := base
	f.Code, f.Status = "dmarc.ok", OK
	f.Detail = "The policy is " + policy + "."
	if inherited {
		f.Detail = "The policy is " + policy + ", that of " + strings.TrimPrefix(name, "_dmarc.") + "."
	}
	if !p.enforced() {
		f.Code, f.Status = "dmarc.policy_none", Notice
		f.Detail = strings.TrimSuffix(f.Detail, ".") + ": it only watches, and forged mail gets through."
		f.Remedies = []string{"When the reports show that all your mail passes, change p=none to p=quarantine, then to p=reject."}
	}
	k.add(f)
}

// reports looks whether aggregate reports can arrive (RFC 7489 section 7.1).
func (k *check) reports(ctx context.Context, p *dmarcPolicy) {
	f := Finding{Name: "dmarc", Record: p.record, Found: []string{p.text}}
	targets := p.tags.get("rua")
	if targets == "" {
		f.Code, f.Status = "dmarc.no_reports", Notice
		f.Detail = "No reports are asked for (rua=), so nobody learns whether mail of the domain passes."
		f.Publish = strings.TrimRight(strings.TrimSpace(p.text), ";") + "; rua=mailto:postmaster@" + k.Domain
		f.Remedies = []string{"Add rua= with an address where you read the reports, or of a service that does."}
		k.add(f)
		return
	}
	owner := organisational(strings.TrimPrefix(p.record, "_dmarc."))
	for i, target := range strings.Split(targets, ",") {
		if i == maxReports {
			return
		}
		target, _, _ = strings.Cut(strings.TrimSpace(target), "!") // its size limit
		address, err := url.Parse(target)
		at := strings.LastIndexByte(target, '@')
		if err != nil || !strings.EqualFold(address.Scheme, "mailto") || at < 0 || at == len(target)-1 {
			f.Code, f.Status = "dmarc.rua_syntax", Warning
			f.Detail = fmt.Sprintf("rua= holds %q, which is no mailto: address, so no reports arrive there.", target)
			f.Remedies = []string{"Write it as rua=mailto:name@example.com."}
			k.add(f)
			continue
		}
		domain := strings.ToLower(target[at+1:])
		if organisational(domain) != owner {
			k.authorised(ctx, f, strings.TrimPrefix(p.record, "_dmarc."), domain)
		}
	}
}

// maxReports bounds how many addresses for reports are looked at.
const maxReports = 5

// authorised looks whether a foreign domain takes the reports.
func (k *check) authorised(ctx context.Context, f Finding, domain, reporter string) {
	name := domain + "._report._dmarc." + reporter
	texts, err := k.dns.txt(ctx, name)
	if err != nil {
		k.unknown("dmarc", name, err)
		return
	}
	if len(versioned(texts, "DMARC1")) > 0 {
		return
	}
	f.Code, f.Status, f.Record, f.Found, f.Publish = "dmarc.rua_unauthorised", Warning, name, texts, "v=DMARC1"
	f.Detail = reporter + " has not said that it takes reports about " + domain + ", so receivers send none there (RFC 7489 section 7.1)."
	f.Remedies = []string{"Let the owner of " + reporter + " publish the record below at " + name + ", or name an address in " + domain + "."}
	k.add(f)
}

// align looks whether mail passes DMARC: by an aligned envelope sender that
// SPF lets pass, or by a key of the domain. It comes after the other sections.
func (k *check) align() {
	if k.policy == nil {
		return
	}
	spfAligned := aligned(k.Domain, k.Envelope, k.policy.tags.get("aspf"))
	bySPF := k.spfPasses
	if !spfAligned {
		bySPF = no
	}
	byDKIM := k.dkimFound
	if !aligned(k.Domain, k.signer, k.policy.tags.get("adkim")) {
		byDKIM = no
	}
	if bySPF != no || byDKIM != no {
		return // it passes, or that could not be found out
	}
	f := Finding{Name: "dmarc", Code: "dmarc.unaligned", Status: Warning, Record: k.policy.record, Found: []string{k.policy.text}}
	if k.policy.enforced() {
		f.Status = Failed
	}
	why := "SPF does not let it pass"
	if !spfAligned {
		why = "its envelope sender is of " + k.Envelope
	}
	f.Detail = fmt.Sprintf("Mail from %s does not pass DMARC: %s, and there is no DKIM key of the domain.", k.Domain, why)
	if k.policy.enforced() {
		f.Detail += " The policy " + k.policy.policy + " keeps it from the inbox."
	}
	f.Remedies = []string{"Switch DKIM on for " + k.Domain + " where your mail is sent."}
	if !spfAligned {
		f.Remedies = append(f.Remedies, "Or send with an envelope sender in "+k.Domain+", and let SPF pass.")
	} else {
		f.Remedies = append(f.Remedies, "Or mend the SPF record as said above.")
	}
	k.add(f)
}

// aligned compares domains as DMARC does: exactly in strict mode ("s"), else
// by their organisational domains (RFC 7489 section 3.1).
func aligned(from, other, mode string) bool {
	if strings.EqualFold(mode, "s") {
		return strings.EqualFold(from, other)
	}
	return strings.EqualFold(organisational(from), organisational(other))
}
