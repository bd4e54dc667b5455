package dispatch

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/postilion-mail/postilion/internal/clock"
	"github.com/postilion-mail/postilion/internal/database"
	"github.com/postilion-mail/postilion/internal/outbox"
	"github.com/postilion-mail/postilion/internal/outbox/sqlite"
	"github.com/postilion-mail/postilion/internal/provider"
)

// daily is a dispatcher with the limit of Gmail's preset, on a clock that runs
// and that the test turns ahead besides. (One that stands would also stop the
// moments for which lanes leave the store alone.)
type daily struct {
	*durable
	now func() time.Time
}

func turned(manual *clock.Manual) clock.Source {
	start := time.Now()
	return func() (time.Time, time.Duration) {
		wall, elapsed := manual.Source()
		ran := time.Since(start)
		return wall.Add(ran), elapsed + ran
	}
}

func newDaily(t *testing.T, dir string, source clock.Source) *daily {
	t.Helper()
	gmail, ok := provider.Get("gmail")
	if !ok || gmail.Limits.PerDay != 500 {
		t.Fatalf("the preset: %+v", gmail)
	}
	db, err := database.Open(t.Context(), database.Options{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	ahead := clock.New(source)
	store, err := sqlite.Open(t.Context(), sqlite.Options{DB: db, Clock: ahead, MinFree: 1})
	if err != nil {
		t.Fatal(err)
	}
	r := &rig{t: t, conns: &fakeConnections{by: make(map[string]Connection)}}
	r.d = New(Options{Store: store, Connections: r.conns, Now: ahead.Now, SweepEvery: time.Second})
	d := &daily{&durable{rig: r, t: t, db: db, store: store}, ahead.Now}
	d.connect("a", accept, func(c *Connection) {
		c.Rates = []outbox.Rate{{Count: int(gmail.Limits.PerDay), Per: 24 * time.Hour}}
	})
	d.start()
	return d
}

func (d *daily) accept(recipients int) uuid.UUID {
	d.t.Helper()
	m := &outbox.Message{
		ID: uuid.Must(uuid.NewV7()), Client: "c", Priority: outbox.PriorityNormal,
		Accepted: d.now(), Expires: d.now().Add(5 * 24 * time.Hour), MessageID: "<x@example.org>", Content: []byte("Subject: x\r\n\r\nHello\r\n"),
		Chain: []outbox.Hop{{Connection: "a", EnvelopeFrom: "a@example.org"}},
	}
	for n := range recipients {
		m.Recipients = append(m.Recipients, outbox.Recipient{Address: fmt.Sprintf("r%d@example.org", n)})
	}
	if _, err := d.store.Accept(d.t.(*testing.T).Context(), m); err != nil {
		d.t.Error(err)
	}
	return m.ID
}

// deferred wants a message to wait until a time, because of the limit.
func (d *daily) deferred(id uuid.UUID, until time.Time) {
	d.t.Helper()
	d.until("message over the limit is deferred", func() bool { return d.state(id) == outbox.Deferred })
	v, err := d.store.Get(d.t.(*testing.T).Context(), "", id)
	if err != nil {
		d.t.Fatal(err)
	}
	if next := v.Recipients[0].Next; !next.Equal(until) {
		d.t.Errorf("deferred until %v, not %v", next, until)
	}
	events, err := d.store.Events(d.t.(*testing.T).Context(), outbox.EventFilter{Message: id, Types: []outbox.EventType{outbox.EventDeferred}, Limit: 10})
	if err != nil || len(events) != 1 || !strings.Contains(events[0].Outcome.Reply, "500 recipients a day") {
		d.t.Errorf("events %+v, %v", events, err)
	}
	if n := d.count(outbox.Sent); n != 500 {
		d.t.Errorf("%d were sent", n)
	}
}

// Of a connection with Gmail's limit, what comes after 500 recipients of a day
// waits until the next one begins, over a restart, and goes out then and not before.
func TestDailyQuota(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	midnight := time.Date(2026, 11, 27, 0, 0, 0, 0, time.UTC)
	manual := clock.NewManual(midnight.Add(-9 * time.Hour))
	source := turned(manual)
	d := newDaily(t, dir, source)
	for range 20 {
		d.accept(25)
	}
	d.until("500 are sent", func() bool { return d.count(outbox.Sent) == 500 })
	over := []uuid.UUID{d.accept(1)}
	d.deferred(over[0], midnight)
	d.finish()

	manual.Advance(6 * time.Hour)
	d = newDaily(t, dir, source)
	d.deferred(over[0], midnight)
	manual.Advance(2 * time.Hour) // one before midnight
	// That the next one is deferred shows that the lane has asked the store
	// since, and got nothing.
	over = append(over, d.accept(1))
	d.deferred(over[1], midnight)
	d.deferred(over[0], midnight)
	manual.Advance(time.Hour)
	d.d.Configure("a") // looks at once; by itself it looks when its timer says so
	d.until("the new day has begun", func() bool { return d.count(outbox.Sent) == 502 })
	for _, id := range over {
		if s := d.state(id); s != outbox.Sent {
			t.Errorf("state %s", s)
		}
	}
	d.finish()
}
