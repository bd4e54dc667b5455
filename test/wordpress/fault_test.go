package wordpress

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// said is what WordPress said of a mail.
type said struct {
	OK      bool           // wp_mail()
	Error   string         // of wp_mail_failed
	Data    map[string]any // of wp_mail_failed
	Failed  int            // how often wp_mail_failed was fired
	Seconds float64
}

// mail sends a mail in WordPress. The arguments are PHP.
func (s *site) mail(arguments string) said {
	s.t.Helper()
	return s.sayMail("", arguments)
}

// sayMail is mail with code that runs before.
func (s *site) sayMail(before, arguments string) said {
	s.t.Helper()
	out := s.php(before + `
		$said = ["ok" => false, "error" => "", "data" => null, "failed" => 0];
		add_action("wp_mail_failed", function ($e) use (&$said) {
			$said["error"] = $e->get_error_message(); $said["data"] = $e->get_error_data(); $said["failed"]++;
		});
		$start = microtime(true);
		$said["ok"] = wp_mail(` + arguments + `);
		$said["seconds"] = microtime(true) - $start;
		echo json_encode($said, JSON_INVALID_UTF8_SUBSTITUTE);`)
	var answer said
	if err := json.Unmarshal([]byte(out), &answer); err != nil {
		s.t.Fatalf("%v: %s", err, out)
	}
	return answer
}

// refused checks that a mail was not taken, with a text that helps.
func (s said) refused(t testing.TB, texts ...string) {
	t.Helper()
	if s.OK || s.Failed != 1 || s.Data["to"] == nil || s.Data["subject"] == nil || s.Data["phpmailer_exception_code"] == nil {
		t.Errorf("wp_mail() said %v; wp_mail_failed was fired %d times with %v", s.OK, s.Failed, s.Data)
	}
	for _, text := range texts {
		if !strings.Contains(s.Error, text) {
			t.Errorf("the text %q does not say %q", s.Error, text)
		}
	}
	t.Logf("wp_mail() is false: %s", s.Error)
}

// accepted checks that a mail was taken.
func (s said) accepted(t testing.TB) {
	t.Helper()
	if !s.OK || s.Failed != 0 {
		t.Errorf("wp_mail() said %v: %s", s.OK, s.Error)
	}
}

// Whatever is wrong, wp_mail() says so with what to do, or keeps the mail.
func TestBadInput(t *testing.T) {
	folder := scenario(t)
	d := newDaemon(t, subfolder(t, folder, "daemon"), "--max-message-size", "256KiB")
	s := newSite(t, folder, "")
	s.install()
	away := `"socket" => "` + d.HTTPSocket() + `", "url" => "", "maildrop" => "` + d.Path("maildrop") + `", "fallback" => "spool"`
	s.set(away)

	s.mail(`"a@example.net", "Never met", "x"`).refused(t, "start the daemon")
	d.Start()
	d.bind("blog")
	s.mail(`"a@example.net", "First", "x"`).accepted(t)

	t.Run("wrong token", func(t *testing.T) {
		s.t = t
		s.set(`"url" => "http://` + d.HTTP + `", "socket" => "", "token" => "pst_wrong"`)
		s.mail(`"a@example.net", "Wrong token", "x"`).refused(t, "token")
		s.set(away + `, "token" => ""`)
	})
	t.Run("socket's permission", func(t *testing.T) {
		s.t = t
		closed := subfolder(t, folder, "closed")
		if err := os.Chmod(closed, 0o700); err != nil {
			t.Fatal(err)
		}
		s.set(`"socket" => "` + closed + `/postilion-http.sock"`)
		s.mail(`"a@example.net", "Not allowed", "x"`).refused(t, closed)
		s.set(away)
	})
	t.Run("socket is a file", func(t *testing.T) {
		s.t = t
		file := write(t, filepath.Join(folder, "file.sock"), "")
		if err := os.Chmod(file, 0o666); err != nil {
			t.Fatal(err)
		}
		s.set(`"socket" => "` + file + `"`)
		s.mail(`"a@example.net", "A file", "x"`).refused(t, "file.sock")
		s.set(away)
	})
	t.Run("oversize", func(t *testing.T) {
		s.t = t
		s.mail(`"a@example.net", "Oversize", str_repeat("0123456789\n", 50000)`).refused(t, "262144")
	})
	t.Run("addresses", func(t *testing.T) {
		s.t = t
		s.mail(`"nobody", "Bad address", "x"`).refused(t)
		s.mail(`"", "No address", "x"`).refused(t)
		s.mail(`"a@example.net", "Bad sender", "x", "From: nobody"`).refused(t)
	})
	t.Run("invalid UTF-8", func(t *testing.T) {
		s.t = t
		answer := s.mail(`"\xff\xfeName <a@example.net>", "Invalid \xc3\x28 UTF-8", "body \xff\xc3\x28", ["X-Bad: \xe2\x28\xa1"]`)
		answer.accepted(t)
		answer = s.mail(`"a\xff@example.net", "Invalid address", "x"`)
		answer.refused(t)
	})
	t.Run("missing attachment", func(t *testing.T) {
		s.t = t
		s.mail(`"a@example.net", "Missing", "x", "", ["/nowhere/invoice.pdf"]`).refused(t, "/nowhere/invoice.pdf")
		s.sayMail(`add_filter("postilion_send_without_attachments", "__return_true");`,
			`"a@example.net", "Missing, and sent", "x", "", ["/nowhere/invoice.pdf"]`).accepted(t)
		s.mail(`"a@example.net", "No attachment", "x", "", ""`).accepted(t)
	})
	t.Run("exception of another plugin", func(t *testing.T) {
		s.t = t
		s.sayMail(`set_error_handler(function ($level, $text) { return strpos($text, "postilion_accepted: out of order") === 0; });
			add_action("postilion_accepted", function () { throw new Exception("out of order"); });`,
			`"a@example.net", "Accepted", "x"`).accepted(t)
	})
	s.t = t
	subjects := d.subjects()
	for subject, want := range map[string]int{
		"Never met": 0, "First": 1, "Wrong token": 0, "Not allowed": 0, "A file": 0, "Oversize": 0, "Bad address": 0, "Bad sender": 0,
		"Missing": 0, "Missing, and sent": 1, "No attachment": 1, "Invalid address": 0, "Accepted": 1,
	} {
		if subjects[subject] != want {
			t.Errorf("%d messages %q, want %d: %v", subjects[subject], subject, want, subjects)
		}
	}
}

