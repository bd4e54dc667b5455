package outboxtest

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/postilion-mail/postilion/internal/outbox"
)

type listed struct {
	f    outbox.Filter
	want []string // the messages' names
}

func list(t *tester) {
	names := make(map[uuid.UUID]string)
	add := func(name string, changes ...func(*outbox.Message)) *outbox.Message {
		m := t.accept(changes...)
		names[m.ID] = name
		t.Clock.Advance(time.Minute)
		return m
	}
	hold := func(m *outbox.Message) { m.Hold = "h" }
	tag := func(tags ...string) func(*outbox.Message) { return func(m *outbox.Message) { m.Tags = tags } }
	to := func(a string) func(*outbox.Message) {
		return func(m *outbox.Message) { m.Recipients = []outbox.Recipient{{Address: a}, {Address: "x@y.example"}} }
	}
	add("sent", lane("s"), tag("t1", "t2"))
	add("failed", lane("f"), to("Some@Example.COM"))
	first := add("deferred", lane("d"), client("b"))
	add("held", hold, tag("t1"))
	add("queued", to("other@example.com"))
	last := add("sending", lane("g"), client("b"), tag("t1"))
	t.sent("s")
	t.record(t.one("f"), outbox.Failed, time.Time{})
	t.record(t.one("d"), outbox.Deferred, t.now().Add(time.Hour))
	sending := t.one("g")
	cancelled := add("cancelled")
	_, err := t.Store.Cancel(t.Context(), "", cancelled.ID)
	t.ok(err)
	for _, c := range []listed{
		{outbox.Filter{}, []string{"cancelled", "sending", "queued", "held", "deferred", "failed", "sent"}},
		{outbox.Filter{Client: "b"}, []string{"sending", "deferred"}},
		{outbox.Filter{States: []outbox.State{outbox.Sent}}, []string{"sent"}},
		{outbox.Filter{States: []outbox.State{outbox.Failed}}, []string{"failed"}},
		{outbox.Filter{States: []outbox.State{outbox.Deferred}}, []string{"deferred"}},
		{outbox.Filter{States: []outbox.State{outbox.Held, outbox.Cancelled}}, []string{"cancelled", "held"}},
		{outbox.Filter{States: []outbox.State{outbox.Queued, outbox.Sending}}, []string{"sending", "queued"}},
		{outbox.Filter{States: []outbox.State{outbox.Queued, outbox.Sent}}, []string{"queued", "sent"}},
		{outbox.Filter{States: []outbox.State{outbox.Deferred}, Client: "a"}, nil},
		{outbox.Filter{Recipient: "Some@eXample.com"}, []string{"failed"}},
		{outbox.Filter{Recipient: "some@example.com"}, nil},
		{outbox.Filter{Recipient: "x@y.example"}, []string{"queued", "failed"}},
		{outbox.Filter{Tag: "t1"}, []string{"sending", "held", "sent"}},
		{outbox.Filter{Tag: "t1", Client: "a"}, []string{"held", "sent"}},
		{outbox.Filter{Connection: "g"}, []string{"sending"}},
		{outbox.Filter{Connection: "s"}, []string{"sent"}},
		{outbox.Filter{MessageID: first.MessageID}, []string{"deferred"}},
		{outbox.Filter{MessageID: "<none@example.com>"}, nil},
		{outbox.Filter{Since: first.Accepted, Until: last.Accepted}, []string{"queued", "held", "deferred"}},
	} {
		list, next, err := t.Store.List(t.Context(), c.f)
		t.ok(err)
		var got []string
		for _, v := range list {
			got = append(got, names[v.ID])
		}
		if !slices.Equal(got, c.want) || next != 0 {
			t.Errorf("%+v: %v, want %v; cursor %d", c.f, got, c.want, next)
		}
	}
	t.record(sending, outbox.Sent, time.Time{})
}

