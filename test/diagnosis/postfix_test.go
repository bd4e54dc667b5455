package diagnosis

import (
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/postilion-mail/postilion/internal/postfixtest"
	"github.com/postilion-mail/postilion/internal/smtptest"
	postilionv1 "github.com/postilion-mail/postilion/proto/gen/postilion/v1"
)

// postfix breaks a Postfix, each fault on a port of its own.
func (b *bench) postfix(t *testing.T) {
	dir, certificates := folder(t), folder(t)
	var services []postfixtest.Service
	port := func(options ...string) *postilionv1.SmtpSettings {
		p := 2600 + len(services)
		services = append(services, postfixtest.Service{Port: strconv.Itoa(p), Options: options})
		return &postilionv1.SmtpSettings{Port: uint32(p)}
	}
	with := func(s *postilionv1.SmtpSettings, change func(*postilionv1.SmtpSettings)) *postilionv1.SmtpSettings {
		change(s)
		return s
	}
	none := func(s *postilionv1.SmtpSettings) {
		s.Security, s.Username = postilionv1.Security_SECURITY_NONE, "-"
	}
	anonymous := func(s *postilionv1.SmtpSettings) { s.Username = "-" }
	issues := map[string]smtptest.Issue{}
	chain := func(name string, is smtptest.Issue) string {
		issues[name] = is
		return "smtpd_tls_chain_files = " + filepath.Join(certificates, name+".pem")
	}
	recipients := func(answer string) string {
		return "smtpd_recipient_restrictions = check_recipient_access static:{" + answer + "}, reject"
	}
	implicit := []string{"smtpd_tls_wrappermode = yes"}
	faults := []fault{
		{name: "all is well", smtp: port()},
		{name: "wrong password", smtp: with(port(), func(s *postilionv1.SmtpSettings) { s.Password = proto.String("wrong") }),
			stage: "auth", code: "auth.rejected", word: "password"},
		{name: "no login offered", smtp: port("smtpd_sasl_auth_enable = no"), stage: "auth", code: "auth.not_offered", word: "port"},
		{name: "no STARTTLS", smtp: port("smtpd_tls_security_level = none", "smtpd_tls_auth_only = no"), stage: "starttls", code: "starttls.missing", word: "465"},
		{name: "STARTTLS demanded", smtp: with(port("smtpd_sasl_auth_enable = no"), none), stage: "mail", code: "starttls.required", word: "STARTTLS"},
		{name: "STARTTLS on a port for implicit TLS", smtp: port(implicit...), stage: "greeting", code: "port.tls_expected", word: "security of this connection to tls"},
		{name: "implicit TLS on a port for STARTTLS", smtp: with(port(), func(s *postilionv1.SmtpSettings) { s.Security = postilionv1.Security_SECURITY_IMPLICIT_TLS }),
			stage: "tls", code: "port.plain_expected", word: "STARTTLS"},
		{name: "expired certificate", smtp: port(chain("expired", smtptest.Issue{NotAfter: time.Now().Add(-48 * time.Hour)})),
			stage: "tls", code: "tls.expired", word: "renew"},
		{name: "certificate soon to expire", smtp: port(chain("soon", smtptest.Issue{NotAfter: time.Now().Add(5 * 24 * time.Hour)})), code: "expires"},
		{name: "certificate for another name", smtp: port(chain("other", smtptest.Issue{Names: []string{"mail.other.example"}})),
			stage: "tls", code: "tls.wrong_name", word: "mail.other.example"},
		{name: "self-signed certificate", smtp: port(chain("self", smtptest.Issue{SelfSigned: true})),
			stage: "tls", code: "tls.self_signed", word: "certificate"},
		{name: "intermediate left out", smtp: port(chain("incomplete", smtptest.Issue{Intermediate: true, OmitIntermediate: true})),
			stage: "tls", code: "tls.unknown_authority", word: "intermediate"},
		{name: "only TLS 1.0", smtp: port("smtpd_tls_mandatory_protocols = TLSv1", "smtpd_tls_mandatory_ciphers = medium", "tls_medium_cipherlist = DEFAULT:@SECLEVEL=0"),
			stage: "tls", code: "tls.version", word: "TLS 1.2"},
		{name: "no shared cipher", smtp: port("smtpd_tls_mandatory_protocols = TLSv1.2", "smtpd_tls_mandatory_ciphers = high", "tls_high_cipherlist = ECDHE-ECDSA-CAMELLIA128-SHA256"),
			stage: "tls", code: "tls.no_shared_cipher", word: "cipher"},
		{name: "relay denied", smtp: with(port("smtpd_relay_restrictions = reject_unauth_destination"), anonymous), recipient: "jane@elsewhere.example",
			stage: "rcpt", code: "auth.required", word: "user name"},
		{name: "another's sender", smtp: port("smtpd_sender_restrictions = reject_sender_login_mismatch", "smtpd_sender_login_maps = inline:{boss@provider.example=boss}"),
			sender: "boss@provider.example", stage: "rcpt", code: "sender.not_owned", word: "From"},
		{name: "unknown recipient", smtp: port(recipients("550 5.1.1 User unknown in virtual mailbox table")), stage: "rcpt", code: "recipient.unknown", word: "address"},
		{name: "greylisting", smtp: port(recipients("450 4.2.0 Recipient address rejected: Greylisted, see http://postgrey.schweikert.ch/help/example.net.html")),
			stage: "rcpt", code: "recipient.greylisted", word: "itself"},
		{name: "mailbox full", smtp: port(recipients("452 4.2.2 The email account that you tried to reach is over quota")), stage: "rcpt", code: "recipient.mailbox_full", word: "recipient"},
		{name: "block list", smtp: with(port("smtpd_client_restrictions = check_client_access static:{554 5.7.1 Service unavailable; Client host [192.0.2.1] blocked using zen.spamhaus.org}"), anonymous),
			stage: "rcpt", code: "blocklist.listed", word: "list"},
		{name: "EHLO name refused", smtp: port("smtpd_delay_reject = no", "smtpd_helo_restrictions = check_helo_access static:{550 5.7.1 Helo command rejected: need fully-qualified hostname}"),
			stage: "ehlo", code: "ehlo.name_refused", word: "EHLO name"},
		{name: "too large", smtp: port("message_size_limit = 100"), sendTo: "jane@example.net", stage: "content", code: "content.too_large", word: "link"},
		{name: "disk full", smtp: port("queue_minfree = 900000000000000"), stage: "mail", code: "server.storage", word: "server"},
		{name: "content refused", smtp: port("smtpd_end_of_data_restrictions = check_client_access static:{554 5.7.1 Message rejected as spam by Content Filtering.}"), sendTo: "jane@example.net",
			stage: "content", code: "content.spam", word: "spam"},
	}
	server := postfixtest.Start(t, dir, services...)
	for name, is := range issues { // read when a client comes
		if is.Names == nil {
			is.Names = []string{server.Host}
		}
		b.issue(t, certificates, name, is)
	}
	authority, err := os.ReadFile(server.CA)
	if err != nil {
		t.Fatal(err)
	}
	b.try(t, "Postfix", &postilionv1.SmtpSettings{
		Host: server.Host, Username: postfixtest.Account, Password: proto.String(postfixtest.Password),
		CaCertificates: []byte(string(authority) + b.ca.PEM()),
	}, faults)
}
