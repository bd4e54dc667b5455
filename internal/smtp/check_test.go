package smtp

import (
	"context"
	"encoding/base64"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/postilion-mail/postilion/internal/smtptest"
	"github.com/postilion-mail/postilion/plugin"
)

// check runs a connection test and gives the stages by their names.
func check(t testing.TB, i *instance, request plugin.CheckRequest) map[string]plugin.Stage {
	t.Helper()
	byName := make(map[string]plugin.Stage)
	for _, stage := range checkAll(t, i, request) {
		if _, twice := byName[stage.Name]; twice {
			t.Errorf("stage %s came twice", stage.Name)
		}
		byName[stage.Name] = stage
	}
	return byName
}

func checkAll(t testing.TB, i *instance, request plugin.CheckRequest) []plugin.Stage {
	t.Helper()
	var all []plugin.Stage
	if err := i.Check(context.Background(), request, func(s plugin.Stage) { all = append(all, s) }); err != nil {
		t.Errorf("check: %v", err)
	}
	return all
}

// A test that ends with the login says nothing of mail.
func TestCheckLogsInOnly(t *testing.T) {
	t.Parallel()
	server := smtptest.Start(t, smtptest.Account("user", testPassword))
	request := plugin.CheckRequest{Sender: "s@a.example", Recipient: "r@b.example", Message: delivery(shortContent), LoginOnly: true}
	all := checkAll(t, against(server).open(t), request)
	if got, want := summary(all), "resolve passed, connect passed, greeting passed, ehlo passed, starttls passed, tls passed, auth passed, quit passed"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
	if server.Count() != 0 {
		t.Error("mail was sent")
	}
}

func summary(stages []plugin.Stage) string {
	var all []string
	for _, s := range stages {
		all = append(all, s.Name+" "+string(s.Status))
	}
	return strings.Join(all, ", ")
}

func TestCheckPasses(t *testing.T) {
	t.Parallel()
	for security, want := range map[smtptest.Security]string{
		smtptest.StartTLS: "resolve passed, connect passed, greeting passed, ehlo passed, starttls passed, tls passed, auth passed, mail passed, rcpt passed, rset passed, content passed, quit passed",
		smtptest.Implicit: "resolve passed, connect passed, tls passed, greeting passed, ehlo passed, starttls skipped, auth passed, mail passed, rcpt passed, rset passed, content passed, quit passed",
	} {
		server := smtptest.Start(t, smtptest.Account("user", testPassword), smtptest.WithSecurity(security))
		i := against(server).with("security", string(security)).open(t)
		request := plugin.CheckRequest{Sender: "s@a.example", Recipient: "r@b.example", Message: delivery(shortContent)}
		all := checkAll(t, i, request)
		if got := summary(all); got != want {
			t.Errorf("%s: %s", security, got)
			for _, s := range all {
				t.Logf("%+v", s)
			}
		}
		byName := check(t, i, plugin.CheckRequest{Sender: "s@a.example"})
		facts := byName["tls"].Facts
		for _, name := range []string{"tls_version", "cipher", "certificate_names", "certificate_issuer", "certificate_expires", "certificate_expires_days", "certificate_pin", "certificate_chain", "certificate_revocation"} {
			if facts[name] == "" {
				t.Errorf("fact %s is missing", name)
			}
		}
		if byName["auth"].Facts["mechanism"] != "SCRAM-SHA-256" || !strings.HasPrefix(byName["auth"].Server, "235") {
			t.Errorf("auth %+v", byName["auth"])
		}
		if byName["connect"].Facts["remote_address"] != server.Address() || byName["resolve"].Facts["addresses"] != "127.0.0.1" {
			t.Errorf("connect %+v", byName["connect"])
		}
		if !strings.Contains(byName["ehlo"].Facts["extensions"], "PIPELINING") || !strings.HasPrefix(byName["greeting"].Server, "220 smtptest.example") {
			t.Errorf("ehlo %+v, greeting %+v", byName["ehlo"], byName["greeting"])
		}
		if m := server.Messages(1); len(m) != 1 || m[0].To[0] != "r@b.example" {
			t.Errorf("messages %+v", m)
		}
	}
}

