package plugins

import (
	"errors"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"

	"github.com/postilion-mail/postilion/internal/daemontest"
)

// run runs a command of the program against a daemon.
func run(t *testing.T, d *daemontest.Daemon, args ...string) string {
	t.Helper()
	command := exec.CommandContext(t.Context(), d.Program, append([]string{"--data-dir", d.Path("data")}, args...)...)
	command.Env = daemontest.Environment()
	output, err := command.CombinedOutput()
	t.Logf("$ postilion %s\n%s", strings.Join(args, " "), output)
	if err != nil {
		t.Fatalf("postilion %s: %v", strings.Join(args, " "), err)
	}
	return string(output)
}

// TestSend adds each example to a daemon, configures it and sends through it,
// all from the command line, as the READMEs say.
func TestSend(t *testing.T) {
	t.Parallel()
	programs := build(t)
	if err := daemontest.Build(programs); err != nil {
		t.Fatal(err)
	}
	folder, err := daemontest.Folder()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(folder) })
	d := daemontest.New(t, programs, folder)
	d.Start()

	hooks := &receiver{}
	server := httptest.NewServer(hooks)
	t.Cleanup(server.Close)
	secret := d.Path("secret")
	if err := os.WriteFile(secret, []byte(hookSecret+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	mail := d.Path("mail")
	if err := errors.Join(os.Mkdir(mail, 0o777), os.Chmod(mail, 0o777)); err != nil { // plugins may have users of their own
		t.Fatal(err)
	}
	for _, example := range []struct {
		program, transport string
		add, configure     []string
		arrived            func() []string
	}{
		{
			"transport-maildir", "maildir", []string{"--write", mail},
			[]string{"--setting", "directory=" + mail, "--setting", "create=true"},
			func() []string { return files(t, mail, "jane", "new", "*") },
		},
		{
			"transport-webhook", "webhook", []string{"--arg=-allow-local"},
			[]string{"--setting", "url=" + server.URL, "--secret-file", "secret=" + secret},
			func() []string {
				var all []string
				for _, p := range hooks.posts() {
					all = append(all, string(p.Content))
				}
				return all
			},
		},
		{
			"transport-python", "mbox", []string{"--write", mail},
			[]string{"--setting", "file=" + filepath.Join(mail, "archive")},
			func() []string { return mboxMessages(t, filepath.Join(mail, "archive")) },
		},
	} {
		run(t, d, append([]string{"plugins", "add", filepath.Join(programs, example.program)}, example.add...)...)
		run(t, d, append([]string{"configure", example.transport, "--transport", example.transport}, example.configure...)...)
		run(t, d, "test", example.transport)
		subject := "Hello by " + example.transport
		sent := run(t, d, "send", "--connection", example.transport, "--from", "shop@a.example", "--to", "jane@b.example",
			"--subject", subject, "--text", "Hello.\n", "--wait", "60s", "--json")
		if !strings.Contains(sent, `"state":"MESSAGE_STATE_SENT","recipients"`) {
			t.Errorf("%s: not sent: %s", example.transport, sent)
		}
		if all := example.arrived(); len(all) != 1 || !strings.Contains(all[0], "\r\nSubject: "+subject+"\r\n") {
			t.Errorf("%s: arrived: %q", example.transport, all)
		}
	}
	if listed := run(t, d, "plugins", "list"); strings.Count(listed, "ready") != 3 {
		t.Errorf("plugins list:\n%s", listed)
	}
	if log := d.Log.String(); strings.Contains(log, hookSecret) {
		t.Error("the secret is in the log")
	}

	// A daemon that was killed leaves nothing behind.
	pids := regexp.MustCompile(`"pid":(\d+)`).FindAllStringSubmatch(run(t, d, "plugins", "list", "--json"), -1)
	if len(pids) != 3 {
		t.Fatalf("pids %q", pids)
	}
	d.Signal(syscall.SIGKILL)
	_ = d.Wait()
	for _, pid := range pids {
		daemontest.Await(t, "the plugin "+pid[1]+" has ended", func() bool {
			stat, err := os.ReadFile(filepath.Join("/proc", pid[1], "stat"))
			return err != nil || strings.Contains(string(stat), ") Z ") // nobody may have waited for it
		})
	}
}
