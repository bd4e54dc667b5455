package e2e

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"text/template"
	"time"

	"github.com/postilion-mail/postilion/internal/daemontest"
	"github.com/postilion-mail/postilion/internal/smtptest"
)

// The account at the mail server.
const (
	account  = "shop@provider.example"
	password = "correct-horse-battery-staple"
)

// postfix is a private Postfix with Dovecot for its logins. It demands STARTTLS
// and a login, and puts what it takes for example.net and old.example into one
// maildir.
type postfix struct {
	t testing.TB

	Folder string
	Host   string
	User   string // account
	Secret string
	UID    uint32 // of the maildir's owner
	GID    uint32

	port    string // offers everything
	oldPort string // offers neither 8BITMIME nor SMTPUTF8
	ca      string // file
	seen    map[string]*stored
}

// startPostfix starts both servers and stops them with the test.
func startPostfix(t testing.TB, folder string) *postfix {
	t.Helper()
	need(t, "dovecot", "postconf")
	const master = "/usr/lib/postfix/sbin/master"
	needFile(t, master, "/usr/lib/postfix/sbin/virtual")
	p := &postfix{
		t: t, Folder: folder, Host: host(), User: account, Secret: password,
		port: "2525", oldPort: "2526", seen: make(map[string]*stored),
	}
	p.UID, p.GID = identity(t, "nobody")
	p.prepare()

	p.run(exec.Command("dovecot", "-F", "-c", filepath.Join(folder, "dovecot.conf")))
	await(t, "Dovecot listens", func() bool {
		_, err := os.Stat(filepath.Join(folder, "dovecot", "sasl"))
		return err == nil
	})
	server := exec.Command(master, "-c", filepath.Join(folder, "etc"), "-d")
	server.Env = append(os.Environ(), "MAIL_CONFIG="+filepath.Join(folder, "etc"))
	p.run(server)
	await(t, "Postfix listens", func() bool { return listens(p.Host+":"+p.port) && listens(p.Host+":"+p.oldPort) })
	return p
}

// prepare makes the folders as the servers demand them, and their settings.
func (p *postfix) prepare() {
	uid, gid := identity(p.t, "postfix")
	for _, made := range []struct {
		name     string
		mode     os.FileMode
		uid, gid int
	}{
		{"etc", 0o755, 0, 0}, {"dovecot", 0o755, 0, 0}, {"mail", 0o711, int(p.UID), int(p.GID)}, {"data", 0o700, int(uid), int(gid)},
		{"queue", 0o755, 0, 0}, {"queue/pid", 0o755, 0, 0}, {"queue/public", 0o710, int(uid), int(gid)}, {"queue/private", 0o700, int(uid), int(gid)},
		{"queue/incoming", 0o700, int(uid), int(gid)}, {"queue/active", 0o700, int(uid), int(gid)}, {"queue/deferred", 0o700, int(uid), int(gid)},
		{"queue/defer", 0o700, int(uid), int(gid)}, {"queue/bounce", 0o700, int(uid), int(gid)}, {"queue/corrupt", 0o700, int(uid), int(gid)},
		{"queue/hold", 0o700, int(uid), int(gid)}, {"queue/flush", 0o700, int(uid), int(gid)}, {"queue/trace", 0o700, int(uid), int(gid)},
		{"queue/saved", 0o700, int(uid), int(gid)},
	} {
		path := filepath.Join(p.Folder, made.name)
		if err := os.Mkdir(path, made.mode); err != nil {
			p.t.Fatal(err)
		}
		if err := os.Chown(path, made.uid, made.gid); err != nil {
			p.t.Fatal(err)
		}
	}
	p.certify()
	for _, name := range []string{"main.cf", "master.cf", "dovecot.conf", "users"} {
		parsed, err := template.ParseFiles(filepath.Join("testdata", name))
		if err != nil {
			p.t.Fatal(err)
		}
		var text strings.Builder
		if err := parsed.Execute(&text, p); err != nil {
			p.t.Fatal(err)
		}
		target := name
		if filepath.Ext(name) == ".cf" {
			target = filepath.Join("etc", name)
		}
		write(p.t, filepath.Join(p.Folder, target), text.String(), 0o644)
	}
}

// certify makes an authority and the server's certificate.
func (p *postfix) certify() {
	ca, err := smtptest.NewCA()
	if err != nil {
		p.t.Fatal(err)
	}
	certificate, err := ca.Issue(smtptest.Issue{Names: []string{p.Host}})
	if err != nil {
		p.t.Fatal(err)
	}
	chain, key, err := smtptest.CertificatePEM(certificate)
	if err != nil {
		p.t.Fatal(err)
	}
	p.ca = write(p.t, filepath.Join(p.Folder, "ca.pem"), ca.PEM(), 0o644)
	write(p.t, filepath.Join(p.Folder, "etc", "chain.pem"), key+chain, 0o600)
}

// run runs a server as a process group of its own until the test ends.
func (p *postfix) run(command *exec.Cmd) {
	p.t.Helper()
	var log daemontest.Output
	command.Stdout, command.Stderr = &log, &log
	command.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	command.WaitDelay = time.Second // its children may hold the pipe
	if err := command.Start(); err != nil {
		p.t.Fatal(err)
	}
	p.t.Cleanup(func() {
		if p.t.Failed() {
			content, _ := os.ReadFile(filepath.Join(p.Folder, "log"))
			p.t.Logf("%s:\n%s%s", command.Path, &log, content)
		}
		late := time.AfterFunc(patience, func() { _ = syscall.Kill(-command.Process.Pid, syscall.SIGKILL) })
		defer late.Stop()
		_ = command.Process.Signal(syscall.SIGTERM)
		_ = command.Wait() // told to end, they end with the signal
		_ = syscall.Kill(-command.Process.Pid, syscall.SIGKILL)
	})
}

// configure makes connections to both ports; what goes to old.example alone
// takes the poor one.
func (p *postfix) configure(d *daemon) {
	for name, port := range map[string]string{"modern": p.port, "old": p.oldPort} {
		d.cli(password, "configure", name, "--host", p.Host, "--port", port, "--ca-file", p.ca, "--username", account,
			"--password-file", "-", "--from", "default@shop.example", "--from-name", "The Shop", "--shared")
	}
	d.cli("", "connections", "default", "modern")
	d.cli("routes:\n- recipientDomains: [old.example]\n  connection: old\n", "routes", "set", "--file", "-")
}
