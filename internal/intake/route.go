package intake

import (
	"strings"

	"github.com/postilion-mail/postilion/internal/mail"
	"github.com/postilion-mail/postilion/internal/outbox"
	"github.com/postilion-mail/postilion/internal/registry"
)

// subject is what routes look at.
type subject struct {
	client     string   // name
	from       string   // address
	recipients []string // addresses
	tags       []string
	header     func(name string) []string
}

func routeSubject(s *Submission, c *mail.Content, recipients []outbox.Recipient) subject {
	out := subject{client: s.Client.Name, tags: s.Tags, header: c.Header}
	if len(c.Identity.From) > 0 {
		out.from = c.Identity.From[0].Addr
	}
	for _, r := range recipients {
		out.recipients = append(out.recipients, r.Address)
	}
	return out
}

// matches says whether all of a route's conditions hold. Of each list one
// entry is enough, save that all recipients must be in the domains: a message
// goes through one connection.
func matches(r *registry.Route, s subject) bool {
	return either(r.Clients, func(name string) bool { return name == s.client }) &&
		either(r.From, func(from string) bool { return matchesAddress(from, s.from) }) &&
		either(r.Tags, func(tag string) bool {
			return len(s.tags) > 0 && either(s.tags, func(own string) bool { return own == tag })
		}) &&
		either(r.Headers, func(h registry.Header) bool { return matchesHeader(h, s.header(h.Name)) }) &&
		matchesDomains(r.RecipientDomains, s.recipients)
}

// either is true when it holds for one of a list, or the list is empty.
func either[T any](list []T, holds func(T) bool) bool {
	for _, one := range list {
		if holds(one) {
			return true
		}
	}
	return len(list) == 0
}

// matchesAddress compares with an address, or with a domain as "@example.com".
func matchesAddress(pattern, address string) bool {
	if domain, ok := strings.CutPrefix(pattern, "@"); ok {
		return strings.EqualFold(domain, domainOf(address))
	}
	return strings.EqualFold(pattern, address)
}

func domainOf(address string) string { return address[strings.LastIndexByte(address, '@')+1:] }

func matchesHeader(want registry.Header, values []string) bool {
	for _, value := range values {
		if want.Value == "" || want.Value == value {
			return true
		}
	}
	return false
}

func matchesDomains(domains, recipients []string) bool {
	for _, address := range recipients {
		if !either(domains, func(d string) bool { return strings.EqualFold(strings.TrimPrefix(d, "@"), domainOf(address)) }) {
			return false
		}
	}
	return true
}
