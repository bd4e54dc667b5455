package wordpress

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"

	"github.com/postilion-mail/postilion/internal/smtptest"
)

// evil is what strangers would like to run in the admin's browser.
const evil = `<img src=x onerror=alert(1)><script>alert(2)</script>"'>`

// lateSite is a WordPress with a daemon whose mail server refuses the address
// gone@example.net as long as the test wants it.
func lateSite(t *testing.T) (*site, *daemon, *smtptest.Server, chan struct{}) {
	t.Helper()
	folder := scenario(t)
	mended := make(chan struct{})
	server := smtptest.Start(t, func(c *smtptest.Config) {
		c.Security = smtptest.Plain
		c.Recipient = func(address string) error {
			select {
			case <-mended:
				return nil
			default:
			}
			if address == "gone@example.net" {
				return smtptest.Refuse(550, [3]int{5, 1, 1}, "no such user "+evil)
			}
			return nil
		}
	})
	d := startDaemon(t, subfolder(t, folder, "daemon"))
	d.bind("blog")
	host, port := split(t, server.Address())
	d.cli("", "configure", "main", "--host", host, "--port", port, "--security", "none", "--shared")
	s := newSite(t, folder, "")
	s.install()
	s.set(`"socket" => "` + d.HTTPSocket() + `", "maildrop" => "` + d.Path("maildrop") + `"`)
	s.mail(`"a@example.net", "Before", "x"`).accepted(t)
	return s, d, server, mended
}

// poll has the plugin look for late failures as WP-Cron does, and gives what
// wp_mail_failed was fired with.
func (s *site) poll() (failures []said) {
	s.t.Helper()
	out := s.php(`$all = [];
		add_action("wp_mail_failed", function ($e) use (&$all) {
			$all[] = ["error" => $e->get_error_message(), "data" => $e->get_error_data()];
		});
		do_action_ref_array("postilion_poll", []);
		echo json_encode($all);`)
	if err := json.Unmarshal([]byte(out), &failures); err != nil {
		s.t.Fatalf("%v: %s", err, out)
	}
	return failures
}

// pending counts the messages whose arguments the site remembers.
func (s *site) pending() string {
	s.t.Helper()
	return s.php(`echo $wpdb->get_var("SELECT COUNT(*) FROM {$wpdb->prefix}postilion_pending");`)
}

// What the daemon could not deliver in the end is the site's concern.
func TestLateFailure(t *testing.T) {
	s, d, server, mended := lateSite(t)
	t.Run("comes back", func(t *testing.T) { comesBack(t, s.in(t), d, server) })
	t.Run("of another site does not", func(t *testing.T) { foreign(t, s.in(t), d) })
	t.Run("is shown to the admin", func(t *testing.T) { admin(t, s.in(t), d, mended) })
	s.in(t)
}

// in lets a part of a test use the site.
func (s *site) in(t testing.TB) *site {
	s.t = t
	return s
}

// A mail that fails after wp_mail() has returned comes back with its arguments,
// once.
func comesBack(t *testing.T, s *site, d *daemon, server *smtptest.Server) {
	attached := write(t, s.folder+"/note.txt", "note")
	s.mail(`["gone@example.net", "b@example.net"], "Late", "The text with a secret link", ["Cc: c@example.net", "X-Order: 7"], ["` + attached + `"]`).accepted(t)
	s.php(`global $phpmailer; $m = $phpmailer; $m->clearAllRecipients(); $m->setFrom("direct@example.net"); $m->addAddress("gone@example.net"); $m->Subject = "Direct"; $m->Body = "x"; var_dump($m->send());`)
	if text := s.php(`echo serialize($wpdb->get_col("SELECT context FROM {$wpdb->prefix}postilion_pending"));`); strings.Contains(text, "secret link") || strings.Contains(text, "Late") {
		t.Error("the database shows the mail's text")
	}
	await(t, "both mails have failed", func() bool { return len(d.messages("--state", "failed")) == 2 })
	server.Messages(2)

	failures := s.poll()
	if len(failures) != 2 {
		t.Fatalf("wp_mail_failed was fired %d times: %v", len(failures), failures)
	}
	late, direct := failures[0], failures[1]
	if !strings.Contains(late.Error, "gone@example.net") || !strings.Contains(late.Error, "550 5.1.1") {
		t.Errorf("the text is %q", late.Error)
	}
	want := map[string]string{
		"to": `["gone@example.net","b@example.net"]`, "subject": `"Late"`, "message": `"The text with a secret link"`,
		"headers": `{"X-Order":"7"}`, "attachments": `["` + attached + `"]`,
	}
	for key, value := range want {
		got, err := json.Marshal(late.Data[key])
		if err != nil || string(got) != value {
			t.Errorf("%s is %s, want %s", key, got, value)
		}
	}
	if direct.Data["subject"] != "Direct" {
		t.Errorf("the failure of $phpmailer->send() is %v", direct.Data)
	}
	if again := s.poll(); len(again) != 0 {
		t.Errorf("the failures came back twice: %v", again)
	}
	if left := s.pending(); left != "0" {
		t.Errorf("%s messages are remembered although all have come to an end", left)
	}

	// Some minutes later the sidecar has another address: it counts anew.
	s.muPlugin("later", `namespace Postilion\WordPress; function time() { return \time() + 300; }`)
	if again := s.poll(); len(again) != 0 {
		t.Errorf("the failures came back later: %v", again)
	}
	s.set(`"socket" => "` + filepath.Dir(d.HTTPSocket()) + "/./" + filepath.Base(d.HTTPSocket()) + `"`)
	if again := s.poll(); len(again) != 0 {
		t.Errorf("under another address the failures came back again: %v", again)
	}
	s.set(`"socket" => "` + d.HTTPSocket() + `"`)
	if err := os.Remove(filepath.Join(s.root, "wp-content/mu-plugins/later.php")); err != nil {
		t.Fatal(err)
	}
}

