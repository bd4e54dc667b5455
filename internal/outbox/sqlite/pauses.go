package sqlite

import (
	"context"
	"encoding/json"

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
// could not be reached: a wrong host or port looks like that.
func (s *Store) ClearPause(ctx context.Context, lane string) error {
	err := s.write(ctx, func(tx *database.Tx, _ *change) error {
		_, err := tx.Exec(`DELETE FROM pauses WHERE lane = ?`, lane)
		return err
	})
	if err != nil {
		return err
	}
	now, n := s.moment().due(), 0
	blamed := func(j *job) bool {
		if j.state != outbox.Deferred || j.due <= now {
			return false
		}
		switch j.blame {
		case plugin.BlameAuth, plugin.BlameConnection:
			return true
		case plugin.BlameNetwork:
			return !j.dup // what may have been accepted waits its time
		}
		return false
	}
	return s.eachWaiting(ctx, lane, blamed, func(tx *database.Tx, c *change, j *job, now moment) error {
		j.due = now.due()
		c.put(j, now)
		return saveJob(tx, j)
	}, &n)
}
