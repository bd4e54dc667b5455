package smtp

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/postilion-mail/postilion/internal/smtptest"
	"github.com/postilion-mail/postilion/plugin"
)

// fakeResolver answers with what it is.
type fakeResolver struct {
	addresses []netip.Addr
	err       error
}

func (r fakeResolver) LookupNetIP(ctx context.Context, _, host string) ([]netip.Addr, error) {
	return r.addresses, r.err
}

func addresses(n int) []netip.Addr {
	var all []netip.Addr
	for i := range n {
		all = append(all, netip.AddrFrom4([4]byte{192, 0, 2, byte(i)}))
	}
	return all
}

// T60: of many addresses five are tried; ones that do not answer hold up
// little.
func TestAddresses(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		live  int // index of the address that answers
		fails func(ctx context.Context) error
		took  time.Duration
		want  string
		dials int
	}{
		"first":                {0, nil, 0, "accepted", 1},
		"three hang":           {3, hang, 3 * stagger, "accepted", 4},
		"three refuse":         {3, refuse, 0, "accepted", 4},
		"only the sixth works": {5, refuse, 0, "temporary/network", 5},
		"all hang":             {99, hang, 30*time.Second + 4*stagger, "temporary/network", 5},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				server := smtptest.PipeScripted(t, smtptest.Script{})
				s := piped(server).with("host", "mail.example")
				var mu sync.Mutex
				dialled := 0
				s.options.Resolver = fakeResolver{addresses: addresses(10)}
				s.options.Dial = func(ctx context.Context, network, address string) (net.Conn, error) {
					mu.Lock()
					dialled++
					mu.Unlock()
					if address == fmt.Sprintf("192.0.2.%d:587", test.live) {
						return server.Dial(ctx, network, address)
					}
					return nil, test.fails(ctx)
				}
				begin := time.Now()
				r := send(t, s.open(t), delivery(shortContent, "a@b.example"))
				r.expect(t, test.want)
				if took := time.Since(begin); took != test.took || dialled != test.dials {
					t.Errorf("took %v with %d dials, want %v and %d", took, dialled, test.took, test.dials)
				}
				if o := r.outcomes[0]; o.Class != plugin.Accepted && (o.Phase != plugin.PhaseConnect || !strings.Contains(o.Reply, "192.0.2.4:587")) {
					t.Errorf("outcome %+v", o)
				}
			})
		})
	}
}

func hang(ctx context.Context) error {
	<-ctx.Done()
	return ctx.Err()
}

func refuse(context.Context) error { return errors.New("connection refused") }

// T61: a host that does not exist is a matter of settings, an answer that does
// not come one of the network; neither fails the message.
func TestResolve(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		resolver fakeResolver
		want     string
	}{
		"NXDOMAIN": {fakeResolver{err: &net.DNSError{IsNotFound: true}}, "temporary/connection"},
		"empty":    {fakeResolver{}, "temporary/connection"},
		"SERVFAIL": {fakeResolver{err: &net.DNSError{IsTemporary: true, Err: "server misbehaving"}}, "temporary/network"},
		"timeout":  {fakeResolver{err: &net.DNSError{IsTimeout: true}}, "temporary/network"},
	} {
		s := setup{values: map[string]any{"host": "mail.example"}, options: Options{Resolver: test.resolver}}
		r := send(t, s.open(t), delivery(shortContent, "a@b.example"))
		if r.expect(t, test.want); r.outcomes[0].Phase != plugin.PhaseResolve {
			t.Errorf("%s: %+v", name, r.outcomes[0])
		}
	}
	mixed := []netip.Addr{netip.MustParseAddr("2001:db8::1"), netip.MustParseAddr("2001:db8::2"), netip.MustParseAddr("2001:db8::3"), netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("::ffff:192.0.2.1")}
	if got, want := fmt.Sprint(arrange(mixed)), "[2001:db8::1 192.0.2.1 2001:db8::2 2001:db8::3]"; got != want {
		t.Errorf("order %s, want %s", got, want)
	}
	var many []netip.Addr
	for i := range 10_000 {
		many = append(many, netip.AddrFrom4([4]byte{10, 0, byte(i >> 8), byte(i)}))
	}
	if n := len(arrange(many)); n != maxAddresses {
		t.Errorf("%d addresses", n)
	}
}

// The daemon's dialler may say what its refusal means.
func TestDiallerDecides(t *testing.T) {
	t.Parallel()
	refusal := &plugin.DeliveryError{Outcome: plugin.Outcome{Class: plugin.Temporary, Blame: plugin.BlameConnection, Phase: plugin.PhaseConnect, Reply: "private address"}}
	s := setup{values: map[string]any{"host": "10.0.0.1"}}
	s.options.Dial = func(context.Context, string, string) (net.Conn, error) { return nil, refusal }
	r := send(t, s.open(t), delivery(shortContent, "a@b.example"))
	if r.expect(t, "temporary/connection"); r.outcomes[0].Reply != "private address" {
		t.Errorf("outcome %+v", r.outcomes[0])
	}
}

func TestSourceAddress(t *testing.T) {
	t.Parallel()
	server := smtptest.StartScripted(t, smtptest.Script{})
	s := plainly(server).with("source_address", "127.0.0.2")
	if c := check(t, s.open(t), plugin.CheckRequest{})["connect"]; !strings.HasPrefix(c.Facts["local_address"], "127.0.0.2:") {
		t.Errorf("stage %+v", c)
	}
	var from netip.Addr
	s.options.Dial = new(net.Dialer).DialContext
	s.options.DialFrom = func(ctx context.Context, source netip.Addr, network, address string) (net.Conn, error) {
		from = source
		return new(net.Dialer).DialContext(ctx, network, address)
	}
	send(t, s.open(t), delivery(shortContent, "a@b.example")).expect(t, "accepted")
	if from.String() != "127.0.0.2" {
		t.Errorf("source %v", from)
	}
	s.options.DialFrom = nil
	_, err := New(s.options).Open(t.Context(), plugin.Settings{Values: s.values})
	if bad := new(plugin.SettingError); !errors.As(err, &bad) || bad.Field != "source_address" {
		t.Errorf("error %v", err)
	}
}
