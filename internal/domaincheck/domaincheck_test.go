package domaincheck

import (
	"context"
	"net"
	"net/http"
	"strings"
	"syscall"
	"testing"
)

func TestSoundDomain(t *testing.T) {
	t.Parallel()
	findings := run(t, "")
	const want = "spf.ok=1 dkim.ok=1 dmarc.ok=1 mx.ok=1 mta-sts.ok=1 tls-rpt.ok=1 bimi.ok=1"
	if got := codes(findings); got != want {
		t.Errorf("got %s, want %s\n%+v", got, want, findings)
	}
}

// One fault at a time: it is found, with the status, and says the words; apart
// from what follows from it nothing else is reported.
func TestFaults(t *testing.T) {
	t.Parallel()
	guess := func(r *Request, _ *Checker) { r.Selectors = nil }
	own := func(r *Request, _ *Checker) { r.OwnEnvelope = true }
	host := func(r *Request, _ *Checker) { r.Includes, r.Host = nil, "mx.example.org" }
	for _, test := range []struct {
		code    string
		status  Status
		changes string
		change  func(*Request, *Checker)
		publish string // is to be in Finding.Publish
		words   string // in the detail or a remedy
		follows string // codes that follow from the fault
	}{
		{"spf.missing", Failed, "-example.org. TXT", nil, "v=spf1 include:_spf.provider.test ~all", "Publish", ""},
		{"spf.version", Failed, `example.org. TXT "v=spf1;include:_spf.provider.test -all"`, nil, "v=spf1 include:", "does not begin", ""},
		{"spf.multiple", Failed, "example.org. TXT \"v=spf1 a -all\"\nexample.org. TXT \"v=spf1 include:_spf.provider.test ~all\"", nil, "v=spf1 a include:_spf.provider.test ~all", "2 SPF records", ""},
		{"spf.syntax", Failed, `example.org. TXT "v=spf1 includes:_spf.provider.test -all"`, nil, "", `"includes:_spf.provider.test" is not known`, ""},
		{"spf.syntax", Failed, `example.org. TXT "v=spf1 ip4:192.0.2.300 include:_spf.provider.test -all"`, nil, "", "IPv4", ""},
		{"spf.syntax", Failed, `example.org. TXT "v=spf1 redirect=_spf.provider.test redirect=b.test"`, nil, "", "more than one redirect", ""},
		{"spf.pass_all", Failed, `example.org. TXT "v=spf1 include:_spf.provider.test +all"`, nil, "v=spf1 include:_spf.provider.test ~all", "every machine", ""},
		{"spf.pass_all", Failed, `example.org. TXT "v=spf1 include:_spf.provider.test all"`, nil, "~all", "", ""},
		{"spf.pass_all", Failed, "example.org. TXT \"v=spf1 a:small.test include:_spf.provider.test all\"\nsmall.test. A 192.0.2.1", nil, "v=spf1 a:small.test include:_spf.provider.test ~all", "", ""},
		{"spf.neutral_all", Warning, `example.org. TXT "v=spf1 include:_spf.provider.test ?all"`, nil, "~all", "", ""},
		{"spf.no_all", Warning, `example.org. TXT "v=spf1 include:_spf.provider.test"`, nil, "include:_spf.provider.test ~all", "", ""},
		{"spf.after_all", Warning, `example.org. TXT "v=spf1 include:_spf.provider.test -all ip4:198.51.100.1"`, nil, "", "never looked at", ""},
		{"spf.provider_missing", Failed, `example.org. TXT "v=spf1 ip4:198.51.100.1 -all"`, nil, "v=spf1 ip4:198.51.100.1 include:_spf.provider.test -all", "Provider", ""},
		{"spf.provider_missing", Failed, `example.org. TXT "v=spf1 ?include:_spf.provider.test -all"`, nil, "include:_spf.provider.test -all", "", ""},
		{"spf.provider_missing", Warning, "example.org. TXT \"v=spf1 ip4:198.51.100.1 -all\"\n-s1._domainkey.example.org. TXT", own, "include:_spf.provider.test -all", "only if Provider sends", "dkim.missing"},
		{"spf.missing", Warning, "-example.org. TXT\n-s1._domainkey.example.org. TXT", own, "v=spf1 include:_spf.provider.test ~all", "only if Provider sends", "dkim.missing"},
		{"spf.include_missing", Failed, `example.org. TXT "v=spf1 include:_spf.provider.test include:gone.test -all"`, nil, "", "include:gone.test", ""},
		{"spf.include_multiple", Failed, "_spf.provider.test. TXT \"v=spf1 a -all\"\n_spf.provider.test. TXT \"v=spf1 -all\"", nil, "", "2 SPF records", ""},
		{"spf.loop", Failed, `_spf.provider.test. TXT "v=spf1 include:example.org -all"`, nil, "", "leads back", ""},
		{"spf.too_many_lookups", Failed, manyLookups, nil, "", "include:_spf.provider.test (11)", ""},
		{"spf.too_many_voids", Failed, `example.org. TXT "v=spf1 a:x.test a:y.test mx:z.test include:_spf.provider.test -all"`, nil, "", "a:x.test, a:y.test, mx:z.test", ""},
		{"spf.server_not_listed", Warning, `example.org. TXT "v=spf1 ip4:198.51.100.1 -all"`, host, "", "a:mx.example.org", ""},

		{"dkim.missing", Failed, "-s1._domainkey.example.org. TXT", nil, "", "selector s1", ""},
		{"dkim.misplaced", Failed, "-s1._domainkey.example.org. TXT\ns1._domainkey.example.org.example.org. TXT \"p=KEY2048\"", nil, "", "s1._domainkey alone", ""},
		{"dkim.alias_dangling", Failed, "-s1._domainkey.example.org. TXT\ns1._domainkey.example.org. CNAME s1.provider.test.", nil, "", "s1.provider.test", ""},
		{"dkim.multiple", Failed, "s1._domainkey.example.org. TXT \"p=KEY2048\"\ns1._domainkey.example.org. TXT \"p=KEY1024\"", nil, "", "several", ""},
		{"dkim.revoked", Failed, `s1._domainkey.example.org. TXT "v=DKIM1; p="`, nil, "", "revoked", ""},
		{"dkim.syntax", Failed, `s1._domainkey.example.org. TXT "v=DKIM1; k=rsa; p=MIIBIjANBgkqhkiG9w0B"`, nil, "", "cut off", ""},
		{"dkim.syntax", Failed, `s1._domainkey.example.org. TXT "v=DKIM1; k=dsa; p=KEY1024"`, nil, "", "k=dsa", ""},
		{"dkim.syntax", Failed, `s1._domainkey.example.org. TXT "k=rsa; v=DKIM1; p=KEY2048"`, nil, "", "first", ""},
		{"dkim.syntax", Failed, `s1._domainkey.example.org. TXT "v=DKIM1; k=ed25519; p=KEY1024"`, nil, "", "32 octets", ""},
		{"dkim.short_key", Failed, `s1._domainkey.example.org. TXT "v=DKIM1; p=KEY512"`, nil, "", "2048 bits", ""},
		{"dkim.weak_key", Warning, `s1._domainkey.example.org. TXT "v=DKIM1; p=KEY1024"`, nil, "", "2048 bits", ""},
		{"dkim.testing", Warning, `s1._domainkey.example.org. TXT "v=DKIM1; t=y:s; p=KEY2048"`, nil, "v=DKIM1; t=s; p=", "testing", ""},
		{"dkim.sha1", Failed, `s1._domainkey.example.org. TXT "v=DKIM1; h=sha1; p=KEY2048"`, nil, "", "h=", ""},
		{"dkim.not_for_mail", Failed, `s1._domainkey.example.org. TXT "v=DKIM1; s=other; p=KEY2048"`, nil, "", "s=", ""},
		{"dkim.provider_missing", Warning, "", func(r *Request, _ *Checker) { r.Selectors, r.Known = nil, []string{"p1", "p2"} }, "", "p1, p2", ""},
		{"dkim.selector_unknown", Unknown, "-s1._domainkey.example.org. TXT", func(r *Request, _ *Checker) { r.Selectors = nil }, "", "DKIM-Signature", ""},
		{"dkim.revoked", Notice, "default._domainkey.example.org. TXT \"v=DKIM1; p=\"", guess, "", "unless mail is signed with it", "dkim.ok"},
		{"dkim.short_key", Notice, "default._domainkey.example.org. TXT \"v=DKIM1; p=KEY512\"", guess, "", "", "dkim.ok"},
		{"dkim.syntax", Notice, "default._domainkey.example.org. TXT \"v=DKIM1; k=rsa; p=MIIB\"", guess, "", "", "dkim.ok"},
		{"dkim.revoked", Failed, "-s1._domainkey.example.org. TXT\ndefault._domainkey.example.org. TXT \"v=DKIM1; p=\"", guess, "", "revoked", ""},
		{"dkim.selector_unknown", Unknown, "-s1._domainkey.example.org. TXT\n" + wildcard, guess, "", "DKIM-Signature", ""},

		{"dmarc.missing", Warning, "-_dmarc.example.org. TXT", nil, "v=DMARC1; p=none; rua=mailto:postmaster@example.org", "", ""},
		{"dmarc.misplaced", Warning, "-_dmarc.example.org. TXT\n_dmarc.example.org.example.org. TXT \"v=DMARC1; p=none\"", nil, "", "_dmarc alone", ""},
		{"dmarc.multiple", Failed, "_dmarc.example.org. TXT \"v=DMARC1; p=reject\"\n_dmarc.example.org. TXT \"v=DMARC1; p=none\"", nil, "v=DMARC1; p=", "2 DMARC records", ""},
		{"dmarc.syntax", Failed, `_dmarc.example.org. TXT "v=DMARC1 p=reject"`, nil, "v=DMARC1; p=none", "does not begin", ""},
		{"dmarc.syntax", Failed, `_dmarc.example.org. TXT "v=DMARC1; policy=reject"`, nil, "", "no p=", ""},
		{"dmarc.syntax", Failed, `_dmarc.example.org. TXT "v=DMARC1; p=deny"`, nil, "", `"deny" is no policy`, ""},
		{"dmarc.policy_none", Notice, `_dmarc.example.org. TXT "v=DMARC1; p=none; rua=mailto:d@example.org"`, nil, "", "only watches", ""},
		{"dmarc.no_reports", Notice, `_dmarc.example.org. TXT "v=DMARC1; p=reject;"`, nil, "v=DMARC1; p=reject; rua=mailto:postmaster@example.org", "", "dmarc.ok"},
		{"dmarc.rua_syntax", Warning, `_dmarc.example.org. TXT "v=DMARC1; p=reject; rua=reports@example.org"`, nil, "", "mailto:", "dmarc.ok"},
		{"dmarc.rua_unauthorised", Warning, `_dmarc.example.org. TXT "v=DMARC1; p=reject; rua=mailto:a@watcher.test"`, nil, "v=DMARC1", "watcher.test", "dmarc.ok"},
		{"dmarc.subdomains_open", Warning, `_dmarc.example.org. TXT "v=DMARC1; p=reject; sp=none; rua=mailto:a@example.org"`, nil, "", "sp=none", "dmarc.ok"},
		{"dmarc.unaligned", Failed, "-s1._domainkey.example.org. TXT", func(r *Request, _ *Checker) { r.Envelope = "provider.test" }, "", "envelope sender is of provider.test", "dmarc.ok dkim.missing spf.missing spf.ok"},
		{"dmarc.unaligned", Failed, "-s1._domainkey.example.org. TXT\nexample.org. TXT \"v=spf1 -all\"", nil, "", "SPF does not let it pass", "dmarc.ok dkim.missing spf.provider_missing"},

		{"mx.null", Failed, "example.org. MX 0 .", nil, "", "takes no mail", ""},
		{"mx.missing", Failed, "-example.org. MX", nil, "", "neither an MX record nor an address", ""},
		{"mx.implicit", Notice, "-example.org. MX\nexample.org. A 192.0.2.1", nil, "", "own address", ""},
		{"mx.host_missing", Failed, "example.org. MX 10 gone.example.org.", nil, "", "gone.example.org", "mta-sts.mx_not_listed"},
		{"mx.not_a_name", Failed, "example.org. MX 10 192.0.2.1.", nil, "", "192.0.2.1", "mta-sts.mx_not_listed"},
		{"mx.alias", Warning, "-mx.example.org. A\nmx.example.org. CNAME real.example.org.\nreal.example.org. A 192.0.2.8", nil, "", "alias", ""},

		{"mta-sts.missing", Notice, "-_mta-sts.example.org. TXT", nil, "", "", ""},
		{"mta-sts.multiple", Failed, "_mta-sts.example.org. TXT \"v=STSv1; id=1\"\n_mta-sts.example.org. TXT \"v=STSv1; id=2\"", nil, "v=STSv1; id=", "", ""},
		{"mta-sts.syntax", Failed, `_mta-sts.example.org. TXT "v=STSv1; id=2026-01-01"`, nil, "v=STSv1; id=2", "letters and digits", ""},
		{"mta-sts.policy_unreachable", Failed, "", serves(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNotFound) }), "", "answers 404", ""},
		{"mta-sts.policy_unreachable", Failed, "", serves(t, func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "http://169.254.169.254/", http.StatusFound)
		}), "", "answers 302", ""},
		{"mta-sts.policy_unreachable", Failed, "", serves(t, serving(policy+strings.Repeat("x", maxPolicy))), "", "64 KiB", ""},
		{"mta-sts.policy_unreachable", Failed, "", unreachable(&net.DNSError{Err: "no such host", Name: "mta-sts.example.org", IsNotFound: true}), "", "no such host", ""},
		{"mta-sts.unknown", Unknown, "", unreachable(&net.DNSError{Err: "server misbehaving", Name: "mta-sts.example.org", Server: "192.0.2.53:53", IsTemporary: true}), "", "server misbehaving.", ""},
		{"mta-sts.unknown", Unknown, "", unreachable(&net.OpError{Op: "dial", Net: "tcp", Err: syscall.ENETUNREACH}), "", "unreachable", ""},
		{"mta-sts.policy_syntax", Failed, "", serves(t, serving("version: STSv1\nmode: on\nmx: a\nmax_age: 1\n")), "", "neither enforce", ""},
		{"mta-sts.policy_syntax", Failed, "", serves(t, serving("version: STSv1\nmode: enforce\nmax_age: 100000\n")), "", "lists no mx", ""},
		{"mta-sts.mx_not_listed", Failed, "", serves(t, serving("version: STSv1\nmode: enforce\nmx: *.b.example.org\nmax_age: 100000\n")), "", "mx: mx.example.org", ""},
		{"mta-sts.mx_not_listed", Warning, "", serves(t, serving("version: STSv1\nmode: testing\nmx: other.test\nmax_age: 100000\n")), "", "", ""},
		{"mta-sts.testing", Notice, "", serves(t, serving("version: STSv1\nmode: testing\nmx: *.example.org\nmax_age: 100000\n")), "", "", ""},
		{"mta-sts.short_age", Warning, "", serves(t, serving("version: STSv1\nmode: enforce\nmx: *.example.org\nmax_age: 60\n")), "", "60 s", ""},

		{"tls-rpt.missing", Notice, "-_smtp._tls.example.org. TXT", nil, "", "", ""},
		{"tls-rpt.syntax", Warning, `_smtp._tls.example.org. TXT "v=TLSRPTv1; rua=tls@example.org"`, nil, "v=TLSRPTv1; rua=mailto:", "", ""},
		{"tls-rpt.multiple", Warning, "_smtp._tls.example.org. TXT \"v=TLSRPTv1; rua=mailto:a@b.test\"\n_smtp._tls.example.org. TXT \"v=TLSRPTv1; rua=mailto:c@b.test\"", nil, "", "", ""},
		{"bimi.missing", Notice, "-default._bimi.example.org. TXT", nil, "", "", ""},
		{"bimi.syntax", Warning, `default._bimi.example.org. TXT "v=BIMI1; l=http://example.org/logo.svg"`, nil, "", "https:", ""},
	} {
		t.Run(test.code, func(t *testing.T) {
			t.Parallel()
			change := test.change
			if change == nil {
				change = func(*Request, *Checker) {}
			}
			findings := run(t, test.changes, change)
			f := find(findings, test.code)
			if f == nil {
				t.Fatalf("it is not found: %s", codes(findings))
			}
			if f.Status != test.status || !strings.Contains(f.Publish, test.publish) || test.publish == "" && f.Publish != "" && strings.HasPrefix(test.code, "spf") {
				t.Errorf("status %d, publish %q", f.Status, f.Publish)
			}
			if text := f.Detail + " " + strings.Join(f.Remedies, " "); !strings.Contains(text, test.words) || f.Detail == "" {
				t.Errorf("%q is not in %q", test.words, text)
			}
			if f.Status == Failed && len(f.Remedies) == 0 {
				t.Error("there is no remedy")
			}
			for _, other := range findings {
				follows := strings.Contains(" "+test.follows+" ", " "+other.Code+" ")
				if other.Code != test.code && !strings.HasSuffix(other.Code, ".ok") && !follows {
					t.Errorf("also found: %+v", other)
				}
				if other.Code == strings.SplitAfter(test.code, ".")[0]+"ok" && !follows {
					t.Errorf("it is called well, too")
				}
			}
		})
	}
}

