package smtp

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/postilion-mail/postilion/plugin"
)

// classify says what a refusal of the server means: the only place where that
// is decided. The class is the first digit's (RFC 5321 section 4.2.1); whom to
// blame comes from the phase, then the enhanced code (RFC 3463 and the IANA
// registry), then the code; the text refines only where servers give one code
// to different things.
func classify(phase plugin.Phase, code int, text string, loggedIn bool) plugin.Outcome {
	o := plugin.Outcome{Class: plugin.Permanent, Phase: phase, Code: code, Enhanced: enhancedCode(code, text), Reply: text}
	switch {
	case code/100 == 2:
		o.Class = plugin.Accepted
		return o
	case code/100 == 4:
		o.Class = plugin.Temporary
	case phase == plugin.PhaseRecipient && code == 552:
		o.Class = plugin.Temporary // RFC 5321 section 4.5.3.1.10: as 452
	}
	o.Blame = blame(o, strings.ToLower(text), loggedIn)
	if o.Class == plugin.Temporary {
		o.RetryAfter = retryAfter(text)
	}
	return o
}

// enhancedCode finds the enhanced status code at the beginning of a reply's
// text. One whose class differs from the code's is no such code.
func enhancedCode(code int, text string) string {
	_, rest, _ := strings.Cut(text, " ")
	word, _, _ := strings.Cut(rest, " ")
	parts := strings.Split(word, ".")
	if len(parts) != 3 || parts[0] != strconv.Itoa(code/100) {
		return ""
	}
	for _, part := range parts[1:] {
		if len(part) > 3 {
			return ""
		}
		if _, err := strconv.ParseUint(part, 10, 16); err != nil {
			return ""
		}
	}
	return word
}

func blame(o plugin.Outcome, text string, loggedIn bool) plugin.Blame {
	switch {
	case o.Code == 530 && strings.Contains(text, "starttls"):
		return plugin.BlameConnection
	case o.Code == 530, o.Code == 534, o.Code == 535, o.Code == 538:
		return plugin.BlameAuth
	case o.Class == plugin.Permanent && !loggedIn && wantsLogin(o.Phase, text):
		return plugin.BlameAuth
	}
	if o.Enhanced != "" {
		if b := blameEnhanced(o); b != plugin.BlameNone {
			return b
		}
	}
	return blameCode(o, text)
}

// wantsLogin tells whether a refusal of sender or recipient was for want of
// authentication. There is no code for that in use: relays say 550, 553, 554
// with 5.7.1 or nothing.
func wantsLogin(phase plugin.Phase, text string) bool {
	if phase != plugin.PhaseMail && phase != plugin.PhaseRecipient {
		return false
	}
	for _, sign := range []string{"relay", "authenticat", "not logged in", "log in first"} {
		if strings.Contains(text, sign) {
			return true
		}
	}
	return false
}

// blameEnhanced goes by subject and detail of the enhanced code.
func blameEnhanced(o plugin.Outcome) plugin.Blame {
	switch o.Enhanced[2:] {
	case "1.7", "1.8", // sender's address
		"2.252", "7.60", // Exchange: may not send as this sender
		"7.20", "7.21", "7.22", "7.23", "7.24", "7.26", "7.27": // DKIM, SPF, DMARC, null MX of the sender
		return plugin.BlameSender
	case "7.8", "7.9", "7.11", "7.14", "7.57", "7.139":
		return plugin.BlameAuth
	case "7.10", "7.25": // encryption needed; no reverse DNS
		return plugin.BlameConnection
	case "3.4":
		return plugin.BlameContent
	case "5.3", "7.28", "7.650": // too many recipients; floods
		return plugin.BlameLimit
	}
	switch o.Enhanced[2:4] {
	case "1.", "2.":
		if o.Phase == plugin.PhaseMail {
			return plugin.BlameSender
		}
		if o.Phase >= plugin.PhaseRecipient {
			return plugin.BlameRecipient
		}
	case "3.", "4.":
		return plugin.BlameServer
	case "5.":
		if o.Phase == plugin.PhaseHello {
			return plugin.BlameConnection
		}
		return plugin.BlameServer
	case "6.":
		return plugin.BlameContent
	case "7.":
		if o.Class == plugin.Temporary {
			return plugin.BlameLimit
		}
		return subject(o.Phase)
	}
	return plugin.BlameNone
}

