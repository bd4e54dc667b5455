package maildrop

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// Write puts d into the directory, durably: when it returns nil, the message
// survives a power failure and will be picked up. With a token the drop proves
// that the writer had it. Errors wrap those of the file system.
func Write(dir string, d *Drop, token string) error {
	head, err := d.head(token)
	if err != nil {
		return err
	}
	info, err := os.Stat(dir)
	if err != nil {
		return err
	}
	if !info.IsDir() {
		return &fs.PathError{Op: "open", Path: dir, Err: unix.ENOTDIR}
	}
	temp, final := filepath.Join(dir, "."+d.Key), filepath.Join(dir, d.Key)
	f, err := os.OpenFile(temp, os.O_WRONLY|os.O_CREATE|os.O_EXCL|unix.O_NOFOLLOW, 0o600)
	if err != nil {
		return err
	}
	defer f.Close()
	if err := fill(f, info.Mode(), head, d.Content); err != nil {
		os.Remove(temp)
		return err
	}
	if err := os.Rename(temp, final); err != nil {
		os.Remove(temp)
		return err
	}
	if err := syncDir(dir, f); err != nil {
		// What is not certain to last must not go out behind the back of a
		// caller who is told that it failed, unless it went already.
		if e := os.Remove(final); errors.Is(e, fs.ErrNotExist) {
			return nil
		}
		return fmt.Errorf("sync %s: %w", dir, err)
	}
	return nil
}

// fill writes and syncs the file. In a directory with the set-group-id bit the
// file has the directory's group, the daemon's, which then may read it; in any
// other the group is of no concern to us.
func fill(f *os.File, dir fs.FileMode, parts ...[]byte) error {
	if dir&fs.ModeSetgid != 0 {
		if err := f.Chmod(0o640); err != nil {
			return err
		}
	}
	for _, p := range parts {
		if _, err := f.Write(p); err != nil {
			return err
		}
	}
	return f.Sync()
}

// syncDir makes the new name last. Whoever may not read the directory cannot
// open it for fsync either; syncing its file system does the same.
func syncDir(dir string, f *os.File) error {
	d, err := os.Open(dir)
	if errors.Is(err, fs.ErrPermission) {
		return unix.Syncfs(int(f.Fd()))
	}
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}

// The modes of the directory: everybody may add, only the daemon may list, and
// only the owner of a file (and of the directory) may remove it. The set-
// group-id bit gives the files the daemon's group, by which it may read them.
const (
	dirMode = fs.ModeSticky | fs.ModeSetgid | 0o733
	badMode = 0o700
	badName = "bad"
)

// Prepare makes the directory, or mends its mode if it is the caller's own,
// and the directory "bad" within, where what cannot be sent is kept. It must
// run as the daemon's user. Missing parents are not made.
func Prepare(dir string) error {
	if err := prepare(dir, dirMode); err != nil {
		return err
	}
	return prepare(filepath.Join(dir, badName), badMode)
}

// prepare makes one directory. One that exists must be the caller's: whoever
// owns the directory may remove everybody's mail from it.
func prepare(dir string, mode fs.FileMode) error {
	err := os.Mkdir(dir, mode.Perm())
	if err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	var st unix.Stat_t
	if err := unix.Lstat(dir, &st); err != nil {
		return &fs.PathError{Op: "lstat", Path: dir, Err: err}
	}
	if st.Mode&unix.S_IFMT != unix.S_IFDIR {
		return fmt.Errorf("maildrop: %s is not a directory; remove it", dir)
	}
	if int(st.Uid) != os.Geteuid() {
		return fmt.Errorf("maildrop: %s belongs to user %d, not to the daemon's user %d; change its owner or remove it", dir, st.Uid, os.Geteuid())
	}
	return os.Chmod(dir, mode)
}
