package sqlite_test

import (
	"context"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/uuid"

	"github.com/postilion-mail/postilion/internal/clock"
	"github.com/postilion-mail/postilion/internal/database"
	"github.com/postilion-mail/postilion/internal/outbox"
	"github.com/postilion-mail/postilion/internal/outbox/outboxtest"
	"github.com/postilion-mail/postilion/internal/outbox/sqlite"
)

// run is a store with its database.
type run struct {
	*sqlite.Store
	db *database.DB
}

// options of a run of tests.
type options struct {
	dir    string
	source clock.Source
	fault  func(database.Point) error
	plans  *plans
	store  sqlite.Options
}

func start(t testing.TB, o options) *run {
	t.Helper()
	if o.dir == "" {
		o.dir = t.TempDir()
	}
	if o.source == nil {
		o.source = clock.System()
	}
	db, err := database.Open(t.Context(), database.Options{Dir: o.dir, Fault: o.fault, Prepared: o.plans.add})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	o.store.DB, o.store.Clock = db, clock.New(o.source)
	if o.store.MinFree == 0 {
		o.store.MinFree = 1
	}
	s, err := sqlite.Open(t.Context(), o.store)
	if err != nil {
		t.Fatal(err)
	}
	return &run{Store: s, db: db}
}

func (r *run) stop() {
	r.Store.Close()
	r.db.Close()
}

func verify(t testing.TB, dir string) *sqlite.Verification {
	t.Helper()
	v, err := sqlite.Verify(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range v.Problems {
		t.Error(p)
	}
	return v
}

func TestConformance(t *testing.T) {
	t.Parallel()
	seen := new(plans)
	t.Run("Store", func(t *testing.T) { conformance(t, seen) })
	seen.check(t)
}

func conformance(t *testing.T, seen *plans) {
	outboxtest.Run(t, func(t *testing.T) *outboxtest.Harness {
		dir := t.TempDir()
		manual := clock.NewManual(outboxtest.Start)
		o := options{dir: dir, source: manual.Source, plans: seen, store: sqlite.Options{Limits: outboxtest.Limits}}
		r := start(t, o)
		return &outboxtest.Harness{
			Store: r, Clock: manual,
			Restart: func() outbox.Store {
				r.db.Close() // as a crash does: nothing is noted or released
				r = start(t, o)
				return r
			},
			Corrupt: func(id uuid.UUID) {
				write(t, r.db, `UPDATE messages SET chain = x'7b22' WHERE id = ?`, id[:])
			},
			Verify: func() {
				r.db.Close()
				verify(t, dir)
			},
		}
	})
}

// write changes the tables behind the store's back.
func write(t testing.TB, db *database.DB, query string, args ...any) {
	t.Helper()
	err := db.Write(t.Context(), func(tx *database.Tx) error {
		_, err := tx.Exec(query, args...)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

func contents(t testing.TB, dir string) []string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "content", "*"))
	if err != nil {
		t.Fatal(err)
	}
	return files
}

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
	if checked < 40 {
		t.Errorf("only %d statements were seen", checked)
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
