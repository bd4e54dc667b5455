package sqlite

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"slices"
	"time"

	"github.com/postilion-mail/postilion/internal/database"
	"github.com/postilion-mail/postilion/internal/outbox"
)

// noticeData is what a notice says beside its columns, kept as JSON.
type noticeData struct {
	// Of a NoticeFailed: the hop that was tried last, and the events that tell
	// what became of the recipients.
	Hop    int     `json:"hop,omitempty"`
	Events []int64 `json:"events,omitempty"`
	// Refused is the whole of a NoticeRefused.
	Refused *outbox.Notice `json:"refused,omitempty"`
}

// noticeFailure makes a notice of the events by which recipients of a message
// became FAILED or EXPIRED, if its sender is to be told.
func (s *Store) noticeFailure(tx *database.Tx, seq int64, hop int, events []int64, now moment) error {
	if len(events) == 0 {
		return nil
	}
	var source string
	var chain, extra []byte
	var flags int64
	err := tx.QueryRow(`SELECT source, chain, info, flags FROM messages WHERE seq = ?`, seq).Scan(&source, &chain, &extra, &flags)
	if err != nil {
		return err
	}
	var hops []outbox.Hop
	var in info
	// What cannot be read has nobody who could be told.
	_, _ = json.Unmarshal(chain, &hops), json.Unmarshal(extra, &in)
	m := outbox.Message{Source: source, Notify: flags&flagNotify != 0, Parent: in.Parent}
	if !m.Notifies() || hop >= len(hops) || hops[hop].EnvelopeFrom == "" {
		return nil
	}
	events, err = wantedEvents(tx, seq, events)
	if err != nil || len(events) == 0 {
		return err
	}
	return insertNotice(tx, outbox.NoticeFailed, seq, now.due(), now, noticeData{Hop: hop, Events: events})
}

// wantedEvents leaves out the last events of recipients that are not to be
// reported on.
func wantedEvents(tx *database.Tx, seq int64, events []int64) (wanted []int64, err error) {
	rows, err := tx.Query(`SELECT last, notify FROM recipients WHERE message = ?`, seq)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	asked := make(map[int64]string)
	for rows.Next() {
		var last int64
		var notify string
		if err := rows.Scan(&last, &notify); err != nil {
			return nil, err
		}
		asked[last] = notify
	}
	for _, e := range events {
		if outbox.WantsFailure(asked[e]) {
			wanted = append(wanted, e)
		}
	}
	return wanted, rows.Err()
}

// noticeDelay makes a notice, for later, of a message that is being accepted.
// It goes with the message's end.
func (s *Store) noticeDelay(tx *database.Tx, m *outbox.Message, seq int64, now moment) error {
	if s.options.DelayNotice <= 0 || !m.Notifies() || m.Chain[0].EnvelopeFrom == "" ||
		!slices.ContainsFunc(m.Recipients, func(r outbox.Recipient) bool { return outbox.WantsDelay(r.Notify) }) {
		return nil
	}
	start := now.now
	if m.SendAt.After(start) {
		start = m.SendAt
	}
	return insertNotice(tx, outbox.NoticeDelayed, seq, now.keep(start.Add(s.options.DelayNotice)), now, noticeData{})
}

func insertNotice(tx *database.Tx, kind outbox.NoticeType, seq, due int64, now moment, data noticeData) error {
	text, err := json.Marshal(data)
	if err != nil {
		return err
	}
	var key any
	if data.Refused != nil {
		key = data.Refused.Key
	}
	_, err = tx.Exec(`INSERT INTO notices (type, message, due, created, key, hold, data) VALUES (?, ?, ?, ?, ?, '', ?)
		ON CONFLICT (key) WHERE key IS NOT NULL DO NOTHING`, uint8(kind), seq, due, stamp(now.now), key, text)
	return err
}

