package sqlite

import (
	"context"
	"fmt"

	"github.com/postilion-mail/postilion/internal/database"
	"github.com/postilion-mail/postilion/internal/outbox"
)

// The kinds of counters, and what their fields count.
const (
	countState  = iota + 1 // by name of the state: recipients
	countLane              // waiting, claimed, held jobs
	countClient            // messages that are not final, their bytes
	countAll               // messages that are not final, bytes of contents
)

type counterKey struct {
	kind int
	name string
}

type counter [3]int64

// count is a change of one field.
type count struct {
	key   counterKey
	field int
	n     int64
}

func (c *change) count(kind int, name string, field int, n int64) {
	c.counts = append(c.counts, count{counterKey{kind, name}, field, n})
}

// countJob counts a job and its recipients in or (sign -1) out.
func (c *change) countJob(j *job, sign int64) {
	c.count(countState, j.state.String(), 0, sign*int64(j.n))
	field := 0
	switch j.state {
	case outbox.Sending:
		field = 1
	case outbox.Held:
		field = 2
	}
	c.count(countLane, j.lane, field, sign)
}

// countMessage counts a message that is not final in or out. Its content is
// counted apart, since it may be kept.
func (c *change) countMessage(client string, size, sign int64) {
	c.count(countClient, client, 0, sign)
	c.count(countClient, client, 1, sign*size)
	c.count(countAll, "", 0, sign)
}

// sums adds changes up by counter, leaving out what cancels out.
func sums(counts []count) map[counterKey]counter {
	totals := make(map[counterKey]counter, 8)
	for _, n := range counts {
		total := totals[n.key]
		total[n.field] += n.n
		totals[n.key] = total
	}
	for key, total := range totals {
		if total == (counter{}) {
			delete(totals, key)
		}
	}
	return totals
}

func (s *Store) loadCounters(tx *database.Tx) error {
	if _, err := tx.Exec(`DELETE FROM counters WHERE a = 0 AND b = 0 AND c = 0`); err != nil {
		return err
	}
	rows, err := tx.Query(`SELECT kind, name, a, b, c FROM counters`)
	if err != nil {
		return err
	}
	defer rows.Close()
	counters := make(map[counterKey]counter)
	for rows.Next() {
		var key counterKey
		var v counter
		if err := rows.Scan(&key.kind, &key.name, &v[0], &v[1], &v[2]); err != nil {
			return err
		}
		counters[key] = v
	}
	s.mu.Lock()
	s.counters = counters
	s.mu.Unlock()
	return rows.Err()
}

func (s *Store) saveCounters(tx *database.Tx, counts []count) error {
	for key, n := range sums(counts) {
		_, err := tx.Exec(`INSERT INTO counters (kind, name, a, b, c) VALUES (?, ?, ?, ?, ?)
			ON CONFLICT (kind, name) DO UPDATE SET a = a + excluded.a, b = b + excluded.b, c = c + excluded.c`,
			key.kind, key.name, n[0], n[1], n[2])
		if err != nil {
			return err
		}
	}
	return nil
}

// applyCounters is called with s.mu held.
func (s *Store) applyCounters(counts []count) {
	for _, n := range counts {
		v := s.counters[n.key]
		v[n.field] += n.n
		s.counters[n.key] = v
	}
}

func (s *Store) counter(kind int, name string) counter {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.counters[counterKey{kind, name}]
}

// Usage is what a client has waiting.
func (s *Store) Usage(_ context.Context, client string) (int, int64, error) {
	v := s.counter(countClient, client)
	return int(v[0]), v[1], nil
}

// Waiting counts the jobs that have yet to go through a connection: messages,
// but for those whose recipients go apart.
func (s *Store) Waiting(_ context.Context, connection string) (int, error) {
	v := s.counter(countLane, connection)
	return int(v[0] + v[1] + v[2]), nil
}

// Lanes are those that have jobs.
func (s *Store) Lanes(context.Context) ([]string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var lanes []string
	for key, v := range s.counters {
		if key.kind == countLane && v != (counter{}) {
			lanes = append(lanes, key.name)
		}
	}
	return lanes, nil
}

// Stats counts what is in the outbox, without reading it.
func (s *Store) Stats(ctx context.Context) (outbox.Stats, error) {
	stats := outbox.Stats{Recipients: make(map[outbox.State]int64), Lanes: make(map[string]outbox.LaneStats)}
	s.mu.Lock()
	for state := outbox.Queued; state <= outbox.Suppressed; state++ {
		if v := s.counters[counterKey{countState, state.String()}]; v[0] != 0 {
			stats.Recipients[state] = v[0]
		}
	}
	for key, v := range s.counters {
		if key.kind == countLane && v != (counter{}) {
			stats.Lanes[key.name] = outbox.LaneStats{Waiting: v[0], Claimed: v[1], Held: v[2]}
		}
	}
	stats.Bytes = s.counters[counterKey{countAll, ""}][1]
	s.mu.Unlock()
	var oldest int64
	err := s.read(ctx, func(tx *database.Tx) error {
		return tx.QueryRow(`SELECT coalesce((SELECT m.accepted FROM jobs j JOIN messages m ON m.seq = j.id >> 20
			ORDER BY j.id LIMIT 1), 0)`).Scan(&oldest)
	})
	stats.Oldest = unstamp(oldest)
	return stats, err
}

// full says why a message of a size may not be accepted now; nil if it may.
func (s *Store) full(client string, size int64) error {
	queued := func(kind int, name string) (v counter) {
		v = s.counter(kind, name)
		for _, n := range s.pending.counts { // of this group, not yet committed
			if n.key == (counterKey{kind, name}) {
				v[n.field] += n.n
			}
		}
		return v
	}
	if s.options.Limits != nil {
		messages, bytes := s.options.Limits(client)
		if err := over(queued(countClient, client), size, messages, bytes, "this client"); err != nil {
			return err
		}
	}
	if s.options.MaxMessages > 0 || s.options.MaxBytes > 0 {
		return over(queued(countAll, ""), size, s.options.MaxMessages, s.options.MaxBytes, "all clients")
	}
	return nil
}

func over(have counter, size, messages, bytes int64, whose string) error {
	if messages > 0 && have[0] >= messages {
		return fmt.Errorf("%w: %d messages of %s wait, the limit is %d", outbox.ErrFull, have[0], whose, messages)
	}
	if bytes > 0 && have[1]+size > bytes {
		return fmt.Errorf("%w: %d bytes of %s wait, the limit is %d", outbox.ErrFull, have[1], whose, bytes)
	}
	return nil
}