// blameCode goes by the code alone, for servers without enhanced codes.
func blameCode(o plugin.Outcome, text string) plugin.Blame {
	switch {
	case o.Code == 452 && o.Phase == plugin.PhaseRecipient, o.Code == 552 && o.Phase == plugin.PhaseRecipient:
		return plugin.BlameLimit
	case o.Code == 523, o.Code == 552:
		return plugin.BlameContent
	case o.Class == plugin.Temporary && speaksOfRate(text):
		return plugin.BlameLimit
	case o.Code == 432 && o.Phase == plugin.PhaseAuth: // a password transition is needed
		return plugin.BlameAuth
	case o.Code == 450 && o.Phase == plugin.PhaseRecipient:
		return plugin.BlameRecipient
	case o.Class == plugin.Temporary:
		return plugin.BlameServer
	case o.Code == 501 && (o.Phase == plugin.PhaseMail || o.Phase == plugin.PhaseRecipient):
		return subject(o.Phase) // the address is malformed to it
	case o.Code >= 500 && o.Code <= 504 && o.Phase > plugin.PhaseAuth, o.Code == 555:
		return plugin.BlameServer
	}
	return subject(o.Phase)
}

// subject is what the server has before it in a phase.
func subject(phase plugin.Phase) plugin.Blame {
	switch phase {
	case plugin.PhaseAuth:
		return plugin.BlameAuth
	case plugin.PhaseMail:
		return plugin.BlameSender
	case plugin.PhaseRecipient:
		return plugin.BlameRecipient
	case plugin.PhaseData, plugin.PhaseContent:
		return plugin.BlameContent
	case plugin.PhaseReset, plugin.PhaseQuit:
		return plugin.BlameServer
	}
	return plugin.BlameConnection
}

func speaksOfRate(text string) bool {
	for _, sign := range []string{"rate limit", "too many", "throttl", "quota", "too fast"} {
		if strings.Contains(text, sign) {
			return true
		}
	}
	return false
}

// retryAfter finds how long a server asks to wait: "try again in 5 minutes",
// "retry after 300 seconds", "wait 00:05:00". It gives 0 if it does not, and
// no more than a day.
func retryAfter(text string) time.Duration {
	const day = 24 * time.Hour
	if m := waitClock.FindStringSubmatch(text); m != nil {
		h, _ := strconv.Atoi(m[1])
		min, _ := strconv.Atoi(m[2])
		sec, _ := strconv.Atoi(m[3])
		return time.Duration(h)*time.Hour + time.Duration(min)*time.Minute + time.Duration(sec)*time.Second
	}
	m := waitUnits.FindStringSubmatch(text)
	if m == nil {
		return 0
	}
	n, err := strconv.ParseInt(m[1], 10, 64)
	unit := time.Second
	switch strings.ToLower(m[2])[0] {
	case 'm':
		unit = time.Minute
	case 'h':
		unit = time.Hour
	}
	if err != nil || n > int64(day/unit) {
		return day
	}
	return time.Duration(n) * unit
}

// The patterns are compiled once; they hold no state.
var (
	waitUnits = regexp.MustCompile(`(?i)\b(?:again|retry|wait|delay|come back|gr[ea]ylist\w*)\b[^0-9]{0,30}(\d{1,9})\s*(seconds?|secs?|s|minutes?|mins?|m|hours?|hrs?|h)\b`)
	waitClock = regexp.MustCompile(`(?i)\b(?:again|retry|wait)\b[^0-9]{0,30}(\d{1,2}):([0-5]\d):([0-5]\d)\b`)
)

// infer says what a fault means that the server did not speak of. Whether the
// message may have gone out nevertheless is known to the caller alone.
func infer(phase plugin.Phase, err error, limit time.Duration) plugin.Outcome {
	o := plugin.Outcome{Class: plugin.Temporary, Blame: plugin.BlameNetwork, Phase: phase, Inferred: true}
	var breach protocolError
	var netError net.Error
	switch {
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded), errors.As(err, new(stopped)):
		o.Blame, o.Reply = plugin.BlameNone, "stopped by us: "+err.Error()
	case errors.As(err, &breach):
		o.Blame, o.Reply = plugin.BlameServer, breach.Error()
	case errors.Is(err, os.ErrDeadlineExceeded), errors.As(err, &netError) && netError.Timeout():
		o.Reply = "the server did not answer within " + limit.String()
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		o.Reply = "the server closed the connection"
	default:
		o.Reply = "the connection broke: " + printable(err.Error(), maxReplyText)
	}
	return o
}