// wildcard is what a selector that nobody has published answers with then.
const wildcard = `default._domainkey.example.org. TXT "v=spf1 -all"
mail._domainkey.example.org. TXT "google-site-verification=p"
mail._domainkey.example.org. TXT "v=spf1 mx -all"
k1._domainkey.example.org. TXT "v=DMARC1; p=none"
k2._domainkey.example.org. CNAME mx.example.org.`

const manyLookups = `_spf.provider.test. TXT "v=spf1 a:a1.test a:a2.test a:a3.test a:a4.test a:a5.test a:a6.test a:a7.test a:a8.test a:a9.test a:a10.test ip4:192.0.2.0/24 -all"
a1.test. A 192.0.2.1
a2.test. A 192.0.2.1
a3.test. A 192.0.2.1
a4.test. A 192.0.2.1
a5.test. A 192.0.2.1
a6.test. A 192.0.2.1
a7.test. A 192.0.2.1
a8.test. A 192.0.2.1
a9.test. A 192.0.2.1
a10.test. A 192.0.2.1`

func serves(t *testing.T, handler http.HandlerFunc) func(*Request, *Checker) {
	return func(_ *Request, c *Checker) { c.Client = web(t, handler) }
}

// unreachable is a web whose dials fail.
func unreachable(err error) func(*Request, *Checker) {
	return func(_ *Request, c *Checker) {
		c.Client = &http.Client{Transport: &http.Transport{DialContext: func(context.Context, string, string) (net.Conn, error) { return nil, err }}}
	}
}