func listPages(t *tester) {
	var want []uuid.UUID
	for i := range 23 {
		m := t.accept(client([]string{"a", "b"}[i%2]), recipients(2))
		if i%2 == 0 {
			want = append(want, m.ID)
		}
	}
	slices.Reverse(want)
	for _, f := range []outbox.Filter{
		{Client: "a"}, {Client: "a", States: []outbox.State{outbox.Queued}}, {Client: "a", Recipient: "r1@example.com"}, {Client: "a", Connection: "l"},
	} {
		var got []uuid.UUID
		f.Limit = 5
		for calls := 0; ; calls++ {
			list, next, err := t.Store.List(t.Context(), f)
			t.ok(err)
			if len(list) > 5 || calls > 10 {
				t.Fatalf("%d messages in call %d", len(list), calls)
			}
			for _, v := range list {
				got = append(got, v.ID)
			}
			if next == 0 {
				break
			}
			f.Before = next
			t.accept(client("a"), recipients(2)) // newer ones do not disturb
		}
		if len(got) < len(want) || !slices.Equal(got[len(got)-len(want):], want) {
			t.Errorf("%+v: pages give %d messages, want %d", f, len(got), len(want))
		}
		seen := make(map[uuid.UUID]bool)
		for _, id := range got {
			if seen[id] {
				t.Errorf("%+v: twice", f)
			}
			seen[id] = true
		}
	}
}

func events(t *tester) {
	ctx := t.Context()
	after, err := t.Store.LastSequence(ctx)
	t.ok(err)
	same(t, "last of none", after, 0)
	changed := t.Store.Changed()
	m, other := t.accept(), t.accept(client("b"), lane("m"))
	t.changed(changed)
	changed = t.Store.Changed()
	t.sent("l")
	t.changed(changed)
	changed = t.Store.Changed()
	t.record(t.one("m"), outbox.Failed, time.Time{})
	t.changed(changed)
	last, err := t.Store.LastSequence(ctx)
	t.ok(err)
	for _, c := range []struct {
		f    outbox.EventFilter
		want string
	}{
		{outbox.EventFilter{}, "accepted accepted sent failed"},
		{outbox.EventFilter{Client: "a"}, "accepted sent"},
		{outbox.EventFilter{Message: other.ID}, "accepted failed"},
		{outbox.EventFilter{Message: other.ID, Client: "a"}, ""},
		{outbox.EventFilter{Types: []outbox.EventType{outbox.EventSent, outbox.EventFailed}}, "sent failed"},
		{outbox.EventFilter{Limit: 3}, "accepted accepted sent"},
		{outbox.EventFilter{After: last}, ""},
		{outbox.EventFilter{After: last - 1}, "failed"},
	} {
		got := ""
		list, err := t.Store.Events(ctx, c.f)
		t.ok(err)
		for i, e := range list {
			if i > 0 {
				got += " "
				if e.Sequence <= list[i-1].Sequence {
					t.Error("sequences do not grow")
				}
			}
			got += string(e.Type)
		}
		same(t, fmt.Sprintf("%+v", c.f), got, c.want)
	}
	e := t.events(m.ID)[1]
	want := outbox.Event{Sequence: e.Sequence, Time: t.now(), Type: outbox.EventSent, Client: "a", Message: m.ID, MessageID: m.MessageID,
		Address: m.Recipients[0].Address, Connection: "l", Attempt: 1, Outcome: accepted}
	same(t, "event", e, want)
	t.restart()
	again, err := t.Store.LastSequence(ctx)
	t.ok(err)
	same(t, "last after a restart", again, last)
	t.accept()
	newer, err := t.Store.Events(ctx, outbox.EventFilter{After: last})
	t.ok(err)
	same(t, "newer", len(newer), 1)
	follow(t)
}

// follow reads as clients do who follow their own events among many of others.
func follow(t *tester) {
	after := int64(0)
	for _, n := range []int{0, 2, 0, 1, 3} {
		for range n {
			t.accept(client("follower"))
			t.accept(client("b"))
		}
		for range 2 {
			list, err := t.Store.Events(t.Context(), outbox.EventFilter{Client: "follower", After: after})
			t.ok(err)
			same(t, "new events of a follower", len(list), n)
			n = 0
			if len(list) > 0 {
				after = list[len(list)-1].Sequence
			}
		}
	}
	all, err := t.Store.Events(t.Context(), outbox.EventFilter{Client: "follower"})
	t.ok(err)
	same(t, "events from the start", len(all), 6)
	page, err := t.Store.Events(t.Context(), outbox.EventFilter{Client: "follower", Limit: 4})
	t.ok(err)
	rest, err := t.Store.Events(t.Context(), outbox.EventFilter{Client: "follower", Limit: 4, After: page[3].Sequence})
	t.ok(err)
	same(t, "in pages", len(page)+len(rest), 6)
}

// changed waits for the word that there may be newer events.
func (t *tester) changed(c <-chan struct{}) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	select {
	case <-c:
	case <-ctx.Done():
		t.Fatal("nobody said that there are newer events")
	}
}

