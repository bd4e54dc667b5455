package wordpress

import (
	"bytes"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/postilion-mail/postilion/internal/daemontest"
)

// The site's admin.
const (
	adminName     = "admin"
	adminPassword = "Adm1n-pass-phrase"
	adminMail     = "admin@example.net"
)

// site is a WordPress of its own.
type site struct {
	t        testing.TB
	folder   string
	root     string // the web server's
	database string
	Host     string
	URL      string
	ini      []string // settings of PHP
	// environment is that of PHP's own server, beside the usual.
	environment []string
}

// newSite installs WordPress. The constants are PHP that is added to
// wp-config.php.
func newSite(t testing.TB, folder, constants string) *site {
	t.Helper()
	host := daemontest.Host() + ":8080"
	s := &site{
		t: t, folder: folder, root: filepath.Join(folder, "www"), Host: host, URL: "http://" + host,
		database: fmt.Sprintf("wp%d", lastDatabase.Add(1)),
		// Mail that does not go through the plugin goes nowhere, unless a test looks at it.
		ini: []string{"sendmail_path=/bin/false", "error_reporting=32767", "memory_limit=256M"},
	}
	s.farm()
	if err := sql("CREATE DATABASE " + s.database); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = sql("DROP DATABASE " + s.database) })
	s.configure(constants)
	s.chown(s.root)
	s.php(`wp_install("Lab & <b>Söhne</b>", "` + adminName + `", "` + adminMail + `", false, "", "` + adminPassword + `");
		update_option("home", "http://blog.example.net"); update_option("timezone_string", "UTC"); update_option("admin_email_lifespan", time() + 1e9);`)
	t.Cleanup(s.checkLog)
	return s
}

// farm makes the site's files: links to Debian's, except for those that find
// WordPress by the folder in which they are.
func (s *site) farm() {
	s.t.Helper()
	script := `set -e
mkdir -p "$1/wp-content/plugins" "$1/wp-content/uploads" "$1/wp-content/upgrade" "$1/wp-content/mu-plugins" "$1/wp-content/themes"
cd /usr/share/wordpress
cp wp-*.php index.php xmlrpc.php "$1/"
rm "$1/wp-config.php"
cp -r wp-admin "$1/"
ln -s /usr/share/wordpress/wp-includes "$1/wp-includes"`
	command := exec.Command("sh", "-c", script, "sh", s.root)
	if out, err := command.CombinedOutput(); err != nil {
		s.t.Fatalf("%v: %s", err, out)
	}
}

func (s *site) configure(constants string) {
	s.t.Helper()
	salts := ""
	for _, name := range []string{
		"AUTH_KEY", "SECURE_AUTH_KEY", "LOGGED_IN_KEY", "NONCE_KEY", "AUTH_SALT", "SECURE_AUTH_SALT", "LOGGED_IN_SALT", "NONCE_SALT",
	} {
		salts += fmt.Sprintf("define(%q, 'test %s of %s');\n", name, name, s.database)
	}
	write(s.t, filepath.Join(s.root, "wp-config.php"), `<?php
define("DB_NAME", "`+s.database+`");
define("DB_USER", "root");
define("DB_PASSWORD", "");
define("DB_HOST", "localhost:`+database+`");
define("DB_CHARSET", "utf8mb4");
define("WP_HTTP_BLOCK_EXTERNAL", true);
define("DISABLE_WP_CRON", true);
define("AUTOMATIC_UPDATER_DISABLED", true);
define("FS_METHOD", "direct");
define("WP_DEBUG", true);
define("WP_DEBUG_DISPLAY", false);
define("WP_DEBUG_LOG", "`+s.log()+`");
define("WP_SITEURL", "`+s.URL+`");
`+salts+constants+`
$table_prefix = "wp_";
if (!defined("ABSPATH")) { define("ABSPATH", __DIR__ . "/"); }
require_once ABSPATH . "wp-settings.php";
`)
}

