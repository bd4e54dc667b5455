package e2e

import (
	"net"
	"os/exec"
	"strings"
	"testing"
)

// PHPMailer and Symfony Mailer by SMTP, for applications that know nothing
// else, as the client whose name and token they give.
func TestPHPBySMTP(t *testing.T) {
	folder := scenario(t)
	need(t, "php")
	p := startProvider(t, folder)
	d := startDaemon(t, folder, "--smtp-listen", "127.0.0.1:0")
	d.configure(p, password)
	ip, port, _ := net.SplitHostPort(d.SMTP)
	run := func(user, token string) result {
		command := exec.Command("php", script(t, folder, "smtp.php"), "Hello", ip, port, user, token)
		as(t, "www-data", command)
		return execute(t, command)
	}
	token := d.token("shop", "send")
	for user, password := range map[string]string{"shop": token + "x", "admin": token} {
		if done := run(user, password); done.code == 0 {
			t.Errorf("%s was let in:\n%s%s", user, done.out, done.err)
		}
	}
	if done := run("shop", token); done.code != 0 {
		t.Errorf("exit %d\n%s%s", done.code, done.out, done.err)
	}
	for _, message := range d.awaitAll(2, sent) {
		if message.GetClient() != "shop" || message.GetSource() != "smtp" {
			t.Errorf("it came in as %v", message)
		}
	}
	subjects := p.subjects()
	for _, subject := range []string{"Hello by PHPMailer", "Hello by Symfony"} {
		if subjects[subject] != 1 {
			t.Errorf("%s arrived %d times", subject, subjects[subject])
		}
	}
	for _, message := range p.Messages(0) {
		if !strings.Contains(string(message.Content), "\r\n.\r\n") {
			t.Errorf("the dot is lost:\n%s", message.Content)
		}
	}
}
