package transports

import (
	"context"
	"errors"
	"net"
	"net/netip"

	"github.com/postilion-mail/postilion/internal/guard"
	"github.com/postilion-mail/postilion/internal/smtp"
	"github.com/postilion-mail/postilion/plugin"
)

// guarded dials under a guard, whose refusals are a matter of the connection's
// settings, not of the network.
type guarded struct{ guard *guard.Guard }

func dialer(g *guard.Guard) guarded { return guarded{g} }

func (d guarded) dial(ctx context.Context, network, address string) (net.Conn, error) {
	conn, err := d.guard.DialContext(ctx, network, address)
	return conn, refusal(err)
}

func (d guarded) dialFrom(ctx context.Context, source netip.Addr, network, address string) (net.Conn, error) {
	from := *d.guard
	from.Source = source
	return guarded{&from}.dial(ctx, network, address)
}

// refusal makes an outcome of a refused dial. It does not tell the address,
// since what a name resolves to inside is not for everyone.
func refusal(err error) error {
	if as := (*guard.RefusedError)(nil); errors.As(err, &as) {
		return &plugin.DeliveryError{Err: err, Outcome: plugin.Outcome{
			Class: plugin.Temporary, Blame: plugin.BlameConnection, Phase: plugin.PhaseConnect, Inferred: true,
			Reply: "the server's address may not be reached: " + as.Reason + "; an administrator can open it with allow_destinations",
		}}
	}
	return err
}

// lookup looks up names and leaves out the addresses that the guard refuses,
// so that a test does not show them.
type lookup struct{ guard *guard.Guard }

func (r lookup) LookupNetIP(ctx context.Context, network, host string) ([]netip.Addr, error) {
	all, err := r.guard.Resolver.LookupNetIP(ctx, network, host)
	if err != nil {
		return nil, err
	}
	var open []netip.Addr
	var refused error
	for _, a := range all {
		// The port is judged when it is dialed; this one is open to all.
		if err := r.guard.Check(netip.AddrPortFrom(a, submission)); err != nil {
			refused = err
			continue
		}
		open = append(open, a)
	}
	if len(open) == 0 && refused != nil {
		return nil, refusal(refused)
	}
	return open, nil
}

const submission = 587

// description tells more of a name: aliases, and what else it has. Only for who
// may reach everything, since the daemon's DNS may know inner names.
type description struct {
	lookup
	*net.Resolver
}

func (d description) LookupNetIP(ctx context.Context, network, host string) ([]netip.Addr, error) {
	return d.lookup.LookupNetIP(ctx, network, host)
}

// resolverFor gives what the smtp transport looks up names with.
func resolverFor(g *guard.Guard) smtp.Resolver {
	if full, ok := g.Resolver.(*net.Resolver); ok && g.Unrestricted {
		return description{lookup{g}, full}
	}
	return lookup{g}
}
