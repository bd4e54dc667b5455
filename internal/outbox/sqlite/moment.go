package sqlite

import (
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/postilion-mail/postilion/internal/clock"
	"github.com/postilion-mail/postilion/internal/database"
)

// moment is the time of a step. When the wall clock is set, what waits moves
// with it: the columns due and expires hold times less all jumps so far.
type moment struct {
	now    time.Time
	jumped time.Duration
}

func (s *Store) moment() moment {
	now, jumped := s.clock.Read()
	s.mu.Lock()
	defer s.mu.Unlock()
	return moment{now: now, jumped: s.earlier + jumped}
}

// keep gives a time as the columns of what waits have it.
func (m moment) keep(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return stamp(t.Add(-m.jumped))
}

// time is the inverse of keep.
func (m moment) time(kept int64) time.Time {
	if kept == 0 || kept == never {
		return time.Time{}
	}
	return unstamp(kept).Add(m.jumped)
}

// expires is keep for a time without which there is no end.
func (m moment) expires(t time.Time) int64 {
	if t.IsZero() {
		return never
	}
	return m.keep(t)
}

// due is now, as kept.
func (m moment) due() int64 { return m.keep(m.now) }

// stamp gives a time as the other columns have it; 0 for none.
func stamp(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMicro()
}

func unstamp(v int64) time.Time {
	if v == 0 {
		return time.Time{}
	}
	return time.UnixMicro(v).UTC()
}

// savedClock is kept to notice, in the next run, that the clock was set.
type savedClock struct {
	Mark   clock.Mark
	Jumped time.Duration
}

// saveClock notes the present time.
func (s *Store) saveClock(tx *database.Tx) error {
	mark, jumped := s.clock.Mark(), s.moment().jumped
	if err := putMeta(tx, "clock", savedClock{Mark: mark, Jumped: jumped}); err != nil {
		return err
	}
	s.marked, s.markedJump = mark, jumped
	return nil
}

func getMeta(tx *database.Tx, name string, v any) error {
	var value []byte
	err := tx.QueryRow(`SELECT value FROM meta WHERE name = ?`, name).Scan(&value)
	if errors.Is(err, sql.ErrNoRows) {
		return nil
	} else if err != nil {
		return err
	}
	if err := json.Unmarshal(value, v); err != nil {
		return fmt.Errorf("database: %s: %w", name, err)
	}
	return nil
}

func putMeta(tx *database.Tx, name string, v any) error {
	value, err := json.Marshal(v)
	if err != nil {
		return err
	}
	_, err = tx.Exec(`INSERT INTO meta (name, value) VALUES (?, ?)
		ON CONFLICT (name) DO UPDATE SET value = excluded.value`, name, value)
	return err
}
