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

// opensmtpd breaks an OpenSMTPD, each fault on a port of its own. It keeps its
// files where it was compiled to, so it gets a view of the file system in
// which these folders are its own.
func (b *bench) opensmtpd(t *testing.T) {
	dir, host := folder(t), daemontest.Host()
	for name, is := range map[string]smtptest.Issue{
		"good": {Names: []string{host}}, "expired": {Names: []string{host}, NotAfter: time.Now().Add(-time.Hour)},
		"other": {Names: []string{"other.example"}}, "self": {Names: []string{host}, SelfSigned: true},
	} {
		if path := b.issue(t, dir, name, is); path != "" {
			if output, err := exec.Command("chmod", "600", path).CombinedOutput(); err != nil {
				t.Fatalf("%v\n%s", err, output)
			}
		}
	}
	hash, err := exec.Command("openssl", "passwd", "-6", password).Output()
	if err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(dir, "users"), account+" "+string(hash), 0o600)

	var filters, listeners strings.Builder
	ports := 2600
	port := func(options, filter string, change ...func(*postilionv1.SmtpSettings)) *postilionv1.SmtpSettings {
		ports++
		if filter != "" {
			fmt.Fprintf(&filters, "filter f%d phase %s\n", ports, filter)
			options += fmt.Sprintf(" filter f%d", ports)
		}
		fmt.Fprintf(&listeners, "listen on %s port %d %s\n", host, ports, options)
		s := &postilionv1.SmtpSettings{Port: uint32(ports)}
		for _, c := range change {
			c(s)
		}
		return s
	}
	implicit := func(s *postilionv1.SmtpSettings) { s.Security = postilionv1.Security_SECURITY_IMPLICIT_TLS }
	clear := func(s *postilionv1.SmtpSettings) { s.Security, s.Username = postilionv1.Security_SECURITY_NONE, "-" }
	// Debian 12's is built with an OpenSSL in which it does not find its own
	// key: no handshake gets to its end. What comes after one is tested in the
	// clear.
	faults := []fault{
		{name: "all is well", smtp: port("", "", clear)},
		{name: "its key is missing", smtp: port("tls pki good auth <users>", ""), stage: "tls", code: "tls.failed", word: "handshake"},
		{name: "STARTTLS demanded", smtp: port("tls-require pki good", "", clear), stage: "mail", code: "starttls.required", word: "starttls"},
		{name: "no STARTTLS", smtp: port("", ""), stage: "starttls", code: "starttls.missing", word: "465"},
		{name: "expired certificate", smtp: port("tls pki expired auth <users>", ""), stage: "tls", code: "tls.expired", word: "renew"},
		{name: "certificate for another name", smtp: port("tls pki other auth <users>", ""), stage: "tls", code: "tls.wrong_name", word: "other.example"},
		{name: "self-signed certificate", smtp: port("tls pki self auth <users>", ""), stage: "tls", code: "tls.self_signed", word: "certificate"},
		{name: "recipient refused", smtp: port("", "", clear), recipient: "jane@elsewhere.example", stage: "rcpt", code: "recipient.unknown", word: "address"},
		{name: "implicit TLS on a port for STARTTLS", smtp: port("tls pki good", "", implicit), stage: "tls", code: "port.plain_expected", word: "starttls"},
		{name: "STARTTLS on a port for implicit TLS", smtp: port("smtps pki good auth <users>", ""), stage: "greeting", code: "port.tls_expected", word: "tls"},
		{name: "door closed", smtp: port("", `connect match src <anyone> disconnect "554 5.7.1 Client host blocked using bl.spamcop.net"`), stage: "greeting", code: "blocklist.listed", word: "list"},
		{name: "EHLO name refused", smtp: port("", `ehlo match src <anyone> disconnect "550 5.7.1 Invalid HELO name"`), stage: "ehlo", code: "ehlo.name_refused", word: "EHLO name"},
		{name: "sender refused", smtp: port("", `mail-from match src <anyone> reject "553 5.7.1 Sender address rejected: not owned by user"`, clear), stage: "mail", code: "sender.not_owned", word: "From"},
		{name: "greylisting", smtp: port("", `rcpt-to match src <anyone> reject "451 4.7.1 Greylisting in action, please come back later"`, clear), stage: "rcpt", code: "recipient.greylisted", word: "itself"},
		{name: "content refused", smtp: port("", `commit match src <anyone> reject "554 5.7.1 Message considered spam"`, clear), sendTo: "jane@example.net", stage: "content", code: "content.spam", word: "spam"},
	}
	settings := new(strings.Builder)
	for _, name := range []string{"good", "expired", "other", "self"} {
		fmt.Fprintf(settings, "pki %s cert \"%s/%s.pem\"\npki %s key \"%s/%s.pem\"\n", name, dir, name, name, dir, name)
	}
	fmt.Fprintf(settings, "table users file:%s/users\ntable anyone { \"0.0.0.0/0\" }\nsmtp max-message-size 35M\n%s%saction away relay host smtp://127.0.0.1:9\nmatch auth from any for any action away\nmatch from any for domain example.net action away\n",
		dir, &filters, &listeners)
	write(t, filepath.Join(dir, "smtpd.conf"), settings.String(), 0o600)
	root := filepath.Join(prefix, "opensmtpd/root")
	script := `set -e
mount --bind "$1/usr/libexec" /usr/libexec
mount -t tmpfs none /var/spool; mount -t tmpfs none /var/lib; mount -t tmpfs none /run
mkdir -p -m 711 /var/spool/smtpd /var/lib/opensmtpd /var/lib/opensmtpd/empty
echo mx.provider.example >"$2/mailname"
exec "$1/usr/sbin/smtpd" -d -f "$2/smtpd.conf"`
	serve(t, exec.Command("unshare", "--mount", "--propagation", "private", "--pid", "--fork", "--kill-child", "sh", "-c", script, "sh", root, dir), fmt.Sprintf("%s:2601", host))
	b.try(t, "OpenSMTPD", &postilionv1.SmtpSettings{Host: host, Username: account, Password: proto.String(password), CaCertificates: []byte(b.ca.PEM())}, faults)
}
