package dispatch

import "github.com/postilion-mail/postilion/internal/outbox"

// queue holds the jobs of a lane that are in memory, in the order in which
// they go: by priority, then in turns of the clients, then as they came.
type queue struct {
	levels [outbox.PriorityBulk + 1]turns
	length int
}

func (q *queue) push(i *item) {
	level := min(max(i.job.Priority, outbox.PriorityHigh), outbox.PriorityBulk)
	q.levels[level].push(i)
	q.length++
}

// pop gives nil when the queue is empty.
func (q *queue) pop() *item {
	for n := range q.levels {
		if i := q.levels[n].pop(); i != nil {
			q.length--
			return i
		}
	}
	return nil
}

// drain empties the queue.
func (q *queue) drain() []*item {
	all := make([]*item, 0, q.length)
	for i := q.pop(); i != nil; i = q.pop() {
		all = append(all, i)
	}
	return all
}

// turns is one priority: the clients that have jobs, in a ring.
type turns struct {
	clients map[string]*line
	ring    []*line // those with jobs; the first one is next
}

// line is one client's jobs.
type line struct {
	client string
	jobs   []*item
}

func (t *turns) push(i *item) {
	l := t.clients[i.job.Client]
	if l == nil {
		if t.clients == nil {
			t.clients = make(map[string]*line)
		}
		l = &line{client: i.job.Client}
		t.clients[l.client] = l
		t.ring = append(t.ring, l)
	}
	l.jobs = append(l.jobs, i)
}

func (t *turns) pop() *item {
	if len(t.ring) == 0 {
		return nil
	}
	l := t.ring[0]
	i := l.jobs[0]
	l.jobs[0] = nil
	l.jobs = l.jobs[1:]
	t.ring[0] = nil
	t.ring = t.ring[1:]
	if len(l.jobs) == 0 {
		delete(t.clients, l.client)
	} else {
		t.ring = append(t.ring, l)
	}
	return i
}
