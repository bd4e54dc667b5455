package guard

import (
	"context"
	"errors"
	"io"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// names answers lookups from a table.
type names map[string][]string

func (n names) LookupNetIP(_ context.Context, _, host string) ([]netip.Addr, error) {
	found, ok := n[host]
	if !ok {
		return nil, &net.DNSError{Err: "no such host", Name: host, IsNotFound: true}
	}
	var addresses []netip.Addr
	for _, text := range found {
		addresses = append(addresses, netip.MustParseAddr(text))
	}
	return addresses, nil
}

// recorder is a dialer that notes where it was sent, and goes nowhere.
type recorder struct {
	mu     sync.Mutex
	dialed []string
}

func (r *recorder) dial(_ context.Context, _, address string) (net.Conn, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.dialed = append(r.dialed, address)
	return nil, errors.New("unreachable")
}

// T160: a host that is, or resolves to, an inner address in any notation.
func TestRefused(t *testing.T) {
	t.Parallel()
	tests := []struct{ address, reason string }{
		{"127.0.0.1:25", "loopback"},
		{"127.255.255.254:587", "loopback"},
		{"[::1]:25", "loopback"},
		{"[::ffff:127.0.0.1]:25", "loopback"},
		{"[::ffff:7f00:1]:25", "loopback"},
		{"[64:ff9b::127.0.0.1]:25", "loopback"},
		{"[64:ff9b::10.1.2.3]:25", "private"},
		{"[64:ff9b:1::10.1.2.3]:25", "reserved"},
		{"[::127.0.0.1]:25", "reserved"},
		{"[::ffff:0:127.0.0.1]:25", "reserved"},
		{"[2002:7f00:1::]:25", "tunnel"},
		{"[2001:0:4136:e378:8000:63bf:3fff:fdd2]:25", "tunnel"},
		{"0.0.0.0:25", "unspecified"},
		{"0.1.2.3:25", "unspecified"},
		{"[::]:25", "unspecified"},
		{"[::ffff:0.0.0.0]:25", "unspecified"},
		{"10.0.0.1:25", "private"},
		{"172.16.0.1:25", "private"},
		{"172.31.255.255:25", "private"},
		{"192.168.1.1:25", "private"},
		{"[fd12::1]:25", "private"},
		{"[fec0::1]:25", "private"},
		{"100.64.0.1:25", "carrier"},
		{"100.127.255.255:25", "carrier"},
		{"169.254.1.1:25", "link-local"},
		{"[fe80::1]:25", "link-local"},
		{"[fe80::1%lo]:25", "link-local"},
		{"169.254.169.254:25", "metadata"},
		{"[::ffff:169.254.169.254]:25", "metadata"},
		{"[64:ff9b::a9fe:a9fe]:25", "metadata"},
		{"[fd00:ec2::254]:25", "metadata"},
		{"100.100.100.200:25", "metadata"},
		{"168.63.129.16:25", "metadata"},
		{"192.0.0.192:25", "metadata"},
		{"224.0.0.1:25", "multicast"},
		{"[ff02::1]:25", "multicast"},
		{"255.255.255.255:25", "reserved"},
		{"240.0.0.1:25", "reserved"},
		{"198.18.0.1:25", "reserved"},
		{"192.0.2.1:25", "documentation"},
		{"[2001:db8::1]:25", "documentation"},
		{"[100::1]:25", "reserved"},
		{"[4000::1]:25", "reserved"},
		// Notations that some resolvers take for an address.
		{"2130706433:25", "usual notation"},
		{"127.1:25", "usual notation"},
		{"0177.0.0.1:25", "usual notation"},
		{"0x7f.0.0.1:25", "usual notation"},
		{"0x7f000001:25", "usual notation"},
		{"0X7F.1:25", "usual notation"},
		{"127.0.0.0x1:25", "usual notation"},
		{"127.0.0.1.:25", "usual notation"},
		{"127.0.0.01:25", "usual notation"},
		// Names.
		{"localhost:25", "loopback"},
		{"localhost.:25", "loopback"},
		{"127.0.0.1.nip.example:25", "loopback"},
		{"metadata.example:25", "metadata"},
		{"mapped.example:25", "loopback"},
		{"inner.example:25", "private"},
		// Ports.
		{"93.184.216.34:22", "none of the ports"},
		{"93.184.216.34:6379", "none of the ports"},
		{"mail.example:80", "none of the ports"},
		{"93.184.216.34:0", "none of the ports"},
	}
	resolver := names{
		"localhost":             {"127.0.0.1", "::1"},
		"localhost.":            {"::1"},
		"127.0.0.1.nip.example": {"127.0.0.1"},
		"metadata.example":      {"169.254.169.254"},
		"mapped.example":        {"::ffff:127.0.0.1"},
		"inner.example":         {"10.1.2.3", "192.168.0.1"},
		"mail.example":          {"93.184.216.34"},
		"2130706433":            {"127.0.0.1"},
		"127.1":                 {"127.0.0.1"},
		"0x7f000001":            {"127.0.0.1"},
	}
	for _, test := range tests {
		t.Run(test.address, func(t *testing.T) {
			t.Parallel()
			dialer := new(recorder)
			guard := Guard{Resolver: resolver, dial: dialer.dial}
			_, err := guard.DialContext(t.Context(), "tcp", test.address)
			refused, ok := errors.AsType[*RefusedError](err)
			if !ok || !strings.Contains(refused.Reason, test.reason) {
				t.Errorf("got %v, want a refusal for %q", err, test.reason)
			}
			if len(dialer.dialed) > 0 {
				t.Errorf("dialed %v", dialer.dialed)
			}
		})
	}
}

func TestRefusalKeepsInnerAddressesOutOfItsText(t *testing.T) {
	t.Parallel()
	guard := Guard{Resolver: names{"db.example": {"10.20.30.40"}}}
	_, err := guard.DialContext(t.Context(), "tcp", "db.example:25")
	refused, ok := errors.AsType[*RefusedError](err)
	if !ok || refused.Address != netip.MustParseAddr("10.20.30.40") {
		t.Fatalf("got %v, want a refusal of 10.20.30.40", err)
	}
	if text := err.Error(); strings.Contains(text, "10.20") || !strings.Contains(text, "db.example:25") || !strings.Contains(text, "allow_destinations") {
		t.Errorf("text %q", text)
	}
}

func TestPermitted(t *testing.T) {
	t.Parallel()
	resolver := names{
		"mail.example":  {"93.184.216.34"},
		"dual.example":  {"2606:2800:220:1::1", "93.184.216.34"},
		"mixed.example": {"127.0.0.1", "93.184.216.34"},
		"nat64.example": {"64:ff9b::93.184.216.34"},
	}
	tests := []struct {
		name    string
		guard   Guard
		address string
		dialed  []string
	}{
		{"public name", Guard{}, "mail.example:587", []string{"93.184.216.34:587"}},
		{"public IPv4", Guard{}, "93.184.216.34:25", []string{"93.184.216.34:25"}},
		{"mapped public", Guard{}, "[::ffff:93.184.216.34]:25", []string{"93.184.216.34:25"}},
		{"both families", Guard{}, "dual.example:465", []string{"[2606:2800:220:1::1]:465", "93.184.216.34:465"}},
		{"only what is public", Guard{}, "mixed.example:25", []string{"93.184.216.34:25"}},
		{"translated public", Guard{}, "nat64.example:25", []string{"[64:ff9b::5db8:d822]:25"}},
		{"web port for webhooks", Guard{Ports: WebPorts()}, "mail.example:443", []string{"93.184.216.34:443"}},
		{"opened range, any port", Guard{Allowed: prefixes("10.1.0.0/16")}, "10.1.2.3:1025", []string{"10.1.2.3:1025"}},
		{"opened range, mapped", Guard{Allowed: prefixes("127.0.0.1/32")}, "[::ffff:127.0.0.1]:1025", []string{"127.0.0.1:1025"}},
		{"opened range, translated", Guard{Allowed: prefixes("10.0.0.0/8")}, "[64:ff9b::10.0.0.1]:25", []string{"[64:ff9b::a00:1]:25"}},
		{"unrestricted", Guard{Unrestricted: true}, "127.0.0.1:6379", []string{"127.0.0.1:6379"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			dialer := new(recorder)
			test.guard.Resolver, test.guard.dial = resolver, dialer.dial
			synctest.Test(t, func(t *testing.T) {
				if _, err := test.guard.DialContext(t.Context(), "tcp", test.address); err == nil || !strings.Contains(err.Error(), "unreachable") {
					t.Errorf("error %v, want that of the dialer", err)
				}
			})
			if !slices.Equal(dialer.dialed, test.dialed) {
				t.Errorf("dialed %v, want %v", dialer.dialed, test.dialed)
			}
		})
	}
}

func TestOpenedRangeOpensNothingElse(t *testing.T) {
	t.Parallel()
	guard := Guard{Allowed: prefixes("10.1.0.0/16")}
	for _, address := range []string{"10.2.0.1:25", "127.0.0.1:25", "169.254.169.254:25"} {
		if err := guard.Check(netip.MustParseAddrPort(address)); err == nil {
			t.Errorf("%s passed", address)
		}
	}
}

func TestManyRecords(t *testing.T) {
	t.Parallel()
	many := make([]string, 0, 300)
	for range 200 {
		many = append(many, "2606:2800:220:1::1")
	}
	many = append(many[:20], append([]string{"93.184.216.34"}, many[20:]...)...)
	dialer := new(recorder)
	guard := Guard{Resolver: names{"many.example": many}, dial: dialer.dial}
	synctest.Test(t, func(t *testing.T) { guard.DialContext(t.Context(), "tcp", "many.example:25") })
	if len(dialer.dialed) != maxAddresses || dialer.dialed[1] != "93.184.216.34:25" {
		t.Errorf("dialed %v, want five with IPv4 second", dialer.dialed)
	}
	beyond := slices.Repeat([]string{"10.0.0.1"}, maxRecords)
	guard.Resolver = names{"many.example": append(beyond, "93.184.216.34")}
	if _, err := guard.DialContext(t.Context(), "tcp", "many.example:25"); err == nil || !strings.Contains(err.Error(), "private") {
		t.Errorf("got %v, want a refusal: record 101 is not looked at", err)
	}
}

func TestBadTargets(t *testing.T) {
	t.Parallel()
	guard := Guard{Resolver: names{"none.example": nil}}
	tests := []struct{ network, address string }{
		{"udp", "93.184.216.34:25"},
		{"unix", "/run/docker.sock"},
		{"tcp", "93.184.216.34"},
		{"tcp", "93.184.216.34:smtp"},
		{"tcp", "93.184.216.34:65561"}, // 25 in 16 bits
		{"tcp", "unknown.example:25"},
		{"tcp", "none.example:25"},
		{"tcp", ":25"},
	}
	for _, test := range tests {
		if conn, err := guard.DialContext(t.Context(), test.network, test.address); err == nil {
			conn.Close()
			t.Errorf("%s %s passed", test.network, test.address)
		}
	}
}

// An address that does not answer delays the next one by the head start only,
// and a connection that comes late is closed.
func TestRace(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		late, other := net.Pipe()
		winner, _ := net.Pipe()
		guard := Guard{
			Resolver: names{"dual.example": {"2606:2800:220:1::1", "93.184.216.34"}},
			dial: func(ctx context.Context, _, address string) (net.Conn, error) {
				if address == "93.184.216.34:25" {
					return winner, nil
				}
				<-ctx.Done()
				return late, nil // came through all the same
			},
		}
		start := time.Now()
		conn, err := guard.DialContext(t.Context(), "tcp", "dual.example:25")
		if conn != winner || err != nil {
			t.Fatalf("got %v, %v", conn, err)
		}
		if took := time.Since(start); took != stagger {
			t.Errorf("took %v, want %v", took, stagger)
		}
		if _, err := other.Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
			t.Errorf("the late connection was left open: %v", err)
		}
	})
}

