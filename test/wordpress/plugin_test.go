package wordpress

import (
	"encoding/json"
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	postilionv1 "github.com/postilion-mail/postilion/proto/gen/postilion/v1"

	"github.com/postilion-mail/postilion/internal/dnstest"
	"github.com/postilion-mail/postilion/internal/postfixtest"
	"github.com/postilion-mail/postilion/internal/smtptest"
)

var update = flag.Bool("update", false, "write the template of the translations")

// What the plugin is besides a way for mail.
func TestPlugin(t *testing.T) {
	folder := scenario(t)
	dns := dnstest.Start(t, "")
	d := startDaemon(t, subfolder(t, folder, "daemon"), "--dns-server", dns.Address())
	d.bind("blog")
	s := newSite(t, folder, "")
	s.install()
	t.Run("import", func(t *testing.T) { importSettings(t, s.in(t)) })
	t.Run("Site Health", func(t *testing.T) { siteHealth(t, s.in(t), d) })
	t.Run("copy of the site", func(t *testing.T) { copyOfSite(t, s.in(t), d) })
	t.Run("WP-CLI", func(t *testing.T) { commandLine(t, s.in(t), d) })
	t.Run("owner", func(t *testing.T) { owner(t, s.in(t)) })
	t.Run("translations", func(t *testing.T) { translations(t, s.in(t)) })
	t.Run("constants", func(t *testing.T) { constants(t, s.in(t), d) })
	t.Run("uninstall", func(t *testing.T) { uninstall(t, s.in(t), d) })
	s.in(t)
}

// Constants in wp-config.php win over what is stored, and are shown locked.
func constants(t *testing.T, s *site, d *daemon) {
	token := d.client("constants")
	s.configure(`define("POSTILION_URL", "http://` + d.HTTP + `"); define("POSTILION_TOKEN", "` + token + `"); define("POSTILION_FALLBACK", "fail");`)
	s.set(`"socket" => "/nowhere.sock", "token" => "other", "fallback" => "native", "connection" => ""`)
	s.mail(`"a@example.net", "By constants", "x"`).accepted(t)
	page := s.page("sidecar")
	for _, text := range []string{"Set by POSTILION_URL in wp-config.php.", "Set by POSTILION_TOKEN in wp-config.php.", "Set by POSTILION_FALLBACK in wp-config.php."} {
		if !strings.Contains(page, text) {
			t.Errorf("the page does not say %q", text)
		}
	}
	if strings.Contains(page, token) {
		t.Error("the page shows the token")
	}
	if stored := s.php(`echo serialize(get_option("postilion"));`); strings.Contains(stored, "other") {
		t.Errorf("the token is stored as it is: %s", stored)
	}
	s.configure("")
}

// page renders a tab as the admin sees it.
func (s *site) page(tab string) string {
	s.t.Helper()
	return s.renderTab("site", tab)
}

// renderTab renders a tab of the site's page or the network's.
func (s *site) renderTab(level, tab string) string {
	s.t.Helper()
	return s.php(renderTab(level, tab))
}

func renderTab(level, tab string) string {
	return openTab(level, tab) + `$screen->render();`
}

// submitTab sends a tab's form with the fields, which are PHP, as its admin does.
func submitTab(level, tab, fields string) string {
	return openTab(level, tab) + `$_SERVER["REQUEST_METHOD"] = "POST";
		$_POST = [` + fields + `];
		$_REQUEST["_wpnonce"] = wp_create_nonce("postilion");
		$screen->handle();`
}

func openTab(level, tab string) string {
	return `define("WP_ADMIN", true);
		wp_set_current_user(1);
		$_GET["tab"] = "` + tab + `";
		require_once ABSPATH . "wp-admin/includes/admin.php";
		$screen = (function () { return new self(Postilion\WordPress\Settings::` + level + `()); })->bindTo(null, Postilion\WordPress\Admin\Screen::class)();
		`
}

