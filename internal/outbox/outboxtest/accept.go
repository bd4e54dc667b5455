package outboxtest

import (
	"bytes"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/postilion-mail/postilion/internal/outbox"
	"github.com/postilion-mail/postilion/plugin"
)

func full(m *outbox.Message) {
	m.Source, m.Priority, m.Key, m.Fingerprint = "smtp", outbox.PriorityBulk, "key", []byte("print")
	m.Tags, m.Metadata = []string{"welcome", "x"}, map[string]string{"order": "7"}
	m.Subject, m.From = "Grüße\x00", "Ä <a@bücher.example>"
	m.Recipients = []outbox.Recipient{{Address: `"odd user"@Example.COM`, Notify: "NEVER"}, {Address: "zwei@bücher.example", Notify: "FAILURE,DELAY"}}
	m.EnvelopeID, m.Return, m.EightBit, m.UTF8Headers, m.Signed, m.Notify = "env 1", "HDRS", true, true, true, true
	m.Chain = []outbox.Hop{{Connection: "l", EnvelopeFrom: "one@example.com", Overlay: []byte("From: one@example.com\r\n")},
		{Connection: "m", Overlay: []byte("From: two@example.com\r\n")}}
}

// acceptKeepsAll looks at each field of a message after a restart.
func acceptKeepsAll(t *tester) {
	m := t.accept(full)
	t.restart()
	want := &outbox.View{
		Sequence: 1, ID: m.ID, Client: "a", Source: "smtp", Priority: outbox.PriorityBulk, Accepted: m.Accepted, Expires: m.Expires,
		MessageID: m.MessageID, Subject: m.Subject, From: m.From, Tags: m.Tags, Metadata: m.Metadata, Chain: m.Chain,
		Size: int64(len(m.Content)), ContentKept: true,
	}
	for _, r := range m.Recipients {
		want.Recipients = append(want.Recipients, outbox.RecipientView{Address: r.Address, State: outbox.Queued, Next: m.Accepted, Connection: "l", Changed: m.Accepted})
	}
	got := t.view(m.ID)
	got.Sequence = 1 // only its order counts
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("view (-want +got):\n%s", diff)
	}
	raw, err := t.Store.Raw(t.Context(), "a", m.ID)
	t.ok(err)
	same(t, "raw", t.all(raw), string(m.Chain[0].Overlay)+string(m.Content))
	_, err = t.Store.Raw(t.Context(), "b", m.ID)
	t.is("raw as another client", err, outbox.ErrNotFound)
	_, err = t.Store.Get(t.Context(), "b", m.ID)
	t.is("get as another client", err, outbox.ErrNotFound)
	_, err = t.Store.Get(t.Context(), "", t.message().ID)
	t.is("get of nothing", err, outbox.ErrNotFound)

	j := t.one("l")
	wantJob := outbox.Job{
		Token: j.Token, Message: m.ID, Client: "a", MessageID: m.MessageID, Lane: "l", Attempt: 1, Priority: outbox.PriorityBulk,
		Accepted: m.Accepted, Expires: m.Expires, Due: m.Accepted, Indexes: []int{0, 1}, Overlay: m.Chain[0].Overlay,
		Size: int64(len(m.Chain[0].Overlay) + len(m.Content)), EightBit: true, UTF8Header: true, Signed: true, Chain: []string{"l", "m"},
		Envelope: plugin.Envelope{From: "one@example.com", EnvelopeID: "env 1", Return: "HDRS", Recipients: []plugin.Recipient{
			{Address: `"odd user"@Example.COM`, Notify: "NEVER"}, {Address: "zwei@bücher.example", Notify: "FAILURE,DELAY"}}},
	}
	if diff := cmp.Diff(wantJob, j); diff != "" {
		t.Errorf("job (-want +got):\n%s", diff)
	}
	same(t, "content", t.text(&j), string(m.Chain[0].Overlay)+string(m.Content))
	e := t.events(m.ID)
	if len(e) != 1 || e[0].Type != outbox.EventAccepted || e[0].Recipient != -1 || e[0].Message != m.ID || e[0].Client != "a" || e[0].MessageID != m.MessageID {
		t.Errorf("events %+v", e)
	}
}

