package sqlite

import (
	"context"
	"time"

	"github.com/postilion-mail/postilion/internal/database"
	"github.com/postilion-mail/postilion/internal/outbox"
	"github.com/postilion-mail/postilion/plugin"
)

// Sweep does what time brings: see outbox.Store. A call does at most a page of
// each.
func (s *Store) Sweep(ctx context.Context) (more bool, err error) {
	for _, step := range []func(context.Context) (int, error){s.recoverLapsed, s.expire, s.purgeOld, s.shrink} {
		n, err := step(ctx)
		if err != nil {
			return false, err
		}
		more = more || n >= page
	}
	return more, s.noteTime(ctx)
}

// noteTime keeps the saved clock fresh, so that a jump while nothing runs can
// be told from the time in which nothing ran.
func (s *Store) noteTime(ctx context.Context) error {
	return s.write(ctx, func(tx *database.Tx, _ *change) error {
		if s.clock.Elapsed()-s.marked.Elapsed < time.Minute {
			return nil
		}
		return s.saveClock(tx)
	})
}

// expire ends what waits beyond its time.
func (s *Store) expire(ctx context.Context) (n int, err error) {
	err = s.write(ctx, func(tx *database.Tx, c *change) error {
		now := s.moment()
		jobs, err := queryJobs(tx, `SELECT`+jobColumns+`FROM jobs WHERE state IN (1, 3) AND expires <= ? ORDER BY expires LIMIT ?`, now.due(), page)
		if err != nil {
			return err
		}
		n = len(jobs)
		for _, j := range jobs {
			if err := s.end(tx, c, j, outbox.TriggerExpire, outbox.EventExpired, now); err != nil {
				return err
			}
		}
		return nil
	})
	return n, err
}

// end brings a job that waits or is held to a final state, with the last
// outcome as the reason.
func (s *Store) end(tx *database.Tx, c *change, j *job, t outbox.Trigger, kind outbox.EventType, now moment) error {
	next, ok := j.state.Next(t)
	if !ok {
		return outbox.ErrTooLate
	}
	list, err := members(tx, j)
	if err != nil {
		return err
	}
	var expired []int64 // events
	for _, m := range list {
		outcome, err := lastOutcome(tx, m.last)
		if err != nil {
			return err
		}
		if t == outbox.TriggerExpire && outcome.Class == plugin.ClassUnspecified {
			outcome = plugin.Outcome{Class: plugin.Temporary, Inferred: true, Reply: "its time was over before an attempt could be made"}
		}
		e := event{time: now.now, kind: kind, message: j.message(), recipient: m.position, lane: j.lane, attempt: j.attempt, dup: m.dup, outcome: outcome}
		last, err := s.insertEvent(tx, c, &e)
		if err != nil {
			return err
		}
		_, err = tx.Exec(`UPDATE recipients SET state = ?, job = 0, hop = ?, last = ?, changed = ? WHERE message = ? AND position = ?`,
			uint8(next), j.hop, last, stamp(now.now), j.message(), m.position)
		if err != nil {
			return err
		}
		if t == outbox.TriggerExpire {
			expired = append(expired, last)
		}
	}
	if err := s.noticeFailure(tx, j.message(), j.hop, expired, now); err != nil {
		return err
	}
	if _, err := tx.Exec(`DELETE FROM jobs WHERE id = ?`, j.id); err != nil {
		return err
	}
	c.countJob(j, -1)
	c.count(countState, next.String(), 0, int64(len(list)))
	return s.closeRecipients(tx, c, j.message(), len(list), nil, now)
}

// purgeOld removes messages that were kept long enough. It walks them in the
// order of acceptance, which is nearly that in which they become old, and
// begins again at the end.
func (s *Store) purgeOld(ctx context.Context) (int, error) {
	now := s.moment()
	type old struct {
		seq, size int64
		content   int
	}
	var found []old
	seen := 0
	err := s.read(ctx, func(tx *database.Tx) error {
		rows, err := tx.Query(`SELECT seq, accepted, done, key IS NOT NULL, content, size FROM messages WHERE seq > ? ORDER BY seq LIMIT ?`, s.walked.Load(), page)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var o old
			var accepted, done int64
			var keyed bool
			if err := rows.Scan(&o.seq, &accepted, &done, &keyed, &o.content, &o.size); err != nil {
				return err
			}
			if unstamp(accepted).Add(s.options.Retention).After(now.now) {
				seen = 0 // all later ones are younger
				return nil
			}
			seen++
			s.walked.Store(o.seq)
			keep := s.options.Retention
			if keyed {
				keep = max(keep, keyLife)
			}
			if done != 0 && !unstamp(done).Add(keep).After(now.now) {
				found = append(found, o)
			}
		}
		return rows.Err()
	})
	if seen < page {
		s.walked.Store(0)
	}
	if err != nil || len(found) == 0 {
		return seen, err
	}
	return seen, s.write(ctx, func(tx *database.Tx, c *change) error {
		for _, o := range found {
			if err := s.forget(tx, c, o.seq, o.content, o.size); err != nil {
				return err
			}
		}
		return nil
	})
}

// forget removes all of a message that is done and of which nobody has to be
// told any more.
func (s *Store) forget(tx *database.Tx, c *change, seq int64, content int, size int64) error {
	var done int64
	if err := tx.QueryRow(`SELECT coalesce((SELECT done FROM messages WHERE seq = ?), 0)`, seq).Scan(&done); err != nil || done == 0 {
		return err // brought back meanwhile
	}
	if waits, err := s.needed(tx, seq); err != nil || waits {
		return err
	}
	if err := s.purge(tx, c, seq, content, size); err != nil {
		return err
	}
	rows, err := tx.Query(`SELECT state, count(*) FROM recipients WHERE message = ? GROUP BY state`, seq)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var state uint8
		var n int64
		if err := rows.Scan(&state, &n); err != nil {
			return err
		}
		c.count(countState, outbox.State(state).String(), 0, -n)
	}
	if err := rows.Err(); err != nil {
		return err
	}
	var extra []byte
	if err := tx.QueryRow(`SELECT info FROM messages WHERE seq = ?`, seq).Scan(&extra); err != nil {
		return err
	}
	for _, tag := range tagsOf(extra) {
		if _, err := tx.Exec(`DELETE FROM tags WHERE hash = ? AND message = ?`, hash(tag), seq); err != nil {
			return err
		}
	}
	for _, query := range []string{
		`DELETE FROM events WHERE message = ?`, `DELETE FROM recipients WHERE message = ?`, `DELETE FROM messages WHERE seq = ?`,
	} {
		if _, err := tx.Exec(query, seq); err != nil {
			return err
		}
	}
	return nil
}

// shrink gives free pages of the database back to the disk, some at a time,
// once there are many: a queue that was long leaves a large file.
func (s *Store) shrink(ctx context.Context) (n int, err error) {
	const many = 16384 // 64 MiB
	err = s.write(ctx, func(tx *database.Tx, _ *change) error {
		n = 0
		if err := tx.QueryRow(`PRAGMA freelist_count`).Scan(&n); err != nil || n < many {
			n = 0
			return err
		}
		_, err := tx.Exec(`PRAGMA incremental_vacuum(500)`)
		return err
	})
	return n, err
}
