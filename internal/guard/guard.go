// Package guard dials for connections that someone other than the
// administrator has configured. Whoever may name a mail server must not reach
// through it what only this machine can: services on loopback, the private
// network, the cloud's metadata service.
//
// The decision falls on the final address, after every lookup, so that neither
// an odd notation nor a name that resolves differently the second time gets by.
package guard

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

const (
	maxRecords   = 100 // of a lookup's answer; what is beyond is not looked at
	maxAddresses = 5   // dialed for one name
	lookupLimit  = 20 * time.Second
	// stagger is the head start of an address before the next one is tried
	// beside it: RFC 8305 section 8 (Connection Attempt Delay). Broken IPv6 is
	// common in containers.
	stagger = 250 * time.Millisecond
)

// MailPorts gives the ports of mail submission: SMTP, submission with TLS and
// with STARTTLS, and the alternatives that providers offer where those are
// blocked.
func MailPorts() []uint16 { return []uint16{25, 465, 587, 588, 2465, 2525, 2587, 8025, 8465} }

// WebPorts gives the ports of HTTP, for webhooks and OAuth.
func WebPorts() []uint16 { return []uint16{80, 443} }

// Resolver looks up the addresses of a name; *net.Resolver is one.
type Resolver interface {
	LookupNetIP(ctx context.Context, network, host string) ([]netip.Addr, error)
}

// Guard dials TCP and refuses what it must. The zero value lets only public
// addresses and the mail ports pass. It is safe for concurrent use once it is
// set up, and ignores proxies of the environment.
type Guard struct {
	// Allowed are ranges that the administrator has opened, on every port.
	Allowed []netip.Prefix
	// Ports that may be dialed outside of Allowed; nil for MailPorts.
	Ports []uint16
	// Unrestricted lets everything pass: the connection was configured by the
	// administrator.
	Unrestricted bool
	// Source is the local address to dial from; the zero value lets the
	// system choose.
	Source netip.Addr
	// Resolver for names; nil for the system's.
	Resolver Resolver

	dial func(ctx context.Context, network, address string) (net.Conn, error) // for tests
}

// RefusedError tells that the guard did not let a connection out.
type RefusedError struct {
	// Target is the host and port as they were asked for. The text of the
	// error has only this: what a name resolves to inside is not for everyone.
	Target string
	// Address is what was refused, for logs; it may be zero.
	Address netip.Addr
	// Reason such as "a loopback address".
	Reason string
}

// Error names the target, the reason and the remedy.
func (e *RefusedError) Error() string {
	return fmt.Sprintf("connecting to %s is refused: %s; an administrator can open it with allow_destinations", e.Target, e.Reason)
}

// Check says whether an address may be dialed: nil, or a *RefusedError.
func (g *Guard) Check(address netip.AddrPort) error {
	return g.check(address.String(), address)
}

func (g *Guard) check(target string, address netip.AddrPort) error {
	if g.Unrestricted || g.opened(address.Addr()) {
		return nil
	}
	if reason := blocked(address.Addr()); reason != "" {
		return &RefusedError{Target: target, Address: address.Addr(), Reason: reason}
	}
	ports := g.Ports
	if ports == nil {
		ports = MailPorts()
	}
	if !slices.Contains(ports, address.Port()) {
		return &RefusedError{Target: target, Address: address.Addr(), Reason: fmt.Sprintf("%d is none of the ports %v", address.Port(), ports)}
	}
	return nil
}

func (g *Guard) opened(address netip.Addr) bool {
	address = plain(address)
	embedded := embeddedIPv4(address)
	return slices.ContainsFunc(g.Allowed, func(p netip.Prefix) bool {
		return p.Contains(address) || embedded.IsValid() && p.Contains(embedded)
	})
}

// DialContext connects to host:port like net.Dialer.DialContext, to the first
// of at most five addresses that answers. It gives a *RefusedError when there
// is none that may be dialed. Network is "tcp", "tcp4" or "tcp6".
func (g *Guard) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	host, service, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	port, err := strconv.ParseUint(service, 10, 16)
	if err != nil {
		return nil, fmt.Errorf("port %q: expected a number from 1 to 65535", service)
	}
	family, ok := map[string]string{"tcp": "ip", "tcp4": "ip4", "tcp6": "ip6"}[network]
	if !ok {
		return nil, fmt.Errorf("network %q: only TCP is dialed", network)
	}
	found, err := g.lookup(ctx, family, host)
	if err != nil {
		return nil, err
	}
	targets, err := g.permitted(address, found, uint16(port))
	if err != nil {
		return nil, err
	}
	return g.race(ctx, network, address, targets)
}

