package e2e

import (
	"encoding/json"
	"net"
	"os/exec"
	"strings"
	"testing"

	"github.com/postilion-mail/postilion/internal/daemontest"
	"github.com/postilion-mail/postilion/internal/smtptest"
	postilionv1 "github.com/postilion-mail/postilion/proto/gen/postilion/v1"
)

// A wrong password pauses the connection with an alarm and bounces nothing; the
// right one lets everything go.
func TestWrongPassword(t *testing.T) {
	folder := scenario(t)
	p := startProvider(t, folder)
	d := startDaemon(t, folder)
	d.configure(p, "wrong-"+password)
	for _, subject := range []string{"one", "two", "three"} {
		d.send(subject)
	}
	await(t, "the connection is paused", func() bool { return d.connection("provider").GetStatus().GetPaused() })
	await(t, "all messages wait", func() bool { return len(d.messages("--state", "deferred")) == 3 })
	status := d.connection("provider").GetStatus()
	if len(status.GetAlarms()) == 0 || status.GetPausedUntil() == nil || status.GetOutcome().GetBlame() != postilionv1.Blame_BLAME_AUTH ||
		status.GetOutcome().GetCode() != 535 || status.GetDiagnosis().GetTitle() == "" || status.GetWaiting() != 3 {
		t.Errorf("the connection's state: %v", status)
	}
	table := d.cli("", "connections", "list")
	for _, part := range []string{"paused for", "535", "alarm: "} {
		if !strings.Contains(table, part) {
			t.Errorf("%q is not in\n%s", part, table)
		}
	}
	if p.Count() != 0 {
		t.Error("a message got through")
	}
	if done := d.try("", "test", "provider"); done.code != 1 || !strings.Contains(done.out, "✗ auth") {
		t.Errorf("the test: exit %d\n%s%s", done.code, done.out, done.err)
	}

	d.configure(p, password)
	d.awaitAll(3, sent)
	if status := d.connection("provider").GetStatus(); status.GetPaused() || len(status.GetAlarms()) > 0 {
		t.Errorf("it is still %v", status)
	}
	if events := d.cli("", "messages", "events", "--type", "failed,expired"); events != "" {
		t.Errorf("bounced:\n%s", events)
	}
}

// token makes a client and gives its token.
func (d *daemon) token(name, scopes string) string {
	d.T.Helper()
	made := &postilionv1.CreateClientResponse{}
	parse(d.T, d.cli("", "clients", "create", name, "--scope", scopes, "--json"), made)
	if made.GetToken() == "" {
		d.T.Fatal("no token")
	}
	return made.GetToken()
}

// client runs `postilion ARGS` as the client with a token, over TCP.
func (d *daemon) client(token, stdin string, args ...string) result {
	d.T.Helper()
	command := exec.Command(programs+"/postilion", args...)
	command.Env = daemontest.Environment("POSTILION_ADDRESS="+d.GRPC, "POSTILION_TOKEN="+token)
	command.Stdin = strings.NewReader(stdin)
	return execute(d.T, command)
}

// A client that may configure cannot lead the stored password to a host of its
// choice.
func TestSecretStaysWithItsHost(t *testing.T) {
	folder := scenario(t)
	p := startProvider(t, folder)
	thief := smtptest.Start(t, smtptest.Account(account, "anything"), func(c *smtptest.Config) { c.PlainAuth = true })
	thiefHost, thiefPort, _ := net.SplitHostPort(thief.Address())
	d := startDaemon(t, folder, "--allow-destinations", "127.0.0.0/8")
	token := d.token("blog", "send,read,configure")
	args := append([]string{"configure", "mine", "--password-file", "-"}, p.flags()...)
	if done := d.client(token, password, args...); done.code != 0 {
		t.Fatalf("exit %d\n%s%s", done.code, done.out, done.err)
	}
	if done := d.client(token, "", "test", "mine"); done.code != 0 {
		t.Fatalf("exit %d\n%s%s", done.code, done.out, done.err)
	}
	before := d.client(token, "", "connections", "show", "mine", "--json")

	done := d.client(token, "", "configure", "mine", "--host", thiefHost, "--port", thiefPort)
	if done.code != 65 || !strings.Contains(done.err, "again") {
		t.Errorf("exit %d\n%s%s", done.code, done.out, done.err)
	}
	for _, body := range []string{
		`{"connection": {"name": "mine", "smtp": {"host": "` + thiefHost + `"}}, "updateMask": "smtp.host"}`,
		`{"connection": {"name": "mine", "smtp": {"port": ` + thiefPort + `}}, "updateMask": "smtp.port"}`,
		`{"connection": {"name": "mine", "smtp": {"security": "SECURITY_NONE"}}, "updateMask": "smtp.security"}`,
	} {
		status, answer := d.curl("Configure", body, "Authorization: Bearer "+token)
		if status != "400" || errorOf(t, answer).Details[0].Debug.Reason != "secret_required" {
			t.Errorf("%s: %s %s", body, status, answer)
		}
	}
	// Nor by a draft that is only tested.
	status, answer := d.curl("TestConnection", `{"draft": {"name": "mine", "smtp": {"host": "`+thiefHost+`", "port": `+thiefPort+`, "username": "x"}}}`,
		"Authorization: Bearer "+token)
	if status != "400" || errorOf(t, answer).Details[0].Debug.Reason != "secret_required" {
		t.Errorf("%s %s", status, answer)
	}
	if after := d.client(token, "", "connections", "show", "mine", "--json"); after.out != before.out {
		t.Errorf("the connection is another:\n%s%s", before.out, after.out)
	}
	if thief.Sessions() != 0 {
		t.Error("the other host was reached")
	}
}

