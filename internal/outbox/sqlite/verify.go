package sqlite

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"path/filepath"

	"github.com/postilion-mail/postilion/internal/database"
	"github.com/postilion-mail/postilion/internal/outbox"
)

// Verification is what Verify found in a data directory.
type Verification struct {
	Messages   int
	Recipients map[outbox.State]int64
	Problems   []string // empty if all is well; at most 100
}

// Verify reads a whole data directory, a backup or one in use, and holds all
// of it together: the database's own integrity, each content's length and
// checksum, and that each recipient is either final, with its event, or
// belongs to a job. It changes nothing.
func Verify(ctx context.Context, dir string) (*Verification, error) {
	v := &verifier{dir: dir, out: &Verification{Recipients: make(map[outbox.State]int64)}}
	err := database.View(ctx, dir, func(tx *database.Tx) error {
		v.tx = tx
		for _, check := range []func() error{v.integrity, v.orphans, v.messages, v.counters} {
			if err := check(); err != nil {
				return err
			}
		}
		return nil
	})
	return v.out, err
}

type verifier struct {
	dir string
	tx  *database.Tx
	out *Verification
}

func (v *verifier) problem(format string, args ...any) {
	if len(v.out.Problems) < 100 {
		v.out.Problems = append(v.out.Problems, fmt.Sprintf(format, args...))
	}
}

// texts reports each row of a query as a problem.
func (v *verifier) texts(query, format string) error {
	rows, err := v.tx.Query(query)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var text string
		if err := rows.Scan(&text); err != nil {
			return err
		}
		if text != "ok" {
			v.problem(format, text)
		}
	}
	return rows.Err()
}

func (v *verifier) integrity() error { return v.texts(`PRAGMA integrity_check(50)`, "database: %s") }

// orphans finds rows that lack what they belong to.
func (v *verifier) orphans() error {
	return errors.Join(
		v.texts(`SELECT id FROM jobs j WHERE NOT EXISTS (SELECT 1 FROM messages WHERE seq = j.id >> 20)`, "job %s has no message"),
		v.texts(`SELECT id FROM jobs j WHERE n <> (SELECT count(*) FROM recipients WHERE message = j.id >> 20 AND job = j.id)`,
			"job %s has another number of recipients than it says"),
		v.texts(`SELECT message || '/' || position FROM recipients r WHERE job <> 0 AND NOT EXISTS (SELECT 1 FROM jobs WHERE id = r.job)`,
			"recipient %s belongs to a job that is not there"),
		v.texts(`SELECT message || '/' || position FROM recipients WHERE (job = 0) <> (state >= 5)`, "recipient %s is neither final nor waiting"),
		v.texts(`SELECT message || '/' || position FROM recipients r WHERE state BETWEEN 5 AND 8 AND NOT EXISTS
			(SELECT 1 FROM events WHERE message = r.message AND recipient = r.position AND type = r.state + 1)`, "recipient %s is final without an event"),
		v.texts(`SELECT id FROM notices n WHERE message <> 0 AND NOT EXISTS (SELECT 1 FROM messages WHERE seq = n.message)`, "notice %s is about a message that is not there"),
		v.texts(`SELECT message FROM recipients GROUP BY message HAVING NOT EXISTS (SELECT 1 FROM messages WHERE seq = message)`,
			"recipients of message %s, which is not there"),
	)
}

// messages checks each message's sums and content.
func (v *verifier) messages() error {
	rows, err := v.tx.Query(`SELECT m.seq, m.id, m.content, m.size, m.checksum, m.total, m.open, m.done, c.data,
		(SELECT count(*) FROM recipients WHERE message = m.seq), (SELECT count(*) FROM recipients WHERE message = m.seq AND job <> 0)
		FROM messages m LEFT JOIN contents c ON c.message = m.seq ORDER BY m.seq`)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var seq, size, done int64
		var id, data []byte
		var content, total, open, recipients, waiting int
		var checksum uint32
		if err := rows.Scan(&seq, &id, &content, &size, &checksum, &total, &open, &done, &data, &recipients, &waiting); err != nil {
			return err
		}
		v.out.Messages++
		if recipients != total || waiting != open || (open == 0) != (done != 0) {
			v.problem("message %x: %d recipients of %d, %d waiting of %d, done %d", id, recipients, total, waiting, open, done)
		}
		if open > 0 && content == contentPurged {
			v.problem("message %x: the content is gone while recipients wait", id)
		}
		if err := v.content(id, content, data, size, checksum); err != nil {
			v.problem("message %x: %v", id, err)
		}
	}
	return rows.Err()
}

func (v *verifier) content(id []byte, where int, data []byte, size int64, checksum uint32) error {
	s := &Store{content: filepath.Join(v.dir, "content")}
	switch where {
	case contentInline:
		return whole(bytes.NewReader(data), int64(len(data)), size, checksum)
	case contentFile:
		c, err := s.openFile(id, size, checksum, nil)
		if err != nil {
			return err
		}
		return c.Close()
	case contentPurged:
		return nil
	}
	return fmt.Errorf("%w: its content is in place %d, which this program does not know", errCorrupt, where)
}

// counters compares the kept sums with what they count.
func (v *verifier) counters() error {
	rows, err := v.tx.Query(`SELECT state, count(*) FROM
		(SELECT coalesce(j.state, r.state) AS state FROM recipients r LEFT JOIN jobs j ON j.id = r.job) GROUP BY state`)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var state uint8
		var n int64
		if err := rows.Scan(&state, &n); err != nil {
			return err
		}
		v.out.Recipients[outbox.State(state)] = n
	}
	if err := rows.Err(); err != nil {
		return err
	}
	for state := outbox.Queued; state <= outbox.Suppressed; state++ {
		var kept int64
		err := v.tx.QueryRow(`SELECT coalesce((SELECT a FROM counters WHERE kind = ? AND name = ?), 0)`, countState, state.String()).Scan(&kept)
		if err != nil {
			return err
		}
		if n := v.out.Recipients[state]; n != kept {
			v.problem("%d recipients are %s, the counter has %d", n, state, kept)
		}
	}
	return v.texts(`SELECT c.name FROM counters c WHERE c.kind = 2 AND (
		c.a <> (SELECT count(*) FROM jobs WHERE lane = c.name AND state IN (1, 3)) OR
		c.b <> (SELECT count(*) FROM jobs WHERE lane = c.name AND state = 2) OR
		c.c <> (SELECT count(*) FROM jobs WHERE lane = c.name AND state = 4))
		UNION ALL SELECT c.name FROM counters c WHERE c.kind = 3 AND (
		c.a <> (SELECT count(*) FROM messages WHERE client = c.name AND open > 0) OR
		c.b <> (SELECT coalesce(sum(size), 0) FROM messages WHERE client = c.name AND open > 0))
		UNION ALL SELECT 'all' FROM counters c WHERE c.kind = 4 AND (
		c.a <> (SELECT count(*) FROM messages WHERE open > 0) OR
		c.b <> (SELECT coalesce(sum(size), 0) FROM messages WHERE content <> 0))`, "the counters of %s are wrong")
}
