// Package sqlite is the embedded outbox: one SQLite database and a directory
// of large contents.
//
// It has one writer (package database), and so is the only one to change its
// tables. That lets it keep beside them, in memory, what makes each step cost
// the same from an empty outbox to a full one: which clients of a lane have
// jobs and from when on, the sums that limits and statistics need, and the
// leases of claims, which need not outlive the process since another run takes
// all claims of dead ones anyway.
package sqlite

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/postilion-mail/postilion/internal/clock"
	"github.com/postilion-mail/postilion/internal/database"
	"github.com/postilion-mail/postilion/internal/outbox"
)

// Options configure a store. Zero values take the defaults.
type Options struct {
	DB    *database.DB
	Clock *clock.Clock
	Log   *slog.Logger
	// Inline is the size up to which content goes into the database, 128 KiB.
	// Larger ones are files of their own, so that they hold no commit up.
	Inline int64
	// Limits gives how many messages and bytes a client may have waiting; 0
	// for no limit. It is called for each Accept and must be quick.
	Limits func(client string) (messages, bytes int64)
	// MaxMessages and MaxBytes limit what waits of all clients.
	MaxMessages, MaxBytes int64
	// MinFree is the disk space that must stay free, 1.5 times the largest
	// message as Postfix has it (queue_minfree); 37.5 MiB.
	MinFree int64
	// Retention is how long a message is shown after its final state, 14 days.
	Retention time.Duration
	// Lease is that of jobs handed over by Accept, 10 minutes.
	Lease time.Duration
	// DelayNotice is after what time senders are told that a message still
	// waits; 0 for never.
	DelayNotice time.Duration
}

const (
	// keyLife is how long a key stands for its message after that is final.
	keyLife = 24 * time.Hour
	// maxCrashes in a row put a job on hold (reliability T32).
	maxCrashes = 5
	// page bounds the rows that one write of a long task touches.
	page = 500
)

// Store is an outbox.Store.
type Store struct {
	options Options
	db      *database.DB
	clock   *clock.Clock
	log     *slog.Logger
	content string // directory
	epoch   int64  // of this run
	handoff outbox.Handoff
	ready   ready
	trash   trash
	disk    disk

	mu       sync.Mutex
	counters map[counterKey]counter
	claims   map[int64]*claim // of this run, by job
	changed  chan struct{}
	quiet    map[string]span // of clients, see loud
	earlier  time.Duration   // jumps of the clock in earlier runs

	// Of the writing goroutine.
	walked      atomic.Int64 // by purgeOld
	nextMessage int64
	nextEvent   int64
	pending     change // of the group
	marked      clock.Mark
	markedJump  time.Duration
}

var _ outbox.Store = (*Store)(nil)

// Open makes a store on an open database, as a new run: claims of earlier runs
// wait for Recover.
func Open(ctx context.Context, o Options) (*Store, error) {
	if o.Clock == nil {
		o.Clock = clock.New(clock.System())
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	setDefault(&o.Inline, 128<<10)
	setDefault(&o.MinFree, 25<<20*3/2)
	setDefault(&o.Retention, 14*24*time.Hour)
	setDefault(&o.Lease, 10*time.Minute)
	s := &Store{
		options: o, db: o.DB, clock: o.Clock, log: o.Log,
		content: filepath.Join(o.DB.Dir(), "content"),
		claims:  make(map[int64]*claim), changed: make(chan struct{}), quiet: make(map[string]span),
	}
	if err := os.MkdirAll(s.content, 0o700); err != nil {
		return nil, fmt.Errorf("data directory: %w", err)
	}
	if err := database.SyncDirectory(s.db.Dir()); err != nil {
		return nil, fmt.Errorf("data directory: %w", err)
	}
	s.db.SetHooks(database.Hooks{Before: s.before, After: s.after, Reset: s.reset, Reopened: s.reopened})
	if err := s.db.Write(ctx, s.begin); err != nil {
		return nil, s.wrap(err)
	}
	if err := s.sweepOrphans(ctx); err != nil {
		return nil, err
	}
	if err := s.holdRestored(ctx); err != nil {
		return nil, err
	}
	return s, nil
}

func setDefault[T int64 | time.Duration](v *T, value T) {
	if *v == 0 {
		*v = value
	}
}

// begin starts a run: it takes an epoch of its own, finds out by how much the
// clock was set while nothing ran, and reads what is kept in memory.
func (s *Store) begin(tx *database.Tx) error {
	var epoch int64
	if err := getMeta(tx, "epoch", &epoch); err != nil {
		return err
	}
	epoch++
	if err := putMeta(tx, "epoch", epoch); err != nil {
		return err
	}
	s.epoch = epoch
	var saved savedClock
	if err := getMeta(tx, "clock", &saved); err != nil {
		return err
	}
	mark := s.clock.Mark()
	s.mu.Lock()
	s.earlier = saved.Jumped
	if !saved.Mark.Wall.IsZero() {
		s.earlier += saved.Mark.Since(mark)
	}
	s.mu.Unlock()
	if err := s.saveClock(tx); err != nil {
		return err
	}
	return s.load(tx)
}

// load reads what is kept in memory from the tables.
func (s *Store) load(tx *database.Tx) error {
	if err := tx.QueryRow(`SELECT coalesce(max(seq), 0) FROM messages`).Scan(&s.nextMessage); err != nil {
		return err
	}
	err := tx.QueryRow(`SELECT coalesce((SELECT seq FROM sqlite_sequence WHERE name = 'events'), 0)`).Scan(&s.nextEvent)
	if err != nil {
		return err
	}
	if err := s.loadCounters(tx); err != nil {
		return err
	}
	return s.ready.load(tx)
}

// write runs fn in the next group, with a change to note what is to happen
// once it is committed. fn may run again, with a new change.
func (s *Store) write(ctx context.Context, fn func(tx *database.Tx, c *change) error) error {
	return s.wrap(s.db.Write(ctx, func(tx *database.Tx) error {
		var c change
		if err := fn(tx, &c); err != nil {
			s.giveBack(&c)
			return err
		}
		s.pending.add(&c)
		return nil
	}))
}

// read runs fn on a snapshot.
func (s *Store) read(ctx context.Context, fn func(tx *database.Tx) error) error {
	return s.wrap(s.db.Read(ctx, fn))
}

// wrap gives errors of the database the outbox's names.
func (s *Store) wrap(err error) error {
	if errors.Is(err, database.ErrUnavailable) || errors.Is(err, database.ErrClosed) {
		return fmt.Errorf("%w: %w", outbox.ErrUnavailable, err)
	}
	return err
}

// SetHandoff is called once before the first Accept.
func (s *Store) SetHandoff(h outbox.Handoff) { s.handoff = h }

// Health is nil while the store can promise.
func (s *Store) Health() error { return s.wrap(s.db.Health()) }

// Close notes the time. The database stays open: it belongs to the caller.
func (s *Store) Close() error {
	err := s.db.Write(context.Background(), func(tx *database.Tx) error { return s.saveClock(tx) })
	s.trash.wait()
	if errors.Is(err, database.ErrClosed) {
		return nil
	}
	return s.wrap(err)
}
