// Package diagnose explains failures to people: what is known about the cause,
// and what to do next. It goes by what a transport found out (phase, blame,
// codes), never by guesses from texts.
package diagnose

import (
	"fmt"
	"strings"

	"github.com/postilion-mail/postilion/plugin"
)

// Diagnosis explains one failure.
type Diagnosis struct {
	Code        string // stable, such as "auth.rejected"
	Title       string
	Explanation string
	Remedies    []string // in the order to try them
	Link        string   // a page that tells more, empty if none
	Blame       plugin.Blame
	RetryHelps  bool
}

// Explain gives the diagnosis of an outcome that is not Accepted. What no
// entry of the table knows is told by its phase and code alone.
func Explain(o plugin.Outcome, _ Context) Diagnosis {
	for _, e := range table {
		if e.matches(o) {
			return Diagnosis{
				Code: e.code, Title: e.title, Explanation: e.explanation, Remedies: e.remedies,
				Blame: o.Blame, RetryHelps: o.Class != plugin.Permanent && !e.needsChange,
			}
		}
	}
	return unmatched(o)
}

func unmatched(o plugin.Outcome) Diagnosis {
	d := Diagnosis{
		Code: "unknown", Title: "The delivery failed", Blame: o.Blame, RetryHelps: o.Class != plugin.Permanent,
		Explanation: "Nothing more is known than what was said: " + said(o),
		Remedies:    []string{"Ask the server's operator what this answer means."},
	}
	if o.Phase != plugin.PhaseNone {
		d.Code = o.Phase.String() + ".unknown"
	}
	return d
}

// said gives the words of an outcome. A server's begin with its codes.
func said(o plugin.Outcome) string {
	if o.Reply == "" && o.Code == 0 {
		return "nothing."
	}
	if o.Reply == "" {
		return strings.TrimSpace(fmt.Sprintf("%d %s", o.Code, o.Enhanced))
	}
	return o.Reply
}

// entry is one line of the table. Empty conditions match all.
type entry struct {
	code        string
	phases      []plugin.Phase
	blames      []plugin.Blame
	codes       []int
	enhanced    []string // whole, or without the class as ".7.8"
	title       string
	explanation string
	remedies    []string
	// needsChange: trying again is of no use before somebody has changed
	// something, though the outcome is temporary for the message.
	needsChange bool
}

func (e entry) matches(o plugin.Outcome) bool {
	return some(e.phases, func(p plugin.Phase) bool { return p == o.Phase }) &&
		some(e.blames, func(b plugin.Blame) bool { return b == o.Blame }) &&
		some(e.codes, func(c int) bool { return c == o.Code }) &&
		some(e.enhanced, func(s string) bool {
			return s == o.Enhanced || s[0] == '.' && len(o.Enhanced) > 1 && o.Enhanced[1:] == s
		})
}

// some is true when one of the conditions holds, or there are none.
func some[T comparable](conditions []T, holds func(T) bool) bool {
	for _, c := range conditions {
		if holds(c) {
			return true
		}
	}
	return len(conditions) == 0
}
