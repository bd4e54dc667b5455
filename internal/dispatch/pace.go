package dispatch

import "time"

// Concurrency of a lane.
const (
	startConcurrency   = 2
	defaultConcurrency = 5
	maxConcurrency     = 20
)

// pace adapts how many deliveries a lane makes at a time: one more after as
// many successes as run at a time, one fewer when the server complains.
type pace struct {
	limit    int // now
	most     int // by the settings
	success  int // since the last change
	failures int // in a row
	cohort   int // limit when the first of them happened
}

func newPace(most int) pace {
	return pace{limit: min(startConcurrency, most), most: most}
}

// bound changes the limit by the settings.
func (p *pace) bound(most int) {
	p.most = most
	p.limit = min(p.limit, most)
}

func (p *pace) succeeded() {
	p.failures = 0
	if p.success++; p.success >= p.limit && p.limit < p.most {
		p.limit++
		p.success = 0
	}
}

// slow is for a server that says it is too much.
func (p *pace) slow() {
	p.failures, p.success = 0, 0
	p.limit = max(1, p.limit-1)
}

// failed counts, and says whether all of a cohort failed: as many in a row as
// ran at a time.
func (p *pace) failed() bool {
	if p.failures == 0 {
		p.cohort = p.limit
	}
	p.failures++
	p.success = 0
	return p.failures >= p.cohort
}

// probe is for a lane that comes back from a pause: one at a time.
func (p *pace) probe() {
	p.limit, p.success, p.failures = 1, 0, 0
}

// meter measures how many jobs a lane finishes in a second while it has more.
type meter struct {
	rate  float64
	since time.Time
	count int
}

// initialRate makes the first window 100 jobs.
const initialRate = 200

func (m *meter) add(now time.Time, busy bool) {
	m.count++
	elapsed := now.Sub(m.since)
	if elapsed < time.Second {
		return
	}
	if busy && !m.since.IsZero() {
		m.rate = (m.rate + float64(m.count)/elapsed.Seconds()) / 2
	}
	m.since, m.count = now, 0
}
