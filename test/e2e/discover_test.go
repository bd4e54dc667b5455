package e2e

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/postilion-mail/postilion/internal/daemontest"
	"github.com/postilion-mail/postilion/internal/dnstest"
	"github.com/postilion-mail/postilion/internal/smtptest"
)

// estate is a provider of three domains, on an address of this machine: DNS,
// the ports 443, 465 and 587, and a daemon that trusts its authority.
type estate struct {
	daemon *daemontest.Daemon
	folder string
}

const (
	estatePassword = "correct horse battery"
	estateFile     = `<?xml version="1.0"?><clientConfig version="1.1"><emailProvider id="auto.test"><outgoingServer type="smtp">
<hostname>smtp.%EMAILDOMAIN%</hostname><port>587</port><socketType>STARTTLS</socketType><username>%EMAILLOCALPART%</username>
<authentication>password-cleartext</authentication></outgoingServer></emailProvider></clientConfig>`
)

func newEstate(t *testing.T) *estate {
	t.Helper()
	folder := scenario(t)
	need(t)
	host := daemontest.Host()
	ca, err := smtptest.NewCA()
	if err != nil {
		t.Fatal(err)
	}
	certificate, err := ca.Issue(smtptest.Issue{Names: []string{"smtp.srv.test", "smtp.auto.test", "autoconfig.auto.test", "mail.guess.test"}})
	if err != nil {
		t.Fatal(err)
	}
	roots := filepath.Join(folder, "roots.pem")
	if err := os.WriteFile(roots, []byte(ca.PEM()), 0o644); err != nil {
		t.Fatal(err)
	}
	names := dnstest.Start(t, fmt.Sprintf(`
_submissions._tcp.srv.test. SRV 0 1 465 smtp.srv.test.
smtp.srv.test.        A %[1]s
autoconfig.auto.test. A %[1]s
smtp.auto.test.       A %[1]s
mail.guess.test.      A %[1]s
tenant.test.          MX 0 tenant-test.mail.protection.outlook.com.
`, host))
	for port, security := range map[string]smtptest.Security{"465": smtptest.Implicit, "587": smtptest.StartTLS} {
		smtptest.Start(t, func(c *smtptest.Config) {
			c.Address, c.Security, c.CA, c.Certificate = net.JoinHostPort(host, port), security, ca, &certificate
			c.Accounts = map[string]string{"jane@srv.test": estatePassword, "jane": estatePassword, "jane@guess.test": estatePassword}
		})
	}
	web, err := tls.Listen("tcp", net.JoinHostPort(host, "443"), &tls.Config{Certificates: []tls.Certificate{certificate}})
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Host != "autoconfig.auto.test" || r.URL.Path != "/mail/config-v1.1.xml" {
			http.NotFound(w, r)
			return
		}
		w.Header().Set("Content-Type", "text/xml")
		_, _ = w.Write([]byte(estateFile))
	})}
	go func() { _ = server.Serve(web) }()
	t.Cleanup(func() { _ = server.Close() })

	e := &estate{daemon: daemontest.New(t, programs, folder, "--dns-server", names.Address()), folder: folder}
	e.daemon.Env = []string{"SSL_CERT_FILE=" + roots, "SSL_CERT_DIR=" + folder + "/none"}
	e.daemon.Start()
	return e
}

// command runs the command line with the daemon's folder.
func (e *estate) command(t *testing.T, stdin string, args ...string) (out string, code int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	command := exec.CommandContext(ctx, e.daemon.Program, append([]string{"--data-dir", e.daemon.Path("data")}, args...)...)
	command.Env = daemontest.Environment()
	command.Stdin = strings.NewReader(stdin)
	all, err := command.CombinedOutput()
	if command.ProcessState == nil {
		t.Fatalf("%v: %v", args, err)
	}
	t.Logf("$ postilion %s\n%s", strings.Join(args, " "), all)
	return string(all), command.ProcessState.ExitCode()
}

// From an address to a connection that works: what discover prints, configure
// takes.
func TestDiscover(t *testing.T) {
	e := newEstate(t)
	for address, want := range map[string][]string{
		"jane@srv.test":   {"✓ smtp.srv.test:465 implicit-tls as jane@srv.test", "succeeded by SCRAM-SHA-256", "SRV _submissions._tcp.srv.test (confidence high)"},
		"jane@auto.test":  {"✓ smtp.auto.test:587 starttls as jane", "https://autoconfig.auto.test/mail/config-v1.1.xml (confidence high)"},
		"jane@guess.test": {"✓ mail.guess.test:465 implicit-tls as jane@guess.test", "the usual name mail.guess.test (confidence low)"},
	} {
		out, code := e.command(t, estatePassword, "discover", address, "--password-file", "-")
		for _, text := range want {
			if code != 0 || !strings.Contains(out, text) {
				t.Errorf("%s: exit %d, no %q", address, code, text)
			}
		}
		if strings.Contains(out, estatePassword) {
			t.Error("the password is shown")
		}
		_, line, _ := strings.Cut(out, "postilion configure main ")
		line, _, _ = strings.Cut(line, "\n")
		name, _, _ := strings.Cut(strings.TrimPrefix(address, "jane@"), ".")
		if out, code := e.command(t, estatePassword, append([]string{"configure", name}, strings.Fields(line)...)...); code != 0 {
			t.Errorf("%s: exit %d: %s", address, code, out)
		}
		if out, code := e.command(t, "", "test", name); code != 0 {
			t.Errorf("%s does not work: %s", name, out)
		}
	}
	if out, code := e.command(t, "wrong", "discover", "jane@srv.test", "--password-file", "-"); code != 1 || !strings.Contains(out, "✗ smtp.srv.test:465") {
		t.Errorf("a wrong password: exit %d", code)
	}
	out, code := e.command(t, "", "discover", "jane@tenant.test", "--lookup-only", "--json")
	var answer struct {
		Proposals []struct {
			Smtp struct{ Provider, Host string }
		}
		Notes []string
	}
	if err := json.Unmarshal([]byte(out), &answer); err != nil || code != 0 || len(answer.Proposals) != 1 || answer.Proposals[0].Smtp.Provider != "microsoft365" || len(answer.Notes) == 0 {
		t.Errorf("by MX: exit %d, %v, %+v", code, err, answer)
	}
}

// A provider's name and a user name are enough to know what is missing.
func TestConfigureByProvider(t *testing.T) {
	e := newEstate(t)
	args := []string{"configure", "main", "--provider", "gmail", "--username", "x@gmail.com"}
	out, code := e.command(t, "", args...)
	for _, text := range []string{"smtp.gmail.com:465 implicit-tls", "16 letters", "https://myaccount.google.com/apppasswords", "is needed with a user name"} {
		if code == 0 || !strings.Contains(out, text) {
			t.Errorf("exit %d, no %q", code, text)
		}
	}
	if out, code = e.command(t, "abcd efgh ijkl mnop", append(args, "--password-file", "-")...); code != 0 || !strings.Contains(out, "smtp smtp.gmail.com:465 implicit-tls as x@gmail.com") {
		t.Errorf("exit %d: %s", code, out)
	}
}

// A test of wrong settings ends with those that work.
func TestProposals(t *testing.T) {
	e := newEstate(t)
	out, code := e.command(t, estatePassword, "test", "--host", "smtp.srv.test", "--port", "587", "--security", "tls", "--username", "jane@srv.test", "--password-file", "-")
	if code != 1 || !strings.Contains(out, "This works: --port 465 --security tls (the login was accepted)") {
		t.Errorf("exit %d", code)
	}
	if strings.Contains(out, estatePassword) {
		t.Error("the password is shown")
	}
}