func acceptRefuses(t *tester) {
	for name, change := range map[string]func(*outbox.Message){
		"no client":     client(""),
		"no recipients": recipients(0),
		"no chain":      lane(),
		"bad priority":  priority(3),
	} {
		if _, err := t.Store.Accept(t.Context(), t.message(change)); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
	m := t.accept()
	if _, err := t.Store.Accept(t.Context(), m); err == nil {
		t.Error("an id was accepted twice")
	}
	s, err := t.Store.Stats(t.Context())
	t.ok(err)
	same(t, "queued", s.Recipients[outbox.Queued], 1)
}

// largeContent goes another way than small content.
func largeContent(t *tester) {
	body := bytes.Repeat([]byte("0123456789abcdef\r\n"), 40000) // 700 KiB
	big := func(m *outbox.Message) { m.Content = body }
	m, other := t.accept(big), t.accept(big, lane("m"))
	kept := t.accept(big, lane("k"), func(m *outbox.Message) { m.KeepContent = true })
	t.restart()
	j := t.one("l")
	same(t, "content", t.text(&j) == string(j.Overlay)+string(body), true)
	c, err := t.Store.Content(t.Context(), &j)
	t.ok(err)
	part := make([]byte, 20) // over the border of overlay and content
	_, err = c.ReadAt(part, int64(len(j.Overlay))-10)
	t.ok(err)
	t.ok(c.Close())
	same(t, "part", string(part), string(j.Overlay[len(j.Overlay)-10:])+string(body[:10]))
	t.record(j, outbox.Sent, time.Time{})
	t.sent("k")
	_, err = t.Store.Raw(t.Context(), "", m.ID)
	t.is("raw after the final state", err, outbox.ErrTooLate)
	same(t, "kept", t.view(m.ID).ContentKept, false)
	for _, m := range []*outbox.Message{other, kept} {
		raw, err := t.Store.Raw(t.Context(), "", m.ID)
		t.ok(err)
		same(t, "raw", t.all(raw) == string(m.Chain[0].Overlay)+string(body), true)
	}
	s, err := t.Store.Stats(t.Context())
	t.ok(err)
	same(t, "bytes", s.Bytes, int64(2*len(body)))
	// The same key again, with a large content that is then not needed.
	again := t.accept(big, key("k", "p"))
	r, err := t.Store.Accept(t.Context(), t.message(big, key("k", "p")))
	t.ok(err)
	same(t, "replayed", r.ID, again.ID)
	raw, err := t.Store.Raw(t.Context(), "", again.ID)
	t.ok(err)
	t.ok(raw.Close())
}

func keys(t *tester) {
	first := t.accept(key("k", "print"))
	for _, when := range []string{"at once", "after a restart", "after delivery"} {
		switch when {
		case "after a restart":
			t.restart()
		case "after delivery":
			t.sent("l")
		}
		want := outbox.Receipt{ID: first.ID, MessageID: first.MessageID, Accepted: first.Accepted, Replayed: true}
		r, err := t.Store.Accept(t.Context(), t.message(key("k", "print")))
		t.ok(err)
		if diff := cmp.Diff(want, r); diff != "" {
			t.Errorf("%s, receipt (-want +got):\n%s", when, diff)
		}
		r, err = t.Store.Lookup(t.Context(), "a", "k", []byte("print"))
		t.ok(err)
		if diff := cmp.Diff(want, r); diff != "" {
			t.Errorf("%s, lookup (-want +got):\n%s", when, diff)
		}
		_, err = t.Store.Accept(t.Context(), t.message(key("k", "other")))
		t.is(when+": another request", err, outbox.ErrKeyReused)
		_, err = t.Store.Lookup(t.Context(), "a", "k", []byte("other"))
		t.is(when+": lookup of another request", err, outbox.ErrKeyReused)
	}
	_, err := t.Store.Lookup(t.Context(), "b", "k", []byte("print"))
	t.is("another client's key", err, outbox.ErrNotFound)
	t.accept(key("k", "other"), client("b"))
	t.accept()
	t.accept() // no key is not a key
	list, _, err := t.Store.List(t.Context(), outbox.Filter{})
	t.ok(err)
	same(t, "messages", len(list), 4)
}

// keysInParallel: T27, a hundred callers with one key get one message; and so
// do duplicates beside other writes.
func keysInParallel(t *tester) {
	const callers = 100
	receipts := make([]outbox.Receipt, callers)
	errs := make([]error, callers)
	var all sync.WaitGroup
	for i := range callers {
		m := t.message(key("k", "print"))
		if i%4 == 3 {
			m = t.message(key("k", "other"))
		}
		all.Go(func() { receipts[i], errs[i] = t.Store.Accept(t.Context(), m) })
	}
	all.Wait()
	fresh := 0
	winner := slices.IndexFunc(receipts, func(r outbox.Receipt) bool { return !r.Replayed && r.MessageID != "" })
	if winner < 0 {
		t.Fatal("nobody was accepted")
	}
	for i, r := range receipts {
		switch {
		case (i%4 == 3) != (winner%4 == 3):
			t.is("another request", errs[i], outbox.ErrKeyReused)
			continue
		case errs[i] != nil:
			t.Errorf("caller %d: %v", i, errs[i])
		case r.ID != receipts[winner].ID:
			t.Errorf("caller %d got %s, another %s", i, r.ID, receipts[winner].ID)
		}
		if !r.Replayed {
			fresh++
		}
	}
	same(t, "not replayed", fresh, 1)
	same(t, "jobs", len(t.claim("l", 10).Jobs), 1)
}

// keyLife: a key lives as long as its message, and 24 hours.
func keyLife(t *tester) {
	first := t.accept(key("k", "print"))
	t.Clock.Advance(3 * 24 * time.Hour)
	r, err := t.Store.Accept(t.Context(), t.message(key("k", "print")))
	t.ok(err)
	same(t, "while it waits", r.ID, first.ID)
	t.sent("l")
	t.Clock.Advance(24*time.Hour - time.Second)
	r, err = t.Store.Accept(t.Context(), t.message(key("k", "print")))
	t.ok(err)
	same(t, "a day later", r.ID, first.ID)
	t.Clock.Advance(2 * time.Second)
	_, err = t.Store.Lookup(t.Context(), "a", "k", []byte("print"))
	t.is("when it is over", err, outbox.ErrNotFound)
	second := t.accept(key("k", "another request"))
	r, err = t.Store.Accept(t.Context(), t.message(key("k", "another request")))
	t.ok(err)
	same(t, "anew", r.ID, second.ID)
}

func limits(t *tester) {
	var first *outbox.Message
	for i := range LimitMessages {
		m := t.accept(client(Limited), key(fmt.Sprint("k", i), "p"))
		if i == 0 {
			first = m
		}
	}
	_, err := t.Store.Accept(t.Context(), t.message(client(Limited), key("new", "p")))
	t.is("one too many", err, outbox.ErrFull)
	r, err := t.Store.Accept(t.Context(), t.message(client(Limited), key("k0", "p")))
	t.ok(err)
	same(t, "a repetition at the limit", r.ID, first.ID)
	t.accept() // others are not concerned
	n, bytes, err := t.Store.Usage(t.Context(), Limited)
	t.ok(err)
	same(t, "usage", n, LimitMessages)
	same(t, "usage", bytes > 0, true)
	t.sent("l")
	n, bytes, err = t.Store.Usage(t.Context(), Limited)
	t.ok(err)
	same(t, "usage at the end", n, 0)
	same(t, "usage at the end", bytes, 0)
	half := func(m *outbox.Message) { m.Content = make([]byte, LimitBytes/2+1) }
	t.accept(client(Limited), half)
	_, err = t.Store.Accept(t.Context(), t.message(client(Limited), half))
	t.is("too many bytes", err, outbox.ErrFull)

	// Of many at one time no more than the limit get in.
	t.sent("l")
	var all sync.WaitGroup
	errs := make([]error, 40)
	for i := range errs {
		m := t.message(client(Limited))
		all.Go(func() { _, errs[i] = t.Store.Accept(t.Context(), m) })
	}
	all.Wait()
	in := 0
	for _, err := range errs {
		if err == nil {
			in++
		} else {
			t.is("in parallel", err, outbox.ErrFull)
		}
	}
	same(t, "accepted in parallel", in, LimitMessages)
}
