package server

import (
	"slices"
	"strings"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/postilion-mail/postilion/internal/config"
	"github.com/postilion-mail/postilion/internal/dnstest"
	"github.com/postilion-mail/postilion/internal/provider"
	"github.com/postilion-mail/postilion/internal/smtptest"
	postilionv1 "github.com/postilion-mail/postilion/proto/gen/postilion/v1"
)

// shop is a domain with ten faults, each beside a comment with its code.
const shop = `
shop.test. TXT "v=spf1 include:_spf.elsewhere.test ?all" ; spf.provider_missing, spf.neutral_all
_spf.elsewhere.test. TXT "v=spf1 ip4:192.0.2.0/24 -all"
_spf.google.com. TXT "v=spf1 ip4:198.51.100.0/24 ~all"
s1._domainkey.shop.test. TXT "v=DKIM1; p=MFwwDQYJKoZIhvcNAQEBBQADSwAwSAJBAIAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAECAwEAAQ==" ; dkim.short_key
s2._domainkey.shop.test. TXT "v=DKIM1; p=" ; dkim.revoked
s3._domainkey.shop.test. TXT "v=DKIM1; t=y; k=ed25519; p=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=" ; dkim.testing
_dmarc.shop.test. TXT "v=DMARC1; p=quarantine; sp=none; rua=mailto:r@watcher.example" ; dmarc.subdomains_open, dmarc.rua_unauthorised
shop.test. MX 10 gone.shop.test. ; mx.host_missing
_mta-sts.shop.test. TXT "v=STSv1; id=not-an-id" ; mta-sts.syntax
_smtp._tls.shop.test. TXT "v=TLSRPTv1; rua=postmaster" ; tls-rpt.syntax
`

// planted are their codes, and what follows from them.
var planted = []string{
	"spf.provider_missing", "spf.neutral_all", "dkim.short_key", "dkim.revoked", "dkim.testing", "dmarc.subdomains_open",
	"dmarc.rua_unauthorised", "mx.host_missing", "mta-sts.syntax", "tls-rpt.syntax", "dmarc.unaligned",
}

func withDNS(t *testing.T, records string) func(*config.Config) {
	server := dnstest.Start(t, records)
	return func(c *config.Config) { c.DNSServer = server.Address() }
}

func TestCheckDomain(t *testing.T) {
	t.Parallel()
	r := newRig(t, withDNS(t, shop))
	configure(t, r.admin, &postilionv1.Connection{Name: "main", Transport: &postilionv1.Connection_Smtp{Smtp: &postilionv1.SmtpSettings{Provider: "google-workspace"}}})
	got, err := r.admin.CheckDomain(r.ctx(), &postilionv1.CheckDomainRequest{Domain: "News@Shop.Test", DkimSelectors: []string{"s1", "s2", "s3"}})
	if err != nil {
		t.Fatal(err)
	}
	var found []string
	for _, c := range got.GetChecks() {
		if s := c.GetStatus(); s != postilionv1.CheckStatus_CHECK_STATUS_OK && s != postilionv1.CheckStatus_CHECK_STATUS_NOTICE {
			found = append(found, c.GetCode())
			if len(c.GetRemedies()) == 0 || c.GetDetail() == "" || c.GetRecordName() == "" {
				t.Errorf("%v says too little", c)
			}
		}
	}
	want := slices.Sorted(slices.Values(planted))
	if slices.Sort(found); !slices.Equal(found, want) || got.GetOk() || got.GetDomain() != "shop.test" {
		t.Errorf("found %q\nplanted %q", found, want)
	}
}

// Who sends is told by the connection, by a provider that is named, or not at
// all.
func TestCheckDomainBySender(t *testing.T) {
	t.Parallel()
	r := newRig(t, withDNS(t, `
a.test. TXT "v=spf1 include:_spf.google.com -all"
_spf.google.com. TXT "v=spf1 ip4:198.51.100.0/24 ~all"
spf.protection.outlook.com. TXT "v=spf1 ip4:203.0.113.0/24 -all"
`))
	server := smtptest.Start(t, plain)
	c := connection("own", server)
	c.Sender = &postilionv1.SenderPolicy{EnvelopeFrom: "bounces@b.test"}
	configure(t, r.admin, c)
	for _, test := range []struct {
		name     string
		req      *postilionv1.CheckDomainRequest
		want     string
		detail   string
		checks   int // of SPF
		selector string
	}{
		{"nobody", &postilionv1.CheckDomainRequest{Domain: "a.test", Provider: unknownSender()}, "spf.ok", "sound", 1, "dkim.selector_unknown"},
		{"its own", &postilionv1.CheckDomainRequest{Domain: "a.test", Provider: "google-workspace"}, "spf.ok", "Google Workspace", 1, "dkim.provider_missing"},
		{"another", &postilionv1.CheckDomainRequest{Domain: "a.test", Provider: "microsoft365"}, "spf.provider_missing", "Microsoft 365", 1, "dkim.provider_missing"},
		{"the connection's envelope", &postilionv1.CheckDomainRequest{Domain: "a.test", Connection: "own"}, "spf.missing", "b.test", 2, "dkim.selector_unknown"},
	} {
		got, err := r.admin.CheckDomain(r.ctx(), test.req)
		if err != nil {
			t.Errorf("%s: %v", test.name, err)
			continue
		}
		checks, selector := 0, false
		for _, c := range got.GetChecks() {
			selector = selector || c.GetCode() == test.selector
			if c.GetName() != "spf" {
				continue
			}
			if checks++; checks == 1 && (c.GetCode() != test.want || !strings.Contains(c.GetDetail(), test.detail)) {
				t.Errorf("%s: %v", test.name, c)
			}
		}
		if checks != test.checks || !selector {
			t.Errorf("%s: %d checks of SPF, selector %t: %v", test.name, checks, selector, got)
		}
	}
}