// The settings of other plugins come over, in the forms in which they store
// them.
func importSettings(t *testing.T, s *site) {
	for _, test := range []struct {
		name, option string
		want         map[string]any
		password     string
	}{
		{
			"wp-mail-smtp", `update_option("wp_mail_smtp", ["mail" => ["from_email" => "shop@example.net", "from_name" => "Shop", "mailer" => "smtp",
				"return_path" => false, "from_email_force" => true, "from_name_force" => false],
				"smtp" => ["autotls" => true, "auth" => true, "host" => "smtp.example.com", "encryption" => "tls", "port" => 587, "user" => "shop",
				"pass" => "x9fKq0v2hT5rZ3mYc1lDg=="], "general" => ["summary_report_email_disabled" => false]]);`,
			map[string]any{
				"host": "smtp.example.com", "port": "587", "security": "starttls", "authentication": "auto", "username": "shop",
				"from_address": "shop@example.net", "from_name": "Shop", "force_from_address": true, "force_from_name": false,
			}, "",
		},
		{
			"easy-wp-smtp", `update_option("easy_wp_smtp", ["mail" => ["from_email" => "a@example.net", "from_name" => "A", "mailer" => "smtp",
				"from_email_force" => "1", "reply_to_email" => "reply@example.net"], "smtp" => ["host" => "mail.example.com", "encryption" => "ssl",
				"port" => "465", "auth" => "1", "user" => "a@example.net", "pass" => "c2VjcmV0"]]);`,
			map[string]any{"host": "mail.example.com", "port": "465", "security": "tls", "reply_to": "reply@example.net", "force_from_address": true}, "",
		},
		{
			"easy-wp-smtp", `delete_option("easy_wp_smtp"); update_option("swpsmtp_options", ["from_email_field" => "b@example.net", "from_name_field" => "B",
				"force_from_name_replace" => 1, "reply_to_email" => "", "smtp_settings" => ["host" => "old.example.com", "type_encryption" => "none",
				"port" => "25", "autentication" => "no", "username" => "", "password" => ""]]);`,
			map[string]any{"host": "old.example.com", "port": "25", "security": "none", "authentication": "none", "from_address": "b@example.net", "force_from_name": true}, "",
		},
		{
			"fluent-smtp", `update_option("fluentmail-settings", ["connections" => [
				"1a" => ["title" => "Other", "provider_settings" => ["provider" => "mailgun", "sender_email" => "m@example.net"]],
				"2b" => ["title" => "SMTP", "provider_settings" => ["sender_name" => "C", "sender_email" => "c@example.net", "force_from_name" => "no",
				"force_from_email" => "yes", "return_path" => "yes", "host" => "fluent.example.com", "port" => "587", "auth" => "yes", "username" => "c",
				"password" => "AbCd", "auto_tls" => "yes", "encryption" => "none", "key_store" => "db", "provider" => "smtp"]]],
				"mappings" => [], "misc" => ["default_connection" => "2b", "log_emails" => "yes"]]);`,
			map[string]any{"host": "fluent.example.com", "security": "opportunistic", "authentication": "auto", "username": "c", "force_from_address": true, "force_from_name": false}, "",
		},
		{
			"post-smtp", `update_option("postman_options", ["enc_type" => "tls", "hostname" => "post.example.com", "port" => 587, "auth_type" => "login",
				"transport_type" => "smtp", "envelope_sender" => "d@example.net", "sender_email" => "d@example.net", "sender_name" => "D",
				"basic_auth_username" => "d", "basic_auth_password" => base64_encode("pass wörd"), "reply_to" => "r@example.net",
				"prevent_sender_email_override" => "on"]);`,
			map[string]any{"host": "post.example.com", "security": "starttls", "authentication": "login", "username": "d", "reply_to": "r@example.net", "force_from_address": true}, "pass wörd",
		},
		{
			"wp-mail-smtp", `update_option("wp_mail_smtp", ["mail" => ["mailer" => "sendgrid"]]);`, nil, "",
		},
		{
			"post-smtp", `update_option("postman_options", ["hostname" => ["evil"], "port" => new stdClass]);`, nil, "",
		},
	} {
		out := s.php(test.option + `$source = Postilion\WordPress\Import\Source::find("` + test.name + `");
			$form = $source->form();
			echo json_encode(["values" => $form ? $form->values : null, "password" => $source->password(), "note" => $source->passwordNote()]);`)
		var got struct {
			Values         map[string]any
			Password, Note string
		}
		if err := json.Unmarshal([]byte(out), &got); err != nil {
			t.Fatalf("%s: %v: %s", test.name, err, out)
		}
		if (got.Values == nil) != (test.want == nil) || got.Password != test.password || got.Note == "" {
			t.Errorf("%s: %s", test.name, out)
		}
		for key, value := range test.want {
			if got.Values[key] != value {
				t.Errorf("%s: %s is %v, want %v", test.name, key, got.Values[key], value)
			}
		}
	}
	for _, text := range []string{"FluentSMTP", "fluent.example.com:587", "It does not send by SMTP"} {
		if page := s.page("import"); !strings.Contains(page, text) {
			t.Errorf("the tab does not show %q:\n%s", text, page)
		}
	}
}

