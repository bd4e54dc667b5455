package sqlite

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/postilion-mail/postilion/internal/database"
)

// RestoredName is the file that Backup puts into a copy, so that a daemon
// started on it sends nothing by itself: what is in it may have been delivered
// since (reliability T34).
const RestoredName = "restored"

// Backup writes a consistent copy of database and contents, and of the programs
// of plugins, into a new or empty directory while the daemon runs. The key of
// the secrets is not part of it. After an error nothing is left in the
// directory.
func (s *Store) Backup(ctx context.Context, dir string) error {
	// The files that the copy names must outlive it.
	defer s.trash.hold()()
	return backup(ctx, s.db, dir, s.clock.Now())
}

// BackupAtRest is Backup of a database that no store uses: whoever has opened
// it holds the lock that keeps the daemon away.
func BackupAtRest(ctx context.Context, db *database.DB, dir string) error {
	return backup(ctx, db, dir, time.Now())
}

// folders are those of the data directory that belong to what the database
// holds. Their files never change.
var folders = []string{"content", "plugins"}

func backup(ctx context.Context, db *database.DB, dir string, now time.Time) error {
	if err := prepare(dir, now); err != nil {
		return fmt.Errorf("backup: %w", err)
	}
	err := db.CopyTo(ctx, dir)
	for _, folder := range folders {
		if err == nil {
			err = copyFolder(ctx, filepath.Join(db.Dir(), folder), filepath.Join(dir, folder))
		}
	}
	if err == nil {
		err = errors.Join(database.SyncDirectory(dir), database.SyncDirectory(filepath.Dir(dir)))
	}
	if err != nil {
		for _, name := range append(folders, database.Name, database.Name+"-journal", RestoredName) {
			err = errors.Join(err, os.RemoveAll(filepath.Join(dir, name)))
		}
		return fmt.Errorf("backup: %w", err)
	}
	return nil
}

// prepare makes the directory and marks it. Of two backups into the same one,
// the mark lets in the first.
func prepare(dir string, now time.Time) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	if entries, err := os.ReadDir(dir); err != nil || len(entries) > 0 {
		return errors.Join(err, fmt.Errorf("%s is not empty: choose a new directory", dir))
	}
	if err := os.Chmod(dir, 0o700); err != nil {
		return err
	}
	mark, err := os.OpenFile(filepath.Join(dir, RestoredName), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = mark.WriteString(now.UTC().Format(time.RFC3339) + "\n")
	return errors.Join(err, mark.Sync(), mark.Close())
}

// copyFolder may copy more than the database names; a start sweeps that.
func copyFolder(ctx context.Context, from, to string) error {
	if err := os.Mkdir(to, 0o700); err != nil {
		return err
	}
	entries, err := os.ReadDir(from)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	for _, entry := range entries {
		if strings.HasSuffix(entry.Name(), ".part") {
			continue
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		err := copyFile(filepath.Join(from, entry.Name()), filepath.Join(to, entry.Name()))
		// One that has gone since was of a message that was not accepted.
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			return err
		}
	}
	return database.SyncDirectory(to)
}

// copyFile links a file, which never changes, or copies it to another disk.
func copyFile(from, to string) error {
	if os.Link(from, to) == nil {
		return nil
	}
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	info, err := in.Stat()
	if err != nil {
		return err
	}
	out, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_EXCL, info.Mode().Perm())
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	if err == nil {
		err = out.Sync()
	}
	return errors.Join(err, out.Close())
}

// holdRestored puts all mail of a restored copy on hold before it is used.
func (s *Store) holdRestored(ctx context.Context) error {
	path := filepath.Join(s.db.Dir(), RestoredName)
	taken, err := os.ReadFile(path)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	} else if err != nil {
		return err
	}
	if _, err := s.Recover(ctx); err != nil {
		return err
	}
	reason := "restored from a backup of " + strings.TrimSpace(string(taken)) + ": it may have been delivered since"
	lanes, err := s.Lanes(ctx)
	if err != nil {
		return err
	}
	for _, lane := range lanes {
		if _, err := s.HoldLane(ctx, lane, reason); err != nil {
			return err
		}
	}
	if err := s.holdNotices(ctx, reason); err != nil {
		return err
	}
	if err := os.Remove(path); err != nil {
		return err
	}
	return database.SyncDirectory(s.db.Dir())
}
