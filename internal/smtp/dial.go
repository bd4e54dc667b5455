package smtp

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/postilion-mail/postilion/plugin"
)

const (
	maxRecords   = 100                    // of a DNS answer (Postfix 3.9)
	maxAddresses = 5                      // tried for a host (Postfix's smtp_mx_address_limit)
	stagger      = 250 * time.Millisecond // before the next address is tried beside (RFC 8305 section 5)
)

// resolve gives the addresses of the host to try, in order.
func resolve(ctx context.Context, c *config, resolver Resolver) ([]netip.Addr, error) {
	if ip, err := netip.ParseAddr(c.host); err == nil {
		return []netip.Addr{ip}, nil
	}
	if resolver == nil {
		resolver = net.DefaultResolver
	}
	network := "ip"
	if c.source.Is4() {
		network = "ip4"
	} else if c.source.Is6() {
		network = "ip6"
	}
	lookup, cancel := context.WithTimeout(ctx, c.timeouts.resolve)
	defer cancel()
	all, err := resolver.LookupNetIP(lookup, network, c.host)
	if err == nil && len(all) == 0 {
		err = &net.DNSError{Err: "no address", Name: c.host, IsNotFound: true}
	}
	if err != nil {
		return nil, resolveError(ctx, c, err)
	}
	return arrange(all), nil
}

// resolveError: a host that does not exist is a wrong setting; everything else
// passes.
func resolveError(ctx context.Context, c *config, err error) error {
	if ctx.Err() != nil {
		err = context.Cause(ctx)
	}
	if given := (*plugin.DeliveryError)(nil); errors.As(err, &given) {
		return given // the daemon's resolver knows better
	}
	outcome := infer(plugin.PhaseResolve, err, c.timeouts.resolve)
	var dns *net.DNSError
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded), errors.As(err, &dns) && dns.IsTimeout, ctx.Err() == nil && errors.Is(err, context.DeadlineExceeded):
		outcome.Blame = plugin.BlameNetwork
		outcome.Reply = fmt.Sprintf("DNS did not answer for %s", c.host)
	case ctx.Err() != nil:
	case errors.As(err, &dns) && dns.IsNotFound:
		outcome.Blame = plugin.BlameConnection
		outcome.Reply = fmt.Sprintf("the host %s does not exist in DNS; check the host setting", c.host)
	default:
		outcome.Reply = fmt.Sprintf("cannot look up %s: %s", c.host, printable(err.Error(), maxReplyText))
	}
	return &plugin.DeliveryError{Outcome: outcome, Err: err}
}

// arrange drops doubles, lets the address families take turns, so that one that
// does not work here costs little, and cuts to what is tried.
func arrange(all []netip.Addr) []netip.Addr {
	var mine, other []netip.Addr
	for _, a := range all[:min(len(all), maxRecords)] {
		a = a.Unmap()
		if slices.Contains(mine, a) || slices.Contains(other, a) {
			continue
		}
		if len(mine) == 0 || a.Is4() == mine[0].Is4() {
			mine = append(mine, a)
		} else {
			other = append(other, a)
		}
	}
	var turns []netip.Addr
	for i := range max(len(mine), len(other)) {
		if i < len(mine) {
			turns = append(turns, mine[i])
		}
		if i < len(other) {
			turns = append(turns, other[i])
		}
	}
	return turns[:min(len(turns), maxAddresses)]
}

// connect tries the addresses and gives the first connection that stands.
func connect(ctx context.Context, c *config, o *Options, addresses []netip.Addr) (net.Conn, error) {
	conn, err := race(ctx, len(addresses), func(ctx context.Context, i int) (net.Conn, error) {
		return dialWithin(ctx, c.timeouts.connect, c, o, netip.AddrPortFrom(addresses[i], c.port))
	})
	if err != nil {
		return nil, connectError(ctx, c, err)
	}
	return conn, nil
}

// dialWithin dials one address. The error is a *dialError; it is of
// os.ErrDeadlineExceeded if nobody answered in time.
func dialWithin(ctx context.Context, limit time.Duration, c *config, o *Options, address netip.AddrPort) (net.Conn, error) {
	limited, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	conn, err := dialOne(limited, c, o, address.String())
	if err != nil && limited.Err() != nil && ctx.Err() == nil {
		err = os.ErrDeadlineExceeded
	}
	if err != nil {
		return nil, &dialError{address.String(), err}
	}
	return conn, nil
}

// connectError makes the error for a server of which no address answered.
func connectError(ctx context.Context, c *config, err error) error {
	var given *plugin.DeliveryError
	if errors.As(err, &given) {
		return given // the daemon's dialler knows better
	}
	if ctx.Err() != nil {
		return &plugin.DeliveryError{Outcome: infer(plugin.PhaseConnect, context.Cause(ctx), c.timeouts.connect), Err: err}
	}
	outcome := infer(plugin.PhaseConnect, err, c.timeouts.connect)
	outcome.Reply = printable(strings.ReplaceAll(err.Error(), "\n", "; "), maxReplyText)
	return &plugin.DeliveryError{Outcome: outcome, Err: err}
}

func dialOne(ctx context.Context, c *config, o *Options, address string) (net.Conn, error) {
	switch {
	case c.source.IsValid() && o.DialFrom != nil:
		return o.DialFrom(ctx, c.source, "tcp", address)
	case o.Dial != nil:
		return o.Dial(ctx, "tcp", address)
	}
	var d net.Dialer
	if c.source.IsValid() {
		d.LocalAddr = net.TCPAddrFromAddrPort(netip.AddrPortFrom(c.source, 0))
	}
	return d.DialContext(ctx, "tcp", address)
}

// dialError is why one address could not be reached.
type dialError struct {
	address string
	err     error
}

func (e *dialError) Error() string {
	reason := e.err.Error()
	var op *net.OpError
	if errors.As(e.err, &op) && op.Err != nil {
		reason = op.Err.Error() // without the address once more
	}
	if errors.Is(e.err, os.ErrDeadlineExceeded) {
		reason = "no answer"
	}
	return "cannot connect to " + e.address + ": " + reason
}

func (e *dialError) Unwrap() error { return e.err }

// race calls dial for 0 to n-1, each when the one before has failed or has taken
// long, and gives the first that succeeds. Later ones are closed.
func race(ctx context.Context, n int, dial func(context.Context, int) (net.Conn, error)) (net.Conn, error) {
	if n == 1 {
		return dial(ctx, 0)
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	type result struct {
		conn net.Conn
		err  error
	}
	results := make(chan result)
	started, pending := 0, 0
	start := func() {
		i := started
		started++
		pending++
		go func() {
			conn, err := dial(ctx, i)
			select {
			case results <- result{conn, err}:
			case <-ctx.Done(): // nobody waits any more
				if conn != nil {
					_ = conn.Close()
				}
			}
		}()
	}
	start()
	timer := time.NewTimer(stagger)
	defer timer.Stop()
	var failures []error
	for pending > 0 {
		select {
		case r := <-results:
			pending--
			if r.err == nil {
				return r.conn, nil
			}
			failures = append(failures, r.err)
			if started < n {
				start()
				timer.Reset(stagger)
			}
		case <-timer.C:
			if started < n {
				start()
				timer.Reset(stagger)
			}
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	return nil, errors.Join(failures...)
}
