package smtp

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/postilion-mail/postilion/plugin"
)

func TestClassify(t *testing.T) {
	t.Parallel()
	const (
		greeting, hello, startTLS, auth = plugin.PhaseGreeting, plugin.PhaseHello, plugin.PhaseStartTLS, plugin.PhaseAuth
		mail, rcpt, data, content       = plugin.PhaseMail, plugin.PhaseRecipient, plugin.PhaseData, plugin.PhaseContent
	)
	for _, test := range []struct {
		phase plugin.Phase
		reply string
		want  string
	}{
		{greeting, "554 no SMTP service here", "permanent/connection"},
		{greeting, "554 5.7.1 blocked using rbl.example", "permanent/connection"},
		{greeting, "421 4.7.0 too many connections", "temporary/limit"},
		{greeting, "421 too busy", "temporary/server"},
		{hello, "501 5.5.4 invalid HELO", "permanent/connection"},
		{startTLS, "454 TLS not available", "temporary/server"},
		{startTLS, "502 no", "permanent/connection"},
		// T76
		{auth, "432 4.7.12 A password transition is needed", "temporary/limit"},
		{auth, "432 a password transition is needed", "temporary/auth"},
		{auth, "454 4.7.0 Temporary authentication failure", "temporary/limit"},
		{auth, "454 Temporary authentication failure", "temporary/server"},
		{auth, "500 line too long", "permanent/auth"},
		{auth, "530 5.7.0 Must issue a STARTTLS command first", "permanent/connection"},
		{auth, "534 5.7.9 Application-specific password required", "permanent/auth"},
		{auth, "535 5.7.8 Username and Password not accepted", "permanent/auth"},
		{auth, "535 5.7.139 Authentication unsuccessful, SmtpClientAuthentication is disabled", "permanent/auth"},
		{auth, "538 5.7.11 Encryption required", "permanent/auth"},
		{mail, "530 5.7.0 Authentication required", "permanent/auth"},
		{mail, "530 5.7.57 Client not authenticated to send mail", "permanent/auth"},
		{mail, "550 5.7.1 sender not allowed", "permanent/sender"},
		{mail, "553 5.7.1 Sender address rejected: not owned by user", "permanent/sender"},
		{mail, "553 5.1.8 domain does not exist", "permanent/sender"},
		{mail, "450 4.1.8 domain not found", "temporary/sender"},
		{mail, "552 5.3.4 message too big", "permanent/content"},
		{mail, "552 too big", "permanent/content"},
		{mail, "452 4.3.1 disk full", "temporary/server"},
		{mail, "451 4.7.1 slow down", "temporary/limit"},
		{mail, "450 you send too many messages", "temporary/limit"},
		{mail, "503 5.5.1 bad sequence", "permanent/server"},
		{rcpt, "550 5.1.1 no such user", "permanent/recipient"},
		{rcpt, "550 no such user", "permanent/recipient"},
		{rcpt, "553 not local", "permanent/recipient"},
		{rcpt, "550 5.7.1 relaying denied", "permanent/auth"},
		{rcpt, "554 5.7.1 <a@b>: Relay access denied", "permanent/auth"},
		{rcpt, "550 authentication required", "permanent/auth"},
		{rcpt, "550 5.7.1 rejected by policy", "permanent/recipient"},
		{rcpt, "550 5.1.8 sender's domain", "permanent/sender"},
		{rcpt, "550 5.7.23 SPF", "permanent/sender"},
		{rcpt, "452 4.2.2 mailbox full", "temporary/recipient"},
		{rcpt, "552 5.2.2 mailbox full", "temporary/recipient"},
		{rcpt, "552 too many recipients", "temporary/limit"},
		{rcpt, "452 4.5.3 too many recipients", "temporary/limit"},
		{rcpt, "452 too many", "temporary/limit"},
		{rcpt, "450 4.2.0 greylisted", "temporary/recipient"},
		{rcpt, "450 greylisted", "temporary/recipient"},
		{rcpt, "451 4.7.1 greylisted", "temporary/limit"},
		{rcpt, "451 4.4.1 no route", "temporary/server"},
		{rcpt, "501 5.1.3 bad address", "permanent/recipient"},
		{rcpt, "501 bad address", "permanent/recipient"},
		{data, "451 try later", "temporary/server"},
		{data, "554 no valid recipients", "permanent/content"},
		{content, "550 5.7.1 spam", "permanent/content"},
		{content, "554 rejected", "permanent/content"},
		{content, "552 5.3.4 too big", "permanent/content"},
		{content, "552 too big", "permanent/content"},
		{content, "554 5.6.0 malformed", "permanent/content"},
		{content, "550 5.7.60 SendAsDenied", "permanent/sender"},
		{content, "554 5.2.252 SendAsDenied", "permanent/sender"},
		{content, "550 5.7.26 unauthenticated mail", "permanent/sender"},
		{content, "552 5.2.2 mailbox full", "permanent/recipient"},
		{content, "421 4.7.28 rate", "temporary/limit"},
		{content, "499 odd", "temporary/server"},
		{content, "599 odd", "permanent/content"},
		{content, "550 4.7.1 contradiction", "permanent/content"},
		{content, "250 2.0.0 ok", "accepted"},
		{content, "251 ok", "accepted"},
	} {
		code := int(test.reply[0]-'0')*100 + int(test.reply[1]-'0')*10 + int(test.reply[2]-'0')
		o := classify(test.phase, code, test.reply, false)
		if got := (result{outcomes: []plugin.Outcome{o}}).String(); got != test.want || o.Code != code || o.Inferred || o.Reply != test.reply {
			t.Errorf("%s %q: %s, want %s", test.phase, test.reply, got, test.want)
		}
	}
	// Who is logged in is not refused for want of it.
	if o := classify(rcpt, 550, "550 5.7.1 relaying denied", true); o.Blame != plugin.BlameRecipient {
		t.Errorf("blame %s", o.Blame)
	}
}

