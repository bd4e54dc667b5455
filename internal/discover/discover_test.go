package discover

import (
	"context"
	"errors"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"

	"github.com/postilion-mail/postilion/internal/dnstest"
	"github.com/postilion-mail/postilion/internal/mail"
)

// A domain that is a provider's own is looked up nowhere.
func TestFindByDomain(t *testing.T) {
	t.Parallel()
	f := Finder{Resolver: deaf{t}, Web: noWeb(), Elsewhere: noWeb()}
	for address, want := range map[string]string{
		"jane@gmail.com":      "smtp.gmail.com:465 tls jane@gmail.com provider high",
		"gmail.com":           "smtp.gmail.com:465 tls  provider high",
		"Jane@GoogleMail.com": "smtp.gmail.com:465 tls Jane@googlemail.com provider high",
		"jane@hotmail.com":    "smtp-mail.outlook.com:587 starttls jane@hotmail.com provider high",
		" <jane@icloud.com> ": "smtp.mail.me.com:587 starttls jane@icloud.com provider high",
		"\"j d\"@posteo.de":   "posteo.de:465 tls \"j d\"@posteo.de provider high",
	} {
		found, err := f.Find(t.Context(), address)
		if got := outline(found.Found); err != nil || got != want {
			t.Errorf("%s: %s, %v", address, got, err)
		}
	}
}

// deaf is a resolver that must not be asked.
type deaf struct{ t *testing.T }

func (d deaf) LookupMX(context.Context, string) ([]*net.MX, error) {
	d.t.Error("MX was asked for")
	return nil, errors.New("deaf")
}

func (d deaf) LookupSRV(context.Context, string, string, string) (string, []*net.SRV, error) {
	d.t.Error("SRV was asked for")
	return "", nil, errors.New("deaf")
}

func TestFindRefuses(t *testing.T) {
	t.Parallel()
	f := Finder{Resolver: deaf{t}, Web: noWeb(), Elsewhere: noWeb()}
	for _, address := range []string{"", "localhost", "jane@localhost", "jane@", "@example.org", "a@b@c.org", "127.0.0.1", "jane@127.0.0.1", "jane@[10.0.0.1]", "exa mple.org", "example.org\r\nx", "http://example.org/"} {
		_, err := f.Find(t.Context(), address)
		if refused := (*mail.FieldError)(nil); !errors.As(err, &refused) || refused.Field != "address" || refused.Reason == "" {
			t.Errorf("%q: %v", address, err)
		}
	}
}

// What the name system says, in its order of worth.
func TestFindInDNS(t *testing.T) {
	t.Parallel()
	w := newWorld(t, `
workspace.example.   MX 1 SMTP.google.com.
tenant.example.      MX 0 tenant-example.mail.protection.outlook.com.
second.example.      MX 20 alt.example.
second.example.      MX 30 aspmx.l.google.com.
_submissions._tcp.srv.example. SRV 10 5 465 b.mail.srv.example.
_submissions._tcp.srv.example. SRV 10 50 465 a.mail.srv.example.
_submissions._tcp.srv.example. SRV 0 1 4465 first.srv.example.
_submission._tcp.srv.example.  SRV 0 0 587 mail.hoster.example.
srv.example.                   MX 10 mx.srv.example.
_submission._tcp.fast.example. SRV 0 1 587 smtp.fastmail.com.
_submissions._tcp.no.example.  SRV 0 0 0 .
_submission._tcp.no.example.   SRV 0 1 587 smtp.no.example.
null.example.                  MX 0 .
_submission._tcp.alias.example. CNAME _submission._tcp.no.example.
`)
	for address, want := range map[string]string{
		"jane@workspace.example": "smtp.gmail.com:465 tls jane@workspace.example mx high",
		"jane@tenant.example":    "smtp.office365.com:587 starttls jane@tenant.example mx high",
		"jane@second.example":    "smtp.gmail.com:465 tls jane@second.example mx high",
		"jane@srv.example": `first.srv.example:4465 tls jane@srv.example srv high
a.mail.srv.example:465 tls jane@srv.example srv high
b.mail.srv.example:465 tls jane@srv.example srv high
mail.hoster.example:587 starttls jane@srv.example srv medium not vouched for`,
		"jane@fast.example":  "smtp.fastmail.com:587 starttls jane@fast.example srv high",
		"jane@no.example":    "smtp.no.example:587 starttls jane@no.example srv high",
		"jane@alias.example": "smtp.no.example:587 starttls jane@alias.example srv medium not vouched for",
		"jane@null.example":  "",
		"jane@gone.example":  "",
	} {
		found := w.find(address)
		if got := outline(found.Found); got != want {
			t.Errorf("%s:\n%s\n%q", address, got, found.Notes)
		}
	}
	if f := w.find("jane@fast.example").Found[0]; f.Provider != "fastmail" {
		t.Errorf("%+v", f)
	}
	for address, note := range map[string]string{
		"no.example": "no.example does not offer submissions", "null.example": "takes no mail", "gone.example": "there is none in DNS",
	} {
		if notes := strings.Join(w.find(address).Notes, "\n"); !strings.Contains(notes, note) {
			t.Errorf("%s: %s", address, notes)
		}
	}
	if got, want := outline(w.find("jane@srv.example").Guesses), `smtp.srv.example:465 tls jane@srv.example guess low
smtp.srv.example:587 starttls jane@srv.example guess low
mail.srv.example:465 tls jane@srv.example guess low
mail.srv.example:587 starttls jane@srv.example guess low
mx.srv.example:465 tls jane@srv.example guess low
mx.srv.example:587 starttls jane@srv.example guess low`; got != want {
		t.Error(got)
	}
}

