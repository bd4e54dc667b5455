package discover

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/postilion-mail/postilion/internal/smtptest"
	"github.com/postilion-mail/postilion/plugin"
)

const (
	user     = "jane@site.example"
	password = "correct horse battery"
)

// zone has the hosts of site.example.
const zone = `
smtp.site.example. A 127.0.9.1
mail.site.example. A 127.0.9.2
out.site.example.  A 127.0.9.3
elsewhere.example. A 127.0.9.4
`

// summary gives results as text, one a line.
func summary(results []Result) string {
	var lines []string
	for _, r := range results {
		lines = append(lines, fmt.Sprintf("%s %s", r.key(), [...]string{"untried", "failed", "session", "login"}[r.Trial]))
	}
	return strings.Join(lines, "\n")
}

func (w *world) try(address string, c Credentials) []Result {
	w.t.Helper()
	return w.tryer().Try(w.t.Context(), w.find(address), c)
}

// What the domain publishes is tried, with the login.
func TestTryLogsIn(t *testing.T) {
	t.Parallel()
	w := newWorld(t, zone+`
_submissions._tcp.site.example. SRV 0 1 465 smtp.site.example.
_submission._tcp.site.example.  SRV 0 1 587 smtp.site.example.
`)
	implicit := w.mail("127.0.9.1:465", "smtp.site.example", smtptest.Account(user, password))
	w.mail("127.0.9.1:587", "smtp.site.example", smtptest.Account(user, password))
	results := w.try(user, Credentials{Password: password})
	if results[0].Trial != LoggedIn || results[0].key() != "smtp.site.example:465 tls" || results[0].Username != user {
		t.Errorf("%+v", results[0])
	}
	if !strings.Contains(results[0].Remark, "succeeded by SCRAM-SHA-256") {
		t.Error(results[0].Remark)
	}
	// Without a password the best session is enough.
	results = w.try(user, Credentials{})
	if results[0].Trial != Session || results[0].key() != "smtp.site.example:465 tls" || !strings.Contains(results[0].Remark, "the login was not tried") {
		t.Errorf("%+v", results[0])
	}
	if implicit.Count() != 0 {
		t.Error("mail was sent")
	}
}

// What is published is out of date: other ports, then other names.
func TestTryLooksFurther(t *testing.T) {
	t.Parallel()
	w := newWorld(t, zone+"_submissions._tcp.site.example. SRV 0 1 465 out.site.example.\n")
	w.mail("127.0.9.3:587", "out.site.example", smtptest.Account(user, password))
	w.mail("127.0.9.2:465", "mail.site.example", smtptest.Account(user, password))
	results := w.try(user, Credentials{Password: password})
	if got := results[0]; got.Trial != LoggedIn || got.key() != "out.site.example:587 starttls" || got.Source != FromVariation {
		t.Errorf("%s", summary(results))
	}
	for _, r := range results {
		if r.Trial == Failed && (r.Failure == nil || r.Remark == "") {
			t.Errorf("%s does not say why", r.key())
		}
	}

	alone := newWorld(t, zone)
	alone.mail("127.0.9.2:465", "mail.site.example", smtptest.Account("jane", password))
	results = alone.try(user, Credentials{Password: password})
	if got := results[0]; got.Trial != LoggedIn || got.key() != "mail.site.example:465 tls" || got.Source != FromGuess || got.Username != "jane" {
		t.Errorf("%s\n%+v", summary(results), results[0])
	}
}

