package smtp

import (
	"time"

	"github.com/postilion-mail/postilion/plugin"
)

// timeouts limit the phases of a session. Each covers a whole request and
// reply, so that a server that drips octets gains nothing (RFC 5321 section
// 4.5.3.2; Postfix's smtp_per_request_deadline).
type timeouts struct {
	resolve, connect, tls, greeting, hello, startTLS, auth time.Duration
	mail, recipient, data, block, content, reset, quit     time.Duration
}

func defaultTimeouts() timeouts {
	return timeouts{
		resolve:   20 * time.Second,
		connect:   30 * time.Second, // for each address
		tls:       time.Minute,
		greeting:  5 * time.Minute,
		hello:     5 * time.Minute,
		startTLS:  5 * time.Minute,
		auth:      2 * time.Minute, // for each step
		mail:      5 * time.Minute,
		recipient: 5 * time.Minute,
		data:      2 * time.Minute,
		block:     3 * time.Minute,  // for each write of content
		content:   10 * time.Minute, // for the reply to the final dot
		reset:     20 * time.Second,
		quit:      5 * time.Second,
	}
}

// minimumRate is how fast, in octets a second, a server must take content on
// average after the first block's time (Postfix's smtp_min_data_rate).
const minimumRate = 500

// byName gives the timeouts by the names of their settings.
func (t *timeouts) byName() map[string]*time.Duration {
	return map[string]*time.Duration{
		"resolve_timeout":  &t.resolve,
		"connect_timeout":  &t.connect,
		"tls_timeout":      &t.tls,
		"greeting_timeout": &t.greeting,
		"ehlo_timeout":     &t.hello,
		"starttls_timeout": &t.startTLS,
		"auth_timeout":     &t.auth,
		"mail_timeout":     &t.mail,
		"rcpt_timeout":     &t.recipient,
		"data_timeout":     &t.data,
		"block_timeout":    &t.block,
		"content_timeout":  &t.content,
		"reset_timeout":    &t.reset,
		"quit_timeout":     &t.quit,
	}
}

// of gives the limit for a phase.
func (t *timeouts) of(phase plugin.Phase) time.Duration {
	switch phase {
	case plugin.PhaseResolve:
		return t.resolve
	case plugin.PhaseConnect:
		return t.connect
	case plugin.PhaseTLS:
		return t.tls
	case plugin.PhaseGreeting:
		return t.greeting
	case plugin.PhaseHello:
		return t.hello
	case plugin.PhaseStartTLS:
		return t.startTLS
	case plugin.PhaseAuth:
		return t.auth
	case plugin.PhaseMail:
		return t.mail
	case plugin.PhaseRecipient:
		return t.recipient
	case plugin.PhaseData:
		return t.data
	case plugin.PhaseContent:
		return t.content
	case plugin.PhaseReset:
		return t.reset
	}
	return t.quit
}

// capped gives the timeouts with none over limit.
func (t timeouts) capped(limit time.Duration) timeouts {
	for _, d := range t.byName() {
		*d = min(*d, limit)
	}
	return t
}
