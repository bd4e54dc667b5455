package sqlite

import (
	"context"
	"fmt"
	"time"

	"github.com/postilion-mail/postilion/internal/database"
	"github.com/postilion-mail/postilion/internal/failpoint"
	"github.com/postilion-mail/postilion/internal/outbox"
	"github.com/postilion-mail/postilion/plugin"
)

// part is what goes on of a job after an attempt: recipients with the same
// way before them.
type part struct {
	state   outbox.State
	hop     int
	due     int64
	dup     bool
	reason  string
	blame   plugin.Blame
	results []outbox.Result
}

// verdicts are the states that an attempt can end in.
var verdicts = map[outbox.State]struct {
	trigger outbox.Trigger
	event   outbox.EventType
}{
	outbox.Sent:     {outbox.TriggerAccept, outbox.EventSent},
	outbox.Failed:   {outbox.TriggerReject, outbox.EventFailed},
	outbox.Expired:  {outbox.TriggerExpire, outbox.EventExpired},
	outbox.Deferred: {outbox.TriggerDefer, outbox.EventDeferred},
	outbox.Held:     {outbox.TriggerHold, outbox.EventHeld},
}

// Record ends a claim with its results: see outbox.Store.
func (s *Store) Record(ctx context.Context, r outbox.Report) error {
	cl := s.claimOf(r.Token)
	if cl == nil {
		return outbox.ErrStaleToken
	}
	if err := cl.check(&r); err != nil {
		return err
	}
	err := s.write(ctx, func(tx *database.Tx, c *change) error { return s.record(tx, c, cl, &r) })
	if err == nil {
		failpoint.Hit(failpoint.RecordDone)
	}
	return err
}

// claimOf gives the claim that a token stands for; nil if it is stale.
func (s *Store) claimOf(t outbox.Token) *claim {
	s.mu.Lock()
	defer s.mu.Unlock()
	if cl := s.claims[t.Job]; cl != nil && cl.token == t {
		return cl
	}
	return nil
}

// check holds a report against its claim: one allowed result for each.
func (cl *claim) check(r *outbox.Report) error {
	if len(r.Results) != len(cl.members) {
		return fmt.Errorf("report of %d results for %d recipients", len(r.Results), len(cl.members))
	}
	seen := make(map[int]bool, len(r.Results))
	for _, m := range cl.members {
		seen[m.position] = false
	}
	for _, result := range r.Results {
		if done, ours := seen[result.Index]; done || !ours {
			return fmt.Errorf("report for recipient %d, which is not in the job or is there twice", result.Index)
		}
		seen[result.Index] = true
		v, ok := verdicts[result.Next]
		if !ok {
			return fmt.Errorf("report with state %s", result.Next)
		}
		if next, ok := outbox.Sending.Next(v.trigger); !ok || next != result.Next {
			return fmt.Errorf("report with state %s, which SENDING does not go to", result.Next)
		}
		if result.Next == outbox.Deferred && (result.Hop < 0 || result.Hop >= len(cl.chain)) {
			return fmt.Errorf("report with hop %d of %d", result.Hop, len(cl.chain))
		}
	}
	return nil
}

// record is Record's part of a group.
func (s *Store) record(tx *database.Tx, c *change, cl *claim, r *outbox.Report) error {
	now := s.moment()
	ended, parts := cl.divide(r, now)
	if len(parts) == 0 {
		n, err := tx.Exec(`DELETE FROM jobs WHERE id = ? AND epoch = ? AND count = ? AND state = 2`, cl.token.Job, cl.token.Epoch, cl.token.Count)
		if err != nil {
			return err
		}
		if n == 0 {
			return outbox.ErrStaleToken
		}
	}
	c.countJob(&cl.job, -1)
	c.ended = append(c.ended, cl.id)
	for i, p := range parts {
		if err := s.goOn(tx, c, cl, r, p, i == 0, now); err != nil {
			return err
		}
	}
	var failed []int64 // events
	for _, result := range ended {
		if err := s.result(tx, c, cl, r, result, 0, now); err != nil {
			return err
		}
		c.count(countState, result.Next.String(), 0, 1)
		if cl.notify && result.Next != outbox.Sent {
			failed = append(failed, s.nextEvent)
		}
	}
	if err := s.noticeFailure(tx, cl.message(), cl.hop, failed, now); err != nil {
		return err
	}
	if r.Untried {
		if err := giveBackRates(tx, cl); err != nil {
			return err
		}
	}
	if err := s.closeRecipients(tx, c, cl.message(), len(ended), cl, now); err != nil {
		return err
	}
	failpoint.Hit(failpoint.RecordWritten)
	return nil
}

