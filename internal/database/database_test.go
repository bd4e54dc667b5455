package database_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/postilion-mail/postilion/internal/database"
)

func open(t *testing.T, o database.Options) *database.DB {
	t.Helper()
	if o.Dir == "" {
		o.Dir = t.TempDir()
	}
	db, err := database.Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	return db
}

func set(name, value string) func(*database.Tx) error {
	return func(tx *database.Tx) error {
		_, err := tx.Exec(`INSERT INTO meta (name, value) VALUES (?, ?)`, name, []byte(value))
		return err
	}
}

func get(t *testing.T, db *database.DB, name string) (value string) {
	t.Helper()
	err := db.Read(t.Context(), func(tx *database.Tx) error {
		return tx.QueryRow(`SELECT coalesce((SELECT value FROM meta WHERE name = ?), '')`, name).Scan(&value)
	})
	if err != nil {
		t.Fatal(err)
	}
	return value
}

func TestSettingsOfEveryConnection(t *testing.T) {
	t.Parallel()
	db := open(t, database.Options{Readers: 3})
	check := func(tx *database.Tx) error {
		for pragma, want := range map[string]string{"synchronous": "2", "journal_mode": "wal", "foreign_keys": "1", "auto_vacuum": "2"} {
			var got string
			if err := tx.QueryRow("PRAGMA " + pragma).Scan(&got); err != nil || got != want {
				return fmt.Errorf("%s is %q, not %q (%v)", pragma, got, want, err)
			}
		}
		return nil
	}
	if err := db.Write(t.Context(), check); err != nil {
		t.Errorf("writer: %v", err)
	}
	var met, all sync.WaitGroup
	met.Add(3)
	for range 3 { // at one time, so on three connections
		all.Go(func() {
			err := db.Read(t.Context(), func(tx *database.Tx) error {
				met.Done()
				met.Wait()
				if err := check(tx); err != nil {
					return err
				}
				_, err := tx.Exec(`DELETE FROM meta`)
				if err == nil {
					return errors.New("a reader may write")
				}
				return nil
			})
			if err != nil {
				t.Errorf("reader: %v", err)
			}
		})
	}
	all.Wait()
}

// until waits for a condition that another goroutine brings about.
func until(t *testing.T, what string, condition func() bool) {
	t.Helper()
	for end := time.Now().Add(time.Minute); !condition(); runtime.Gosched() {
		if time.Now().After(end) {
			t.Fatalf("gave up waiting: %s", what)
		}
	}
}

// blocked holds the writer until the returned function is called, so that what
// is written meanwhile becomes one group.
func blocked(t *testing.T, db *database.DB) (release func()) {
	t.Helper()
	began, end := make(chan struct{}), make(chan struct{})
	var once sync.Once
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = db.Write(context.Background(), func(*database.Tx) error {
			once.Do(func() { close(began) })
			<-end
			return nil
		})
	}()
	<-began
	return func() { close(end); <-done }
}

// group writes all at one time in one group and gives their errors.
func group(t *testing.T, db *database.DB, fns ...func(*database.Tx) error) []error {
	t.Helper()
	release := blocked(t, db)
	errs := make([]error, len(fns))
	var all sync.WaitGroup
	for i, fn := range fns {
		before := db.Waiting()
		all.Go(func() { errs[i] = db.Write(context.Background(), fn) })
		until(t, "a place in the queue", func() bool { return db.Waiting() > before })
	}
	release()
	all.Wait()
	return errs
}

func TestGroupSharesACommitAndABadOneFailsAlone(t *testing.T) {
	t.Parallel()
	var commits, writes atomic.Int64
	db := open(t, database.Options{Committed: func(n int, _ time.Duration) { commits.Add(1); writes.Add(int64(n)) }})
	bad := errors.New("bad")
	errs := group(t, db,
		set("a", "1"),
		func(tx *database.Tx) error { // fails after it wrote
			if err := set("b", "1")(tx); err != nil {
				return err
			}
			return bad
		},
		set("c", "1"),
		set("a", "2"), // exists: fails in the statement
		func(*database.Tx) error { panic("boom") },
		set("d", "1"),
	)
	if errs[0] != nil || errs[2] != nil || errs[5] != nil {
		t.Errorf("good ones failed: %v", errs)
	}
	if errs[1] != bad || !database.IsUnique(errs[3]) || errs[4] == nil || !strings.Contains(errs[4].Error(), "boom") {
		t.Errorf("bad ones: %v", errs)
	}
	for name, want := range map[string]string{"a": "1", "b": "", "c": "1", "d": "1"} {
		if got := get(t, db, name); got != want {
			t.Errorf("%s is %q, want %q", name, got, want)
		}
	}
	if n := commits.Load(); n > 2 {
		t.Errorf("%d commits for one group", n)
	}
}

