package wordpress

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"

	plugin "github.com/postilion-mail/postilion/sdk/wordpress"
)

// act does something with the rights of the site's owner.
func (s *Site) act(do func() error) error { return as(s.UID, s.GID, do) }

// open opens a folder of the site to write in it. What belongs to root is
// changed as root, so nobody else may be able to exchange a folder on the way.
func (s *Site) open(folder string) (*os.Root, error) {
	if s.UID == 0 && os.Geteuid() == 0 {
		for at := folder; ; at = filepath.Dir(at) {
			info, err := os.Lstat(at)
			if err != nil {
				return nil, err
			}
			sticky := info.Mode()&os.ModeSticky != 0
			if uid, _ := owner(info); uid != 0 || info.Mode()&fs.ModeSymlink != 0 || info.Mode().Perm()&0o022 != 0 && !sticky {
				return nil, fmt.Errorf("wp-config.php belongs to root, but others can change %s; run this command as the user whom the site belongs to, or with --print and --no-install", at)
			}
			if at == filepath.Dir(at) {
				break
			}
		}
	}
	return os.OpenRoot(folder)
}

// Backup is the name of the copy of wp-config.php as it was before. It ends in
// .php, so that a web server runs it instead of showing it.
const Backup = "wp-config.before-postilion.php"

// Change replaces wp-config.php by what edit makes of it, in one step, and
// keeps a copy. It keeps mode, owner and group. Changed is false if nothing had to be
// done.
func (s *Site) Change(edit func([]byte) ([]byte, error)) (changed bool, err error) {
	err = s.act(func() error {
		folder, err := s.open(filepath.Dir(s.Config))
		if err != nil {
			return err
		}
		defer folder.Close()
		name := filepath.Base(s.Config)
		info, err := folder.Lstat(name)
		if err != nil {
			return err
		}
		if !info.Mode().IsRegular() {
			return fmt.Errorf("%s is no regular file", s.Config)
		}
		before, err := folder.ReadFile(name)
		if err != nil {
			return err
		}
		after, err := edit(before)
		if err != nil || string(after) == string(before) {
			return err
		}
		_, group := owner(info)
		if err := replace(folder, Backup, before, info.Mode().Perm(), group); err != nil {
			return err
		}
		changed = true
		return replace(folder, name, after, info.Mode().Perm(), group)
	})
	return changed, err
}

// replace writes a file under another name and renames it when it is whole. A
// group that cannot be given to it is an error: PHP may read by that group.
func replace(folder *os.Root, name string, content []byte, mode fs.FileMode, group int) error {
	temporary := "." + rand.Text() + ".php"
	file, err := folder.OpenFile(temporary, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = file.Write(content)
	err = errors.Join(err, file.Chown(-1, group), file.Chmod(mode), file.Sync(), file.Close())
	if err == nil {
		err = folder.Rename(temporary, name)
	}
	if err != nil {
		_ = folder.Remove(temporary)
	}
	return err
}

// Install puts the plugin into the site, in the place of an older one, in one
// step.
func (s *Site) Install() error {
	files, err := plugin.Files()
	if err != nil {
		return err
	}
	return s.act(func() error {
		folder, err := s.open(filepath.Join(s.Content, "plugins"))
		if err != nil {
			return err
		}
		defer folder.Close()
		fresh := "." + plugin.Slug + "-" + rand.Text()
		if err := write(folder, fresh, files); err != nil {
			_ = folder.RemoveAll(fresh)
			return err
		}
		old := "." + plugin.Slug + "-" + rand.Text()
		err = folder.Rename(plugin.Slug, old)
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			_ = folder.RemoveAll(fresh)
			return err
		}
		if err := folder.Rename(fresh, plugin.Slug); err != nil {
			return errors.Join(err, folder.Rename(old, plugin.Slug))
		}
		return folder.RemoveAll(old)
	})
}

func write(folder *os.Root, into string, files map[string][]byte) error {
	for name, content := range files {
		target := path.Join(into, name)
		if err := folder.MkdirAll(path.Dir(target), 0o755); err != nil {
			return err
		}
		if err := folder.WriteFile(target, content, 0o644); err != nil {
			return err
		}
	}
	return nil
}

// Installed tells whether the plugin's files are there.
func (s *Site) Installed() bool {
	_, err := os.Stat(filepath.Join(s.Content, "plugins", plugin.Main))
	return err == nil
}
