package dispatch

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/postilion-mail/postilion/internal/database"
	"github.com/postilion-mail/postilion/internal/outbox"
	"github.com/postilion-mail/postilion/internal/outbox/sqlite"
	"github.com/postilion-mail/postilion/plugin"
)

// durable is a dispatcher on the embedded store.
type durable struct {
	*rig
	t     testing.TB
	db    *database.DB
	store *sqlite.Store
}

func newDurable(t testing.TB, dir string) *durable {
	t.Helper()
	db, err := database.Open(t.Context(), database.Options{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	store, err := sqlite.Open(t.Context(), sqlite.Options{DB: db, MinFree: 1})
	if err != nil {
		t.Fatal(err)
	}
	r := &rig{t: t, conns: &fakeConnections{by: make(map[string]Connection)}}
	r.d = New(Options{Store: store, Connections: r.conns, SweepEvery: time.Second})
	return &durable{rig: r, t: t, db: db, store: store}
}

// finish stops everything, the store last.
func (d *durable) finish() {
	d.stop()
	if err := errors.Join(d.store.Close(), d.db.Close()); err != nil {
		d.t.Error(err)
	}
}

func (d *durable) accept(client string, recipients int, chain ...string) uuid.UUID {
	m := &outbox.Message{
		ID: uuid.Must(uuid.NewV7()), Client: client, Priority: outbox.PriorityNormal,
		Accepted: time.Now(), Expires: time.Now().Add(time.Hour), MessageID: "<x@example.org>",
		Content: []byte("Subject: x\r\n\r\nHello\r\n"),
	}
	for _, connection := range chain {
		m.Chain = append(m.Chain, outbox.Hop{Connection: connection, EnvelopeFrom: connection + "@example.org", Overlay: []byte("From: " + connection + "@example.org\r\n")})
	}
	for n := range recipients {
		m.Recipients = append(m.Recipients, outbox.Recipient{Address: fmt.Sprintf("r%d@example.org", n)})
	}
	if _, err := d.store.Accept(context.Background(), m); err != nil {
		d.t.Error(err)
	}
	return m.ID
}

// until waits for a condition, looked at after every change of the store.
func (d *durable) until(what string, holds func() bool) {
	d.t.Helper()
	deadline := time.After(3 * time.Minute)
	for {
		changed := d.store.Changed()
		if holds() {
			return
		}
		select {
		case <-changed:
		case <-time.After(100 * time.Millisecond): // what is not in the store
		case <-deadline:
			d.t.Fatalf("gave up waiting: %s", what)
		}
	}
}

func (d *durable) state(id uuid.UUID) outbox.State {
	v, err := d.store.Get(context.Background(), "", id)
	if err != nil {
		d.t.Fatal(err)
	}
	return v.Summary()
}

func (d *durable) count(s outbox.State) int64 {
	stats, err := d.store.Stats(context.Background())
	if err != nil {
		d.t.Fatal(err)
	}
	return stats.Recipients[s]
}

// Under load and over an orderly restart each recipient is sent exactly once,
// with the content and envelope of its hop.
func TestDurableExactlyOnce(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	const callers, each, recipients = 8, 12, 2
	var sent sync.Map
	check := func(connection string) deliverFunc {
		return func(ctx context.Context, d *plugin.Delivery, commit func() error) ([]plugin.Outcome, error) {
			want := "From: " + connection + "@example.org\r\nSubject: x\r\n\r\nHello\r\n"
			got := make([]byte, d.Size)
			if _, err := d.Content.ReadAt(got, 0); err != nil || string(got) != want || d.Envelope.From != connection+"@example.org" {
				t.Errorf("content %q from %q, error %v", got, d.Envelope.From, err)
			}
			outcomes, err := accept(ctx, d, commit)
			for _, r := range d.Envelope.Recipients {
				if _, twice := sent.LoadOrStore(d.ID+r.Address, true); twice && err == nil {
					t.Errorf("%s was sent twice to %s", d.ID, r.Address)
				}
			}
			return outcomes, err
		}
	}
	refuses := func(ctx context.Context, d *plugin.Delivery, commit func() error) ([]plugin.Outcome, error) {
		return nil, &plugin.DeliveryError{Outcome: refused}
	}
	var accepted sync.Map
	for round := range 2 {
		d := newDurable(t, dir)
		d.connect("a", check("a"))
		d.connect("dead", refuses)
		d.connect("b", check("b"))
		d.start()
		var all sync.WaitGroup
		for range callers {
			all.Go(func() {
				for n := range each {
					chain := []string{"a"}
					if n%2 == 0 {
						chain = []string{"dead", "b"}
					}
					accepted.Store(d.accept("c", recipients, chain...), true)
				}
			})
		}
		all.Wait()
		if round == 1 {
			d.until("all are sent", func() bool { return d.count(outbox.Sent) == 2*callers*each*recipients })
			accepted.Range(func(id, _ any) bool {
				events, err := d.store.Events(context.Background(), outbox.EventFilter{Message: id.(uuid.UUID), Types: []outbox.EventType{outbox.EventSent}, Limit: 10})
				if err != nil || len(events) != recipients {
					t.Errorf("%d terminal events of %v, error %v", len(events), id, err)
				}
				return true
			})
		}
		d.finish()
	}
}

// A wrong password survives a restart as a pause; configuring sends all.
func TestDurablePause(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	d := newDurable(t, dir)
	d.connect("a", always(badLogin))
	d.start()
	for range 10 {
		d.accept("c", 1, "a")
	}
	d.until("all are deferred", func() bool { return d.count(outbox.Deferred) == 10 })
	d.until("the pause is stored", func() bool {
		pauses, err := d.store.Pauses(context.Background())
		return err == nil && len(pauses) == 1
	})
	d.finish()

	d = newDurable(t, dir)
	d.connect("a", accept)
	d.start()
	d.until("the pause is loaded", func() bool { return len(d.d.Alarms()) == 1 })
	id := d.accept("c", 1, "a")
	d.until("a new one is put off", func() bool { return d.state(id) == outbox.Deferred })
	attempts, err := d.store.Attempts(context.Background(), id)
	if err != nil || len(attempts) != 0 {
		t.Errorf("putting off counts as %d attempts, error %v", len(attempts), err)
	}
	d.connect("a", accept)
	d.until("all are sent", func() bool { return d.count(outbox.Sent) == 11 })
	d.until("the pause is gone", func() bool {
		pauses, err := d.store.Pauses(context.Background())
		return err == nil && len(pauses) == 0 && len(d.d.Alarms()) == 0
	})
	d.finish()
}

// T30: what is being delivered cannot be cancelled, and ends as it would have.
func TestDurableCancelTooLate(t *testing.T) {
	t.Parallel()
	d := newDurable(t, t.TempDir())
	committed, finish := make(chan struct{}), make(chan struct{})
	d.connect("a", func(ctx context.Context, m *plugin.Delivery, commit func() error) ([]plugin.Outcome, error) {
		outcomes, err := accept(ctx, m, commit)
		close(committed)
		<-finish
		return outcomes, err
	})
	d.start()
	d.until("it runs", func() bool { return d.d.running.Load() })
	id := d.accept("c", 1, "a")
	<-committed
	if _, err := d.store.Cancel(context.Background(), "c", id); !errors.Is(err, outbox.ErrTooLate) {
		t.Errorf("cancelled after the point of no return: %v", err)
	}
	outcome, stop := d.d.Watch(id)
	defer stop()
	close(finish)
	select {
	case <-outcome:
	case <-time.After(time.Minute):
		t.Error("the outcome is not told")
	}
	if s := d.state(id); s != outbox.Sent {
		t.Errorf("state %s", s)
	}
	d.finish()
}

// T32, T23: crashes and mixed outcomes with the real store.
func TestDurableOutcomes(t *testing.T) {
	t.Parallel()
	d := newDurable(t, t.TempDir())
	var crashes atomic.Int32
	d.connect("a", func(ctx context.Context, m *plugin.Delivery, commit func() error) ([]plugin.Outcome, error) {
		if len(m.Envelope.Recipients) == 1 {
			crashes.Add(1)
			panic("boom")
		}
		return []plugin.Outcome{{Class: plugin.Accepted}, {Class: plugin.Permanent, Blame: plugin.BlameRecipient}}, nil
	}, func(c *Connection) { c.Schedule = []time.Duration{time.Millisecond} })
	d.start()
	poison, mixed := d.accept("c", 1, "a"), d.accept("c", 2, "a")
	d.until("the poison is held", func() bool { return d.state(poison) == outbox.Held })
	if n := crashes.Load(); n != crashLimit {
		t.Errorf("%d crashes", n)
	}
	d.until("the other is done", func() bool { return d.state(mixed).Terminal() })
	v, err := d.store.Get(context.Background(), "", mixed)
	if err != nil || v.Recipients[0].State != outbox.Sent || v.Recipients[1].State != outbox.Failed {
		t.Errorf("recipients %+v, error %v", v.Recipients, err)
	}
	d.finish()
}

// What exceeds a rate goes out when the rate opens again, by itself.
func TestDurableRates(t *testing.T) {
	t.Parallel()
	d := newDurable(t, t.TempDir())
	d.connect("a", accept, func(c *Connection) { c.Rates = []outbox.Rate{{Count: 2, Per: time.Second}} })
	d.start()
	began := time.Now()
	for range 6 {
		d.accept("c", 1, "a")
	}
	d.until("all are sent", func() bool { return d.count(outbox.Sent) == 6 })
	if took := time.Since(began); took < time.Second {
		t.Errorf("six went out in %v at two a second", took)
	}
	d.finish()
}
