// Package wordpress tests the plugin in a real WordPress: Debian's, with
// MariaDB, PHP's own server or nginx with PHP-FPM, a real Chromium in front and
// a real Postfix behind. It runs as root, and WordPress as www-data.
package wordpress

import (
	"archive/zip"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/postilion-mail/postilion/internal/daemontest"
)

// patience is how long anything may take before a test gives up.
const patience = 2 * daemontest.Patience

var (
	programs string // folder of the built programs, which every user can reach
	archive  string // the plugin as it is shipped
	database string // socket of MariaDB
	www      identity
)

// heavy lets at most so many scenarios run at a time: they start many
// processes.
var heavy = make(chan struct{}, 3)

// identity is a Unix user.
type identity struct{ uid, gid uint32 }

func TestMain(m *testing.M) {
	code, err := run(m)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

// run makes what all tests share, and runs them.
func run(m *testing.M) (code int, err error) {
	if os.Geteuid() != 0 {
		return 1, fmt.Errorf("these tests act as several users: run scripts/setup as root, and the tests too")
	}
	for _, path := range []string{"/usr/share/wordpress/wp-load.php", "/usr/sbin/mariadbd", "/usr/sbin/nginx", "/usr/bin/chromium", "/usr/bin/php"} {
		if _, err := os.Stat(path); err != nil {
			return 1, fmt.Errorf("%w: run scripts/setup as root", err)
		}
	}
	if www, err = lookup("www-data"); err != nil {
		return 1, err
	}
	folder, err := daemontest.Folder()
	if err != nil {
		return 1, err
	}
	defer os.RemoveAll(folder)
	programs, archive = folder, filepath.Join(folder, "postilion.zip")
	cache := filepath.Join(folder, "opcache")
	if err := errors.Join(os.Mkdir(cache, 0o700), os.Chown(cache, int(www.uid), int(www.gid))); err != nil {
		return 1, err
	}
	if err := daemontest.Build(folder); err != nil {
		return 1, err
	}
	pack := exec.Command("go", "run", "../../sdk/wordpress/pack", "-root", "../..", "-o", archive)
	if out, err := pack.CombinedOutput(); err != nil {
		return 1, fmt.Errorf("packing the plugin: %w\n%s", err, out)
	}
	stop, err := startDatabase(filepath.Join(folder, "db"))
	if err != nil {
		return 1, err
	}
	defer stop()
	return m.Run(), nil
}

// startDatabase runs a MariaDB of our own.
func startDatabase(folder string) (stop func(), err error) {
	install := exec.Command("mariadb-install-db", "--no-defaults", "--user=root", "--datadir="+folder, "--skip-test-db",
		"--auth-root-authentication-method=normal")
	if out, err := install.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("mariadb-install-db: %w\n%s", err, out)
	}
	database = folder + ".sock"
	log := &daemontest.Output{}
	server := exec.Command("mariadbd", "--no-defaults", "--user=root", "--datadir="+folder, "--socket="+database, "--skip-networking",
		"--skip-log-bin", "--innodb-buffer-pool-size=32M", "--pid-file="+folder+".pid")
	server.Stdout, server.Stderr = log, log
	if err := server.Start(); err != nil {
		return nil, err
	}
	ended := make(chan struct{})
	go func() { _ = server.Wait(); close(ended) }()
	stop = func() {
		_ = server.Process.Signal(syscall.SIGTERM)
		select {
		case <-ended:
		case <-time.After(patience):
			_ = server.Process.Kill()
			<-ended
		}
	}
	for late := time.Now().Add(patience); ; time.Sleep(20 * time.Millisecond) {
		if sql("SELECT 1") == nil {
			return stop, os.Chmod(database, 0o777)
		}
		select {
		case <-ended:
			return nil, fmt.Errorf("mariadbd ended:\n%s", log)
		default:
		}
		if time.Now().After(late) {
			stop()
			return nil, fmt.Errorf("mariadbd does not answer:\n%s", log)
		}
	}
}

// sql runs statements as the database's root.
func sql(statements string) error {
	command := exec.Command("mariadb", "--no-defaults", "-uroot", "-S", database, "-e", statements)
	if out, err := command.CombinedOutput(); err != nil {
		return fmt.Errorf("%w: %s", err, out)
	}
	return nil
}

func lookup(name string) (identity, error) {
	account, err := user.Lookup(name)
	if err != nil {
		return identity{}, err
	}
	uid, err := strconv.ParseUint(account.Uid, 10, 32)
	if err != nil {
		return identity{}, err
	}
	gid, err := strconv.ParseUint(account.Gid, 10, 32)
	return identity{uint32(uid), uint32(gid)}, err
}

// credential makes a command run as a user.
func (i identity) credential() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: i.uid, Gid: i.gid}}
}

// scenario begins a test: it waits for its turn and gives a folder for it.
func scenario(t *testing.T) (folder string) {
	t.Helper()
	t.Parallel()
	heavy <- struct{}{}
	t.Cleanup(func() { <-heavy })
	folder, err := daemontest.Folder()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(folder) })
	return folder
}

var lastDatabase atomic.Uint32

// unzip unpacks the plugin as WordPress does.
func unzip(t testing.TB, folder string) {
	t.Helper()
	packed, err := zip.OpenReader(archive)
	if err != nil {
		t.Fatal(err)
	}
	defer packed.Close()
	for _, entry := range packed.File {
		in, err := entry.Open()
		if err != nil {
			t.Fatal(err)
		}
		content, err := io.ReadAll(in)
		_ = in.Close()
		if err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(folder, entry.Name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, content, 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

func write(t testing.TB, path, content string) string {
	t.Helper()
	if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

func read(t testing.TB, path string) string {
	t.Helper()
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(content)
}

func await(t testing.TB, what string, holds func() bool) {
	t.Helper()
	daemontest.Await(t, what, holds)
}

// subfolder makes a folder that other users can go through.
func subfolder(t testing.TB, folder, name string) string {
	t.Helper()
	path := filepath.Join(folder, name)
	if err := os.Mkdir(path, 0o755); err != nil {
		t.Fatal(err)
	}
	return path
}

// script is the code of a file of testdata, for the inside of WordPress.
func script(t testing.TB, name string) string {
	t.Helper()
	return strings.TrimPrefix(read(t, filepath.Join("testdata", name)), "<?php")
}
