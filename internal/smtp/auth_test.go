package smtp

import (
	"encoding/base64"
	"strings"
	"testing"

	"github.com/postilion-mail/postilion/internal/smtptest"
	"github.com/postilion-mail/postilion/plugin"
)

// T74: the strongest mechanism is taken, and weak ones only if asked for.
func TestMechanisms(t *testing.T) {
	t.Parallel()
	all := []string{"LOGIN", "PLAIN", "CRAM-MD5", "SCRAM-SHA-1", "SCRAM-SHA-256", "XOAUTH2"}
	for _, test := range []struct {
		auth    string
		offered []string
		want    string // empty if there is no way
	}{
		{"auto", all, "SCRAM-SHA-256"},
		{"auto", []string{"LOGIN", "PLAIN", "CRAM-MD5", "SCRAM-SHA-1"}, "SCRAM-SHA-1"},
		{"auto", []string{"LOGIN", "PLAIN"}, "PLAIN"},
		{"auto", []string{"LOGIN", "CRAM-MD5"}, "LOGIN"},
		{"auto", []string{"CRAM-MD5", "XOAUTH2"}, ""},
		{"plain", all, "PLAIN"},
		{"login", all, "LOGIN"},
		{"cram-md5", all, "CRAM-MD5"},
		{"scram-sha-1", all, "SCRAM-SHA-1"},
		{"scram-sha-256", all, "SCRAM-SHA-256"},
		{"xoauth2", all, "XOAUTH2"},
		{"scram-sha-256", []string{"PLAIN"}, ""},
	} {
		server := smtptest.Start(t, smtptest.Account("user", testPassword), smtptest.Mechanisms(test.offered...))
		i := against(server).with("auth", test.auth).open(t)
		r := send(t, i, delivery(shortContent, "a@b.example"))
		if test.want == "" {
			r.expect(t, "temporary/auth")
			continue
		}
		r.expect(t, "accepted")
		if s := check(t, i, plugin.CheckRequest{})["auth"]; s.Facts["mechanism"] != test.want {
			t.Errorf("%s of %v: %+v", test.auth, test.offered, s)
		}
		if user := server.Messages(1)[0].AuthUser; user != "user" {
			t.Errorf("logged in as %q", user)
		}
		wrong := against(server).with("auth", test.auth)
		wrong.secrets = map[string]string{"password": "wrong one"}
		r = send(t, wrong.open(t), delivery(shortContent, "a@b.example"))
		r.expect(t, "permanent/auth")
		if o := r.outcomes[0]; o.Code != 535 || o.Phase != plugin.PhaseAuth || o.Inferred {
			t.Errorf("%s: %+v", test.auth, o)
		}
	}
}

// loopback starts a plain server that offers mechanisms.
func loopback(t *testing.T, mechanisms string, rules ...smtptest.Rule) (*smtptest.Scripted, setup) {
	server := smtptest.StartScripted(t, smtptest.Script{Capabilities: []string{mechanisms}, Rules: rules})
	s := plainly(server).with("username", "user")
	s.secrets = map[string]string{"password": testPassword}
	return server, s
}

// A password that was refused is not tried by another mechanism, unless it was
// the mechanism that was refused.
func TestNextMechanism(t *testing.T) {
	t.Parallel()
	for reply, tries := range map[string]int{
		"535 5.7.8 wrong":                      1,
		"535 5.7.9 mechanism is too weak":      2,
		"504 5.5.4 unrecognised":               2,
		"454 4.7.0 later":                      1,
		"421 4.7.0 mechanism under repair":     1,
		"550 5.7.1 this mechanism is disabled": 2,
	} {
		server, s := loopback(t, "AUTH LOGIN PLAIN", smtptest.Rule{On: "AUTH PLAIN", Do: smtptest.Reply(reply)})
		r := send(t, s.open(t), delivery(shortContent, "a@b.example"))
		if n := strings.Count(server.Received(), "AUTH"); n != tries || (r.outcomes[0].Class == plugin.Accepted) != (tries == 2) {
			t.Errorf("%q: %d tries, %s", reply, n, r)
		}
	}
	// A user name that cannot be prepared for SCRAM goes by another way.
	server, s := loopback(t, "AUTH SCRAM-SHA-256 PLAIN")
	s = s.with("username", "user\u00a0\u2028name")
	send(t, s.open(t), delivery(shortContent, "a@b.example")).expect(t, "accepted")
	if wire := server.Received(); !strings.Contains(wire, "\r\n*\r\n") {
		t.Errorf("wire %q", wire)
	}
}

