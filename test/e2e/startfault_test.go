package e2e

import (
	"database/sql"
	"encoding/base64"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	_ "modernc.org/sqlite"

	"github.com/postilion-mail/postilion/internal/daemontest"
)

// fails runs the daemon that cannot start. It must end by itself, say one line
// that has all the parts, and exit with a code.
func (d *daemon) fails(as func(*exec.Cmd), code int, parts ...string) {
	d.T.Helper()
	command := exec.Command(filepath.Join(programs, "postilion"), d.Args...)
	command.Env = daemontest.Environment()
	if as != nil {
		as(command)
	}
	done := execute(d.T, command)
	var said []string
	for line := range strings.Lines(done.err) {
		if !strings.HasPrefix(line, "{") { // the log
			said = append(said, line)
		}
	}
	if done.code != code || len(said) != 1 || !strings.HasPrefix(done.err[strings.LastIndex(strings.TrimSpace(done.err), "\n")+1:], "postilion: ") {
		d.T.Errorf("exit %d, want %d\n%s%s", done.code, code, done.out, done.err)
		return
	}
	for _, part := range parts {
		if !strings.Contains(said[0], part) {
			d.T.Errorf("%q is not in: %s", part, said[0])
		}
	}
}

func TestStartFaults(t *testing.T) {
	const failed, misconfigured = 1, 78
	folder := scenario(t)
	n := 0
	fresh := func(t *testing.T, args ...string) *daemon {
		t.Helper()
		n++
		own := filepath.Join(folder, string(rune('a'+n)))
		if err := os.Mkdir(own, 0o755); err != nil {
			t.Fatal(err)
		}
		return newDaemon(t, own, args...)
	}

	t.Run("second daemon on the same store", func(t *testing.T) {
		d := fresh(t)
		d.Start()
		second := newDaemon(t, d.Folder, "--run-dir", d.Path("run2"), "--maildrop-dir", d.Path("maildrop2"))
		second.fails(nil, failed, d.Path("data"), "another")
		d.send("still there")
	})
	t.Run("port taken", func(t *testing.T) {
		d := fresh(t)
		d.Start()
		second := fresh(t, "--grpc-listen", d.GRPC)
		second.fails(nil, failed, d.GRPC, "in use")
	})
	t.Run("directory not writable", func(t *testing.T) {
		d := fresh(t)
		d.fails(func(c *exec.Cmd) { as(t, "nobody", c) }, failed, "data_dir", d.Path("data"), "permission denied")
	})
	t.Run("directory is a file", func(t *testing.T) {
		d := fresh(t)
		write(t, d.Path("data"), "", 0o644)
		d.fails(nil, failed, "data_dir", d.Path("data"))
	})
	t.Run("socket is a file", func(t *testing.T) {
		d := fresh(t)
		if err := os.Mkdir(d.Path("run"), 0o711); err != nil {
			t.Fatal(err)
		}
		write(t, d.Socket(), "", 0o644)
		d.fails(nil, failed, d.Socket())
	})
	for name, c := range map[string]struct{ file, part string }{
		"unknown key":    {"grpc_listne: 127.0.0.1:1\n", "did you mean grpc_listen?"},
		"wrong value":    {"drain: soon\n", "expected a duration"},
		"not YAML":       {"drain: [\n", "line"},
		"open to others": {"metrics_listen: 0.0.0.0:9000\n", "needs TLS"},
	} {
		t.Run("configuration: "+name, func(t *testing.T) {
			d := fresh(t)
			path := write(t, d.Path("postilion.yaml"), c.file, 0o644)
			d.Args = append(d.Args, "--config", path)
			d.fails(nil, misconfigured, path, c.part)
			d.Args = append(d.Args, "--check")
			d.fails(nil, misconfigured, path, c.part)
		})
	}
	t.Run("database of a newer version", func(t *testing.T) {
		d := fresh(t)
		d.Start()
		d.Stop()
		change(t, d, `INSERT INTO goose_db_version (version_id, is_applied) VALUES (99999, 1)`)
		d.fails(nil, failed, "newer", "99999")
	})
	t.Run("database is none", func(t *testing.T) {
		d := fresh(t)
		d.Start()
		d.Stop()
		write(t, database(t, d), strings.Repeat("this is no database. ", 1000), 0o600)
		d.fails(nil, failed, database(t, d))
	})
	t.Run("key lost", func(t *testing.T) {
		d := fresh(t)
		withSecret(t, d)
		if err := os.Remove(d.Path("data", "key")); err != nil {
			t.Fatal(err)
		}
		d.fails(nil, failed, "key")
	})
	t.Run("another key", func(t *testing.T) {
		d := fresh(t)
		withSecret(t, d)
		key := write(t, d.Path("other.key"), base64.StdEncoding.EncodeToString([]byte(strings.Repeat("k", 32))), 0o600)
		d.Args = append(d.Args, "--key-file", key)
		d.fails(nil, failed, "key")
	})
	t.Run("key that others may read", func(t *testing.T) {
		d := fresh(t)
		withSecret(t, d)
		if err := os.Chmod(d.Path("data", "key"), 0o644); err != nil {
			t.Fatal(err)
		}
		d.fails(nil, failed, d.Path("data", "key"), "chmod")
	})
}

// withSecret makes a daemon keep a secret, and stops it.
func withSecret(t testing.TB, d *daemon) {
	t.Helper()
	d.Start()
	d.cli(password, "configure", "main", "--host", "smtp.example.com", "--username", account, "--password-file", "-")
	d.Stop()
}

func database(t testing.TB, d *daemon) string {
	t.Helper()
	found, err := filepath.Glob(d.Path("data", "*.db"))
	if err != nil || len(found) != 1 {
		t.Fatalf("databases: %v, %v", found, err)
	}
	return found[0]
}

// change changes the database of a stopped daemon.
func change(t testing.TB, d *daemon, statement string) {
	t.Helper()
	db, err := sql.Open("sqlite", "file:"+database(t, d))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if _, err := db.Exec(statement); err != nil {
		t.Fatal(err)
	}
}
