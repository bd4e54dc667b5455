package diagnose_test

import (
	"context"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/postilion-mail/postilion/internal/diagnose"
	"github.com/postilion-mail/postilion/internal/smtp"
	"github.com/postilion-mail/postilion/internal/smtptest"
	"github.com/postilion-mail/postilion/plugin"
)

// scene is one failure, played to the real SMTP transport.
type scene struct {
	host     string            // as configured; mail.example.com if empty
	settings []any             // pairs; security none if not given
	ports    map[uint16]string // where the ports of the host really are; others are closed
	silent   []uint16          // ports that swallow every packet
	dial     func(ctx context.Context, network, address string) (net.Conn, error)
	resolver smtp.Resolver
	request  plugin.CheckRequest
	known    func(*diagnose.Context)
	stop     chan struct{} // when it is closed, the test is broken off
}

// one resolves every name to an address of documentation.
type one struct{}

func (one) LookupNetIP(context.Context, string, string) ([]netip.Addr, error) {
	return []netip.Addr{netip.MustParseAddr("192.0.2.25")}, nil
}

// reach dials what the scene has on a port.
func (s *scene) reach(ctx context.Context, network, address string) (net.Conn, error) {
	at := netip.MustParseAddrPort(address)
	if real := s.ports[at.Port()]; real != "" {
		var d net.Dialer
		return d.DialContext(ctx, network, real)
	}
	if slices.Contains(s.silent, at.Port()) {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	return nil, &net.OpError{Op: "dial", Net: network, Err: syscall.ECONNREFUSED}
}

// play tests the connection and gives what was found.
func (s *scene) play(t *testing.T) diagnose.Report {
	t.Helper()
	values := map[string]any{"host": "mail.example.com", "port": float64(587), "security": "none", "hello_name": "client.example.org"}
	if s.host != "" {
		values["host"] = s.host
	}
	for i := 0; i < len(s.settings); i += 2 {
		values[s.settings[i].(string)] = s.settings[i+1]
	}
	options := smtp.Options{Dial: s.reach, Resolver: one{}}
	if s.dial != nil {
		options.Dial = s.dial
	}
	if s.resolver != nil {
		options.Resolver = s.resolver
	}
	instance, err := smtp.New(options).Open(t.Context(), plugin.Settings{Connection: "test", Values: values, Secrets: map[string]string{"password": "correct horse"}})
	if err != nil {
		t.Error(err)
		return diagnose.Report{}
	}
	defer instance.Close()
	if s.request.Sender == "" {
		s.request.Sender = "site@example.com"
	}
	if s.request.Recipient == "" {
		s.request.Recipient = "reader@example.net"
	}
	ctx := t.Context()
	if s.stop != nil {
		var cancel context.CancelFunc
		ctx, cancel = context.WithCancel(ctx)
		defer cancel()
		go func() {
			<-s.stop
			cancel()
		}()
	}
	known := diagnose.ContextOf(values)
	if s.known != nil {
		s.known(&known)
	}
	r, err := diagnose.Test(ctx, instance, s.request, known)
	if err != nil {
		t.Error(err)
		return diagnose.Report{}
	}
	return r
}

// failed gives the stage that failed.
func failed(r diagnose.Report) plugin.Stage {
	for _, s := range r.Stages {
		if s.Status == plugin.StageFailed {
			return s
		}
	}
	return plugin.Stage{}
}

// expect compares what was found with what was played.
func expect(t *testing.T, r diagnose.Report, stage, code, remedy string) {
	t.Helper()
	s := failed(r)
	if r.Diagnosis == nil {
		t.Fatalf("nothing failed: %+v", r.Stages)
	}
	if s.Name != stage || r.Diagnosis.Code != code {
		t.Errorf("%s at %q, want %s at %q; server %q, detail %q, facts %v", r.Diagnosis.Code, s.Name, code, stage, s.Server, s.Detail, s.Facts)
	}
	if all := strings.Join(r.Diagnosis.Remedies, "\n"); !strings.Contains(all, remedy) {
		t.Errorf("no %q in the remedies:\n%s", remedy, all)
	}
}

// scripted makes a scene of a server that says one thing at one event.
func scripted(t *testing.T, host, greeting, on string, lines ...string) *scene {
	t.Helper()
	script := smtptest.Script{
		Greeting:     greeting,
		Capabilities: []string{"PIPELINING", "SIZE 35882577", "8BITMIME", "SMTPUTF8", "ENHANCEDSTATUSCODES", "AUTH PLAIN LOGIN XOAUTH2"},
	}
	if on != "" {
		script.Rules = []smtptest.Rule{{On: on, Do: smtptest.Reply(lines...)}}
	}
	return served(smtptest.StartScripted(t, script), host)
}

// served makes a scene of a server that listens on port 587.
func served(server *smtptest.Scripted, host string) *scene {
	return &scene{
		host: host, settings: []any{"username", "site@example.com", "allow_plain_auth", true},
		ports: map[uint16]string{587: "127.0.0.1:" + strconv.Itoa(server.Port())},
	}
}

func (s *scene) with(pairs ...any) *scene {
	s.settings = append(s.settings, pairs...)
	return s
}

// message is one to send at the end of a test.
func message() *plugin.Delivery {
	const text = "Subject: hello\r\n\r\nBody.\r\n"
	return &plugin.Delivery{
		ID: "m1", Attempt: 1, Envelope: plugin.Envelope{From: "site@example.com", Recipients: []plugin.Recipient{{Address: "reader@example.net"}}},
		Content: strings.NewReader(text), Size: int64(len(text)),
	}
}
