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
	failure  func(op string) error
}

type fakeLane struct {
	waiting []*fakeJob // by due time
	claimed map[int64]*fakeJob
}

type fakeJob struct {
	outbox.Job
	lease time.Time
	blame plugin.Blame
	round int
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
	s.mu.Lock()
	failure := s.failure
	s.mu.Unlock()
	if failure == nil {
		return nil
	}
	return failure(op)
}

// fail makes operations fail.
func (s *fakeStore) fail(failure func(op string) error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.failure = failure
}

func (s *fakeStore) SetHandoff(h outbox.Handoff) { s.handoff = h }

func (s *fakeStore) lane(id string) *fakeLane {
	l := s.lanes[id]
	if l == nil {
		l = &fakeLane{claimed: make(map[int64]*fakeJob)}
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
	s.put(job, plugin.BlameNone, true)
	return job.Message
}

func (s *fakeStore) put(job outbox.Job, blame plugin.Blame, hand bool) {
	s.mu.Lock()
	s.nextID++
	f := &fakeJob{Job: job, blame: blame}
	f.Lane = job.Chain[job.Hop]
	f.Token = outbox.Token{Job: s.nextID, Epoch: 1}
	now := time.Now()
	taken := hand && !f.Due.After(now) && s.handoff.Reserve(f.Lane, f.Size)
	if taken {
		s.lane(f.Lane).claim(f, fakeLease)
	} else {
		s.lane(f.Lane).wait(f)
	}
	job = f.Job
	s.mu.Unlock()
	if taken {
		s.handoff.Take(job)
	} else {
		s.handoff.Wake(job.Lane, job.Due)
	}
}

func (l *fakeLane) claim(f *fakeJob, lease time.Duration) {
	l.claimed[f.Token.Job] = f
	f.lease = time.Now().Add(lease)
	f.Token.Count++
}

// wait puts a job among those that wait.
func (l *fakeLane) wait(f *fakeJob) {
	delete(l.claimed, f.Token.Job)
	n, _ := slices.BinarySearchFunc(l.waiting, f, func(a, b *fakeJob) int {
		if c := a.Due.Compare(b.Due); c != 0 {
			return c
		}
		return int(a.Token.Job - b.Token.Job)
	})
	l.waiting = slices.Insert(l.waiting, n, f)
}

// due gives those that wait and are due.
func (l *fakeLane) due() []*fakeJob {
	now := time.Now()
	n, _ := slices.BinarySearchFunc(l.waiting, now, func(a *fakeJob, now time.Time) int {
		if a.Due.After(now) {
			return 1
		}
		return -1
	})
	return slices.Clone(l.waiting[:n])
}

func (s *fakeStore) Claim(_ context.Context, c outbox.Claim) (outbox.Claimed, error) {
	if err := s.broken("claim"); err != nil {
		return outbox.Claimed{}, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.claims++
	l := s.lane(c.Lane)
	due := l.due()
	ripe := len(due)
	due = inTurn(due)
	var answer outbox.Claimed
	if len(c.Rates) > 0 { // one rate for the lane is enough for the tests
		answer.Limited = time.Now().Truncate(c.Rates[0].Per).Add(c.Rates[0].Per)
		due = due[:min(c.Rates[0].Count, len(due))]
	}
	for _, f := range due[:min(c.Limit, len(due))] {
		l.claim(f, c.Lease)
		job := f.Job
		job.Content = nil
		answer.Jobs = append(answer.Jobs, job)
	}
	left := slices.DeleteFunc(l.waiting[:ripe:ripe], func(f *fakeJob) bool { return l.claimed[f.Token.Job] != nil })
	l.waiting = slices.Replace(l.waiting, 0, ripe, slices.Clone(left)...)
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
		if f := l.claimed[t.Job]; f != nil && f.Token == t {
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
	delete(l.claimed, r.Token.Job)
	if r.Untried {
		s.untried++
	} else {
		s.attempts = append(s.attempts, r)
	}
	again := make(map[int]outbox.Job)
	for n, result := range r.Results {
		if result.Next != outbox.Deferred {
			result.Duplicate = result.Duplicate || f.Duplicate
			s.ends[f.Message] = append(s.ends[f.Message], result)
			continue
		}
		s.defers[f.Message] = result
		again[n] = f.next(r, n)
	}
	s.mu.Unlock()
	for n, job := range again {
		s.put(job, r.Results[n].Outcome.Blame, false)
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
		if l, f := s.find(t); f != nil {
			l.wait(f)
		}
	}
	return nil
}

func (s *fakeStore) NextDue(_ context.Context, lane string) (time.Time, bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if l := s.lane(lane); len(l.waiting) > 0 {
		return l.waiting[0].Due, true, nil
	}
	return time.Time{}, false, nil
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
		for _, f := range l.claimed {
			if f.lease.Before(now) {
				f.Duplicate = true
				f.Attempt++
				f.Crashes++
				l.wait(f)
			}
		}
		l.waiting = slices.DeleteFunc(l.waiting, func(f *fakeJob) bool {
			over := !f.Expires.IsZero() && !f.Expires.After(now)
			if over {
				s.ends[f.Message] = append(s.ends[f.Message], outbox.Result{Next: outbox.Expired, Duplicate: f.Duplicate})
			}
			return over
		})
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
	l := s.lane(lane)
	all := l.waiting
	l.waiting = nil
	for _, f := range all {
		if (f.blame == plugin.BlameAuth || f.blame == plugin.BlameConnection) && f.Due.After(time.Now()) {
			f.Due = time.Now()
		}
		l.wait(f)
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

// jobs counts those that are claimed and those that wait.
func (s *fakeStore) jobs() (claimed, waiting int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, l := range s.lanes {
		claimed += len(l.claimed)
		waiting += len(l.waiting)
	}
	return claimed, waiting
}

// count gives one of the counters.
func (s *fakeStore) count(counter *int) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return *counter
}

func (s *fakeStore) paused() map[string]outbox.Pause {
	s.mu.Lock()
	defer s.mu.Unlock()
	return maps.Clone(s.pauses)
}