// What is not a fault is not called one.
func TestNoFalseFaults(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		changes string
		change  func(*Request, *Checker)
	}{
		"by redirect":                       {`example.org. TXT "v=spf1 redirect=_spf.provider.test"`, nil},
		"nested":                            {"example.org. TXT \"v=spf1 include:a.test -all\"\na.test. TXT \"v=spf1 include:_spf.provider.test -all\"", nil},
		"networks of the provider":          {`example.org. TXT "v=spf1 ip4:192.0.2.0/23 ip6:2001:db8::/32 -all"`, nil},
		"mixed case":                        {`example.org. TXT "V=SPF1 Include:_SPF.provider.test -ALL"`, nil},
		"other texts beside":                {"example.org. TXT \"v=spf1 include:_spf.provider.test -all\"\nexample.org. TXT \"google-site-verification=x\"", nil},
		"macros":                            {`example.org. TXT "v=spf1 include:_spf.provider.test exists:%{i}.list.test -all"`, nil},
		"the server itself":                 {`example.org. TXT "v=spf1 a:mx.example.org -all"`, func(r *Request, _ *Checker) { r.Includes, r.Host = nil, "mx.example.org" }},
		"the server by its address":         {`example.org. TXT "v=spf1 ip4:192.0.2.9 -all"`, func(r *Request, _ *Checker) { r.Includes, r.Host = nil, "192.0.2.9" }},
		"nobody says who sends":             {"", func(r *Request, _ *Checker) { r.Includes = nil }},
		"one of several includes":           {"", func(r *Request, _ *Checker) { r.Includes = []string{"other.test", "_spf.provider.test"} }},
		"Ed25519":                           {`s1._domainkey.example.org. TXT "v=DKIM1; k=ed25519; p=KEYED"`, nil},
		"key by alias":                      {"-s1._domainkey.example.org. TXT\ns1._domainkey.example.org. CNAME k.provider.test.\nk.provider.test. TXT \"p=KEY2048\"", nil},
		"common selector":                   {"", func(r *Request, _ *Checker) { r.Selectors = nil }},
		"common selector beside a wildcard": {wildcard, func(r *Request, _ *Checker) { r.Selectors = nil }},
		"one of the usual selectors":        {"", func(r *Request, _ *Checker) { r.Selectors, r.Known = nil, []string{"s0", "s1"} }},
		"reports elsewhere":                 {"_dmarc.example.org. TXT \"v=DMARC1; p=reject; rua=mailto:a@watcher.test!10m\"\nexample.org._report._dmarc.watcher.test. TXT \"v=DMARC1;\"", nil},
		"reports in a subdomain":            {`_dmarc.example.org. TXT "v=DMARC1; p=reject; rua=mailto:a@reports.example.org"`, nil},
		"policy with a pattern":             {"", serves(t, serving("version: STSv1\r\nmode: enforce\r\nmx: *.example.org\r\nmax_age: 604800\r\n"))},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			change := test.change
			if change == nil {
				change = func(*Request, *Checker) {}
			}
			for _, f := range run(t, test.changes, change) {
				if f.Status != OK {
					t.Errorf("%+v", f)
				}
			}
		})
	}
}

