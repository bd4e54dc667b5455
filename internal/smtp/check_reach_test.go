package smtp

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/postilion-mail/postilion/internal/dnstest"
	"github.com/postilion-mail/postilion/internal/smtptest"
	"github.com/postilion-mail/postilion/plugin"
)

// network is what a test's dialler reaches, and what was dialled.
type network struct {
	reach func(ctx context.Context, address netip.AddrPort) (net.Conn, error)

	mu      sync.Mutex
	dialled []string
}

func (n *network) dial(ctx context.Context, _, address string) (net.Conn, error) {
	n.mu.Lock()
	n.dialled = append(n.dialled, address)
	n.mu.Unlock()
	return n.reach(ctx, netip.MustParseAddrPort(address))
}

func TestCheckTellsDNSApart(t *testing.T) {
	t.Parallel()
	resolver := dnstest.Start(t, `
mail.example.org.  A 127.0.0.1
mail.example.org.  AAAA ::1
smtp.example.org.  CNAME mail.example.org.
example.org.       MX 10 mail.example.org.
text.example.org.  TXT "no server here"
`).Resolver()
	server := smtptest.StartScripted(t, smtptest.Script{})
	for host, want := range map[string]map[string]string{
		"smtp.example.org": {"ipv4": "127.0.0.1", "ipv6": "::1", "cname": "mail.example.org"},
		"mail.example.org": {"ipv4": "127.0.0.1", "ipv6": "::1", "cname": ""},
		"example.org":      {"dns": "no_address", "mail_exchangers": "mail.example.org"},
		"text.example.org": {"dns": "no_address"},
		"none.example.org": {"dns": "not_found"},
	} {
		s := plainly(server).with("host", host)
		s.options.Resolver = resolver
		facts := check(t, s.open(t), plugin.CheckRequest{})["resolve"].Facts
		for name, value := range want {
			if facts[name] != value {
				t.Errorf("%s: %s is %q, want %q", host, name, facts[name], value)
			}
		}
	}
}

// Each address has a line of its own, and one that does not work is a warning.
func TestCheckDialsEveryAddress(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		server := smtptest.PipeScripted(t, smtptest.Script{})
		n := &network{reach: func(ctx context.Context, a netip.AddrPort) (net.Conn, error) {
			switch a.Addr().As4()[3] {
			case 0:
				return nil, syscall.ECONNREFUSED
			case 1:
				return nil, hang(ctx)
			}
			return server.Dial(ctx, "", "")
		}}
		s := piped(server).with("host", "mail.example")
		s.options = Options{Dial: n.dial, Resolver: fakeResolver{addresses(3), nil}}
		begin := time.Now()
		stage := check(t, s.open(t), plugin.CheckRequest{})["connect"]
		if took := time.Since(begin); took != checkOthers {
			t.Errorf("took %v", took)
		}
		if stage.Status != plugin.StageWarning || !strings.Contains(stage.Detail, "192.0.2.0:587") {
			t.Errorf("%+v", stage)
		}
		for name, want := range map[string]string{"address_1": "192.0.2.0:587: connection refused", "address_2": "192.0.2.1:587: no answer", "address_3": "192.0.2.2:587 connected in 0s"} {
			if stage.Facts[name] != want {
				t.Errorf("%s is %q, want %q", name, stage.Facts[name], want)
			}
		}
		server.Stop()
	})
}

