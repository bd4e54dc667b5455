package bounce

import (
	"fmt"
	"net/netip"
	"regexp"
	"strconv"
	"strings"

	"github.com/postilion-mail/postilion/internal/mail"
	"github.com/postilion-mail/postilion/internal/outbox"
	"github.com/postilion-mail/postilion/plugin"
)

// maxDiagnostic is how much of a server's words goes into the status, in
// characters; so much fits into one line.
const maxDiagnostic = 800

// status is the content of the message/delivery-status part: a block of
// fields for the message, and one for each recipient (RFC 3464 section 2.1).
func (r *report) status() []byte {
	n := r.notice
	var out []byte
	if id := ascii(n.EnvelopeID); id != "" {
		out = mail.AppendField(out, "Original-Envelope-Id", id)
	}
	out = mail.AppendField(out, "Reporting-MTA", "dns; "+r.domain)
	if !n.Accepted.IsZero() {
		out = mail.AppendField(out, "Arrival-Date", mail.FormatDate(n.Accepted))
	}
	for i := range n.Recipients {
		out = append(out, "\r\n"...)
		out = r.recipient(out, &n.Recipients[i])
	}
	return out
}

func (r *report) recipient(out []byte, to *outbox.NoticeRecipient) []byte {
	out = mail.AppendField(out, "Final-Recipient", typed(to.Address))
	action := "failed"
	if r.notice.Type == outbox.NoticeDelayed {
		action = "delayed"
	}
	out = mail.AppendField(out, "Action", action)
	out = mail.AppendField(out, "Status", r.code(to))
	if host := ascii(r.host(to.Connection)); host != "" && spoke(&to.Outcome) {
		if _, err := netip.ParseAddr(host); err == nil {
			host = "[" + host + "]"
		}
		out = mail.AppendField(out, "Remote-MTA", "dns; "+host)
	}
	if text := diagnostic(&to.Outcome); text != "" {
		out = mail.AppendField(out, "Diagnostic-Code", text)
	}
	if !to.Tried.IsZero() {
		out = mail.AppendField(out, "Last-Attempt-Date", mail.FormatDate(to.Tried))
	}
	if r.notice.Type == outbox.NoticeDelayed && !r.notice.Expires.IsZero() {
		out = mail.AppendField(out, "Will-Retry-Until", mail.FormatDate(r.notice.Expires))
	}
	return out
}

// diagnostic is what was said: by the server in its own words, else by us.
func diagnostic(o *plugin.Outcome) string {
	text := ascii(words(o))
	switch {
	case spoke(o):
		text = "smtp; " + text
	case text != "":
		text = "X-Postilion; " + text
	}
	return shorten(text, maxDiagnostic)
}

// spoke says whether the words of an outcome are those of a server.
func spoke(o *plugin.Outcome) bool { return o.Code != 0 && !o.Inferred }

// words are those of an outcome in one line. A server's begin with its codes,
// which not every transport leaves in the reply.
func words(o *plugin.Outcome) string {
	text := clean(o.Reply)
	if !spoke(o) || strings.HasPrefix(text, strconv.Itoa(o.Code)) {
		return text
	}
	return clean(fmt.Sprintf("%d %s %s", o.Code, o.Enhanced, text))
}

// typed gives an address with its type: rfc822, or utf-8 with all that is not
// ASCII escaped (RFC 6533 section 3), so that the report itself needs no
// SMTPUTF8.
func typed(address string) string {
	address = shorten(clean(address), 320)
	plain := true
	var b strings.Builder
	for _, c := range address {
		switch {
		case c > 0x7e:
			plain = false
			fallthrough
		case c == '\\', c == '+', c == '=', c == ' ':
			fmt.Fprintf(&b, `\x{%X}`, c)
		default:
			b.WriteRune(c)
		}
		if b.Len() > maxDiagnostic {
			break
		}
	}
	if plain {
		return "rfc822; " + address
	}
	return "utf-8; " + b.String()
}

// ascii makes one line in ASCII of a text.
func ascii(s string) string {
	return strings.Map(func(r rune) rune {
		if r > 0x7e {
			return '?'
		}
		return r
	}, clean(s))
}

var enhancedForm = regexp.MustCompile(`^[245]\.[0-9]{1,3}\.[0-9]{1,3}$`)

// code is the status code (RFC 3463) of a recipient: the server's, or what
// comes nearest to what is known.
func (r *report) code(to *outbox.NoticeRecipient) string {
	if to.State == outbox.Expired {
		return "4.4.7" // delivery time expired
	}
	class := "5"
	if r.notice.Type == outbox.NoticeDelayed {
		class = "4"
	}
	if enhancedForm.MatchString(to.Outcome.Enhanced) && to.Outcome.Enhanced[0] != '2' {
		return class + to.Outcome.Enhanced[1:]
	}
	switch to.Outcome.Blame {
	case plugin.BlameRecipient:
		return class + ".1.0" // other address status
	case plugin.BlameSender:
		return class + ".7.1" // delivery not authorized
	case plugin.BlameContent:
		return class + ".6.0" // other media error
	case plugin.BlameAuth:
		return class + ".7.0" // other security status
	case plugin.BlameConnection:
		return class + ".3.5" // system incorrectly configured
	case plugin.BlameNetwork:
		return class + ".4.0" // other network status
	case plugin.BlameServer:
		return class + ".3.0" // other mail system status
	case plugin.BlameLimit:
		return class + ".4.5" // mail system congestion
	}
	return class + ".0.0"
}
