package sqlite

import (
	"context"
	"encoding/json"
	"math"

	"github.com/postilion-mail/postilion/internal/database"
	"github.com/postilion-mail/postilion/internal/outbox"
	"github.com/postilion-mail/postilion/plugin"
)

// Pauses gives all pauses. Their times are not moved by jumps of the clock: a
// pause is at most half an hour.
func (s *Store) Pauses(ctx context.Context) (pauses []outbox.Pause, err error) {
	err = s.read(ctx, func(tx *database.Tx) error {
		rows, err := tx.Query(`SELECT lane, until, since, strikes, outcome FROM pauses ORDER BY lane`)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var p outbox.Pause
			var until, since int64
			var outcome []byte
			if err := rows.Scan(&p.Lane, &until, &since, &p.Strikes, &outcome); err != nil {
				return err
			}
			p.Until, p.Since = unstamp(until), unstamp(since)
			// A pause whose reason cannot be read is a pause all the same.
			_ = json.Unmarshal(outcome, &p.Outcome)
			pauses = append(pauses, p)
		}
		return rows.Err()
	})
	return pauses, err
}

// SetPause stores a pause in place of an earlier one.
func (s *Store) SetPause(ctx context.Context, p outbox.Pause) error {
	outcome, err := json.Marshal(p.Outcome)
	if err != nil {
		return err
	}
	return s.write(ctx, func(tx *database.Tx, _ *change) error {
		_, err := tx.Exec(`INSERT INTO pauses (lane, until, since, strikes, outcome) VALUES (?, ?, ?, ?, ?)
			ON CONFLICT (lane) DO UPDATE SET until = excluded.until, since = excluded.since, strikes = excluded.strikes, outcome = excluded.outcome`,
			p.Lane, stamp(p.Until), stamp(p.Since), p.Strikes, outcome)
		return err
	})
}

// ClearPause removes a pause and makes due at once what was deferred on the
// lane because of the connection's login or settings, or because its server
// could not be reached: a wrong host or port looks like that. It reads no more
// than those.
func (s *Store) ClearPause(ctx context.Context, lane string) error {
	err := s.write(ctx, func(tx *database.Tx, _ *change) error {
		_, err := tx.Exec(`DELETE FROM pauses WHERE lane = ?`, lane)
		return err
	})
	for _, blame := range []plugin.Blame{plugin.BlameAuth, plugin.BlameConnection, plugin.BlameNetwork} {
		if err != nil {
			return err
		}
		err = s.undefer(ctx, lane, blame)
	}
	return err
}

// undefer makes due what was deferred on a lane for a reason, a page at a time.
// What may have been accepted, though the network is to blame, waits its time.
func (s *Store) undefer(ctx context.Context, lane string, blame plugin.Blame) error {
	for due, id := s.moment().due(), int64(math.MaxInt64); ; {
		var jobs []*job
		err := s.write(ctx, func(tx *database.Tx, c *change) (err error) {
			now := s.moment()
			jobs, err = queryJobs(tx, `SELECT`+jobColumns+`FROM jobs WHERE state = 3 AND lane = ? AND blame = ? AND (due, id) > (?, ?)
				ORDER BY due, id LIMIT ?`, lane, uint8(blame), due, id, page)
			for _, j := range jobs {
				seen := *j // where to go on from
				if err == nil && !(j.dup && blame == plugin.BlameNetwork) {
					j.due = now.due()
					c.put(j, now)
					err = saveJob(tx, j)
				}
				*j = seen
			}
			return err
		})
		if err != nil || len(jobs) < page {
			return err
		}
		due, id = jobs[len(jobs)-1].due, jobs[len(jobs)-1].id
	}
}
