package e2e

import (
	"encoding/base64"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/postilion-mail/postilion/internal/smtptest"
)

// canaries are secrets by what they are. None may turn up where it does not
// belong.
type canaries map[string]string

// check looks for the canaries in a text, as they are and in base64 at each
// alignment, which is how they go over the wire.
func (c canaries) check(t testing.TB, where, text string) {
	t.Helper()
	for what, canary := range c {
		forms := []string{canary}
		for shift := range 3 {
			encoded := base64.StdEncoding.EncodeToString([]byte(strings.Repeat("x", shift) + canary))
			forms = append(forms, encoded[4:len(encoded)-4]) // whatever stands before and behind
		}
		for _, form := range forms {
			if at := strings.Index(text, form); at >= 0 {
				t.Errorf("%s is in %s: %.200q", what, where, text[max(0, at-60):])
				break
			}
		}
	}
}

// A whole scenario at debug level, with good and bad fortune: no secret turns up
// in logs, metrics, answers or, once the mail is delivered, in any file.
func TestCanaries(t *testing.T) {
	folder := scenario(t)
	p := startProvider(t, folder, smtptest.Account(account, "canary-password-right-8c1f"), func(c *smtptest.Config) {
		c.Recipient = func(address string) error {
			if strings.HasPrefix(address, "refused@") {
				return smtptest.Refuse(550, [3]int{5, 1, 1}, "no such user")
			}
			return nil
		}
	})
	metrics := host() + ":9190"
	d := startDaemon(t, folder, "--log-level", "debug", "--metrics-listen", metrics)
	c := canaries{
		"the password":       "canary-password-right-8c1f",
		"the wrong password": "canary-password-wrong-77ab",
		"the text":           "canary-reset-link-5e0b2d",
		"the attachment":     "canary-attachment-91cd34",
	}
	c["a client's token"] = d.token("shop", "send,read,configure")
	c["the admin's token"] = strings.TrimSpace(read(t, d.Path("data", "admin.token")))
	c["a made-up token"] = "canary-token-made-up-42fe"

	// What people read.
	said := make(map[string]string)
	note := func(where string, done result) { said[where] = done.out + done.err }
	configure := append([]string{"configure", "provider", "--password-file", "-", "--shared"}, p.flags()...)
	note("configure", d.try(c["the wrong password"], configure...))
	note("the test with the wrong password", d.try("", "test", "provider"))
	_, said["Send"] = d.post("MailerService/Send", strings.ReplaceAll(letter("waits"), "A text.", "Click https://shop.example/"+c["the text"]))
	await(t, "the connection is paused", func() bool { return d.connection("provider").GetStatus().GetPaused() })
	note("connections", d.try("", "connections", "list"))
	note("a connection", d.try("", "connections", "show", "provider", "--json"))
	note("configure again", d.try(c["the password"], configure...))
	note("the test", d.try("", "test", "provider", "--send-to", "test@example.net"))
	attached := write(t, filepath.Join(t.TempDir(), "secret.txt"), c["the attachment"], 0o600)
	for _, to := range []string{"to@example.net", "refused@example.net"} {
		note("send to "+to, d.try("", "send", "--from", "from@shop.example", "--to", to, "--subject", "A letter",
			"--text", c["the text"], "--attach", attached, "--wait", "50s"))
	}
	note("a wrong token", d.client(c["a made-up token"], "", "messages", "list"))
	note("a client's misuse", d.client(c["a client's token"], "", "configure", "mine", "--host", "127.0.0.1", "--username", "x"))
	for about, body := range map[string]string{
		"malformed JSON":      `{"connection": {"smtp": {"password": "` + c["the password"] + `", `,
		"an unknown field":    `{"connection": {"smtp": {"password": "` + c["the password"] + `", "passwort": "x"}}}`,
		"a value of one type": `{"connection": {"smtp": {"port": "` + c["the password"] + `"}}}`,
	} {
		if status, answer := d.post("MailerService/Configure", body); status == http.StatusOK {
			t.Errorf("%s was taken: %s", about, answer)
		}
	}
	if _, err := p.Wait(t.Context(), 3); err != nil {
		t.Fatal(err)
	}
	await(t, "nothing waits", func() bool { return len(d.messages("--state", "queued,sending,deferred")) == 0 })
	note("messages", d.try("", "messages", "list", "--json"))
	note("events", d.try("", "messages", "events", "--json"))
	note("doctor", d.try("", "doctor", "--no-test"))
	note("clients", d.try("", "clients", "list", "--json"))
	said["the metrics"] = get(t, "http://"+metrics+"/metrics")
	d.Stop()
	said["the log"] = d.Log.String()
	if !strings.Contains(said["the log"], `"level":"DEBUG"`) {
		t.Error("the log is not at debug level")
	}
	for where, text := range said {
		c.check(t, where, text)
	}
	delete(c, "the admin's token") // stands in admin.token
	err := filepath.WalkDir(d.Path("data"), func(path string, entry fs.DirEntry, err error) error {
		if err != nil || !entry.Type().IsRegular() {
			return err
		}
		content, err := os.ReadFile(path)
		c.check(t, path, string(content))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}
