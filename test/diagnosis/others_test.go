package diagnosis

import (
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/postilion-mail/postilion/internal/daemontest"
	"github.com/postilion-mail/postilion/internal/smtptest"
	postilionv1 "github.com/postilion-mail/postilion/proto/gen/postilion/v1"
)

// others has the test run into what is no mail server.
func (b *bench) others(t *testing.T) {
	dir, host := folder(t), daemontest.Host()
	certificate := b.issue(t, dir, "web", smtptest.Issue{Names: []string{host}})
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	replace := strings.NewReplacer("{{dir}}", dir, "{{host}}", host, "{{certificate}}", certificate).Replace
	write(t, filepath.Join(dir, "nginx.conf"), replace(`daemon off; pid {{dir}}/pid; error_log stderr;
events {}
http {
  access_log off; client_body_temp_path {{dir}}/a; proxy_temp_path {{dir}}/b; fastcgi_temp_path {{dir}}/c; uwsgi_temp_path {{dir}}/d; scgi_temp_path {{dir}}/e;
  server { listen {{host}}:2080; }
  server { listen {{host}}:2443 ssl; ssl_certificate {{certificate}}; ssl_certificate_key {{certificate}}; }
}
`), 0o644)
	serve(t, exec.Command("nginx", "-c", filepath.Join(dir, "nginx.conf")), host+":2080")
	if output, err := exec.Command("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", filepath.Join(dir, "key")).CombinedOutput(); err != nil {
		t.Fatalf("%v: run scripts/setup as root\n%s", err, output)
	}
	write(t, filepath.Join(dir, "sshd.conf"), replace("ListenAddress {{host}}:2222\nHostKey {{dir}}/key\nPidFile none\nUsePAM no\n"), 0o600)
	serve(t, exec.Command("unshare", "--mount", "--propagation", "private", "sh", "-c", `mount -t tmpfs none /run && mkdir -m 755 /run/sshd && exec /usr/sbin/sshd -D -e -f "$1"`, "sh", filepath.Join(dir, "sshd.conf")), host+":2222")
	// One that takes connections and says nothing.
	silent, err := net.Listen("tcp", host+":2999")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = silent.Close() })

	at := func(port uint32) *postilionv1.SmtpSettings { return &postilionv1.SmtpSettings{Port: port} }
	implicit := func(port uint32) *postilionv1.SmtpSettings {
		return &postilionv1.SmtpSettings{Port: port, Security: postilionv1.Security_SECURITY_IMPLICIT_TLS}
	}
	b.try(t, "others", &postilionv1.SmtpSettings{Host: host, Username: account, Password: proto.String(password), CaCertificates: []byte(b.ca.PEM())}, []fault{
		{name: "nginx", smtp: at(2080), stage: "greeting", code: "port.http", word: "web"},
		{name: "nginx with TLS", smtp: implicit(2443), stage: "greeting", code: "port.http", word: "web"},
		{name: "nginx asked for implicit TLS", smtp: implicit(2080), stage: "tls", code: "port.http", word: "web"},
		{name: "OpenSSH", smtp: at(2222), stage: "greeting", code: "port.ssh", word: "SSH"},
		{name: "OpenSSH asked for implicit TLS", smtp: implicit(2222), stage: "tls", code: "port.ssh", word: "SSH"},
		{name: "nobody", smtp: at(2025), stage: "connect", code: "connect.no_mail_server", word: "host name"},
		{name: "a listener without a word", smtp: at(2999), stage: "greeting", code: "greeting.silent", word: "firewall"},
	})
}