// A name server that fails, or never answers, costs notes and little time.
func TestFindWithoutDNS(t *testing.T) {
	t.Parallel()
	failing := dnstest.StartFunc(t, func(question *dns.Msg) *dns.Msg {
		return new(dns.Msg).SetRcode(question, dns.RcodeServerFailure)
	})
	silent := dnstest.StartFunc(t, func(*dns.Msg) *dns.Msg { return nil })
	for name, test := range map[string]struct {
		server *dnstest.Server
		limit  time.Duration
		note   string
	}{
		"failing": {failing, patience, "server misbehaving"},
		"silent":  {silent, 200 * time.Millisecond, "did not answer in time"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ctx, cancel := context.WithTimeout(t.Context(), test.limit)
			defer cancel()
			f := Finder{Resolver: test.server.Resolver(), Web: noWeb(), Elsewhere: noWeb()}
			found, err := f.Find(ctx, "jane@example.org")
			if err != nil || len(found.Found) != 0 || len(found.Guesses) != 4 || !strings.Contains(strings.Join(found.Notes, "\n"), test.note) {
				t.Errorf("%+v, %v", found, err)
			}
		})
	}
}

func TestFindByFile(t *testing.T) {
	t.Parallel()
	w := newWorld(t, `
autoconfig.first.example.  A 127.0.9.1
well.example.              A 127.0.9.2
autoconfig.clear.example.  A 127.0.9.3
autoconfig.hoster.example. A 127.0.9.4
hosted.example.            MX 10 mx1.hoster.example.
autoconfig.both.example.   A 127.0.9.5
_submission._tcp.both.example. SRV 0 1 587 smtp.both.example.
`)
	asked := make(chan string, 1)
	w.web("127.0.9.1:443", logged(asked, files(map[string]string{atAutoconfig: config(
		outgoing("smtp.%EMAILDOMAIN%", "465", "SSL", "%EMAILADDRESS%") +
			outgoing("mail.elsewhere.example", "587", "STARTTLS", "%EMAILLOCALPART%") +
			outgoing("plain.first.example", "25", "plain", "") +
			outgoing("no host", "587", "STARTTLS", ""),
	)})), "autoconfig.first.example")
	w.web("127.0.9.2:443", files(map[string]string{atWellKnown: config(outgoing("smtp.well.example", "587", "STARTTLS", ""))}), "well.example")
	w.web("127.0.9.3:80", files(map[string]string{atAutoconfig: config(
		outgoing("smtp.clear.example", "587", "STARTTLS", "") + outgoing("smtp.thief.example", "465", "SSL", ""))}))
	w.web("127.0.9.4:443", files(map[string]string{atAutoconfig: config(outgoing("out.hoster.example", "465", "SSL", "%EMAILADDRESS%"))}), "autoconfig.hoster.example")
	w.web("127.0.9.5:443", files(map[string]string{atAutoconfig: config(outgoing("smtp.both.example", "587", "STARTTLS", "%EMAILLOCALPART%"))}), "autoconfig.both.example")
	for address, want := range map[string]string{
		"jane@first.example": `smtp.first.example:465 tls jane@first.example autoconfig high
mail.elsewhere.example:587 starttls jane autoconfig high`,
		"jane@well.example": "smtp.well.example:587 starttls jane@well.example autoconfig high",
		"jane@clear.example": `smtp.clear.example:587 starttls jane@clear.example autoconfig medium
smtp.thief.example:465 tls jane@clear.example autoconfig medium not vouched for`,
		"jane@hosted.example": "out.hoster.example:465 tls jane@hosted.example autoconfig medium not vouched for",
		// The same from two sources is one.
		"jane@both.example": "smtp.both.example:587 starttls jane@both.example srv high",
	} {
		found := w.find(address)
		if got := outline(found.Found); got != want {
			t.Errorf("%s:\n%s\n%q", address, got, found.Notes)
		}
	}
	if query := <-asked; query != "emailaddress=jane%40first.example" {
		t.Errorf("asked with %q", query)
	}
	notes := strings.Join(w.find("jane@first.example").Notes, "\n")
	for _, want := range []string{"names plain.first.example without encryption", "host or port is none"} {
		if !strings.Contains(notes, want) {
			t.Errorf("no %q in %s", want, notes)
		}
	}
	if detail := w.find("jane@both.example").Found[0].Detail; detail != "SRV _submission._tcp.both.example, https://autoconfig.both.example/mail/config-v1.1.xml" {
		t.Error(detail)
	}
	// A domain alone fills no local part in.
	if got := outline(w.find("first.example").Found); got != "smtp.first.example:465 tls  autoconfig high\nmail.elsewhere.example:587 starttls  autoconfig high" {
		t.Error(got)
	}
}
