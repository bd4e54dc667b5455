package dispatch

import (
	"bytes"
	"context"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/google/uuid"

	"github.com/postilion-mail/postilion/internal/outbox"
	"github.com/postilion-mail/postilion/plugin"
)

// fakeStore keeps jobs in memory with the semantics of outbox.Store, as far
// as the dispatcher can see them.
type fakeStore struct {
	mu       sync.Mutex
	handoff  outbox.Handoff
	nextID   int64
	lanes    map[string]*fakeLane
	pauses   map[string]outbox.Pause
	attempts []outbox.Report // tried ones, in order
	untried  int
	ends     map[uuid.UUID][]outbox.Result // terminal and held results
	defers   map[uuid.UUID]outbox.Result   // the last DEFERRED one
	stale    int
	claims   int
	recorded chan outbox.Report // if set, gets what was recorded
	fail     func(op string) error
}

type fakeLane struct {
	jobs map[int64]*fakeJob
}

type fakeJob struct {
	outbox.Job
	claimed bool
	lease   time.Time
	blame   plugin.Blame
	round   int
}

const fakeLease = 2 * time.Minute

func newFakeStore() *fakeStore {
	return &fakeStore{
		lanes:  make(map[string]*fakeLane),
		pauses: make(map[string]outbox.Pause),
		ends:   make(map[uuid.UUID][]outbox.Result),
		defers: make(map[uuid.UUID]outbox.Result),
	}
}

func (s *fakeStore) broken(op string) error {
	if s.fail == nil {
		return nil
	}
	return s.fail(op)
}

func (s *fakeStore) SetHandoff(h outbox.Handoff) { s.handoff = h }

func (s *fakeStore) lane(id string) *fakeLane {
	l := s.lanes[id]
	if l == nil {
		l = &fakeLane{jobs: make(map[int64]*fakeJob)}
		s.lanes[id] = l
	}
	return l
}

// accept stores a job, handing it over when the dispatcher takes it.
func (s *fakeStore) accept(job outbox.Job) uuid.UUID {
	if job.Message == (uuid.UUID{}) {
		job.Message = uuid.New()
	}
	if job.Accepted.IsZero() {
		job.Accepted = time.Now()
	}
	if job.Attempt == 0 {
		job.Attempt = 1
	}
	if job.Envelope.Recipients == nil {
		job.Envelope.Recipients = []plugin.Recipient{{Address: "a@example.org"}}
	}
	for n := range job.Envelope.Recipients {
		job.Indexes = append(job.Indexes, n)
	}
	job.Content = []byte("Subject: x\r\n\r\n")
	job.Size = int64(len(job.Content))
	s.put(job, true)
	return job.Message
}

func (s *fakeStore) put(job outbox.Job, hand bool) {
	s.mu.Lock()
	s.nextID++
	f := &fakeJob{Job: job}
	f.Lane = job.Chain[job.Hop]
	f.Token = outbox.Token{Job: s.nextID, Epoch: 1}
	now := time.Now()
	taken := hand && !f.Due.After(now) && s.handoff.Reserve(f.Lane, f.Size)
	if taken {
		f.claim(fakeLease)
	}
	s.lane(f.Lane).jobs[f.Token.Job] = f
	job = f.Job
	s.mu.Unlock()
	if taken {
		s.handoff.Take(job)
	} else {
		s.handoff.Wake(job.Lane, job.Due)
	}
}

func (f *fakeJob) claim(lease time.Duration) {
	f.claimed = true
	f.lease = time.Now().Add(lease)
	f.Token.Count++
}

