package outboxtest

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/google/uuid"

	"github.com/postilion-mail/postilion/internal/outbox"
	"github.com/postilion-mail/postilion/plugin"
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

// leases: T12.
func leases(t *tester) {
	m := t.accept()
	kept := t.accept(lane("m"))
	j, k := t.one("l"), t.one("m")
	t.Clock.Advance(50 * time.Second)
	stale, err := t.Store.Extend(t.Context(), time.Minute, k.Token, outbox.Token{Job: k.Token.Job, Epoch: k.Token.Epoch, Count: 99})
	t.ok(err)
	if len(stale) != 1 || stale[0].Count != 99 {
		t.Errorf("stale %v", stale)
	}
	t.sweep()
	t.state(m.ID, outbox.Sending)
	t.Clock.Advance(20 * time.Second)
	t.sweep()
	t.state(m.ID, outbox.Queued)
	t.state(kept.ID, outbox.Sending)
	t.is("a late report", t.Store.Record(t.Context(), t.report(j, outbox.Sent, time.Time{})), outbox.ErrStaleToken)
	again := t.one("l")
	same(t, "attempt", again.Attempt, 2)
	same(t, "duplicate", again.Duplicate, true)
	t.is("a late report while it is tried again", t.Store.Record(t.Context(), t.report(j, outbox.Sent, time.Time{})), outbox.ErrStaleToken)
	stale, err = t.Store.Extend(t.Context(), time.Minute, j.Token)
	t.ok(err)
	same(t, "stale", len(stale), 1)
	t.record(again, outbox.Sent, time.Time{})
	t.told(m.ID, outbox.EventAccepted, outbox.EventDeferred, outbox.EventSent)
	t.record(k, outbox.Sent, time.Time{})
	// A step of the wall clock ends no lease.
	t.accept()
	j = t.one("l")
	t.Clock.Jump(72 * time.Hour)
	t.sweep()
	t.record(j, outbox.Sent, time.Time{})
}

// crashIsUnknown: T8, T9.
func crashIsUnknown(t *tester) {
	m := t.accept(recipients(3), lane("l", "m"))
	j := t.one("l")
	r := t.report(j, outbox.Deferred, t.now().Add(time.Minute))
	r.Results[0].Next, r.Results[0].Outcome = outbox.Sent, accepted
	t.ok(t.Store.Record(t.Context(), r))
	t.Clock.Advance(time.Minute)
	j = t.one("l")
	t.restart()
	t.none("l")
	n, err := t.Store.Recover(t.Context())
	t.ok(err)
	same(t, "recovered", n, 1)
	n, err = t.Store.Recover(t.Context())
	t.ok(err)
	same(t, "recovered again", n, 0)
	t.state(m.ID, outbox.Sent, outbox.Queued, outbox.Queued)
	v := t.view(m.ID)
	if o := v.Recipients[1].Outcome; o.Class != plugin.Unknown || !o.Inferred || !v.Recipients[1].Duplicate || v.Recipients[0].Duplicate || v.Recipients[1].Attempts != 2 {
		t.Errorf("after the crash: %+v", v.Recipients)
	}
	t.is("a report of the dead run", t.Store.Record(t.Context(), t.report(j, outbox.Sent, time.Time{})), outbox.ErrStaleToken)
	j = t.one("l")
	if j.Attempt != 3 || j.Crashes != 1 || !j.Duplicate || j.MessageID != m.MessageID || !slices.Equal(j.Indexes, []int{1, 2}) {
		t.Errorf("job %+v", j)
	}
	t.record(j, outbox.Sent, time.Time{})
	t.state(m.ID, outbox.Sent, outbox.Sent, outbox.Sent)
	attempts, err := t.Store.Attempts(t.Context(), m.ID)
	t.ok(err)
	unknown := 0
	for _, a := range attempts {
		if a.Outcome.Class == plugin.Unknown {
			unknown++
		}
	}
	same(t, "attempts", len(attempts), 3+2+2)
	same(t, "unknown attempts", unknown, 2)
}

// crashesHold: T32, by the crash of the daemon and as reported of a transport.
func crashesHold(t *tester) {
	m, fine := t.accept(), t.accept(lane("m"))
	for i := range 5 {
		j := t.one("l")
		same(t, "crashes", j.Crashes, i)
		t.restart()
		_, err := t.Store.Recover(t.Context())
		t.ok(err)
	}
	t.none("l")
	t.state(m.ID, outbox.Held)
	v := t.view(m.ID)
	if !strings.Contains(v.Recipients[0].Reason, "crash") {
		t.Errorf("reason %q", v.Recipients[0].Reason)
	}
	j := t.one("m")
	same(t, "the other message", j.Message, fine.ID)
	for i := range 3 {
		r := t.report(j, outbox.Deferred, t.now())
		r.Crashed = true
		t.ok(t.Store.Record(t.Context(), r))
		j = t.one("m")
		same(t, "reported crashes", j.Crashes, i+1)
	}
	t.record(j, outbox.Deferred, t.now())
	same(t, "crashes after another outcome", t.one("m").Crashes, 0)
	_, err := t.Store.ReleaseHeld(t.Context(), "a", m.ID)
	t.ok(err)
	same(t, "crashes after a release", t.one("l").Crashes, 0)
}

