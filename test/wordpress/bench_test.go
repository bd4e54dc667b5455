package wordpress

import (
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/postilion-mail/postilion/internal/daemontest"
	"github.com/postilion-mail/postilion/internal/postfixtest"
	"github.com/postilion-mail/postilion/internal/smtptest"
)

// benchPlugin sends mails when it is asked to, in the way that the request
// names, and tells how many milliseconds each call of wp_mail() took.
const benchPlugin = `
add_action('phpmailer_init', function ($m) {
	if (($_GET['way'] ?? '') !== 'smtp') { return; }
	$m->isSMTP();
	$m->Host = getenv('BENCH_HOST'); $m->Port = (int) getenv('BENCH_PORT');
	$m->SMTPAuth = true; $m->Username = getenv('BENCH_USER'); $m->Password = getenv('BENCH_PASSWORD'); $m->SMTPSecure = 'tls';
	$m->SMTPOptions = array('ssl' => array('cafile' => getenv('BENCH_CA'), 'peer_name' => getenv('BENCH_PEER')));
}, 1000);
add_action('init', function () {
	if (!isset($_GET['way'])) { return; }
	$times = array();
	for ($i = 0; $i < (int) $_GET['n']; $i++) {
		$start = microtime(true);
		$ok = wp_mail('jane@example.net', 'Order ' . $i, str_repeat("Thank you for your order.\n", 80), array('From: Shop <shop@provider.example>'));
		$times[] = $ok ? (microtime(true) - $start) * 1000 : -1;
	}
	wp_send_json($times);
});
`

// BenchmarkWPMail measures how long wp_mail() has a request wait: handed to the
// daemon, to our sendmail by mail(), and sent by PHPMailer itself to a Postfix
// 40 ms away that demands STARTTLS and a login. All in one WordPress under
// PHP's own server, in turns.
func BenchmarkWPMail(b *testing.B) {
	folder, err := daemontest.Folder()
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = os.RemoveAll(folder) })
	p := postfixtest.Start(b, subfolder(b, folder, "postfix"))
	proxy, err := smtptest.StartDistance("127.0.0.1:0", net.JoinHostPort(p.Host, p.Port), 40*time.Millisecond)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = proxy.Close() })
	d := startDaemon(b, subfolder(b, folder, "daemon"))
	d.bind("blog")
	for name, value := range map[string]string{
		"BENCH_HOST": "127.0.0.1", "BENCH_PORT": strconv.Itoa(proxy.Port()), "BENCH_USER": postfixtest.Account, "BENCH_PASSWORD": postfixtest.Password,
		"BENCH_CA": p.CA, "BENCH_PEER": p.Host, "POSTILION_SOCKET": d.HTTPSocket(), "POSTILION_MAILDROP_DIR": d.Path("maildrop"),
	} {
		b.Setenv(name, value)
	}
	sites := map[string]*site{}
	for _, way := range []string{"plugin", "smtp", "sendmail"} {
		s := newSite(b, subfolder(b, folder, way), "")
		s.ini[0] = "sendmail_path=" + filepath.Join(programs, "postilion-sendmail") + " -t -i"
		s.environment = []string{"POSTILION_SOCKET=" + d.HTTPSocket()}
		s.muPlugin("bench", benchPlugin)
		if way == "plugin" {
			s.install()
			s.set(fmt.Sprintf("'socket' => %q, 'maildrop' => %q", d.HTTPSocket(), d.Path("maildrop")))
		}
		s.serve()
		sites[way] = s
	}
	medians := map[string]float64{}
	for _, way := range []string{"plugin", "sendmail", "smtp"} {
		b.Run(way, func(b *testing.B) {
			n := 100
			if way == "smtp" {
				n = 10
			}
			b.ResetTimer()
			for range b.N {
				var times []float64
				ask(b, fmt.Sprintf("%s/?way=%s&n=%d", sites[way].URL, way, n), &times)
				slices.Sort(times)
				if len(times) != n || times[0] < 0 {
					b.Fatalf("wp_mail() failed: %v", times)
				}
				medians[way] = times[n/2]
			}
			b.ReportMetric(medians[way], "ms/mail")
		})
	}
	b.Logf("wp_mail(), median of a request: plugin %.2f ms, sendmail %.2f ms, PHPMailer at 40 ms with STARTTLS and login %.0f ms: %.0f times as long",
		medians["plugin"], medians["sendmail"], medians["smtp"], medians["smtp"]/medians["plugin"])
}

func ask(b *testing.B, url string, answer any) {
	b.Helper()
	client := http.Client{Timeout: patience}
	response, err := client.Get(url)
	if err != nil {
		b.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		b.Fatal(err)
	}
	if err := json.Unmarshal(body, answer); err != nil {
		b.Fatalf("%v: %.500s", err, body)
	}
}
