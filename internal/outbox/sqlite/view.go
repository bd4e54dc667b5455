package sqlite

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"

	"github.com/google/uuid"

	"github.com/postilion-mail/postilion/internal/database"
	"github.com/postilion-mail/postilion/internal/outbox"
	"github.com/postilion-mail/postilion/plugin"
)

// Get shows a message: see outbox.Reader.
func (s *Store) Get(ctx context.Context, client string, id uuid.UUID) (v *outbox.View, err error) {
	err = s.read(ctx, func(tx *database.Tx) error {
		seq, err := find(tx, client, id)
		if err != nil {
			return err
		}
		v, err = view(tx, seq, s.moment())
		return err
	})
	return v, err
}

// find gives the seq of a message that a client may see.
func find(tx *database.Tx, client string, id uuid.UUID) (seq int64, err error) {
	var owner string
	err = tx.QueryRow(`SELECT seq, client FROM messages WHERE id = ?`, id[:]).Scan(&seq, &owner)
	if errors.Is(err, sql.ErrNoRows) || err == nil && client != "" && client != owner {
		return 0, outbox.ErrNotFound
	}
	return seq, err
}

// view reads a message as people see it. What cannot be decoded is left out:
// a damaged message must be seen, too.
func view(tx *database.Tx, seq int64, now moment) (*outbox.View, error) {
	v := &outbox.View{Sequence: seq}
	var id, chain, extra []byte
	var priority, content uint8
	var accepted, sendAt, expires, done int64
	err := tx.QueryRow(`SELECT id, client, source, priority, accepted, send_at, expires, done, message_id, subject, sender, chain, info, size, content
		FROM messages WHERE seq = ?`, seq).Scan(&id, &v.Client, &v.Source, &priority, &accepted, &sendAt, &expires, &done,
		&v.MessageID, &v.Subject, &v.From, &chain, &extra, &v.Size, &content)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, outbox.ErrNotFound
	} else if err != nil {
		return nil, err
	}
	copy(v.ID[:], id)
	v.Priority, v.ContentKept = outbox.Priority(priority), content != contentPurged
	v.Accepted, v.SendAt, v.Done = unstamp(accepted), unstamp(sendAt), unstamp(done)
	v.Expires = now.time(expires)
	_ = json.Unmarshal(chain, &v.Chain)
	var in info
	_ = json.Unmarshal(extra, &in)
	v.Tags, v.Metadata = in.Tags, in.Metadata
	v.Recipients, err = recipientViews(tx, v, now)
	return v, err
}

func tagsOf(extra []byte) []string {
	var in info
	_ = json.Unmarshal(extra, &in)
	return in.Tags
}

func recipientViews(tx *database.Tx, v *outbox.View, now moment) (list []outbox.RecipientView, err error) {
	first, last := jobsOf(v.Sequence)
	queue, err := queryJobs(tx, `SELECT`+jobColumns+`FROM jobs WHERE id BETWEEN ? AND ?`, first, last)
	if err != nil {
		return nil, err
	}
	jobs := make(map[int64]*job, len(queue))
	for _, j := range queue {
		jobs[j.id] = j
	}
	rows, err := tx.Query(`SELECT address, state, job, hop, attempts, dup, last, changed FROM recipients WHERE message = ? ORDER BY position`, v.Sequence)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var r outbox.RecipientView
		var state uint8
		var id, last, changed int64
		var hop int
		if err := rows.Scan(&r.Address, &state, &id, &hop, &r.Attempts, &r.Duplicate, &last, &changed); err != nil {
			return nil, err
		}
		r.State, r.Changed = outbox.State(state), unstamp(changed)
		if hop < len(v.Chain) {
			r.Connection = v.Chain[hop].Connection
		}
		if j := jobs[id]; j != nil {
			r.State, r.Connection = j.state, j.lane
			if j.state == outbox.Held || j.state == outbox.Deferred && j.blame == plugin.BlameLimit {
				r.Reason = j.reason
			}
			if j.waits() {
				r.Next = now.time(j.due)
			}
		}
		if r.Outcome, err = lastOutcome(tx, last); err != nil {
			return nil, err
		}
		list = append(list, r)
	}
	return list, rows.Err()
}
