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

// restoredName is the file that Backup puts into a copy, so that a daemon
// started on it sends nothing by itself: what is in it may have been delivered
// since (reliability T34).
const restoredName = "restored"

// Backup writes a consistent copy of database and contents into a new or empty
// directory while the daemon runs. The key of the secrets is not part of it.
func (s *Store) Backup(ctx context.Context, dir string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("backup: %w", err)
	}
	if entries, err := os.ReadDir(dir); err != nil || len(entries) > 0 {
		return errors.Join(err, fmt.Errorf("backup: %s is not empty: choose a new directory", dir))
	}
	taken := s.clock.Now().Format(time.RFC3339)
	if err := os.WriteFile(filepath.Join(dir, restoredName), []byte(taken+"\n"), 0o600); err != nil {
		return fmt.Errorf("backup: %w", err)
	}
	// The files that the copy names must outlive it.
	defer s.trash.hold()()
	if err := s.db.CopyTo(ctx, dir); err != nil {
		return fmt.Errorf("backup: %w", err)
	}
	contents := filepath.Join(dir, "content")
	if err := os.Mkdir(contents, 0o700); err != nil {
		return fmt.Errorf("backup: %w", err)
	}
	entries, err := os.ReadDir(s.content)
	if err != nil {
		return fmt.Errorf("backup: %w", err)
	}
	for _, entry := range entries {
		if strings.HasSuffix(entry.Name(), ".part") {
			continue
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := copyFile(filepath.Join(s.content, entry.Name()), filepath.Join(contents, entry.Name())); err != nil {
			return fmt.Errorf("backup: %w", err)
		}
	}
	return errors.Join(database.SyncDirectory(contents), database.SyncDirectory(dir))
}

// copyFile links a content, which never changes, or copies it to another disk.
func copyFile(from, to string) error {
	if os.Link(from, to) == nil {
		return nil
	}
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
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
	path := filepath.Join(s.db.Dir(), restoredName)
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
