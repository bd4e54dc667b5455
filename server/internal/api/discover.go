package api

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"time"

	"github.com/postilion-mail/postilion/internal/discover"
	"github.com/postilion-mail/postilion/internal/guard"
	"github.com/postilion-mail/postilion/internal/provider"
	"github.com/postilion-mail/postilion/internal/registry"
	"github.com/postilion-mail/postilion/plugin"
	postilionv1 "github.com/postilion-mail/postilion/proto/gen/postilion/v1"
	"github.com/postilion-mail/postilion/server/internal/auth"
	"github.com/postilion-mail/postilion/server/internal/convert"
	"github.com/postilion-mail/postilion/server/internal/fault"
)

// DiscoverSettings implements postilion.v1.ConnectionService.
func (a *API) DiscoverSettings(ctx context.Context, req *postilionv1.DiscoverSettingsRequest) (*postilionv1.DiscoverSettingsResponse, error) {
	timeout, err := convert.Duration(req.GetTimeout(), "timeout")
	if err != nil {
		return nil, err
	}
	if timeout == 0 || timeout > maxTest {
		timeout = maxTest
	}
	id, client, err := a.caller(ctx)
	if err != nil {
		return nil, err
	}
	if err := checkCredentials(req); err != nil {
		return nil, err
	}
	if err := a.countDiscovery(id, req); err != nil {
		return nil, err
	}
	ctx, end := a.untilStop(ctx)
	defer end()
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	found, err := a.finder(id).Find(ctx, req.GetAddress())
	if err != nil {
		return nil, err
	}
	var results []discover.Result
	if req.GetLookupOnly() {
		results = untried(found)
	} else {
		draft := registry.Connection{Name: "discover", OwnerName: client.Name, Transport: "smtp", AdminConfigured: id.Admin()}
		results = a.tryer(&draft, nil).Try(ctx, found, discover.Credentials{Username: req.GetUsername(), Password: req.GetPassword()})
	}
	if context.Cause(ctx) == errStopping {
		return nil, errStopping
	}
	out := &postilionv1.DiscoverSettingsResponse{Notes: append(providerNotes(results), found.Notes...)}
	for _, r := range results {
		if r.Auth != "none" {
			r.Username = cmp.Or(req.GetUsername(), r.Username)
		}
		out.Proposals = append(out.Proposals, convert.Proposal(r))
	}
	return out, nil
}

// discoveryCost is how many tests a discovery counts as: with records of his
// own somebody makes it connect to many servers.
const discoveryCost = 5

func (a *API) countDiscovery(id auth.Identity, req *postilionv1.DiscoverSettingsRequest) error {
	cost := discoveryCost
	switch {
	case id.Admin():
		return nil
	case req.GetLookupOnly():
		cost = 1
	}
	for range cost {
		if wait := a.tests.take(id.Client, time.Now()); wait > 0 {
			return tooManyTests(wait)
		}
	}
	return nil
}

func checkCredentials(req *postilionv1.DiscoverSettingsRequest) error {
	if strings.ContainsFunc(req.GetUsername(), func(r rune) bool { return r < ' ' || r == 0x7f }) {
		return fault.Invalid("username", "has a control character", "type it again")
	}
	if req.GetPassword() != "" && req.GetUsername() == "" && !strings.Contains(req.GetAddress(), "@") {
		return fault.Invalid("username", "is missing", "give it with the password, or give the whole mail address")
	}
	return nil
}

// finder looks things up for a caller. The files of a domain that an
// administrator asks about may be on a private address, but where they redirect
// to is the domain owner's choice, which opens nothing.
func (a *API) finder(id auth.Identity) *discover.Finder {
	public := guard.Guard{Ports: guard.WebPorts(), Allowed: a.Transports.Allowed, Resolver: a.Resolver}
	own := public
	own.Unrestricted = id.Admin()
	return &discover.Finder{Resolver: a.Resolver, Web: discover.Client(&own), Elsewhere: discover.Client(&public)}
}

// tryer tries settings in the place of a connection's, with its guard, its
// isolation and its other secrets.
func (a *API) tryer(c *registry.Connection, secrets registry.Secrets) *discover.Tryer {
	return &discover.Tryer{
		Settings: plugin.Settings{Values: c.Settings, Secrets: secrets},
		Open: func(ctx context.Context, s plugin.Settings) (plugin.Instance, error) {
			trial := *c
			trial.Settings = s.Values
			return a.Transports.Open(ctx, &trial, s.Secrets)
		},
	}
}

// untried gives what was found as it is; the guesses if it is nothing.
func untried(found discover.Findings) []discover.Result {
	ways := found.Found
	if len(ways) == 0 {
		ways = found.Guesses
	}
	var results []discover.Result
	for _, f := range ways {
		results = append(results, discover.Result{Found: f, Remark: "not tried, as was asked"})
	}
	return results
}

// providerNotes say what a person needs for the best result's provider.
func providerNotes(results []discover.Result) []string {
	if len(results) == 0 {
		return nil
	}
	p, ok := provider.Get(results[0].Provider)
	if !ok {
		return nil
	}
	var notes []string
	if p.OAuth != "" {
		notes = append(notes, p.Title+": "+p.OAuth+".")
	}
	if results[0].Trial == discover.LoggedIn {
		return notes
	}
	note := p.Title + " wants as password " + p.Password + "."
	if p.PasswordLink != "" {
		note += " Get it at " + p.PasswordLink
	}
	return append(notes, note)
}

// propose tries other settings of the server of a connection whose test has
// failed, where those can be at fault, and gives those that work.
func (a *API) propose(ctx context.Context, c *registry.Connection, secrets registry.Secrets, failed plugin.Outcome) []*postilionv1.Proposal {
	if c.Transport != "smtp" || !variable(failed) {
		return nil
	}
	text := func(name string) string { s, _ := c.Settings[name].(string); return s }
	port, _ := c.Settings["port"].(float64)
	given := discover.Found{
		Provider: c.Provider, Host: text("host"), Port: uint16(port), Auth: text("auth"), Username: text("username"),
		Security: cmp.Or(text("security"), "starttls"),
	}
	switch {
	case given.Port != 0:
	case given.Security == "tls":
		given.Port = 465
	default:
		given.Port = 587
	}
	credentials := discover.Credentials{Username: given.Username, Password: secrets["password"]}
	var out []*postilionv1.Proposal
	for _, r := range a.tryer(c, secrets).TryAll(ctx, discover.Variations(given), credentials) {
		if r.Trial >= discover.Session {
			out = append(out, convert.Proposal(r))
		}
	}
	return out
}

// variable says whether an outcome may come from a wrong port, security or
// authentication: no session came about, or no login was possible. A refused
// password is wrong on other ports, too.
func variable(o plugin.Outcome) bool {
	if o.Phase == plugin.PhaseConnect && o.Blame == plugin.BlameConnection {
		return false // the guard did not let it out
	}
	session := []plugin.Phase{plugin.PhaseConnect, plugin.PhaseGreeting, plugin.PhaseHello, plugin.PhaseStartTLS, plugin.PhaseTLS}
	return slices.Contains(session, o.Phase) || o.Phase == plugin.PhaseAuth && o.Inferred
}
