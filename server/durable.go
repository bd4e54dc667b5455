package server

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
)

// settle makes the directories that a start may have made last, with the names
// in them: what is synced in a directory is gone with a power cut if the
// directory's own name was not (fsync(2)). It is done at every start, since the
// one that made them may not have come this far.
func settle(dirs ...string) error {
	done := make(map[string]bool)
	for _, dir := range dirs {
		for !done[dir] {
			if err := syncDirectory(dir); err != nil {
				return fmt.Errorf("sync %s: %w", dir, err)
			}
			done[dir] = true
			dir = filepath.Dir(dir)
		}
	}
	return nil
}

// syncDirectory leaves out what the daemon may not open, and so has not made,
// and what cannot be synced at all.
func syncDirectory(dir string) error {
	d, err := os.Open(dir)
	if errors.Is(err, fs.ErrPermission) {
		return nil
	} else if err != nil {
		return err
	}
	err = d.Sync()
	if errors.Is(err, syscall.EINVAL) || errors.Is(err, syscall.EROFS) {
		err = nil
	}
	return errors.Join(err, d.Close())
}
