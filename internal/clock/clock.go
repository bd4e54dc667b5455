// Package clock tells the time in a way that survives a clock that is set.
//
// Within a run Clock.Now runs evenly, as real time does. When the machine's
// wall clock is set by more than a minute, forwards or backwards, Now follows
// it, and the step is added to Jumped. Whoever stores the time of something
// that waits stores it less Jumped and adds Jumped when reading, so that a
// step of the clock neither ends a wait early nor makes it longer.
package clock

import (
	"sync"
	"time"
)

// tolerance is how far the wall clock may be from real time before it counts
// as set. Smaller steps of time synchronisation are not followed.
const tolerance = time.Minute

// Source reads the machine's clocks: the wall clock, which may be set, and the
// real time that has elapsed since some fixed moment, which may not.
type Source func() (wall time.Time, elapsed time.Duration)

// Clock tells the time. It is safe for concurrent use.
type Clock struct {
	source Source

	mu     sync.Mutex
	base   time.Time     // the time at elapsed == at
	at     time.Duration // of the source
	jumped time.Duration
}

// New makes a clock from a source: System for a daemon, Process for tests
// under testing/synctest.
func New(source Source) *Clock {
	c := &Clock{source: source}
	c.base, c.at = source()
	c.base = c.base.Round(0).UTC()
	return c
}

// Now is the time in UTC.
func (c *Clock) Now() time.Time {
	now, _ := c.Read()
	return now
}

// Jumped is the sum of the steps the wall clock was set by, so far.
func (c *Clock) Jumped() time.Duration {
	_, jumped := c.Read()
	return jumped
}

// Read gives Now and Jumped as they are at one moment.
func (c *Clock) Read() (now time.Time, jumped time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	wall, elapsed := c.source()
	wall = wall.Round(0).UTC()
	now = c.base.Add(elapsed - c.at)
	if step := wall.Sub(now); step > tolerance || step < -tolerance {
		c.jumped += step
		c.base, c.at, now = wall, elapsed, wall
	}
	return now, c.jumped
}

// Elapsed is the source's real time, which no jump changes: for leases.
func (c *Clock) Elapsed() time.Duration {
	_, elapsed := c.source()
	return elapsed
}

// Mark is a moment on both clocks, kept across runs to see whether the wall
// clock was set while nothing ran.
type Mark struct {
	Wall    time.Time
	Elapsed time.Duration
	Boot    string // of which Elapsed counts; empty if not known
}

// Mark gives the present moment.
func (c *Clock) Mark() Mark {
	return Mark{Wall: c.Now(), Elapsed: c.Elapsed(), Boot: bootID()}
}

// Since gives the step by which the wall clock was set since the mark of an
// earlier run. After a restart of the machine only a step backwards can be
// told from time that has passed.
func (m Mark) Since(now Mark) time.Duration {
	step := now.Wall.Sub(m.Wall)
	if m.Boot != "" && m.Boot == now.Boot {
		step -= now.Elapsed - m.Elapsed
	} else if step > 0 {
		return 0
	}
	if step > tolerance || step < -tolerance {
		return step
	}
	return 0
}

// Process is the source within a process: it takes Go's monotonic clock for
// real time, which stands still while the machine sleeps.
func Process() Source {
	start := time.Now()
	return func() (time.Time, time.Duration) {
		now := time.Now()
		return now, now.Sub(start)
	}
}
