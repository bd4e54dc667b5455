package diagnose

import (
	"strings"
	"testing"

	"github.com/postilion-mail/postilion/plugin"
)

func TestExplain(t *testing.T) {
	t.Parallel()
	cases := []struct {
		o    plugin.Outcome
		code string
	}{
		{plugin.Outcome{Phase: plugin.PhaseResolve, Blame: plugin.BlameConnection}, "dns.failed"},
		{plugin.Outcome{Phase: plugin.PhaseConnect, Blame: plugin.BlameNetwork}, "connect.failed"},
		{plugin.Outcome{Phase: plugin.PhaseConnect, Blame: plugin.BlameConnection}, "connect.refused_by_policy"},
		{plugin.Outcome{Phase: plugin.PhaseGreeting, Blame: plugin.BlameNetwork}, "greeting.missing"},
		{plugin.Outcome{Phase: plugin.PhaseGreeting, Blame: plugin.BlameServer, Code: 554}, "greeting.refused"},
		{plugin.Outcome{Phase: plugin.PhaseStartTLS, Blame: plugin.BlameConnection}, "starttls.missing"},
		{plugin.Outcome{Phase: plugin.PhaseTLS, Blame: plugin.BlameConnection}, "tls.failed"},
		{plugin.Outcome{Phase: plugin.PhaseAuth, Blame: plugin.BlameAuth, Code: 535, Enhanced: "5.7.8"}, "auth.rejected"},
		{plugin.Outcome{Phase: plugin.PhaseAuth, Blame: plugin.BlameServer, Code: 454}, "auth.unavailable"},
		{plugin.Outcome{Phase: plugin.PhaseMail, Blame: plugin.BlameAuth, Code: 530}, "auth.required"},
		{plugin.Outcome{Phase: plugin.PhaseMail, Blame: plugin.BlameSender, Code: 550}, "sender.refused"},
		{plugin.Outcome{Phase: plugin.PhaseRecipient, Blame: plugin.BlameRecipient, Code: 552, Enhanced: "5.2.2"}, "recipient.mailbox_full"},
		{plugin.Outcome{Phase: plugin.PhaseRecipient, Blame: plugin.BlameRecipient, Code: 550, Enhanced: "5.1.1"}, "recipient.refused"},
		{plugin.Outcome{Phase: plugin.PhaseContent, Blame: plugin.BlameNetwork, Class: plugin.Unknown}, "connection.lost_after_content"},
		{plugin.Outcome{Phase: plugin.PhaseReset, Code: 500, Reply: "what"}, "rset.unknown"},
	}
	for _, c := range cases {
		d := Explain(c.o, Context{})
		if d.Code != c.code {
			t.Errorf("%+v is explained as %s, not %s", c.o, d.Code, c.code)
		}
	}
}

// Every entry can be read by a person and acted upon, and its code is its own.
func TestTheTableIsComplete(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for _, e := range table {
		if seen[e.code] {
			t.Errorf("%s is there twice", e.code)
		}
		seen[e.code] = true
		if !strings.Contains(e.code, ".") || e.title == "" || e.explanation == "" || len(e.remedies) == 0 {
			t.Errorf("%s is incomplete", e.code)
		}
	}
}