// A password is sent only over TLS with a certificate that was verified, and
// only to whom the domain vouches for.
func TestNoPasswordInTheClear(t *testing.T) {
	t.Parallel()
	records := zone + "_submission._tcp.site.example. SRV 0 1 587 smtp.site.example.\n"
	polite := []string{"STARTTLS", "AUTH PLAIN LOGIN"}
	other, err := smtptest.NewCA()
	if err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct {
		certificate string // name in it
		script      smtptest.Script
		records     string
		host        string // where it is served
		change      func(*Tryer)
	}{
		"AUTH without TLS":          {"smtp.site.example", smtptest.Script{Capabilities: []string{"AUTH PLAIN LOGIN"}}, records, "127.0.9.1", nil},
		"STARTTLS is refused":       {"smtp.site.example", smtptest.Script{Capabilities: polite, Rules: []smtptest.Rule{{On: "STARTTLS", Do: smtptest.Reply("454 no")}}}, records, "127.0.9.1", nil},
		"words injected before TLS": {"smtp.site.example", smtptest.Script{Capabilities: polite, Rules: []smtptest.Rule{{On: "STARTTLS", Do: smtptest.Reply("220 go", "250-x", "250 AUTH PLAIN")}}}, records, "127.0.9.1", nil},
		"a certificate of another":  {"other.example", smtptest.Script{Capabilities: polite}, records, "127.0.9.1", nil},
		"an authority nobody knows": {"smtp.site.example", smtptest.Script{Capabilities: polite}, records, "127.0.9.1", func(tr *Tryer) { tr.Settings.Values["ca_certificates"] = other.PEM() }},
		"settings that do not verify": {"other.example", smtptest.Script{Capabilities: polite}, records, "127.0.9.1", func(tr *Tryer) {
			tr.Settings.Values["skip_verify"], tr.Settings.Values["allow_plain_auth"] = true, true
		}},
		"DNS alone": {"elsewhere.example", smtptest.Script{Capabilities: polite}, zone + "_submission._tcp.site.example. SRV 0 1 587 elsewhere.example.\n", "127.0.9.4", nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, test.records)
			server := w.scripted(test.host+":587", test.certificate, test.script)
			tryer := w.tryer()
			if test.change != nil {
				test.change(tryer)
			}
			results := tryer.Try(t.Context(), w.find(user), Credentials{Password: password})
			if server.Connections() == 0 {
				t.Error("the server was not tried")
			}
			if received := server.Received(); strings.Contains(strings.ToUpper(received), "AUTH") {
				t.Errorf("the server got %q", received)
			}
			for _, r := range results {
				if r.Trial == LoggedIn || name != "DNS alone" && r.Trial != Failed && r.Port == 587 && r.Host == "smtp.site.example" {
					t.Errorf("%s\n%s", r.key(), summary(results))
				}
			}
			if name == "DNS alone" && (results[0].Trial != Session || !strings.Contains(results[0].Remark, "can be forged")) {
				t.Errorf("%+v", results[0])
			}
		})
	}
}

// A server that refuses a login is not asked again, and other servers are not
// looked for.
func TestWrongPassword(t *testing.T) {
	t.Parallel()
	w := newWorld(t, zone+`
_submissions._tcp.site.example. SRV 0 1 465 out.site.example.
_submission._tcp.site.example.  SRV 0 1 587 out.site.example.
`)
	script := smtptest.Script{
		Capabilities: []string{"STARTTLS", "AUTH PLAIN"}, SecureCapabilities: []string{"AUTH PLAIN"},
		Rules: []smtptest.Rule{{On: "AUTH", Do: smtptest.Reply("535 5.7.8 Authentifizierung fehlgeschlagen")}},
	}
	second := w.scripted("127.0.9.3:587", "out.site.example", script)
	script.Implicit = true
	first := w.scripted("127.0.9.3:465", "out.site.example", script)
	results := w.try(user, Credentials{Password: "wrong"})
	if r := results[0]; r.Trial != Failed || r.Failure.Phase != plugin.PhaseAuth || r.Failure.Code != 535 {
		t.Errorf("%s\n%+v", summary(results), results[0])
	}
	// The whole address and its local part, once each.
	if n := strings.Count(first.Received()+second.Received(), "AUTH PLAIN"); n != 2 {
		t.Errorf("%d logins", n)
	}
	if w.dials("127.0.9.1:465")+w.dials("127.0.9.2:465") != 0 {
		t.Error("other servers were looked for")
	}
	w.try(user, Credentials{Username: "jd", Password: "wrong"})
	if n := strings.Count(first.Received()+second.Received(), "AUTH PLAIN"); n != 3 {
		t.Errorf("%d logins with the user name that was given", n-2)
	}
}

// One machine under several names is one server: it counts failed logins, and
// bans those who have too many.
func TestWrongPasswordAtOneMachine(t *testing.T) {
	t.Parallel()
	w := newWorld(t, `
smtp.site.example. A 127.0.9.1
mail.site.example. A 127.0.9.1
_submissions._tcp.site.example. SRV 0 1 465 smtp.site.example.
_submission._tcp.site.example.  SRV 0 1 587 mail.site.example.
`)
	script := smtptest.Script{
		Capabilities: []string{"STARTTLS", "AUTH PLAIN"}, SecureCapabilities: []string{"AUTH PLAIN"},
		Rules: []smtptest.Rule{{On: "AUTH", Do: smtptest.Reply("535 5.7.8 no")}},
	}
	second := w.scripted("127.0.9.1:587", "mail.site.example", script)
	script.Implicit = true
	first := w.scripted("127.0.9.1:465", "smtp.site.example", script)
	tryer := w.tryer()
	var results []Result
	for _, f := range w.find(user).Found { // both sessions come about, whichever is sooner
		r := Result{Found: f}
		tryer.session(t.Context(), &r)
		results = append(results, r)
	}
	if got := summary(results); got != "smtp.site.example:465 tls session\nmail.site.example:587 starttls session" {
		t.Fatal(got)
	}
	tryer.logins(t.Context(), results, Credentials{Username: user, Password: "wrong"})
	if n := strings.Count(first.Received()+second.Received(), "AUTH PLAIN"); n != 1 {
		t.Errorf("%d logins", n)
	}
	for _, r := range results {
		if r.Trial != Failed || r.Failure == nil || r.Failure.Code != 535 {
			t.Errorf("%s: %+v", r.key(), r.Failure)
		}
	}
}

