package outboxtest

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/postilion-mail/postilion/internal/outbox"
	"github.com/postilion-mail/postilion/plugin"
)

// tester is a harness with the words that tests are written in.
type tester struct {
	*testing.T
	*Harness
	mu    sync.Mutex
	count int
}

func (t *tester) ok(err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func (t *tester) is(what string, err, want error) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Fatalf("%s: error %v, want %v", what, err, want)
	}
}

func same[T comparable](t *tester, what string, got, want T) {
	t.Helper()
	if got != want {
		t.Errorf("%s: %v, want %v", what, got, want)
	}
}

// now is the time of the harness's clock.
func (t *tester) now() time.Time {
	now, _ := t.Clock.Source()
	return now
}

func (t *tester) restart() { t.Store = t.Restart() }

// message makes a message of client "a" to one recipient through lane "l".
func (t *tester) message(changes ...func(*outbox.Message)) *outbox.Message {
	t.mu.Lock()
	t.count++
	n := t.count
	t.mu.Unlock()
	m := &outbox.Message{
		ID: uuid.Must(uuid.NewV7()), Client: "a", Source: "grpc", Priority: outbox.PriorityNormal,
		Accepted: t.now(), Expires: t.now().Add(5 * 24 * time.Hour),
		MessageID: fmt.Sprintf("<%d@example.com>", n), Subject: fmt.Sprint("Message ", n), From: "from@example.com",
		Chain:      []outbox.Hop{{Connection: "l", EnvelopeFrom: "bounce@example.com", Overlay: []byte("From: from@example.com\r\n")}},
		Recipients: []outbox.Recipient{{Address: fmt.Sprintf("to%d@example.com", n)}},
		Content:    fmt.Appendf(nil, "Subject: Message %d\r\n\r\nHello\r\n", n),
	}
	for _, change := range changes {
		change(m)
	}
	return m
}

func (t *tester) accept(changes ...func(*outbox.Message)) *outbox.Message {
	t.Helper()
	m := t.message(changes...)
	r, err := t.Store.Accept(t.Context(), m)
	t.ok(err)
	if r.ID != m.ID || r.Replayed {
		t.Fatalf("receipt %+v for message %s", r, m.ID)
	}
	return m
}