func stats(t *tester) {
	ctx := t.Context()
	check := func(when string, states map[outbox.State]int64, l outbox.LaneStats) {
		t.Helper()
		s, err := t.Store.Stats(ctx)
		t.ok(err)
		for state := outbox.Queued; state <= outbox.Suppressed; state++ {
			same(t, when+": "+state.String(), s.Recipients[state], states[state])
		}
		same(t, when+": lane", s.Lanes["l"], l)
	}
	check("empty", nil, outbox.LaneStats{})
	m := t.accept(recipients(3))
	t.accept(func(m *outbox.Message) { m.Hold = "h" })
	check("accepted", map[outbox.State]int64{outbox.Queued: 3, outbox.Held: 1}, outbox.LaneStats{Waiting: 1, Held: 1})
	j := t.one("l")
	check("claimed", map[outbox.State]int64{outbox.Sending: 3, outbox.Held: 1}, outbox.LaneStats{Claimed: 1, Held: 1})
	s, err := t.Store.Stats(ctx)
	t.ok(err)
	same(t, "oldest", s.Oldest, m.Accepted)
	r := t.report(j, outbox.Sent, time.Time{})
	r.Results[1].Next = outbox.Failed
	r.Results[2].Next, r.Results[2].Due = outbox.Deferred, t.now().Add(time.Hour)
	t.ok(t.Store.Record(ctx, r))
	want := map[outbox.State]int64{outbox.Sent: 1, outbox.Failed: 1, outbox.Deferred: 1, outbox.Held: 1}
	check("recorded", want, outbox.LaneStats{Waiting: 1, Held: 1})
	t.restart()
	check("after a restart", want, outbox.LaneStats{Waiting: 1, Held: 1})
	lanes, err := t.Store.Lanes(ctx)
	t.ok(err)
	same(t, "lanes", slices.Equal(lanes, []string{"l"}), true)
	t.Clock.Advance(time.Hour)
	t.sent("l")
	list, _, err := t.Store.List(ctx, outbox.Filter{States: []outbox.State{outbox.Held}})
	t.ok(err)
	_, err = t.Store.Cancel(ctx, "", list[0].ID)
	t.ok(err)
	check("at the end", map[outbox.State]int64{outbox.Sent: 2, outbox.Failed: 1, outbox.Cancelled: 1}, outbox.LaneStats{})
	lanes, err = t.Store.Lanes(ctx)
	t.ok(err)
	same(t, "lanes", len(lanes), 0)
	s, err = t.Store.Stats(ctx)
	t.ok(err)
	same(t, "oldest", s.Oldest.IsZero(), true)
	same(t, "bytes", s.Bytes, 0)
}

// purge: what is final is kept for its time, what waits for ever.
func purge(t *tester) {
	keep := func(m *outbox.Message) { m.KeepContent, m.Tags = true, []string{"t"} }
	old := t.accept(keep)
	waiting := t.accept(lane("m"), func(m *outbox.Message) { m.Expires = time.Time{} })
	t.sent("l")
	t.Clock.Advance(10 * 24 * time.Hour)
	young := t.accept(lane("y"))
	t.sent("y")
	t.sweep()
	t.state(old.ID, outbox.Sent)
	t.Clock.Advance(5 * 24 * time.Hour)
	t.sweep()
	_, err := t.Store.Get(t.Context(), "", old.ID)
	t.is("the old one", err, outbox.ErrNotFound)
	t.state(young.ID, outbox.Sent)
	t.state(waiting.ID, outbox.Queued)
	list, _, err := t.Store.List(t.Context(), outbox.Filter{Tag: "t"})
	t.ok(err)
	same(t, "by tag", len(list), 0)
	s, err := t.Store.Stats(t.Context())
	t.ok(err)
	same(t, "sent", s.Recipients[outbox.Sent], 1)
	same(t, "bytes", s.Bytes, int64(len(waiting.Content)))
	t.Clock.Advance(15 * 24 * time.Hour)
	t.sweep()
	t.sent("m")
	t.Clock.Advance(15 * 24 * time.Hour)
	t.sweep()
	left, err := t.Store.Events(t.Context(), outbox.EventFilter{})
	t.ok(err)
	same(t, "events", len(left), 0)
	last, err := t.Store.LastSequence(t.Context())
	t.ok(err)
	same(t, "sequences go on", last > 0, true)
}