func release(t *tester) {
	a, b := t.accept(), t.accept()
	jobs := t.claim("l", 10, outbox.Rate{Count: 2, Per: time.Hour}).Jobs
	same(t, "claimed", len(jobs), 2)
	t.ok(t.Store.Release(t.Context(), jobs[0].Token, jobs[1].Token, outbox.Token{Job: 99, Epoch: 1, Count: 1}))
	t.state(a.ID, outbox.Queued)
	t.state(b.ID, outbox.Queued)
	t.is("a report after the release", t.Store.Record(t.Context(), t.report(jobs[0], outbox.Sent, time.Time{})), outbox.ErrStaleToken)
	again := t.claim("l", 10, outbox.Rate{Count: 2, Per: time.Hour}).Jobs
	same(t, "claimed again, as the rate was given back", len(again), 2)
	same(t, "attempt", again[0].Attempt, 1)
	t.ok(t.Store.Release(t.Context(), jobs[0].Token)) // stale
	t.state(a.ID, outbox.Sending)
}

// rateOfADay: a quota waits for the next day, also over a restart.
func rateOfADay(t *tester) {
	rate := outbox.Rate{Count: 5, Per: 24 * time.Hour}
	var all []*outbox.Message
	for range 7 {
		all = append(all, t.accept())
	}
	c := t.claim("l", 4, rate)
	same(t, "claimed", len(c.Jobs), 4)
	for _, j := range c.Jobs {
		t.record(j, outbox.Sent, time.Time{})
	}
	t.restart()
	c = t.claim("l", 10, rate)
	same(t, "claimed after the restart", len(c.Jobs), 1)
	same(t, "deferred", c.Deferred, 2)
	midnight := time.Date(2026, 3, 5, 0, 0, 0, 0, time.UTC)
	same(t, "opens", c.Limited, midnight)
	t.record(c.Jobs[0], outbox.Sent, time.Time{})
	last := all[6]
	t.state(last.ID, outbox.Deferred)
	r := t.view(last.ID).Recipients[0]
	same(t, "next", r.Next, midnight)
	same(t, "blame", r.Outcome.Blame, plugin.BlameLimit)
	same(t, "reply", r.Outcome.Reply, "limit of 5 recipients a day is used up")
	same(t, "attempts", r.Attempts, 0)
	t.told(last.ID, outbox.EventAccepted, outbox.EventDeferred)
	t.restart()
	t.Clock.Advance(midnight.Sub(t.now()) - time.Second)
	same(t, "claimed too early", len(t.claim("l", 10, rate).Jobs), 0)
	next, _, err := t.Store.NextDue(t.Context(), "l")
	t.ok(err)
	same(t, "next due", next, midnight)
	t.Clock.Advance(time.Second)
	same(t, "claimed the next day", len(t.claim("l", 10, rate).Jobs), 2)
}

func rateOfASecond(t *tester) {
	rate := outbox.Rate{Count: 2, Per: time.Second}
	for range 5 {
		t.accept()
	}
	for _, want := range []int{2, 2, 1} {
		c := t.claim("l", 10, rate)
		same(t, "claimed in a second", len(c.Jobs), want)
		if want == 2 {
			same(t, "opens", c.Limited, t.now().Add(time.Second))
			same(t, "deferred", c.Deferred, 0)
			same(t, "claimed in the same second", len(t.claim("l", 10, rate).Jobs), 0)
		}
		t.Clock.Advance(time.Second)
	}
}

// rateOfAClient holds nobody else up.
func rateOfAClient(t *tester) {
	rates := []outbox.Rate{{Client: "a", Count: 1, Per: time.Hour}, {Count: 4, Per: time.Minute}}
	for range 3 {
		t.accept()
		t.accept(client("b"))
	}
	count := func(c outbox.Claimed) string {
		seen := ""
		for _, j := range c.Jobs {
			seen += j.Client
		}
		return seen
	}
	c := t.claim("l", 10, rates...)
	same(t, "a", strings.Count(count(c), "a"), 1)
	same(t, "b", strings.Count(count(c), "b"), 3)
	same(t, "deferred", c.Deferred, 2)
	same(t, "opens", c.Limited, time.Date(2026, 3, 4, 13, 0, 0, 0, time.UTC))
	t.accept(client("b"))
	c = t.claim("l", 10, rates...)
	same(t, "of the lane", count(c), "")
	same(t, "opens", c.Limited, t.now().Add(time.Minute))
}

// rateOfALargeMessage: a message that fits into no window goes in parts.
func rateOfALargeMessage(t *tester) {
	rate := outbox.Rate{Count: 4, Per: time.Hour}
	m := t.accept(recipients(10))
	var sizes []int
	for range 3 {
		c := t.claim("l", 10, rate)
		for _, j := range c.Jobs {
			sizes = append(sizes, len(j.Indexes))
			t.record(j, outbox.Sent, time.Time{})
		}
		t.Clock.Advance(time.Hour)
	}
	if !slices.Equal(sizes, []int{4, 4, 2}) {
		t.Errorf("parts %v", sizes)
	}
	v := t.view(m.ID)
	same(t, "summary", v.Summary(), outbox.Sent)
	same(t, "done", v.Done.IsZero(), false)
}

func rateInPages(t *tester) {
	t.acceptMany(1300, func(int, *outbox.Message) {})
	var pages []int
	for range 3 {
		pages = append(pages, t.claim("l", 10, outbox.Rate{Count: 0, Per: time.Hour}).Deferred)
	}
	if !slices.Equal(pages, []int{1000, 300, 0}) {
		t.Errorf("pages %v", pages)
	}
}
