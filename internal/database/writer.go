package database

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/postilion-mail/postilion/internal/failpoint"
)

// maxGroup bounds the writes of one commit, and so what one failure can touch.
const maxGroup = 512

// reopenEvery is how often a closed database is tried again while nobody asks.
const reopenEvery = time.Second

// write is one caller's part of a group.
type write struct {
	fn     func(*Tx) error
	taken  atomic.Bool // by the writing goroutine, or by a caller who gave up
	err    error
	result chan error
}

// Write runs fn in the next group's transaction and returns when that is on
// stable storage. An error from fn undoes what fn did, and nothing else.
//
// fn runs on the writing goroutine, so it computes nothing long and does no
// I/O; all that can be prepared is prepared before. It may run more than once,
// when another of its group failed: it must not change anything but the
// database, save what it sets anew each time.
//
// When ctx ends before fn was begun, it is not run. Afterwards Write waits for
// the commit, which takes milliseconds.
func (db *DB) Write(ctx context.Context, fn func(*Tx) error) error {
	w := &write{fn: fn, result: make(chan error, 1)}
	select {
	case <-db.quit:
		return ErrClosed
	default:
	}
	select {
	case db.queue <- w:
	case <-ctx.Done():
		return ctx.Err()
	case <-db.quit:
		return ErrClosed
	}
	select {
	case err := <-w.result:
		return err
	case <-ctx.Done():
		if w.taken.CompareAndSwap(false, true) {
			return ctx.Err()
		}
	case <-db.done:
		if w.taken.CompareAndSwap(false, true) {
			return ErrClosed
		}
	}
	return <-w.result
}

// run is the writing goroutine.
func (db *DB) run() {
	defer close(db.done)
	defer db.lock.Close()
	defer db.disconnect(ErrClosed)
	group := make([]*write, 0, maxGroup)
	for {
		var retry <-chan time.Time
		if db.writer == nil {
			retry = time.After(reopenEvery)
		}
		select {
		case <-db.quit:
			return
		case <-retry:
			db.reopen()
		case w := <-db.queue:
			group = db.gather(append(group[:0], w))
			db.serve(group)
			clear(group)
		}
	}
}

// gather takes what waits, and waits for nothing.
func (db *DB) gather(group []*write) []*write {
	for len(group) < maxGroup {
		select {
		case w := <-db.queue:
			group = append(group, w)
		default:
			return group
		}
	}
	return group
}

// serve runs a group and answers it.
func (db *DB) serve(group []*write) {
	live := group[:0]
	for _, w := range group {
		if w.taken.CompareAndSwap(false, true) {
			live = append(live, w)
		}
	}
	if len(live) == 0 {
		return
	}
	if db.writer == nil && !db.reopen() {
		answer(live, unavailable(db.Health()))
		return
	}
	start := time.Now()
	if err := db.commit(live); err != nil {
		db.fail(err)
		answer(live, unavailable(err))
		return
	}
	if db.options.Committed != nil {
		db.options.Committed(len(live), time.Since(start))
	}
	answer(live, nil)
}

// answer gives each its own error, or the same to all.
func answer(group []*write, err error) {
	for _, w := range group {
		if err != nil {
			w.result <- err
			continue
		}
		w.result <- w.err
	}
}

// commit runs a group in one transaction. Its error is that of the disk: then
// nothing of the group is promised.
func (db *DB) commit(group []*write) error {
	failpoint.Hit(failpoint.CommitBegin)
	if err := db.point(PointBegin); err != nil {
		return err
	}
	tx, err := db.together(group)
	if err == errApart {
		if err := db.rollback(); err != nil {
			return err
		}
		tx, err = db.apart(group)
	}
	if err != nil {
		return err
	}
	if !tx.wrote { // only read, or failed
		if err := db.writer.simple("ROLLBACK"); err != nil {
			return err
		}
		if db.hooks.After != nil {
			db.hooks.After()
		}
		return nil
	}
	if db.hooks.Before != nil {
		if err := db.hooks.Before(tx); err != nil {
			return err
		}
	}
	failpoint.Hit(failpoint.CommitBefore)
	if err := db.point(PointCommit); err != nil {
		return err
	}
	if err := db.writer.simple("COMMIT"); err != nil {
		return fmt.Errorf("commit: %w", err)
	}
	failpoint.Hit(failpoint.CommitAfter)
	if err := db.point(PointCommitted); err != nil {
		return err
	}
	if db.hooks.After != nil {
		db.hooks.After()
	}
	return nil
}

