// Package provider knows the mail providers that people use: where their
// submission servers are, how to log in there, and the limits that they
// state. It is data; what is done with it is the callers' affair.
package provider

import (
	"cmp"
	"slices"
	"strings"

	"github.com/postilion-mail/postilion/internal/spell"
)

// Provider is a preset for an SMTP connection.
type Provider struct {
	ID       string // as users write it: a-z, 0-9, "-" and "."
	Title    string // for people
	Host     string
	Port     uint16
	Security string // "tls" from the first octet, or "starttls"
	Auth     string // as the smtp transport's setting; empty for automatic
	Username string // what the user name is, for people
	Password string // what the password is, for people
	// PasswordLink is where to get the app password or key; empty if the
	// password is the one of the mailbox.
	PasswordLink string
	// OAuth says whether, and from when on, a login takes OAuth 2.0 in place of
	// a password, for people; empty if a password is enough.
	OAuth string
	// FromRule says which addresses the provider takes in From, for people;
	// empty where the vendor states nothing.
	FromRule string
	Link     string   // the vendor's page about it
	Sources  []string // pages that the facts were taken from, Link first
	Limits   Limits
	Domains  []string // of mail addresses that are this provider's own
	MX       []string // suffixes of the mail exchangers of domains that it hosts
	// SPF are the domains whose records a customer's domain includes (RFC 7208
	// section 5.2); empty where the provider sends with an envelope sender of
	// its own, or the record is each customer's own.
	SPF []string
	// ReturnPath is the domain of the envelope sender that the provider puts in
	// the place of the customer's, unless the account has a domain of its own
	// for it. SPF is about that domain then, and the customer's does not matter.
	ReturnPath string
	// UserEnvelope says that the envelope sender is of the user name's domain,
	// where the keys of DKIM are, too.
	UserEnvelope bool
	// OwnEnvelope says that the envelope sender may be one that the provider
	// chooses, by the account: the customer's domain matters for SPF only where
	// it does not.
	OwnEnvelope bool
	// DKIMSelectors are those under which a customer's domain has the keys
	// (RFC 6376 section 3.1); empty where each customer has others.
	DKIMSelectors []string
}

// Limits are those that the vendor states for everybody, in recipients; 0
// where it states none, or where they depend on the account.
type Limits struct {
	PerSecond, PerMinute, PerHour, PerDay, RecipientsPerMessage uint32
}

// All gives the providers by id.
func All() []Provider {
	all := append(slices.Concat(mailboxes(), portals(), hosters(), services()), regions()...)
	for i := range all {
		all[i].Sources = append([]string{all[i].Link}, all[i].Sources...)
	}
	slices.SortFunc(all, func(a, b Provider) int { return cmp.Compare(a.ID, b.ID) })
	return all
}

// Get finds a provider by its id, without regard to case.
func Get(id string) (Provider, bool) {
	id = strings.ToLower(id)
	for _, p := range All() {
		if p.ID == id {
			return p, true
		}
	}
	return Provider{}, false
}

// ByDomain finds the provider whose own mail domain it is, such as gmail.com.
func ByDomain(domain string) (Provider, bool) {
	domain = strings.ToLower(domain)
	for _, p := range All() {
		if slices.Contains(p.Domains, domain) {
			return p, true
		}
	}
	return Provider{}, false
}

// ByMX finds the provider that a mail exchanger belongs to: the one with the
// longest suffix of whole labels.
func ByMX(host string) (found Provider, ok bool) {
	host = strings.TrimSuffix(strings.ToLower(host), ".")
	longest := 0
	for _, p := range All() {
		for _, suffix := range p.MX {
			if len(suffix) > longest && (host == suffix || strings.HasSuffix(host, "."+suffix)) {
				found, ok, longest = p, true, len(suffix)
			}
		}
	}
	return found, ok
}

// ByHost finds a provider by its submission server.
func ByHost(host string) (Provider, bool) {
	host = strings.TrimSuffix(strings.ToLower(host), ".")
	for _, p := range All() {
		if p.Host == host {
			return p, true
		}
	}
	return Provider{}, false
}

// UsesAddress tells whether the user name is the whole mail address.
func (p Provider) UsesAddress() bool { return p.Username == wholeAddress }

// Near gives ids that somebody may have meant by a wrong one, the likeliest
// first, at most five.
func Near(id string) []string {
	id = strings.ToLower(strings.TrimSpace(id))
	if id == "" {
		return nil
	}
	type candidate struct {
		id    string
		worth int
	}
	var found []candidate
	for _, p := range All() {
		if worth := resemblance(id, p); worth > 0 {
			found = append(found, candidate{p.ID, worth})
		}
	}
	slices.SortStableFunc(found, func(a, b candidate) int { return cmp.Compare(b.worth, a.worth) })
	var ids []string
	for _, c := range found[:min(5, len(found))] {
		ids = append(ids, c.id)
	}
	return ids
}

// resemblance is 0 for no likeness.
func resemblance(id string, p Provider) int {
	squeeze := strings.NewReplacer(" ", "", "-", "", ".", "", "_", "").Replace
	want, have, title := squeeze(id), squeeze(p.ID), squeeze(strings.ToLower(p.Title))
	switch {
	case want == "":
		return 0
	case want == have || want == title || slices.Contains(p.Domains, id) || id == p.Host:
		return 100
	case strings.HasPrefix(have, want) || strings.HasPrefix(title, want):
		return 50
	case len(have) > 2 && strings.HasPrefix(want, have):
		return 40
	case len(want) > 2 && (strings.Contains(have, want) || strings.Contains(title, want)):
		return 30
	}
	if len(want) < 40 {
		if far := spell.Distance(want, have); far <= 1+len(want)/4 {
			return 20 - far
		}
	}
	return 0
}
