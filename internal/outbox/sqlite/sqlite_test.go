package sqlite_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

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

// template is an empty database. Copies of it spare most tests the migration,
// which is half of their work under the race detector.
var template = sync.OnceValues(func() ([]byte, error) {
	dir, err := os.MkdirTemp("", "template")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	db, err := database.Open(context.Background(), database.Options{Dir: dir})
	if err != nil {
		return nil, err
	}
	if err := db.Close(); err != nil {
		return nil, err
	}
	return os.ReadFile(filepath.Join(dir, database.Name))
})

func start(t testing.TB, o options) *run {
	t.Helper()
	if o.dir == "" {
		o.dir = t.TempDir()
	}
	if path := filepath.Join(o.dir, database.Name); !exists(path) {
		empty, err := template()
		if err == nil {
			err = os.WriteFile(path, empty, 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if o.source == nil {
		o.source = clock.System()
	}
	db, err := database.Open(t.Context(), database.Options{Dir: o.dir, Readers: 2, Fault: o.fault, Prepared: o.plans.add})
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

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
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
		o := options{dir: dir, source: manual.Source, plans: seen, store: sqlite.Options{Limits: outboxtest.Limits, DelayNotice: outboxtest.DelayNotice}}
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

// TestKeyOutlivesShortRetention: a message is kept as long as its key must be.
func TestKeyOutlivesShortRetention(t *testing.T) {
	t.Parallel()
	manual := clock.NewManual(outboxtest.Start)
	r := start(t, options{source: manual.Source, store: sqlite.Options{Retention: time.Hour}})
	keyed, plain := message(1, nil), message(2, nil)
	plain.Key = ""
	for _, m := range []*outbox.Message{keyed, plain} {
		if _, err := r.Accept(t.Context(), m); err != nil {
			t.Fatal(err)
		}
	}
	deliver(t, r)
	check := func(when string, id uuid.UUID, want error) {
		t.Helper()
		if _, err := r.Sweep(t.Context()); err != nil {
			t.Fatal(err)
		}
		if _, err := r.Get(t.Context(), "", id); !errors.Is(err, want) {
			t.Errorf("%s: %v, want %v", when, err, want)
		}
	}
	manual.Advance(2 * time.Hour)
	check("without a key", plain.ID, outbox.ErrNotFound)
	check("with a key", keyed.ID, nil)
	manual.Advance(23 * time.Hour)
	check("with a key, a day later", keyed.ID, outbox.ErrNotFound)
}
