package smtp

import (
	"crypto/tls"
	"strings"
	"testing"
	"time"

	"github.com/postilion-mail/postilion/internal/smtptest"
	"github.com/postilion-mail/postilion/plugin"
)

// secure starts a polite scripted server with STARTTLS and AUTH.
func secure(t *testing.T, config *tls.Config, rules ...smtptest.Rule) *smtptest.Scripted {
	return smtptest.StartScripted(t, smtptest.Script{
		Capabilities: everything("STARTTLS", "AUTH PLAIN LOGIN"), TLS: config, Rules: rules,
	})
}

func securely(server *smtptest.Scripted, ca *smtptest.CA) setup {
	return setup{
		values: map[string]any{
			"host": "127.0.0.1", "port": float64(server.Port()), "ca_certificates": ca.PEM(),
			"hello_name": "client.example", "username": "user",
		},
		secrets: map[string]string{"password": testPassword},
	}
}

func newCA(t *testing.T) *smtptest.CA {
	ca, err := smtptest.NewCA()
	if err != nil {
		t.Fatal(err)
	}
	return ca
}

func issue(t *testing.T, ca *smtptest.CA, is smtptest.Issue) tls.Certificate {
	certificate, err := ca.Issue(is)
	if err != nil {
		t.Fatal(err)
	}
	return certificate
}

// nothingSecret fails the test if the server has seen a password or an
// envelope.
func nothingSecret(t *testing.T, server *smtptest.Scripted) {
	t.Helper()
	if wire := server.Received(); strings.Contains(wire, "AUTH") || strings.Contains(wire, "MAIL") {
		t.Errorf("the server has seen %q", wire)
	}
}

// T68: each fault of a certificate has a name of its own, and nothing is sent.
func TestCertificates(t *testing.T) {
	t.Parallel()
	ca, stranger := newCA(t), newCA(t)
	now := time.Now()
	good := issue(t, ca, smtptest.Issue{})
	for name, test := range map[string]struct {
		certificate tls.Certificate
		settings    []any
		fault       string // empty for none
	}{
		"good":                     {good, nil, ""},
		"intermediate":             {issue(t, ca, smtptest.Issue{Intermediate: true}), nil, ""},
		"missing intermediate":     {issue(t, ca, smtptest.Issue{Intermediate: true, OmitIntermediate: true}), nil, "unknown_authority"},
		"expired":                  {issue(t, ca, smtptest.Issue{NotAfter: now.Add(-time.Hour)}), nil, "expired"},
		"not yet valid":            {issue(t, ca, smtptest.Issue{NotBefore: now.Add(time.Hour)}), nil, "not_yet_valid"},
		"self-signed":              {issue(t, ca, smtptest.Issue{SelfSigned: true}), nil, "self_signed"},
		"unknown authority":        {issue(t, stranger, smtptest.Issue{}), nil, "unknown_authority"},
		"other name":               {issue(t, ca, smtptest.Issue{Names: []string{"mail.example"}}), nil, "wrong_name"},
		"other address":            {issue(t, ca, smtptest.Issue{Names: []string{"127.0.0.2"}}), nil, "wrong_name"},
		"common name only":         {issue(t, ca, smtptest.Issue{Names: []string{"127.0.0.1"}, CommonNameOnly: true}), nil, "wrong_name"},
		"wildcard":                 {issue(t, ca, smtptest.Issue{Names: []string{"*.0.0.1"}}), nil, "wrong_name"},
		"client's certificate":     {issue(t, ca, smtptest.Issue{Client: true}), nil, "invalid"},
		"weak key":                 {issue(t, ca, smtptest.Issue{RSABits: 1024}), nil, "weak_key"},
		"RSA":                      {issue(t, ca, smtptest.Issue{RSABits: 2048}), nil, ""},
		"pin":                      {good, []any{"pin_sha256", smtptest.Pin(good)}, ""},
		"other pin":                {good, []any{"pin_sha256", strings.Repeat("ab", 32)}, "pin_mismatch"},
		"skipped":                  {issue(t, stranger, smtptest.Issue{Names: []string{"x.example"}}), []any{"skip_verify", true}, ""},
		"skipped, but pinned":      {issue(t, stranger, smtptest.Issue{}), []any{"skip_verify", true, "pin_sha256", smtptest.Pin(good)}, "pin_mismatch"},
		"opportunistic":            {issue(t, stranger, smtptest.Issue{}), []any{"security", "opportunistic"}, "unknown_authority"},
		"opportunistic, no secret": {issue(t, stranger, smtptest.Issue{}), []any{"security", "opportunistic", "auth", "none"}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := secure(t, &tls.Config{Certificates: []tls.Certificate{test.certificate}})
			i := securely(server, ca).with(test.settings...).open(t)
			r := send(t, i, delivery(shortContent, "a@b.example"))
			stages := check(t, i, plugin.CheckRequest{})
			if test.fault == "" {
				r.expect(t, "accepted")
				if s := stages["tls"]; s.Status == plugin.StageFailed || s.Facts["tls_version"] == "" {
					t.Errorf("stage %+v", s)
				}
				return
			}
			r.expect(t, "temporary/connection")
			if o := r.outcomes[0]; o.Phase != plugin.PhaseTLS || !o.Inferred {
				t.Errorf("outcome %+v", o)
			}
			if s := stages["tls"]; s.Status != plugin.StageFailed || s.Facts["certificate_fault"] != test.fault {
				t.Errorf("fault %q, want %q: %s", s.Facts["certificate_fault"], test.fault, s.Detail)
			}
			if s := stages["auth"]; s.Status != plugin.StageSkipped || !strings.Contains(s.Detail, "tls failed") {
				t.Errorf("stage %+v", s)
			}
			nothingSecret(t, server)
		})
	}
}

