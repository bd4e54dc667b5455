package wordpress

import (
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// tree makes the files of a site.
func tree(t *testing.T, uid int) string {
	t.Helper()
	parent, err := os.MkdirTemp("", "wp")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(parent) })
	root := filepath.Join(parent, "site")
	for name, content := range map[string]string{
		"wp-load.php": "<?php", "wp-settings.php": "<?php", "wp-config.php": usual, "wp-content/plugins/index.php": "<?php", "wp-content/uploads/x": "",
	} {
		path := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), 0o640); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Chmod(parent, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := filepath.WalkDir(root, func(path string, _ os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		return os.Lchown(path, uid, uid)
	}); err != nil {
		t.Fatalf("%v: these tests run as root", err)
	}
	return root
}

const stranger = 61111 // a uid that nobody has

func TestASiteIsChangedAsItsOwner(t *testing.T) {
	t.Parallel()
	root := tree(t, stranger)
	s, err := Find(root)
	if err != nil {
		t.Fatal(err)
	}
	edit := func(source []byte) ([]byte, error) { return With(source, constants) }
	if changed, err := s.Change(edit); err != nil || !changed {
		t.Fatalf("%v, %v", changed, err)
	}
	if changed, err := s.Change(edit); err != nil || changed {
		t.Errorf("a second time: %v, %v", changed, err)
	}
	for range 2 {
		if err := s.Install(); err != nil {
			t.Fatal(err)
		}
	}
	if !s.Installed() {
		t.Error("the plugin is not there")
	}
	for _, name := range []string{"wp-config.php", Backup, "wp-content/plugins/postilion/postilion.php", "wp-content/plugins/postilion/sdk/Client.php"} {
		info, err := os.Stat(filepath.Join(root, name))
		if err != nil {
			t.Error(err)
			continue
		}
		if uid, gid := owner(info); uid != stranger || gid != stranger {
			t.Errorf("%s belongs to %d:%d", name, uid, gid)
		}
		if strings.HasSuffix(name, "wp-config.php") && info.Mode().Perm() != 0o640 {
			t.Errorf("%s has the mode %v", name, info.Mode())
		}
	}
	entries, err := os.ReadDir(filepath.Join(root, "wp-content/plugins"))
	if err != nil || len(entries) != 2 {
		t.Errorf("the folder has %v, %v", entries, err)
	}
	// What the rest of this program does is still root's.
	if err := os.WriteFile(filepath.Join(filepath.Dir(root), "x"), nil, 0o600); err != nil {
		t.Error(err)
	}
}

// A site's owner has no way to have root write elsewhere.
func TestLinksLeadNowhere(t *testing.T) {
	t.Parallel()
	t.Run("plugins", func(t *testing.T) {
		t.Parallel()
		outside := t.TempDir()
		root := tree(t, stranger)
		plugins := filepath.Join(root, "wp-content/plugins")
		if err := os.RemoveAll(plugins); err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink(outside, plugins); err != nil {
			t.Fatal(err)
		}
		s, err := Find(root)
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Install(); err == nil {
			t.Error("the plugin was installed through a link")
		}
		entries, err := os.ReadDir(outside)
		if err != nil || len(entries) != 0 {
			t.Errorf("outside there is %v, %v", entries, err)
		}
	})
	t.Run("config", func(t *testing.T) {
		t.Parallel()
		root := tree(t, stranger)
		config := filepath.Join(root, "wp-config.php")
		if err := os.Rename(config, filepath.Join(root, "real.php")); err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink("real.php", config); err != nil {
			t.Fatal(err)
		}
		if _, err := Find(root); err == nil {
			t.Error("a link was taken for wp-config.php")
		}
	})
	t.Run("root's file in another's folder", func(t *testing.T) {
		t.Parallel()
		root := tree(t, stranger)
		if err := os.Chown(filepath.Join(root, "wp-config.php"), 0, 0); err != nil {
			t.Fatal(err)
		}
		s, err := Find(root)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := s.Change(func(b []byte) ([]byte, error) { return With(b, constants) }); err == nil || !strings.Contains(err.Error(), "--print") {
			t.Errorf("it was changed: %v", err)
		}
	})
}

func TestFind(t *testing.T) {
	t.Parallel()
	root := tree(t, stranger)
	above := filepath.Join(filepath.Dir(root), "wp-config.php")
	if err := os.Rename(filepath.Join(root, "wp-config.php"), above); err != nil {
		t.Fatal(err)
	}
	s, err := Find(root)
	if err != nil || s.Config != above || s.UID != stranger {
		t.Errorf("%+v, %v", s, err)
	}
	if _, err := Find(filepath.Dir(root)); err == nil || !strings.Contains(err.Error(), "wp-load.php") {
		t.Errorf("a folder without WordPress gives %v", err)
	}
	if err := os.Remove(above); err != nil {
		t.Fatal(err)
	}
	if _, err := Find(root); err == nil || !strings.Contains(err.Error(), "installation") {
		t.Errorf("without wp-config.php: %v", err)
	}
}

// Who owns a site cannot have its code run as somebody else.
func TestASiteNamesNoThirdUser(t *testing.T) {
	t.Parallel()
	for about, change := range map[string]func(root string) error{
		"a link to another's folder": func(root string) error {
			uploads := filepath.Join(root, "wp-content/uploads")
			if err := os.RemoveAll(uploads); err != nil {
				return err
			}
			return os.Symlink("/var/mail", uploads)
		},
		"a folder of another's": func(root string) error { return os.Chown(filepath.Join(root, "wp-content/uploads"), 1, 1) },
		"a content folder elsewhere": func(root string) error {
			return os.WriteFile(filepath.Join(root, "wp-config.php"), []byte("<?php define('WP_CONTENT_DIR', '/var/cache/man');\n"+usual[6:]), 0o640)
		},
	} {
		root := tree(t, stranger)
		if err := change(root); err != nil {
			t.Fatal(err)
		}
		s, err := Find(root)
		if err != nil {
			continue // the folder is not on this machine
		}
		if name, why := s.User(); name != "" {
			t.Errorf("%s: PHP is to run as %s, which %s", about, name, why)
		}
	}
	root := tree(t, stranger)
	www, err := user.Lookup("www-data")
	if err != nil {
		t.Fatalf("%v: run scripts/setup as root", err)
	}
	uid, err := strconv.Atoi(www.Uid)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Chown(filepath.Join(root, "wp-content/uploads"), uid, uid); err != nil {
		t.Fatal(err)
	}
	s, err := Find(root)
	if err != nil {
		t.Fatal(err)
	}
	if name, _ := s.User(); name != "www-data" {
		t.Errorf("PHP is to run as %q, not as the web server's user", name)
	}
}

// PHP may read wp-config.php by its group.
func TestTheGroupIsKept(t *testing.T) {
	t.Parallel()
	root := tree(t, 0)
	config := filepath.Join(root, "wp-config.php")
	if err := os.Chown(config, 0, 33); err != nil {
		t.Fatal(err)
	}
	s, err := Find(root)
	if err != nil {
		t.Fatal(err)
	}
	changed, err := s.Change(func(b []byte) ([]byte, error) { return With(b, constants) })
	if err != nil || !changed {
		t.Fatalf("%v, %v", changed, err)
	}
	for _, name := range []string{"wp-config.php", Backup} {
		info, err := os.Stat(filepath.Join(root, name))
		if err != nil {
			t.Fatal(err)
		}
		if uid, gid := owner(info); uid != 0 || gid != 33 || info.Mode().Perm() != 0o640 {
			t.Errorf("%s belongs to %d:%d with %v", name, uid, gid, info.Mode())
		}
	}
}
