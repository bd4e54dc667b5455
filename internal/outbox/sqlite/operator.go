package sqlite

import (
	"context"
	"time"

	"github.com/google/uuid"

	"github.com/postilion-mail/postilion/internal/database"
	"github.com/postilion-mail/postilion/internal/outbox"
)

// operate runs a change of one message and shows it afterwards.
func (s *Store) operate(ctx context.Context, client string, id uuid.UUID,
	fn func(tx *database.Tx, c *change, seq int64, jobs []*job, now moment) error) (v *outbox.View, err error) {
	err = s.write(ctx, func(tx *database.Tx, c *change) error {
		seq, err := find(tx, client, id)
		if err != nil {
			return err
		}
		first, last := jobsOf(seq)
		jobs, err := queryJobs(tx, `SELECT`+jobColumns+`FROM jobs WHERE id BETWEEN ? AND ?`, first, last)
		if err != nil {
			return err
		}
		now := s.moment()
		if err := fn(tx, c, seq, jobs, now); err != nil {
			return err
		}
		v, err = view(tx, seq, now)
		return err
	})
	if err != nil {
		return nil, err
	}
	return v, nil
}

// Cancel ends all recipients that are not final: see outbox.Operator.
func (s *Store) Cancel(ctx context.Context, client string, id uuid.UUID) (*outbox.View, error) {
	return s.operate(ctx, client, id, func(tx *database.Tx, c *change, _ int64, jobs []*job, now moment) error {
		for _, j := range jobs {
			if _, ok := j.state.Next(outbox.TriggerCancel); !ok {
				return outbox.ErrTooLate
			}
		}
		if len(jobs) == 0 {
			return outbox.ErrTooLate
		}
		for _, j := range jobs {
			if err := s.end(tx, c, j, outbox.TriggerCancel, outbox.EventCancelled, now); err != nil {
				return err
			}
		}
		return nil
	})
}

// Hold keeps what waits; ErrTooLate if nothing does.
func (s *Store) Hold(ctx context.Context, client string, id uuid.UUID, reason string) (*outbox.View, error) {
	return s.operate(ctx, client, id, func(tx *database.Tx, c *change, _ int64, jobs []*job, now moment) error {
		held := 0
		for _, j := range jobs {
			if !j.waits() {
				continue
			}
			held++
			if err := s.holdJob(tx, c, j, reason, now); err != nil {
				return err
			}
		}
		if held == 0 {
			return outbox.ErrTooLate
		}
		return nil
	})
}

func (s *Store) holdJob(tx *database.Tx, c *change, j *job, reason string, now moment) error {
	if err := c.turn(j, outbox.TriggerHold); err != nil {
		return err
	}
	j.reason = reason
	if err := saveJob(tx, j); err != nil {
		return err
	}
	return s.tell(tx, c, j, event{time: now.now, kind: outbox.EventHeld, lane: j.lane, attempt: j.attempt, reason: reason})
}

// ReleaseHeld lets go what is held, due at once; ErrTooLate if nothing is. The
// time on hold counts for nobody's patience: what would expire at once gets
// its life anew.
func (s *Store) ReleaseHeld(ctx context.Context, client string, id uuid.UUID) (*outbox.View, error) {
	return s.operate(ctx, client, id, func(tx *database.Tx, c *change, seq int64, jobs []*job, now moment) error {
		var accepted, sendAt, expires int64
		if err := tx.QueryRow(`SELECT accepted, send_at, expires FROM messages WHERE seq = ?`, seq).Scan(&accepted, &sendAt, &expires); err != nil {
			return err
		}
		due := now.due()
		if at := unstamp(sendAt); at.After(now.now) {
			due = now.keep(at) // a release does not send before its time
		}
		if expires <= now.due() {
			expires = now.due() + max(expires-now.keep(unstamp(accepted)), 0)
			if _, err := tx.Exec(`UPDATE messages SET expires = ? WHERE seq = ?`, expires, seq); err != nil {
				return err
			}
		}
		released := 0
		for _, j := range jobs {
			if j.state != outbox.Held {
				continue
			}
			released++
			j.crashes, j.expires, j.due = 0, expires, due
			if err := s.revive(tx, c, j, outbox.TriggerRelease, outbox.EventReleased, now); err != nil {
				return err
			}
		}
		if released == 0 {
			return outbox.ErrTooLate
		}
		return nil
	})
}

// revive makes a job wait for an attempt when it is due.
func (s *Store) revive(tx *database.Tx, c *change, j *job, t outbox.Trigger, kind outbox.EventType, now moment) error {
	if err := c.turn(j, t); err != nil {
		return err
	}
	if err := saveJob(tx, j); err != nil {
		return err
	}
	c.put(j, now)
	return s.tell(tx, c, j, event{time: now.now, kind: kind, lane: j.lane, attempt: j.attempt, next: now.time(j.due)})
}

