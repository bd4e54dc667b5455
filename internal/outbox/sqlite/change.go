package sqlite

import (
	"time"

	"github.com/postilion-mail/postilion/internal/database"
	"github.com/postilion-mail/postilion/internal/outbox"
)

// change is what happens in memory once a write is committed.
type change struct {
	counts  []count
	ready   []readyChange
	claimed []*claim
	ended   []int64 // claims, by job
	takes   []outbox.Job
	wakes   []wake
	files   []string // contents to remove
	events  bool
}

type wake struct {
	lane string
	due  time.Time
}

// add appends what another change says, in its order.
func (c *change) add(o *change) {
	c.counts = append(c.counts, o.counts...)
	c.ready = append(c.ready, o.ready...)
	c.claimed = append(c.claimed, o.claimed...)
	c.ended = append(c.ended, o.ended...)
	c.takes = append(c.takes, o.takes...)
	c.wakes = append(c.wakes, o.wakes...)
	c.files = append(c.files, o.files...)
	c.events = c.events || o.events
}

// clear empties a change and keeps its memory.
func (c *change) clear() {
	clear(c.claimed)
	clear(c.takes)
	*c = change{
		counts: c.counts[:0], ready: c.ready[:0], claimed: c.claimed[:0], ended: c.ended[:0],
		takes: c.takes[:0], wakes: c.wakes[:0], files: c.files[:0],
	}
}

// before is the last part of a group's transaction.
func (s *Store) before(tx *database.Tx) error {
	if s.moment().jumped != s.markedJump {
		if err := s.saveClock(tx); err != nil {
			return err
		}
	}
	return s.saveCounters(tx, s.pending.counts)
}

// after carries out what a committed group said.
func (s *Store) after() {
	p := &s.pending
	s.mu.Lock()
	s.applyCounters(p.counts)
	// A job that is recorded and claimed again in one group is claimed after it.
	for _, id := range p.ended {
		delete(s.claims, id)
	}
	for _, cl := range p.claimed {
		s.claims[cl.id] = cl
	}
	if p.events {
		close(s.changed)
		s.changed = make(chan struct{})
	}
	s.mu.Unlock()
	s.ready.apply(p.ready)
	s.trash.remove(p.files)
	if s.handoff != nil {
		for _, j := range p.takes {
			s.handoff.Take(j)
		}
		for _, w := range p.wakes {
			s.handoff.Wake(w.lane, w.due)
		}
	}
	p.clear()
}

// reset forgets a group that was rolled back.
func (s *Store) reset() {
	s.giveBack(&s.pending)
	s.pending.clear()
}

// giveBack returns the reservations of jobs that will not be handed over.
func (s *Store) giveBack(c *change) {
	for _, j := range c.takes {
		s.handoff.Return(j.Lane, j.Size)
	}
}

// reopened reads everything anew after the database failed: a commit that was
// reported as failed may have happened or not.
func (s *Store) reopened(tx *database.Tx) error {
	if err := s.load(tx); err != nil {
		return err
	}
	now := s.moment()
	rows, err := tx.Query(`SELECT id, count FROM jobs WHERE state = 2 AND epoch = ?`, s.epoch)
	if err != nil {
		return err
	}
	defer rows.Close()
	there := make(map[int64]bool)
	var lost []int64
	s.mu.Lock()
	defer s.mu.Unlock()
	for rows.Next() {
		var id, count int64
		if err := rows.Scan(&id, &count); err != nil {
			return err
		}
		if cl := s.claims[id]; cl != nil && cl.token.Count == count {
			there[id] = true
		} else {
			lost = append(lost, id)
		}
	}
	if err := rows.Err(); err != nil {
		return err
	}
	for id := range s.claims {
		if !there[id] {
			delete(s.claims, id)
		}
	}
	return s.releaseLost(tx, lost, now)
}

// releaseLost gives back claims that were committed although their callers
// were told otherwise, and so were never tried.
func (s *Store) releaseLost(tx *database.Tx, ids []int64, now moment) error {
	var c change
	for _, id := range ids {
		j, err := loadJob(tx, id)
		if err != nil {
			return err
		}
		if err := c.turn(j, outbox.TriggerRelease); err != nil {
			return err
		}
		if err := saveJob(tx, j); err != nil {
			return err
		}
		c.put(j, now)
	}
	s.pending.add(&c)
	return nil
}