// curl calls a method of MailerService over TCP by curl, with further header
// lines.
func (d *daemon) curl(method, body string, headers ...string) (status, answer string) {
	d.T.Helper()
	args := []string{"--silent", "--show-error", "--max-time", "60", "--write-out", "\n%{http_code}", "-H", "Content-Type: application/json"}
	for _, header := range headers {
		args = append(args, "-H", header)
	}
	done := execute(d.T, exec.Command("curl", append(args, "-d", body, "http://"+d.HTTP+"/postilion.v1.MailerService/"+method)...))
	if done.code != 0 {
		d.T.Fatalf("curl: exit %d: %s", done.code, done.err)
	}
	at := strings.LastIndexByte(done.out, '\n')
	return done.out[at+1:], done.out[:at]
}

// jsonError is an error of the Connect protocol.
type jsonError struct {
	Code, Message string
	Details       []struct {
		Type  string
		Debug struct{ Reason, Remedy string }
	}
}

func errorOf(t testing.TB, answer string) jsonError {
	t.Helper()
	var e jsonError
	if err := json.Unmarshal([]byte(answer), &e); err != nil || len(e.Details) == 0 {
		t.Fatalf("%v, without details: %s", err, answer)
	}
	return e
}

// What curl gets that has no token, a wrong one, or one that may only send.
func TestTokens(t *testing.T) {
	folder := scenario(t)
	need(t, "curl")
	d := startDaemon(t, folder)
	token := d.token("shop", "send")
	configure := `{"connection": {"name": "mine", "smtp": {"host": "smtp.example.com"}}}`
	for _, c := range []struct{ about, method, body, header, status, code string }{
		{"no token", "Send", letter("x"), "X-Nothing: 1", "401", "unauthenticated"},
		{"a wrong token", "Send", letter("x"), "Authorization: Bearer " + token + "x", "401", "unauthenticated"},
		{"a token that is no bearer's", "Send", letter("x"), "Authorization: Basic " + token, "401", "unauthenticated"},
		{"a token for sending on Configure", "Configure", configure, "Authorization: Bearer " + token, "403", "permission_denied"},
		{"a misspelt field", "Send", `{"mesage": {}}`, "Authorization: Bearer " + token, "400", "invalid_argument"},
	} {
		status, answer := d.curl(c.method, c.body, c.header)
		var e jsonError
		if err := json.Unmarshal([]byte(answer), &e); err != nil || status != c.status || e.Code != c.code || e.Message == "" {
			t.Errorf("%s: %s %s (%v)", c.about, status, answer, err)
		}
		if strings.Contains(answer, token) {
			t.Errorf("%s: the answer shows the token: %s", c.about, answer)
		}
	}
	if done := d.client(token, "", "configure", "mine", "--host", "smtp.example.com"); done.code != 77 {
		t.Errorf("exit %d\n%s", done.code, done.err)
	}
	if n := len(d.messages()); n != 0 {
		t.Errorf("%d messages were queued", n)
	}
	if status, answer := d.curl("Send", letter("x"), "Authorization: Bearer "+token); status != "200" {
		t.Errorf("%s %s", status, answer)
	}
	if n := len(d.messages()); n != 1 {
		t.Errorf("%d messages are there", n)
	}
}
