package smtp

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/postilion-mail/postilion/plugin"
)

const (
	checkConnect = 7 * time.Second // for each address: three attempts of TCP's, and room for the other ports
	checkOthers  = time.Second     // for the other addresses once one has answered
	checkPorts   = 2500 * time.Millisecond
	checkNames   = 2 * time.Second // for what is nice to know of a name
)

// submissionPorts are where servers take mail. When one cannot be reached, the
// others tell a blocked port from a wrong host.
func submissionPorts() []uint16 { return []uint16{25, 465, 587, 2525} }

// describer is a Resolver that can tell more about a name, as net.Resolver
// can.
type describer interface {
	LookupCNAME(ctx context.Context, host string) (string, error)
	LookupMX(ctx context.Context, name string) ([]*net.MX, error)
	LookupTXT(ctx context.Context, name string) ([]string, error)
}

// resolve is the stage of that name; it tells families and aliases apart.
func (k *checker) resolve(ctx context.Context) error {
	err := k.opening.resolve(ctx)
	literal, _ := netip.ParseAddr(k.config.host)
	if literal.IsValid() {
		k.fact("addresses", k.config.host)
		return err
	}
	more, _ := k.options.Resolver.(describer)
	if k.options.Resolver == nil {
		more = net.DefaultResolver
	}
	ctx, cancel := context.WithTimeout(ctx, checkNames)
	defer cancel()
	if err != nil {
		k.fact("dns", k.dnsFault(ctx, err, more))
		return err
	}
	families := map[bool][]string{}
	for _, a := range k.addresses {
		families[a.Is4()] = append(families[a.Is4()], a.String())
	}
	k.fact("addresses", join(k.addresses))
	k.fact("ipv4", strings.Join(families[true], ", "))
	k.fact("ipv6", strings.Join(families[false], ", "))
	if more != nil {
		name, err := more.LookupCNAME(ctx, k.config.host)
		if name = strings.TrimSuffix(name, "."); err == nil && !strings.EqualFold(name, k.config.host) {
			k.fact("cname", printable(name, 255))
		}
	}
	return nil
}

// dnsFault names why a host was not found: not_found, no_address (the name
// exists, with something else), timeout, server_failure, or empty if DNS was
// not to blame.
func (k *checker) dnsFault(ctx context.Context, err error, more describer) string {
	var dns *net.DNSError
	switch {
	case !errors.As(err, &dns):
		return ""
	case dns.IsTimeout:
		return "timeout"
	case !dns.IsNotFound:
		return "server_failure"
	case more == nil:
		return "not_found"
	}
	host := k.config.host
	if exchangers, err := more.LookupMX(ctx, host); err == nil && len(exchangers) > 0 {
		var names []string
		for _, mx := range exchangers[:min(len(exchangers), maxAddresses)] {
			names = append(names, strings.TrimSuffix(mx.Host, "."))
		}
		k.fact("mail_exchangers", printable(strings.Join(names, ", "), 255))
		return "no_address"
	}
	if records, err := more.LookupTXT(ctx, host); err == nil && len(records) > 0 {
		return "no_address"
	}
	return "not_found"
}

func join[T fmt.Stringer](all []T) string {
	var texts []string
	for _, one := range all {
		texts = append(texts, one.String())
	}
	return strings.Join(texts, ", ")
}

// attempt is what came of dialing one address.
type attempt struct {
	address netip.AddrPort
	conn    net.Conn
	err     error
	took    time.Duration
}

func (a attempt) String() string {
	if a.err == nil {
		return fmt.Sprintf("%s connected in %s", a.address, a.took.Round(100*time.Microsecond))
	}
	return strings.TrimPrefix(a.err.Error(), "cannot connect to ")
}