// T63, T64: without STARTTLS nothing is said, whatever the server answers.
func TestStartTLSRefused(t *testing.T) {
	t.Parallel()
	ca := newCA(t)
	config := &tls.Config{Certificates: []tls.Certificate{issue(t, ca, smtptest.Issue{})}}
	for _, reply := range []string{"454 later", "502 no", "354 what", "221 bye", "250 ok", "200 ok", "500 no", "501 no", "530 no", "421 no", "abc"} {
		server := secure(t, config, smtptest.Rule{On: "STARTTLS", Do: smtptest.Reply(reply)})
		r := send(t, securely(server, ca).open(t), delivery(shortContent, "a@b.example"))
		if o := r.outcomes[0]; o.Class == plugin.Accepted || o.Phase != plugin.PhaseStartTLS {
			t.Errorf("%q: %+v", reply, o)
		}
		nothingSecret(t, server)
	}
	stripped := smtptest.StartScripted(t, smtptest.Script{Capabilities: everything("AUTH PLAIN")})
	for _, security := range []string{"starttls", "opportunistic"} {
		r := send(t, securely(stripped, ca).with("security", security).open(t), delivery(shortContent, "a@b.example"))
		r.expect(t, "temporary/connection")
	}
	nothingSecret(t, stripped)
}

// T65, T66: what is said before TLS counts for nothing after.
func TestBeforeTLS(t *testing.T) {
	t.Parallel()
	ca := newCA(t)
	config := &tls.Config{Certificates: []tls.Certificate{issue(t, ca, smtptest.Issue{})}}
	server := secure(t, config, smtptest.Rule{On: "STARTTLS", Do: smtptest.Reply("220 go", "250-evil", "250 AUTH PLAIN")})
	r := send(t, securely(server, ca).open(t), delivery(shortContent, "a@b.example"))
	r.expect(t, "temporary/server")
	if o := r.outcomes[0]; o.Phase != plugin.PhaseStartTLS || !strings.Contains(o.Reply, "data before TLS") {
		t.Errorf("outcome %+v", o)
	}
	nothingSecret(t, server)

	server = smtptest.StartScripted(t, smtptest.Script{
		Capabilities: everything("STARTTLS", "AUTH PLAIN"), SecureCapabilities: []string{"AUTH LOGIN", "SIZE 5"}, TLS: config,
	})
	send(t, securely(server, ca).open(t), delivery(shortContent, "a@b.example")).expect(t, "permanent/content") // by the SIZE under TLS
	if wire := server.Received(); strings.Contains(wire, "AUTH PLAIN") || !strings.Contains(wire, "AUTH LOGIN") || strings.Count(wire, "EHLO") != 2 {
		t.Errorf("wire %q", wire)
	}
}

// A server that knows only HELO under TLS has none of what it said before.
func TestCapabilitiesAreForgotten(t *testing.T) {
	t.Parallel()
	ca := newCA(t)
	config := &tls.Config{Certificates: []tls.Certificate{issue(t, ca, smtptest.Issue{})}}
	server := secure(t, config, smtptest.Rule{On: "EHLO", Nth: 2, Do: smtptest.Reply("500 what?")})
	s := securely(server, ca).with("security", "opportunistic", "auth", "none")
	send(t, s.open(t), delivery(shortContent, "a@b.example")).expect(t, "accepted")
	if wire := server.Received(); !strings.Contains(wire, "HELO client.example\r\nMAIL FROM:<from@a.example>\r\n") || !strings.Contains(wire, "DATA\r\n") {
		t.Errorf("wire %q", wire)
	}
}