// chown gives a folder to the web server's user.
func (s *site) chown(folder string) {
	s.t.Helper()
	err := filepath.Walk(folder, func(path string, _ os.FileInfo, err error) error {
		if err != nil {
			return err
		}
		return os.Lchown(path, int(www.uid), int(www.gid))
	})
	if err != nil {
		s.t.Fatal(err)
	}
}

// install unpacks and activates the plugin without the web interface.
func (s *site) install() {
	s.t.Helper()
	plugins := filepath.Join(s.root, "wp-content/plugins")
	unzip(s.t, plugins)
	s.chown(plugins)
	s.php(`require_once ABSPATH . "wp-admin/includes/plugin.php"; $e = activate_plugin("postilion/postilion.php"); if ($e) { print_r($e); exit(1); }`)
}

// set stores settings of the plugin, as PHP.
func (s *site) set(values string) {
	s.t.Helper()
	s.php(`Postilion\WordPress\Settings::site()->save([` + values + `]);`)
}

// muPlugin adds a plugin that is always active.
func (s *site) muPlugin(name, code string) {
	s.t.Helper()
	s.chown(filepath.Dir(write(s.t, filepath.Join(s.root, "wp-content/mu-plugins", name+".php"), "<?php\n"+code)))
}

// php runs code within WordPress as the web server's user, and gives what it
// printed. It fails the test if the code ends in an error.
func (s *site) php(code string) string {
	s.t.Helper()
	out, err := s.command(code).output()
	if err != nil {
		s.t.Fatalf("%v\n%s\n%s", err, code, out)
	}
	return out
}

// phpCommand is code that runs within WordPress.
type phpCommand struct {
	*exec.Cmd
	out, err bytes.Buffer
}

func (s *site) command(code string) *phpCommand {
	path := filepath.Join(s.root, "wp-content", fmt.Sprintf("run-%d.php", time.Now().UnixNano()))
	write(s.t, path, `<?php
$_SERVER["HTTP_HOST"] = getenv("WP_HOST") ?: "`+s.Host+`";
$_SERVER["REQUEST_URI"] = getenv("WP_PATH") ?: "/";
$_SERVER["SERVER_PROTOCOL"] = "HTTP/1.1";
if (!file_exists("`+s.root+`/.installed")) { define("WP_INSTALLING", true); touch("`+s.root+`/.installed"); }
require "`+s.root+`/wp-load.php";
require_once ABSPATH . "wp-admin/includes/upgrade.php";
`+code+"\n")
	args := append([]string{"-d", "display_errors=stderr"}, compiled()...)
	for _, setting := range s.ini {
		args = append(args, "-d", setting)
	}
	c := &phpCommand{Cmd: exec.Command("php", append(args, path)...)}
	c.SysProcAttr = www.credential()
	c.Dir = s.root
	c.Env = daemontest.Environment()
	c.Stdout, c.Stderr = &c.out, &c.err
	return c
}

// compiled lets PHP keep what it has compiled from run to run, which takes most
// of the time otherwise.
func compiled() []string {
	return []string{"-d", "opcache.enable_cli=1", "-d", "opcache.file_cache_only=1", "-d", "opcache.file_cache=" + filepath.Join(programs, "opcache"),
		"-d", "opcache.revalidate_freq=0"}
}

// output runs the command to its end.
func (c *phpCommand) output() (string, error) {
	late := time.AfterFunc(patience, func() { _ = c.Process.Kill() })
	defer late.Stop()
	if err := c.Run(); err != nil {
		return c.out.String() + c.err.String(), err
	}
	return c.out.String(), nil
}

// log is WordPress's own.
func (s *site) log() string { return filepath.Join(s.root, "debug.log") }

// checkLog fails the test if PHP has complained about the plugin.
func (s *site) checkLog() {
	content, err := os.ReadFile(s.log())
	if err != nil {
		return
	}
	for line := range strings.Lines(string(content)) {
		if strings.Contains(line, "plugins/postilion/") || strings.Contains(line, "Fatal") {
			s.t.Errorf("the log of WordPress: %s", line)
		}
	}
}

