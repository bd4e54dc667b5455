package outboxtest

import (
	"slices"
	"strings"
	"time"

	"github.com/postilion-mail/postilion/internal/outbox"
	"github.com/postilion-mail/postilion/plugin"
)

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

// rateOverLanes: a client's rate holds for all its lanes together, the one of a
// lane for each.
func rateOverLanes(t *tester) {
	for _, name := range []string{"l", "l", "m", "m"} {
		t.accept(lane(name))
	}
	rate := outbox.Rate{Client: "a", Count: 3, Per: time.Hour}
	same(t, "in the first lane", len(t.claim("l", 10, rate).Jobs), 2)
	same(t, "in the second lane", len(t.claim("m", 10, rate).Jobs), 1)
	t.Clock.Advance(time.Hour)
	same(t, "in the next hour", len(t.claim("m", 10, rate).Jobs), 1)

	whole := outbox.Rate{Count: 1, Per: time.Hour}
	t.accept(lane("n"))
	t.accept(lane("o"))
	same(t, "of one lane", len(t.claim("n", 10, whole).Jobs), 1)
	same(t, "of another", len(t.claim("o", 10, whole).Jobs), 1)
}

// rateLeavesOthers: clients whose turn comes after one that may send no more
// are served in the same claim.
func rateLeavesOthers(t *tester) {
	for _, name := range []string{"a", "b", "c", "d"} {
		t.accept(client(name))
	}
	for _, per := range []time.Duration{time.Second, time.Hour} {
		var names []string
		for _, j := range t.claim("l", 3, outbox.Rate{Client: "a", Per: per}, outbox.Rate{Client: "b", Per: per}).Jobs {
			names = append(names, j.Client)
			t.ok(t.Store.Release(t.Context(), j.Token))
		}
		slices.Sort(names)
		same(t, "claimed", strings.Join(names, " "), "c d")
	}
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

// rateOfTheUntried: what was claimed and not tried does not count.
func rateOfTheUntried(t *tester) {
	rate := outbox.Rate{Count: 1, Per: time.Hour}
	t.accept()
	j := t.claim("l", 10, rate).Jobs[0]
	r := t.report(j, outbox.Deferred, t.now())
	r.Untried = true
	t.ok(t.Store.Record(t.Context(), r))
	again := t.claim("l", 10, rate).Jobs
	same(t, "claimed after an untried claim", len(again), 1)
	t.record(again[0], outbox.Deferred, t.now())
	same(t, "claimed after an attempt", len(t.claim("l", 10, rate).Jobs), 0)
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
