// Package postfixtest runs a real Postfix for tests, as root and in a folder of
// its own: it demands STARTTLS and a login, which Dovecot checks, and keeps
// what it takes.
package postfixtest

import (
	"embed"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"text/template"
	"time"

	"github.com/postilion-mail/postilion/internal/daemontest"
	"github.com/postilion-mail/postilion/internal/smtptest"
)

// The account at the server.
const (
	Account  = "shop@provider.example"
	Password = "correct-horse-battery-staple"
)

//go:embed settings
var settings embed.FS

// Server is a private Postfix with Dovecot for its logins. It puts what it
// takes for example.net and old.example into one maildir. It belongs to one
// goroutine.
type Server struct {
	Host    string // a loopback address of its own
	Port    string // offers everything
	OldPort string // offers neither 8BITMIME nor SMTPUTF8
	CA      string // file of the authority that has issued its certificate

	services []Service
	t        testing.TB
	folder   string
	uid, gid int // of the maildir's owner
	seen     map[string]*Letter
}

// Service is a further port of a Server.
type Service struct {
	Port string
	// Options override main.cf, each as "name = value". {{.Folder}} in them is
	// the server's folder.
	Options []string
}

// Start starts both servers in a folder that other users can go through, with
// further services. They are stopped with the test.
func Start(t testing.TB, folder string, services ...Service) *Server {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Fatal("Postfix needs root: run scripts/setup as root, and the tests too")
	}
	const master = "/usr/lib/postfix/sbin/master"
	for _, path := range []string{"/usr/sbin/dovecot", "/usr/sbin/postconf", master, "/usr/lib/postfix/sbin/virtual"} {
		if _, err := os.Stat(path); err != nil {
			t.Fatalf("%v: run scripts/setup as root", err)
		}
	}
	s := &Server{Host: daemontest.Host(), Port: "2525", OldPort: "2526", services: services, t: t, folder: folder, seen: make(map[string]*Letter)}
	s.uid, s.gid = identity(t, "nobody")
	s.prepare()

	s.run(exec.Command("dovecot", "-F", "-c", filepath.Join(folder, "dovecot.conf")))
	daemontest.Await(t, "Dovecot listens", func() bool {
		_, err := os.Stat(filepath.Join(folder, "dovecot", "sasl"))
		return err == nil
	})
	server := exec.Command(master, "-c", filepath.Join(folder, "etc"), "-d")
	server.Env = append(os.Environ(), "MAIL_CONFIG="+filepath.Join(folder, "etc"))
	s.run(server)
	daemontest.Await(t, "Postfix listens", func() bool { return listens(s.Host+":"+s.Port) && listens(s.Host+":"+s.OldPort) })
	return s
}

// prepare makes the folders as the servers demand them, and their settings.
func (s *Server) prepare() {
	uid, gid := identity(s.t, "postfix")
	for _, made := range []struct {
		name     string
		mode     os.FileMode
		uid, gid int
	}{
		{"etc", 0o755, 0, 0}, {"dovecot", 0o755, 0, 0}, {"mail", 0o711, s.uid, s.gid}, {"data", 0o700, uid, gid},
		{"queue", 0o755, 0, 0}, {"queue/pid", 0o755, 0, 0}, {"queue/public", 0o710, uid, gid}, {"queue/private", 0o700, uid, gid},
		{"queue/incoming", 0o700, uid, gid}, {"queue/active", 0o700, uid, gid}, {"queue/deferred", 0o700, uid, gid},
		{"queue/defer", 0o700, uid, gid}, {"queue/bounce", 0o700, uid, gid}, {"queue/corrupt", 0o700, uid, gid},
		{"queue/hold", 0o700, uid, gid}, {"queue/flush", 0o700, uid, gid}, {"queue/trace", 0o700, uid, gid},
		{"queue/saved", 0o700, uid, gid},
	} {
		path := filepath.Join(s.folder, made.name)
		if err := os.Mkdir(path, made.mode); err != nil {
			s.t.Fatal(err)
		}
		if err := os.Chown(path, made.uid, made.gid); err != nil {
			s.t.Fatal(err)
		}
	}
	s.certify()
	values := struct {
		*Server
		Folder, Account, Password string
		UID, GID                  int
		Services                  []Service
	}{s, s.folder, Account, Password, s.uid, s.gid, s.filled()}
	for _, name := range []string{"main.cf", "master.cf", "dovecot.conf", "users"} {
		parsed, err := template.ParseFS(settings, "settings/"+name)
		if err != nil {
			s.t.Fatal(err)
		}
		var text strings.Builder
		if err := parsed.Execute(&text, values); err != nil {
			s.t.Fatal(err)
		}
		target := name
		if filepath.Ext(name) == ".cf" {
			target = filepath.Join("etc", name)
		}
		s.write(target, text.String(), 0o644)
	}
}

