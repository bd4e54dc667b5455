// Package discover finds out how mail of an address can be submitted: by the
// presets of providers, by what the address's domain publishes (MX, SRV, the
// configuration file for mail clients), and at last by guessing. What was found
// it can try, up to the login.
//
// Names, records and files are those of strangers. Lookups and fetches are
// bounded, and a password goes only to servers that the address itself vouches
// for, over TLS with a verified certificate.
package discover

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/net/publicsuffix"

	"github.com/postilion-mail/postilion/internal/mail"
	"github.com/postilion-mail/postilion/internal/provider"
)

const (
	// lookupTime is how long Find takes at most, so that time is left to try
	// what it found.
	lookupTime = 8 * time.Second
	// maxFound is how many ways Find gives at most: strangers' records must
	// not make us call half of the Internet.
	maxFound = 12
)

// Source is how a way to send was found.
type Source int

// The sources, the most telling first.
const (
	FromProvider   Source = iota + 1 // the domain is a provider's own
	FromMX                           // the domain's mail exchanger is a provider's
	FromSRV                          // SRV records (RFC 6186, RFC 8314)
	FromAutoconfig                   // the configuration file for mail clients
	FromVariation                    // another port or security of a host that was found or given
	FromGuess                        // a usual name
)

// Confidence is how sure a finding is before it was tried.
type Confidence int

// The confidences.
const (
	Low Confidence = iota + 1
	Medium
	High
)

// Values of Found.Security, as the smtp transport has them. Find never gives
// a way without encryption.
const (
	implicitTLS = "tls"
	startTLS    = "starttls"
)

// Found is a way to send mail.
type Found struct {
	Provider string // id of the preset, empty if none
	Host     string // in ASCII
	Port     uint16
	Security string // "tls" or "starttls"
	Auth     string // as the smtp transport's setting; empty for automatic
	Username string // to log in with; empty if it is not known
	Source   Source
	// Detail is where exactly it was found, such as "SRV
	// _submissions._tcp.example.org".
	Detail     string
	Confidence Confidence
	// Vouched tells that the host may be given the password of the address:
	// it is a known provider's, within the address's own domain, or named by a
	// file that the domain serves by HTTPS. Records of DNS alone are not
	// enough (RFC 6186 section 6): they can be forged.
	Vouched bool
}

func (f Found) key() string { return fmt.Sprintf("%s:%d %s", f.Host, f.Port, f.Security) }

// Findings are what Find found.
type Findings struct {
	Address string // the mail address that was asked about; empty for a domain
	Domain  string // in ASCII
	Found   []Found
	// Guesses are usual names that were looked for nowhere; Try takes them
	// when nothing else works.
	Guesses []Found
	Notes   []string // what else was noticed, for people
}

// Resolver is what Find needs of *net.Resolver.
type Resolver interface {
	LookupMX(ctx context.Context, domain string) ([]*net.MX, error)
	LookupSRV(ctx context.Context, service, proto, domain string) (string, []*net.SRV, error)
}

// Finder finds ways to send. It is safe for concurrent use.
type Finder struct {
	// Resolver asks the name system.
	Resolver Resolver
	// Web fetches configuration files from the names that the domain gives its
	// own hosts, Elsewhere from where those redirect to. Neither may follow
	// redirects; see Client.
	Web, Elsewhere *http.Client

	limit time.Duration // in place of lookupTime, for tests
}

// Find looks up how mail of an address or domain can be sent, best first. It
// tries nothing. Failed lookups are notes; the error is for an address that is
// none, a *mail.FieldError whose Field is "address".
func (f *Finder) Find(ctx context.Context, address string) (Findings, error) {
	out, err := parse(address)
	if err != nil {
		return out, err
	}
	if p, ok := provider.ByDomain(out.Domain); ok {
		out.add(preset(p, out.Address, FromProvider, out.Domain+" is a domain of "+p.Title))
		return out, nil // its own records say the same, or less
	}
	ctx, cancel := context.WithTimeout(ctx, cmp.Or(f.limit, lookupTime))
	defer cancel()
	var mx exchangers
	var srv, files answer
	var all sync.WaitGroup
	all.Go(func() { srv = f.records(ctx, &out) })
	all.Go(func() { files = f.files(ctx, &out, out.Domain) })
	all.Go(func() { mx = f.exchangers(ctx, &out) })
	all.Wait()
	// A hoster's file about its customers' mail stands at the hoster (as
	// Thunderbird looks for it, too).
	if hoster := mx.domain; len(mx.found)+len(srv.found)+len(files.found) == 0 && hoster != "" && hoster != registered(out.Domain) {
		more := f.files(ctx, &out, hoster)
		files.found = append(files.found, more.found...)
		files.notes = append(files.notes, more.notes...)
	}
	for _, a := range []answer{mx.answer, srv, files} {
		out.add(a.found...)
		out.Notes = append(out.Notes, a.notes...)
	}
	if mx.missing != "" && len(out.Found) == 0 {
		out.Notes = append(out.Notes, mx.missing)
	}
	out.rank()
	out.guess(mx.hosts)
	return out, nil
}