// divide sorts results into those that are final and those that go on.
func (cl *claim) divide(r *outbox.Report, now moment) (ended []outbox.Result, parts []*part) {
next:
	for _, result := range r.Results {
		result.Duplicate = result.Duplicate || cl.dup
		if result.Next.Terminal() {
			ended = append(ended, result)
			continue
		}
		p := &part{state: result.Next, hop: result.Hop, due: now.keep(result.Due), dup: result.Duplicate, reason: result.Reason, blame: result.Outcome.Blame}
		if result.Next == outbox.Held {
			p.hop, p.due = cl.hop, now.due()
		}
		for _, q := range parts {
			if q.state == p.state && q.hop == p.hop && q.due == p.due && q.dup == p.dup {
				q.results = append(q.results, result)
				continue next
			}
		}
		p.results = []outbox.Result{result}
		parts = append(parts, p)
	}
	return ended, parts
}

// goOn writes a part as a job: the first in place of the one that was claimed.
func (s *Store) goOn(tx *database.Tx, c *change, cl *claim, r *outbox.Report, p *part, first bool, now moment) error {
	j := cl.job
	j.state, j.hop, j.lane, j.due, j.dup = p.state, p.hop, cl.chain[p.hop], p.due, p.dup
	j.reason, j.blame, j.n = p.reason, p.blame, len(p.results)
	if !r.Untried {
		j.attempt++
		j.crashes = 0
	}
	if r.Crashed {
		j.crashes = cl.crashes + 1
	}
	if first {
		n, err := tx.Exec(`UPDATE jobs SET lane = ?, state = ?, due = ?, hop = ?, attempt = ?, crashes = ?, dup = ?, blame = ?, n = ?, reason = ?
			WHERE id = ? AND epoch = ? AND count = ? AND state = 2`,
			j.lane, uint8(j.state), j.due, j.hop, j.attempt, j.crashes, j.dup, uint8(j.blame), j.n, j.reason,
			cl.token.Job, cl.token.Epoch, cl.token.Count)
		if err != nil {
			return err
		}
		if n == 0 {
			return outbox.ErrStaleToken
		}
	} else {
		var err error
		if j.id, err = number(tx, cl.message()); err != nil {
			return err
		}
		if err := insertJob(tx, &j); err != nil {
			return err
		}
	}
	for _, result := range p.results {
		if err := s.result(tx, c, cl, r, result, j.id, now); err != nil {
			return err
		}
	}
	c.countJob(&j, +1)
	c.put(&j, now)
	return nil
}

// result writes what became of a recipient; job is 0 if that is final.
func (s *Store) result(tx *database.Tx, c *change, cl *claim, r *outbox.Report, result outbox.Result, job int64, now moment) error {
	e := &event{
		time: now.now, kind: verdicts[result.Next].event, message: cl.message(), recipient: result.Index, lane: cl.lane, attempt: cl.attempt,
		dup: result.Duplicate, outcome: result.Outcome, reason: result.Reason,
	}
	if result.Next == outbox.Deferred {
		e.next = result.Due
	}
	tried, state := 0, uint8(0)
	if !r.Untried {
		tried = 1
		e.attempt++
		e.took = r.Duration
		if e.began = r.Started; e.began.IsZero() {
			e.began = now.now
		}
	}
	if job == 0 {
		state = uint8(result.Next)
	}
	last, err := s.insertEvent(tx, c, e)
	if err != nil {
		return err
	}
	_, err = tx.Exec(`UPDATE recipients SET state = ?, job = ?, hop = ?, attempts = attempts + ?, dup = ?, last = ?, changed = ?
		WHERE message = ? AND position = ?`, state, job, cl.hop, tried, result.Duplicate, last, stamp(now.now), cl.message(), result.Index)
	return err
}

