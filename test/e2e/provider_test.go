package e2e

import (
	"bytes"
	"context"
	"io"
	"net"
	"net/http"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/postilion-mail/postilion/internal/smtptest"
	postilionv1 "github.com/postilion-mail/postilion/proto/gen/postilion/v1"
)

const (
	deferred = postilionv1.MessageState_MESSAGE_STATE_DEFERRED
	sent     = postilionv1.MessageState_MESSAGE_STATE_SENT
)

// provider is a mail server that demands STARTTLS and a login. It has an
// address of its own, so that it can be stopped and started again.
type provider struct {
	*smtptest.Server
	ca string // file
}

func startProvider(t testing.TB, folder string, options ...smtptest.Option) *provider {
	t.Helper()
	ca, err := smtptest.NewCA()
	if err != nil {
		t.Fatal(err)
	}
	ip := host()
	certificate, err := ca.Issue(smtptest.Issue{Names: []string{ip}})
	if err != nil {
		t.Fatal(err)
	}
	server := smtptest.Start(t, append([]smtptest.Option{smtptest.Account(account, password), func(c *smtptest.Config) {
		c.Address, c.CA, c.Certificate = ip+":2525", ca, &certificate
	}}, options...)...)
	return &provider{server, write(t, filepath.Join(folder, "ca.pem"), ca.PEM(), 0o644)}
}

// flags are those of `postilion configure`, without the password.
func (p *provider) flags() []string {
	ip, port, _ := net.SplitHostPort(p.Address())
	return []string{"--host", ip, "--port", port, "--ca-file", p.ca, "--username", account, "--from", "default@shop.example"}
}

// configure makes the connection "provider", or changes it.
func (d *daemon) configure(p *provider, secret string, more ...string) {
	d.T.Helper()
	args := append([]string{"configure", "provider", "--password-file", "-", "--shared"}, p.flags()...)
	d.cli(secret, append(args, more...)...)
}

// post calls a method by JSON over the Unix socket and gives HTTP status and
// answer.
func (d *daemon) post(method, body string) (int, string) {
	d.T.Helper()
	client := &http.Client{Timeout: patience, Transport: &http.Transport{
		DisableKeepAlives: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "unix", d.HTTPSocket())
		},
	}}
	answer, err := client.Post("http://postilion/postilion.v1."+method, "application/json", strings.NewReader(body))
	if err != nil {
		d.T.Fatal(err)
	}
	defer answer.Body.Close()
	content, err := io.ReadAll(answer.Body)
	if err != nil {
		d.T.Fatal(err)
	}
	return answer.StatusCode, string(content)
}

// send sends a letter with a subject by JSON, for nobody in particular.
func (d *daemon) send(subject string) {
	d.T.Helper()
	status, answer := d.post("MailerService/Send", letter(subject))
	if status != http.StatusOK {
		d.T.Fatalf("%d: %s", status, answer)
	}
}

func letter(subject string) string {
	return `{"message": {"from": {"address": "from@shop.example"}, "to": [{"address": "to@example.net"}], "subject": "` + subject + `", "text": "A text."}}`
}

// mailByPHP calls mail() as www-data and tells whether it returned true.
func (d *daemon) mailByPHP(subject string) bool {
	d.T.Helper()
	program, env := d.sendmail()
	command := exec.Command("php", "-d", "sendmail_path="+program+" -t -i", script(d.T, d.Folder, "mail.php"), subject, "example.net")
	command.Env = env
	as(d.T, "www-data", command)
	done := execute(d.T, command)
	if done.code > 1 {
		d.T.Fatalf("php: exit %d\n%s%s", done.code, done.out, done.err)
	}
	return done.code == 0
}

// subjects tells how often each subject arrived.
func (p *provider) subjects() map[string]int {
	count := make(map[string]int)
	for _, message := range p.Messages(0) {
		count[subjectOf(message.Content)]++
	}
	return count
}

func subjectOf(content []byte) string {
	header, _, _ := bytes.Cut(content, []byte("\r\n\r\n"))
	for line := range strings.SplitSeq(string(header), "\r\n") {
		if subject, found := strings.CutPrefix(line, "Subject: "); found {
			return subject
		}
	}
	return ""
}