// T69: the name asked for is the configured host.
func TestServerName(t *testing.T) {
	t.Parallel()
	for host, want := range map[string]string{"localhost": "localhost", "127.0.0.1": ""} {
		server := smtptest.Start(t, smtptest.Account("user", testPassword))
		send(t, against(server).with("host", host).open(t), delivery(shortContent, "a@b.example")).expect(t, "accepted")
		if got := server.Messages(1)[0].ServerName; got != want {
			t.Errorf("host %s: name %q, want %q", host, got, want)
		}
	}
}

// T70, T72: old versions and failing handshakes are refused, and never made up
// for by going without TLS.
func TestHandshakeFails(t *testing.T) {
	t.Parallel()
	ca := newCA(t)
	certificate := issue(t, ca, smtptest.Issue{})
	old := &tls.Config{Certificates: []tls.Certificate{certificate}, MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS11}
	for _, security := range []string{"starttls", "opportunistic"} {
		for name, server := range map[string]*smtptest.Scripted{
			"old version": secure(t, old),
			"no TLS":      secure(t, nil, smtptest.Rule{On: "HANDSHAKE", Do: smtptest.Reply("500 what?")}),
			"closed":      secure(t, nil, smtptest.Rule{On: "HANDSHAKE", Do: smtptest.Close()}),
		} {
			s := securely(server, ca).with("security", security)
			r := send(t, s.open(t), delivery(shortContent, "a@b.example"))
			if o := r.outcomes[0]; o.Class != plugin.Temporary || o.Phase != plugin.PhaseTLS && o.Phase != plugin.PhaseStartTLS {
				t.Errorf("%s: %+v", name, o)
			}
			nothingSecret(t, server)
		}
	}
	server := secure(t, old)
	send(t, securely(server, ca).with("minimum_tls", "1.0").open(t), delivery(shortContent, "a@b.example")).expect(t, "accepted")
	server = secure(t, &tls.Config{Certificates: []tls.Certificate{certificate}, MaxVersion: tls.VersionTLS12})
	send(t, securely(server, ca).with("minimum_tls", "1.3").open(t), delivery(shortContent, "a@b.example")).expect(t, "temporary/connection")
}

// T78: the wrong kind of server is told apart.
func TestWrongServer(t *testing.T) {
	t.Parallel()
	for greeting, want := range map[string]string{
		"HTTP/1.1 400 Bad Request\r\n":  "a web server, not a mail server < HTTP/1.1 400 Bad Request",
		"220-FTP\r\n500 x\r\n":          "a server for FTP, not for mail < 220-FTP",
		"220-SMTP\r\n500 x\r\n":         "mixes the codes",
		"SSH-2.0-OpenSSH_9.2\r\n":       "a server for SSH, not for mail < SSH-2.0-OpenSSH_9.2",
		"\x15\x03\x01\x00\x02\x02\x0a":  `a server that expects TLS from the start < \x15\x03`,
		strings.Repeat("A", 300) + "\n": strings.Repeat("A", 197) + "...",
	} {
		server := smtptest.StartScripted(t, smtptest.Script{Rules: []smtptest.Rule{{On: "CONNECT", Do: smtptest.Then(smtptest.Raw(greeting), smtptest.Close())}}})
		stages := check(t, plainly(server).open(t), plugin.CheckRequest{})
		if s := stages["greeting"]; s.Status != plugin.StageFailed || !strings.Contains(s.Detail+" < "+s.Server, want) {
			t.Errorf("%.20q: %+v", greeting, s)
		}
	}
	plain := smtptest.StartScripted(t, smtptest.Script{})
	stages := check(t, plainly(plain).with("security", "tls").open(t), plugin.CheckRequest{})
	if s := stages["tls"]; s.Status != plugin.StageFailed || s.Facts["service"] != "smtp" || s.Server != "220 scripted.example ESMTP" {
		t.Errorf("stage %+v", s)
	}
}

func TestClientCertificate(t *testing.T) {
	t.Parallel()
	ca := newCA(t)
	mine := issue(t, ca, smtptest.Issue{Names: []string{"client.example"}, Client: true})
	chain, key, err := smtptest.CertificatePEM(mine)
	if err != nil {
		t.Fatal(err)
	}
	server := secure(t, &tls.Config{
		Certificates: []tls.Certificate{issue(t, ca, smtptest.Issue{})}, ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: ca.Pool(),
	})
	r := send(t, securely(server, ca).open(t), delivery(shortContent, "a@b.example"))
	if r.outcomes[0].Class == plugin.Accepted {
		t.Error("accepted without a certificate")
	}
	s := securely(server, ca).with("client_certificate", chain)
	s.secrets = map[string]string{"password": testPassword, "client_key": key}
	send(t, s.open(t), delivery(shortContent, "a@b.example")).expect(t, "accepted")
}
