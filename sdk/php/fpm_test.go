package php_test

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/postilion-mail/postilion/internal/daemontest"
	postilionv1 "github.com/postilion-mail/postilion/proto/gen/postilion/v1"
)

// The pools of PHP-FPM, with what hosters set in them. FOLDER stands for the
// world's folder.
const pools = `
[global]
error_log = FOLDER/fpm.log
[plain]
listen = FOLDER/plain
[basedir]
listen = FOLDER/basedir
php_admin_value[open_basedir] = FOLDER/site
[chroot]
listen = FOLDER/chroot
chroot = FOLDER
[disabled]
listen = FOLDER/disabled
php_admin_value[disable_functions] = exec,passthru,shell_exec,system,proc_open,popen,curl_exec,curl_multi_exec,mail
[closed]
listen = FOLDER/closed
php_admin_value[disable_functions] = curl_exec,stream_socket_client
[sendmail]
listen = FOLDER/sendmail
env[POSTILION_SOCKET] = FOLDER/run/postilion-http.sock
env[POSTILION_MAILDROP_DIR] = FOLDER/maildrop
php_admin_value[sendmail_path] = PROGRAMS/postilion-sendmail -t -i
`

const poolCommon = `
user = www-data
group = www-data
listen.mode = 0666
pm = ondemand
pm.max_children = 2
catch_workers_output = yes
clear_env = yes
`

// probe sends as it is told and prints what came of it.
const probe = `<?php
require __DIR__ . '/php/autoload.php';
$text = "From: shop@example.com\nTo: jane@example.net\nSubject: x\n\nx\n";
try {
	if (isset($_GET['mail'])) {
		$state = mail('jane@example.net', 'x', 'x', 'From: shop@example.com') ? 'true' : 'false';
		exit(json_encode(['state' => $state]));
	}
	$options = array_intersect_key($_GET, ['spool' => 1, 'token_file' => 1, 'http' => 1]);
	$client = new Postilion\Client($_GET['target'], $options);
	$answer = ['state' => $client->sendRaw($text)->state];
	if ($answer['state'] !== 'SPOOLED') {
		$answer['client'] = $client->serverInfo()['client'];
	}
	echo json_encode($answer);
} catch (Postilion\Exception\PostilionException $e) {
	echo json_encode(['reason' => $e->getReason(), 'message' => $e->getMessage()]);
}`

// TestFPM sends from web requests as www-data, through pools as there are at
// hosters. What stands here is what docs/php.md tells.
func TestFPM(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		t.Fatal("this test acts as www-data: run it as root")
	}
	w := newWorld(t)
	w.token(&postilionv1.Client{Name: "wordpress", UnixUsers: []string{"www-data"}, Scopes: []postilionv1.Scope{postilionv1.Scope_SCOPE_SEND}})
	capture := &postilionv1.Connection{
		Name: "shared", Shared: true,
		Transport: &postilionv1.Connection_Custom{Custom: &postilionv1.CustomSettings{Transport: "capture"}},
	}
	_, err := w.admin.Mailer.Configure(w.Context(), &postilionv1.ConfigureRequest{Connection: capture, SetDefault: true})
	w.ok(err)
	folder := w.daemon.Folder
	w.ok(os.CopyFS(filepath.Join(folder, "site", "php"), os.DirFS(".")))
	w.ok(os.WriteFile(filepath.Join(folder, "site", "probe.php"), []byte(probe), 0o644))
	w.ok(exec.CommandContext(t.Context(), "chmod", "-R", "a+rX", filepath.Join(folder, "site")).Run())
	w.startFPM(folder)

	socket, away, maildrop := w.daemon.HTTPSocket(), w.daemon.Path("run", "away.sock"), w.daemon.Path("maildrop")
	for _, test := range []struct{ name, pool, query, want string }{
		{"as www-data", "plain", "target=" + socket, `"client":"wordpress"`},
		{"without curl", "disabled", "target=" + socket, `"client":"wordpress"`},
		{"without curl and streams", "closed", "target=" + socket, "disable_functions"},
		{"daemon away", "plain", "target=" + away, "there is no socket " + away},
		{"daemon away, spool", "plain", "target=" + away + "&spool=" + maildrop, `"state":"SPOOLED"`},
		{"spool that is closed", "plain", "target=" + away + "&spool=/root", "Permission denied"},
		{"open_basedir, curl", "basedir", "target=" + socket, `"client":"wordpress"`},
		{"open_basedir, streams", "basedir", "http=stream&target=" + socket, `"client":"wordpress"`},
		{"open_basedir, daemon away", "basedir", "target=" + away, "there is no socket"},
		{"open_basedir, spool", "basedir", "target=" + away + "&spool=" + maildrop, "open_basedir restriction in effect"},
		{"open_basedir, token file", "basedir", "target=" + socket + "&token_file=" + folder + "/token", "cannot be read"},
		{"chroot, path of the host", "chroot", "target=" + socket, "there is no socket"},
		{"chroot, path within", "chroot", "target=/run/postilion-http.sock", `"client":"wordpress"`},
		{"mail()", "sendmail", "mail=1", `"state":"true"`},
		{"mail(), PHP's own sendmail_path", "chroot", "mail=1", `"state":"false"`},
	} {
		script := filepath.Join(folder, "site", "probe.php")
		if test.pool == "chroot" {
			script = "/site/probe.php"
		}
		got := w.request(filepath.Join(folder, test.pool), script, test.query)
		if !strings.Contains(got, test.want) {
			t.Errorf("%s: %s", test.name, got)
		}
		t.Logf("%s: %s", test.name, strings.ReplaceAll(got, folder, ""))
	}
	w.ok(os.Chmod(socket, 0o600))
	got := w.request(filepath.Join(folder, "plain"), filepath.Join(folder, "site", "probe.php"), "target="+socket)
	if !strings.Contains(got, "may not open") || !strings.Contains(got, "mode and group") {
		t.Errorf("a closed socket: %s", got)
	}
}