// needed says whether a notice needs the content of a message that has ended.
// It removes one of a delay, which is over.
func (s *Store) needed(tx *database.Tx, seq int64) (needed bool, err error) {
	rows, err := tx.Query(`SELECT type FROM notices WHERE message = ?`, seq)
	if err != nil {
		return false, err
	}
	defer rows.Close()
	delayed := false
	for rows.Next() {
		var kind uint8
		if err := rows.Scan(&kind); err != nil {
			return false, err
		}
		if outbox.NoticeType(kind) == outbox.NoticeDelayed {
			delayed = true
		} else {
			needed = true
		}
	}
	if err := rows.Err(); err != nil || !delayed {
		return needed, err
	}
	_, err = tx.Exec(`DELETE FROM notices WHERE message = ? AND type = ?`, seq, uint8(outbox.NoticeDelayed))
	return needed, err
}

// removeNotice removes a notice and, if it was the last reason to keep it, the
// content of its message. It says whether the notice was there.
func (s *Store) removeNotice(tx *database.Tx, c *change, id int64) (there bool, err error) {
	var seq, size, flags, done int64
	var content int
	err = tx.QueryRow(`SELECT n.message, coalesce(m.content, 0), coalesce(m.size, 0), coalesce(m.flags, 0), coalesce(m.done, 0)
		FROM notices n LEFT JOIN messages m ON m.seq = n.message WHERE n.id = ?`, id).Scan(&seq, &content, &size, &flags, &done)
	if errors.Is(err, sql.ErrNoRows) {
		return false, nil
	} else if err != nil {
		return false, err
	}
	if _, err := tx.Exec(`DELETE FROM notices WHERE id = ?`, id); err != nil {
		return false, err
	}
	if done == 0 || content == contentPurged || flags&flagKeep != 0 {
		return true, nil
	}
	if needed, err := s.needed(tx, seq); err != nil || needed {
		return true, err
	}
	if err := s.purge(tx, c, seq, content, size); err != nil {
		return true, err
	}
	_, err = tx.Exec(`UPDATE messages SET content = ? WHERE seq = ?`, contentPurged, seq)
	return true, err
}

// AddNotice stores a notice of what was refused: see outbox.Notices.
func (s *Store) AddNotice(ctx context.Context, n *outbox.Notice) error {
	return s.write(ctx, func(tx *database.Tx, _ *change) error {
		now := s.moment()
		return insertNotice(tx, outbox.NoticeRefused, 0, now.due(), now, noticeData{Refused: n})
	})
}

// PostponeNotice makes a notice due at a later time.
func (s *Store) PostponeNotice(ctx context.Context, id int64, due time.Time) error {
	return s.write(ctx, func(tx *database.Tx, _ *change) error {
		_, err := tx.Exec(`UPDATE notices SET due = ? WHERE id = ?`, s.moment().keep(due), id)
		return err
	})
}

// DropNotice removes a notice that needs no message.
func (s *Store) DropNotice(ctx context.Context, id int64) error {
	return s.write(ctx, func(tx *database.Tx, c *change) error {
		_, err := s.removeNotice(tx, c, id)
		return err
	})
}

// holdNotices marks the notices of a restored copy: they may have been sent
// since.
func (s *Store) holdNotices(ctx context.Context, reason string) error {
	return s.write(ctx, func(tx *database.Tx, _ *change) error {
		_, err := tx.Exec(`UPDATE notices SET hold = ?`, reason)
		return err
	})
}

// Notices gives those that are due: see outbox.Notices. One that cannot be
// read comes without recipients.
func (s *Store) Notices(ctx context.Context, limit int) (notices []outbox.Notice, err error) {
	err = s.read(ctx, func(tx *database.Tx) error {
		now := s.moment()
		found, err := dueNotices(tx, now, limit)
		if err != nil {
			return err
		}
		for i := range found {
			if err := found[i].complete(tx, now); err != nil {
				return err
			}
			notices = append(notices, found[i].Notice)
		}
		return nil
	})
	return notices, err
}

// noticeRow is a notice with what completes it.
type noticeRow struct {
	outbox.Notice
	seq  int64
	data noticeData
}

