package diagnose_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/miekg/dns"

	"github.com/postilion-mail/postilion/internal/dnstest"
	"github.com/postilion-mail/postilion/internal/smtptest"
	"github.com/postilion-mail/postilion/plugin"
)

// wire is a failure of DNS, of the way, of the port, of TLS or of the protocol.
type wire struct {
	code, stage, remedy string
	scene               func(t *testing.T) *scene
}

var wires = []wire{
	{"dns.not_found", "resolve", "letter by letter", func(t *testing.T) *scene {
		return &scene{host: "nowhere.example.com", resolver: dnstest.Start(t, "mail.example.com. A 192.0.2.25").Resolver()}
	}},
	{"dns.no_address", "resolve", "smtp. or mail.", func(t *testing.T) *scene {
		return &scene{host: "example.com", resolver: dnstest.Start(t, "example.com. MX 10 mail.example.com.\nmail.example.com. A 192.0.2.25").Resolver()}
	}},
	{"dns.server_failure", "resolve", "some minutes", func(t *testing.T) *scene {
		return &scene{resolver: dnstest.StartFunc(t, func(q *dns.Msg) *dns.Msg { return new(dns.Msg).SetRcode(q, dns.RcodeServerFailure) }).Resolver()}
	}},
	{"dns.timeout", "resolve", "resolv.conf", func(t *testing.T) *scene {
		return (&scene{resolver: dnstest.StartFunc(t, func(*dns.Msg) *dns.Msg { return nil }).Resolver()}).with("resolve_timeout", "500ms")
	}},

	{"connect.port_closed", "connect", "465, 2525", func(t *testing.T) *scene {
		open := listening(t, func(net.Conn) {})
		return &scene{ports: map[uint16]string{465: open, 2525: open}}
	}},
	{"connect.no_mail_server", "connect", "instructions", func(t *testing.T) *scene { return &scene{} }},
	{"connect.port_blocked", "connect", "465", func(t *testing.T) *scene {
		return (&scene{ports: map[uint16]string{465: listening(t, func(net.Conn) {})}, silent: []uint16{25, 587, 2525}}).with("connect_timeout", "300ms")
	}},
	{"connect.blocked_by_hoster", "connect", "hoster", func(t *testing.T) *scene {
		return (&scene{host: "smtp.gmail.com", silent: []uint16{25, 465, 587, 2525}}).with("connect_timeout", "300ms")
	}},
	{"connect.port_25_blocked", "connect", "465", func(t *testing.T) *scene {
		return (&scene{silent: []uint16{25, 465, 587, 2525}}).with("connect_timeout", "300ms", "port", 25.0)
	}},
	{"connect.timeout", "connect", "hoster", func(t *testing.T) *scene {
		return (&scene{silent: []uint16{25, 465, 587, 2525}}).with("connect_timeout", "300ms")
	}},
	{"connect.unreachable", "connect", "ip route", func(t *testing.T) *scene {
		return &scene{dial: failing(syscall.ENETUNREACH)}
	}},
	{"connect.forbidden_here", "connect", "SELinux", func(t *testing.T) *scene { return &scene{dial: failing(syscall.EPERM)} }},
	{"connect.refused_by_policy", "connect", "allow_destinations", func(t *testing.T) *scene {
		return &scene{dial: failing(&plugin.DeliveryError{Outcome: plugin.Outcome{Class: plugin.Temporary, Blame: plugin.BlameConnection, Phase: plugin.PhaseConnect, Inferred: true, Reply: "the server's address may not be reached"}})}
	}},

	// all combinations of mode and port
	{"port.tls_expected", "greeting", "security of this connection to tls", func(t *testing.T) *scene {
		return on587(address(secured(t, smtptest.Script{Implicit: true}, nil))).with("security", "starttls")
	}},
	{"port.tls_expected", "greeting", "security of this connection to tls", func(t *testing.T) *scene {
		return on587(address(secured(t, smtptest.Script{Implicit: true}, nil))).with("security", "none")
	}},
	{"port.tls_expected", "greeting", "security of this connection to tls", func(t *testing.T) *scene {
		return on587(listening(t, func(c net.Conn) { _, _ = c.Write([]byte("\x15\x03\x01\x00\x02\x02\x28")) }))
	}},
	{"port.plain_expected", "tls", "starttls", func(t *testing.T) *scene {
		return on587(address(smtptest.StartScripted(t, smtptest.Script{}))).with("security", "tls")
	}},
	{"port.http", "greeting", "465", func(t *testing.T) *scene { return on587(web(t).Listener.Addr().String()) }},
	{"port.http", "tls", "465", func(t *testing.T) *scene { return on587(web(t).Listener.Addr().String()).with("security", "tls") }},
	{"port.http", "greeting", "465", func(t *testing.T) *scene {
		server := quietly(httptest.NewUnstartedServer(http.NotFoundHandler()))
		server.StartTLS()
		t.Cleanup(server.Close)
		return on587(server.Listener.Addr().String()).with("security", "tls", "skip_verify", true)
	}},
	{"port.ssh", "greeting", "587", func(t *testing.T) *scene { return on587(saying(t, "SSH-2.0-OpenSSH_9.2p1 Debian-2\r\n")) }},
	{"port.ssh", "tls", "587", func(t *testing.T) *scene {
		return on587(saying(t, "SSH-2.0-OpenSSH_9.2p1 Debian-2\r\n")).with("security", "tls")
	}},
	{"port.imap", "greeting", "imap", func(t *testing.T) *scene {
		return on587(saying(t, "* OK [CAPABILITY IMAP4rev1 SASL-IR STARTTLS] Dovecot (Debian) ready.\r\n"))
	}},
	{"port.imap", "greeting", "imap", func(t *testing.T) *scene {
		ca, certificate := certified(t, smtptest.Issue{Names: []string{"mail.example.com"}})
		return on587(listening(t, func(c net.Conn) {
			s := tls.Server(c, &tls.Config{Certificates: []tls.Certificate{certificate}})
			_, _ = io.WriteString(s, "* OK IMAP4rev1 ready\r\n")
		})).with("security", "tls", "ca_certificates", ca.PEM())
	}},
	{"port.pop3", "greeting", "pop", func(t *testing.T) *scene { return on587(saying(t, "+OK Dovecot (Debian) ready.\r\n")) }},
	{"port.ftp", "ehlo", "587", func(t *testing.T) *scene {
		return on587(saying(t, "220 (vsFTPd 3.0.3)\r\n", "530 Please login with USER and PASS.\r\n"))
	}},
	{"port.lmtp", "ehlo", "587", func(t *testing.T) *scene {
		return on587(saying(t, "220 mail.example.com LMTP Dovecot ready\r\n", "502 5.5.2 Unknown command\r\n"))
	}},
	{"port.other_service", "greeting", "587", func(t *testing.T) *scene {
		return on587(saying(t, "J\x00\x00\x00\x0a5.7.42-log\x00\x08\x00\x00\x00"))
	}},
	{"port.captive_portal", "greeting", "browser", func(t *testing.T) *scene {
		s := on587(saying(t, "HTTP/1.1 302 Found\r\nLocation: http://portal.example/\r\n\r\n"))
		s.host = "smtp.gmail.com"
		return s
	}},
	{"connect.intercepted", "auth", "hoster", func(t *testing.T) *scene {
		return scripted(t, "smtp.gmail.com", "220 host7.example.net ESMTP Exim 4.96", "AUTH", "535 Incorrect authentication data")
	}},
	{"greeting.not_smtp", "greeting", "instructions", func(t *testing.T) *scene { return on587(saying(t, "Welcome to the machine\r\n")) }},
	{"greeting.endless", "greeting", "instructions", func(t *testing.T) *scene {
		return answering(t, smtptest.Rule{On: "CONNECT", Do: smtptest.Forever("220-more\r\n")})
	}},
	{"greeting.endless", "greeting", "instructions", func(t *testing.T) *scene {
		return answering(t, smtptest.Rule{On: "CONNECT", Do: smtptest.Forever("220 " + strings.Repeat("A", 5000))})
	}},
	{"greeting.endless", "ehlo", "instructions", func(t *testing.T) *scene {
		return answering(t, smtptest.Rule{On: "EHLO", Do: smtptest.Forever("250-X\r\n")})
	}},
	{"greeting.silent", "greeting", "another network", func(t *testing.T) *scene {
		return answering(t, smtptest.Rule{On: "CONNECT", Do: smtptest.Silence()}).with("greeting_timeout", "500ms")
	}},
	{"greeting.closed", "greeting", "blocked", func(t *testing.T) *scene {
		return answering(t, smtptest.Rule{On: "CONNECT", Do: smtptest.Close()})
	}},
	{"ehlo.closed", "ehlo", "EHLO name", func(t *testing.T) *scene {
		return answering(t, smtptest.Rule{On: "EHLO", Do: smtptest.Close()})
	}},
	{"protocol.breach", "mail", "scanner", func(t *testing.T) *scene {
		return answering(t, smtptest.Rule{On: "MAIL", Do: smtptest.Reply("\x1b[31mavast! mail scanner\x1b[0m")})
	}},
	{"network.timeout", "mail", "same stage", func(t *testing.T) *scene {
		return answering(t, smtptest.Rule{On: "MAIL", Do: smtptest.Silence()}).with("mail_timeout", "500ms")
	}},
	{"network.lost", "rcpt", "same stage", func(t *testing.T) *scene {
		return answering(t, smtptest.Rule{On: "RCPT", Do: smtptest.Reset()})
	}},
	{"connection.lost_after_content", "content", "twice", func(t *testing.T) *scene {
		s := answering(t, smtptest.Rule{On: "CONTENT", Do: smtptest.Reset()})
		s.request.Message = message()
		return s
	}},

	{"starttls.missing", "starttls", "465", func(t *testing.T) *scene { return answering(t).with("security", "starttls") }},
	{"starttls.stripped", "starttls", "inspect", func(t *testing.T) *scene {
		server := smtptest.StartScripted(t, smtptest.Script{Greeting: "220 ****************************************", Capabilities: []string{"SIZE 1000", "XXXXXXXA"}})
		return on587(address(server)).with("security", "starttls")
	}},
	{"starttls.tampered", "starttls", "465", func(t *testing.T) *scene {
		return on587(address(secured(t, smtptest.Script{Rules: []smtptest.Rule{{On: "STARTTLS", Do: smtptest.Raw("220 go\r\n250 injected\r\n")}}}, nil))).with("security", "starttls")
	}},
	{"starttls.unavailable", "starttls", "later", func(t *testing.T) *scene {
		return answering(t, smtptest.Rule{On: "STARTTLS", Do: smtptest.Reply("454 4.7.0 TLS not available due to local problem")}).with("security", "starttls")
	}},
	{"starttls.refused", "starttls", "465", func(t *testing.T) *scene {
		return answering(t, smtptest.Rule{On: "STARTTLS", Do: smtptest.Reply("502 5.5.1 Error: command not implemented")}).with("security", "starttls")
	}},

	{"tls.expired", "tls", "renew", certificate(smtptest.Issue{NotAfter: time.Now().Add(-24 * time.Hour)})},
	{"tls.not_yet_valid", "tls", "clock", certificate(smtptest.Issue{NotBefore: time.Now().Add(24 * time.Hour)})},
	{"tls.wrong_name", "tls", "host7.example.net, *.example.net", certificate(smtptest.Issue{Names: []string{"host7.example.net", "*.example.net"}})},
	{"tls.self_signed", "tls", "CA certificate", certificate(smtptest.Issue{SelfSigned: true})},
	{"tls.weak_key", "tls", "new key", certificate(smtptest.Issue{RSABits: 1024})},
	{"tls.pin_mismatch", "tls", "pin", func(t *testing.T) *scene {
		return certificate(smtptest.Issue{})(t).with("pin_sha256", strings.Repeat("00", 32))
	}},
	{"tls.unknown_authority", "tls", "ca-certificates", func(t *testing.T) *scene {
		ca, _ := certified(t, smtptest.Issue{})
		return certificate(smtptest.Issue{})(t).with("ca_certificates", ca.PEM())
	}},
	{"tls.missing_intermediate", "tls", "fullchain.pem", func(t *testing.T) *scene {
		return handshaking(t, nil, forged(t, "R11, Let's Encrypt", "http://r11.i.lencr.org/"))
	}},
	{"tls.scanner_intercepts", "tls", "mail shield", func(t *testing.T) *scene {
		return handshaking(t, nil, forged(t, "Avast Web/Mail Shield Root", ""))
	}},
	{"tls.intercepted", "tls", "SMTP Restrictions", func(t *testing.T) *scene {
		s := certificate(smtptest.Issue{Names: []string{"host7.example.net"}})(t)
		s.host = "smtp.gmail.com"
		return s
	}},
	{"tls.version", "tls", "TLS 1.2", func(t *testing.T) *scene {
		ca, c := certified(t, smtptest.Issue{Names: []string{"mail.example.com"}})
		return handshaking(t, ca, c, func(config *tls.Config) { config.MinVersion, config.MaxVersion = tls.VersionTLS10, tls.VersionTLS10 })
	}},
	{"tls.no_shared_cipher", "tls", "ECDHE", func(t *testing.T) *scene {
		ca, c := certified(t, smtptest.Issue{Names: []string{"mail.example.com"}}) // with a key for ECDSA
		return handshaking(t, ca, c, func(config *tls.Config) {
			config.MaxVersion, config.CipherSuites = tls.VersionTLS12, []uint16{tls.TLS_RSA_WITH_RC4_128_SHA}
		})
	}},
	{"tls.client_certificate", "tls", "client certificate", func(t *testing.T) *scene {
		ca, c := certified(t, smtptest.Issue{Names: []string{"mail.example.com"}})
		return handshaking(t, ca, c, func(config *tls.Config) {
			config.ClientAuth = tls.RequireAnyClientCert
		})
	}},
	{"tls.unknown_name", "tls", "provider gives", func(t *testing.T) *scene {
		return on587(listening(t, func(c net.Conn) { _, _ = c.Write([]byte("\x15\x03\x03\x00\x02\x02\x70")) })).with("security", "tls")
	}},
	{"tls.closed", "tls", "465", func(t *testing.T) *scene {
		return on587(address(secured(t, smtptest.Script{Rules: []smtptest.Rule{{On: "HANDSHAKE", Do: smtptest.Close()}}}, nil))).with("security", "starttls")
	}},
	{"tls.silent", "tls", "465", func(t *testing.T) *scene {
		return on587(address(secured(t, smtptest.Script{Rules: []smtptest.Rule{{On: "HANDSHAKE", Do: smtptest.Silence()}}}, nil))).with("security", "starttls", "tls_timeout", "500ms")
	}},
	{"tls.not_tls", "tls", "465", func(t *testing.T) *scene {
		return on587(listening(t, func(c net.Conn) { _, _ = c.Write([]byte("hello there\r\n")) })).with("security", "tls")
	}},

	{"auth.needs_encryption", "auth", "starttls", func(t *testing.T) *scene {
		s := scripted(t, "", "220 mail.example.com ESMTP", "")
		return s.with("security", "opportunistic", "allow_plain_auth", false)
	}},
	{"auth.not_offered", "auth", "587", func(t *testing.T) *scene {
		return served(smtptest.StartScripted(t, smtptest.Script{Capabilities: []string{"SIZE 1000"}}), "")
	}},
	{"auth.mechanism", "auth", "XOAUTH2 only", func(t *testing.T) *scene {
		return served(smtptest.StartScripted(t, smtptest.Script{Capabilities: []string{"AUTH GSSAPI NTLM"}}), "")
	}},
	{"auth.server_unproven", "auth", "right one", func(t *testing.T) *scene {
		return served(smtptest.StartScripted(t, smtptest.Script{Capabilities: []string{"AUTH SCRAM-SHA-256"}, Rules: []smtptest.Rule{{On: "AUTH", Do: smtptest.Reply("235 2.7.0 welcome")}}}), "")
	}},
	{"auth.broken_exchange", "auth", "plain", func(t *testing.T) *scene {
		return served(smtptest.StartScripted(t, smtptest.Script{Capabilities: []string{"AUTH LOGIN"}, Rules: []smtptest.Rule{{On: "AUTH", Do: smtptest.Reply("334 not base64!")}}}), "")
	}},
	{"auth.token_rejected", "auth", "new access token", func(t *testing.T) *scene {
		return scripted(t, "smtp.gmail.com", servers["gmail"][1], "AUTH", "535-5.7.8 Username and Password not accepted. For more information, go to", "535 5.7.8  https://support.google.com/mail/?p=BadCredentials - gsmtp").with("auth", "xoauth2")
	}},
	{"auth.required", "rcpt", "user name", func(t *testing.T) *scene {
		return scripted(t, "", "220 mail.example.com ESMTP", "RCPT", "554 5.7.1 <reader@example.net>: Relay access denied").with("username", "")
	}},
	{"test.stopped", "mail", "more time", func(t *testing.T) *scene {
		stop := make(chan struct{})
		s := answering(t, smtptest.Rule{On: "MAIL", Do: func(p *smtptest.Peer) bool {
			close(stop)
			return smtptest.Silence()(p)
		}})
		s.stop = stop
		return s
	}},
}