// When nobody answers, the other ports of mail are tried, within the time of a
// stage; none of them if the guard did not let the first dial out.
func TestCheckTriesOtherPorts(t *testing.T) {
	t.Parallel()
	refused := &plugin.DeliveryError{Outcome: plugin.Outcome{Class: plugin.Temporary, Blame: plugin.BlameConnection, Phase: plugin.PhaseConnect, Inferred: true, Reply: "no"}}
	for name, test := range map[string]struct {
		reach   func(ctx context.Context, a netip.AddrPort) (net.Conn, error)
		facts   map[string]string
		dials   int
		request plugin.CheckRequest
	}{
		"all hang":    {func(ctx context.Context, _ netip.AddrPort) (net.Conn, error) { return nil, hang(ctx) }, map[string]string{"connect": "timeout", "ports_timeout": "25, 465, 2525"}, 4, plugin.CheckRequest{}},
		"the guard":   {func(context.Context, netip.AddrPort) (net.Conn, error) { return nil, refused }, map[string]string{"connect": "", "ports_open": "", "ports_refused": ""}, 1, plugin.CheckRequest{}},
		"only a look": {func(context.Context, netip.AddrPort) (net.Conn, error) { return nil, syscall.ECONNREFUSED }, map[string]string{"connect": "refused", "ports_refused": ""}, 1, plugin.CheckRequest{LoginOnly: true}},
		"the guard, for other ports": {func(_ context.Context, a netip.AddrPort) (net.Conn, error) {
			if a.Port() == 587 {
				return nil, syscall.ECONNREFUSED
			}
			return nil, refused
		}, map[string]string{"connect": "refused", "ports_refused": "", "ports_open": ""}, 4, plugin.CheckRequest{}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				n := &network{reach: test.reach}
				s := setup{values: map[string]any{"host": "192.0.2.1", "security": "none"}, options: Options{Dial: n.dial}}
				begin := time.Now()
				stage := check(t, s.open(t), test.request)["connect"]
				if took := time.Since(begin); took > checkStage {
					t.Errorf("took %v", took)
				}
				for fact, want := range test.facts {
					if stage.Facts[fact] != want {
						t.Errorf("%s is %q, want %q", fact, stage.Facts[fact], want)
					}
				}
				if len(n.dialled) != test.dials || slices.Contains(n.dialled[1:], "192.0.2.1:587") {
					t.Errorf("dialled %v", n.dialled)
				}
			})
		})
	}
}

// What the silence of a port is looked into by goes through the same dialler,
// to the same address, and carries nothing of ours.
func TestProbesAreGuardedAndSayNothing(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		server := smtptest.PipeScripted(t, smtptest.Script{Rules: []smtptest.Rule{{On: "CONNECT", Do: smtptest.Silence()}}})
		n := &network{reach: func(ctx context.Context, _ netip.AddrPort) (net.Conn, error) { return server.Dial(ctx, "", "") }}
		s := piped(server).with("host", "192.0.2.1", "username", "user")
		s.secrets = map[string]string{"password": testPassword}
		s.options.Dial = n.dial
		stage := check(t, s.open(t), plugin.CheckRequest{})["greeting"]
		if stage.Status != plugin.StageFailed || stage.Facts["service"] != "" {
			t.Errorf("%+v", stage)
		}
		for _, address := range n.dialled {
			if address != "192.0.2.1:587" {
				t.Errorf("dialled %s", address)
			}
		}
		if len(n.dialled) != 3 {
			t.Errorf("dialled %v", n.dialled)
		}
		server.Stop()
		if wire := server.Received(); strings.Contains(wire, "user") || strings.Contains(wire, testPassword) || strings.Contains(wire, "client.example") {
			t.Errorf("the server has seen %q", wire)
		}
	})
}

func TestCheckTellsMechanismsAndQueueID(t *testing.T) {
	t.Parallel()
	server := smtptest.StartScripted(t, smtptest.Script{
		Capabilities: []string{"AUTH PLAIN LOGIN"},
		Rules: []smtptest.Rule{
			{On: "AUTH PLAIN", Do: smtptest.Reply("504 5.5.4 mechanism switched off")},
			{On: "CONTENT", Do: smtptest.Reply("250 2.0.0 Ok: queued as 4F2A91C0B7")},
			{On: "QUIT", Do: smtptest.Close()},
		},
	})
	s := plainly(server).with("username", "user")
	s.secrets = map[string]string{"password": testPassword}
	all := check(t, s.open(t), plugin.CheckRequest{Sender: "a@b.example", Recipient: "c@d.example", Message: delivery(shortContent)})
	auth := all["auth"]
	if auth.Status != plugin.StageWarning || auth.Facts["mechanism"] != "LOGIN" || auth.Facts["auth_mechanisms"] != "PLAIN LOGIN" ||
		auth.Facts["mechanisms_tried"] != "PLAIN: 504 5.5.4 mechanism switched off" {
		t.Errorf("%+v", auth)
	}
	if id := all["content"].Facts["queue_id"]; id != "4F2A91C0B7" {
		t.Errorf("queue id %q", id)
	}
	// What comes of QUIT is nobody's failure.
	if quit := all["quit"]; quit.Status != plugin.StageWarning || quit.Outcome != nil {
		t.Errorf("%+v", quit)
	}
}

