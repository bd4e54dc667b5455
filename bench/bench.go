package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"sync/atomic"
	"time"
)

const (
	// patience is how long anything may take before a table fails.
	patience = 3 * time.Minute
	// pause is between two looks at whether something has happened.
	pause = 2 * time.Millisecond
)

// bench is what a table is measured with. As with testing.T, a failure ends
// the measurement at once, and what was started is ended after it.
type bench struct {
	*suite
	ctx      context.Context
	cleanups []func()
	folders  *atomic.Int32
	profiled string // a name for the profiles of the daemons that start from now on
}

// failure is what fail panics with.
type failure struct{ error }

// measure runs a benchmark.
func (s *suite) measure(ctx context.Context, what benchmark) (made *table, err error) {
	b := &bench{suite: s, ctx: ctx, folders: new(atomic.Int32)}
	defer func() {
		if p := recover(); p != nil {
			f, ok := p.(failure)
			if !ok {
				panic(p)
			}
			err = f.error
		}
	}()
	b.scope(func(b *bench) { made = what.run(b) })
	return made, nil
}

// scope runs a part of a measurement and then ends what that has started, the
// last first.
func (b *bench) scope(part func(*bench)) {
	inner := &bench{suite: b.suite, ctx: b.ctx, folders: b.folders, profiled: b.profiled}
	defer func() {
		for i := len(inner.cleanups) - 1; i >= 0; i-- {
			inner.cleanups[i]()
		}
	}()
	part(inner)
}

func (b *bench) cleanup(f func()) { b.cleanups = append(b.cleanups, f) }

// fail ends the measurement if there is an error. It is called by the goroutine
// of the measurement only.
func (b *bench) fail(err error) {
	if err != nil {
		panic(failure{err})
	}
}

func (b *bench) failf(format string, args ...any) { b.fail(fmt.Errorf(format, args...)) }

// number is how much of something is done, in full and for -quick.
func (b *bench) number(full, quick int) int {
	if b.quick {
		return quick
	}
	return full
}

// repeats is the number of runs; -quick has one.
func (b *bench) repeats() int { return b.number(b.runs, 1) }

// dir makes a folder that goes with the scope.
func (b *bench) dir() string {
	path := filepath.Join(b.folder, fmt.Sprint(b.folders.Add(1)))
	b.fail(os.Mkdir(path, 0o755))
	b.cleanup(func() { _ = os.RemoveAll(path) })
	return path
}

// write makes a file and gives its path.
func (b *bench) write(path, content string, mode os.FileMode) string {
	b.fail(os.WriteFile(path, []byte(content), mode))
	b.fail(os.Chmod(path, mode))
	return path
}

// await asks until a condition holds.
func (b *bench) await(what string, holds func() bool) {
	for late := time.Now().Add(patience); !holds(); time.Sleep(pause) {
		b.fail(b.ctx.Err())
		if time.Now().After(late) {
			b.failf("waited in vain until %s", what)
		}
	}
}