// lookup gives the addresses of a host, in the order to try them.
func (g *Guard) lookup(ctx context.Context, family, host string) ([]netip.Addr, error) {
	if literal, err := netip.ParseAddr(host); err == nil {
		return []netip.Addr{literal}, nil
	}
	if !g.Unrestricted && numeric(host) {
		return nil, &RefusedError{Target: host, Reason: "it is neither a name nor an address in the usual notation"}
	}
	resolver := g.Resolver
	if resolver == nil {
		resolver = net.DefaultResolver
	}
	ctx, cancel := context.WithTimeout(ctx, lookupLimit)
	defer cancel()
	found, err := resolver.LookupNetIP(ctx, family, host)
	if err != nil {
		return nil, err
	}
	return alternate(found[:min(len(found), maxRecords)]), nil
}

// permitted keeps the addresses that may be dialed, or gives the refusal of
// the first one.
func (g *Guard) permitted(target string, found []netip.Addr, port uint16) ([]netip.AddrPort, error) {
	var targets []netip.AddrPort
	var refusal error
	for _, address := range found {
		candidate := netip.AddrPortFrom(address.Unmap(), port)
		if err := g.check(target, candidate); err == nil {
			targets = append(targets, candidate)
		} else if refusal == nil {
			refusal = err
		}
	}
	if len(targets) == 0 && refusal == nil {
		return nil, fmt.Errorf("%s has no address", target)
	}
	if len(targets) == 0 {
		return nil, refusal
	}
	return targets[:min(len(targets), maxAddresses)], nil
}

// race dials the targets one after another, each with a head start before the
// next, and gives the first connection. The others are closed.
func (g *Guard) race(ctx context.Context, network, address string, targets []netip.AddrPort) (net.Conn, error) {
	type result struct {
		conn net.Conn
		err  error
	}
	ctx, cancel := context.WithCancel(ctx)
	results := make(chan result, len(targets))
	started, ended := 0, 0
	defer func() { // the late ones find their context ended
		cancel()
		go func(left int) {
			for range left {
				if late := <-results; late.conn != nil {
					late.conn.Close()
				}
			}
		}(started - ended)
	}()

	timer := time.NewTimer(0)
	defer timer.Stop()
	var failures []error
	for {
		select {
		case <-timer.C:
			if started == len(targets) {
				continue
			}
			target := targets[started].String()
			started++
			go func() {
				conn, err := g.dialOne(ctx, network, address, target)
				results <- result{conn, err}
			}()
			timer.Reset(stagger)
		case r := <-results:
			ended++
			if r.err == nil {
				return r.conn, nil
			}
			failures = append(failures, r.err)
			if ended == len(targets) {
				return nil, errors.Join(failures...)
			}
			timer.Reset(0)
		}
	}
}

// dialOne connects to one address, and checks once more what the system was
// really asked to connect to.
func (g *Guard) dialOne(ctx context.Context, network, asked, target string) (net.Conn, error) {
	if g.dial != nil {
		return g.dial(ctx, network, target)
	}
	dialer := net.Dialer{Control: func(_, final string, _ syscall.RawConn) error {
		address, err := netip.ParseAddrPort(final)
		if err != nil {
			return err
		}
		return g.check(asked, address)
	}}
	if g.Source.IsValid() {
		dialer.LocalAddr = net.TCPAddrFromAddrPort(netip.AddrPortFrom(g.Source, 0))
	}
	return dialer.DialContext(ctx, network, target)
}

// alternate orders addresses so that the families take turns, beginning with
// that of the first (RFC 8305 section 4): five dead IPv6 addresses must not
// hide the IPv4 one.
func alternate(found []netip.Addr) []netip.Addr {
	if len(found) == 0 {
		return nil
	}
	var first, second []netip.Addr
	for _, address := range found {
		if address.Unmap().Is4() == found[0].Unmap().Is4() {
			first = append(first, address)
		} else {
			second = append(second, address)
		}
	}
	ordered := make([]netip.Addr, 0, len(found))
	for i := range max(len(first), len(second)) {
		if i < len(first) {
			ordered = append(ordered, first[i])
		}
		if i < len(second) {
			ordered = append(ordered, second[i])
		}
	}
	return ordered
}

// numeric tells whether a host's last label is a number, as in 127.1,
// 0x7f.0.0.1 or 2130706433. No public name ends so, while some resolvers take
// it for an address.
func numeric(host string) bool {
	label := strings.TrimSuffix(host, ".")
	label = label[strings.LastIndexByte(label, '.')+1:]
	if digits, hex := strings.CutPrefix(strings.ToLower(label), "0x"); hex {
		return strings.Trim(digits, "0123456789abcdef") == ""
	}
	return label != "" && strings.Trim(label, "0123456789") == ""
}