// Another site of the same Unix user hears nothing of it.
func foreign(t *testing.T, s *site, d *daemon) {
	s.mail(`"gone@example.net", "Mine", "x"`).accepted(t)
	await(t, "the mail has failed", func() bool { return len(d.messages("--state", "failed")) == 3 })
	out := s.php(`delete_option("postilion_sequence"); $wpdb->query("TRUNCATE {$wpdb->prefix}postilion_pending");
		update_option("home", "http://other.example.net");
		add_action("wp_mail_failed", function ($e) { echo "failed"; });
		do_action_ref_array("postilion_poll", []);
		update_option("home", "http://blog.example.net");`)
	if out != "" {
		t.Errorf("a failure of another site came back: %s", out)
	}
}

// What strangers write is shown, and does nothing; the admin sees failures, and
// sends again.
func admin(t *testing.T, s *site, d *daemon, mended chan struct{}) {
	s.set(`"keep_content" => "1"`)
	s.sayMail(`add_filter("wp_mail_from_name", function () { return `+quote(evil)+`; });`, `"gone@example.net", `+quote(evil)+`, "x"`).accepted(t)
	await(t, "the mail has failed", func() bool { return len(d.messages("--state", "failed")) == 4 })
	s.serve()
	b := openBrowser(t, s, "admin")
	b.login()
	b.open("/wp-admin/index.php")
	b.expect(".notice-error", "could not be delivered", "<script>alert(2)</script>", "no such user")
	b.shoot("1-dashboard")
	b.open("/wp-admin/options-general.php?page=postilion&tab=messages&state=failed")
	b.expect(".wp-list-table", "<img src=x onerror=alert(1)>", "no such user", "Failed")
	b.shoot("2-failed")
	b.press(".wp-list-table .row-actions a")
	b.expect(".postilion", "Attempts", "<script>alert(2)</script>", "550")
	b.shoot("3-details")
	close(mended)
	b.press("button[name=resend]")
	b.expect(".notice-success", "sent again")
	await(t, "the mail is sent", func() bool { return len(d.messages("--state", "failed")) == 3 })
	b.open("/wp-admin/options-general.php?page=postilion&tab=messages&message=" + `%22%3E%3Cscript%3Ealert(3)%3C/script%3E`)
	b.expect(".notice-error.inline", "there is no message", "<script>alert(3)</script>")
	b.open("/wp-admin/index.php")
	b.press(".notice-error a.button-link")
	if text := b.text(".wrap"); strings.Contains(text, "could not be delivered") {
		t.Errorf("the notice is still there:\n%s", text)
	}

	// A form that another site sends in the admin's name does nothing.
	forged, err := chromedp.Run(b.ctx, chromedp.Evaluate[string](`(function () {
		var answer = new XMLHttpRequest();
		answer.open("POST", "/wp-admin/options-general.php?page=postilion&tab=sidecar", false);
		answer.setRequestHeader("Content-Type", "application/x-www-form-urlencoded");
		answer.send("save=1&reach=url&url=http%3A%2F%2F127.0.0.1%3A1&fallback=fail");
		return answer.status + " " + answer.responseText;
	})()`))
	if err != nil || !strings.HasPrefix(forged, "403") {
		t.Errorf("a forged form was answered by %v %.300s", err, forged)
	}
	if fallback := s.php(`echo Postilion\WordPress\Settings::site()->get("fallback");`); fallback != "spool" {
		t.Errorf("the setting is %q now", fallback)
	}

	// Nobody else may do anything.
	s.php(`wp_insert_user(["user_login" => "editor", "user_pass" => "Ed1tor-pass", "role" => "editor"]);`)
	b.do(chromedp.Navigate("about:blank"))
	b.logout()
	b.loginAs("editor", "Ed1tor-pass")
	b.open("/wp-admin/options-general.php?page=postilion")
	b.expect("body", "not allowed")
	forged, err = chromedp.Run(b.ctx, chromedp.Evaluate[string](`(function () {
		var answer = new XMLHttpRequest();
		answer.open("GET", "/wp-admin/admin-post.php?action=postilion_dismiss", false);
		answer.send();
		return answer.responseText;
	})()`))
	if err != nil || !strings.Contains(forged, "expired") {
		t.Errorf("a forged link was answered by %v %.300s", err, forged)
	}
}