// connect is the stage of that name. Unlike a delivery it tries every address,
// since one that does not work costs each new session time.
func (k *checker) connect(ctx context.Context) error {
	attempts := k.dialAll(ctx, k.addresses)
	var failures []error
	for n, a := range attempts {
		if len(attempts) > 1 {
			k.fact("address_"+strconv.Itoa(n+1), printable(a.String(), maxReplyText))
		}
		switch {
		case a.err != nil:
			failures = append(failures, a.err)
		case k.session == nil:
			k.heard, k.target = &overhearing{Conn: a.conn}, a.address
			k.session = newSession(k.config, k.heard, k.options.Transcript)
		default:
			_ = a.conn.Close()
		}
	}
	if k.session != nil {
		// A family that this machine does not have costs nothing.
		lost := slices.DeleteFunc(failures, func(err error) bool { return connectFault([]error{err}) == "unreachable" })
		if len(lost) > 0 {
			k.warn = "not all addresses of the server can be reached: " + printable(strings.TrimPrefix(lost[0].Error(), "cannot connect to "), 200)
		}
		return nil
	}
	err := connectError(ctx, k.config, errors.Join(failures...))
	k.fact("connect", connectFault(failures))
	if k.facts["connect"] != "" && !k.request.LoginOnly {
		k.otherPorts(ctx)
	}
	return err
}

// dialAll dials all addresses at once. Once one has answered the others have a
// second more.
func (k *checker) dialAll(ctx context.Context, addresses []netip.Addr) []attempt {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	attempts := make([]attempt, len(addresses))
	done := make(chan struct{})
	begin := time.Now()
	for n, a := range addresses {
		attempts[n].address = netip.AddrPortFrom(a, k.config.port)
		go func() {
			one := &attempts[n]
			one.conn, one.err = dialWithin(ctx, min(checkConnect, k.config.timeouts.connect), k.config, k.options, one.address)
			one.took = time.Since(begin)
			if one.err == nil {
				time.AfterFunc(checkOthers, func() { cancel(os.ErrDeadlineExceeded) })
			} else if ctx.Err() != nil && context.Cause(ctx) == os.ErrDeadlineExceeded {
				one.err = &dialError{one.address.String(), os.ErrDeadlineExceeded}
			}
			done <- struct{}{}
		}()
	}
	for range attempts {
		<-done
	}
	return attempts
}

// connectFault names what all addresses have in common: refused, timeout or
// unreachable, which is also for what differs; empty if we did not try.
func connectFault(failures []error) string {
	var all []string
	for _, err := range failures {
		switch {
		case errors.As(err, new(*plugin.DeliveryError)), errors.Is(err, context.Canceled):
			return ""
		case errors.Is(err, syscall.ECONNREFUSED):
			all = append(all, "refused")
		case errors.Is(err, os.ErrDeadlineExceeded), errors.Is(err, syscall.ETIMEDOUT):
			all = append(all, "timeout")
		}
	}
	// A family that does not work here says nothing about the server.
	if all = slices.Compact(all); len(all) == 1 {
		return all[0]
	}
	return "unreachable"
}

// otherPorts tries the other ports of mail on the first address of each
// family, all at once.
func (k *checker) otherPorts(ctx context.Context) {
	var targets []netip.AddrPort
	for n, a := range k.addresses[:min(len(k.addresses), 2)] {
		if n > 0 && a.Is4() == k.addresses[0].Is4() {
			break
		}
		for _, port := range submissionPorts() {
			if port != k.config.port {
				targets = append(targets, netip.AddrPortFrom(a, port))
			}
		}
	}
	type answer struct {
		port uint16
		err  error
	}
	answers := make(chan answer)
	for _, target := range targets {
		go func() {
			conn, err := dialWithin(ctx, checkPorts, k.config, k.options, target)
			if err == nil {
				_ = conn.Close()
			}
			answers <- answer{target.Port(), err}
		}()
	}
	fates := map[string][]uint16{} // of ports: open, or their fault
	for range targets {
		a := <-answers
		fate := "open"
		if a.err != nil {
			fate = connectFault([]error{a.err})
		}
		if fate != "" && !slices.Contains(fates[fate], a.port) {
			fates[fate] = append(fates[fate], a.port)
		}
	}
	for fate, ports := range fates {
		ports = slices.DeleteFunc(ports, func(p uint16) bool { return fate != "open" && slices.Contains(fates["open"], p) })
		slices.Sort(ports)
		k.fact("ports_"+fate, strings.Trim(strings.ReplaceAll(fmt.Sprint(ports), " ", ", "), "[]"))
	}
}
