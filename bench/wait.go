package main

import (
	_ "embed"
	"encoding/json"
	"fmt"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"

	postilionv1 "github.com/postilion-mail/postilion/proto/gen/postilion/v1"
)

//go:embed files/send.php
var sendScript string

// phpWay is a way to send from PHP.
type phpWay struct {
	name string
	way  string // of send.php
	line string // sendmail_path
	n    int    // mails
}

// php runs send.php, and gives the milliseconds that the caller of each mail
// waited.
type php struct {
	folder   string
	env      []string
	script   string
	settings string
}

// installPHP writes the script and its settings.
func (b *bench) installPHP(r *receiver, port int, d *daemon) *php {
	p := &php{folder: b.dir(), env: environment()}
	p.script = b.write(filepath.Join(p.folder, "send.php"), sendScript, 0o644)
	settings := map[string]any{
		"port": port, "user": account, "password": password, "text": text(smallSize),
		"ca": b.write(filepath.Join(p.folder, "ca.pem"), r.ca, 0o644),
	}
	if d != nil {
		settings["socket"], settings["token"] = d.httpSocket(), d.token
		p.env = append(p.env, "POSTILION_SOCKET="+d.httpSocket(), "POSTILION_MAILDROP_DIR="+d.path("maildrop"))
	}
	content, err := json.Marshal(settings)
	b.fail(err)
	p.settings = b.write(filepath.Join(p.folder, "settings.json"), string(content), 0o600)
	return p
}

func (b *bench) php(p *php, w phpWay) series {
	command := exec.Command("php", "-d", "sendmail_path="+w.line, p.script, w.way, strconv.Itoa(w.n), p.settings)
	command.Env = p.env
	var times series
	for line := range strings.Lines(b.execute(command)) {
		waited, err := strconv.ParseFloat(strings.TrimSpace(line), 64)
		if err != nil {
			b.failf("%s: PHP says: %s", w.name, line)
		}
		times = append(times, waited)
	}
	if len(times) != w.n {
		b.failf("%s: PHP sent %d of %d", w.name, len(times), w.n)
	}
	return times
}

// callersWait is table b.
func callersWait(b *bench) *table {
	t := &table{
		Title: "b. The caller's wait",
		About: "Milliseconds that a PHP script waits for one mail of 2 KiB, with a provider that is 40 ms away (a proxy that delays each direction by " +
			"20 ms and a new connection by a round trip) and demands STARTTLS and a login. The provider is a server of this suite. Every mail is sent as by " +
			"a web request of its own: no connection is kept in PHP. What hands over to a local queue answers earlier; how soon the mail itself leaves is table c.",
		columns: []string{"from PHP", "median ms (lowest–highest)", "against Postilion JSON"},
	}
	b.scope(func(b *bench) {
		r := b.startReceiver(receiverOptions{login: true, tls: true, chunking: true})
		proxy := b.startProxy(r.port)
		d := b.startDaemon(provider(r, proxy.Port()))
		p := b.installPHP(r, proxy.Port(), d)
		// Postfix gets rid of its mail without TLS: how is not what the caller waits for.
		postfix := b.startPostfix(b.startSink(0).port)
		ways := []phpWay{
			{"PHPMailer, SMTP", "phpmailer", "", b.number(7, 2)},
			{"Symfony Mailer, SMTP", "symfony", "", b.number(7, 2)},
			{"mail() with msmtp", "mail", b.msmtp(p, proxy.Port()), b.number(7, 2)},
			{"mail() with Postfix's sendmail", "mail", "/usr/sbin/sendmail -C " + postfix.path("etc") + " -t -i", b.number(60, 3)},
			{"mail() with postilion-sendmail", "mail", filepath.Join(b.programs, "postilion-sendmail") + " -t -i", b.number(60, 3)},
			{"Postilion, JSON over the Unix socket", "json", "", b.number(200, 3)},
		}
		waits := make([]series, len(ways))
		for range b.repeats() {
			for i, w := range ways {
				w.n++ // the first loads classes
				waits[i] = append(waits[i], b.php(p, w)[1:]...)
			}
		}
		ours := waits[len(ways)-1].median()
		for i, w := range ways {
			t.row(w.name, waits[i].String(), figure(waits[i].median()/ours)+" times")
		}
		t.atLeast("PHPMailer inline against JSON", waits[0].median()/ours, 100, " times")
		t.atMost("postilion-sendmail against Postfix's", waits[4].median()/waits[3].median(), 1, " of it")
		t.atMost("JSON against Postfix's sendmail", ours/waits[3].median(), 1, " of it")
	})
	return t
}

// provider is the connection to a receiver with STARTTLS and a login.
func provider(r *receiver, port int) *postilionv1.Connection {
	secret := password
	return &postilionv1.Connection{Name: "provider", Shared: true, Transport: &postilionv1.Connection_Smtp{Smtp: &postilionv1.SmtpSettings{
		Host: "localhost", Port: uint32(port), Security: postilionv1.Security_SECURITY_STARTTLS,
		CaCertificates: []byte(r.ca), Username: account, Password: &secret,
	}}}
}

// msmtp writes its configuration and gives the command.
func (b *bench) msmtp(p *php, port int) string {
	path := b.write(filepath.Join(p.folder, "msmtprc"), fmt.Sprintf(
		"account default\nhost localhost\nport %d\ntls on\ntls_starttls on\ntls_trust_file %s\nauth plain\nuser %s\npassword %s\nfrom from@example.com\n",
		port, filepath.Join(p.folder, "ca.pem"), account, password), 0o600)
	return "/usr/bin/msmtp -C " + path + " -t -i"
}
