package e2e

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"net"
	"os/exec"
	"strings"
	"testing"
	"time"

	gomail "github.com/wneessen/go-mail"

	"github.com/postilion-mail/postilion/internal/smtptest"
)

// port is where a scenario's SMTP port is, with a certificate of its own.
type port struct {
	host, number string
	ca           *smtptest.CA
	caFile       string
	token        string // of the client shop
}

func (p *port) address() string { return net.JoinHostPort(p.host, p.number) }

// startPort starts a daemon with an SMTP port.
func startPort(t testing.TB, folder string, args ...string) (*daemon, *port) {
	t.Helper()
	ca, err := smtptest.NewCA()
	if err != nil {
		t.Fatal(err)
	}
	p := &port{host: host(), number: "2526", ca: ca}
	certificate, err := ca.Issue(smtptest.Issue{Names: []string{p.host}})
	if err != nil {
		t.Fatal(err)
	}
	chain, key, err := smtptest.CertificatePEM(certificate)
	if err != nil {
		t.Fatal(err)
	}
	p.caFile = write(t, folder+"/port-ca.pem", ca.PEM(), 0o644)
	d := startDaemon(t, folder, append([]string{
		"--smtp-listen", p.address(), "--grpc-listen", "off", "--http-listen", "off",
		"--tls-cert-file", write(t, folder+"/port.pem", chain, 0o644), "--tls-key-file", write(t, folder+"/port.key", key, 0o600),
	}, args...)...)
	p.token = d.token("shop", "send")
	return d, p
}

// smtpClients are programs and libraries that submit one message each, with
// the subject as its text.
func smtpClients() map[string]func(t *testing.T, folder string, p *port, subject string) {
	run := func(stdin, program string, args ...string) func(t *testing.T, p *port) {
		return func(t *testing.T, p *port) {
			t.Helper()
			need(t, program)
			command := exec.Command(program, args...)
			command.Stdin = strings.NewReader(stdin)
			if done := execute(t, command); done.code != 0 || strings.Contains(done.out, p.token) && program != "swaks" {
				t.Errorf("%s: exit %d\n%s%s", program, done.code, done.out, done.err)
			}
		}
	}
	swaks := func(more ...string) func(*testing.T, string, *port, string) {
		return func(t *testing.T, _ string, p *port, subject string) {
			t.Helper()
			run("", "swaks", append([]string{
				"--server", p.host, "--port", p.number, "--from", "shop@shop.example", "--to", "to@example.net", "--helo", "app.example",
				"--auth-user", "shop", "--auth-password", p.token, "--h-Subject", subject, "--body", subject, "--timeout", "60",
			}, more...)...)(t, p)
		}
	}
	return map[string]func(*testing.T, string, *port, string){
		"swaks, STARTTLS, PLAIN": swaks("--tls", "--auth", "PLAIN"),
		"swaks, STARTTLS, LOGIN": swaks("--tls", "--auth", "LOGIN"),
		"swaks, PIPELINING":      swaks("--auth", "PLAIN", "--pipeline"),
		"Python": func(t *testing.T, folder string, p *port, subject string) {
			t.Helper()
			run("", "python3", script(t, folder, "submit.py"), p.host, p.number, p.caFile, "shop", p.token, subject)(t, p)
		},
		"msmtp": func(t *testing.T, folder string, p *port, subject string) {
			t.Helper()
			settings := write(t, folder+"/msmtprc", "account default\nhost "+p.host+"\nport "+p.number+"\ntls on\ntls_starttls on\ntls_trust_file "+
				p.caFile+"\nauth plain\nuser shop\npassword "+p.token+"\nfrom shop@shop.example\n", 0o600)
			run("From: shop@shop.example\nSubject: "+subject+"\n\n"+subject+"\n.\n", "msmtp", "-C", settings, "to@example.net")(t, p)
		},
		"go-mail, STARTTLS, PLAIN": goMail(gomail.SMTPAuthPlain, gomail.TLSMandatory),
		"go-mail, STARTTLS, LOGIN": goMail(gomail.SMTPAuthLogin, gomail.TLSMandatory),
	}
}

