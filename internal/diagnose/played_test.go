package diagnose_test

import (
	"fmt"
	"strings"
	"testing"
	"unicode"

	"github.com/postilion-mail/postilion/internal/diagnose"
	"github.com/postilion-mail/postilion/internal/smtptest"
	"github.com/postilion-mail/postilion/plugin"
)

// Each failure is played to the real transport by a server, and has to be
// explained with stage, code and a remedy.
func TestPlayedFailures(t *testing.T) {
	t.Parallel()
	t.Run("replies", func(t *testing.T) {
		for _, a := range answers {
			t.Run(a.code+" "+a.on, func(t *testing.T) {
				t.Parallel()
				playAnswer(t, a)
			})
		}
	})
	t.Run("ports and wires", func(t *testing.T) {
		// They mostly wait, so all of them at once.
		reports := make([]chan diagnose.Report, len(wires))
		for i, w := range wires {
			reports[i] = make(chan diagnose.Report, 1)
			s := w.scene(t)
			go func() {
				defer close(reports[i])
				reports[i] <- s.play(t)
			}()
		}
		for i, w := range wires {
			t.Run(w.code, func(t *testing.T) { expect(t, <-reports[i], w.stage, w.code, w.remedy) })
		}
	})
	t.Run("unmatched", func(t *testing.T) {
		for _, a := range unmatched {
			t.Run(a.code+" "+a.reply[:3], func(t *testing.T) {
				t.Parallel()
				playAnswer(t, a)
			})
		}
	})
	codes := map[string]bool{}
	for _, a := range answers {
		codes[a.code] = true
	}
	for _, w := range wires {
		codes[w.code] = true
	}
	for _, told := range toldOnly {
		codes[told.code] = true
	}
	for _, code := range diagnose.Codes() {
		if !codes[code] {
			t.Errorf("%s is not played", code)
		}
	}
	if len(answers)+len(wires) < 60 || len(unmatched) < 20 {
		t.Error("too few are played")
	}
	t.Logf("played: %d replies of scripted servers, %d failures of ports, DNS, TLS and protocol, together %d causes; %d replies that nobody can know",
		len(answers), len(wires), len(codes), len(unmatched))
	fmt.Printf("diagnose: %d failures played (%d replies, %d ports and wires), %d causes told apart, %d unknown ones owned up to\n",
		len(answers)+len(wires), len(answers), len(wires), len(codes), len(unmatched))
}

// What is not known is told by stage and code, and nothing is guessed.
func TestTheUnknownIsHonest(t *testing.T) {
	t.Parallel()
	s := scripted(t, "mail.example.com", "220 mail.example.com ESMTP", "RCPT", "571 5.9.0 computer says no")
	r := s.play(t)
	d := r.Diagnosis
	if d.Title != "It failed at the stage rcpt" || !strings.Contains(d.Explanation, "571 5.9.0") || failed(r).Server != "571 5.9.0 computer says no" {
		t.Errorf("%+v", d)
	}
}

// toldOnly are failures that no server here can play; their outcomes are made
// by hand.
var toldOnly = []struct {
	code string
	o    plugin.Outcome
	c    diagnose.Context
}{
	{"settings.invalid", plugin.Outcome{Class: plugin.Temporary, Blame: plugin.BlameConnection, Phase: plugin.PhaseOpen, Reply: "host: is required", Inferred: true}, diagnose.Context{}},
	// a plugin's, in words of its own
	{"dns.failed", plugin.Outcome{Class: plugin.Temporary, Phase: plugin.PhaseResolve, Reply: "gone", Inferred: true}, diagnose.Context{}},
	{"connect.failed", plugin.Outcome{Class: plugin.Temporary, Blame: plugin.BlameNetwork, Phase: plugin.PhaseConnect, Reply: "gone", Inferred: true}, diagnose.Context{}},
	// a delivery's, which tries no other ports
	{"connect.refused", plugin.Outcome{Class: plugin.Temporary, Blame: plugin.BlameNetwork, Phase: plugin.PhaseConnect, Reply: "cannot connect to 192.0.2.1:587: connect: connection refused", Inferred: true}, diagnose.Context{Host: "mail.example.com"}},
	// Go does not make certificates with such signatures any more.
	{"tls.insecure_signature", plugin.Outcome{Class: plugin.Temporary, Blame: plugin.BlameConnection, Phase: plugin.PhaseTLS, Reply: "the server's certificate is signed with an algorithm that is no longer safe", Inferred: true}, diagnose.Context{}},
	{"tls.failed", plugin.Outcome{Class: plugin.Temporary, Blame: plugin.BlameConnection, Phase: plugin.PhaseTLS, Reply: "the TLS handshake failed: remote error: tls: internal error", Inferred: true}, diagnose.Context{}},
	// what a test does not send
	{"address.needs_smtputf8", plugin.Outcome{Class: plugin.Permanent, Blame: plugin.BlameRecipient, Phase: plugin.PhaseRecipient, Enhanced: "5.6.7", Reply: "the server does not support SMTPUTF8", Inferred: true}, diagnose.Context{}},
	{"content.seven_bit_only", plugin.Outcome{Class: plugin.Permanent, Blame: plugin.BlameContent, Phase: plugin.PhaseMail, Enhanced: "5.6.3", Reply: "the server takes 7-bit content only", Inferred: true}, diagnose.Context{}},
}