func TestEnhancedCode(t *testing.T) {
	t.Parallel()
	for reply, want := range map[string]string{
		"550 5.1.1 no": "5.1.1", "550 5.7.139 no": "5.7.139", "550 5.1.1": "5.1.1", "550 5.1": "", "550 4.1.1 no": "",
		"550 5.1.1000 no": "", "550 5.x.1 no": "", "550 no 5.1.1": "", "550 5.1.1.1 no": "", "550 ": "", "550": "", "550 5..1 no": "",
	} {
		if got := enhancedCode(550, reply); got != want {
			t.Errorf("%q: %q, want %q", reply, got, want)
		}
	}
}

func TestRetryAfter(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]time.Duration{
		"450 4.2.0 Greylisted, try again in 5 minutes":                  5 * time.Minute,
		"451 please retry after 300 seconds":                            300 * time.Second,
		"450 greylisted for 299 seconds":                                299 * time.Second,
		"450 wait 1 hour":                                               time.Hour,
		"450 try again in 10 min":                                       10 * time.Minute,
		"450 try again in 00:04:30":                                     270 * time.Second,
		"450 try again in 99999999 hours":                               24 * time.Hour,
		"450 try again later":                                           0,
		"450 4.7.1 error 12345 m":                                       0,
		"450 we got 5 minutes of fame":                                  0,
		"450 retry " + strings.Repeat("x", 40) + " 5 minutes":           0,
		"421 4.7.0 Try again later, closing connection 5 s-p.12 - gsmt": 5 * time.Second,
	} {
		if got := retryAfter(text); got != want {
			t.Errorf("%q: %v, want %v", text, got, want)
		}
	}
	if o := classify(plugin.PhaseRecipient, 550, "550 try again in 5 minutes", true); o.RetryAfter != 0 {
		t.Error("a permanent refusal has a time to retry")
	}
}

func TestInfer(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		err   error
		blame plugin.Blame
		text  string
	}{
		{os.ErrDeadlineExceeded, plugin.BlameNetwork, "did not answer within 5s"},
		{&net.OpError{Op: "read", Err: os.ErrDeadlineExceeded}, plugin.BlameNetwork, "did not answer within 5s"},
		{io.EOF, plugin.BlameNetwork, "closed the connection"},
		{io.ErrUnexpectedEOF, plugin.BlameNetwork, "closed the connection"},
		{errors.New("reset"), plugin.BlameNetwork, "broke: reset"},
		{protocolError("nonsense"), plugin.BlameServer, "nonsense"},
		{context.Canceled, plugin.BlameNone, "stopped by us"},
		{context.DeadlineExceeded, plugin.BlameNone, "stopped by us"},
		{errClosed, plugin.BlameNone, "configured anew"},
	} {
		o := infer(plugin.PhaseData, test.err, 5*time.Second)
		if o.Class != plugin.Temporary || o.Blame != test.blame || !o.Inferred || !strings.Contains(o.Reply, test.text) {
			t.Errorf("%v: %+v", test.err, o)
		}
	}
}