// Servers that do not answer hold up nothing, once a better one works.
func TestTryStopsEarly(t *testing.T) {
	t.Parallel()
	w := newWorld(t, zone+`
_submissions._tcp.site.example. SRV 0 1 465 smtp.site.example.
_submissions._tcp.site.example. SRV 1 1 465 mail.site.example.
_submission._tcp.site.example.  SRV 2 1 587 out.site.example.
`)
	w.mail("127.0.9.1:465", "smtp.site.example", smtptest.Account(user, password))
	silent := smtptest.Script{Rules: []smtptest.Rule{{On: "CONNECT", Do: smtptest.Silence()}}}
	w.scripted("127.0.9.2:465", "mail.site.example", silent)
	w.scripted("127.0.9.3:587", "out.site.example", silent)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	tryer := w.tryer()
	results := tryer.Try(ctx, w.find(user), Credentials{Password: password})
	if got := summary(results); got != "smtp.site.example:465 tls login\nmail.site.example:465 tls untried\nout.site.example:587 starttls untried" {
		t.Error(got)
	}
	if results[1].Remark != "not tried, since a better way works" {
		t.Error(results[1].Remark)
	}
}

// A black hole takes its time, and what comes after it is tried all the same.
func TestTryRunsOutOfTime(t *testing.T) {
	t.Parallel()
	w := newWorld(t, zone+"_submission._tcp.site.example. SRV 0 1 587 smtp.site.example.\n")
	w.scripted("127.0.9.1:587", "smtp.site.example", smtptest.Script{Rules: []smtptest.Rule{{On: "CONNECT", Do: smtptest.Silence()}}})
	found := w.find(user)
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	results := w.tryer().Try(ctx, found, Credentials{Password: password})
	if len(results) != 1 || results[0].Trial != Untried || results[0].Remark != "not tried for lack of time" {
		t.Errorf("%+v", results)
	}
}

// A server that offers only what automatic does not take.
func TestTryMechanisms(t *testing.T) {
	t.Parallel()
	w := newWorld(t, zone+"_submission._tcp.site.example. SRV 0 1 587 smtp.site.example.\n")
	w.mail("127.0.9.1:587", "smtp.site.example", smtptest.Account(user, password), smtptest.Mechanisms("CRAM-MD5"))
	results := w.try(user, Credentials{Password: password})
	if results[0].Trial != LoggedIn || results[0].Auth != "cram-md5" {
		t.Errorf("%+v", results[0])
	}
}

// The settings that do not work are varied at the same host.
func TestVariations(t *testing.T) {
	t.Parallel()
	list := func(f Found) string {
		var keys []string
		for _, v := range Variations(f) {
			keys = append(keys, strings.TrimPrefix(v.key(), "h:")+" "+v.Auth)
		}
		return strings.Join(keys, ",")
	}
	for _, test := range []struct {
		given Found
		want  string
	}{
		{Found{Host: "h", Port: 465, Security: "starttls"}, "465 tls ,587 starttls ,2525 starttls ,25 starttls "},
		{Found{Host: "h", Port: 587, Security: "tls"}, "465 tls ,587 starttls ,2525 starttls ,25 starttls "},
		{Found{Host: "h", Port: 587, Security: "starttls", Auth: "login"}, "587 starttls ,465 tls login,2525 starttls login,25 starttls login"},
		{Found{Host: "h", Port: 4465, Security: "none"}, "4465 tls ,4465 starttls ,465 tls ,587 starttls ,2525 starttls ,25 starttls "},
		{Found{Host: "h", Port: 25, Security: "opportunistic", Auth: "plain"}, "465 tls plain,587 starttls plain,2525 starttls plain,25 starttls plain"},
	} {
		if got := list(test.given); got != test.want {
			t.Errorf("%+v: %s", test.given, got)
		}
	}
	w := newWorld(t, zone)
	w.mail("127.0.9.1:2525", "smtp.site.example", smtptest.Account(user, password))
	ways := Variations(Found{Host: "smtp.site.example", Port: 587, Security: "starttls", Username: user})
	results := w.tryer().TryAll(t.Context(), ways, Credentials{Username: user, Password: password})
	if results[0].Trial != LoggedIn || results[0].Port != 2525 {
		t.Error(summary(results))
	}
}
