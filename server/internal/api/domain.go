package api

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/postilion-mail/postilion/internal/domaincheck"
	"github.com/postilion-mail/postilion/internal/guard"
	"github.com/postilion-mail/postilion/internal/mail"
	"github.com/postilion-mail/postilion/internal/provider"
	"github.com/postilion-mail/postilion/internal/registry"
	postilionv1 "github.com/postilion-mail/postilion/proto/gen/postilion/v1"
	"github.com/postilion-mail/postilion/server/internal/auth"
	"github.com/postilion-mail/postilion/server/internal/convert"
	"github.com/postilion-mail/postilion/server/internal/fault"
)

// maxSelectors bounds the DKIM selectors of one request.
const maxSelectors = 10

// CheckDomain implements postilion.v1.ConnectionService.
func (a *API) CheckDomain(ctx context.Context, req *postilionv1.CheckDomainRequest) (*postilionv1.CheckDomainResponse, error) {
	domain, err := domainOf(req.GetDomain())
	if err != nil {
		return nil, err
	}
	if len(req.GetDkimSelectors()) > maxSelectors {
		return nil, fault.Invalid("dkim_selectors", "has too many entries", "give at most 10")
	}
	for _, selector := range req.GetDkimSelectors() {
		if _, err := mail.ParseDomain(selector + ".example"); err != nil {
			return nil, fault.Invalid("dkim_selectors", "holds something that is no selector", "give what stands after s= in DKIM-Signature")
		}
	}
	var c *registry.Connection
	if req.GetConnection() != "" || req.GetProvider() == "" { // else it is about another way than the default
		if c, err = a.sends(ctx, req.GetConnection()); err != nil {
			return nil, err
		}
	}
	wanted := domainRequest(domain, c)
	wanted.Selectors = req.GetDkimSelectors()
	if id := req.GetProvider(); id != "" {
		p, ok := provider.Get(id)
		if !ok {
			return nil, fault.Invalid("provider", "there is no preset for this provider", "see ListProviders (postilion providers)")
		}
		byProvider(&wanted, p, "")
	}
	id := auth.From(ctx)
	if !id.Admin() {
		if wait := a.tests.take(id.Client, time.Now()); wait > 0 {
			return nil, tooManyTests(wait)
		}
	}
	ctx, end := a.untilStop(ctx)
	defer end()
	ctx, cancel := context.WithTimeout(ctx, maxTest)
	defer cancel()
	out := a.checkDomain(ctx, wanted)
	if context.Cause(ctx) == errStopping {
		return nil, errStopping
	}
	return out, nil
}

// domainOf takes a domain, or that of an address.
func domainOf(text string) (string, error) {
	if text == "" {
		return "", fault.Invalid("domain", "is missing", "give the domain that mail comes from, or an address in it")
	}
	text = text[strings.LastIndexByte(text, '@')+1:]
	domain, err := mail.ParseDomain(strings.TrimSuffix(text, "."))
	if err != nil {
		return "", fault.Invalid("domain", "is no domain: "+reason(err), "correct it")
	}
	if !strings.Contains(domain, ".") {
		return "", fault.Invalid("domain", "is a name of this network only", "give a whole domain such as example.org")
	}
	return domain, nil
}

// sends gives the connection of a name, or the default one, as far as the
// caller may see it; nil if none is named and there is no default.
func (a *API) sends(ctx context.Context, name string) (*registry.Connection, error) {
	id := auth.From(ctx)
	if name == "" {
		c, err := a.Registry.Resolve(id.Client, "")
		if err != nil || c.Owner != id.Client && !id.Admin() {
			return nil, nil
		}
		return &c, nil
	}
	c, err := a.Registry.Get(id.Client, name)
	return &c, err
}

// domainRequest is the check of a domain for mail through a connection.
func domainRequest(domain string, c *registry.Connection) domaincheck.Request {
	out := domaincheck.Request{Domain: domain}
	if c == nil || c.Transport != "smtp" {
		return out
	}
	if path, err := mail.ParsePath(c.Sender.EnvelopeFrom); err == nil {
		out.Envelope = path.ASCIIDomain()
	}
	out.Host, _ = c.Settings["host"].(string)
	username, _ := c.Settings["username"].(string)
	if p, ok := provider.Get(c.Provider); ok {
		byProvider(&out, p, username)
	} else if p, ok := provider.ByHost(out.Host); ok {
		byProvider(&out, p, username)
	}
	return out
}

// byProvider says who sends. The addresses of a provider's submission server
// say nothing about those that it sends from, and the domains of its mailboxes
// are its own affair. The user name is empty if it is not known.
func byProvider(r *domaincheck.Request, p provider.Provider, username string) {
	r.Sender, r.Host, r.OwnEnvelope = p.Title, "", p.OwnEnvelope
	if r.Envelope == "" {
		r.Envelope = p.ReturnPath
	}
	if r.Envelope == "" && p.UserEnvelope {
		if path, err := mail.ParsePath(username); err == nil {
			r.Envelope = path.ASCIIDomain()
		}
	}
	if !slices.Contains(p.Domains, r.Domain) {
		r.Includes, r.Known = p.SPF, p.DKIMSelectors
	}
}

// senderDomain checks the domain that mail through a connection comes from,
// after a test that has passed; nil if it is not known. The sender is the
// test's envelope sender.
func (a *API) senderDomain(ctx context.Context, c *registry.Connection, sender string) *postilionv1.CheckDomainResponse {
	from := c.Sender.FromAddress
	if from == "" {
		from = sender
	}
	domain, err := domainOf(from)
	if err != nil {
		return nil
	}
	return a.checkDomain(ctx, domainRequest(domain, c))
}

// checkDomain makes the check. What it fetches, it fetches as a connection of
// the caller would be dialed.
func (a *API) checkDomain(ctx context.Context, wanted domaincheck.Request) *postilionv1.CheckDomainResponse {
	g := &guard.Guard{Ports: guard.WebPorts(), Unrestricted: auth.From(ctx).Admin(), Allowed: a.Transports.Allowed, Resolver: a.Resolver}
	transport := &http.Transport{DialContext: g.DialContext, DisableKeepAlives: true, MaxResponseHeaderBytes: 64 << 10}
	checker := &domaincheck.Checker{Resolver: a.Resolver, Client: &http.Client{Transport: transport}}
	out := &postilionv1.CheckDomainResponse{Domain: wanted.Domain, Ok: true}
	for _, f := range checker.Check(ctx, wanted) {
		out.Ok = out.Ok && f.Status != domaincheck.Failed
		out.Checks = append(out.Checks, convert.DomainCheck(f))
	}
	return out
}