// The provider is down: mail waits and says why and how long; when he is back,
// it goes out.
func TestProviderDown(t *testing.T) {
	folder := scenario(t)
	need(t, "php")
	p := startProvider(t, folder)
	d := startDaemon(t, folder)
	d.configure(p, password)
	d.send("before")
	d.awaitAll(1, sent)
	p.Stop()

	d.send("json")
	if !d.mailByPHP("php") {
		t.Error("mail() failed")
	}
	d.cli("", "send", "--to", "to@example.net", "--subject", "command", "--text", "A text.")
	var waiting []*postilionv1.StoredMessage
	await(t, "three messages wait", func() bool {
		waiting = d.messages("--state", "deferred")
		return len(waiting) == 3
	})
	for _, message := range waiting {
		r := message.GetRecipients()[0]
		if r.GetNextAttempt() == nil || r.GetOutcome().GetPhase() != "connect" || !strings.Contains(r.GetOutcome().GetReply(), "refused") {
			t.Errorf("it is not told why and until when: %v", r)
		}
	}
	await(t, "the table tells why and until when", func() bool {
		table := d.cli("", "messages", "list", "--state", "deferred")
		return strings.Count(table, "deferred ") == 3 && strings.Count(table, "connection refused") == 3 && strings.Count(table, "next attempt in ") == 3
	})
	if c := d.connection("provider"); c.GetStatus().GetOutcome().GetPhase() != "connect" {
		t.Errorf("the connection does not tell: %v", c.GetStatus())
	}

	if err := p.Restart(); err != nil {
		t.Fatal(err)
	}
	d.cli("", "configure", "provider", "--retry", "1s") // which also ends a pause
	d.awaitAll(4, sent)
	for _, subject := range []string{"before", "json", "php", "command"} {
		if n := p.subjects()[subject]; n != 1 {
			t.Errorf("%s arrived %d times", subject, n)
		}
	}
}

// startBusy gives a provider that refuses all recipients for now, until the
// channel is closed.
func startBusy(t testing.TB, folder string) (*provider, chan struct{}) {
	t.Helper()
	busy := make(chan struct{})
	return startProvider(t, folder, func(c *smtptest.Config) {
		c.Recipient = func(string) error {
			select {
			case <-busy:
				return nil
			default:
				return smtptest.Refuse(450, [3]int{4, 2, 1}, "mailbox busy")
			}
		}
	}), busy
}

// awaitAttempts waits until the only message is deferred after so many
// attempts.
func (d *daemon) awaitAttempts(n int32) *postilionv1.StoredMessage {
	d.T.Helper()
	var waiting *postilionv1.StoredMessage
	await(d.T, "the attempts have failed", func() bool {
		list := d.messages("--state", "deferred")
		if len(list) != 1 || list[0].GetRecipients()[0].GetAttempts() < n {
			return false
		}
		waiting = list[0]
		return true
	})
	if o := waiting.GetRecipients()[0].GetOutcome(); o.GetCode() != 450 || o.GetEnhancedCode() != "4.2.1" || !strings.Contains(o.GetReply(), "mailbox busy") {
		d.T.Errorf("the server's words are lost: %v", o)
	}
	return waiting
}

// The schedule alone brings the mail out, without anybody's help.
func TestScheduleRetries(t *testing.T) {
	folder := scenario(t)
	p, busy := startBusy(t, folder)
	d := startDaemon(t, folder)
	d.configure(p, password, "--retry", "1s")
	d.send("later")
	d.awaitAttempts(2)
	close(busy)
	d.awaitAll(1, sent)
}

// A person need not wait for the schedule.
func TestResend(t *testing.T) {
	folder := scenario(t)
	p, busy := startBusy(t, folder)
	d := startDaemon(t, folder)
	d.configure(p, password, "--retry", "5h")
	d.send("now")
	waiting := d.awaitAttempts(1)
	close(busy)
	d.cli("", "messages", "resend", waiting.GetId())
	d.awaitAll(1, sent)
}

// The daemon is down: PHP's mail() succeeds as an ordinary user, and the mail
// goes out once after the start.
func TestDaemonDown(t *testing.T) {
	folder := scenario(t)
	need(t, "php")
	p := startProvider(t, folder)
	d := startDaemon(t, folder)
	d.configure(p, password)
	d.Stop()

	for _, subject := range []string{"first", "second"} {
		if !d.mailByPHP(subject) {
			t.Fatal("mail() failed")
		}
	}
	if n := p.Count(); n != 0 {
		t.Fatalf("%d messages arrived already", n)
	}
	d.Start()
	list := d.awaitAll(2, sent)
	d.Stop()
	d.Start()
	d.send("third")
	d.awaitAll(3, sent)
	for _, subject := range []string{"first", "second", "third"} {
		if n := p.subjects()[subject]; n != 1 {
			t.Errorf("%s arrived %d times", subject, n)
		}
	}
	for _, message := range list {
		if message.GetSource() != "maildrop" || message.GetClient() != "local" || len(message.GetRecipients()) != 3 {
			t.Errorf("it came in as %v", message)
		}
	}
	left, err := filepath.Glob(d.Path("maildrop", "*"))
	if err != nil || len(left) > 0 && (len(left) > 1 || filepath.Base(left[0]) != "bad") {
		t.Errorf("left in the maildrop: %v, %v", left, err)
	}
}