// serve runs PHP's own web server.
func (s *site) serve() {
	s.t.Helper()
	args := append(compiled(), "-d", "display_errors=0", "-S", s.Host, "-t", s.root)
	for _, setting := range s.ini {
		args = append([]string{"-d", setting}, args...)
	}
	server := exec.Command("php", args...)
	server.Env = daemontest.Environment("PHP_CLI_SERVER_WORKERS=4") // WordPress calls itself
	server.Env = append(server.Env, s.environment...)
	server.SysProcAttr = www.credential()
	s.run(server)
	s.awaitServer()
}

// serveNginx runs nginx with PHP-FPM.
func (s *site) serveNginx() {
	s.t.Helper()
	settings := ""
	for _, setting := range s.ini {
		name, value, _ := strings.Cut(setting, "=")
		settings += "php_admin_value[" + name + "] = " + value + "\n"
	}
	fpm := write(s.t, filepath.Join(s.folder, "fpm.conf"), `[global]
error_log = `+s.folder+`/fpm.log
[www]
user = www-data
group = www-data
listen = `+s.folder+`/fpm.sock
listen.owner = www-data
php_admin_value[display_errors] = 0
pm = static
pm.max_children = 3
`+settings)
	nginx := write(s.t, filepath.Join(s.folder, "nginx.conf"), `user www-data;
worker_processes 1;
daemon off;
pid `+s.folder+`/nginx.pid;
error_log `+s.folder+`/nginx.log;
events { worker_connections 64; }
http {
	include /etc/nginx/mime.types;
	access_log off;
	client_max_body_size 32m;
	client_body_temp_path `+s.folder+`/nginx-body;
	proxy_temp_path `+s.folder+`/nginx-proxy;
	fastcgi_temp_path `+s.folder+`/nginx-fastcgi;
	uwsgi_temp_path `+s.folder+`/nginx-uwsgi;
	scgi_temp_path `+s.folder+`/nginx-scgi;
	server {
		listen `+s.Host+`;
		root `+s.root+`;
		index index.php;
		location ~ \.php$ {
			include /etc/nginx/fastcgi_params;
			fastcgi_param HTTP_HOST $host:$server_port;
			fastcgi_param SCRIPT_FILENAME $document_root$fastcgi_script_name;
			fastcgi_pass unix:`+s.folder+`/fpm.sock;
			fastcgi_read_timeout 120s;
		}
	}
}
`)
	s.run(exec.Command("php-fpm8.2", "-F", "-y", fpm))
	await(s.t, "PHP-FPM listens", func() bool {
		_, err := os.Stat(filepath.Join(s.folder, "fpm.sock"))
		return err == nil
	})
	s.run(exec.Command("nginx", "-c", nginx))
	s.awaitServer()
}

func (s *site) awaitServer() {
	s.t.Helper()
	await(s.t, "the web server listens", func() bool {
		conn, err := net.DialTimeout("tcp", s.Host, time.Second)
		if err != nil {
			return false
		}
		_ = conn.Close()
		return true
	})
}

// run runs a server as a process group of its own until the test ends: PHP's
// workers outlive their parent otherwise.
func (s *site) run(command *exec.Cmd) {
	s.t.Helper()
	log := &daemontest.Output{}
	command.Stdout, command.Stderr = log, log
	if command.SysProcAttr == nil {
		command.SysProcAttr = &syscall.SysProcAttr{}
	}
	command.SysProcAttr.Setpgid = true
	command.Dir = s.folder
	command.WaitDelay = time.Second
	if err := command.Start(); err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() {
		_ = syscall.Kill(-command.Process.Pid, syscall.SIGTERM)
		late := time.AfterFunc(patience, func() { _ = syscall.Kill(-command.Process.Pid, syscall.SIGKILL) })
		defer late.Stop()
		_ = command.Wait()
		_ = syscall.Kill(-command.Process.Pid, syscall.SIGKILL)
		if s.t.Failed() {
			s.t.Logf("%s:\n%s", command.Path, log)
		}
	})
}
