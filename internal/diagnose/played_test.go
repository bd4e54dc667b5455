package diagnose_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/postilion-mail/postilion/internal/diagnose"
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