func TestToldFailures(t *testing.T) {
	t.Parallel()
	for _, told := range toldOnly {
		if d := diagnose.Explain(told.o, told.c); d.Code != told.code || len(d.Remedies) == 0 {
			t.Errorf("%+v: %+v", told.o, d)
		}
	}
}

// What a hostile server sends comes out in bounds and without controls.
func TestHostileServersAreBounded(t *testing.T) {
	t.Parallel()
	for name, rule := range map[string]smtptest.Rule{
		"colours":         {On: "AUTH", Do: smtptest.Reply("535 5.7.8 \x1b[2J\x1b]0;owned\x07 \u202egnorw \r\x00 done")},
		"long":            {On: "MAIL", Do: smtptest.Reply(strings.TrimSuffix(strings.Repeat("550-"+strings.Repeat("x", 600)+"\r\n", 50)+"550 end", "\r\n"))},
		"a long greeting": {On: "CONNECT", Do: smtptest.Reply("554 " + strings.Repeat("\x1b[31m", 300))},
		"many extensions": {On: "EHLO", Do: smtptest.Reply(strings.Repeat("250-\x1b[31mX "+strings.Repeat("y", 400)+"\r\n", 90) + "250 end")},
		"a strange word":  {On: "CONNECT", Do: smtptest.Raw("SSH-2.0-\x1b[2J" + strings.Repeat("z", 3000) + "\r\n")},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := smtptest.StartScripted(t, smtptest.Script{Capabilities: []string{"AUTH PLAIN"}, Rules: []smtptest.Rule{rule}})
			r := served(server, "").play(t)
			size := 0
			look := func(text string) {
				size += len(text)
				if strings.ContainsFunc(text, func(r rune) bool { return !unicode.IsPrint(r) }) {
					t.Errorf("%q", text)
				}
			}
			for _, s := range r.Stages {
				look(s.Server)
				look(s.Detail)
				for _, fact := range s.Facts {
					look(fact)
				}
			}
			if r.Diagnosis != nil {
				for _, text := range append([]string{r.Diagnosis.Title, r.Diagnosis.Explanation}, r.Diagnosis.Remedies...) {
					look(text)
				}
			}
			if size > 32<<10 {
				t.Errorf("%d octets", size)
			}
		})
	}
}

func TestWarnings(t *testing.T) {
	t.Parallel()
	server := smtptest.StartScripted(t, smtptest.Script{Capabilities: []string{"SIZE 5242880", "AUTH PLAIN"}})
	s := served(server, "").with("security", "opportunistic")
	s.known = func(c *diagnose.Context) { c.Sender, c.ContentLimit = "shop@example.org", 25<<20 }
	r := s.play(t)
	if r.Diagnosis != nil || r.Failed != nil {
		t.Fatalf("%+v", r.Diagnosis)
	}
	all := strings.Join(r.Warnings, "\n")
	for _, want := range []string{"auth: the password went over the network", "8BITMIME", "SMTPUTF8", "up to 5.0 MiB, less than the 25.0 MiB", "shop@example.org is not the address of the login, site@example.com"} {
		if !strings.Contains(all, want) {
			t.Errorf("no %q in\n%s", want, all)
		}
	}
	good := smtptest.StartScripted(t, smtptest.Script{Capabilities: []string{"SIZE 35882577", "8BITMIME", "SMTPUTF8"}})
	s = on587(address(good))
	s.known = func(c *diagnose.Context) { c.ContentLimit = 25 << 20 }
	if r := s.play(t); len(r.Warnings) > 0 || r.Failed != nil {
		t.Errorf("%v", r.Warnings)
	}
}