// filled gives the services with the folder in its place.
func (s *Server) filled() []Service {
	var filled []Service
	for _, service := range s.services {
		options := slices.Clone(service.Options)
		for i := range options {
			options[i] = strings.ReplaceAll(options[i], "{{.Folder}}", s.folder)
		}
		filled = append(filled, Service{service.Port, options})
	}
	return filled
}

// certify makes an authority and the server's certificate.
func (s *Server) certify() {
	ca, err := smtptest.NewCA()
	if err != nil {
		s.t.Fatal(err)
	}
	certificate, err := ca.Issue(smtptest.Issue{Names: []string{s.Host}})
	if err != nil {
		s.t.Fatal(err)
	}
	chain, key, err := smtptest.CertificatePEM(certificate)
	if err != nil {
		s.t.Fatal(err)
	}
	s.CA = s.write("ca.pem", ca.PEM(), 0o644)
	s.write(filepath.Join("etc", "chain.pem"), key+chain, 0o600)
}

func (s *Server) write(name, content string, mode os.FileMode) (path string) {
	s.t.Helper()
	path = filepath.Join(s.folder, name)
	if err := os.WriteFile(path, []byte(content), mode); err != nil {
		s.t.Fatal(err)
	}
	if err := os.Chmod(path, mode); err != nil {
		s.t.Fatal(err)
	}
	return path
}

// run runs a server as a process group of its own until the test ends.
func (s *Server) run(command *exec.Cmd) {
	s.t.Helper()
	var log daemontest.Output
	command.Stdout, command.Stderr = &log, &log
	command.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	command.WaitDelay = time.Second // its children may hold the pipe
	if err := command.Start(); err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() {
		if s.t.Failed() {
			content, _ := os.ReadFile(filepath.Join(s.folder, "log"))
			s.t.Logf("%s:\n%s%s", command.Path, &log, content)
		}
		late := time.AfterFunc(daemontest.Patience, func() { _ = syscall.Kill(-command.Process.Pid, syscall.SIGKILL) })
		defer late.Stop()
		_ = command.Process.Signal(syscall.SIGTERM)
		_ = command.Wait() // told to end, they end with the signal
		_ = syscall.Kill(-command.Process.Pid, syscall.SIGKILL)
	})
}

// identity gives the ids of a user.
func identity(t testing.TB, name string) (uid, gid int) {
	t.Helper()
	account, err := user.Lookup(name)
	if err != nil {
		t.Fatalf("%v: run scripts/setup as root", err)
	}
	uid, errUID := strconv.Atoi(account.Uid)
	gid, errGID := strconv.Atoi(account.Gid)
	if err := errors.Join(errUID, errGID); err != nil {
		t.Fatal(fmt.Errorf("%s: %w", name, err))
	}
	return uid, gid
}

// listens tells whether an SMTP server accepts connections at an address.
func listens(address string) bool {
	conn, err := net.DialTimeout("tcp", address, time.Second)
	if err != nil {
		return false
	}
	defer conn.Close()
	greeting := make([]byte, 3)
	if err := conn.SetDeadline(time.Now().Add(daemontest.Patience)); err != nil {
		return false
	}
	_, err = io.ReadFull(conn, greeting)
	_, errQuit := io.WriteString(conn, "QUIT\r\n")
	_, errEnd := io.Copy(io.Discard, conn)
	return errors.Join(err, errQuit, errEnd) == nil && string(greeting) == "220"
}
