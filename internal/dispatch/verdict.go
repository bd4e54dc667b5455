package dispatch

import (
	"strings"

	"github.com/postilion-mail/postilion/plugin"
)

// verdict is what an attempt says about the connection, whatever it says
// about the message.
type verdict uint8

const (
	healthy verdict = iota // the server does its work, be it to refuse
	slow                   // it works, and says that it is too much
	trouble                // it cannot be reached, or takes nothing from anybody
	fault                  // the settings are wrong: a person has to mend them
)

// judge gives the verdict of an attempt and the outcome it rests on, nil for
// a healthy one. A transaction that came through for one recipient shows that
// there is no trouble.
func judge(outcomes []plugin.Outcome) (verdict, *plugin.Outcome) {
	worst, through := healthy, false
	var why *plugin.Outcome
	for n := range outcomes {
		o := &outcomes[n]
		v := judgeOne(o)
		if v > worst {
			worst, why = v, o
		}
		through = through || v < trouble
	}
	if worst == trouble && through {
		return slow, why
	}
	return worst, why
}

func judgeOne(o *plugin.Outcome) verdict {
	if o.Class == plugin.Accepted {
		return healthy
	}
	switch o.Blame {
	case plugin.BlameAuth, plugin.BlameConnection:
		return fault
	case plugin.BlameNetwork, plugin.BlameServer:
		return trouble
	case plugin.BlameLimit:
		if forAll(o) {
			return trouble
		}
		return slow
	}
	if o.Code == 421 || o.Class == plugin.Temporary && strings.HasPrefix(o.Enhanced, "4.7.") {
		return slow
	}
	return healthy
}

// forAll says whether a limit holds for every message: the server said so
// before it heard of a recipient, or closed the session (421), or a provider's
// API refused the request (429).
func forAll(o *plugin.Outcome) bool {
	return o.Phase != plugin.PhaseNone && o.Phase <= plugin.PhaseMail || o.Code == 421 || o.Code == 429
}
