package api

import (
	"sync"
	"time"

	"google.golang.org/grpc/codes"

	"github.com/postilion-mail/postilion/server/internal/fault"
)

// testsPerMinute is plenty for a person who looks for the right settings, and
// too few to scan hosts or guess passwords through us.
const testsPerMinute = 30

// quota counts the tests of clients in windows of a minute. The zero value is
// ready; it is safe for concurrent use.
type quota struct {
	mu  sync.Mutex
	use map[string]*window // by client
}

type window struct {
	ends time.Time
	used int
}

// take gives how long a client has to wait for its next test; 0 if it may be
// made now.
func (q *quota) take(client string, now time.Time) time.Duration {
	q.mu.Lock()
	defer q.mu.Unlock()
	w := q.use[client]
	if w == nil || !now.Before(w.ends) {
		for name, old := range q.use { // of clients that may be gone
			if !now.Before(old.ends) {
				delete(q.use, name)
			}
		}
		if q.use == nil {
			q.use = make(map[string]*window)
		}
		w = &window{ends: now.Add(time.Minute)}
		q.use[client] = w
	}
	if w.used == testsPerMinute {
		return w.ends.Sub(now)
	}
	w.used++
	return 0
}

func tooManyTests(wait time.Duration) error {
	return fault.Fault{
		Code: codes.ResourceExhausted, Reason: "too_many_tests", Text: "the client has made many tests in a short time", RetryAfter: wait,
		Remedy: "wait a minute",
	}.Err()
}
