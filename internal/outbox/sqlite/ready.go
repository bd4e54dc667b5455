package sqlite

import (
	"math"
	"slices"
	"strings"
	"sync"

	"github.com/postilion-mail/postilion/internal/database"
	"github.com/postilion-mail/postilion/internal/outbox"
)

// ready knows, for each lane and priority, the clients that have waiting jobs,
// and for each the time before which none of them is due. It is a hint beside
// the index jobs_ready: a time may be too early, which a claim finds out and
// sets right, but never too late. It lets a claim go straight to the jobs.
type ready struct {
	mu    sync.Mutex
	lanes map[string]*[3]turns
}

// turns is the order in which a lane's clients are served.
type turns struct {
	clients []waiting // by name
	soonest int64     // not later than the first of them
	last    string    // who was served last
}

type waiting struct {
	client string
	due    int64
}

// readyChange says that a client's jobs wait from due on; if exact, none
// before, and none at all if due is never.
type readyChange struct {
	lane     string
	priority outbox.Priority
	client   string
	due      int64
	exact    bool
}

const never = math.MaxInt64

// load finds the clients by skipping through the index: a step for each
// client of a lane, not for each job.
func (r *ready) load(tx *database.Tx) error {
	var changes []readyChange
	lanes, err := skip(tx, `SELECT lane FROM jobs WHERE state IN (1, 3) AND lane > ? ORDER BY lane LIMIT 1`)
	if err != nil {
		return err
	}
	for _, lane := range lanes {
		for priority := outbox.PriorityHigh; priority <= outbox.PriorityBulk; priority++ {
			clients, err := skip(tx, `SELECT client FROM jobs WHERE state IN (1, 3) AND lane = ?2 AND priority = ?3 AND client > ?1
				ORDER BY client LIMIT 1`, lane, int(priority))
			if err != nil {
				return err
			}
			for _, client := range clients {
				due, err := head(tx, lane, priority, client)
				if err != nil {
					return err
				}
				changes = append(changes, readyChange{lane, priority, client, due, true})
			}
		}
	}
	r.mu.Lock()
	r.lanes = make(map[string]*[3]turns)
	r.mu.Unlock()
	r.apply(changes)
	return nil
}

// skip gives the distinct values of an index's column, one query for each.
func skip(tx *database.Tx, query string, args ...any) (values []string, err error) {
	value := ""
	for {
		rows, err := tx.Query(query, append([]any{value}, args...)...)
		if err != nil {
			return nil, err
		}
		if !rows.Next() {
			return values, rows.Err()
		}
		err = rows.Scan(&value)
		rows.Close()
		if err != nil {
			return nil, err
		}
		values = append(values, value)
	}
}

// head gives when a client's first job is due; never if it has none.
func head(tx *database.Tx, lane string, priority outbox.Priority, client string) (int64, error) {
	var due int64
	err := tx.QueryRow(`SELECT coalesce((SELECT due FROM jobs WHERE state IN (1, 3) AND lane = ? AND priority = ? AND client = ?
		ORDER BY due LIMIT 1), ?)`, lane, int(priority), client, int64(never)).Scan(&due)
	return due, err
}

func (r *ready) apply(changes []readyChange) {
	if len(changes) == 0 {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	raised := make(map[*turns]bool)
	for _, c := range changes {
		lane := r.lanes[c.lane]
		if lane == nil {
			lane = new([3]turns)
			for i := range lane {
				lane[i].soonest = never
			}
			r.lanes[c.lane] = lane
		}
		lane[c.priority].apply(c)
		if c.exact {
			raised[&lane[c.priority]] = true
		}
	}
	for t := range raised {
		t.soonest = never
		for _, w := range t.clients {
			t.soonest = min(t.soonest, w.due)
		}
	}
}

func (t *turns) apply(c readyChange) {
	i, found := t.search(c.client)
	switch {
	case c.due == never && found:
		t.clients = slices.Delete(t.clients, i, i+1)
		return
	case c.due == never:
		return
	case !found:
		t.clients = slices.Insert(t.clients, i, waiting{c.client, c.due})
	case c.exact || c.due < t.clients[i].due:
		t.clients[i].due = c.due
	}
	t.soonest = min(t.soonest, c.due)
}

func (t *turns) search(client string) (int, bool) {
	return slices.BinarySearchFunc(t.clients, client, func(w waiting, name string) int { return strings.Compare(w.client, name) })
}

// backlog says whether jobs of a lane wait that go before one of a priority.
func (r *ready) backlog(lane string, priority outbox.Priority, now int64) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	l := r.lanes[lane]
	if l == nil {
		return false
	}
	for p := range priority + 1 {
		if l[p].soonest <= now {
			return true
		}
	}
	return false
}

// turn gives the clients that may have due jobs, in the order of their turns.
func (r *ready) turn(lane string, priority outbox.Priority, now int64) []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	l := r.lanes[lane]
	if l == nil {
		return nil
	}
	t := &l[priority]
	start, found := t.search(t.last)
	if found {
		start++
	}
	var clients []string
	t.soonest = never
	for i := range t.clients {
		w := t.clients[(start+i)%len(t.clients)]
		t.soonest = min(t.soonest, w.due)
		if w.due <= now {
			clients = append(clients, w.client)
		}
	}
	return clients
}

// served notes whose turn was the last.
func (r *ready) served(lane string, priority outbox.Priority, client string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if l := r.lanes[lane]; l != nil {
		l[priority].last = client
	}
}

// first gives the client whose job may be due first.
func (r *ready) first(lane string) (readyChange, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	first := readyChange{lane: lane, due: never, exact: true}
	if l := r.lanes[lane]; l != nil {
		for p := range l {
			for _, w := range l[p].clients {
				if w.due < first.due {
					first.priority, first.client, first.due = outbox.Priority(p), w.client, w.due
				}
			}
		}
	}
	return first, first.due != never
}
