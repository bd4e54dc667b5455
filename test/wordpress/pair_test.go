package wordpress

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/postilion-mail/postilion/internal/daemontest"
)

// From nothing to a delegated mail in three commands, and a copy of the site
// does not write to its customers.
func TestPairing(t *testing.T) {
	folder := scenario(t)
	d := startDaemon(t, subfolder(t, folder, "daemon"))
	s := newSite(t, folder, "")
	config := filepath.Join(s.root, "wp-config.php")
	before := read(t, config)
	arguments := []string{"wordpress", "connect", s.root}

	printed := d.cli("", append(arguments, "--print", "--no-install")...)
	if read(t, config) != before || !strings.Contains(printed, "define('POSTILION_SOCKET', '"+d.HTTPSocket()+"');") {
		t.Errorf("--print has changed the site, or printed\n%s", printed)
	}
	said := d.cli("", arguments...)
	for _, text := range []string{"PHP user  www-data", "URL       http://blog.example.net", "client    wp-blog.example.net", "installed and active"} {
		if !strings.Contains(said, text) {
			t.Errorf("no %q in\n%s", text, said)
		}
	}
	if strings.Contains(said, "WARNING") {
		t.Errorf("it warns:\n%s", said)
	}
	if again := d.cli("", arguments...); !strings.Contains(again, "needs no change") {
		t.Errorf("a second time it says\n%s", again)
	}
	d.cli("", "configure", "main", "--transport", "capture", "--shared", "--default")

	send := `var_dump(wp_mail("jane@example.org", "delegated", "text"));`
	if out := s.php(send); !strings.Contains(out, "bool(true)") {
		t.Errorf("wp_mail() says %s", out)
	}
	daemontest.Await(t, "the mail is sent", func() bool {
		return strings.Contains(d.cli("", "messages", "list", "--client", "wp-blog.example.net", "--state", "sent"), "delegated")
	})
	if status := d.cli("", "wordpress", "status", s.root); !strings.Contains(status, "plugin    active") {
		t.Errorf("its status is\n%s", status)
	}

	// The database goes to another place, the credentials with it.
	s.php(`update_option("home", "http://copy.example.net");`)
	if out := s.php(strings.ReplaceAll(send, "delegated", "of a copy")); !strings.Contains(out, "bool(true)") {
		t.Errorf("the copy's wp_mail() says %s", out)
	}
	if held := d.cli("", "messages", "list", "--client", "wp-blog.example.net", "--state", "held"); !strings.Contains(held, "of a copy") {
		t.Errorf("held are\n%s", held)
	}
	s.php(`update_option("home", "http://blog.example.net");`)

	// Another site of the same user cannot be told by the user: it gets a token.
	two := newSite(t, subfolder(t, folder, "two"), "")
	two.php(`update_option("home", "http://two.example.net");`)
	said = d.cli("", "wordpress", "connect", two.root)
	if !strings.Contains(said, "gets a token") || strings.Contains(said, "ptn_") {
		t.Errorf("the second site is told\n%s", said)
	}
	if out := two.php(strings.ReplaceAll(send, "delegated", "of the second")); !strings.Contains(out, "bool(true)") {
		t.Errorf("the second site's wp_mail() says %s", out)
	}
	if list := d.cli("", "messages", "list", "--client", "wp-two.example.net"); !strings.Contains(list, "of the second") {
		t.Errorf("of the second site there is\n%s", list)
	}

	// A site that says it is another's does not become that one's client.
	d.cli("", "clients", "create", "wp-bank.example.net", "--uid", "nobody")
	two.php(`update_option("home", "http://bank.example.net");`)
	connect := exec.Command(filepath.Join(programs, "postilion"), "wordpress", "connect", two.root)
	connect.Env = daemontest.Environment("POSTILION_DATA_DIR=" + d.Path("data"))
	if out, err := connect.CombinedOutput(); err == nil || !strings.Contains(string(out), "--name wp-bank.example.net") {
		t.Errorf("it is told %v\n%s", err, out)
	}

	d.cli("", "wordpress", "disconnect", s.root)
	if after := read(t, config); after != before {
		t.Errorf("in the end wp-config.php is\n%s", after)
	}
	if _, err := os.Stat(filepath.Join(s.root, "wp-config.before-postilion.php")); err != nil {
		t.Error(err)
	}
}
