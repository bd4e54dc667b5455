package sqlite

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"github.com/google/uuid"

	"github.com/postilion-mail/postilion/internal/database"
)

// trash removes content files beside the groups. What it misses, because the
// process ends, is swept at the next start.
type trash struct {
	mu     sync.Mutex
	busy   sync.WaitGroup
	copies int // backups under way, which need the files
	later  []string
}

func (t *trash) remove(files []string) {
	if len(files) == 0 {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.copies > 0 {
		t.later = append(t.later, files...)
		return
	}
	files = append([]string(nil), files...)
	t.busy.Go(func() {
		for _, f := range files {
			_ = os.Remove(f)
		}
	})
}

// hold keeps all files until the returned function is called.
func (t *trash) hold() (release func()) {
	t.mu.Lock()
	t.copies++
	t.mu.Unlock()
	return func() {
		t.mu.Lock()
		t.copies--
		var files []string
		if t.copies == 0 {
			files, t.later = t.later, nil
		}
		t.mu.Unlock()
		t.remove(files)
	}
}

func (t *trash) wait() { t.busy.Wait() }

// sweepOrphans removes the files of messages that were not accepted, or are
// purged. No Accept is under way when it runs.
func (s *Store) sweepOrphans(ctx context.Context) error {
	entries, err := os.ReadDir(s.content)
	if err != nil {
		return err
	}
	return s.read(ctx, func(tx *database.Tx) error {
		for _, entry := range entries {
			id, err := uuid.Parse(strings.TrimSuffix(entry.Name(), ".part"))
			if err != nil {
				continue // not ours
			}
			var there bool
			err = tx.QueryRow(`SELECT EXISTS (SELECT 1 FROM messages WHERE id = ? AND content = ?)`, id[:], contentFile).Scan(&there)
			if err != nil {
				return err
			}
			if !there || strings.HasSuffix(entry.Name(), ".part") {
				if err := os.Remove(filepath.Join(s.content, entry.Name())); err != nil {
					return err
				}
			}
		}
		return nil
	})
}
