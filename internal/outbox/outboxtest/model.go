package outboxtest

import (
	"errors"
	"math/rand/v2"
	"time"

	"github.com/google/uuid"

	"github.com/postilion-mail/postilion/internal/outbox"
)

// modelled is what the model knows of a message.
type modelled struct {
	message *outbox.Message
	states  []outbox.State
	ended   []int // terminal events, by recipient
	due     []time.Time
	gone    bool // the content
}

// modelTest makes random steps on a store and the same ones on a simple model,
// and compares all messages.
type modelTest struct {
	*tester
	random *rand.Rand
	all    []*modelled
	byID   map[uuid.UUID]*modelled
	held   []outbox.Job // claimed
}

func model(t *tester) {
	for seed := range uint64(3) {
		m := &modelTest{tester: t, random: rand.New(rand.NewPCG(seed, 1)), byID: make(map[uuid.UUID]*modelled)}
		for range 150 {
			m.step()
		}
		m.compare()
		m.drain()
		m.compare()
		for _, w := range m.all {
			for i, state := range w.states {
				if !state.Terminal() || w.ended[i] == 0 {
					t.Errorf("seed %d: recipient %d of %s ended as %s", seed, i, w.message.ID, state)
				}
			}
		}
		if t.Failed() {
			t.Fatalf("seed %d", seed)
		}
	}
}

func (m *modelTest) step() {
	switch n := m.random.IntN(100); {
	case n < 30:
		m.add()
	case n < 50:
		m.take()
	case n < 80:
		m.give()
	case n < 84:
		m.operate(func(id uuid.UUID) error { _, err := m.Store.Cancel(m.Context(), "", id); return err },
			m.cancellable, outbox.Cancelled)
	case n < 87:
		m.operate(func(id uuid.UUID) error { _, err := m.Store.Hold(m.Context(), "", id, "h"); return err },
			m.some(outbox.Queued, outbox.Deferred), outbox.Held, outbox.Queued, outbox.Deferred)
	case n < 91:
		m.operate(func(id uuid.UUID) error { _, err := m.Store.ReleaseHeld(m.Context(), "", id); return err },
			m.some(outbox.Held), outbox.Queued, outbox.Held)
	case n < 94:
		m.operate(func(id uuid.UUID) error { _, err := m.Store.Retry(m.Context(), "", id, 24*time.Hour); return err },
			m.retryable, outbox.Queued, outbox.Deferred, outbox.Failed, outbox.Expired)
	case n < 97:
		m.Clock.Advance(time.Duration(m.random.IntN(300)) * time.Second)
	case n < 98:
		m.untry()
	case n < 99:
		m.crash()
	default:
		m.compare()
	}
}

func (m *modelTest) add() {
	w := &modelled{message: m.accept(recipients(1+m.random.IntN(4)), lane("l", "m"), client(string(rune('a'+m.random.IntN(3)))),
		priority(outbox.Priority(m.random.IntN(3))), func(msg *outbox.Message) {
			msg.Expires = time.Time{}
			msg.KeepContent = m.random.IntN(2) == 0
		})}
	for range w.message.Recipients {
		w.states = append(w.states, outbox.Queued)
		w.ended = append(w.ended, 0)
		w.due = append(w.due, m.now())
	}
	m.all = append(m.all, w)
	m.byID[w.message.ID] = w
}

func (m *modelTest) take() {
	for _, lane := range []string{"l", "m"} {
		for _, j := range m.claim(lane, 1+m.random.IntN(4)).Jobs {
			w := m.byID[j.Message]
			for _, i := range j.Indexes {
				if s := w.states[i]; s != outbox.Queued && s != outbox.Deferred || w.due[i].After(m.now()) {
					m.Errorf("a recipient that is %s and due at %v was claimed at %v", s, w.due[i], m.now())
				}
				w.states[i] = outbox.Sending
			}
			// Leases do not end here: that is another test's.
			if _, err := m.Store.Extend(m.Context(), 10000*time.Hour, j.Token); err != nil {
				m.Error(err)
			}
			m.held = append(m.held, j)
		}
	}
}

// give reports a random end of a claim.
func (m *modelTest) give() {
	if len(m.held) == 0 {
		return
	}
	n := m.random.IntN(len(m.held))
	j := m.held[n]
	m.held = append(m.held[:n], m.held[n+1:]...)
	r := m.report(j, outbox.Sent, time.Time{})
	w := m.byID[j.Message]
	for k := range r.Results {
		x := &r.Results[k]
		x.Next = []outbox.State{outbox.Sent, outbox.Sent, outbox.Failed, outbox.Expired, outbox.Deferred, outbox.Deferred, outbox.Held}[m.random.IntN(7)]
		x.Hop, x.Due = m.random.IntN(2), m.now().Add(time.Duration(m.random.IntN(3))*time.Minute)
		w.set(x.Index, x.Next)
		w.due[x.Index] = x.Due
	}
	w.settle()
	m.ok(m.Store.Record(m.Context(), r))
}