func dueNotices(tx *database.Tx, now moment, limit int) (list []noticeRow, err error) {
	rows, err := tx.Query(`SELECT id, type, message, created, hold, data FROM notices WHERE due <= ? ORDER BY due LIMIT ?`, now.due(), limit)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var n, stored noticeRow
		var kind uint8
		var created int64
		var data []byte
		if err := rows.Scan(&n.ID, &kind, &n.seq, &created, &n.Hold, &data); err != nil {
			return nil, err
		}
		if json.Unmarshal(data, &stored.data) == nil {
			n.data = stored.data
		}
		if refused := n.data.Refused; refused != nil {
			id, hold := n.ID, n.Hold
			n.Notice = *refused
			n.ID, n.Hold = id, hold
		}
		n.Type, n.Created = outbox.NoticeType(kind), unstamp(created)
		list = append(list, n)
	}
	return list, rows.Err()
}

// complete reads the message of a notice, and what became of its recipients.
func (n *noticeRow) complete(tx *database.Tx, now moment) error {
	if n.seq == 0 {
		return nil
	}
	v, err := view(tx, n.seq, now)
	if errors.Is(err, outbox.ErrNotFound) {
		return nil
	} else if err != nil {
		return err
	}
	var extra []byte
	if err := tx.QueryRow(`SELECT info FROM messages WHERE seq = ?`, n.seq).Scan(&extra); err != nil {
		return err
	}
	var in info
	_ = json.Unmarshal(extra, &in)
	n.Client, n.Message, n.Chain, n.MessageID, n.Subject = v.Client, v.ID, v.Chain, v.MessageID, v.Subject
	n.EnvelopeID, n.Return, n.Accepted, n.Expires = in.EnvelopeID, in.Return, v.Accepted, v.Expires
	if n.data.Hop < len(v.Chain) {
		n.Sender = v.Chain[n.data.Hop].EnvelopeFrom
	}
	if n.Type == outbox.NoticeDelayed {
		return n.waiting(tx, v)
	}
	for _, seq := range n.data.Events {
		if err := n.ended(tx, seq); err != nil {
			return err
		}
	}
	return nil
}

// ended fills in the recipient whose end an event tells.
func (n *noticeRow) ended(tx *database.Tx, seq int64) error {
	var kind, position int
	var r outbox.NoticeRecipient
	err := tx.QueryRow(`SELECT e.type, e.recipient, e.lane, e.attempt, e.dup, r.address FROM events e
		JOIN recipients r ON r.message = e.message AND r.position = e.recipient WHERE e.seq = ? AND +e.message = ?`, seq, n.seq).
		Scan(&kind, &position, &r.Connection, &r.Attempts, &r.Duplicate, &r.Address)
	if errors.Is(err, sql.ErrNoRows) {
		return nil
	} else if err != nil {
		return err
	}
	r.State = outbox.Failed
	if kind > 0 && kind < len(eventTypes) && eventTypes[kind] == outbox.EventExpired {
		r.State = outbox.Expired
	}
	if r.Outcome, err = lastOutcome(tx, seq); err != nil {
		return err
	}
	r.Tried, err = n.tried(tx, position)
	n.Recipients = append(n.Recipients, r)
	return err
}

// tried is when the last attempt for a recipient began.
func (n *noticeRow) tried(tx *database.Tx, position int) (time.Time, error) {
	var began int64
	err := tx.QueryRow(`SELECT coalesce(max(began), 0) FROM events WHERE message = ? AND recipient = ?`, n.seq, position).Scan(&began)
	return unstamp(began), err
}

// waiting fills in the recipients that still wait for a delivery, and of which
// the sender is to be told. What is held waits for a person.
func (n *noticeRow) waiting(tx *database.Tx, v *outbox.View) error {
	rows, err := tx.Query(`SELECT position, notify FROM recipients WHERE message = ?`, n.seq)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var position int
		var notify string
		if err := rows.Scan(&position, &notify); err != nil {
			return err
		}
		if position >= len(v.Recipients) || !outbox.WantsDelay(notify) {
			continue
		}
		r := &v.Recipients[position]
		if r.State != outbox.Queued && r.State != outbox.Sending && r.State != outbox.Deferred {
			continue
		}
		tried, err := n.tried(tx, position)
		if err != nil {
			return err
		}
		n.Recipients = append(n.Recipients, outbox.NoticeRecipient{
			Address: r.Address, State: r.State, Outcome: r.Outcome, Connection: r.Connection,
			Attempts: r.Attempts, Tried: tried, Duplicate: r.Duplicate,
		})
	}
	return rows.Err()
}