// T75: challenges that never end, or are none.
func TestHostileChallenges(t *testing.T) {
	t.Parallel()
	challenge := func(text string) string { return "334 " + base64.StdEncoding.EncodeToString([]byte(text)) }
	for name, test := range map[string]struct {
		auth, reply string
		want        string
	}{
		"endless":          {"cram-md5", challenge("again"), "temporary/auth"},
		"endless login":    {"login", "334 VXNlcm5hbWU6", "temporary/auth"},
		"long":             {"cram-md5", "334 " + strings.Repeat("QUFB", 1<<18), "temporary/server"},
		"not base64":       {"cram-md5", "334 ***", "temporary/auth"},
		"many iterations":  {"scram-sha-256", challenge("r=x,s=AAAA,i=2000000000"), "temporary/auth"},
		"foreign nonce":    {"scram-sha-256", challenge("r=x,s=AAAA,i=4096"), "temporary/auth"},
		"false signature":  {"scram-sha-256", challenge("v=AAAA"), "temporary/auth"},
		"nonsense":         {"scram-sha-256", challenge("\x00\xff"), "temporary/auth"},
		"success at once":  {"scram-sha-256", "235 welcome", "temporary/auth"},
		"success is 354":   {"plain", "354 go", "temporary/server"},
		"challenge to all": {"plain", "334 ", "temporary/auth"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			rules := []smtptest.Rule{{On: "RESPONSE", Do: smtptest.Reply(test.reply)}}
			if name == "success at once" || !strings.HasPrefix(test.auth, "scram") {
				rules = append(rules, smtptest.Rule{On: "AUTH", Do: smtptest.Reply(test.reply)})
			}
			server, s := loopback(t, "AUTH CRAM-MD5 SCRAM-SHA-256 PLAIN LOGIN", rules...)
			r := send(t, s.with("auth", test.auth).open(t), delivery(shortContent, "a@b.example"))
			r.expect(t, test.want)
			if wire := server.Received(); strings.Contains(wire, "MAIL") || strings.Count(wire, "\r\n") > maxAuthRounds+4 {
				t.Errorf("wire %q", wire)
			}
		})
	}
}

// The work that SCRAM asks for has a bound, whatever else is right.
func TestIterations(t *testing.T) {
	t.Parallel()
	for count, ok := range map[string]bool{"1": true, "4096": true, "1000000": true, "1000001": false, "99999999999999999999": false, "0": false, "-1": false, "x": false} {
		if err := checkChallenge([]byte("r=nonce,s=AAAA,i="+count), false); (err == nil) != ok {
			t.Errorf("%s iterations: error %v", count, err)
		}
	}
}

// T73: without TLS the password is sent only on purpose.
func TestPlainAuth(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		settings []any
		want     string
	}{
		{nil, "accepted"}, // security none, loopback
		{[]any{"security", "opportunistic"}, "temporary/connection"},
		{[]any{"security", "opportunistic", "allow_plain_auth", true}, "accepted"},
	} {
		server, s := loopback(t, "AUTH PLAIN")
		send(t, s.with(test.settings...).open(t), delivery(shortContent, "a@b.example")).expect(t, test.want)
		if test.want != "accepted" {
			nothingSecret(t, server)
		}
	}
	// A pipe is no loopback address.
	server := smtptest.PipeScripted(t, smtptest.Script{Capabilities: []string{"AUTH PLAIN"}})
	s := piped(server).with("username", "user")
	s.secrets = map[string]string{"password": testPassword}
	send(t, s.open(t), delivery(shortContent, "a@b.example")).expect(t, "temporary/connection")
	send(t, s.with("allow_plain_auth", true).open(t), delivery(shortContent, "a@b.example")).expect(t, "accepted")
}

func TestNoAuthOffered(t *testing.T) {
	t.Parallel()
	_, s := loopback(t, "SIZE")
	send(t, s.open(t), delivery(shortContent, "a@b.example")).expect(t, "temporary/auth")
}

// T50: HELO only where nothing is needed that takes EHLO.
func TestHello(t *testing.T) {
	t.Parallel()
	for _, reply := range []string{"500 what", "502 no", "504 no", "550 no"} {
		rule := smtptest.Rule{On: "EHLO", Do: smtptest.Reply(reply)}
		server := smtptest.StartScripted(t, smtptest.Script{Rules: []smtptest.Rule{rule}})
		send(t, plainly(server).open(t), delivery(shortContent, "a@b.example")).expect(t, "accepted")
		if wire := server.Received(); !strings.Contains(wire, "HELO client.example\r\nMAIL") {
			t.Errorf("wire %q", wire)
		}
		server, s := loopback(t, "AUTH PLAIN", rule)
		if r := send(t, s.open(t), delivery(shortContent, "a@b.example")); r.outcomes[0].Phase != plugin.PhaseHello {
			t.Errorf("%s: %s", reply, r)
		}
		nothingSecret(t, server)
		server = smtptest.StartScripted(t, smtptest.Script{Rules: []smtptest.Rule{rule}})
		if r := send(t, plainly(server).with("security", "starttls").open(t), delivery(shortContent, "a@b.example")); r.outcomes[0].Phase != plugin.PhaseHello {
			t.Errorf("%s: %s", reply, r)
		}
		nothingSecret(t, server)
	}
}
