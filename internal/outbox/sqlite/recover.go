package sqlite

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/postilion-mail/postilion/internal/database"
	"github.com/postilion-mail/postilion/internal/failpoint"
	"github.com/postilion-mail/postilion/internal/outbox"
	"github.com/postilion-mail/postilion/plugin"
)

var errCorrupt = errors.New("the stored message cannot be read")

// Recover makes attempts of the claims of dead runs: see outbox.Store.
func (s *Store) Recover(ctx context.Context) (recovered int, err error) {
	// The counters tell how many to look for, so that an orderly start reads
	// none of a million jobs, and another one no more than up to the last.
	left := s.claimedJobs()
	for last := int64(0); left > 0; {
		var jobs []*job
		err := s.read(ctx, func(tx *database.Tx) (err error) {
			jobs, err = queryJobs(tx, `SELECT`+jobColumns+`FROM jobs WHERE state = 2 AND epoch <> ? AND id > ? ORDER BY id LIMIT ?`, s.epoch, last, min(left, page))
			return err
		})
		if err != nil || len(jobs) == 0 {
			return recovered, err
		}
		last = jobs[len(jobs)-1].id
		left -= len(jobs)
		n, err := s.crashed(ctx, jobs, "the daemon ended during the attempt")
		recovered += n
		if err != nil {
			return recovered, err
		}
	}
	return recovered, nil
}

// claimedJobs counts the claims of all runs.
func (s *Store) claimedJobs() (n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for key, v := range s.counters {
		if key.kind == countLane {
			n += int(v[1])
		}
	}
	return n
}

// recoverLapsed does the same with claims of this run whose lease is over.
func (s *Store) recoverLapsed(ctx context.Context) (int, error) {
	now := s.lease(0)
	var ids []int64
	s.mu.Lock()
	for id, cl := range s.claims {
		if cl.until < now && len(ids) < page {
			ids = append(ids, id)
		}
	}
	s.mu.Unlock()
	if len(ids) == 0 {
		return 0, nil
	}
	var jobs []*job
	err := s.read(ctx, func(tx *database.Tx) error {
		for _, id := range ids {
			j, err := loadJob(tx, id)
			if err == nil {
				jobs = append(jobs, j)
			} else if !errors.Is(err, outbox.ErrStaleToken) {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return 0, err
	}
	return s.crashed(ctx, jobs, "the lease of the attempt lapsed")
}

// crashed writes claims off whose owner is gone. What became of them is
// unknown; they are tried again at once.
func (s *Store) crashed(ctx context.Context, jobs []*job, why string) (n int, err error) {
	err = s.write(ctx, func(tx *database.Tx, c *change) error {
		n = 0
		now := s.moment()
		for _, seen := range jobs {
			j, err := loadJob(tx, seen.id)
			if errors.Is(err, outbox.ErrStaleToken) {
				continue
			} else if err != nil {
				return err
			}
			if j.token() != seen.token() || j.state != outbox.Sending {
				continue
			}
			if err := s.crash(tx, c, j, why, now); err != nil {
				return err
			}
			n++
		}
		return nil
	})
	return n, err
}

func (s *Store) crash(tx *database.Tx, c *change, j *job, why string, now moment) error {
	j.attempt++
	j.crashes++
	j.dup = true
	e := event{time: now.now, kind: outbox.EventDeferred, lane: j.lane, attempt: j.attempt, dup: true, next: now.now, began: now.now,
		outcome: plugin.Outcome{Class: plugin.Unknown, Blame: plugin.BlameNone, Inferred: true, Reply: why}}
	trigger := outbox.TriggerCrash
	if j.crashes >= maxCrashes {
		trigger, e.kind, e.next = outbox.TriggerHold, outbox.EventHeld, time.Time{}
		e.reason = fmt.Sprintf("%d attempts in a row ended with a crash", j.crashes)
	}
	if err := c.turn(j, trigger); err != nil {
		return err
	}
	j.reason, j.due = e.reason, now.due()
	if err := saveJob(tx, j); err != nil {
		return err
	}
	c.put(j, now)
	failpoint.Hit(failpoint.Recovered)
	return s.tell(tx, c, j, e)
}

// quarantine puts a job that cannot be read on hold, so that it stops nobody.
func (s *Store) quarantine(tx *database.Tx, c *change, j *job, why error, now moment) error {
	if !errors.Is(why, errCorrupt) {
		return why
	}
	s.log.Error("a message is put on hold", "job", j.id, "error", why)
	if err := c.turn(j, outbox.TriggerHold); err != nil {
		return err
	}
	j.reason = why.Error()
	if err := saveJob(tx, j); err != nil {
		return err
	}
	return s.tell(tx, c, j, event{time: now.now, kind: outbox.EventHeld, lane: j.lane, reason: j.reason})
}

// quarantineClaim does so with a claimed job.
func (s *Store) quarantineClaim(ctx context.Context, t outbox.Token, why error) error {
	return s.write(ctx, func(tx *database.Tx, c *change) error {
		j, err := loadJob(tx, t.Job)
		if err != nil {
			return err
		}
		if j.token() != t || j.state != outbox.Sending {
			return outbox.ErrStaleToken
		}
		return s.quarantine(tx, c, j, why, s.moment())
	})
}

// split takes the first n recipients of a claimed job; the others become a
// job of their own that waits as this one did.
func (s *Store) split(tx *database.Tx, c *change, cl *claim, given *outbox.Job, n int, now moment) error {
	rest := cl.job
	rest.n = cl.n - n
	var err error
	if rest.id, err = number(tx, cl.message()); err != nil {
		return err
	}
	if err := insertJob(tx, &rest); err != nil {
		return err
	}
	_, err = tx.Exec(`UPDATE recipients SET job = ? WHERE message = ? AND job = ? AND position >= ?`,
		rest.id, cl.message(), cl.id, cl.members[n].position)
	if err != nil {
		return err
	}
	if _, err := tx.Exec(`UPDATE jobs SET n = ? WHERE id = ?`, n, cl.id); err != nil {
		return err
	}
	c.countJob(&cl.job, -1)
	cl.n, cl.members = n, cl.members[:n]
	given.Indexes, given.Envelope.Recipients = given.Indexes[:n], given.Envelope.Recipients[:n]
	c.countJob(&cl.job, +1)
	c.countJob(&rest, +1)
	c.put(&rest, now)
	return nil
}
