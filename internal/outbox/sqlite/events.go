package sqlite

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/postilion-mail/postilion/internal/database"
	"github.com/postilion-mail/postilion/internal/outbox"
	"github.com/postilion-mail/postilion/plugin"
)

// eventTypes are kept as their place in this list: append only.
var eventTypes = []outbox.EventType{
	"", outbox.EventAccepted, outbox.EventDeferred, outbox.EventHeld, outbox.EventReleased, outbox.EventRetried,
	outbox.EventSent, outbox.EventFailed, outbox.EventExpired, outbox.EventCancelled,
}

// event is a row of events.
type event struct {
	time      time.Time
	kind      outbox.EventType
	message   int64
	recipient int
	lane      string
	attempt   int
	dup       bool
	next      time.Time
	began     time.Time // of the attempt; zero if there was none
	took      time.Duration
	outcome   plugin.Outcome
	reason    string
}

// maxReply bounds what is kept of a server's words.
const maxReply = 2048

func (s *Store) insertEvent(tx *database.Tx, c *change, e *event) (seq int64, err error) {
	s.nextEvent++
	c.events = true
	o := &e.outcome
	class, reply := packClass(*o), o.Reply
	if len(reply) > maxReply {
		reply = strings.ToValidUTF8(reply[:maxReply], "")
	}
	_, err = tx.Exec(`INSERT INTO events (seq, time, type, message, recipient, lane, attempt, dup, next, began, took, class, code, enhanced, reply, retry, reason)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
		s.nextEvent, stamp(e.time), slices.Index(eventTypes, e.kind), e.message, e.recipient, e.lane, e.attempt, e.dup, stamp(e.next),
		stamp(e.began), int64(e.took), class, o.Code, o.Enhanced, reply, int64(o.RetryAfter), e.reason)
	return s.nextEvent, err
}

// packClass puts the small fields of an outcome into one number.
func packClass(o plugin.Outcome) int64 {
	class := int64(o.Class) | int64(o.Blame)<<8 | int64(o.Phase)<<16
	if o.Inferred {
		class |= 1 << 24
	}
	return class
}

func unpackClass(class int64, o *plugin.Outcome) {
	o.Class, o.Blame, o.Phase = plugin.Class(class), plugin.Blame(class>>8), plugin.Phase(class>>16)
	o.Inferred = class>>24 != 0
}

const outcomeColumns = ` e.class, e.code, e.enhanced, e.reply, e.retry `

// lastOutcome reads the outcome of an event; zero if there is none.
func lastOutcome(tx *database.Tx, seq int64) (o plugin.Outcome, err error) {
	if seq == 0 {
		return o, nil
	}
	rows, err := tx.Query(`SELECT`+outcomeColumns+`FROM events e WHERE seq = ?`, seq)
	if err != nil {
		return o, err
	}
	defer rows.Close()
	if rows.Next() {
		var class, retry int64
		err = rows.Scan(&class, &o.Code, &o.Enhanced, &o.Reply, &retry)
		unpackClass(class, &o)
		o.RetryAfter = time.Duration(retry)
		return o, err
	}
	return o, rows.Err()
}

// Events gives those after a sequence number: see outbox.Reader.
func (s *Store) Events(ctx context.Context, f outbox.EventFilter) (events []outbox.Event, err error) {
	if f.Limit <= 0 || f.Limit > 1000 {
		f.Limit = 1000
	}
	after := f.After
	if f.Client != "" {
		after = s.loud(f.Client, f.After)
	}
	query := `SELECT e.seq, e.time, e.type, m.client, m.id, m.message_id, e.recipient, r.address, e.lane, e.attempt, e.dup, e.next, e.reason,` + outcomeColumns +
		`FROM events e JOIN messages m ON m.seq = e.message LEFT JOIN recipients r ON r.message = e.message AND r.position = e.recipient
		WHERE e.seq > ?`
	args := []any{after}
	if f.Message != uuid.Nil {
		query += ` AND e.message = (SELECT seq FROM messages WHERE id = ?)`
		args = append(args, f.Message[:])
	}
	if f.Client != "" {
		query += ` AND +m.client = ?` // not by the client's messages, which would be sorted
		args = append(args, f.Client)
	}
	if n := len(f.Types); n > 0 {
		query += ` AND e.type IN (?` + strings.Repeat(`, ?`, n-1) + `)`
	}
	for _, t := range f.Types {
		args = append(args, slices.Index(eventTypes, t))
	}
	query += ` ORDER BY e.seq LIMIT ?`
	args = append(args, f.Limit)
	err = s.read(ctx, func(tx *database.Tx) (err error) {
		if events, err = queryEvents(tx, query, args...); err != nil {
			return err
		}
		if f.Client != "" && f.Message == uuid.Nil && len(f.Types) == 0 && len(events) < f.Limit {
			return s.noteQuiet(tx, f.Client, f.After, events)
		}
		return nil
	})
	return events, err
}

// span is a range of sequences, the first not included.
type span struct{ from, to int64 }

// loud gives from where on a client may have events after a sequence. A
// client that follows its own events would otherwise read those of all others
// again at each call.
func (s *Store) loud(client string, after int64) int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	if q := s.quiet[client]; after >= q.from {
		return max(after, q.to)
	}
	return after
}

// noteQuiet remembers that a client has no events after those that were found
// up to the newest.
func (s *Store) noteQuiet(tx *database.Tx, client string, after int64, found []outbox.Event) error {
	quiet := span{from: after}
	if len(found) > 0 {
		quiet.from = found[len(found)-1].Sequence
	}
	if err := tx.QueryRow(`SELECT coalesce(max(seq), 0) FROM events`).Scan(&quiet.to); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if quiet.to > s.quiet[client].to {
		s.quiet[client] = quiet
	}
	return nil
}

func queryEvents(tx *database.Tx, query string, args ...any) (events []outbox.Event, err error) {
	rows, err := tx.Query(query, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var e outbox.Event
		var id []byte
		var kind int
		var at, next, class, retry int64
		err := rows.Scan(&e.Sequence, &at, &kind, &e.Client, &id, &e.MessageID, &e.Recipient, &e.Address, &e.Connection, &e.Attempt,
			&e.Duplicate, &next, &e.Reason, &class, &e.Outcome.Code, &e.Outcome.Enhanced, &e.Outcome.Reply, &retry)
		if err != nil {
			return nil, err
		}
		if kind > 0 && kind < len(eventTypes) {
			e.Type = eventTypes[kind]
		}
		copy(e.Message[:], id)
		e.Time, e.Next = unstamp(at), unstamp(next)
		unpackClass(class, &e.Outcome)
		e.Outcome.RetryAfter = time.Duration(retry)
		events = append(events, e)
	}
	return events, rows.Err()
}

// Changed gives a channel that is closed when there may be newer events.
func (s *Store) Changed() <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.changed
}

// LastSequence is that of the newest event, also when it was purged.
func (s *Store) LastSequence(ctx context.Context) (seq int64, err error) {
	err = s.read(ctx, func(tx *database.Tx) error {
		return tx.QueryRow(`SELECT coalesce((SELECT seq FROM sqlite_sequence WHERE name = 'events'), 0)`).Scan(&seq)
	})
	return seq, err
}

// Attempts gives the tries of a message, oldest first.
func (s *Store) Attempts(ctx context.Context, id uuid.UUID) (attempts []outbox.Attempt, err error) {
	err = s.read(ctx, func(tx *database.Tx) error {
		seq, err := find(tx, "", id)
		if err != nil {
			return err
		}
		rows, err := tx.Query(`SELECT e.attempt, e.recipient, r.address, e.lane, e.began, e.took,`+outcomeColumns+
			`FROM events e LEFT JOIN recipients r ON r.message = e.message AND r.position = e.recipient
			WHERE e.message = ? AND e.began > 0 ORDER BY e.seq`, seq)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var a outbox.Attempt
			var began, took, class, retry int64
			err := rows.Scan(&a.Number, &a.Recipient, &a.Address, &a.Connection, &began, &took,
				&class, &a.Outcome.Code, &a.Outcome.Enhanced, &a.Outcome.Reply, &retry)
			if err != nil {
				return err
			}
			unpackClass(class, &a.Outcome)
			a.Outcome.RetryAfter = time.Duration(retry)
			a.Started, a.Duration = unstamp(began), time.Duration(took)
			attempts = append(attempts, a)
		}
		return rows.Err()
	})
	return attempts, err
}
