package sqlite

import (
	"context"
	"math"
	"slices"

	"github.com/postilion-mail/postilion/internal/database"
	"github.com/postilion-mail/postilion/internal/outbox"
)

const (
	maxList = 500
	// maxScan bounds the messages that one call of List looks at. A page may
	// so be short, or empty, and have a cursor all the same.
	maxScan = 5000
)

// List gives a page, newest first: see outbox.Reader. The most telling field
// of the filter chooses an index; the others sort out.
func (s *Store) List(ctx context.Context, f outbox.Filter) (list []outbox.View, cursor int64, err error) {
	if f.Limit <= 0 || f.Limit > maxList {
		f.Limit = maxList
	}
	before := f.Before
	if before <= 0 {
		before = math.MaxInt64
	}
	err = s.read(ctx, func(tx *database.Tx) error {
		list, cursor = nil, 0
		now := s.moment()
		for scanned := 0; ; {
			seqs, err := s.candidates(tx, &f, before, page)
			if err != nil {
				return err
			}
			for _, seq := range seqs {
				if len(list) == f.Limit || scanned == maxScan {
					cursor = before
					return nil
				}
				before = seq
				scanned++
				v, err := view(tx, seq, now)
				if err != nil {
					return err
				}
				if f.Client != "" && v.Client != f.Client || !matches(&f, v) {
					continue
				}
				list = append(list, *v)
			}
			if len(seqs) < page {
				return nil
			}
		}
	})
	return list, cursor, err
}

// candidates gives seqs below a cursor, newest first, among which are all that
// the filter selects.
func (s *Store) candidates(tx *database.Tx, f *outbox.Filter, before int64, limit int) ([]int64, error) {
	seqs := func(query string, args ...any) ([]int64, error) {
		return querySeqs(tx, query+` LIMIT ?`, append(args, limit)...)
	}
	switch {
	case f.MessageID != "":
		return seqs(`SELECT seq FROM messages WHERE message_hash = ? AND seq < ? ORDER BY seq DESC`, hash(f.MessageID), before)
	case f.Recipient != "":
		return seqs(`SELECT DISTINCT message FROM recipients WHERE hash = ? AND message < ? ORDER BY message DESC`, hash(fold(f.Recipient)), before)
	case f.Tag != "":
		return seqs(`SELECT message FROM tags WHERE hash = ? AND message < ? ORDER BY message DESC`, hash(f.Tag), before)
	case len(f.States) > 0 && !slices.Contains(f.States, outbox.Sent):
		return s.byState(tx, f.States, before, limit)
	case f.Client != "":
		return seqs(`SELECT seq FROM messages WHERE client = ? AND seq < ? ORDER BY seq DESC`, f.Client, before)
	}
	return seqs(`SELECT seq FROM messages WHERE seq < ? ORDER BY seq DESC`, before)
}

// byState merges the messages of states, each from its index.
func (s *Store) byState(tx *database.Tx, states []outbox.State, before int64, limit int) (all []int64, err error) {
	for _, state := range states {
		var seqs []int64
		switch {
		case state > outbox.Sent:
			seqs, err = querySeqs(tx, `SELECT DISTINCT message FROM recipients WHERE state > 5 AND state = ? AND message < ? ORDER BY message DESC LIMIT ?`,
				uint8(state), before, limit)
		case state == outbox.Deferred || state == outbox.Held:
			seqs, err = querySeqs(tx, `SELECT DISTINCT id >> 20 FROM jobs WHERE state IN (3, 4) AND state = ? AND id < ? ORDER BY id DESC LIMIT ?`,
				uint8(state), firstJobOf(before), limit)
		default: // nearly all jobs are in these states, or few jobs are there
			seqs, err = querySeqs(tx, `SELECT DISTINCT id >> 20 FROM jobs WHERE state = ? AND id < ? ORDER BY id DESC LIMIT ?`,
				uint8(state), firstJobOf(before), limit)
		}
		if err != nil {
			return nil, err
		}
		all = append(all, seqs...)
	}
	slices.Sort(all)
	all = slices.Compact(all)
	slices.Reverse(all)
	return all[:min(len(all), limit)], nil
}

// firstJobOf gives the id below which the jobs of earlier messages are.
func firstJobOf(seq int64) int64 {
	if seq > math.MaxInt64>>numberBits {
		return math.MaxInt64
	}
	return seq << numberBits
}

func querySeqs(tx *database.Tx, query string, args ...any) (seqs []int64, err error) {
	rows, err := tx.Query(query, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var seq int64
		if err := rows.Scan(&seq); err != nil {
			return nil, err
		}
		seqs = append(seqs, seq)
	}
	return seqs, rows.Err()
}

// matches holds a message against all of a filter but the client.
func matches(f *outbox.Filter, v *outbox.View) bool {
	switch {
	case f.MessageID != "" && v.MessageID != f.MessageID,
		f.Tag != "" && !slices.Contains(v.Tags, f.Tag),
		!f.Since.IsZero() && v.Accepted.Before(f.Since),
		!f.Until.IsZero() && !v.Accepted.Before(f.Until):
		return false
	}
	any := func(is func(*outbox.RecipientView) bool) bool {
		return slices.ContainsFunc(v.Recipients, func(r outbox.RecipientView) bool { return is(&r) })
	}
	address := fold(f.Recipient)
	return (len(f.States) == 0 || any(func(r *outbox.RecipientView) bool { return slices.Contains(f.States, r.State) })) &&
		(f.Recipient == "" || any(func(r *outbox.RecipientView) bool { return fold(r.Address) == address })) &&
		(f.Connection == "" || any(func(r *outbox.RecipientView) bool { return r.Connection == f.Connection }))
}
