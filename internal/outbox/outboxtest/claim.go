package outboxtest

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/google/uuid"

	"github.com/postilion-mail/postilion/internal/outbox"
)

func sendAt(t *tester) {
	_, waits, err := t.Store.NextDue(t.Context(), "l")
	t.ok(err)
	same(t, "next of an empty lane", waits, false)
	later := t.accept(at(t.now().Add(time.Hour)))
	t.accept(at(t.now().Add(2 * time.Hour)))
	t.restart()
	next, waits, err := t.Store.NextDue(t.Context(), "l")
	t.ok(err)
	same(t, "waits", waits, true)
	same(t, "next", next, later.SendAt)
	t.none("l")
	t.Clock.Advance(time.Hour)
	same(t, "the first", t.one("l").Message, later.ID)
	next, _, err = t.Store.NextDue(t.Context(), "l")
	t.ok(err)
	same(t, "next", next, later.SendAt.Add(time.Hour))
	t.Clock.Advance(2 * time.Hour)
	t.one("l")
	_, waits, err = t.Store.NextDue(t.Context(), "l")
	t.ok(err)
	same(t, "next when all are claimed", waits, false)
}

// order: priorities, then the clients in turns, then the time.
func order(t *tester) {
	names := make(map[uuid.UUID]string)
	add := func(name string, changes ...func(*outbox.Message)) { names[t.accept(changes...).ID] = name }
	for i := 1; i <= 6; i++ {
		add(fmt.Sprint("bulk", i), priority(outbox.PriorityBulk))
	}
	for i := 1; i <= 4; i++ {
		add(fmt.Sprint("a", i))
	}
	for i := 1; i <= 2; i++ {
		add(fmt.Sprint("b", i), client("b"))
	}
	add("c1", client("c"))
	add("high", client("c"), priority(outbox.PriorityHigh))
	add("elsewhere", lane("m"))
	var got []string
	for _, limit := range []int{2, 1, 3, 100} {
		for _, j := range t.claim("l", limit).Jobs {
			got = append(got, names[j.Message])
		}
	}
	// Whose turn is first is free; that they take turns is not.
	if got[0] != "high" {
		t.Errorf("high priority is not first: %v", got)
	}
	first := slices.Clone(got[1:4])
	slices.Sort(first)
	if !slices.Equal(first, []string{"a1", "b1", "c1"}) {
		t.Errorf("first turns are %v", got[1:4])
	}
	second := slices.Clone(got[4:6])
	slices.Sort(second)
	if !slices.Equal(second, []string{"a2", "b2"}) || got[6] != "a3" || got[7] != "a4" {
		t.Errorf("next turns are %v", got[4:8])
	}
	if !slices.Equal(got[8:], []string{"bulk1", "bulk2", "bulk3", "bulk4", "bulk5", "bulk6"}) {
		t.Errorf("bulk is %v", got[8:])
	}
	// One claim gives turns, too.
	for i := range 30 {
		t.accept(client([]string{"a", "a", "a", "a", "b", "c"}[i%6]))
	}
	seen := ""
	for _, j := range t.claim("l", 15).Jobs {
		seen += j.Client
	}
	for i := 0; i < 15; i += 3 {
		if turn := seen[i : i+3]; !strings.Contains(turn, "a") || !strings.Contains(turn, "b") || !strings.Contains(turn, "c") {
			t.Errorf("turns are %s", seen)
		}
	}
}

func orderByDue(t *tester) {
	base := t.now()
	for _, minutes := range []int{5, 1, 4, 2, 3} {
		t.accept(at(base.Add(time.Duration(minutes) * time.Minute)))
	}
	t.Clock.Advance(time.Hour)
	var last time.Time
	for _, j := range t.claim("l", 10).Jobs {
		if j.Due.Before(last) {
			t.Errorf("%v after %v", j.Due, last)
		}
		last = j.Due
	}
}

