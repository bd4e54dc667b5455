package diagnosis

import (
	"fmt"
	"net"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/postilion-mail/postilion/internal/daemontest"
	"github.com/postilion-mail/postilion/internal/smtptest"
	postilionv1 "github.com/postilion-mail/postilion/proto/gen/postilion/v1"
)

// prefix is where scripts/setup unpacks servers that exclude Postfix.
const prefix = "/usr/local/lib/postilion-tests"

// The account at Exim, OpenSMTPD and Dovecot.
const (
	account  = "shop@provider.example"
	password = "correct-horse-battery-staple"
)

// exim breaks an Exim: its access lists look at the port that is asked.
func (b *bench) exim(t *testing.T) {
	dir, host := folder(t), daemontest.Host()
	b.issue(t, dir, "good", smtptest.Issue{Names: []string{host}, RSABits: 2048})
	b.issue(t, dir, "expired", smtptest.Issue{Names: []string{host}, NotAfter: time.Now().Add(-time.Hour)})
	b.issue(t, dir, "other", smtptest.Issue{Names: []string{"other.example"}})
	owned(t, dir, "Debian-exim")

	ports := 2600
	port := func(change ...func(*postilionv1.SmtpSettings)) *postilionv1.SmtpSettings {
		ports++
		s := &postilionv1.SmtpSettings{Port: uint32(ports)}
		for _, c := range change {
			c(s)
		}
		return s
	}
	anonymous := func(s *postilionv1.SmtpSettings) { s.Username = "-" }
	faults := []fault{
		{name: "all is well", smtp: port()}, // 2601
		{name: "wrong password", smtp: port(func(s *postilionv1.SmtpSettings) { s.Password = proto.String("wrong") }), stage: "auth", code: "auth.rejected", word: "password"},
		{name: "relay not permitted", smtp: port(anonymous), stage: "rcpt", code: "auth.required", word: "user name"},
		{name: "expired certificate", smtp: port(), stage: "tls", code: "tls.expired", word: "renew"},
		{name: "certificate for another name", smtp: port(), stage: "tls", code: "tls.wrong_name", word: "other.example"},
		{name: "no STARTTLS", smtp: port(), stage: "starttls", code: "starttls.missing", word: "465"},
		{name: "no login offered", smtp: port(), stage: "auth", code: "auth.not_offered", word: "port"},
		{name: "too many connections", smtp: port(), stage: "greeting", code: "greeting.too_many_connections", word: "concurrency"}, // 2608
		{name: "blocked at the door", smtp: port(), stage: "greeting", code: "blocklist.listed", word: "list"},
		{name: "EHLO name refused", smtp: port(), stage: "ehlo", code: "ehlo.name_refused", word: "EHLO name"},
		{name: "sender verification", smtp: port(), stage: "mail", code: "sender.domain_unknown", word: "sender"}, // 2611
		{name: "unknown recipient", smtp: port(), stage: "rcpt", code: "recipient.unknown", word: "address"},
		{name: "mailbox full", smtp: port(), stage: "rcpt", code: "recipient.mailbox_full", word: "recipient"},
		{name: "hourly limit", smtp: port(), stage: "rcpt", code: "limit.hosting_hourly", word: "limit"}, // 2614
		{name: "content filter", smtp: port(), sendTo: "jane@example.net", stage: "content", code: "content.spam", word: "spam"},
		{name: "message too big", smtp: port(), sendTo: "jane@example.net", stage: "content", code: "content.too_large", word: "link"}, // 2616
		{name: "implicit TLS on a port for STARTTLS", smtp: port(func(s *postilionv1.SmtpSettings) { s.Security = postilionv1.Security_SECURITY_IMPLICIT_TLS }), stage: "tls", code: "port.plain_expected", word: "starttls"},
		{name: "STARTTLS on a port for implicit TLS", smtp: port(), stage: "greeting", code: "port.tls_expected", word: "tls"}, // 2618
	}
	var all []string
	for p := 2601; p <= ports; p++ {
		all = append(all, strconv.Itoa(p))
	}
	settings := strings.NewReplacer("{{dir}}", dir, "{{host}}", host, "{{ports}}", strings.Join(all, " : ")).Replace(eximSettings)
	write(t, filepath.Join(dir, "exim.conf"), settings, 0o600)
	serve(t, exec.Command(filepath.Join(prefix, "exim4-daemon-light/root/usr/sbin/exim4"), "-C", filepath.Join(dir, "exim.conf"), "-bdf", "-v"), fmt.Sprintf("%s:2601", host))
	b.try(t, "Exim", &postilionv1.SmtpSettings{Host: host, Username: account, Password: proto.String(password), CaCertificates: []byte(b.ca.PEM())}, faults)
}