// answering makes a scene of a polite server but for these rules.
func answering(t *testing.T, rules ...smtptest.Rule) *scene {
	t.Helper()
	script := smtptest.Script{Rules: rules}
	for _, r := range rules {
		if r.On == "STARTTLS" {
			script.Capabilities = []string{"STARTTLS"}
		}
	}
	return on587(address(smtptest.StartScripted(t, script)))
}

func on587(address string) *scene { return &scene{ports: map[uint16]string{587: address}} }

func address(server *smtptest.Scripted) string { return "127.0.0.1:" + strconv.Itoa(server.Port()) }

// certified makes a certificate, for mail.example.com unless it says otherwise.
func certified(t *testing.T, is smtptest.Issue) (*smtptest.CA, tls.Certificate) {
	t.Helper()
	if is.Names == nil {
		is.Names = []string{"mail.example.com"}
	}
	ca, err := smtptest.NewCA()
	if err != nil {
		t.Fatal(err)
	}
	certificate, err := ca.Issue(is)
	if err != nil {
		t.Fatal(err)
	}
	return ca, certificate
}

// secured starts a server with TLS; with a certificate of its own if none is
// given.
func secured(t *testing.T, script smtptest.Script, config *tls.Config) *smtptest.Scripted {
	t.Helper()
	if config == nil {
		_, c := certified(t, smtptest.Issue{})
		config = &tls.Config{Certificates: []tls.Certificate{c}}
	}
	script.TLS, script.Capabilities = config, append(script.Capabilities, "STARTTLS")
	return smtptest.StartScripted(t, script)
}

