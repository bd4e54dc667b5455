package main

import (
	_ "embed"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
)

//go:embed files/master.cf
var postfixServices string

// postfix is a private Postfix.
type postfix struct {
	folder string
	port   int // of its smtpd
}

// startPostfix starts a Postfix whose settings are the defaults but for those
// that put it into a folder and make it a relay to a port of this machine. It
// has no syslog, which spares it some work.
func (b *bench) startPostfix(relay int, settings ...string) *postfix {
	p := &postfix{folder: b.dir(), port: b.freePort()}
	b.postfixFolders(p)
	main := append([]string{
		"compatibility_level = 3.6",
		"queue_directory = " + p.path("queue"), "data_directory = " + p.path("data"),
		"command_directory = /usr/sbin", "daemon_directory = /usr/lib/postfix/sbin",
		"shlib_directory = /usr/lib/postfix", "meta_directory = /etc/postfix",
		"myhostname = relay.example.com", "mydestination =", "mynetworks = 127.0.0.0/8",
		"inet_interfaces = 127.0.0.1", "inet_protocols = ipv4", "smtpd_peername_lookup = no",
		"alias_maps =", "alias_database =", "local_recipient_maps =",
		fmt.Sprintf("relayhost = [127.0.0.1]:%d", relay),
	}, settings...)
	b.write(p.path("etc", "main.cf"), strings.Join(main, "\n")+"\n", 0o644)
	b.write(p.path("etc", "master.cf"), strings.ReplaceAll(postfixServices, "PORT", strconv.Itoa(p.port)), 0o644)
	command := exec.Command("/usr/lib/postfix/sbin/master", "-c", p.path("etc"), "-d")
	command.Env = append(os.Environ(), "MAIL_CONFIG="+p.path("etc"))
	master := b.start(command)
	b.await("Postfix listens", func() bool {
		b.alive(master)
		return listens(address(p.port))
	})
	return p
}

func (p *postfix) path(parts ...string) string {
	return filepath.Join(append([]string{p.folder}, parts...)...)
}

// postfixFolders makes the folders with the owners that Postfix demands.
func (b *bench) postfixFolders(p *postfix) {
	account, err := user.Lookup("postfix")
	b.fail(err)
	drop, err := user.LookupGroup("postdrop")
	b.fail(err)
	uid, err := strconv.Atoi(account.Uid)
	b.fail(err)
	gid, err := strconv.Atoi(drop.Gid)
	b.fail(err)
	for _, name := range []string{"etc", "queue", "queue/pid"} {
		b.fail(os.Mkdir(p.path(name), 0o755))
	}
	for name, mode := range map[string]os.FileMode{
		"data": 0o700, "queue/public": 0o710 | os.ModeSetgid, "queue/maildrop": 0o730 | os.ModeSticky, "queue/private": 0o700,
		"queue/incoming": 0o700, "queue/active": 0o700, "queue/deferred": 0o700, "queue/defer": 0o700, "queue/bounce": 0o700,
		"queue/corrupt": 0o700, "queue/hold": 0o700, "queue/flush": 0o700, "queue/trace": 0o700, "queue/saved": 0o700,
	} {
		path := p.path(name)
		b.fail(os.Mkdir(path, 0o700))
		group := -1
		if name == "queue/public" || name == "queue/maildrop" {
			group = gid
		}
		b.fail(os.Chown(path, uid, group))
		b.fail(os.Chmod(path, mode))
	}
}

// postfixVersion is what Debian's Postfix says of itself.
func postfixVersion() string {
	out, err := exec.Command("postconf", "-d", "-h", "mail_version").Output()
	if err != nil {
		return "unknown"
	}
	return strings.TrimSpace(string(out))
}