func TestCheckFails(t *testing.T) {
	t.Parallel()
	const begin = "resolve passed, connect passed, greeting passed, ehlo passed, starttls skipped, tls skipped, "
	for _, test := range []struct {
		rule    smtptest.Rule
		request plugin.CheckRequest
		want    string
	}{
		{smtptest.Rule{On: "CONNECT", Do: smtptest.Reply("554 go away")}, plugin.CheckRequest{},
			"resolve passed, connect passed, greeting failed, ehlo skipped, starttls skipped, tls skipped, auth skipped, mail skipped, rcpt skipped, rset skipped, quit passed"},
		{smtptest.Rule{On: "MAIL", Do: smtptest.Reply("550 no")}, plugin.CheckRequest{Message: delivery(shortContent)}, begin + "auth skipped, mail failed, rcpt skipped, rset passed, content skipped, quit passed"},
		{smtptest.Rule{On: "RCPT", Do: smtptest.Reply("550 no")}, plugin.CheckRequest{Sender: "a@b.example"}, begin + "auth skipped, mail passed, rcpt failed, rset passed, quit passed"},
		{smtptest.Rule{On: "NOTHING"}, plugin.CheckRequest{}, begin + "auth skipped, mail passed, rcpt skipped, rset passed, quit passed"},
		{smtptest.Rule{On: "NOTHING"}, plugin.CheckRequest{Sender: "\u00fc@a.example", Recipient: "b@b.example"}, begin + "auth skipped, mail skipped, rcpt skipped, rset passed, quit passed"},
		{smtptest.Rule{On: "NOTHING"}, plugin.CheckRequest{Sender: "a b@a.example"}, begin + "auth skipped, mail failed, rcpt skipped, rset passed, quit passed"},
		{smtptest.Rule{On: "MAIL", Do: smtptest.Close()}, plugin.CheckRequest{}, begin + "auth skipped, mail failed, rcpt skipped, rset skipped, quit skipped"},
		{smtptest.Rule{On: "CONTENT", Do: smtptest.Reply("550 spam")}, plugin.CheckRequest{Sender: "a@b.example", Recipient: "c@d.example", Message: delivery(shortContent)},
			begin + "auth skipped, mail passed, rcpt passed, rset passed, content failed, quit passed"},
	} {
		server := smtptest.StartScripted(t, smtptest.Script{Capabilities: everything(), Rules: []smtptest.Rule{test.rule}})
		all := checkAll(t, plainly(server).open(t), test.request)
		if got := summary(all); got != test.want {
			t.Errorf("%s:\n%s\nwant\n%s", test.rule.On, got, test.want)
		}
		for _, s := range all {
			if (s.Status == plugin.StageFailed) != (s.Outcome != nil) || s.Status == plugin.StageSkipped && s.Detail == "" {
				t.Errorf("stage %+v", s)
			}
		}
		n := slices.IndexFunc(all, func(s plugin.Stage) bool { return s.Status == plugin.StageFailed })
		if n >= 0 && test.rule.Do != nil && all[n].Outcome.Code > 0 && all[n].Server != all[n].Outcome.Reply {
			t.Errorf("server's words %q", all[n].Server)
		}
	}
}

// A server that hangs holds a test up for 10 s a stage, and 30 s in all.
func TestCheckIsBounded(t *testing.T) {
	t.Parallel()
	for event, stage := range map[string]string{"CONNECT": "greeting", "EHLO": "ehlo", "MAIL": "mail"} {
		synctest.Test(t, func(t *testing.T) {
			server := smtptest.PipeScripted(t, smtptest.Script{Rules: []smtptest.Rule{{On: event, Do: smtptest.Silence()}}})
			begin := time.Now()
			s := check(t, piped(server).open(t), plugin.CheckRequest{})[stage]
			if took := time.Since(begin); took != checkStage || s.Status != plugin.StageFailed || s.Duration != checkStage || !strings.Contains(s.Detail, "did not answer within 10s") {
				t.Errorf("%s: took %v: %+v", event, took, s)
			}
		})
	}
	synctest.Test(t, func(t *testing.T) {
		slow := smtptest.Drip("250 2.0.0 well\r\n", 500*time.Millisecond)
		server := smtptest.PipeScripted(t, smtptest.Script{Rules: []smtptest.Rule{{On: "", Do: slow}}})
		begin := time.Now()
		i := piped(server).open(t)
		check(t, i, plugin.CheckRequest{Sender: "a@b.example"})
		if took := time.Since(begin); took > checkTotal {
			t.Errorf("took %v", took)
		}
		server.Stop()
	})
}

// Secrets stand in no stage, outcome or transcript, even if the server says
// them.
func TestSecretsAreRedacted(t *testing.T) {
	t.Parallel()
	encoded := base64.StdEncoding.EncodeToString([]byte("\x00user\x00" + testPassword))
	server := smtptest.StartScripted(t, smtptest.Script{
		Capabilities: []string{"AUTH PLAIN"},
		Rules:        []smtptest.Rule{{On: "AUTH", Do: smtptest.Reply("535 5.7.8 I do not like " + encoded + " which is " + testPassword)}},
	})
	s := plainly(server).with("username", "user")
	s.secrets = map[string]string{"password": testPassword}
	var all strings.Builder
	s.options.Transcript = func(l Line) { all.WriteString(l.Text + "\n") }
	i := s.open(t)
	r := send(t, i, delivery(shortContent, "a@b.example"))
	r.expect(t, "permanent/auth")
	all.WriteString(r.outcomes[0].Reply + r.err.Error())
	for _, stage := range checkAll(t, i, plugin.CheckRequest{}) {
		all.WriteString(stage.Server + stage.Detail)
		if stage.Outcome != nil {
			all.WriteString(stage.Outcome.Reply)
		}
	}
	if text := all.String(); strings.Contains(text, testPassword) || strings.Contains(text, encoded) || !strings.Contains(text, "[redacted] which is [redacted]") || !strings.Contains(text, "EHLO client.example") {
		t.Errorf("text %s", text)
	}
}
