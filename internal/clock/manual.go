package clock

import (
	"sync"
	"time"
)

// Manual is a source that tests turn by hand. It is safe for concurrent use.
type Manual struct {
	mu      sync.Mutex
	wall    time.Time
	elapsed time.Duration
}

// NewManual gives a source that stands at t.
func NewManual(t time.Time) *Manual { return &Manual{wall: t} }

// Source is what New takes.
func (m *Manual) Source() (time.Time, time.Duration) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.wall, m.elapsed
}

// Advance lets time pass.
func (m *Manual) Advance(d time.Duration) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.wall = m.wall.Add(d)
	m.elapsed += d
}

// Jump sets the wall clock by d; no time passes.
func (m *Manual) Jump(d time.Duration) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.wall = m.wall.Add(d)
}
