package discover

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"sync"

	"github.com/postilion-mail/postilion/internal/mail"
	"github.com/postilion-mail/postilion/internal/provider"
)

const (
	maxExchangers = 10 // of a domain that are looked at
	maxTargets    = 4  // of the SRV records of a service
)

// exchangers are what a domain's MX records tell.
type exchangers struct {
	answer
	hosts   []string // by preference
	domain  string   // the registered domain of the first
	missing string   // a note that there are none
}

// exchangers looks up the domain's MX. Who receives the mail of a domain
// mostly sends it, too.
func (f *Finder) exchangers(ctx context.Context, out *Findings) exchangers {
	var e exchangers
	records, err := f.Resolver.LookupMX(ctx, out.Domain)
	// Of records with bad names the resolver gives the good ones and an error.
	if len(records) == 0 && err != nil {
		e.missing = fmt.Sprintf("No mail exchanger (MX) of %s was found: %s.", out.Domain, lookupReason(err))
		return e
	}
	for _, r := range records[:min(len(records), maxExchangers)] { // sorted by preference
		if r.Host == "." { // RFC 7505
			e.note("%s takes no mail, as its null MX says.", out.Domain)
			continue
		}
		if host, err := mail.ParseDomain(strings.TrimSuffix(r.Host, ".")); err == nil {
			e.hosts = append(e.hosts, host)
		}
	}
	for _, host := range e.hosts {
		if p, ok := provider.ByMX(host); ok {
			e.found = []Found{preset(p, out.Address, FromMX, "MX "+host+" of "+out.Domain)}
			break
		}
	}
	if len(e.hosts) > 0 {
		e.domain = registered(e.hosts[0])
	}
	return e
}

// records looks up the SRV records of submission: RFC 6186 section 3.1, RFC
// 8314 section 5.1.
func (f *Finder) records(ctx context.Context, out *Findings) answer {
	services := []struct{ name, security string }{{"submissions", implicitTLS}, {"submission", startTLS}}
	answers := make([]answer, len(services))
	var all sync.WaitGroup
	for i, service := range services {
		all.Go(func() { answers[i] = f.service(ctx, out, service.name, service.security) })
	}
	all.Wait()
	return answer{slices.Concat(answers[0].found, answers[1].found), slices.Concat(answers[0].notes, answers[1].notes)}
}

func (f *Finder) service(ctx context.Context, out *Findings, service, security string) answer {
	var a answer
	name := "_" + service + "._tcp." + out.Domain
	_, records, err := f.Resolver.LookupSRV(ctx, service, "tcp", out.Domain)
	if len(records) == 0 && err != nil {
		if !notFound(err) {
			a.note("SRV %s was not found: %s.", name, lookupReason(err))
		}
		return a
	}
	// The weight is for spreading load; whoever keeps one server takes the one
	// that should have the most.
	slices.SortStableFunc(records, func(x, y *net.SRV) int {
		return cmp.Or(cmp.Compare(x.Priority, y.Priority), cmp.Compare(y.Weight, x.Weight), cmp.Compare(x.Target, y.Target))
	})
	for _, r := range records {
		if r.Target == "." { // RFC 2782: decidedly not available
			a.note("%s does not offer %s, as its SRV record says.", out.Domain, service)
			return answer{notes: a.notes}
		}
		host, err := mail.ParseDomain(strings.TrimSuffix(r.Target, "."))
		if err != nil || r.Port == 0 {
			continue
		}
		one := Found{
			Host: host, Port: r.Port, Security: security, Username: out.Address,
			Source: FromSRV, Detail: "SRV " + name, Confidence: High, Vouched: vouched(host, out.Domain),
		}
		if p, ok := provider.ByHost(host); ok {
			one.Provider, one.Auth = p.ID, p.Auth
		}
		if !one.Vouched {
			one.Confidence = Medium
		}
		if a.found = append(a.found, one); len(a.found) == maxTargets {
			break
		}
	}
	return a
}

func notFound(err error) bool {
	dns := (*net.DNSError)(nil)
	return errors.As(err, &dns) && dns.IsNotFound
}

// lookupReason words the failure of a lookup without the names of servers.
func lookupReason(err error) string {
	dns := (*net.DNSError)(nil)
	switch {
	case notFound(err):
		return "there is none in DNS"
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &dns) && dns.IsTimeout:
		return "DNS did not answer in time"
	case errors.As(err, &dns):
		return fmt.Sprintf("DNS answered %q", dns.Err)
	}
	return "the lookup failed"
}
