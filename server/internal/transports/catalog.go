// Package transports knows the transports that the daemon has, and opens them
// for connections.
package transports

import (
	"context"
	"log/slog"
	"net"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/postilion-mail/postilion/internal/diagnose"
	"github.com/postilion-mail/postilion/internal/dispatch"
	"github.com/postilion-mail/postilion/internal/guard"
	"github.com/postilion-mail/postilion/internal/mail"
	"github.com/postilion-mail/postilion/internal/outbox"
	"github.com/postilion-mail/postilion/internal/registry"
	"github.com/postilion-mail/postilion/internal/resolver"
	"github.com/postilion-mail/postilion/internal/smtp"
	"github.com/postilion-mail/postilion/internal/transport/capture"
	"github.com/postilion-mail/postilion/plugin"
	"github.com/postilion-mail/postilion/server/internal/plugins"
)

// Options are what a catalogue needs.
type Options struct {
	Registry *registry.Registry
	Log      *slog.Logger
	// HelloName is how we introduce ourselves to servers.
	HelloName string
	// CaptureDir is where the transport capture keeps mail.
	CaptureDir string
	// Allowed are the ranges that every connection may reach.
	Allowed []netip.Prefix
	// DNSServer looks up the names of servers; empty for the system's.
	DNSServer string
	// Now is the clock of the outbox.
	Now func() time.Time
	// Plugins are the transports that run as processes of their own.
	Plugins *plugins.Manager
}

// Catalog has the transports. It is safe for concurrent use.
type Catalog struct {
	Options
	resolver     *net.Resolver
	factories    map[string]func(*guard.Guard) plugin.Transport
	descriptions []plugin.Description
}

// New makes the catalogue of the built-in transports.
func New(o Options) *Catalog {
	c := &Catalog{Options: o, resolver: resolver.New(o.DNSServer)}
	kept := capture.New(capture.Options{Dir: o.CaptureDir, Now: o.Now}) // one for all: it counts what it keeps
	c.factories = map[string]func(*guard.Guard) plugin.Transport{
		"smtp":    c.smtp,
		"capture": func(*guard.Guard) plugin.Transport { return kept },
	}
	for _, factory := range c.factories {
		c.descriptions = append(c.descriptions, factory(&guard.Guard{}).Describe())
	}
	return c
}

func (c *Catalog) smtp(g *guard.Guard) plugin.Transport {
	return smtp.New(smtp.Options{
		Dial:      dialer(g).dial,
		DialFrom:  dialer(g).dialFrom,
		Resolver:  resolverFor(g),
		HelloName: c.HelloName,
		SevenBit:  mail.SevenBit,
		Logger:    c.Log,
	})
}

// BuiltIn says whether a transport is compiled in.
func BuiltIn(name string) bool { return name == "smtp" || name == "capture" }

// Descriptions gives all transports by name.
func (c *Catalog) Descriptions() []plugin.Description {
	all := slices.Clone(c.descriptions)
	for _, p := range c.Plugins.List() {
		all = append(all, p.Description)
	}
	slices.SortFunc(all, func(a, b plugin.Description) int { return strings.Compare(a.Name, b.Name) })
	return all
}

// Describe gives one transport.
func (c *Catalog) Describe(name string) (plugin.Description, bool) {
	if d, ok := c.describeBuiltIn(name); ok {
		return d, true
	}
	return c.Plugins.Describe(name)
}

func (c *Catalog) describeBuiltIn(name string) (plugin.Description, bool) {
	for _, d := range c.descriptions {
		if d.Name == name {
			return d, true
		}
	}
	return plugin.Description{}, false
}

// Open makes an instance of a connection's transport. The error is a
// *plugin.SettingError for a bad setting.
func (c *Catalog) Open(ctx context.Context, connection *registry.Connection, secrets registry.Secrets) (plugin.Instance, error) {
	settings := plugin.Settings{
		Connection: connection.OwnerName + "/" + connection.Name, Values: connection.Settings, Secrets: secrets,
	}
	if factory, ok := c.factories[connection.Transport]; ok {
		if connection.Isolation == registry.OwnProcess {
			return c.isolate(ctx, connection, settings)
		}
		return factory(c.guard(connection)).Open(ctx, settings)
	}
	if _, ok := c.Plugins.Describe(connection.Transport); !ok {
		return nil, &plugin.SettingError{Field: "transport", Reason: "there is no transport of this name; see ListTransports"}
	}
	if connection.Isolation == registry.InProcess {
		return nil, &plugin.SettingError{Field: "isolation", Reason: "a plugin cannot run in the daemon's process; leave it unspecified"}
	}
	return c.Plugins.Open(ctx, connection.Transport, settings)
}

// guard is what the connection may reach: everything if an admin chose where
// it leads, else what lies outside of this machine and network.
func (c *Catalog) guard(connection *registry.Connection) *guard.Guard {
	g := &guard.Guard{Unrestricted: connection.AdminConfigured, Allowed: slices.Clone(c.Allowed), Resolver: c.resolver}
	for _, text := range connection.AllowDestinations {
		if prefix, err := netip.ParsePrefix(text); err == nil { // the registry keeps no other
			g.Allowed = append(g.Allowed, prefix)
		}
	}
	return g
}

// Lookup implements dispatch.Connections.
func (c *Catalog) Lookup(id string) (dispatch.Connection, bool) {
	connection, ok := c.Registry.Connection(id)
	if !ok {
		return dispatch.Connection{}, false
	}
	description, _ := c.Describe(connection.Transport)
	return dispatch.Connection{
		Name:         connection.OwnerName + "/" + connection.Name,
		Known:        diagnose.ContextOf(connection.Settings),
		Generation:   c.generation(&connection),
		Capabilities: description.Capabilities,
		Limits:       description.Limits,
		Concurrency:  concurrency(&connection),
		Rates:        c.rates(&connection),
		Schedule:     connection.Retry.Schedule,
		Open: func(ctx context.Context) (plugin.Instance, error) {
			secrets, err := c.Registry.Secrets(ctx, id)
			if err != nil {
				return nil, err
			}
			return c.Open(ctx, &connection, secrets)
		},
	}, true
}

// generation changes with the connection's settings, and with the processes of
// its plugin: those that are new can take what the last ones could not.
func (c *Catalog) generation(connection *registry.Connection) int64 {
	const epochs = 1 << 24 // more than a plugin has in the daemon's life
	return int64(connection.Generation)*epochs + c.Plugins.Epoch(connection.Transport)%epochs
}

// concurrency is the limit that the connection sets, or else the number of
// sessions that it keeps.
func concurrency(c *registry.Connection) int {
	if n := int(c.Limits.Concurrency); n > 0 {
		return n
	}
	if size, ok := c.Settings["pool_size"].(float64); ok {
		return int(size)
	}
	return 0
}

// rates are the connection's limits and, on it, those of the clients that have
// any.
func (c *Catalog) rates(connection *registry.Connection) []outbox.Rate {
	rates := ratesOf("", connection.Limits)
	for _, client := range c.Registry.Clients() {
		rates = append(rates, ratesOf(client.ID, client.Limits)...)
	}
	return rates
}

func ratesOf(client string, l registry.Limits) []outbox.Rate {
	var rates []outbox.Rate
	for _, r := range []outbox.Rate{
		{Count: int(l.PerSecond), Per: time.Second},
		{Count: int(l.PerMinute), Per: time.Minute},
		{Count: int(l.PerHour), Per: time.Hour},
		{Count: int(l.PerDay), Per: 24 * time.Hour},
	} {
		if r.Count > 0 {
			r.Client = client
			rates = append(rates, r)
		}
	}
	return rates
}