func TestFailedCommitFailsAllAndIsOpenedAgain(t *testing.T) {
	t.Parallel()
	for _, point := range []database.Point{database.PointBegin, database.PointCommit, database.PointCommitted} {
		t.Run(string(point), func(t *testing.T) {
			t.Parallel()
			var armed atomic.Bool
			var db *database.DB
			var resets, reopened int
			db = open(t, database.Options{Fault: func(p database.Point) error {
				if p == point && armed.CompareAndSwap(true, false) {
					return errors.New("input/output error")
				}
				return nil
			}})
			db.SetHooks(database.Hooks{
				Reset: func() { resets++ },
				Reopened: func(*database.Tx) error {
					reopened++
					return nil
				},
			})
			release := blocked(t, db)
			errs := make([]error, 2)
			var all sync.WaitGroup
			for i := range errs {
				before := db.Waiting()
				all.Go(func() { errs[i] = db.Write(context.Background(), set(fmt.Sprint("x", i), "1")) })
				until(t, "a place in the queue", func() bool { return db.Waiting() > before })
			}
			armed.Store(true)
			release()
			all.Wait()
			failed := 0
			for _, err := range errs {
				if errors.Is(err, database.ErrUnavailable) {
					failed++
				}
			}
			if failed != 2 && point != database.PointBegin || armed.Load() {
				t.Errorf("errors %v: a failed commit fails all", errs)
			}
			if err := db.Write(t.Context(), set("after", "1")); err != nil {
				t.Fatalf("after the failure: %v", err)
			}
			if err := db.Health(); err != nil {
				t.Errorf("health %v", err)
			}
			if resets == 0 || reopened != 1 {
				t.Errorf("%d resets, %d reopened", resets, reopened)
			}
			if point == database.PointCommit && get(t, db, "x0") != "" {
				t.Error("what was not committed is there")
			}
			if get(t, db, "after") != "1" {
				t.Error("a promised row is gone")
			}
		})
	}
}

func TestUnhealthyWhileItCannotBeOpened(t *testing.T) {
	t.Parallel()
	var broken atomic.Bool
	db := open(t, database.Options{Fault: func(database.Point) error {
		if broken.Load() {
			return errors.New("no disk")
		}
		return nil
	}})
	db.SetHooks(database.Hooks{Reopened: func(tx *database.Tx) error { return nil }})
	broken.Store(true)
	for range 3 {
		if err := db.Write(t.Context(), set("a", "1")); !errors.Is(err, database.ErrUnavailable) {
			t.Fatalf("write: %v", err)
		}
	}
	if err := db.Health(); err == nil || !strings.Contains(err.Error(), "no disk") {
		t.Errorf("health %v", err)
	}
	if err := db.Read(t.Context(), func(*database.Tx) error { return nil }); !errors.Is(err, database.ErrUnavailable) {
		t.Errorf("read: %v", err)
	}
	broken.Store(false)
	if err := db.Write(t.Context(), set("a", "1")); err != nil {
		t.Errorf("when the disk is back: %v", err)
	}
	if err := db.Health(); err != nil {
		t.Errorf("health %v", err)
	}
}

func TestCancelledBeforeItsTurn(t *testing.T) {
	t.Parallel()
	db := open(t, database.Options{})
	release := blocked(t, db)
	ctx, cancel := context.WithCancel(t.Context())
	result := make(chan error, 1)
	go func() { result <- db.Write(ctx, set("a", "1")) }()
	until(t, "a place in the queue", func() bool { return db.Waiting() > 0 })
	cancel()
	if err := <-result; !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
	release()
	if err := db.Write(t.Context(), set("b", "1")); err != nil {
		t.Fatal(err)
	}
	if get(t, db, "a") != "" {
		t.Error("a cancelled write was run")
	}
}

func TestClose(t *testing.T) {
	t.Parallel()
	db := open(t, database.Options{})
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	if err := db.Write(t.Context(), set("a", "1")); !errors.Is(err, database.ErrClosed) {
		t.Errorf("write: %v", err)
	}
	if err := db.Read(t.Context(), func(*database.Tx) error { return nil }); !errors.Is(err, database.ErrClosed) {
		t.Errorf("read: %v", err)
	}
}

func TestSecondDaemonIsRefused(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	db := open(t, database.Options{Dir: dir})
	_, err := database.Open(t.Context(), database.Options{Dir: dir})
	if err == nil || !strings.Contains(err.Error(), "in use") || !strings.Contains(err.Error(), fmt.Sprint(os.Getpid())) {
		t.Errorf("second: %v", err)
	}
	db.Close()
	open(t, database.Options{Dir: dir})
}

func TestNewerSchemaIsRefusedAndLeftAlone(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	db := open(t, database.Options{Dir: dir})
	err := db.Write(t.Context(), func(tx *database.Tx) error {
		_, err := tx.Exec(`INSERT INTO goose_db_version (version_id, is_applied) VALUES (9041, 1)`)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	db.Close()
	file := filepath.Join(dir, database.Name)
	before, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	_, err = database.Open(t.Context(), database.Options{Dir: dir})
	if err == nil || !strings.Contains(err.Error(), "9041") || !strings.Contains(err.Error(), "versions up to") {
		t.Errorf("newer: %v", err)
	}
	after, err := os.ReadFile(file)
	if err != nil || string(before) != string(after) {
		t.Errorf("the file was changed (%v)", err)
	}
}

func TestUnusableDirectories(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := database.Open(t.Context(), database.Options{Dir: file}); err == nil {
		t.Error("a file as directory")
	}
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, database.Name), []byte(strings.Repeat("no database ", 1000)), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := database.Open(t.Context(), database.Options{Dir: dir}); err == nil || !strings.Contains(err.Error(), database.Name) {
		t.Errorf("garbage as database: %v", err)
	}
}