func (w *modelled) set(i int, s outbox.State) {
	w.states[i] = s
	if s.Terminal() {
		w.ended[i]++
	}
}

// settle purges the content when all is final.
func (w *modelled) settle() {
	for _, s := range w.states {
		if !s.Terminal() {
			return
		}
	}
	w.gone = w.gone || !w.message.KeepContent
}

// untry releases all claims.
func (m *modelTest) untry() {
	for _, j := range m.held {
		m.ok(m.Store.Release(m.Context(), j.Token))
		m.requeue(j)
	}
	m.held = nil
}

func (m *modelTest) requeue(j outbox.Job) {
	w := m.byID[j.Message]
	for _, i := range j.Indexes {
		w.states[i] = outbox.Queued
	}
}

func (m *modelTest) crash() {
	m.restart()
	n, err := m.Store.Recover(m.Context())
	m.ok(err)
	same(m.tester, "recovered", n, len(m.held))
	for _, j := range m.held {
		m.requeue(j)
		w := m.byID[j.Message]
		for _, i := range j.Indexes {
			w.due[i] = m.now()
			if j.Crashes >= 4 {
				w.states[i] = outbox.Held
			}
		}
	}
	m.held = nil
}

// operate does something to a random message: if it may, recipients that are
// in one of the states from (all that are not final if there are none) go to
// the state to.
func (m *modelTest) operate(do func(uuid.UUID) error, may func(*modelled) bool, to outbox.State, from ...outbox.State) {
	if len(m.all) == 0 {
		return
	}
	w := m.all[m.random.IntN(len(m.all))]
	err := do(w.message.ID)
	if !may(w) {
		if !errors.Is(err, outbox.ErrTooLate) {
			m.Errorf("%v: error %v, want too late", w.states, err)
		}
		return
	}
	m.ok(err)
	for i, s := range w.states {
		in := len(from) == 0 && !s.Terminal()
		for _, f := range from {
			in = in || s == f && (!s.Terminal() || !w.gone)
		}
		if in {
			w.set(i, to)
			w.due[i] = m.now()
		}
	}
	w.settle()
}

func (m *modelTest) cancellable(w *modelled) bool {
	open := false
	for _, s := range w.states {
		if s == outbox.Sending {
			return false
		}
		open = open || !s.Terminal()
	}
	return open
}

func (m *modelTest) some(states ...outbox.State) func(*modelled) bool {
	return func(w *modelled) bool {
		for _, s := range w.states {
			for _, f := range states {
				if s == f {
					return true
				}
			}
		}
		return false
	}
}

func (m *modelTest) retryable(w *modelled) bool {
	return m.some(outbox.Deferred)(w) || !w.gone && m.some(outbox.Failed, outbox.Expired)(w)
}

func (m *modelTest) compare() {
	counts := make(map[outbox.State]int64)
	for _, w := range m.all {
		m.state(w.message.ID, w.states...)
		v := m.view(w.message.ID)
		same(m.tester, "content kept", v.ContentKept, !w.gone)
		ended := make([]int, len(w.states))
		for _, e := range m.tester.events(w.message.ID) {
			switch e.Type {
			case outbox.EventSent, outbox.EventFailed, outbox.EventExpired, outbox.EventCancelled:
				ended[e.Recipient]++
			}
		}
		for i := range ended {
			same(m.tester, "terminal events", ended[i], w.ended[i])
			counts[w.states[i]]++
		}
	}
	// Earlier seeds left only final recipients behind.
	s, err := m.Store.Stats(m.Context())
	m.ok(err)
	for state := outbox.Queued; state < outbox.Sent; state++ {
		same(m.tester, state.String(), s.Recipients[state], counts[state])
	}
}

// drain brings everything to an end.
func (m *modelTest) drain() {
	m.untry()
	for _, w := range m.all {
		if m.some(outbox.Held)(w) {
			m.operateOn(w)
		}
	}
	m.Clock.Advance(time.Hour)
	for {
		m.take()
		if len(m.held) == 0 {
			return
		}
		for _, j := range m.held {
			m.record(j, outbox.Sent, time.Time{})
			w := m.byID[j.Message]
			for _, i := range j.Indexes {
				w.set(i, outbox.Sent)
			}
			w.settle()
		}
		m.held = nil
	}
}

func (m *modelTest) operateOn(w *modelled) {
	_, err := m.Store.ReleaseHeld(m.Context(), "", w.message.ID)
	m.ok(err)
	for i, s := range w.states {
		if s == outbox.Held {
			w.states[i], w.due[i] = outbox.Queued, m.now()
		}
	}
}