// handshaking makes a scene of a server with this certificate.
func handshaking(t *testing.T, ca *smtptest.CA, certificate tls.Certificate, changes ...func(*tls.Config)) *scene {
	t.Helper()
	config := &tls.Config{Certificates: []tls.Certificate{certificate}}
	for _, change := range changes {
		change(config)
	}
	s := on587(address(secured(t, smtptest.Script{}, config))).with("security", "starttls")
	if ca != nil {
		s.with("ca_certificates", ca.PEM())
	}
	return s
}

func certificate(is smtptest.Issue) func(*testing.T) *scene {
	return func(t *testing.T) *scene {
		t.Helper()
		ca, c := certified(t, is)
		return handshaking(t, ca, c)
	}
}

// forged makes a certificate for the host under an issuer of that name.
func forged(t *testing.T, issuer, url string) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	begin, end := time.Now().Add(-time.Hour), time.Now().Add(time.Hour)
	parent := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: issuer}, NotBefore: begin, NotAfter: end, IsCA: true, BasicConstraintsValid: true}
	leaf := &x509.Certificate{SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: "mail.example.com"}, DNSNames: []string{"mail.example.com"}, NotBefore: begin, NotAfter: end}
	if url != "" {
		leaf.IssuingCertificateURL = []string{url}
	}
	der, err := x509.CreateCertificate(rand.Reader, leaf, parent, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

// listening serves every connection with a function, and reads on until the
// client is gone.
func listening(t *testing.T, serve func(net.Conn)) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return // closed
			}
			go func() {
				defer conn.Close()
				serve(conn)
				_, _ = io.Copy(io.Discard, conn)
			}()
		}
	}()
	return listener.Addr().String()
}

// saying serves connections with one text at once, and one after each line of
// the client.
func saying(t *testing.T, first string, then ...string) string {
	t.Helper()
	return listening(t, func(c net.Conn) {
		_, _ = io.WriteString(c, first)
		for _, text := range then {
			if _, err := c.Read(make([]byte, 1024)); err != nil {
				return
			}
			_, _ = io.WriteString(c, text)
		}
	})
}

func web(t *testing.T) *httptest.Server {
	t.Helper()
	server := quietly(httptest.NewUnstartedServer(http.NotFoundHandler()))
	server.Start()
	t.Cleanup(server.Close)
	return server
}

func quietly(server *httptest.Server) *httptest.Server {
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	return server
}

func failing(cause error) func(context.Context, string, string) (net.Conn, error) {
	return func(_ context.Context, network, _ string) (net.Conn, error) {
		if errors.As(cause, new(*plugin.DeliveryError)) {
			return nil, cause
		}
		return nil, &net.OpError{Op: "dial", Net: network, Err: cause}
	}
}