// wpCLI stands for WP-CLI, which Debian does not have: what the command uses of
// it, with the same effects.
const wpCLI = `
define("WP_CLI", true);
class WP_CLI {
	public static $commands = [];
	public static function add_command($name, $class) { self::$commands[$name] = $class; }
	public static function line($text) { echo $text, "\n"; }
	public static function success($text) { echo "Success: $text\n"; }
	public static function warning($text) { echo "Warning: $text\n"; }
	public static function error($text) { echo "Error: $text\n"; exit(1); }
}
`

// The commands for WP-CLI say what is, and end with 1 if it is not well.
func commandLine(t *testing.T, s *site, d *daemon) {
	server := smtptest.Start(t, smtptest.Account("shop", "secret"))
	s.muPlugin("wp-cli", wpCLI)
	run := func(ok bool, name, args string, texts ...string) {
		t.Helper()
		out, err := s.command(`(new WP_CLI::$commands["postilion"])->` + name + `(` + args + `);`).output()
		if (err == nil) != ok {
			t.Errorf("wp postilion %s: %v\n%s", name, err, out)
		}
		for _, text := range texts {
			if !strings.Contains(out, text) {
				t.Errorf("wp postilion %s does not say %q:\n%s", name, text, out)
			}
		}
	}
	s.set(`"socket" => "` + s.folder + `/nowhere.sock"`)
	run(false, "status", "", "there is no socket")
	s.set(`"socket" => "` + d.HTTPSocket() + `"`)
	run(false, "status", "", "This site is: blog (send, read, configure)", "does not leave it")
	run(false, "test", "", "no connection of its own")

	host, port := split(t, server.Address())
	configure := func(password string) {
		s.php(`$form = new Postilion\WordPress\ConnectionForm();
			$form->values = ["host" => "` + host + `", "port" => "` + port + `", "username" => "shop", "certificates" => ` + quote(server.CA().PEM()) + `] + $form->values;
			$form->password = "` + password + `";
			$client = Postilion\WordPress\Sidecar::client(Postilion\WordPress\Settings::site());
			$client->configure($form->toConnection("blog"), []);
			Postilion\WordPress\Settings::site()->save(["connection" => "blog"]);`)
	}
	configure("wrong")
	run(false, "test", "", "auth", "failed", "535")
	configure("secret")
	run(true, "test", "", "All stages passed")
	run(true, "status", "", "It takes the connection blog", "Mail of this site can leave")
	run(true, "send", `["you@example.net"], ["html" => true]`, "you@example.net: sent", "Success: The mail is accepted; its state is SENT.")
	run(false, "send", `["nobody"]`, "recipient")
	if messages := server.Messages(1); !strings.Contains(string(messages[0].Content), "multipart/alternative") {
		t.Errorf("the test mail is\n%s", messages[0].Content)
	}
	if err := os.Remove(filepath.Join(s.root, "wp-content/mu-plugins/wp-cli.php")); err != nil {
		t.Fatal(err)
	}
}

