package main

import (
	"encoding/json"
	"regexp"
	"strings"
	"testing"

	"github.com/postilion-mail/postilion/internal/dnstest"
	"github.com/postilion-mail/postilion/internal/smtptest"
)

// shop is a domain with ten faults, which its comments name.
const shop = `
shop.test. TXT "v=spf1 include:_spf.elsewhere.test ?all" ; 1 provider missing, 2 ?all
_spf.elsewhere.test. TXT "v=spf1 ip4:192.0.2.0/24 -all"
_spf.google.com. TXT "v=spf1 ip4:198.51.100.0/24 ~all"
s1._domainkey.shop.test. TXT "v=DKIM1; p=" ; 3 revoked
s2._domainkey.shop.test. TXT "v=DKIM1; t=y; k=ed25519; p=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=" ; 4 testing
_dmarc.shop.test. TXT "v=DMARC1; p=quarantine; sp=none; rua=mailto:r@watcher.example" ; 6 subdomains, 7 reports
shop.test. MX 10 gone.shop.test. ; 8 no such host
_mta-sts.shop.test. TXT "v=STSv1; id=not-an-id" ; 9
_smtp._tls.shop.test. TXT "v=TLSRPTv1; rua=postmaster" ; 10
` // 5 is a selector without a key

// TestDoctorDomain finds all ten faults that are planted, and says what to
// publish.
func TestDoctorDomain(t *testing.T) {
	t.Parallel()
	d, _ := serveOn(t, shortDir(t), "--dns-server", dnstest.Start(t, shop).Address())
	got := d.run(t, "doctor", "domain", "news@shop.test", "--provider", "google-workspace", "--selector", "s1", "--selector", "s2", "--selector", "s3")
	got.want(t, exitFailed,
		"✗ spf.provider_missing", "publish  shop.test  TXT  v=spf1 include:_spf.elsewhere.test include:_spf.google.com ~all",
		"! spf.neutral_all",
		"✗ dkim.revoked", "! dkim.testing", "✗ dkim.missing", "selector s3",
		"! dmarc.subdomains_open", "! dmarc.rua_unauthorised", "publish  shop.test._report._dmarc.watcher.example  TXT  v=DMARC1",
		"✗ mx.host_missing", "gone.shop.test", "✗ mta-sts.syntax", "publish  _mta-sts.shop.test  TXT  v=STSv1; id=",
		"! tls-rpt.syntax", "publish  _smtp._tls.shop.test  TXT  v=TLSRPTv1; rua=mailto:postmaster@shop.test")
	t.Logf("\n%s", got.out)
	d.run(t, "doctor", "domain", "localhost").want(t, exitData, "whole domain")
	var answer struct {
		Domain string
		Checks []struct{ Code, Status string }
	}
	machine := d.run(t, "--json", "doctor", "domain", "shop.test", "--provider", "google-workspace")
	if err := json.Unmarshal([]byte(machine.out), &answer); err != nil || machine.code != exitFailed || answer.Domain != "shop.test" || len(answer.Checks) < 8 {
		t.Errorf("%v: exit %d: %s", err, machine.code, machine.out)
	}
}

// TestDoctorStrict: warnings count only if that is wanted.
func TestDoctorStrict(t *testing.T) {
	t.Parallel()
	d, _ := serveOn(t, shortDir(t), "--dns-server", dnstest.Start(t, `
a.test. TXT "v=spf1 ip4:192.0.2.1 ?all"
a.test. MX 10 mx.a.test.
mx.a.test. A 192.0.2.1
_dmarc.a.test. TXT "v=DMARC1; p=reject; rua=mailto:r@a.test"
default._domainkey.a.test. TXT "k=ed25519; p=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="
`).Address())
	d.run(t, "doctor", "domain", "a.test").want(t, 0, "! spf", "✓ dkim", "✓ dmarc", "✓ mx")
	d.run(t, "doctor", "domain", "a.test", "--strict").want(t, exitFailed)
	d.run(t, "doctor", "--no-test").want(t, 0, "! connection: no connection delivers yet")
	d.run(t, "doctor", "--no-test", "--strict").want(t, exitFailed)
}

// TestDoctorPage shows the whole installation: a connection that works, one
// that does not, and the domain of the first.
func TestDoctorPage(t *testing.T) {
	t.Parallel()
	server := smtptest.Start(t, smtptest.Account("news@shop.test", "right"))
	d, _ := serveOn(t, shortDir(t), "--dns-server", dnstest.Start(t, "localhost. A 127.0.0.1\n"+shop).Address())
	port := regexp.MustCompile(`\d+$`).FindString(server.Address())
	for name, password := range map[string]string{"good": "right", "bad": "wrong"} {
		d.run(t, "configure", name, "--host", "127.0.0.1", "--port", port, "--ca-file", write(t, "ca.pem", server.CA().PEM()),
			"--username", "news@shop.test", "--password-file", write(t, "password", password)).want(t, 0, "created")
	}
	d.run(t, "test", "good").want(t, 0, "All stages passed", "--check-domain")
	d.run(t, "test", "good", "--check-domain").want(t, 0, "All stages passed", "shop.test\n", "✗ dkim.revoked")
	page := d.run(t, "doctor")
	page.want(t, exitFailed, "✓ daemon: real", "✓ store: ", "✓ queue: ", "✓ connection: 2 that deliver", "✓ certificate: ",
		"✓ socket "+d.data+"/admin.sock: for administration: ", "✓ socket "+d.data+"/run/postilion.sock: every user",
		"✗ test bad: ", "535", "test good: ", "✗ domain shop.test: ", "postilion doctor domain shop.test --connection")
	if strings.Contains(page.out, "✗ test good") {
		t.Error("the good connection is called bad")
	}
	t.Logf("\n%s", page.out)
	for line := range strings.Lines(d.run(t, "--json", "doctor").out) {
		var finding struct{ Check, Status, Text string }
		if err := json.Unmarshal([]byte(line), &finding); err != nil || finding.Check == "" || finding.Status == "" || finding.Text == "" {
			t.Errorf("%v: %s", err, line)
		}
	}
	if n := server.Count(); n != 0 {
		t.Errorf("%d mails were sent", n)
	}
}
