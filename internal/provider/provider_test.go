package provider

import (
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
)

var (
	goodID       = regexp.MustCompile(`^[a-z0-9][a-z0-9.-]*$`)
	needsKey     = regexp.MustCompile(`\b(an API key|app password|token|code|secret key)\b`)
	spfDomain    = regexp.MustCompile(`^([a-z0-9_]([a-z0-9-]*[a-z0-9])?\.)+[a-z]+$`)
	selectorName = regexp.MustCompile(`^[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?$`)
	goodHost     = regexp.MustCompile(`^([a-z0-9]([a-z0-9-]*[a-z0-9])?\.)+[a-z0-9]+$`)
)

// TestPresets holds each preset to what the fields promise.
func TestPresets(t *testing.T) {
	t.Parallel()
	all := All()
	if len(all) < 60 {
		t.Errorf("only %d providers", len(all))
	}
	ids, titles, domains, exchangers := map[string]bool{}, map[string]bool{}, map[string]string{}, map[string]string{}
	for _, p := range all {
		if !goodID.MatchString(p.ID) || ids[p.ID] {
			t.Errorf("id %q is malformed or there twice", p.ID)
		}
		if p.Title == "" || titles[p.Title] {
			t.Errorf("%s: title %q is empty or there twice", p.ID, p.Title)
		}
		ids[p.ID], titles[p.Title] = true, true
		if !goodHost.MatchString(p.Host) {
			t.Errorf("%s: host %q", p.ID, p.Host)
		}
		// Port 465 speaks TLS from the first octet, no other does.
		if (p.Port == 465) != (p.Security == tls) || p.Security != tls && p.Security != starttls {
			t.Errorf("%s: %s on port %d", p.ID, p.Security, p.Port)
		}
		if p.Auth != "" && p.Auth != "xoauth2" {
			t.Errorf("%s: auth %q", p.ID, p.Auth)
		}
		if p.Username == "" || p.Password == "" {
			t.Errorf("%s says nothing about the login", p.ID)
		}
		checkLinks(t, p)
		for _, domain := range p.Domains {
			unique(t, p.ID, domain, domains)
		}
		for _, suffix := range p.MX {
			unique(t, p.ID, suffix, exchangers)
		}
		l := p.Limits
		for _, pair := range [][2]uint32{{l.PerSecond, l.PerMinute}, {l.PerMinute, l.PerHour}, {l.PerHour, l.PerDay}, {l.PerMinute, l.PerDay}} {
			if pair[1] > 0 && pair[0] > pair[1] {
				t.Errorf("%s: limits %+v", p.ID, l)
			}
		}
	}
	if !slices.IsSortedFunc(all, func(a, b Provider) int { return strings.Compare(a.ID, b.ID) }) {
		t.Error("they are not in order")
	}
}

// checkLinks: each entry says where it has its facts from, and at least one
// page is more than a vendor's front door. What the mailbox's own password is
// not, is to be got somewhere.
func checkLinks(t *testing.T, p Provider) {
	t.Helper()
	links, deep := append(slices.Clone(p.Sources), p.Link), false
	if p.PasswordLink != "" {
		links = append(links, p.PasswordLink)
	} else if p.Password == appPassword || needsKey.MatchString(p.Password) {
		t.Errorf("%s does not say where to get %q", p.ID, p.Password)
	}
	for i, link := range links {
		u, err := url.Parse(link)
		if err != nil || u.Scheme != "https" || !goodHost.MatchString(u.Host) || u.Port() != "" || u.User != nil {
			t.Errorf("%s: link %q", p.ID, link)
			continue
		}
		deep = deep || i < len(p.Sources) && len(u.Path) > 1
	}
	if !deep {
		t.Errorf("%s has no page that its facts stand on: %q", p.ID, p.Sources)
	}
	if unique := slices.Compact(slices.Sorted(slices.Values(p.Sources))); len(unique) != len(p.Sources) {
		t.Errorf("%s: a source is there twice: %q", p.ID, p.Sources)
	}
	for _, text := range []string{p.OAuth, p.FromRule, p.Username, p.Password} {
		if text != strings.TrimSpace(text) || strings.HasSuffix(text, ".") || strings.ContainsAny(text, "\n\t") {
			t.Errorf("%s: %q", p.ID, text)
		}
	}
	for _, include := range p.SPF {
		if !spfDomain.MatchString(include) {
			t.Errorf("%s: SPF %q", p.ID, include)
		}
	}
	for _, selector := range p.DKIMSelectors {
		if !selectorName.MatchString(selector) {
			t.Errorf("%s: selector %q", p.ID, selector)
		}
	}
}