// errApart: one of a group failed after it had written, so that its part must
// be undone.
var errApart = errors.New("run the group apart")

// together runs a group without savepoints, which is all it takes when none
// fails, or only by finding something before it writes.
func (db *DB) together(group []*write) (*Tx, error) {
	if err := db.writer.simple("BEGIN IMMEDIATE"); err != nil {
		return nil, err
	}
	all := &Tx{conn: db.writer, ctx: context.Background()}
	for _, w := range group {
		tx := &Tx{conn: db.writer, ctx: all.ctx}
		w.err = call(w.fn, tx)
		switch {
		case tx.fatal != nil:
			return nil, tx.fatal
		case w.err != nil && tx.wrote && len(group) == 1:
			return all, nil // all of it is undone
		case w.err != nil && tx.wrote:
			return nil, errApart
		}
		all.wrote = all.wrote || tx.wrote
	}
	return all, nil
}

// apart runs each of a group in a savepoint of its own.
func (db *DB) apart(group []*write) (*Tx, error) {
	if err := db.writer.simple("BEGIN IMMEDIATE"); err != nil {
		return nil, err
	}
	all := &Tx{conn: db.writer, ctx: context.Background()}
	for _, w := range group {
		if err := db.writer.simple("SAVEPOINT one"); err != nil {
			return nil, err
		}
		tx := &Tx{conn: db.writer, ctx: all.ctx}
		w.err = call(w.fn, tx)
		if tx.fatal != nil {
			return nil, tx.fatal
		}
		if w.err != nil {
			if err := db.writer.simple("ROLLBACK TO one"); err != nil {
				return nil, err
			}
		} else {
			all.wrote = all.wrote || tx.wrote
		}
		if err := db.writer.simple("RELEASE one"); err != nil {
			return nil, err
		}
	}
	return all, nil
}

// call keeps a panic of one caller's function from ending the daemon with
// everyone's mail.
func call(fn func(*Tx) error, tx *Tx) (err error) {
	defer func() {
		if r := recover(); r != nil {
			tx.wrote = true // whatever it did is undone
			err = fmt.Errorf("internal error: a write panicked: %v", r)
		}
	}()
	return fn(tx)
}

func (db *DB) rollback() error {
	if db.hooks.Reset != nil {
		db.hooks.Reset()
	}
	return db.writer.simple("ROLLBACK")
}

func (db *DB) point(p Point) error {
	if db.options.Fault == nil {
		return nil
	}
	return db.options.Fault(p)
}

// fail closes the database after a group that could not be committed. A failed
// fsync may have thrown written pages away while a second one succeeds, so
// nothing is tried again on this connection: what is on disk is read anew.
func (db *DB) fail(err error) {
	db.options.Log.Error("the database failed and is opened again", "error", err)
	if db.hooks.Reset != nil {
		db.hooks.Reset()
	}
	db.disconnect(err)
	db.reopen()
}

// reopen opens a database that failed.
func (db *DB) reopen() bool {
	err := db.connect(context.Background())
	if err == nil {
		err = db.reopened()
	}
	if err != nil {
		db.options.Log.Error("the database cannot be opened again", "error", err)
		if db.hooks.Reset != nil {
			db.hooks.Reset()
		}
		db.disconnect(err)
		return false
	}
	db.options.Log.Info("the database is open again")
	return true
}

// reopened lets the owner of state read it anew, in a transaction.
func (db *DB) reopened() error {
	if db.hooks.Reopened == nil {
		return nil
	}
	w := &write{fn: db.hooks.Reopened}
	if err := db.commit([]*write{w}); err != nil {
		return err
	}
	return w.err
}
