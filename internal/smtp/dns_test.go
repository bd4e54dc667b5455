package smtp

import (
	"context"
	"net"
	"testing"

	"golang.org/x/net/dns/dnsmessage"

	"github.com/postilion-mail/postilion/plugin"
)

// nameServer answers questions by UDP with a code and records, and gives a
// resolver that asks it alone.
func nameServer(t *testing.T, code dnsmessage.RCode, answers func(dnsmessage.Question) []dnsmessage.Resource) *net.Resolver {
	t.Helper()
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	go func() {
		for buffer := make([]byte, 4096); ; {
			n, from, err := conn.ReadFrom(buffer)
			if err != nil {
				return // closed
			}
			var message dnsmessage.Message
			if message.Unpack(buffer[:n]) != nil || len(message.Questions) != 1 {
				continue
			}
			message.Header.Response, message.Header.RecursionAvailable, message.Header.RCode = true, true, code
			message.Answers, message.Additionals = answers(message.Questions[0]), nil
			if packed, err := message.Pack(); err == nil {
				_, _ = conn.WriteTo(packed, from)
			}
		}
	}()
	return &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "udp", conn.LocalAddr().String())
	}}
}

// T61: whatever a name server answers, mail waits; only what the configuration
// can mend raises its alarm.
func TestNameServers(t *testing.T) {
	t.Parallel()
	nothing := func(dnsmessage.Question) []dnsmessage.Resource { return nil }
	alias := func(from, to string) dnsmessage.Resource {
		return dnsmessage.Resource{
			Header: dnsmessage.ResourceHeader{Name: dnsmessage.MustNewName(from), Class: dnsmessage.ClassINET, TTL: 60},
			Body:   &dnsmessage.CNAMEResource{CNAME: dnsmessage.MustNewName(to)},
		}
	}
	for name, test := range map[string]struct {
		code    dnsmessage.RCode
		answers func(dnsmessage.Question) []dnsmessage.Resource
		want    string
	}{
		"SERVFAIL":            {dnsmessage.RCodeServerFailure, nothing, "temporary/network"},
		"REFUSED":             {dnsmessage.RCodeRefused, nothing, "temporary/network"},
		"NXDOMAIN":            {dnsmessage.RCodeNameError, nothing, "temporary/connection"},
		"nothing of the kind": {dnsmessage.RCodeSuccess, nothing, "temporary/connection"},
		"a loop of names": {dnsmessage.RCodeSuccess, func(q dnsmessage.Question) []dnsmessage.Resource {
			return []dnsmessage.Resource{alias(q.Name.String(), "b.example."), alias("b.example.", "c.example."), alias("c.example.", q.Name.String())}
		}, "temporary/connection"},
		"a name that is its own": {dnsmessage.RCodeSuccess, func(q dnsmessage.Question) []dnsmessage.Resource {
			return []dnsmessage.Resource{alias(q.Name.String(), q.Name.String())}
		}, "temporary/connection"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := setup{values: map[string]any{"host": "mail.example"}, options: Options{Resolver: nameServer(t, test.code, test.answers)}}
			r := send(t, s.open(t), delivery(shortContent, "a@b.example"))
			if r.expect(t, test.want); r.outcomes[0].Phase != plugin.PhaseResolve {
				t.Errorf("%+v", r.outcomes[0])
			}
		})
	}
}
