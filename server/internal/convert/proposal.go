package convert

import (
	"github.com/postilion-mail/postilion/internal/diagnose"
	"github.com/postilion-mail/postilion/internal/discover"
	postilionv1 "github.com/postilion-mail/postilion/proto/gen/postilion/v1"
)

var (
	proposalSources = map[discover.Source]postilionv1.ProposalSource{
		discover.FromProvider:   postilionv1.ProposalSource_PROPOSAL_SOURCE_PROVIDER,
		discover.FromMX:         postilionv1.ProposalSource_PROPOSAL_SOURCE_MX,
		discover.FromSRV:        postilionv1.ProposalSource_PROPOSAL_SOURCE_SRV,
		discover.FromAutoconfig: postilionv1.ProposalSource_PROPOSAL_SOURCE_AUTOCONFIG,
		discover.FromVariation:  postilionv1.ProposalSource_PROPOSAL_SOURCE_VARIATION,
		discover.FromGuess:      postilionv1.ProposalSource_PROPOSAL_SOURCE_GUESS,
	}
	confidences = map[discover.Confidence]postilionv1.Confidence{
		discover.Low:    postilionv1.Confidence_CONFIDENCE_LOW,
		discover.Medium: postilionv1.Confidence_CONFIDENCE_MEDIUM,
		discover.High:   postilionv1.Confidence_CONFIDENCE_HIGH,
	}
	trials = map[discover.Trial]postilionv1.Trial{
		discover.Untried:  postilionv1.Trial_TRIAL_UNTRIED,
		discover.Failed:   postilionv1.Trial_TRIAL_FAILED,
		discover.Session:  postilionv1.Trial_TRIAL_SESSION,
		discover.LoggedIn: postilionv1.Trial_TRIAL_LOGIN,
	}
)

// Proposal gives the API's view of a way to send that was found, and perhaps
// tried.
func Proposal(r discover.Result) *postilionv1.Proposal {
	words := map[string]any{"security": r.Security, "auth": r.Auth}
	out := &postilionv1.Proposal{
		Smtp: &postilionv1.SmtpSettings{
			Provider: r.Provider, Host: r.Host, Port: uint32(r.Port), Username: r.Username,
			Security: securities.get(words, "security"), Authentication: authentications.get(words, "auth"),
		},
		Source: proposalSources[r.Source], SourceDetail: r.Found.Detail, Confidence: confidences[r.Confidence],
		Trial: trials[r.Trial], Detail: r.Remark,
	}
	if r.Failure != nil {
		out.Diagnosis = Diagnosis(diagnose.Explain(*r.Failure, diagnose.Context{
			Host: r.Host, Port: int(r.Port), Security: r.Security, Username: r.Username, Greeting: r.Greeting, Facts: r.Facts,
		}))
	}
	return out
}
