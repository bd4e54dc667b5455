// Package diagnose explains failures to people: what is known about the cause,
// and what to do next. It goes by where something failed, by the codes of the
// reply and by whose server it is; words refine only, and only those of the
// reply that failed. What it does not know it says so.
package diagnose

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
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
// entry of the table knows is told by its stage and codes alone, under a code
// such as "auth.unexplained".
func Explain(o plugin.Outcome, c Context) Diagnosis {
	s := newSubject(o, c)
	for _, family := range tables {
		for i := range family {
			if e := &family[i]; e.matches(s) {
				return Diagnosis{
					Code: e.code, Title: s.fill(e.title), Explanation: s.fill(e.explanation), Remedies: s.fillAll(e.remedies), Link: e.link,
					Blame: cmp.Or(e.blame, o.Blame), RetryHelps: o.Class != plugin.Permanent && !e.needsChange,
				}
			}
		}
	}
	return unmatched(s)
}

// unmatched says what is known, and no more.
func unmatched(s *subject) Diagnosis {
	o := &s.outcome
	stage := stageCode(cmp.Or(o.Phase.String(), s.Stage))
	d := Diagnosis{
		Code: cmp.Or(stage, "delivery") + ".unexplained", Title: "The delivery failed", Blame: o.Blame, RetryHelps: o.Class != plugin.Permanent,
	}
	if stage != "" {
		d.Title = "It failed at the stage " + stage
	}
	switch {
	case o.Code != 0:
		d.Explanation = fmt.Sprintf("The server answered %s. Postilion does not know more about this answer than what it says itself.", codes(o))
		d.Remedies = []string{"Read the server's own words; search your provider's help pages for them.", "Show them to the operator of the server if they do not say enough."}
	case o.Reply != "":
		d.Explanation = "All that is known is this: " + strings.TrimSuffix(o.Reply, ".") + "."
		d.Remedies = []string{"Test the connection, which shows at which stage it fails and why."}
	default:
		d.Explanation = "Nothing was said about the reason."
		d.Remedies = []string{"Test the connection, which shows at which stage it fails and why."}
	}
	return d
}

// codes gives reply code and enhanced code.
func codes(o *plugin.Outcome) string {
	return strings.TrimSpace(strconv.Itoa(o.Code) + " " + o.Enhanced)
}

// stageCode makes a part of a code of a stage's name, which may be a plugin's
// own.
func stageCode(name string) string {
	name = strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z', r >= '0' && r <= '9', r == '_':
			return r
		case r >= 'A' && r <= 'Z':
			return r + 'a' - 'A'
		}
		return '_'
	}, name)
	return name[:min(len(name), 40)]
}

// entry is one line of the table. Empty conditions match all; of each list one
// match is enough.
type entry struct {
	code      string
	providers []string // ids of providers
	phases    []plugin.Phase
	blames    []plugin.Blame
	replies   []int    // codes
	enhanced  []string // whole, or without the class as ".7.8"
	// says are words of the reply that failed, in lower case; "*" stands for
	// anything. They count only if the server said them.
	says []string
	// unless are words, as says, of replies that the entry is not about.
	unless []string
	// either: one of enhanced and says is enough.
	either bool
	// ours are words of our own conclusion, as says; they count only if the
	// outcome is inferred. They are ours to keep stable, in internal/smtp.
	ours []string
	// facts are facts of a test, as "name=value"; of those with one name one
	// is enough.
	facts []string

	title       string
	explanation string
	remedies    []string
	link        string       // for people
	source      string       // where the meaning is documented, for reviewers
	blame       plugin.Blame // in place of the outcome's
	// needsChange: trying again is of no use before somebody has changed
	// something, though the outcome is temporary for the message.
	needsChange bool
}