func unique(t *testing.T, id, domain string, seen map[string]string) {
	t.Helper()
	if !goodHost.MatchString(domain) || seen[domain] != "" {
		t.Errorf("%s: %q is malformed, or %s has it too", id, domain, seen[domain])
	}
	seen[domain] = id
}

func TestGet(t *testing.T) {
	t.Parallel()
	p, ok := Get("Gmail")
	if !ok || p.Host != "smtp.gmail.com" || p.Limits != (Limits{PerDay: 500, RecipientsPerMessage: 100}) {
		t.Errorf("%+v, %v", p, ok)
	}
	if _, ok := Get("gmial"); ok {
		t.Error("gmial is known")
	}
}

func TestNear(t *testing.T) {
	t.Parallel()
	for wrong, want := range map[string]string{
		"gmial": "gmail", "googlemail.com": "gmail", "office365": "", "smtp.office365.com": "microsoft365", "microsoft": "microsoft365", "Amazon SES": "ses-", "ses": "ses-",
		"mail-gun": "mailgun", "sendgird": "sendgrid", "zoho.eu": "zoho-eu", "hotmail.com": "outlook", "exchange": "microsoft365", "": "", "q9x!": "",
	} {
		near := Near(wrong)
		if want == "" && len(near) > 0 && wrong != "office365" || want != "" && (len(near) == 0 || !strings.HasPrefix(near[0], want)) || len(near) > 5 {
			t.Errorf("near %q: %q", wrong, near)
		}
	}
}

func FuzzNear(f *testing.F) {
	f.Add("gmial")
	f.Add("\xff..--")
	f.Fuzz(func(t *testing.T, id string) {
		for _, near := range Near(id) {
			if _, ok := Get(near); !ok {
				t.Errorf("%q is no provider", near)
			}
		}
	})
}

func TestFind(t *testing.T) {
	t.Parallel()
	for domain, want := range map[string]string{"GMAIL.com": "gmail", "hotmail.co.uk": "outlook", "mail.gmail.com": "", "": ""} {
		if p, ok := ByDomain(domain); p.ID != want || ok != (want != "") {
			t.Errorf("the domain %q is of %q", domain, p.ID)
		}
	}
	for host, want := range map[string]string{
		"ASPMX.L.Google.com.": "google-workspace", "a.mail.protection.outlook.com": "microsoft365", "eur.olc.protection.outlook.com": "outlook",
		"mx.zoho.com": "zoho", "notgoogle.com": "", "google.com.evil.example": "", "": "",
	} {
		if p, ok := ByMX(host); p.ID != want || ok != (want != "") {
			t.Errorf("the mail exchanger %q is of %q", host, p.ID)
		}
	}
	for host, want := range map[string]string{"SMTP.fastmail.com.": "fastmail", "smtp.example.org": "", "": ""} {
		if p, ok := ByHost(host); p.ID != want || ok != (want != "") {
			t.Errorf("the host %q is of %q", host, p.ID)
		}
	}
	if p, _ := Get("gmail"); !p.UsesAddress() {
		t.Error("Gmail wants another user name than the address")
	}
	if p, _ := Get("sendgrid"); p.UsesAddress() {
		t.Error("SendGrid wants the address as user name")
	}
}