func goMail(auth gomail.SMTPAuthType, policy gomail.TLSPolicy) func(*testing.T, string, *port, string) {
	return func(t *testing.T, _ string, p *port, subject string) {
		t.Helper()
		trusted := x509.NewCertPool()
		trusted.AppendCertsFromPEM([]byte(p.ca.PEM()))
		client, err := gomail.NewClient(p.host, gomail.WithPort(2526), gomail.WithTLSPolicy(policy), gomail.WithSMTPAuth(auth),
			gomail.WithUsername("shop"), gomail.WithPassword(p.token), gomail.WithTimeout(patience),
			gomail.WithTLSConfig(&tls.Config{ServerName: p.host, RootCAs: trusted, MinVersion: tls.VersionTLS12}),
			gomail.WithDSN())
		if err != nil {
			t.Fatal(err)
		}
		m := gomail.NewMsg()
		if err := m.From("shop@shop.example"); err != nil {
			t.Fatal(err)
		}
		if err := m.To("to@example.net"); err != nil {
			t.Fatal(err)
		}
		m.Subject(subject)
		m.SetBodyString(gomail.TypeTextPlain, subject)
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		defer cancel()
		if err := client.DialAndSendWithContext(ctx, m); err != nil {
			t.Error(err)
		}
	}
}

// Other people's software submits through the SMTP port, each with its own
// idea of the protocol.
func TestSMTPPortClients(t *testing.T) {
	folder := scenario(t)
	provider := startProvider(t, folder)
	d, p := startPort(t, folder)
	d.configure(provider, password)
	clients := smtpClients()
	for name, submit := range clients {
		submit(t, folder, p, "by "+name)
	}
	got := map[string]string{}
	for _, m := range provider.Messages(len(clients)) {
		for name := range clients {
			if strings.Contains(string(m.Content), "Subject: by "+name+"\r\n") {
				got[name] = string(m.Content)
			}
		}
		if m.From != "shop@shop.example" || strings.Join(m.To, " ") != "to@example.net" {
			t.Errorf("envelope of %s to %v", m.From, m.To)
		}
	}
	for name := range clients {
		want := "with ESMTPSA;"
		switch {
		case strings.Contains(name, "PIPELINING"):
			want = "with ESMTPA;"
		case strings.Contains(name, "go-mail"):
			want = "with UTF8SMTPSA;" // it always asks for SMTPUTF8
		}
		if content := got[name]; !strings.Contains(content, " (client shop)\r\n") || !strings.Contains(content, want) {
			t.Errorf("%s: %q", name, content)
		}
	}
	for _, m := range d.awaitAll(len(clients), sent) {
		if m.GetClient() != "shop" || m.GetSource() != "smtp" {
			t.Errorf("%s from %s by %s", m.GetSubject(), m.GetClient(), m.GetSource())
		}
	}

	// A wrong token, and none, get nothing in.
	for _, more := range [][]string{{"--auth", "PLAIN", "--auth-user", "shop", "--auth-password", "wrong"}, {}} {
		command := exec.Command("swaks", append([]string{"--server", p.host, "--port", p.number, "--from", "shop@shop.example", "--to", "to@example.net", "--tls"}, more...)...)
		done := execute(t, command)
		if done.code == 0 || !strings.Contains(done.out+done.err, "<~* 53") {
			t.Errorf("%v: exit %d\n%s%s", more, done.code, done.out, done.err)
		}
	}
	if n := provider.Count(); n != len(clients) {
		t.Errorf("%d messages at the provider", n)
	}
}

// smtp-source of Postfix, 50 sessions at a time and a connection for each
// message: no error, and every message at the other end.
func TestSMTPSource(t *testing.T) {
	folder := scenario(t)
	need(t, "smtp-source")
	const messages = 2000
	sink := smtptest.Start(t, func(c *smtptest.Config) { c.Security, c.Discard = smtptest.Plain, true })
	d, p := startPort(t, folder, "--smtp-local-client", "local")
	ip, number, _ := net.SplitHostPort(sink.Address())
	d.cli("", "configure", "sink", "--host", ip, "--port", number, "--security", "none", "--shared")

	done := execute(t, exec.Command("smtp-source", "-s", "50", "-m", "2000", "-l", "2048", "-f", "a@shop.example", "-t", "b@example.net", p.address()))
	if done.code != 0 || done.out+done.err != "" {
		t.Fatalf("smtp-source: exit %d\n%s%s", done.code, done.out, done.err)
	}
	// It has been told of each that it is safe; so they all arrive, once.
	await(t, "all are sent", func() bool { return sink.Count() >= messages })
	d.Stop()
	time.Sleep(pause)
	if n := sink.Count(); n != messages {
		t.Errorf("%d messages at the sink, not %d", n, messages)
	}
}
