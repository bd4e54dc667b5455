package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/postilion-mail/postilion/internal/clock"
	"github.com/postilion-mail/postilion/internal/database"
	"github.com/postilion-mail/postilion/internal/outbox"
	"github.com/postilion-mail/postilion/internal/outbox/sqlite"
	"github.com/postilion-mail/postilion/internal/registry"
	"github.com/postilion-mail/postilion/internal/secret"
	"github.com/postilion-mail/postilion/plugin"
)

// backlogged is what was measured with a number of messages queued.
type backlogged struct {
	ready, idle, peak series
	accept, deliver   series
}

// backlog is table d.
func backlog(b *bench) *table {
	t := &table{
		Title: "d. A long queue",
		About: "A daemon is started on an outbox with so many messages of 2 KiB waiting for a provider that is down. Then 16 callers of gRPC hand over more, " +
			"and when that is done the provider (`smtp-sink`) comes back and the queue drains. The queue is filled past the API, by the store's own Accept.",
		columns: []string{"queued", "accepted/s", "delivered/s", "ready ms", "memory (RSS) when ready MiB", "most MiB"},
	}
	sizes := []int{0, 100_000, 1_000_000}
	if b.quick {
		sizes = []int{0, 5000}
	}
	var all []backlogged
	for _, queued := range sizes {
		var m backlogged
		b.scope(func(b *bench) { b.queued(&m, queued) })
		all = append(all, m)
		t.row(figure(float64(queued)), m.accept.String(), m.deliver.String(), m.ready.String(), m.idle.String(), m.peak.String())
	}
	empty, full, name := all[0], all[len(all)-1], figure(float64(sizes[len(sizes)-1]))
	t.atLeast("accept rate with "+name+" queued against empty", full.accept.median()/empty.accept.median(), 0.8, " of it")
	t.atLeast("delivery rate with "+name+" queued against empty", full.deliver.median()/empty.deliver.median(), 0.8, " of it")
	t.atMost("memory with "+name+" queued", full.peak.median(), 200, " MiB")
	t.atMost("ready with "+name+" queued", full.ready.median(), 2000, " ms")
	return t
}

// queued measures with one length of the queue.
func (b *bench) queued(m *backlogged, queued int) {
	b.profiled = fmt.Sprintf("queued-%d", queued)
	port := b.freePort()
	d := b.installDaemon(relay("sink", port))
	n := b.number(5000, 400)
	for range b.repeats() {
		b.fail(fill(b.ctx, d.path("data"), queued))
		queued = 0 // it stays that long
		b.scope(func(b *bench) {
			b.launch(d)
			m.ready = append(m.ready, milliseconds(d.ready))
			time.Sleep(time.Second)
			m.idle = append(m.idle, d.memory(b, "VmRSS"))
			send := byGRPC(d.client(b))
			began := time.Now()
			_, err := each(b.ctx, n, lead, func(ctx context.Context, i int) error { return send(ctx, letter(i, false)) })
			b.fail(err)
			m.accept = append(m.accept, float64(n)/time.Since(began).Seconds())
			// Configure ends the pause that the daemon has made meanwhile.
			s := b.startSink(port)
			began = time.Now()
			b.configure(d, relay("sink", port), true)
			if err := s.await(b.ctx, n); err != nil {
				b.failf("%w\n%s", err, d.log)
			}
			m.deliver = append(m.deliver, float64(n)/time.Since(began).Seconds())
			m.peak = append(m.peak, d.memory(b, "VmHWM"))
		})
	}
}

// fill puts messages of owner's into the outbox of a daemon that does not run,
// and pauses the connection for an hour.
func fill(ctx context.Context, data string, n int) error {
	db, err := database.Open(ctx, database.Options{Dir: data})
	if err != nil {
		return err
	}
	defer db.Close()
	box, err := secret.Load(secret.Source{DataDir: data})
	if err != nil {
		return err
	}
	known, err := registry.Open(ctx, registry.Options{Database: db, Box: box})
	if err != nil {
		return err
	}
	client, found := known.ClientNamed(owner)
	if !found {
		return fmt.Errorf("there is no client %s", owner)
	}
	connection, err := known.Resolve(client.ID, "sink")
	if err != nil {
		return err
	}
	store, err := sqlite.Open(ctx, sqlite.Options{DB: db, Clock: clock.New(clock.System())})
	if err != nil {
		return err
	}
	defer store.Close()
	if _, err := each(ctx, n, 256, func(ctx context.Context, i int) error {
		_, err := store.Accept(ctx, waiting(client.ID, connection.ID, i))
		return err
	}); err != nil {
		return err
	}
	return store.SetPause(ctx, outbox.Pause{
		Lane: connection.ID, Since: time.Now(), Until: time.Now().Add(time.Hour), Strikes: 1,
		Outcome: plugin.Outcome{Class: plugin.Temporary, Blame: plugin.BlameConnection, Phase: plugin.PhaseConnect},
	})
}

// waiting is a message as the daemon stores it.
func waiting(client, connection string, i int) *outbox.Message {
	now := time.Now()
	return &outbox.Message{
		ID: uuid.Must(uuid.NewV7()), Client: client, Source: "grpc", Priority: outbox.PriorityNormal,
		Accepted: now, Expires: now.Add(5 * 24 * time.Hour), MessageID: fmt.Sprintf("<%d.%d@bench.example.com>", now.UnixNano(), i),
		Subject: "Your order", From: "from@example.com",
		Chain:      []outbox.Hop{{Connection: connection, EnvelopeFrom: "from@example.com", Overlay: []byte("From: The Shop <from@example.com>\r\n")}},
		Recipients: []outbox.Recipient{{Address: fmt.Sprintf("to%d@example.net", i)}},
		Content:    []byte("Subject: Your order\r\n\r\n" + strings.ReplaceAll(text(smallSize), "\n", "\r\n")),
	}
}
