package sqlite_test

import (
	"context"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/postilion-mail/postilion/internal/database"
)

// plans gathers the statements that a store makes.
type plans struct {
	mu      sync.Mutex
	queries map[string]bool
}

func (p *plans) add(query string) {
	if p == nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.queries == nil {
		p.queries = make(map[string]bool)
	}
	p.queries[query] = true
}

// scans are the statements that may read a whole table, and why.
var scans = map[string]string{
	`SELECT kind, name, a, b, c FROM counters`:                                "at start; as long as there are lanes and clients",
	`DELETE FROM counters WHERE a = 0 AND b = 0 AND c = 0`:                    "the same",
	`SELECT lane, until, since, strikes, outcome FROM pauses`:                 "as many as there are connections",
	`FROM jobs WHERE state = 2 AND epoch <> ? AND id > ?`:                     "after an unclean start",
	`SELECT state, count(*) FROM recipients WHERE message = ? GROUP BY state`: "sorts what belongs to one message",
	`FROM jobs j JOIN messages m ON m.seq = j.id >> 20`:                       "ends with the first",
	`WHERE state IN (3, 4) AND state = ? AND id < ?`:                          "goes by id and ends with the page",
	`FROM sqlite_sequence`:                                                    "one row",
	`SELECT DISTINCT id >> 20 FROM jobs WHERE state = ? AND id < ?`:           "goes by id and ends with the page",
}

// check holds each statement's plan against the promise that nothing reads the
// whole queue.
func (p *plans) check(t *testing.T) {
	r := start(t, options{})
	checked := 0
	anything := make([]any, 30) // for the arguments
	for i := range anything {
		anything[i] = 1
	}
	for query := range p.queries {
		verb, _, _ := strings.Cut(query, " ")
		if !slices.Contains([]string{"SELECT", "UPDATE", "DELETE"}, verb) {
			continue
		}
		checked++
		err := r.db.Read(context.Background(), func(tx *database.Tx) error {
			rows, err := tx.Query("EXPLAIN QUERY PLAN "+query, anything...)
			if err != nil {
				return err
			}
			defer rows.Close()
			for rows.Next() {
				var id, parent, unused any
				var detail string
				if err := rows.Scan(&id, &parent, &unused, &detail); err != nil {
					return err
				}
				if (strings.HasPrefix(detail, "SCAN ") && detail != "SCAN CONSTANT ROW" || strings.Contains(detail, "TEMP B-TREE")) && !allowed(query) {
					t.Errorf("%s\n\t%s", query, detail)
				}
			}
			return rows.Err()
		})
		if err != nil {
			t.Errorf("%s: %v", query, err)
		}
	}
	if checked == 0 {
		t.Error("no statement was seen")
	}
}

func allowed(query string) bool {
	for part := range scans {
		if strings.Contains(query, part) {
			return true
		}
	}
	return false
}