const eximSettings = `
primary_hostname = mx.provider.example
spool_directory = {{dir}}/spool
log_file_path = {{dir}}/log-%s
pid_file_path = {{dir}}/pid
local_interfaces = <; {{host}}
daemon_smtp_ports = {{ports}}
tls_on_connect_ports = 2618
tls_advertise_hosts = ${if eq{$received_port}{2606}{}{*}}
tls_certificate = {{dir}}/${if eq{$received_port}{2604}{expired}{${if eq{$received_port}{2605}{other}{good}}}}.pem
tls_privatekey = {{dir}}/${if eq{$received_port}{2604}{expired}{${if eq{$received_port}{2605}{other}{good}}}}.pem
auth_advertise_hosts = ${if or{{eq{$received_port}{2607}}{eq{$tls_in_cipher}{}}}{}{*}}
message_size_limit = ${if eq{$received_port}{2616}{100}{50M}}
host_lookup =
rfc1413_query_timeout = 0s
smtp_accept_max = 0
chunking_advertise_hosts =
acl_smtp_connect = check_connect
acl_smtp_helo = check_helo
acl_smtp_mail = check_mail
acl_smtp_rcpt = check_rcpt
acl_smtp_data = check_data

begin acl
check_connect:
  defer condition = ${if eq{$received_port}{2608}}
        message = Too many concurrent SMTP connections from this IP address; please try again later
  drop condition = ${if eq{$received_port}{2609}}
       message = your IP address 192.0.2.1 is listed in zen.spamhaus.org, see https://www.spamhaus.org/query/ip/192.0.2.1
  accept
check_helo:
  drop condition = ${if eq{$received_port}{2610}}
       message = Access denied - Invalid HELO name (See RFC2821 4.1.1.1)
  accept
check_mail:
  deny condition = ${if eq{$received_port}{2611}}
       message = Sender address domain does not exist: no A or MX record found for provider.example
  accept
check_rcpt:
  deny condition = ${if eq{$received_port}{2612}}
       message = 550 5.1.1 <$local_part@$domain>: No Such User Here
  defer condition = ${if eq{$received_port}{2613}}
       message = 452 4.2.2 mailbox is full: retry timeout exceeded
  defer condition = ${if eq{$received_port}{2614}}
       message = Domain provider.example has exceeded the max emails per hour (150/150 (100%)) allowed. Message will be reattempted later
  accept authenticated = *
  deny message = relay not permitted
check_data:
  deny condition = ${if eq{$received_port}{2615}}
       message = This message was classified as SPAM and may not be delivered
  accept

begin routers
here:
  driver = accept
  transport = gone
begin transports
gone:
  driver = appendfile
  file = /dev/null
  user = Debian-exim
begin authenticators
plain:
  driver = plaintext
  public_name = PLAIN
  server_prompts = :
  server_condition = ${if and{{eq{$auth2}{` + account + `}}{eq{$auth3}{` + password + `}}}}
  server_set_id = $auth2
`

// owned gives a folder to a user.
func owned(t *testing.T, dir, name string) {
	t.Helper()
	if _, err := user.Lookup(name); err != nil {
		t.Fatalf("%v: run scripts/setup as root", err)
	}
	if output, err := exec.Command("chown", "-R", name, dir).CombinedOutput(); err != nil {
		t.Fatalf("%v: these tests run as root\n%s", err, output)
	}
}

// serve runs a server until the test ends, and returns when it listens.
func serve(t *testing.T, command *exec.Cmd, address string) {
	t.Helper()
	start(t, command)
	daemontest.Await(t, command.Path+" listens", func() bool {
		conn, err := net.DialTimeout("tcp", address, time.Second)
		if err != nil {
			return false
		}
		_ = conn.Close()
		return true
	})
}