func claimBytes(t *tester) {
	for range 5 {
		t.accept(func(m *outbox.Message) { m.Content = make([]byte, 1000) })
	}
	claim := func(bytes int64) int {
		c, err := t.Store.Claim(t.Context(), outbox.Claim{Lane: "l", Limit: 10, Bytes: bytes, Lease: time.Minute})
		t.ok(err)
		return len(c.Jobs)
	}
	same(t, "a bound below the first", claim(10), 1)
	same(t, "a bound of two and a half", claim(2600), 2)
	same(t, "the rest", claim(0), 2)
}

// twoClaimants never get the same job, nor miss one.
func twoClaimants(t *tester) {
	const n = 300
	t.acceptMany(n, func(i int, m *outbox.Message) { m.Client = fmt.Sprint("c", i%7) })
	var mu sync.Mutex
	seen := make(map[uuid.UUID]int)
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			for {
				c, err := t.Store.Claim(t.Context(), outbox.Claim{Lane: "l", Limit: 9, Lease: time.Minute})
				if err != nil {
					t.Error(err)
					return
				}
				if len(c.Jobs) == 0 {
					return
				}
				mu.Lock()
				for _, j := range c.Jobs {
					seen[j.Message]++
				}
				mu.Unlock()
			}
		})
	}
	all.Wait()
	same(t, "messages", len(seen), n)
	for id, times := range seen {
		if times != 1 {
			t.Errorf("%s was claimed %d times", id, times)
		}
	}
}

func handOff(t *tester) {
	h := &handoff{room: 2}
	t.Store.SetHandoff(h)
	m := t.accept(full, func(m *outbox.Message) { m.Key = "" })
	given := h.take()
	if len(given) != 1 || given[0].Message != m.ID || given[0].Attempt != 1 || given[0].Hop != 0 || len(given[0].Indexes) != 2 ||
		given[0].Envelope.From != "one@example.com" || given[0].Envelope.Recipients[1].Address != m.Recipients[1].Address ||
		!slices.Equal(given[0].Chain, []string{"l", "m"}) || given[0].Size != int64(len(m.Content)+len(m.Chain[0].Overlay)) {
		t.Fatalf("handed over: %+v", given)
	}
	same(t, "content", t.text(&given[0]), string(m.Chain[0].Overlay)+string(m.Content))
	t.state(m.ID, outbox.Sending, outbox.Sending)
	t.none("l")
	later := t.accept(at(t.now().Add(time.Minute)))
	held := t.accept(func(m *outbox.Message) { m.Hold = "first look" })
	t.state(held.ID, outbox.Held)
	if _, err := t.Store.Accept(t.Context(), m); err == nil {
		t.Error("an id was accepted twice")
	}
	same(t, "handed over of what does not go now", len(h.take()), 0)
	same(t, "room", h.room, 1)
	t.record(given[0], outbox.Sent, time.Time{})
	t.state(m.ID, outbox.Sent, outbox.Sent)
	t.Clock.Advance(time.Minute)
	same(t, "claimed", t.one("l").Message, later.ID)
	t.accept()
	same(t, "handed over", len(h.take()), 1)
	h.woken()
	t.accept() // no room
	same(t, "handed over without room", len(h.take()), 0)
	if wakes := h.woken(); !slices.Contains(wakes, "l") {
		t.Errorf("wakes %v", wakes)
	}
	// What was handed over and lost is recovered like any claim.
	t.restart()
	n, err := t.Store.Recover(t.Context())
	t.ok(err)
	same(t, "recovered", n, 2)
}

// handoffAfterBacklog: what waits on disk goes first.
func handoffAfterBacklog(t *tester) {
	h := &handoff{}
	t.Store.SetHandoff(h)
	for range 3 {
		t.accept()
	}
	h.room = 10
	t.accept()
	t.accept(client("b"))
	same(t, "handed over past the backlog", len(h.take()), 0)
	t.accept(lane("m"))
	t.accept(priority(outbox.PriorityHigh))
	same(t, "other lanes and higher priorities", len(h.take()), 2)
	same(t, "claimed", len(t.claim("l", 10).Jobs), 5)
	t.accept()
	same(t, "handed over when the backlog is gone", len(h.take()), 1)
}