// quote makes a literal of PHP.
func quote(text string) string {
	return "'" + strings.NewReplacer(`\`, `\\`, "'", `\'`).Replace(text) + "'"
}

// Another plugin that sends the mail is named, in the admin and in Site Health.
func owner(t *testing.T, s *site) {
	owner := func() string { return s.php(`echo Postilion\WordPress\Owner::other();`) }
	if name := owner(); name != "" {
		t.Fatalf("%s owns the mail", name)
	}
	plugin := subfolder(t, filepath.Join(s.root, "wp-content/plugins"), "other-smtp")
	write(t, filepath.Join(plugin, "other.php"), `<?php
/* Plugin Name: Other SMTP */
function wp_mail($to, $subject, $message, $headers = "", $attachments = []) { return true; }`)
	s.php(`update_option("active_plugins", ["other-smtp/other.php", "postilion/postilion.php"]);`)
	if name := owner(); name != "Other SMTP" {
		t.Errorf("%q owns the mail", name)
	}
	out := s.php(`echo wp_json_encode(Postilion\WordPress\SiteHealth::owner());`)
	if !strings.Contains(out, "critical") || !strings.Contains(out, "Other SMTP") {
		t.Errorf("Site Health says %s", out)
	}
	write(t, filepath.Join(plugin, "other.php"), `<?php
/* Plugin Name: Other SMTP */
require_once ABSPATH . WPINC . "/PHPMailer/PHPMailer.php";
class OtherMailer extends PHPMailer\PHPMailer\PHPMailer {}
add_action("init", function () { $GLOBALS["phpmailer"] = new OtherMailer(); });`)
	if name := owner(); name != "Other SMTP" {
		t.Errorf("%q owns the mailer", name)
	}
	s.php(`update_option("active_plugins", ["postilion/postilion.php"]);`)
}

// Site Health says what is wrong.
func siteHealth(t *testing.T, s *site, d *daemon) {
	token := d.client("health")
	health := func(test string) string {
		return s.php(`echo wp_json_encode(Postilion\WordPress\SiteHealth::` + test + `());`)
	}
	check := func(test, status, text string) {
		t.Helper()
		if out := health(test); !strings.Contains(out, `"status":"`+status+`"`) || !strings.Contains(out, text) {
			t.Errorf("%s: %s", test, out)
		}
	}
	s.set(`"socket" => "` + s.folder + `/nowhere.sock"`)
	check("sidecar", "critical", "there is no socket")
	s.set(`"socket" => "", "url" => "http://` + d.HTTP + `", "token" => "` + token + `"`)
	check("sidecar", "good", "knows this site as health")
	check("connection", "critical", "does not leave it")
	if out := s.php(`require_once ABSPATH . "wp-admin/includes/admin.php"; echo wp_json_encode(apply_filters("debug_information", []));`); strings.Contains(out, token) || !strings.Contains(out, "127.0.0.1") {
		t.Errorf("the information is %s", out)
	}
	s.set(`"url" => "", "token" => ""`)
}

// A copy of the site under another address does not write to the customers.
func copyOfSite(t *testing.T, s *site, d *daemon) {
	d.cli("", "clients", "update", "blog", "--origin", "http://blog.example.net")
	s.set(`"socket" => "` + d.HTTPSocket() + `"`)
	s.php(`Postilion\WordPress\Peer::ask(Postilion\WordPress\Settings::site());`)
	s.mail(`"a@example.net", "Original", "x"`).accepted(t)
	s.sayMail(`add_filter("home_url", function () { return "http://blog.example.net/de"; });`, `"a@example.net", "Translated", "x"`).accepted(t)
	s.php(`update_option("home", "http://staging.example.net");`)
	s.mail(`"a@example.net", "Copy", "x", ["From: shop@example.net"]`).accepted(t)
	if out := s.php(`echo wp_json_encode(Postilion\WordPress\SiteHealth::sidecar());`); !strings.Contains(out, "Mail of this site is held") {
		t.Errorf("Site Health says nothing of the copy: %s", out)
	}
	s.php(`update_option("home", "http://blog.example.net");`)
	for _, message := range d.messages() {
		held := message.GetState() == postilionv1.MessageState_MESSAGE_STATE_HELD
		if held != (message.GetSubject() == "Copy") {
			t.Errorf("%s is %s", message.GetSubject(), message.GetState())
		}
	}
	d.cli("", "clients", "update", "blog", "--origin", "", "--guard", "hold")
	if out := s.php(`echo wp_json_encode(Postilion\WordPress\SiteHealth::sidecar());`); !strings.Contains(out, `"recommended"`) {
		t.Errorf("Site Health says nothing of the guard: %s", out)
	}
	d.cli("", "clients", "update", "blog", "--guard", "none")
}

// The settings of a network hold for its sites, which may have their own if the
// network lets them; each has its own tag, table and list of messages.
func TestMultisite(t *testing.T) {
	folder := scenario(t)
	d := startDaemon(t, subfolder(t, folder, "daemon"))
	d.bind("network")
	s := newSite(t, folder, "")
	s.php(`define("WP_INSTALLING_NETWORK", true);
		require_once ABSPATH . "wp-admin/includes/network.php";
		foreach ($wpdb->tables("ms_global") as $table => $prefixed) { $wpdb->$table = $prefixed; }
		install_network();
		populate_network(1, "blog.example.net", "` + adminMail + `", "Network", "/", false);`)
	s.configure(`define("WP_ALLOW_MULTISITE", true); define("MULTISITE", true); define("SUBDOMAIN_INSTALL", false);
define("DOMAIN_CURRENT_SITE", "blog.example.net"); define("PATH_CURRENT_SITE", "/"); define("SITE_ID_CURRENT_SITE", 1); define("BLOG_ID_CURRENT_SITE", 1);`)
	s.Host = "blog.example.net"
	plugins := filepath.Join(s.root, "wp-content/plugins")
	unzip(t, plugins)
	s.chown(plugins)
	s.php(`require_once ABSPATH . "wp-admin/includes/plugin.php"; activate_plugin("postilion/postilion.php", "", true);`)
	two := s.php(`echo wpmu_create_blog("blog.example.net", "/two/", "Two", 1);`)
	in := func(path, code string) string {
		command := s.command(code)
		command.Env = append(command.Env, "WP_PATH="+path)
		out, err := command.output()
		if err != nil {
			s.t.Fatalf("%v\n%s", err, out)
		}
		return out
	}
	tables := s.php(`echo implode(" ", $wpdb->get_col("SHOW TABLES LIKE '%postilion%'"));`)
	if tables != "wp_"+two+"_postilion_pending wp_postilion_pending" && tables != "wp_postilion_pending wp_"+two+"_postilion_pending" {
		t.Errorf("the tables are %s", tables)
	}
	s.php(`Postilion\WordPress\Settings::network()->save(["socket" => "` + d.HTTPSocket() + `", "fallback" => "fail", "sites_decide" => true]);`)
	const tell = `$s = Postilion\WordPress\Settings::site(); echo $s->get("fallback"), " ", $s->source("fallback"), " ", $s->source("socket"), " ", Postilion\WordPress\Site::tag();`
	check := func(path, want string) {
		t.Helper()
		if got := in(path, tell); got != want {
			t.Errorf("at %s: %s, want %s", path, got, want)
		}
	}
	check("/", "fail network network blog.example.net")
	check("/two/", "fail network network blog.example.net/two")
	in("/two/", `Postilion\WordPress\Settings::site()->save(["fallback" => "native"]);`)
	check("/two/", "native site network blog.example.net/two")
	check("/", "fail network network blog.example.net")
	s.php(`Postilion\WordPress\Settings::network()->save(["sites_decide" => false]);`)
	check("/two/", "fail network network blog.example.net/two")

	for path, subject := range map[string]string{"/": "Of one", "/two/": "Of two"} {
		if out := in(path, `var_export(wp_mail("a@example.net", "`+subject+`", "x"));`); out != "true" {
			t.Errorf("wp_mail() of %s said %s", path, out)
		}
	}
	list := in("/two/", renderTab("site", "messages"))
	if !strings.Contains(list, "Of two") || strings.Contains(list, "Of one") {
		t.Errorf("the second site shows\n%s", list)
	}

	for tab, text := range map[string]string{"sidecar": "Sites may have settings of their own", "connection": "TLS from the start"} {
		if page := s.renderTab("network", tab); !strings.Contains(page, text) {
			t.Errorf("the network's page does not show %q:\n%s", text, page)
		}
	}

	t.Run("the network's are kept", func(t *testing.T) { networkIsKept(t, s.in(t), d, in) })
	t.Run("one origin", func(t *testing.T) { oneOrigin(t, s.in(t), d, in) })
	s.in(t)

	s.php(`require_once ABSPATH . "wp-admin/includes/plugin.php"; deactivate_plugins("postilion/postilion.php", false, true);
		define("WP_UNINSTALL_PLUGIN", "postilion/postilion.php"); require WP_PLUGIN_DIR . "/postilion/uninstall.php";`)
	if left := s.leftovers(); left != "" {
		t.Errorf("uninstalled, it has left %s", left)
	}
}

// The admin of a site neither changes what the network has not left to him, nor
// gets to the network's token.
func networkIsKept(t *testing.T, s *site, d *daemon, in func(path, code string) string) {
	network := func(values string) {
		t.Helper()
		s.php(`Postilion\WordPress\Settings::network()->save([` + values + `]);`)
	}
	shown := func(want ...string) {
		t.Helper()
		page := in("/two/", renderTab("site", "test"))
		for _, tab := range []string{"sidecar", "connection", "import", "messages"} {
			if slices.Contains(want, tab) != strings.Contains(page, "tab="+tab) {
				t.Errorf("want the tabs %v, %s is otherwise", want, tab)
			}
		}
	}
	const evil = `"reach" => "url", "url" => "http://127.0.0.1:1", "fallback" => "fail"`
	shown("messages")
	for _, tab := range []string{"sidecar", "connection", ""} {
		if out := in("/two/", submitTab("site", tab, evil)); !strings.Contains(out, "not allowed") {
			t.Errorf("the form of %q was answered by %s", tab, out)
		}
	}
	network(`"sites_decide" => true, "connection" => "shared"`)
	shown("messages", "sidecar")
	if out := in("/two/", submitTab("site", "connection", `"host" => "evil.example"`)); !strings.Contains(out, "not allowed") {
		t.Errorf("the form of the network's connection was answered by %s", out)
	}
	network(`"connection" => ""`)
	shown("messages", "sidecar", "connection", "import")

	const tell = `$s = Postilion\WordPress\Settings::site(); echo $s->source("socket"), " ", $s->source("fallback"), " ", $s->get("token");`
	network(`"token" => "network-token"`)
	in("/two/", submitTab("site", "sidecar", `"reach" => "socket", "socket" => "`+d.HTTPSocket()+`", "fallback" => "spool"`))
	if got := in("/two/", tell); got != "network site network-token" {
		t.Errorf("with its own fallback the second site has %s", got)
	}
	in("/two/", submitTab("site", "sidecar", evil))
	if got := in("/two/", tell); got != "site site " {
		t.Errorf("with its own address the second site has %s", got)
	}
	in("/two/", `Postilion\WordPress\Settings::site()->save(["token" => "own"]);`)
	if got := in("/two/", tell); got != "site site own" {
		t.Errorf("with its own token the second site has %s", got)
	}
	in("/two/", `Postilion\WordPress\Settings::site()->save(["token" => "", "url" => "", "socket" => "", "fallback" => ""]);`)
	network(`"token" => ""`)
	in("/two/", renderTab("site", "sidecar")) // which takes the form's answer away
}

// One client does for a network: its origin is the main site's address.
func oneOrigin(t *testing.T, s *site, d *daemon, in func(path, code string) string) {
	d.cli("", "clients", "update", "network", "--origin", "http://blog.example.net")
	in("/two/", `Postilion\WordPress\Peer::ask(Postilion\WordPress\Settings::site());
		wp_mail("a@example.net", "With an origin", "x");`)
	message := d.messages()[0]
	if message.GetSubject() != "With an origin" || message.GetState() == postilionv1.MessageState_MESSAGE_STATE_HELD {
		t.Errorf("%q is %s", message.GetSubject(), message.GetState())
	}
	if out := in("/two/", `echo wp_json_encode(Postilion\WordPress\SiteHealth::sidecar());`); strings.Contains(out, "is held") {
		t.Errorf("Site Health says %s", out)
	}
}

// leftovers gives what the plugin has in the database.
func (s *site) leftovers() string {
	s.t.Helper()
	return s.php(`$left = $wpdb->get_col("SHOW TABLES LIKE '%postilion%'");
		$names = "LIKE '%postilion%' AND option_name <> 'recently_activated'";
		foreach ($wpdb->get_col("SHOW TABLES LIKE '%options'") as $table) {
			$left = array_merge($left, $wpdb->get_col("SELECT option_name FROM $table WHERE option_name $names"));
			if (strpos((string) $wpdb->get_var("SELECT option_value FROM $table WHERE option_name = 'cron'"), "postilion") !== false) { $left[] = "$table: cron"; }
		}
		if (is_multisite()) { $left = array_merge($left, $wpdb->get_col("SELECT meta_key FROM $wpdb->sitemeta WHERE meta_key LIKE '%postilion%'")); }
		echo implode(" ", $left);`)
}

// Deleted, the plugin leaves nothing behind.
func uninstall(t *testing.T, s *site, d *daemon) {
	s.set(`"socket" => "` + d.HTTPSocket() + `", "url" => "", "token" => ""`)
	s.mail(`"a@example.net", "x", "x"`).accepted(t)
	s.poll()
	if left := s.leftovers(); !strings.Contains(left, "postilion_pending") || !strings.Contains(left, "cron") {
		t.Errorf("installed, it has only %s", left)
	}
	s.php(`require_once ABSPATH . "wp-admin/includes/plugin.php"; require_once ABSPATH . "wp-admin/includes/file.php";
		deactivate_plugins("postilion/postilion.php"); var_export(delete_plugins(["postilion/postilion.php"]));`)
	if left := s.leftovers(); left != "" {
		t.Errorf("uninstalled, it has left %s", left)
	}
}

// What WordPress 6.8 and 6.9 have brought, in our words: a PHPMailer of its own
// with translated texts, the parameter for embedded files, a reset Encoding, and
// a boundary that is part of the content type.
const laterWordPress = `
add_action("muplugins_loaded", function () {
	foreach (["PHPMailer", "SMTP", "Exception"] as $file) { require_once ABSPATH . WPINC . "/PHPMailer/$file.php"; }
	class WP_PHPMailer extends PHPMailer\PHPMailer\PHPMailer {
		public function __construct($exceptions = false) {
			parent::__construct($exceptions);
			$this->language["empty_message"] = "Der Text ist leer";
		}
	}
});
function wp_mail($to, $subject, $message, $headers = "", $attachments = [], $embeds = []) {
	global $phpmailer;
	if (!$phpmailer instanceof PHPMailer\PHPMailer\PHPMailer) { $phpmailer = new WP_PHPMailer(true); }
	$phpmailer->clearAllRecipients(); $phpmailer->clearAttachments(); $phpmailer->clearCustomHeaders(); $phpmailer->clearReplyTos();
	$phpmailer->Body = $phpmailer->AltBody = ""; $phpmailer->Encoding = "8bit";
	$data = compact("to", "subject", "message", "headers", "attachments", "embeds");
	try {
		$phpmailer->setFrom("later@example.net", "Later", false);
		$phpmailer->Subject = $subject; $phpmailer->Body = $message; $phpmailer->addAddress($to);
		$phpmailer->isMail();
		$phpmailer->CharSet = "UTF-8";
		$phpmailer->ContentType = $headers ?: "text/html";
		foreach ($embeds as $cid => $path) { $phpmailer->addEmbeddedImage($path, (string) $cid, basename($path)); }
		do_action_ref_array("phpmailer_init", [&$phpmailer]);
		$sent = $phpmailer->send();
		do_action("wp_mail_succeeded", $data);
		return $sent;
	} catch (PHPMailer\PHPMailer\Exception $e) {
		$data["phpmailer_exception_code"] = $e->getCode();
		do_action("wp_mail_failed", new WP_Error("wp_mail_failed", $e->getMessage(), $data));
		return false;
	}
}
`

// Later releases of WordPress work, too, as far as they can be had here.
func TestLaterWordPress(t *testing.T) {
	folder := scenario(t)
	p := postfixtest.Start(t, subfolder(t, folder, "postfix"))
	d := startDaemon(t, subfolder(t, folder, "daemon"))
	d.bind("blog")
	d.cli(postfixtest.Password, "configure", "main", "--host", p.Host, "--port", p.Port, "--ca-file", p.CA, "--username", postfixtest.Account,
		"--password-file", "-", "--shared")
	s := newSite(t, folder, "")
	s.muPlugin("later", laterWordPress)
	s.install()
	s.set(`"socket" => "` + d.HTTPSocket() + `"`)
	image := write(t, filepath.Join(folder, "dot.png"), "not really a picture")
	s.mail(`"embed@example.net", "Embeds", "<img src=\"cid:dot\">", "", [], ["dot" => "` + image + `"]`).accepted(t)
	letter := p.Await(t, "Embeds", "embed@example.net")
	if !strings.Contains(letter.Texts["text/html"], "cid:dot") || string(letter.Files["dot.png"]) != "not really a picture" {
		t.Errorf("it arrived as\n%s", letter.Raw)
	}
	s.mail(`"multi@example.net", "Multi", "--b\r\nContent-Type: text/plain\r\n\r\nhello\r\n--b--\r\n", "multipart/alternative; boundary=\"b\""`).accepted(t)
	if letter := p.Await(t, "Multi", "multi@example.net"); !strings.Contains(letter.Texts["text/plain"], "hello") {
		t.Errorf("it arrived as\n%s", letter.Raw)
	}
	s.mail(`"empty@example.net", "Empty", ""`).refused(t, "Der Text ist leer")
	if class := s.php(`global $phpmailer; echo get_parent_class(get_parent_class($phpmailer)), " ", $phpmailer instanceof WP_PHPMailer ? "yes" : "no";`); !strings.HasSuffix(class, "yes") {
		t.Errorf("the mailer is no WP_PHPMailer: %s", class)
	}
}

// No file uses what PHP 7.4 does not have.
func TestOldPHP(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	unzip(t, folder)
	command := exec.Command("php", "testdata/php74.php", filepath.Join(folder, "postilion"))
	out, err := command.CombinedOutput()
	if err != nil {
		t.Errorf("%v:\n%s", err, out)
	}
	t.Logf("%s", out)
}

// The template of the translations is that of the sources, and a translation
// made of it is used.
func translations(t *testing.T, s *site) {
	template := filepath.Join(s.folder, "postilion.pot")
	extract := exec.Command("sh", "-c", `find . -name '*.php' | sed 's|^\./||' | sort | xgettext --files-from=- --language=PHP --from-code=UTF-8 --add-comments=translators: \
		--keyword=__ --keyword=_n:1,2 --keyword=esc_html__ --keyword=esc_attr__ --package-name=Postilion -o - |
		sed -e '/^"POT-Creation-Date/d' -e '/^#, fuzzy$/d' -e "1,4d" > "$1"`, "sh", template)
	extract.Dir = "../../sdk/wordpress"
	if out, err := extract.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	const kept = "../../sdk/wordpress/languages/postilion.pot"
	if *update {
		write(t, kept, read(t, template))
	}
	if read(t, template) != read(t, kept) {
		t.Error("languages/postilion.pot is stale: go test ./test/wordpress -run TestPlugin -update")
	}

	source := write(t, filepath.Join(s.folder, "de.po"), "msgid \"\"\nmsgstr \"Content-Type: text/plain; charset=UTF-8\\n\"\n\nmsgid \"Messages\"\nmsgstr \"Nachrichten\"\n")
	compiled := filepath.Join(s.root, "wp-content/plugins/postilion/languages/postilion-de_DE.mo")
	if out, err := exec.Command("msgfmt", "-o", compiled, source).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	if err := os.Chmod(compiled, 0o644); err != nil {
		t.Fatal(err)
	}
	s.muPlugin("locale", `add_filter("locale", function () { return "de_DE"; });`)
	if page := s.page("import"); !strings.Contains(page, "Nachrichten") {
		t.Errorf("the page is not translated:\n%s", page)
	}
	if err := os.Remove(filepath.Join(s.root, "wp-content/mu-plugins/locale.php")); err != nil {
		t.Fatal(err)
	}
}
