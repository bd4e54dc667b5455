package bounce

import (
	"fmt"
	"strings"
	"time"

	"github.com/postilion-mail/postilion/internal/diagnose"
	"github.com/postilion-mail/postilion/internal/outbox"
	"github.com/postilion-mail/postilion/plugin"
)

const (
	// maxListed is how many addresses with one explanation are named to
	// people; the status has all.
	maxListed = 50
	// maxWords is how much of a server's words they are shown, in characters.
	maxWords = 600
)

// text is the part for people: what happened to whom, what the server said,
// what to do. Recipients that fared alike are explained together.
func (r *report) text() string {
	var b strings.Builder
	b.WriteString(r.opening())
	b.WriteString("\n\n")
	r.about(&b)
	var order []string
	groups := make(map[string][]string)
	for i := range r.notice.Recipients {
		to := &r.notice.Recipients[i]
		why := r.explain(to)
		if groups[why] == nil {
			order = append(order, why)
		}
		groups[why] = append(groups[why], to.Address)
	}
	for _, why := range order {
		b.WriteString("\n")
		for i, address := range groups[why] {
			if i == maxListed {
				fmt.Fprintf(&b, "and %d more, which the report lists\n", len(groups[why])-i)
				break
			}
			fmt.Fprintf(&b, "<%s>\n", shorten(clean(address), 320))
		}
		b.WriteString(why)
	}
	switch {
	case r.whole:
		b.WriteString("\nYour message is attached.\n")
	case len(r.original) > 0:
		b.WriteString("\nThe header of your message is attached.\n")
	}
	return b.String()
}

func (r *report) opening() string {
	switch r.notice.Type {
	case outbox.NoticeDelayed:
		s := "Your message has not been delivered yet to the addresses below. It is tried again by itself"
		if !r.notice.Expires.IsZero() {
			s += " until " + date(r.notice.Expires)
		}
		return s + "; you need not send it again."
	case outbox.NoticeRefused:
		return "Your message was taken over on this machine, but then it could not be accepted for sending. Nobody has got it."
	}
	return "Your message could not be delivered to the addresses below. It is not tried again."
}

// about tells which message it is.
func (r *report) about(b *strings.Builder) {
	n := r.notice
	line := func(name, value string) {
		if value != "" {
			fmt.Fprintf(b, "  %-12s%s\n", name, value)
		}
	}
	line("Subject:", shorten(clean(n.Subject), maxSubject))
	if !n.Accepted.IsZero() {
		line("Handed in:", date(n.Accepted))
	}
	line("Message-ID:", shorten(clean(n.MessageID), 500))
}

// explain tells what happened to a recipient, in lines.
func (r *report) explain(to *outbox.NoticeRecipient) string {
	var b strings.Builder
	line := func(format string, args ...any) { fmt.Fprintf(&b, "  "+format+"\n", args...) }
	o := &to.Outcome
	if r.notice.Type == outbox.NoticeRefused {
		line("%s", shorten(clean(o.Reply), maxWords))
		return b.String()
	}
	if to.State == outbox.Expired {
		tried := "It was never tried"
		if to.Attempts > 0 && !to.Tried.IsZero() {
			tried = fmt.Sprintf("It was tried %s, the last time on %s", times(to.Attempts), date(to.Tried))
		}
		line("The time for its delivery is over. %s.", tried)
	}
	known := o.Class != plugin.ClassUnspecified && (o.Code != 0 || o.Phase != plugin.PhaseNone || o.Blame != plugin.BlameNone)
	if known {
		d := r.diagnose(to)
		if d.RetryHelps || passes(o.Blame) {
			// Its explanation speaks of what is tried again.
			line("%s.", d.Title)
		} else {
			line("%s. %s", d.Title, d.Explanation)
		}
	}
	r.said(line, to)
	if to.Duplicate {
		line("The answer to an attempt got lost, so it may have arrived all the same.")
	}
	for _, remedy := range r.remedies(to, known) {
		line("What to do: %s", remedy)
	}
	return b.String()
}

// said repeats the server's words, or ours if it said nothing.
func (r *report) said(line func(string, ...any), to *outbox.NoticeRecipient) {
	text := shorten(words(&to.Outcome), maxWords)
	switch {
	case spoke(&to.Outcome):
		who := clean(r.host(to.Connection))
		if who == "" {
			who = "The server"
		}
		line("%s said: %s", who, text)
	case text != "":
		line("In detail: %s", text)
	}
}

// remedies are those of the diagnosis, but for trouble that passes, where they
// say that it is tried again: it is not, or the notice has said so already.
func (r *report) remedies(to *outbox.NoticeRecipient, known bool) []string {
	if r.notice.Type == outbox.NoticeDelayed {
		return nil
	}
	if known && !passes(to.Outcome.Blame) {
		if d := r.diagnose(to); !d.RetryHelps {
			return d.Remedies
		}
	}
	return []string{"Send the message again later, or reach the recipient in another way."}
}

func (r *report) diagnose(to *outbox.NoticeRecipient) diagnose.Diagnosis {
	return diagnose.Explain(to.Outcome, diagnose.Context{Host: r.host(to.Connection)})
}

// passes says that trouble of this kind may be over at another time.
func passes(b plugin.Blame) bool {
	switch b {
	case plugin.BlameNetwork, plugin.BlameServer, plugin.BlameLimit:
		return true
	}
	return false
}

func times(n int) string {
	if n == 1 {
		return "once"
	}
	return fmt.Sprintf("%d times", n)
}

func date(t time.Time) string { return t.UTC().Format("2 January 2006 15:04 UTC") }
