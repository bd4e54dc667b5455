package convert

import (
	"testing"

	"github.com/postilion-mail/postilion/internal/discover"
	"github.com/postilion-mail/postilion/plugin"
)

// No field of the API's proposal is left unset, and every value has its own.
func TestProposal(t *testing.T) {
	t.Parallel()
	r := discover.Result{
		Found: discover.Found{
			Provider: "id", Host: "host", Port: 465, Security: "tls", Auth: "xoauth2", Username: "user",
			Source: discover.FromMX, Detail: "MX", Confidence: discover.High,
		},
		Trial: discover.Failed, Remark: "refused", Failure: &plugin.Outcome{Class: plugin.Permanent, Phase: plugin.PhaseAuth, Code: 535},
	}
	out := Proposal(r).ProtoReflect()
	for i := range out.Descriptor().Fields().Len() {
		if field := out.Descriptor().Fields().Get(i); !out.Has(field) {
			t.Errorf("%s is not set", field.Name())
		}
	}
	s := Proposal(r).GetSmtp()
	if s.GetProvider() != "id" || s.GetHost() != "host" || s.GetPort() != 465 || s.GetSecurity() == 0 || s.GetAuthentication() == 0 || s.GetUsername() != "user" || s.Password != nil {
		t.Errorf("%v", s)
	}
	seen := map[any]bool{}
	for i := range 6 {
		p := Proposal(discover.Result{Found: discover.Found{Source: discover.Source(i + 1), Confidence: discover.Confidence(i%3 + 1)}, Trial: discover.Trial(i % 4)})
		if p.GetSource() == 0 || p.GetConfidence() == 0 || p.GetTrial() == 0 || seen[p.GetSource()] || i < 4 && seen[p.GetTrial()] || i < 3 && seen[p.GetConfidence()] {
			t.Errorf("%d: %v", i, p)
		}
		seen[p.GetSource()], seen[p.GetTrial()], seen[p.GetConfidence()] = true, true, true
	}
}