func (e *entry) matches(s *subject) bool {
	o := &s.outcome
	return some(e.providers, func(p string) bool { return p == s.provider }) &&
		some(e.phases, func(p plugin.Phase) bool { return p == o.Phase }) &&
		some(e.blames, func(b plugin.Blame) bool { return b == o.Blame }) &&
		some(e.replies, func(c int) bool { return c == o.Code }) &&
		e.answered(s) && !slices.ContainsFunc(e.unless, s.says) &&
		(len(e.ours) == 0 || o.Inferred && slices.ContainsFunc(e.ours, s.says)) &&
		s.has(e.facts)
}

// answered compares what the server said.
func (e *entry) answered(s *subject) bool {
	code := some(e.enhanced, func(code string) bool {
		have := s.outcome.Enhanced
		return code == have || code[0] == '.' && len(have) > 1 && have[1:] == code
	})
	words := len(e.says) == 0 || !s.outcome.Inferred && slices.ContainsFunc(e.says, s.says)
	if e.either {
		return code || words
	}
	return code && words
}

// some is true when one of the conditions holds, or there are none.
func some[T any](conditions []T, holds func(T) bool) bool {
	return len(conditions) == 0 || slices.ContainsFunc(conditions, holds)
}

// subject is a failure with all that is known of it.
type subject struct {
	Context
	outcome  plugin.Outcome
	words    string // of the reply, in lower case
	provider string // id, empty if it is none that we know
}

func newSubject(o plugin.Outcome, c Context) *subject {
	s := &subject{Context: c, outcome: o, words: withoutAddresses(strings.ToLower(o.Reply))}
	s.provider = providerOf(&c)
	return s
}

// withoutAddresses leaves out the words of a reply that are mail addresses: what
// somebody is called is no reason.
func withoutAddresses(reply string) string {
	return strings.Join(slices.DeleteFunc(strings.Fields(reply), func(word string) bool { return strings.Contains(word, "@") }), " ")
}

// says tells whether the reply has these words; their parts between "*" in
// order.
func (s *subject) says(pattern string) bool {
	rest := s.words
	for part := range strings.SplitSeq(pattern, "*") {
		_, after, found := strings.Cut(rest, part)
		if !found {
			return false
		}
		rest = after
	}
	return true
}

// has tells whether the facts are there.
func (s *subject) has(facts []string) bool {
	holds := map[string]bool{}
	for _, fact := range facts {
		name, value, _ := strings.Cut(fact, "=")
		holds[name] = holds[name] || s.fact(name) == value || value == "*" && s.fact(name) != ""
	}
	for _, ok := range holds {
		if !ok {
			return false
		}
	}
	return true
}

// fact gives a fact of the test, or of what is known anyway; empty if there is
// none.
func (s *subject) fact(name string) string {
	switch name {
	case "host":
		return s.Host
	case "port":
		return strconv.Itoa(s.port())
	case "security":
		return cmp.Or(s.Security, "starttls")
	case "username":
		return s.Username
	case "auth":
		return s.Auth
	case "scanner":
		return scanner(s.Facts["certificate_issuer"])
	case "intercepted":
		return yes(intercepted(s))
	case "known_provider":
		return yes(s.provider != "")
	case "masked":
		return yes(strings.Contains(s.Facts["extensions"], "XXXX") || strings.Contains(s.Greeting, "****"))
	}
	return s.Facts[name]
}

func yes(is bool) string {
	if is {
		return "yes"
	}
	return ""
}

// port is the one that holds if none is set, too.
func (s *subject) port() int {
	if s.Port == 0 && s.Security == "tls" {
		return 465
	}
	return cmp.Or(s.Port, 587)
}

// fill puts facts into a text: {host} the fact, {host|the server} the words
// behind the bar where there is none.
func (s *subject) fill(text string) string {
	var b strings.Builder
	for {
		before, rest, found := strings.Cut(text, "{")
		b.WriteString(before)
		if !found {
			return b.String()
		}
		place, after, _ := strings.Cut(rest, "}")
		name, otherwise, _ := strings.Cut(place, "|")
		b.WriteString(cmp.Or(s.fact(name), otherwise))
		text = after
	}
}

func (s *subject) fillAll(texts []string) []string {
	all := make([]string, len(texts))
	for i := range texts {
		all[i] = s.fill(texts[i])
	}
	return all
}
