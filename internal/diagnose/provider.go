package diagnose

import (
	"slices"
	"strings"
)

// known is a provider whose servers answer in words of its own. The ids are
// those of the table, not of the presets: one for each kind of server.
type known struct {
	id    string
	hosts []string // suffixes of host names, or with "*" for a label a whole one
	// banners are words of its greeting, in lower case. A server by one of
	// these hosts that greets with none of them is somebody else's.
	banners []string
}

// knowns are searched from the top.
var knowns = []known{
	{"google_relay", []string{"smtp-relay.gmail.com", "smtp-relay.google.com"}, []string{"google.com", "gsmtp"}},
	{"gmail", []string{"gmail.com", "google.com", "googlemail.com"}, []string{"google.com", "gsmtp"}},
	{"microsoft", []string{"office365.com", "outlook.com", "office365.us", "outlook.cn", "office.com", "hotmail.com", "live.com"}, []string{"outlook.com", "office365", "microsoft"}},
	{"yahoo", []string{"yahoo.com", "yahoo.co.jp", "yahoodns.net", "aol.com", "att.net"}, []string{"yahoo", "aol", "yahoodns", "att.net"}},
	{"icloud", []string{"me.com", "icloud.com", "apple.com"}, []string{"icloud", "me.com", "apple"}},
	{"zeptomail", []string{"zeptomail.com", "zeptomail.eu", "zeptomail.in"}, nil},
	{"zoho", []string{"zoho.com", "zoho.eu", "zoho.in", "zoho.com.au", "zohomail.com", "zohocloud.ca"}, []string{"zoho"}},
	{"yandex", []string{"yandex.com", "yandex.ru", "yandex.net", "ya.ru"}, []string{"yandex"}},
	{"mailru", []string{"mail.ru"}, []string{"mail.ru"}},
	{"qq", []string{"qq.com"}, []string{"qq"}},
	{"netease", []string{"163.com", "126.com", "yeah.net"}, nil},
	{"fastmail", []string{"fastmail.com", "messagingengine.com"}, nil},
	{"ses", []string{"email-smtp.*.amazonaws.com", "email-smtp.amazonaws.com", "email-smtp-fips.*.amazonaws.com"}, []string{"amazonaws", "simpleemailservice"}},
	{"sendgrid", []string{"sendgrid.net"}, []string{"sg esmtp", "sendgrid"}},
	{"mailgun", []string{"mailgun.org", "mailgun.com"}, []string{"mailgun"}},
	{"postmark", []string{"postmarkapp.com", "pstmrk.it", "mtasv.net"}, nil},
	{"brevo", []string{"brevo.com", "sendinblue.com"}, nil},
	{"mailjet", []string{"mailjet.com"}, []string{"mailjet"}},
	{"sparkpost", []string{"sparkpostmail.com", "sparkpost.com"}, []string{"sparkpost", "ecelerity"}},
	{"smtp2go", []string{"smtp2go.com"}, nil},
	{"resend", []string{"resend.com"}, nil},
	{"mandrill", []string{"mandrillapp.com"}, nil},
	{"gmx", []string{"gmx.net", "gmx.com", "web.de", "gmx.de", "gmx.at", "gmx.ch"}, []string{"gmx", "web.de", "kundenserver", "ui-"}},
	{"ionos", []string{"ionos.com", "ionos.de", "1und1.de", "1and1.com", "kundenserver.de"}, nil},
	{"ovh", []string{"ovh.net", "ovh.com", "ovh.ca"}, nil},
}

// providerOf gives the id of the provider whose server it is: by the host as
// configured, by the name it is an alias of, or by the name in the greeting.
func providerOf(c *Context) string {
	for _, host := range []string{c.Host, c.Facts["cname"], greetingName(c.Greeting)} {
		host = strings.ToLower(strings.TrimSuffix(host, "."))
		for _, k := range knowns {
			for _, suffix := range k.hosts {
				before, after, pattern := strings.Cut(suffix, "*")
				if host == suffix || strings.HasSuffix(host, "."+suffix) || pattern && strings.HasPrefix(host, before) && strings.HasSuffix(host, after) {
					return k.id
				}
			}
		}
	}
	return ""
}

// greetingName is the host name with which a server introduces itself (RFC
// 5321 section 4.2); empty if there is none.
func greetingName(greeting string) string {
	words := strings.Fields(greeting)
	if len(words) < 2 || !strings.Contains(words[1], ".") {
		return ""
	}
	return words[1]
}

// intercepted tells whether somebody else answers in place of a provider: the
// host is the provider's, and the greeting is not. A refusal in the place of a
// greeting need not say whose it is (RFC 5321 section 3.1).
func intercepted(s *subject) bool {
	if !strings.HasPrefix(s.Greeting, "220") {
		return false
	}
	byHost := providerOf(&Context{Host: s.Host})
	for _, k := range knowns {
		if k.id == byHost && k.banners != nil {
			said := strings.ToLower(s.Greeting)
			return !slices.ContainsFunc(k.banners, func(word string) bool { return strings.Contains(said, word) })
		}
	}
	return false
}

// scanner names the product that issues certificates in place of those of
// servers, to read along; empty for other issuers.
func scanner(issuer string) string {
	for _, name := range []string{
		"Avast", "AVG", "Kaspersky", "ESET", "Bitdefender", "Norton", "McAfee", "Sophos", "Fortinet", "FortiGate",
		"Zscaler", "Palo Alto", "Check Point", "Netskope", "Untangle", "Dr.Web", "G DATA",
	} {
		if strings.Contains(issuer, name) {
			return name
		}
	}
	return ""
}
