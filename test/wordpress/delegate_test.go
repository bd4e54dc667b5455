package wordpress

import (
	"regexp"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"

	"github.com/postilion-mail/postilion/internal/dnstest"
	"github.com/postilion-mail/postilion/internal/postfixtest"
)

// A site's owner installs the plugin, fills the settings, tests the connection,
// sends a test mail, and asks for a lost password, all in a browser; the mails
// arrive in a Postfix that demands STARTTLS and a login.
func TestDelegate(t *testing.T) {
	t.Run("php -S, URL and token", func(t *testing.T) {
		delegate(t, "server", (*site).serve, func(t testing.TB, b *browser, d *daemon) {
			b.click("#reach-url")
			b.fill(map[string]string{"url": "http://" + d.HTTP, "token": d.client("blog"), "maildrop": d.Path("maildrop")})
		})
	})
	t.Run("nginx and PHP-FPM, Unix socket", func(t *testing.T) {
		delegate(t, "fpm", (*site).serveNginx, func(t testing.TB, b *browser, d *daemon) {
			d.bind("blog")
			b.fill(map[string]string{"socket": d.HTTPSocket(), "maildrop": d.Path("maildrop")})
		})
	})
}

// zone is what the sender's domain publishes.
const zone = `
example.net. 300 IN TXT "v=spf1 include:spf.provider.example ~all"
example.net. 300 IN MX 10 mx.example.net.
mx.example.net. 300 IN A 192.0.2.1
`

func delegate(t *testing.T, name string, serve func(*site), reach func(testing.TB, *browser, *daemon)) {
	folder := scenario(t)
	p := postfixtest.Start(t, subfolder(t, folder, "postfix"))
	dns := dnstest.Start(t, zone)
	d := startDaemon(t, subfolder(t, folder, "daemon"), "--dns-server", dns.Address())
	s := newSite(t, folder, "")
	serve(s)
	b := openBrowser(t, s, name)

	b.login()
	b.open("/wp-admin/plugin-install.php?tab=upload")
	b.do(chromedp.SetUploadFiles(chromedp.CSS("#pluginzip"), []string{archive}))
	b.do(chromedp.WaitEnabled(chromedp.CSS("#install-plugin-submit")))
	b.press("#install-plugin-submit")
	b.expect("body", "Plugin installed successfully")
	b.press(".wrap a.button-primary")
	b.expect("body", "Plugin activated")
	b.shoot("1-activated")

	b.open("/wp-admin/options-general.php?page=postilion")
	b.shoot("2-before")
	reach(t, b, d)
	b.press("button[name=save]")
	b.expect(".notice-success", "Settings saved", "blog")
	b.expect(".postilion-facts", "Connected to Postilion", "send, read, configure")
	b.shoot("3-sidecar")

	configure(b, p)
	sendTest(b, p)
	losePassword(b, p)
	lookAround(b)
}

// configure fills the connection's form, first with the wrong password.
func configure(b *browser, p *postfixtest.Server) {
	b.t.Helper()
	b.open("/wp-admin/options-general.php?page=postilion&tab=connection")
	b.shoot("4-connection-empty")
	b.do(chromedp.SetAttributeValue(chromedp.CSS("details"), "open", ""))
	b.fill(map[string]string{
		"host": p.Host, "port": p.Port, "security": "starttls", "username": postfixtest.Account, "password": "wrong-" + postfixtest.Password,
		"certificates": read(b.t, p.CA), "from_address": "shop@example.net", "from_name": "The <i>Shop</i>",
	})
	b.click("button[name=test]")
	b.expect("#postilion-result", "The test failed", "auth", "535")
	b.shoot("5-wrong-password")
	b.fill(map[string]string{"password": postfixtest.Password})
	b.click("button[name=test]")
	b.expect("#postilion-result", "All stages passed", "starttls", "TLS", "250")
	b.shoot("6-tested")
	b.press("button[name=save]")
	b.expect(".notice-success", "Connection saved")
	if html := b.html(); strings.Contains(html, postfixtest.Password) {
		b.t.Error("the page shows the password")
	}
	b.shoot("7-saved")
}

// sendTest sends the test mail.
func sendTest(b *browser, p *postfixtest.Server) {
	b.t.Helper()
	b.open("/wp-admin/options-general.php?page=postilion&tab=test")
	b.fill(map[string]string{"to": "owner@example.net"})
	b.click("button[name=send]")
	b.expect("#postilion-result", "The mail server has taken the mail", "queued as", "All stages passed", "SPF", "DMARC")
	b.shoot("8-test-mail")
	letter := p.Await(b.t, "Test mail of Lab & <b>Söhne</b>", "owner@example.net")
	if from := letter.Addresses(b.t, "From"); len(from) != 1 || from[0].Address != "shop@example.net" || from[0].Name != "The <i>Shop</i>" {
		b.t.Errorf("From is %v", from)
	}
	if letter.Texts["text/html"] == "" || !strings.Contains(letter.Texts["text/plain"], "http://blog.example.net") {
		b.t.Errorf("the test mail has the parts %v", letter.Texts)
	}
	if received := letter.Header.Get("Received"); !strings.Contains(received, "TLS") || !strings.Contains(received, postfixtest.Account) {
		b.t.Errorf("no TLS or no login: %s", received)
	}
}

// losePassword asks for a new password as a visitor does, and uses the link.
func losePassword(b *browser, p *postfixtest.Server) {
	b.t.Helper()
	b.open("/wp-login.php?action=lostpassword")
	b.fill(map[string]string{"user_login": adminName})
	b.press("#wp-submit")
	b.expect("body", "Check your email")
	b.shoot("9-lost-password")
	letter := p.Await(b.t, "[Lab & <b>Söhne</b>] Password Reset", adminMail)
	link := regexp.MustCompile(regexp.QuoteMeta(b.site.URL) + `(/wp-login\.php\?action=rp&key=\S+)`).FindStringSubmatch(letter.Texts["text/plain"])
	if link == nil {
		b.t.Fatalf("no link in\n%s", letter.Texts["text/plain"])
	}
	b.open(link[1])
	b.expect("body", "Enter your new password")
}

// lookAround looks at the other pages.
func lookAround(b *browser) {
	b.t.Helper()
	b.open("/wp-admin/options-general.php?page=postilion&tab=messages")
	b.expect(".wp-list-table", "Password Reset", "Test mail of", "Sent", "owner@example.net")
	b.shoot("10-messages")
	b.press(".wp-list-table .row-actions a")
	b.expect(".postilion", "Attempts", "queued as")
	b.shoot("11-message")
	b.open("/wp-admin/options-general.php?page=postilion&tab=import")
	b.expect(".postilion", "There are no settings of")
	b.open("/wp-admin/site-health.php")
	b.do(chromedp.WaitVisible(chromedp.CSS(".site-health-view-passed")))
	b.click(".site-health-view-passed")
	b.expect("#health-check-site-status-good", "The Postilion sidecar answers", "Mail of this site can leave", "Mail of this site goes through Postilion")
	b.shoot("12-site-health")
	b.open("/wp-admin/index.php")
	if text := b.text(".wrap"); strings.Contains(text, "Postilion") {
		b.t.Errorf("the dashboard has a notice although all is well:\n%s", text)
	}
}

// html is the page as it stands.
func (b *browser) html() string {
	b.t.Helper()
	html, err := chromedp.Run(b.ctx, chromedp.OuterHTML(chromedp.CSS("html")))
	if err != nil {
		b.t.Fatalf("the browser: %v", err)
	}
	return html
}