// The policy of the organisational domain holds for its subdomains.
func TestInheritedPolicy(t *testing.T) {
	t.Parallel()
	findings := run(t, `_dmarc.example.org. TXT "v=DMARC1; p=reject; sp=quarantine; rua=mailto:r@example.org"
shop.example.org. TXT "v=spf1 include:_spf.provider.test -all"`, func(r *Request, _ *Checker) { r.Domain, r.Envelope = "shop.example.org", "example.org" })
	f := find(findings, "dmarc.ok")
	if f == nil || !strings.Contains(f.Detail, "quarantine, that of example.org") || f.Record != "_dmarc.example.org" {
		t.Errorf("%s %+v", codes(findings), f)
	}
	if find(findings, "dmarc.unaligned") != nil {
		t.Error("a relaxed alignment is called none")
	}
	findings = run(t, `_dmarc.example.org. TXT "v=DMARC1; p=reject; aspf=s; rua=mailto:r@example.org"
-s1._domainkey.example.org. TXT`, func(r *Request, _ *Checker) { r.Domain, r.Envelope = "shop.example.org", "example.org" })
	if find(findings, "dmarc.unaligned") == nil {
		t.Errorf("strict alignment is not looked at: %s", codes(findings))
	}
}

// A relaxed alignment takes the signatures of the domains around, a strict one
// does not.
func TestKeysAround(t *testing.T) {
	t.Parallel()
	const strict = "_dmarc.example.org. TXT \"v=DMARC1; p=reject; adkim=s; rua=mailto:r@example.org\"\n"
	const refused = "example.org. TXT \"v=spf1 -all\"\nmg.example.org. TXT \"v=spf1 -all\"\n"
	service := Request{Domain: "example.org", Envelope: "mg.example.org", Sender: "Provider", Includes: []string{"_spf.provider.test"}, Known: []string{"k0", "k1"}}
	shop := Request{Domain: "shop.example.org", Sender: "Provider", Includes: []string{"_spf.provider.test"}, Selectors: []string{"s1"}}
	guessed := Request{Domain: "shop.example.org", Envelope: "elsewhere.test", Sender: "Provider"}
	const old = "default._domainkey.shop.example.org. TXT \"v=DKIM1; p=\"\n"
	const key = "k1._domainkey.mg.example.org. TXT \"p=KEY2048\"\n"
	for name, test := range map[string]struct {
		request   Request
		changes   string
		code      string // of DKIM
		unaligned bool
	}{
		"of the envelope sender":         {service, refused + key, "dkim.ok", false},
		"of the envelope sender, strict": {service, refused + key + strict, "dkim.ok", true},
		"nowhere":                        {service, refused, "dkim.provider_missing", true},
		"of the organisation":            {shop, "shop.example.org. TXT \"v=spf1 -all\"", "dkim.ok", false},
		"a retired one that was guessed": {guessed, old, "dkim.revoked", false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			findings := run(t, test.changes, func(r *Request, _ *Checker) { *r = test.request })
			if find(findings, test.code) == nil || (find(findings, "dmarc.unaligned") != nil) != test.unaligned {
				t.Errorf("%s", codes(findings))
			}
		})
	}
}