func (s *fakeStore) Claim(_ context.Context, c outbox.Claim) (outbox.Claimed, error) {
	if err := s.broken("claim"); err != nil {
		return outbox.Claimed{}, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.claims++
	l := s.lane(c.Lane)
	var due []*fakeJob
	for _, f := range l.jobs {
		if !f.claimed && !f.Due.After(time.Now()) {
			due = append(due, f)
		}
	}
	due = inTurn(due)
	var answer outbox.Claimed
	if len(c.Rates) > 0 { // one rate for the lane is enough for the tests
		answer.Limited = time.Now().Truncate(c.Rates[0].Per).Add(c.Rates[0].Per)
		due = due[:min(c.Rates[0].Count, len(due))]
	}
	for _, f := range due[:min(c.Limit, len(due))] {
		f.claim(c.Lease)
		job := f.Job
		job.Content = nil
		answer.Jobs = append(answer.Jobs, job)
	}
	return answer, nil
}

// inTurn orders jobs by priority, then client by client, then by id.
func inTurn(due []*fakeJob) []*fakeJob {
	type key struct {
		priority outbox.Priority
		client   string
	}
	slices.SortFunc(due, func(a, b *fakeJob) int { return int(a.Token.Job - b.Token.Job) })
	place := make(map[key]int)
	for _, f := range due {
		k := key{f.Priority, f.Client}
		f.round = place[k]
		place[k]++
	}
	slices.SortStableFunc(due, func(a, b *fakeJob) int {
		if a.Priority != b.Priority {
			return int(a.Priority - b.Priority)
		}
		return a.round - b.round
	})
	return due
}

func (s *fakeStore) find(t outbox.Token) (*fakeLane, *fakeJob) {
	for _, l := range s.lanes {
		if f := l.jobs[t.Job]; f != nil && f.claimed && f.Token == t {
			return l, f
		}
	}
	return nil, nil
}

func (s *fakeStore) Extend(_ context.Context, lease time.Duration, tokens ...outbox.Token) ([]outbox.Token, error) {
	if err := s.broken("extend"); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	var stale []outbox.Token
	for _, t := range tokens {
		if _, f := s.find(t); f != nil {
			f.lease = time.Now().Add(lease)
		} else {
			stale = append(stale, t)
		}
	}
	return stale, nil
}

func (s *fakeStore) Record(_ context.Context, r outbox.Report) error {
	if err := s.broken("record"); err != nil {
		return err
	}
	s.mu.Lock()
	l, f := s.find(r.Token)
	if f == nil {
		s.stale++
		s.mu.Unlock()
		return outbox.ErrStaleToken
	}
	delete(l.jobs, r.Token.Job)
	if r.Untried {
		s.untried++
	} else {
		s.attempts = append(s.attempts, r)
	}
	var again []outbox.Job
	for n, result := range r.Results {
		if result.Next != outbox.Deferred {
			result.Duplicate = result.Duplicate || f.Duplicate
			s.ends[f.Message] = append(s.ends[f.Message], result)
			continue
		}
		s.defers[f.Message] = result
		again = append(again, f.next(r, n))
	}
	s.mu.Unlock()
	for _, job := range again {
		s.put(job, false)
		s.mu.Lock()
		s.lane(job.Chain[job.Hop]).jobs[s.nextID].blame = s.defers[job.Message].Outcome.Blame
		s.mu.Unlock()
	}
	if s.recorded != nil {
		s.recorded <- r
	}
	return nil
}

// next is the job of one deferred recipient: the real store groups them.
func (f *fakeJob) next(r outbox.Report, n int) outbox.Job {
	job, result := f.Job, r.Results[n]
	job.Hop, job.Due = result.Hop, result.Due
	job.Indexes = []int{result.Index}
	job.Envelope.Recipients = f.Envelope.Recipients[n : n+1]
	job.Duplicate = job.Duplicate || result.Duplicate
	if !r.Untried {
		job.Attempt++
		job.Crashes++
		if !r.Crashed {
			job.Crashes = 0
		}
	}
	return job
}

func (s *fakeStore) Release(_ context.Context, tokens ...outbox.Token) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, t := range tokens {
		if _, f := s.find(t); f != nil {
			f.claimed = false
		}
	}
	return nil
}

func (s *fakeStore) NextDue(_ context.Context, lane string) (first time.Time, ok bool, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, f := range s.lane(lane).jobs {
		if !f.claimed && (!ok || f.Due.Before(first)) {
			first, ok = f.Due, true
		}
	}
	return first, ok, nil
}

func (s *fakeStore) Lanes(context.Context) ([]string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Collect(maps.Keys(s.lanes)), nil
}

func (s *fakeStore) Content(_ context.Context, j *outbox.Job) (outbox.Content, error) {
	if err := s.broken("content"); err != nil {
		return nil, err
	}
	return memory{bytes.NewReader([]byte("Subject: x\r\n\r\n"))}, nil
}

func (s *fakeStore) Recover(context.Context) (int, error) { return 0, s.broken("recover") }

// Sweep expires, and recovers lapsed leases.
func (s *fakeStore) Sweep(context.Context) (bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	for _, l := range s.lanes {
		for id, f := range l.jobs {
			switch {
			case f.claimed && f.lease.Before(now):
				f.claimed, f.Duplicate = false, true
				f.Attempt++
				f.Crashes++
			case !f.claimed && !f.Expires.IsZero() && !f.Expires.After(now):
				delete(l.jobs, id)
				s.ends[f.Message] = append(s.ends[f.Message], outbox.Result{Next: outbox.Expired, Duplicate: f.Duplicate})
			}
		}
	}
	return false, nil
}

func (s *fakeStore) Pauses(context.Context) ([]outbox.Pause, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Collect(maps.Values(s.pauses)), nil
}

func (s *fakeStore) SetPause(_ context.Context, p outbox.Pause) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.pauses[p.Lane] = p
	return nil
}

func (s *fakeStore) ClearPause(_ context.Context, lane string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.pauses, lane)
	for _, f := range s.lane(lane).jobs {
		if !f.claimed && (f.blame == plugin.BlameAuth || f.blame == plugin.BlameConnection) && f.Due.After(time.Now()) {
			f.Due = time.Now()
		}
	}
	return nil
}

// The rest is for the tests to look at.

func (s *fakeStore) tried() []outbox.Report {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.attempts)
}

func (s *fakeStore) end(message uuid.UUID) []outbox.Result {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.ends[message])
}

func (s *fakeStore) deferred(message uuid.UUID) outbox.Result {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.defers[message]
}

func (s *fakeStore) ended() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.ends)
}

func (s *fakeStore) jobs(claimed bool) (n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, l := range s.lanes {
		for _, f := range l.jobs {
			if f.claimed == claimed {
				n++
			}
		}
	}
	return n
}