// While the sidecar is away, mail waits in the maildrop, goes another way, or
// fails, as it is set.
func TestFallback(t *testing.T) {
	folder := scenario(t)
	d := startDaemon(t, subfolder(t, folder, "daemon"), "--max-message-size", "256KiB")
	d.bind("blog")
	s := newSite(t, folder, "")
	s.install()
	s.set(`"socket" => "` + d.HTTPSocket() + `", "maildrop" => "` + d.Path("maildrop") + `"`)
	s.mail(`"a@example.net", "Before", "x"`).accepted(t)
	d.Stop()

	s.mail(`"a@example.net", "Spooled", "x", ["Bcc: hidden@example.net"]`).accepted(t)
	s.mail(`"a@example.net", "Too large for the spool", str_repeat("0123456789\n", 50000)`).refused(t, "start the daemon")
	s.set(`"maildrop" => "` + folder + `/nowhere"`)
	s.mail(`"a@example.net", "No maildrop", "x"`).refused(t, "start the daemon")
	s.set(`"maildrop" => "` + d.Path("maildrop") + `"`)

	s.set(`"fallback" => "fail"`)
	s.mail(`"a@example.net", "Failed", "x"`).refused(t, "start the daemon")

	s.set(`"fallback" => "native"`)
	captured := filepath.Join(folder, "captured")
	program := write(t, filepath.Join(folder, "sendmail"), "#!/bin/sh\ncat > "+captured+"\n")
	if err := os.Chmod(program, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(captured, nil, 0o666); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(captured, 0o666); err != nil {
		t.Fatal(err)
	}
	s.ini = append(s.ini, "sendmail_path="+program)
	s.mail(`"a@example.net", "Natively", "x"`).accepted(t)
	if text := read(t, captured); !strings.Contains(text, "Subject: Natively") || !strings.Contains(text, "To: a@example.net") {
		t.Errorf("mail() got\n%s", text)
	}

	d.Start()
	await(t, "the spooled mail is picked up", func() bool { return d.subjects()["Spooled"] == 1 })
	if subjects := d.subjects(); len(subjects) != 2 {
		t.Errorf("the daemon has %v", subjects)
	}
	message := d.messages()[0]
	if message.GetClient() != "blog" || len(message.GetRecipients()) != 2 || len(message.GetTags()) != 1 {
		t.Errorf("what was spooled is another message: %v", message)
	}
}

// What a daemon would refuse in its maildrop, or never look for there, is not
// put there.
func TestSpoolRefused(t *testing.T) {
	folder := scenario(t)
	d := startDaemon(t, subfolder(t, folder, "daemon"))
	s := newSite(t, folder, "")
	s.install()
	meet := func(name string) {
		t.Helper()
		s.set(`"url" => "http://` + d.HTTP + `", "maildrop" => "` + d.Path("maildrop") + `", "token" => "` + d.client(name) + `"`)
		s.mail(`"a@example.net", "As ` + name + `", "x"`).accepted(t)
		if known := s.known(); known != "yes" {
			t.Fatalf("of the sidecar is known: %s", known)
		}
		var token struct{ ID string }
		if err := json.Unmarshal([]byte(d.cli("", "clients", "token", "list", name, "--json")), &token); err != nil {
			t.Fatal(err)
		}
		d.cli("", "clients", "token", "revoke", name, token.ID)
	}

	// A revoked token, as the next mail and as the next look for failures finds.
	meet("one")
	s.mail(`"a@example.net", "Revoked", "x"`).refused(t, "token")
	if known := s.known(); known != "no" {
		t.Errorf("after a refused mail is known: %s", known)
	}
	meet("two")
	s.poll()
	if known := s.known(); known != "no" {
		t.Errorf("after a refused question is known: %s", known)
	}
	d.Stop()
	s.mail(`"a@example.net", "Away", "x"`).refused(t, "cannot be reached")

	// A daemon elsewhere, and a folder that nobody has chosen.
	for _, test := range []struct{ url, maildrop, want string }{
		{"http://127.0.0.1:9126", "", "/var/spool/postilion/maildrop"},
		{"http://localhost:9126", "", "/var/spool/postilion/maildrop"},
		{"http://[::1]:9126", "", "/var/spool/postilion/maildrop"},
		{"", "", "/var/spool/postilion/maildrop"},
		{"https://mail.example.com:9126", "", ""},
		{"https://127.example.com:9126", "", ""},
		{"https://mail.example.com:9126", "/mnt/maildrop", "/mnt/maildrop"},
	} {
		s.set(`"url" => "` + test.url + `", "maildrop" => "` + test.maildrop + `"`)
		got := s.php(`$settings = Postilion\WordPress\Settings::site();
			update_option("postilion_peer", ["fingerprint" => $settings->fingerprint(), "scopes" => ["SCOPE_SEND"], "max_content" => 0]);
			$letter = (new ReflectionClass(Postilion\WordPress\Letter::class))->newInstanceWithoutConstructor();
			echo (function () use ($letter, $settings) { return $this->spool($letter, Postilion\WordPress\Peer::known($settings)); })
				->call(Postilion\WordPress\Handover::of($settings));`)
		if got != test.want {
			t.Errorf("with %+v it spools to %q", test, got)
		}
	}
}

// known tells whether the site knows the sidecar: yes or no.
func (s *site) known() string {
	s.t.Helper()
	return s.php(`echo Postilion\WordPress\Peer::known(Postilion\WordPress\Settings::site()) === null ? "no" : "yes";`)
}

// An answer that is lost is asked for again with the same key, and then the
// mail lies in the maildrop: it is sent once, whatever is set.
func TestLostAnswer(t *testing.T) {
	folder := scenario(t)
	d := startDaemon(t, subfolder(t, folder, "daemon"))
	token := d.client("blog") // the daemon sees the proxy's Unix user
	s := newSite(t, folder, `define("POSTILION_TIMEOUT", 2);`)
	s.install()
	direct := `"socket" => "` + d.HTTPSocket() + `", "maildrop" => "` + d.Path("maildrop") + `", "token" => "` + token + `"`
	s.set(direct)
	s.mail(`"a@example.net", "Direct", "x"`).accepted(t)

	for _, test := range []struct {
		name     string
		lose     int // answers
		fallback string
		ok       bool
	}{
		{"one lost", 1, "fail", true},
		{"all lost, spool", 9, "spool", true},
		{"all lost, fail", 9, "fail", false},
		{"all lost, native", 9, "native", false},
	} {
		socket := loseAnswers(t, filepath.Join(folder, fmt.Sprintf("%d-%s.sock", test.lose, test.fallback)), d.HTTPSocket(), test.lose)
		// It is the same daemon: what is known of it holds.
		s.php(`Postilion\WordPress\Settings::site()->save(["socket" => "` + socket + `", "fallback" => "` + test.fallback + `"]);
			$peer = ["fingerprint" => Postilion\WordPress\Settings::site()->fingerprint(), "version" => "", "client" => "blog",
				"scopes" => ["SCOPE_SEND"], "max_content" => 0, "origin" => "", "notices" => []];
			update_option("postilion_peer", $peer);`)
		answer := s.mail(`"a@example.net", "` + test.name + `", "x"`)
		if answer.OK != test.ok {
			t.Errorf("%s: wp_mail() said %v: %s", test.name, answer.OK, answer.Error)
		}
		if answer.Seconds > 30 {
			t.Errorf("%s: wp_mail() took %.1f s, with a timeout of 2 s", test.name, answer.Seconds)
		}
		if !test.ok && !strings.Contains(answer.Error, "may be sent all the same") {
			t.Errorf("%s: the text is %q", test.name, answer.Error)
		}
		t.Logf("%s: %v after %.1f s %s", test.name, answer.OK, answer.Seconds, answer.Error)
	}
	await(t, "the maildrop is empty", func() bool {
		left, err := filepath.Glob(d.Path("maildrop", "[0-9a-f]*"))
		return err == nil && len(left) == 0 || err == nil && len(left) == 1 && filepath.Base(left[0]) == "bad"
	})
	for subject, count := range d.subjects() {
		if count != 1 {
			t.Errorf("%d messages %q", count, subject)
		}
	}
	if len(d.subjects()) != 5 {
		t.Errorf("the daemon has %v", d.subjects())
	}
}

// loseAnswers is a way to the daemon on which the first answers to Send get
// lost. It gives its socket.
func loseAnswers(t testing.TB, path, daemon string, lose int) string {
	t.Helper()
	listener, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, 0o777); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	lost := make(chan struct{}, 100)
	for range lose {
		lost <- struct{}{}
	}
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go forward(conn, daemon, lost)
		}
	}()
	return path
}

