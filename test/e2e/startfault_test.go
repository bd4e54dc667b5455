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
)

// fails runs the daemon that cannot start. It must end by itself, say one line
// that has all the parts, and exit with a code.
func (d *daemon) fails(as func(*exec.Cmd), code int, parts ...string) {
	d.t.Helper()
	command := exec.Command(filepath.Join(programs, "postilion"), d.args...)
	command.Env = environment()
	if as != nil {
		as(command)
	}
	done := execute(d.t, command)
	var said []string
	for line := range strings.Lines(done.err) {
		if !strings.HasPrefix(line, "{") { // the log
			said = append(said, line)
		}
	}
	if done.code != code || len(said) != 1 || !strings.HasPrefix(done.err[strings.LastIndex(strings.TrimSpace(done.err), "\n")+1:], "postilion: ") {
		d.t.Errorf("exit %d, want %d\n%s%s", done.code, code, done.out, done.err)
		return
	}
	for _, part := range parts {
		if !strings.Contains(said[0], part) {
			d.t.Errorf("%q is not in: %s", part, said[0])
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
		d.start()
		second := newDaemon(t, d.folder, "--run-dir", d.path("run2"), "--maildrop-dir", d.path("maildrop2"))
		second.fails(nil, failed, d.path("data"), "another")
		d.send("still there")
	})
	t.Run("port taken", func(t *testing.T) {
		d := fresh(t)
		d.start()
		second := fresh(t, "--grpc-listen", d.grpc)
		second.fails(nil, failed, d.grpc, "in use")
	})
	t.Run("directory not writable", func(t *testing.T) {
		d := fresh(t)
		d.fails(func(c *exec.Cmd) { as(t, "nobody", c) }, failed, "data_dir", d.path("data"), "permission denied")
	})
	t.Run("directory is a file", func(t *testing.T) {
		d := fresh(t)
		write(t, d.path("data"), "", 0o644)
		d.fails(nil, failed, "data_dir", d.path("data"))
	})
	t.Run("socket is a file", func(t *testing.T) {
		d := fresh(t)
		if err := os.Mkdir(d.path("run"), 0o711); err != nil {
			t.Fatal(err)
		}
		write(t, d.socket(), "", 0o644)
		d.fails(nil, failed, d.socket())
	})
	for name, c := range map[string]struct{ file, part string }{
		"unknown key":    {"grpc_listne: 127.0.0.1:1\n", "did you mean grpc_listen?"},
		"wrong value":    {"drain: soon\n", "expected a duration"},
		"not YAML":       {"drain: [\n", "line"},
		"open to others": {"metrics_listen: 0.0.0.0:9000\n", "needs TLS"},
	} {
		t.Run("configuration: "+name, func(t *testing.T) {
			d := fresh(t)
			path := write(t, d.path("postilion.yaml"), c.file, 0o644)
			d.args = append(d.args, "--config", path)
			d.fails(nil, misconfigured, path, c.part)
			d.args = append(d.args, "--check")
			d.fails(nil, misconfigured, path, c.part)
		})
	}
	t.Run("database of a newer version", func(t *testing.T) {
		d := fresh(t)
		d.start()
		d.stop()
		change(t, d, `INSERT INTO goose_db_version (version_id, is_applied) VALUES (99999, 1)`)
		d.fails(nil, failed, "newer", "99999")
	})
	t.Run("database is none", func(t *testing.T) {
		d := fresh(t)
		d.start()
		d.stop()
		write(t, database(t, d), strings.Repeat("this is no database. ", 1000), 0o600)
		d.fails(nil, failed, database(t, d))
	})
	t.Run("key lost", func(t *testing.T) {
		d := fresh(t)
		withSecret(t, d)
		if err := os.Remove(d.path("data", "key")); err != nil {
			t.Fatal(err)
		}
		d.fails(nil, failed, "key")
	})
	t.Run("another key", func(t *testing.T) {
		d := fresh(t)
		withSecret(t, d)
		key := write(t, d.path("other.key"), base64.StdEncoding.EncodeToString([]byte(strings.Repeat("k", 32))), 0o600)
		d.args = append(d.args, "--key-file", key)
		d.fails(nil, failed, "key")
	})
	t.Run("key that others may read", func(t *testing.T) {
		d := fresh(t)
		withSecret(t, d)
		if err := os.Chmod(d.path("data", "key"), 0o644); err != nil {
			t.Fatal(err)
		}
		d.fails(nil, failed, d.path("data", "key"), "chmod")
	})
}

// withSecret makes a daemon keep a secret, and stops it.
func withSecret(t *testing.T, d *daemon) {
	t.Helper()
	d.start()
	d.cli(password, "configure", "main", "--host", "smtp.example.com", "--username", account, "--password-file", "-")
	d.stop()
}

func database(t *testing.T, d *daemon) string {
	t.Helper()
	found, err := filepath.Glob(d.path("data", "*.db"))
	if err != nil || len(found) != 1 {
		t.Fatalf("databases: %v, %v", found, err)
	}
	return found[0]
}

// change changes the database of a stopped daemon.
func change(t *testing.T, d *daemon, statement string) {
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
