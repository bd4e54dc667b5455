package diagnosis

import (
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/postilion-mail/postilion/internal/daemontest"
	"github.com/postilion-mail/postilion/internal/smtptest"
	postilionv1 "github.com/postilion-mail/postilion/proto/gen/postilion/v1"
)

// dovecot breaks Dovecot's submission service, which hands on to a server
// behind it. Its mailboxes' ports are where users go by mistake.
func (b *bench) dovecot(t *testing.T) {
	behind := smtptest.Start(t, func(c *smtptest.Config) {
		c.Security = smtptest.Plain
		c.Recipient = func(address string) error {
			if strings.HasPrefix(address, "nobody@") {
				return smtptest.Refuse(550, [3]int{5, 1, 1}, "No such user here")
			}
			return nil
		}
	})
	host, plain, stale := daemontest.Host(), daemontest.Host(), daemontest.Host()
	dir := folder(t)
	certificate := b.issue(t, dir, "good", smtptest.Issue{Names: []string{host}, RSABits: 2048})
	expired := b.issue(t, dir, "expired", smtptest.Issue{Names: []string{stale}, NotAfter: time.Now().Add(-time.Hour)})
	run := func(name, host, relayHost string, relayPort int, more string) {
		base := filepath.Join(dir, name)
		write(t, base+".users", fmt.Sprintf("%s:{PLAIN}%s:65534:65534::/nonexistent\n", account, password), 0o644)
		write(t, base+".conf", strings.NewReplacer("{{base}}", base, "{{host}}", host, "{{relay}}", relayHost, "{{port}}", fmt.Sprint(relayPort), "{{more}}", more).Replace(dovecotSettings), 0o644)
		serve(t, exec.Command("dovecot", "-F", "-c", base+".conf"), host+":2587")
	}
	tls := func(path string) string {
		return fmt.Sprintf("ssl = required\nssl_cert = <%s\nssl_key = <%s", path, path)
	}
	run("good", host, "127.0.0.1", behind.Port(), tls(certificate))
	run("stale", stale, daemontest.Host(), 25, tls(expired)) // nothing behind it
	run("plain", plain, "127.0.0.1", behind.Port(), "ssl = no\ndisable_plaintext_auth = yes")

	at := func(host string, port uint32, change ...func(*postilionv1.SmtpSettings)) *postilionv1.SmtpSettings {
		s := &postilionv1.SmtpSettings{Host: host, Port: port}
		for _, c := range change {
			c(s)
		}
		return s
	}
	anonymous := func(s *postilionv1.SmtpSettings) { s.Username = "-" }
	implicit := func(s *postilionv1.SmtpSettings) { s.Security = postilionv1.Security_SECURITY_IMPLICIT_TLS }
	b.try(t, "Dovecot", &postilionv1.SmtpSettings{Username: account, Password: proto.String(password), CaCertificates: []byte(b.ca.PEM())}, []fault{
		{name: "all is well", smtp: at(host, 2587)},
		{name: "all is well with implicit TLS", smtp: at(host, 2465, implicit)},
		{name: "wrong password", smtp: at(host, 2587, func(s *postilionv1.SmtpSettings) { s.Password = proto.String("wrong") }), stage: "auth", code: "auth.rejected", word: "password"},
		{name: "unknown user", smtp: at(host, 2587, func(s *postilionv1.SmtpSettings) { s.Username = "shop" }), stage: "auth", code: "auth.rejected", word: "address"},
		{name: "login demanded", smtp: at(host, 2587, anonymous), stage: "mail", code: "auth.required", word: "user name"},
		{name: "mechanism not offered", smtp: at(host, 2587, func(s *postilionv1.SmtpSettings) {
			s.Authentication = postilionv1.Authentication_AUTHENTICATION_CRAM_MD5
		}), stage: "auth", code: "auth.mechanism", word: "auto"},
		{name: "implicit TLS on a port for STARTTLS", smtp: at(host, 2587, implicit), stage: "tls", code: "port.plain_expected", word: "starttls"},
		{name: "STARTTLS on a port for implicit TLS", smtp: at(host, 2465), stage: "greeting", code: "port.tls_expected", word: "tls"},
		{name: "recipient refused behind it", smtp: at(host, 2587), recipient: "nobody@example.net", stage: "rcpt", code: "recipient.unknown", word: "address"},
		{name: "expired certificate", smtp: at(stale, 2587), stage: "tls", code: "tls.expired", word: "renew"},
		{name: "no encryption", smtp: at(plain, 2587), stage: "starttls", code: "starttls.missing", word: "465"},
		{name: "an IMAP server", smtp: at(host, 2143), stage: "greeting", code: "port.imap", word: "IMAP"},
		{name: "a POP3 server", smtp: at(host, 2110), stage: "greeting", code: "port.pop3", word: "POP3"},
		{name: "an IMAP server with implicit TLS", smtp: at(host, 2993, implicit), stage: "greeting", code: "port.imap", word: "IMAP"},
	})
}

const dovecotSettings = `
base_dir = {{base}}
state_dir = {{base}}
log_path = {{base}}.log
protocols = submission imap pop3
listen = {{host}}
hostname = mail.provider.example
submission_relay_host = {{relay}}
submission_relay_port = {{port}}
submission_relay_trusted = no
auth_mechanisms = plain login
mail_location = maildir:/nonexistent
passdb {
  driver = passwd-file
  args = scheme=PLAIN username_format=%u {{base}}.users
}
userdb {
  driver = passwd-file
  args = username_format=%u {{base}}.users
}
service submission-login {
  inet_listener submission {
    port = 2587
  }
  inet_listener submissions {
    port = 2465
    ssl = yes
  }
}
service imap-login {
  inet_listener imap {
    port = 2143
  }
  inet_listener imaps {
    port = 2993
    ssl = yes
  }
}
service pop3-login {
  inet_listener pop3 {
    port = 2110
  }
  inet_listener pop3s {
    port = 0
  }
}
{{more}}
`