// startFPM starts PHP-FPM with the pools.
func (w *world) startFPM(folder string) {
	w.Helper()
	found, err := filepath.Glob("/usr/sbin/php-fpm*")
	if err != nil || len(found) == 0 {
		w.Fatal("PHP-FPM is not installed: run scripts/setup as root")
	}
	text := strings.NewReplacer("FOLDER", folder, "PROGRAMS", programs).Replace(pools)
	for _, pool := range []string{"plain", "basedir", "chroot", "disabled", "closed", "sendmail"} {
		text = strings.Replace(text, "["+pool+"]\n", "["+pool+"]"+poolCommon, 1)
	}
	config := filepath.Join(folder, "fpm.conf")
	w.ok(os.WriteFile(config, []byte(text), 0o600))
	command := exec.Command(found[0], "--nodaemonize", "--fpm-config", config)
	var output daemontest.Output
	command.Env, command.Stdout, command.Stderr = daemontest.Environment(), &output, &output
	w.ok(command.Start())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = command.Wait()
	}()
	w.Cleanup(func() {
		_ = command.Process.Signal(syscall.SIGTERM) // ends its workers, too
		<-ended
		if w.Failed() {
			log, _ := os.ReadFile(filepath.Join(folder, "fpm.log"))
			w.Logf("PHP-FPM: %s\n%s", output.String(), log)
		}
	})
	daemontest.Await(w, "PHP-FPM listens", func() bool {
		conn, err := net.Dial("unix", filepath.Join(folder, "sendmail"))
		if err != nil {
			return false
		}
		return conn.Close() == nil
	})
}

// request asks a pool for a script by FastCGI and gives what it printed.
func (w *world) request(socket, script, query string) string {
	w.Helper()
	conn, err := net.Dial("unix", socket)
	w.ok(err)
	defer conn.Close()
	var params bytes.Buffer
	for _, pair := range [][2]string{
		{"REQUEST_METHOD", "GET"}, {"SCRIPT_FILENAME", script}, {"QUERY_STRING", query}, {"SERVER_PROTOCOL", "HTTP/1.1"},
	} {
		for _, part := range pair {
			_ = binary.Write(&params, binary.BigEndian, uint32(len(part))|1<<31)
		}
		params.WriteString(pair[0] + pair[1])
	}
	const begin, end, parameters, stdin, stdout = 1, 3, 4, 5, 6
	var out bytes.Buffer
	record := func(kind byte, content []byte) {
		out.Write([]byte{1, kind, 0, 1, byte(len(content) >> 8), byte(len(content)), 0, 0})
		out.Write(content)
	}
	record(begin, []byte{0, 1, 0, 0, 0, 0, 0, 0}) // as responder
	record(parameters, params.Bytes())
	record(parameters, nil)
	record(stdin, nil)
	_, err = conn.Write(out.Bytes())
	w.ok(err)

	var text strings.Builder
	for in := bufio.NewReader(conn); ; {
		var head [8]byte
		if _, err := io.ReadFull(in, head[:]); err != nil {
			w.Fatalf("the answer of %s: %v; until then %s", socket, err, text.String())
		}
		content := make([]byte, int(binary.BigEndian.Uint16(head[4:]))+int(head[6]))
		_, err := io.ReadFull(in, content)
		w.ok(err)
		switch head[1] {
		case stdout:
			text.Write(content[:len(content)-int(head[6])])
		case end:
			_, body, _ := strings.Cut(text.String(), "\r\n\r\n")
			if !json.Valid([]byte(body)) {
				return fmt.Sprintf("no JSON: %s", text.String())
			}
			return strings.ReplaceAll(body, `\/`, "/")
		}
	}
}