// Retry makes what failed or waits due at once: see outbox.Operator.
func (s *Store) Retry(ctx context.Context, client string, id uuid.UUID, life time.Duration) (*outbox.View, error) {
	return s.operate(ctx, client, id, func(tx *database.Tx, c *change, seq int64, jobs []*job, now moment) error {
		retried := 0
		for _, j := range jobs {
			if j.state != outbox.Deferred {
				continue
			}
			retried++
			j.due = now.due()
			if err := s.revive(tx, c, j, outbox.TriggerRetry, outbox.EventRetried, now); err != nil {
				return err
			}
		}
		n, err := s.bringBack(tx, c, seq, life, now)
		if err != nil {
			return err
		}
		if retried+n == 0 {
			return outbox.ErrTooLate
		}
		return nil
	})
}

// bringBack makes a job of the recipients that failed or expired, if the
// content is still there. It gives their number.
func (s *Store) bringBack(tx *database.Tx, c *change, seq int64, life time.Duration, now moment) (int, error) {
	v, err := view(tx, seq, now)
	if err != nil || !v.ContentKept || len(v.Chain) == 0 {
		return 0, err
	}
	var back []int
	for i, r := range v.Recipients {
		if next, ok := r.State.Next(outbox.TriggerRetry); ok && r.State.Terminal() && next == outbox.Queued {
			back = append(back, i)
			c.count(countState, r.State.String(), 0, -1)
		}
	}
	if len(back) == 0 {
		return 0, nil
	}
	j := &job{lane: v.Chain[0].Connection, client: v.Client, priority: v.Priority, state: outbox.Queued,
		due: now.due(), expires: now.keep(now.now.Add(life)), size: v.Size + int64(len(v.Chain[0].Overlay)), n: len(back)}
	if j.id, err = number(tx, seq); err != nil {
		return 0, err
	}
	for _, i := range back {
		j.dup = j.dup || v.Recipients[i].Duplicate
		if _, err := tx.Exec(`UPDATE recipients SET state = 0, job = ? WHERE message = ? AND position = ?`, j.id, seq, i); err != nil {
			return 0, err
		}
	}
	if err := insertJob(tx, j); err != nil {
		return 0, err
	}
	if !v.Done.IsZero() {
		c.countMessage(v.Client, v.Size, +1)
	}
	_, err = tx.Exec(`UPDATE messages SET open = open + ?, done = 0, expires = ? WHERE seq = ?`, len(back), j.expires, seq)
	if err != nil {
		return 0, err
	}
	c.countJob(j, +1)
	c.put(j, now)
	return len(back), s.tell(tx, c, j, event{time: now.now, kind: outbox.EventRetried, lane: j.lane, next: now.now})
}

// HoldLane holds all that waits for a connection, and gives the number of jobs
// it held: see outbox.Operator.
func (s *Store) HoldLane(ctx context.Context, connection, reason string) (held int, err error) {
	err = s.eachWaiting(ctx, connection, func(*job) bool { return true }, func(tx *database.Tx, c *change, j *job, now moment) error {
		return s.holdJob(tx, c, j, reason, now)
	}, &held)
	return held, err
}

// eachWaiting changes the waiting jobs of a lane that are wanted, a page in a
// write, so that others come in between.
func (s *Store) eachWaiting(ctx context.Context, lane string, wanted func(*job) bool,
	fn func(tx *database.Tx, c *change, j *job, now moment) error, total *int) error {
	for p := outbox.PriorityHigh; p <= outbox.PriorityBulk; p++ {
		for _, client := range s.ready.turn(lane, p, never) {
			for due, id := int64(-never), int64(0); ; {
				var jobs []*job
				n := 0
				err := s.write(ctx, func(tx *database.Tx, c *change) (err error) {
					n = 0
					now := s.moment()
					jobs, err = queryJobs(tx, `SELECT`+jobColumns+`FROM jobs WHERE state IN (1, 3) AND lane = ? AND priority = ? AND client = ?
						AND (due, id) > (?, ?) ORDER BY due, id LIMIT ?`, lane, int(p), client, due, id, page)
					if err != nil {
						return err
					}
					for _, j := range jobs {
						seen := *j // where to go on from
						if wanted(j) {
							n++
							if err := fn(tx, c, j, now); err != nil {
								return err
							}
						}
						*j = seen
					}
					return nil
				})
				if err != nil {
					return err
				}
				*total += n
				if len(jobs) < page {
					break
				}
				due, id = jobs[len(jobs)-1].due, jobs[len(jobs)-1].id
			}
		}
	}
	return nil
}