// forward carries requests to the daemon.
func forward(conn net.Conn, daemon string, lost chan struct{}) {
	defer conn.Close()
	in := bufio.NewReader(conn)
	for {
		request, err := http.ReadRequest(in)
		if err != nil {
			return
		}
		out, err := net.Dial("unix", daemon)
		if err != nil {
			return
		}
		if request.Write(out) == nil {
			if answer, err := http.ReadResponse(bufio.NewReader(out), request); err == nil {
				content, _ := io.ReadAll(answer.Body)
				answer.Body = io.NopCloser(strings.NewReader(string(content)))
				if strings.HasSuffix(request.URL.Path, "/Send") {
					select {
					case <-lost: // and never answers
						_ = out.Close()
						_, _ = in.ReadByte()
						return
					default:
					}
				}
				_ = answer.Write(conn)
			}
		}
		_ = out.Close()
	}
}

// subjects counts the daemon's messages by subject.
func (d *daemon) subjects() map[string]int {
	d.T.Helper()
	counts := make(map[string]int)
	for _, message := range d.messages() {
		counts[message.GetSubject()]++
	}
	return counts
}

// The daemon is killed while WordPress sends: every mail that wp_mail() was
// true for is there afterwards, once.
func TestKill(t *testing.T) {
	folder := scenario(t)
	d := startDaemon(t, subfolder(t, folder, "daemon"))
	d.bind("blog")
	s := newSite(t, folder, "")
	s.install()
	s.set(`"socket" => "` + d.HTTPSocket() + `", "maildrop" => "` + d.Path("maildrop") + `"`)
	s.mail(`"a@example.net", "First", "x"`).accepted(t)

	// The script waits until the daemon is dead, lest it be done before.
	const count = 200
	command := s.command(fmt.Sprintf(`for ($i = 0; $i < %d; $i++) {
			if ($i === 80) { fgets(STDIN); }
			echo "mail $i ", var_export(wp_mail("a@example.net", "mail $i", "x"), true), "\n";
			flush();
		}`, count))
	pipe, writer, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	command.Stdout = writer
	stdin, err := command.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	_ = writer.Close()
	late := time.AfterFunc(2*patience, func() { _ = command.Process.Kill() })
	defer late.Stop()
	sent := make(map[string]bool)
	lines := bufio.NewScanner(pipe)
	for n := 1; lines.Scan(); n++ {
		name, answer, _ := strings.Cut(strings.TrimPrefix(lines.Text(), "mail "), " ")
		sent["mail "+name] = answer == "true"
		switch n {
		case 40:
			d.kill()
			_ = stdin.Close()
		case 100, 160:
			d.Start()
		case 130:
			d.kill()
		}
	}
	if err := command.Wait(); err != nil {
		t.Fatalf("%v: %s", err, command.err.String())
	}
	if len(sent) != count {
		t.Fatalf("%d answers, want %d", len(sent), count)
	}
	promised := 0
	for _, ok := range sent {
		if ok {
			promised++
		}
	}
	var subjects map[string]int
	await(t, "all that was promised is in the daemon", func() bool {
		subjects = d.subjects()
		for subject, ok := range sent {
			if ok && subjects[subject] == 0 {
				return false
			}
		}
		return true
	})
	for subject, n := range subjects {
		if n != 1 {
			t.Errorf("%d messages %q", n, subject)
		}
	}
	spooled := 0
	for _, message := range d.messages() {
		if message.GetSource() == "maildrop" {
			spooled++
		}
	}
	t.Logf("%d mails: %d true, all in the daemon once, %d of them by the maildrop", count, promised, spooled)
	if promised != count || spooled == 0 {
		t.Errorf("%d of %d mails were taken, %d by the maildrop", promised, count, spooled)
	}
}