func TestContextEndsDial(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		guard := Guard{dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
			<-ctx.Done()
			return nil, ctx.Err()
		}}
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if _, err := guard.DialContext(ctx, "tcp", "93.184.216.34:25"); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v", err)
		}
	})
}

// The real dialer: it connects where the guard allows it, and the last check,
// on what the system connects to, stands by itself.
func TestRealDial(t *testing.T) {
	t.Parallel()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	address := listener.Addr().String()

	for name, guard := range map[string]Guard{
		"opened":       {Allowed: prefixes("127.0.0.0/8")},
		"unrestricted": {Unrestricted: true, Source: netip.MustParseAddr("127.0.0.1")},
	} {
		conn, err := guard.DialContext(t.Context(), "tcp", address)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		conn.Close()
	}
	guard := new(Guard)
	if _, err := guard.dialOne(t.Context(), "tcp", "mail.example:25", address); err == nil || !strings.Contains(err.Error(), "loopback") {
		t.Errorf("the dialer let a loopback address pass: %v", err)
	}
}

func FuzzCheck(f *testing.F) {
	f.Add(netip.MustParseAddr("::ffff:127.0.0.1").AsSlice(), uint16(25))
	f.Add(netip.MustParseAddr("64:ff9b::a00:1").AsSlice(), uint16(25))
	f.Add(netip.MustParseAddr("93.184.216.34").AsSlice(), uint16(587))
	f.Fuzz(func(t *testing.T, octets []byte, port uint16) {
		address, ok := netip.AddrFromSlice(octets)
		if !ok {
			return
		}
		if err := new(Guard).Check(netip.AddrPortFrom(address, port)); err != nil {
			return
		}
		// What passes is a public address by the standard library's lights too.
		address = address.Unmap()
		if !address.IsGlobalUnicast() || address.IsPrivate() || !slices.Contains(MailPorts(), port) {
			t.Errorf("%v:%d passed", address, port)
		}
	})
}

func prefixes(list ...string) []netip.Prefix {
	var parsed []netip.Prefix
	for _, text := range list {
		parsed = append(parsed, netip.MustParsePrefix(text))
	}
	return parsed
}