// answer is what one source had.
type answer struct {
	found []Found
	notes []string
}

func (a *answer) note(format string, args ...any) {
	a.notes = append(a.notes, fmt.Sprintf(format, args...))
}

// parse takes a mail address, or a domain.
func parse(address string) (out Findings, err error) {
	address = strings.TrimSpace(address)
	if strings.Contains(address, "@") {
		var path mail.Path
		path, err = mail.ParsePath(address)
		out = Findings{Address: path.String(), Domain: path.Domain}
	} else {
		out.Domain, err = mail.ParseDomain(address)
	}
	refused := (*mail.FieldError)(nil)
	switch {
	case address == "":
		err = &mail.FieldError{Field: "address", Reason: "is missing; give a mail address or a domain"}
	case errors.As(err, &refused):
		err = &mail.FieldError{Field: "address", Reason: refused.Reason}
	case err == nil && !strings.Contains(out.Domain, "."):
		err = &mail.FieldError{Field: "address", Reason: "has a domain without a dot, about which nobody publishes anything; give host and port to configure"}
	}
	return out, err
}

// preset is what a provider's preset tells.
func preset(p provider.Provider, address string, source Source, detail string) Found {
	f := Found{
		Provider: p.ID, Host: p.Host, Port: p.Port, Security: p.Security, Auth: p.Auth,
		Source: source, Detail: detail, Confidence: High, Vouched: true,
	}
	if p.UsesAddress() {
		f.Username = address
	}
	return f
}

// add merges ways into the findings. One that is there already, from a more
// telling source, gets the other's place as well.
func (o *Findings) add(more ...Found) {
	for _, f := range more {
		i := slices.IndexFunc(o.Found, func(g Found) bool { return g.key() == f.key() })
		if i < 0 {
			o.Found = append(o.Found, f)
			continue
		}
		first := &o.Found[i]
		first.Detail += ", " + f.Detail
		first.Confidence = max(first.Confidence, f.Confidence)
		first.Vouched = first.Vouched || f.Vouched
		first.Username = cmp.Or(first.Username, f.Username)
		first.Auth = cmp.Or(first.Auth, f.Auth)
	}
}

func (o *Findings) rank() {
	slices.SortStableFunc(o.Found, func(a, b Found) int {
		return cmp.Or(cmp.Compare(b.Confidence, a.Confidence), cmp.Compare(a.Source, b.Source))
	})
	if len(o.Found) > maxFound {
		o.Notes = append(o.Notes, fmt.Sprintf("More than %d servers were named; the others were left out.", maxFound))
		o.Found = o.Found[:maxFound]
	}
}

// guess makes up the usual names; the exchangers within the domain are one,
// since small sites have a single mail server.
func (o *Findings) guess(exchangers []string) {
	hosts := []string{"smtp." + o.Domain, "mail." + o.Domain}
	for _, host := range exchangers {
		if within(host, o.Domain) && !slices.Contains(hosts, host) {
			hosts = append(hosts, host)
		}
	}
	const most = 4
	for _, host := range hosts[:min(len(hosts), most)] {
		for _, m := range usual[:2] {
			o.Guesses = append(o.Guesses, Found{
				Host: host, Port: m.port, Security: m.security, Username: o.Address,
				Source: FromGuess, Detail: "the usual name " + host, Confidence: Low, Vouched: true,
			})
		}
	}
}

// vouched tells whether a host may be trusted with the password on the word of
// DNS alone.
func vouched(host, domain string) bool {
	if _, known := provider.ByHost(host); known {
		return true
	}
	return within(host, domain)
}

// within tells whether a host belongs to the owner of a domain: both have the
// same registered domain, or the host is beneath the domain.
func within(host, domain string) bool {
	if host == domain || strings.HasSuffix(host, "."+domain) {
		return true
	}
	own := registered(domain)
	return own != "" && own == registered(host)
}

// registered gives the part of a name that its owner has registered, such as
// example.co.uk; empty if it has none.
func registered(name string) string {
	base, err := publicsuffix.EffectiveTLDPlusOne(name)
	if err != nil {
		return ""
	}
	return base
}