// A test that passes looks at the sender's domain, too, if it is asked to.
func TestTestChecksDomain(t *testing.T) {
	t.Parallel()
	r := newRig(t, withDNS(t, "a.test. TXT \"v=spf1 +all\"\nb.test. TXT \"v=spf1 -all\""))
	c := connection("own", smtptest.Start(t, plain))
	c.Sender = &postilionv1.SenderPolicy{FromAddress: "news@a.test", EnvelopeFrom: "bounces@b.test"}
	configure(t, r.admin, c)
	for _, asked := range []bool{false, true} {
		got, err := r.admin.TestConnection(r.ctx(), &postilionv1.TestConnectionRequest{
			Target: &postilionv1.TestConnectionRequest_Name{Name: "own"}, CheckDomain: asked,
		})
		if err != nil {
			t.Fatal(err)
		}
		if d := got.GetDomain(); !got.GetOk() || (d != nil) != asked || asked && (d.GetDomain() != "a.test" || !strings.Contains(d.String(), "spf.pass_all")) {
			t.Errorf("asked %t: %v", asked, got)
		}
	}
}

// unknownSender is a provider whose SPF and DKIM are each customer's own.
func unknownSender() string {
	for _, p := range provider.All() {
		if len(p.SPF) == 0 && len(p.DKIMSelectors) == 0 {
			return p.ID
		}
	}
	return ""
}

func TestCheckDomainRefusals(t *testing.T) {
	t.Parallel()
	r := newRig(t, withDNS(t, "mta-sts.inside.test. A 127.0.0.1\n_mta-sts.inside.test. TXT \"v=STSv1; id=1\""))
	configure(t, r.admin, &postilionv1.Connection{Name: "hidden", Transport: &postilionv1.Connection_Smtp{Smtp: &postilionv1.SmtpSettings{Host: "smtp.hidden.test"}}})
	one := r.dial(r.addr.GRPC, r.client("one", postilionv1.Scope_SCOPE_CONFIGURE))
	for _, test := range []struct {
		req   *postilionv1.CheckDomainRequest
		code  codes.Code
		field string
	}{
		{&postilionv1.CheckDomainRequest{}, codes.InvalidArgument, "domain"},
		{&postilionv1.CheckDomainRequest{Domain: "localhost"}, codes.InvalidArgument, "domain"},
		{&postilionv1.CheckDomainRequest{Domain: "a b.test"}, codes.InvalidArgument, "domain"},
		{&postilionv1.CheckDomainRequest{Domain: "127.0.0.1"}, codes.InvalidArgument, "domain"},
		{&postilionv1.CheckDomainRequest{Domain: "a.test", Provider: "nobody"}, codes.InvalidArgument, "provider"},
		{&postilionv1.CheckDomainRequest{Domain: "a.test", DkimSelectors: []string{"a b"}}, codes.InvalidArgument, "dkim_selectors"},
		{&postilionv1.CheckDomainRequest{Domain: "a.test", DkimSelectors: make([]string, 11)}, codes.InvalidArgument, "dkim_selectors"},
		{&postilionv1.CheckDomainRequest{Domain: "a.test", Connection: "hidden"}, codes.NotFound, "hidden"},
	} {
		_, err := one.CheckDomain(r.ctx(), test.req)
		if status.Code(err) != test.code || !strings.Contains(err.Error(), test.field) {
			t.Errorf("%v: %v", test.req, err)
		}
	}
	// Nothing inside is reached for a client, and it is no fault of the domain.
	got, err := one.CheckDomain(r.ctx(), &postilionv1.CheckDomainRequest{Domain: "inside.test"})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range got.GetChecks() {
		if c.GetName() == "mta-sts" && (c.GetCode() != "mta-sts.unknown" || !strings.Contains(c.GetDetail(), "may not look")) {
			t.Errorf("%v", c)
		}
	}
	for range 100 {
		if _, err = one.CheckDomain(r.ctx(), &postilionv1.CheckDomainRequest{Domain: "inside.test"}); err != nil {
			break
		}
	}
	if status.Code(err) != codes.ResourceExhausted {
		t.Errorf("after 100 checks: %v", err)
	}
}
