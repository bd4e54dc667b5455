// Package database keeps the daemon's one SQLite database: everything that
// must survive, of all packages, is in DATA/postilion.db.
//
// All changes go through Write. One goroutine takes what has gathered, runs it
// in one transaction and commits once, so that many callers share an fsync;
// nobody gets an answer before it. Reading goes through Read, on connections
// of its own that see what was committed.
//
//	db, err := database.Open(ctx, database.Options{Dir: dir, Log: log})
//	...
//	err = db.Write(ctx, func(tx *database.Tx) error {
//		n, err := tx.Exec(`UPDATE connections SET etag = ? WHERE id = ?`, etag, id)
//		if err == nil && n == 0 {
//			err = errNotFound // nothing else of the group is touched by it
//		}
//		return err
//	})
//	err = db.Read(ctx, func(tx *database.Tx) error {
//		return tx.QueryRow(`SELECT name FROM connections WHERE id = ?`, id).Scan(&name)
//	})
//
// A package adds its tables as a file in migrations/, numbered in the order of
// the project. Times are best kept as integers (microseconds since 1970).
package database

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"time"
)

// Name is the file of the database in its directory.
const Name = "postilion.db"

// ErrUnavailable is in the chain of errors of Write and Read while the
// database cannot promise anything: a commit failed, or it could not be opened
// again since. What was asked did not happen, or may have without being
// promised.
var ErrUnavailable = errors.New("the database is unavailable")

// ErrClosed is what Write and Read give after Close.
var ErrClosed = errors.New("the database is closed")

// Options say where the database is and how it is watched.
type Options struct {
	Dir string // the data directory; made with mode 0700 if missing
	Log *slog.Logger
	// Readers is the number of reading connections, 4 if 0.
	Readers int
	// Committed, if set, is told of each commit: how many writes shared it and
	// how long it took, the fsync included. It must not block.
	Committed func(writes int, took time.Duration)
	// Prepared, if set, is told the text of each statement when it is prepared.
	// For tests of query plans.
	Prepared func(query string)
	// Fault, if set, is called at named points of a group's way. An error from
	// it stands for one of the disk at that point. For tests.
	Fault func(Point) error
}

// Point is a place in the way of a group of writes.
type Point string

// The points, in their order.
const (
	PointBegin     Point = "begin"     // nothing is written
	PointCommit    Point = "commit"    // all is written, nothing committed
	PointCommitted Point = "committed" // committed, nobody told
)

// Hooks let the owner of in-memory state keep it in step with the groups. They
// are called by the writing goroutine, one at a time.
type Hooks struct {
	// Before runs as the last part of a group's transaction.
	Before func(*Tx) error
	// After runs once the group is on stable storage, before its callers are
	// answered.
	After func()
	// Reset runs when what was done since the last After is void.
	Reset func()
	// Reopened runs in the first transaction after the database was closed
	// because of a failure and opened again.
	Reopened func(*Tx) error
}

// DB is the open database. Its methods are safe for concurrent use.
type DB struct {
	options Options
	path    string
	lock    *os.File
	hooks   Hooks

	queue  chan *write
	quit   chan struct{}
	done   chan struct{}
	once   sync.Once
	writer *conn // of the writing goroutine

	mu      sync.Mutex
	readers chan *conn // those that are free; replaced when the database is reopened
	health  error
}

// Open locks the directory against other daemons, brings the schema up to date
// and starts the writing goroutine.
func Open(ctx context.Context, o Options) (*DB, error) {
	if o.Readers <= 0 {
		o.Readers = 4
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if err := makeDirectory(o.Dir); err != nil {
		return nil, fmt.Errorf("data directory: %w", err)
	}
	lock, err := lockDirectory(o.Dir)
	if err != nil {
		return nil, err
	}
	db := &DB{
		options: o, path: filepath.Join(o.Dir, Name), lock: lock,
		queue: make(chan *write, maxGroup), quit: make(chan struct{}), done: make(chan struct{}),
	}
	if err := makePrivate(db.path); err != nil {
		lock.Close()
		return nil, err
	}
	if err := migrate(ctx, db.path); err != nil {
		lock.Close()
		return nil, err
	}
	if err := db.connect(ctx); err != nil {
		lock.Close()
		return nil, err
	}
	go db.run()
	return db, nil
}

// SetHooks is called once before the first Write.
func (db *DB) SetHooks(h Hooks) { db.hooks = h }

// Dir is the data directory.
func (db *DB) Dir() string { return db.options.Dir }

// Health is nil while the database can promise, else why it cannot.
func (db *DB) Health() error {
	db.mu.Lock()
	defer db.mu.Unlock()
	return db.health
}

// Close ends the writing goroutine after what it has begun, and closes the
// database. Writes that wait get ErrClosed.
func (db *DB) Close() error {
	db.once.Do(func() { close(db.quit) })
	<-db.done
	return nil
}

// Read runs fn with a snapshot of what is committed. It must not write.
func (db *DB) Read(ctx context.Context, fn func(*Tx) error) error {
	db.mu.Lock()
	readers, health := db.readers, db.health
	db.mu.Unlock()
	if readers == nil {
		return unavailable(health)
	}
	var c *conn
	select {
	case c = <-readers:
	case <-ctx.Done():
		return ctx.Err()
	case <-db.quit:
		return ErrClosed
	}
	defer db.free(readers, c)
	tx := &Tx{conn: c, ctx: ctx}
	if err := c.simple("BEGIN"); err != nil {
		return err
	}
	err := fn(tx)
	if end := c.simple("ROLLBACK"); err == nil {
		err = end
	}
	return err
}

// free gives a reading connection back, or closes it when its pool was
// replaced.
func (db *DB) free(readers chan *conn, c *conn) {
	db.mu.Lock()
	defer db.mu.Unlock()
	if db.readers != readers {
		c.close()
		return
	}
	readers <- c
}

// connect opens the writer and the readers.
func (db *DB) connect(ctx context.Context) error {
	writer, err := db.dial(ctx, false)
	if err != nil {
		return err
	}
	readers := make(chan *conn, db.options.Readers)
	for range db.options.Readers {
		c, err := db.dial(ctx, true)
		if err != nil {
			writer.close()
			closeAll(readers)
			return err
		}
		readers <- c
	}
	db.writer = writer
	db.mu.Lock()
	db.readers, db.health = readers, nil
	db.mu.Unlock()
	return nil
}

// dial opens one connection.
func (db *DB) dial(ctx context.Context, reader bool) (*conn, error) {
	c, err := open(ctx, db.path, reader)
	if err == nil {
		c.prepared = db.options.Prepared
	}
	return c, err
}

// disconnect closes what is not in use now; free closes the rest.
func (db *DB) disconnect(why error) {
	db.mu.Lock()
	readers := db.readers
	db.readers, db.health = nil, why
	db.mu.Unlock()
	if readers != nil {
		closeAll(readers)
	}
	if db.writer != nil {
		db.writer.close()
		db.writer = nil
	}
}

func closeAll(conns chan *conn) {
	for {
		select {
		case c := <-conns:
			c.close()
		default:
			return
		}
	}
}

func unavailable(err error) error {
	if err == nil || errors.Is(err, ErrClosed) {
		return ErrClosed
	}
	return fmt.Errorf("%w: %w", ErrUnavailable, err)
}

// Waiting is the number of writes that wait for a group.
func (db *DB) Waiting() int { return len(db.queue) }