// closeRecipients counts recipients of a message that became final, and ends
// the message with the last of them. cl, if not nil, saves reading the message.
func (s *Store) closeRecipients(tx *database.Tx, c *change, seq int64, n int, cl *claim, now moment) error {
	if n == 0 {
		return nil
	}
	if cl != nil && n == cl.total {
		return s.finish(tx, c, seq, cl.client, cl.content, cl.bytes, cl.keep, cl.notify, now)
	}
	if _, err := tx.Exec(`UPDATE messages SET open = open - ? WHERE seq = ?`, n, seq); err != nil {
		return err
	}
	var open, content int
	var client string
	var size, flags int64
	err := tx.QueryRow(`SELECT open, client, content, size, flags FROM messages WHERE seq = ?`, seq).Scan(&open, &client, &content, &size, &flags)
	if err != nil || open > 0 {
		return err
	}
	return s.finish(tx, c, seq, client, content, size, flags&flagKeep != 0, flags&flagNotify != 0, now)
}

// finish ends a message all of whose recipients are final, and purges its
// content unless it is to be kept, or a notice to its sender needs it.
func (s *Store) finish(tx *database.Tx, c *change, seq int64, client string, content int, size int64, keep, notify bool, now moment) error {
	kept := content
	if notify && !keep {
		var err error
		if keep, err = s.needed(tx, seq); err != nil {
			return err
		}
	}
	if !keep {
		kept = contentPurged
		if err := s.purge(tx, c, seq, content, size); err != nil {
			return err
		}
	}
	c.countMessage(client, size, -1)
	_, err := tx.Exec(`UPDATE messages SET open = 0, done = ?, content = ? WHERE seq = ?`, stamp(now.now), kept, seq)
	return err
}

// purge removes a content; the row of its message is the caller's to change.
func (s *Store) purge(tx *database.Tx, c *change, seq int64, content int, size int64) error {
	switch content {
	case contentPurged:
		return nil
	case contentInline:
		if _, err := tx.Exec(`DELETE FROM contents WHERE message = ?`, seq); err != nil {
			return err
		}
	case contentFile:
		file, err := s.fileOf(tx, seq)
		if err != nil {
			return err
		}
		c.files = append(c.files, file)
	}
	c.count(countAll, "", 1, -size)
	return nil
}

// tell writes an event for each recipient of a job, and its outcome as their
// last, if it has one.
func (s *Store) tell(tx *database.Tx, c *change, j *job, e event) error {
	list, err := members(tx, j)
	if err != nil {
		return err
	}
	dup := e.dup
	for _, m := range list {
		e.message, e.recipient, e.dup = j.message(), m.position, dup || m.dup
		last, err := s.insertEvent(tx, c, &e)
		if err != nil {
			return err
		}
		if e.outcome.Class == plugin.ClassUnspecified {
			last = m.last
		}
		tried := 0
		if !e.began.IsZero() {
			tried = 1
		}
		_, err = tx.Exec(`UPDATE recipients SET attempts = attempts + ?, dup = ?, last = ?, changed = ? WHERE message = ? AND position = ?`,
			tried, e.dup, last, stamp(e.time), e.message, e.recipient)
		if err != nil {
			return err
		}
	}
	return nil
}

// Extend renews leases: see outbox.Store. Leases end with the process, so it
// writes nothing.
func (s *Store) Extend(_ context.Context, lease time.Duration, tokens ...outbox.Token) (stale []outbox.Token, err error) {
	until := s.lease(lease)
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, t := range tokens {
		if cl := s.claims[t.Job]; cl != nil && cl.token == t {
			cl.until = until
		} else {
			stale = append(stale, t)
		}
	}
	return stale, nil
}

// Release gives claims back untried: see outbox.Store.
func (s *Store) Release(ctx context.Context, tokens ...outbox.Token) error {
	return s.write(ctx, func(tx *database.Tx, c *change) error {
		for _, t := range tokens {
			cl := s.claimOf(t)
			if cl == nil {
				continue
			}
			j, err := loadJob(tx, t.Job)
			if err != nil || j.token() != t || j.state != outbox.Sending {
				continue
			}
			if err := c.turn(j, outbox.TriggerRelease); err != nil {
				return err
			}
			if err := saveJob(tx, j); err != nil {
				return err
			}
			if err := giveBackRates(tx, cl); err != nil {
				return err
			}
			c.put(j, s.moment())
		}
		return nil
	})
}
