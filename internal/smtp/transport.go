// Package smtp is the built-in transport: it delivers mail to an SMTP server
// over sessions that it keeps and reuses.
//
// The session codec is its own (see the design's section 5.7): replies are
// bounded, every phase has a deadline, a context reaches down to the socket,
// and nothing is read past STARTTLS. docs/smtp.md tells what a session does.
package smtp

import (
	"context"
	"log/slog"
	"net"
	"net/netip"

	"github.com/postilion-mail/postilion/plugin"
)

// Options are what the daemon gives to the transport. The zero value works.
type Options struct {
	// Dial connects to an address whose host is an IP address; so a guard
	// decides on the final address. Default: a net.Dialer. Proxies in the
	// environment are never used.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
	// DialFrom is Dial for connections with a source address. Without it, but
	// with Dial, the setting source_address is refused.
	DialFrom func(ctx context.Context, source netip.Addr, network, address string) (net.Conn, error)
	// Resolver looks up host names. Default: net.DefaultResolver.
	Resolver Resolver
	// HelloName is the name for EHLO where the connection has none. Default:
	// the machine's host name if it has a dot, else an address literal.
	HelloName string
	// SevenBit re-encodes content for a server without 8BITMIME or SMTPUTF8.
	// Without it such content is refused.
	SevenBit SevenBit
	// Transcript, if set, is told every line of every session. It is called
	// concurrently for different sessions and must be quick.
	Transcript func(Line)
	// Logger takes warnings about unsafe settings. Default: none.
	Logger *slog.Logger
}

// Resolver is what the transport needs of net.Resolver.
type Resolver interface {
	LookupNetIP(ctx context.Context, network, host string) ([]netip.Addr, error)
}

// SevenBit re-encodes a whole message in canonical form so that no octet is
// above 127.
type SevenBit func(content []byte) ([]byte, error)

// Line is one line of a session, with secrets left out.
type Line struct {
	Connection string // the connection's name
	Sent       bool   // by us; else by the server
	Text       string
}

// Transport is the SMTP transport. Its methods are safe for concurrent use.
type Transport struct{ options Options }

// New makes the transport.
func New(options Options) *Transport {
	if options.Logger == nil {
		options.Logger = slog.New(slog.DiscardHandler)
	}
	return &Transport{options: options}
}

// Describe implements plugin.Transport.
func (t *Transport) Describe() plugin.Description {
	return plugin.Description{
		Name:         "smtp",
		Version:      "1",
		Title:        "SMTP server",
		Fields:       fields(),
		Capabilities: plugin.Capabilities{ReportsCommit: true},
		Limits:       plugin.Limits{Concurrency: maxPoolSize},
	}
}

// Open implements plugin.Transport.
func (t *Transport) Open(ctx context.Context, settings plugin.Settings) (plugin.Instance, error) {
	c, err := parseSettings(settings)
	if err != nil {
		return nil, err
	}
	if c.source.IsValid() && t.options.Dial != nil && t.options.DialFrom == nil {
		return nil, settingError("source_address", "cannot be used here; leave it empty")
	}
	if c.skipVerify && c.security != securityNone {
		t.options.Logger.WarnContext(ctx, "the server's certificate is not verified", "connection", settings.Connection)
	}
	i := &instance{config: c, options: t.options, tls: c.clientTLS(), slots: make(chan struct{}, c.poolSize)}
	i.ctx, i.cancel = context.WithCancelCause(context.Background())
	i.pool.idleFor = c.idle
	return i, nil
}