// acceptMany accepts n messages by many callers at a time, which share commits.
// Their order is not that of their numbers.
func (t *tester) acceptMany(n int, change func(i int, m *outbox.Message)) {
	t.Helper()
	numbers := make(chan int, n)
	for i := range n {
		numbers <- i
	}
	close(numbers)
	var all sync.WaitGroup
	for range 64 {
		all.Go(func() {
			for i := range numbers {
				if _, err := t.Store.Accept(t.Context(), t.message(func(m *outbox.Message) { change(i, m) })); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	all.Wait()
}

func client(name string) func(*outbox.Message) {
	return func(m *outbox.Message) { m.Client = name }
}

func lane(names ...string) func(*outbox.Message) {
	return func(m *outbox.Message) {
		m.Chain = nil
		for _, name := range names {
			m.Chain = append(m.Chain, outbox.Hop{Connection: name, EnvelopeFrom: name + "@example.com", Overlay: []byte("X-Hop: " + name + "\r\n")})
		}
	}
}

func priority(p outbox.Priority) func(*outbox.Message) {
	return func(m *outbox.Message) { m.Priority = p }
}

func key(k, print string) func(*outbox.Message) {
	return func(m *outbox.Message) { m.Key, m.Fingerprint = k, []byte(print) }
}

func recipients(n int) func(*outbox.Message) {
	return func(m *outbox.Message) {
		m.Recipients = nil
		for i := range n {
			m.Recipients = append(m.Recipients, outbox.Recipient{Address: fmt.Sprintf("r%d@example.com", i)})
		}
	}
}

func at(due time.Time) func(*outbox.Message) {
	return func(m *outbox.Message) { m.SendAt = due }
}

// claim claims due jobs of a lane.
func (t *tester) claim(lane string, limit int, rates ...outbox.Rate) outbox.Claimed {
	t.Helper()
	c, err := t.Store.Claim(t.Context(), outbox.Claim{Lane: lane, Limit: limit, Lease: time.Minute, Rates: rates})
	t.ok(err)
	return c
}

// one claims the only due job of a lane.
func (t *tester) one(lane string) outbox.Job {
	t.Helper()
	c := t.claim(lane, 10)
	if len(c.Jobs) != 1 {
		t.Fatalf("%d jobs are due on %s, want 1", len(c.Jobs), lane)
	}
	return c.Jobs[0]
}

func (t *tester) none(lane string) {
	t.Helper()
	if c := t.claim(lane, 10); len(c.Jobs) != 0 {
		t.Fatalf("%d jobs are due on %s, want none: %+v", len(c.Jobs), lane, c.Jobs[0])
	}
}

var (
	accepted = plugin.Outcome{Class: plugin.Accepted, Phase: plugin.PhaseContent, Code: 250, Enhanced: "2.0.0", Reply: "queued as 1"}
	refused  = plugin.Outcome{Class: plugin.Permanent, Blame: plugin.BlameRecipient, Phase: plugin.PhaseRecipient, Code: 550, Enhanced: "5.1.1", Reply: "no such user"}
	busy     = plugin.Outcome{Class: plugin.Temporary, Blame: plugin.BlameServer, Phase: plugin.PhaseMail, Code: 451, Reply: "try later", RetryAfter: time.Minute}
)

// report makes the report of a job all of whose recipients fared alike.
func (t *tester) report(j outbox.Job, next outbox.State, due time.Time) outbox.Report {
	r := outbox.Report{Token: j.Token, Started: t.now(), Duration: 5 * time.Millisecond}
	outcome := map[outbox.State]plugin.Outcome{outbox.Sent: accepted, outbox.Failed: refused}[next]
	if outcome.Class == plugin.ClassUnspecified {
		outcome = busy
	}
	for _, i := range j.Indexes {
		r.Results = append(r.Results, outbox.Result{Index: i, Outcome: outcome, Next: next, Due: due, Hop: j.Hop})
	}
	return r
}

func (t *tester) record(j outbox.Job, next outbox.State, due time.Time) {
	t.Helper()
	t.ok(t.Store.Record(t.Context(), t.report(j, next, due)))
}

// sent claims what is due on a lane and delivers it.
func (t *tester) sent(lane string) {
	t.Helper()
	for _, j := range t.claim(lane, 1000).Jobs {
		t.record(j, outbox.Sent, time.Time{})
	}
}

func (t *tester) view(id uuid.UUID) *outbox.View {
	t.Helper()
	v, err := t.Store.Get(t.Context(), "", id)
	t.ok(err)
	return v
}

// state checks the states of a message's recipients.
func (t *tester) state(id uuid.UUID, want ...outbox.State) {
	t.Helper()
	var got []outbox.State
	for _, r := range t.view(id).Recipients {
		got = append(got, r.State)
	}
	if !slices.Equal(got, want) {
		t.Errorf("recipients are %v, want %v", got, want)
	}
}

func (t *tester) events(id uuid.UUID) []outbox.Event {
	t.Helper()
	events, err := t.Store.Events(t.Context(), outbox.EventFilter{Message: id})
	t.ok(err)
	return events
}

// told checks the types of a message's events in their order.
func (t *tester) told(id uuid.UUID, want ...outbox.EventType) {
	t.Helper()
	var got []outbox.EventType
	for _, e := range t.events(id) {
		got = append(got, e.Type)
	}
	if !slices.Equal(got, want) {
		t.Errorf("events are %v, want %v", got, want)
	}
}

func (t *tester) sweep() {
	t.Helper()
	for {
		more, err := t.Store.Sweep(t.Context())
		t.ok(err)
		if !more {
			return
		}
	}
}

// text reads a job's content.
func (t *tester) text(j *outbox.Job) string {
	t.Helper()
	c, err := t.Store.Content(t.Context(), j)
	t.ok(err)
	return t.all(c)
}

func (t *tester) all(c outbox.Content) string {
	t.Helper()
	defer c.Close()
	text, err := io.ReadAll(io.NewSectionReader(c, 0, c.Size()))
	t.ok(err)
	if int64(len(text)) != c.Size() {
		t.Fatalf("%d bytes of %d", len(text), c.Size())
	}
	return string(text)
}

// handoff is a dispatcher that takes up to room jobs.
type handoff struct {
	mu    sync.Mutex
	room  int
	taken []outbox.Job
	wakes []string
	back  int
}

func (h *handoff) Reserve(string, int64) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.room == 0 {
		return false
	}
	h.room--
	return true
}

func (h *handoff) Take(j outbox.Job) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.taken = append(h.taken, j)
}

func (h *handoff) Return(string, int64) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.room++
	h.back++
}

func (h *handoff) Wake(lane string, _ time.Time) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.wakes = append(h.wakes, lane)
}

// take gives what was handed over since the last call.
func (h *handoff) take() []outbox.Job {
	h.mu.Lock()
	defer h.mu.Unlock()
	taken := h.taken
	h.taken = nil
	return taken
}

func (h *handoff) woken() []string {
	h.mu.Lock()
	defer h.mu.Unlock()
	wakes := h.wakes
	h.wakes = nil
	return wakes
}