func TestQueueID(t *testing.T) {
	t.Parallel()
	for reply, want := range map[string]string{
		"250 2.0.0 Ok: queued as 4F2A91C0B7":                      "4F2A91C0B7",
		"250 OK id=1qZ8mX-0003kL-2a":                              "1qZ8mX-0003kL-2a",
		"250 2.0.0 3a1b2c3d Message accepted for delivery":        "3a1b2c3d",
		"250 Ok 0102018c7d1e2f3a-4b5c-6d7e-8f90-a1b2c3d4e5f6-000": "0102018c7d1e2f3a-4b5c-6d7e-8f90-a1b2c3d4e5f6-000",
		"250 thank you": "",
		"250 2.0.0 Ok":  "",
	} {
		if got := queueID(reply); got != want {
			t.Errorf("%q: %q, want %q", reply, got, want)
		}
	}
}

// A certificate that ends within three weeks is a warning.
func TestCertificateExpiresSoon(t *testing.T) {
	t.Parallel()
	ca := newCA(t)
	for days, want := range map[int]plugin.StageStatus{20: plugin.StageWarning, 23: plugin.StagePassed} {
		certificate := issue(t, ca, smtptest.Issue{NotAfter: time.Now().Add(time.Duration(days) * 24 * time.Hour)})
		server := smtptest.Start(t, smtptest.Account("user", testPassword), func(c *smtptest.Config) { c.CA, c.Certificate = ca, &certificate })
		if stage := check(t, against(server).open(t), plugin.CheckRequest{})["tls"]; stage.Status != want {
			t.Errorf("%d days: %+v", days, stage)
		}
	}
}

func FuzzIdentify(f *testing.F) {
	for _, seed := range []string{"", "220 x", "\x16\x03\x01", "HTTP/1.1 200", "* OK", "+OK", "SSH-2.0", "J\x00\x00\x00\x0a", "220 ftp"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, head []byte) {
		if name := identify(head); name != "" && service(name) == "" {
			t.Errorf("%q", name)
		}
	})
}

func TestConnectFault(t *testing.T) {
	t.Parallel()
	refused, unreachable := &dialError{"a", syscall.ECONNREFUSED}, &dialError{"b", syscall.ENETUNREACH}
	for want, errs := range map[string][]error{
		"refused": {refused, unreachable}, "unreachable": {unreachable}, "timeout": {&dialError{"a", errors.Join(context.DeadlineExceeded, syscall.ETIMEDOUT)}}, "": {refused, context.Canceled},
	} {
		if got := connectFault(errs); got != want {
			t.Errorf("%v: %q, want %q", errs, got, want)
		}
	}
}

// A server that takes its time is not mistaken for another, whatever its other
// connections say.
func TestASlowServerIsNoOther(t *testing.T) {
	t.Parallel()
	ca := newCA(t)
	config := &tls.Config{Certificates: []tls.Certificate{issue(t, ca, smtptest.Issue{})}}
	slowly := func(polite smtptest.Action) smtptest.Action {
		return func(p *smtptest.Peer) bool {
			time.Sleep(checkSilence + 2*time.Second)
			return polite(p)
		}
	}
	for name, test := range map[string]struct {
		security string
		script   smtptest.Script
	}{
		"greets late":           {"none", smtptest.Script{}},
		"greets late under TLS": {"tls", smtptest.Script{TLS: config, Implicit: true}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				test.script.Rules = []smtptest.Rule{{On: "CONNECT", Connection: 1, Do: slowly(smtptest.Reply("220 slow.example ESMTP"))}}
				server := smtptest.PipeScripted(t, test.script)
				s := piped(server).with("security", test.security, "ca_certificates", ca.PEM())
				for _, stage := range checkAll(t, s.open(t), plugin.CheckRequest{Sender: "a@b.example"}) {
					if stage.Status == plugin.StageFailed || stage.Facts["service"] != "" {
						t.Errorf("%+v", stage)
					}
				}
				if server.Connections() < 2 {
					t.Error("nothing was looked into")
				}
				server.Stop()
			})
		})
	}
}
