package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	postilionv1 "github.com/postilion-mail/postilion/proto/gen/postilion/v1"
)

// clocked are messages whose way from the call to the receiver is timed. It is
// safe for concurrent use.
type clocked struct {
	mu     sync.Mutex
	handed map[string]time.Time // by recipient
}

func newClocked() *clocked { return &clocked{handed: make(map[string]time.Time)} }

// to addresses a request to a recipient whose time begins now.
func (c *clocked) to(r *postilionv1.SendRequest, recipient string) *postilionv1.SendRequest {
	r.GetMessage().To[0].Address = recipient
	c.mu.Lock()
	defer c.mu.Unlock()
	c.handed[recipient] = time.Now()
	return r
}

// times waits until all have arrived and gives how long each took, in
// milliseconds.
func (b *bench) times(c *clocked, r *receiver, prefix string) series {
	c.mu.Lock()
	defer c.mu.Unlock()
	b.await("the messages for "+prefix+" arrived", func() bool { return len(r.arrivals(prefix)) >= len(c.handed) })
	var all series
	for recipient, at := range r.arrivals(prefix) {
		all = append(all, milliseconds(at.Sub(c.handed[recipient])))
	}
	return all
}

// blackHole is table f.
func blackHole(b *bench) *table {
	t := &table{
		Title: "f. Beside a dead connection",
		About: "Ten connections get messages in turn, 200 a second in all, over gRPC. The time is from the call to the arrival at the receiver, of nine of " +
			"them, while the tenth works, or leads to a server that accepts connections and never says a word.",
		columns: []string{"the tenth connection", "p50 ms", "p95 ms", "most ms"},
	}
	p95 := make(map[bool]float64)
	for _, dead := range []bool{false, true} {
		var all series
		for range b.repeats() {
			b.scope(func(b *bench) { all = append(all, b.tenConnections(dead)...) })
		}
		p95[dead] = all.quantile(0.95)
		t.row(map[bool]string{false: "works", true: "is a black hole"}[dead], figure(all.quantile(0.5)), figure(p95[dead]), figure(all.quantile(1)))
	}
	t.atMost("p95 beside the black hole against without", p95[true]/p95[false], 1.2, " times")
	t.atMost("p95 beside the black hole", p95[true], 2000, " ms")
	return t
}

// tenConnections gives the times of nine.
func (b *bench) tenConnections(dead bool) series {
	r := b.startReceiver(receiverOptions{chunking: true})
	var connections []*postilionv1.Connection
	for i := range 10 {
		connections = append(connections, relay(fmt.Sprintf("way%d", i), r.port))
	}
	if dead {
		connections[9] = relay("way9", b.startBlackHole())
	}
	d := b.startDaemon(connections...)
	client, c := d.client(b), newClocked()
	send := func(i int) error {
		request := letter(i, false)
		request.Connection = fmt.Sprintf("way%d", i%10)
		if i%10 == 9 {
			request.GetMessage().To[0].Address = fmt.Sprintf("tenth%d@example.net", i)
		} else {
			request = c.to(request, fmt.Sprintf("nine%d@example.net", i))
		}
		return byGRPC(client)(b.ctx, request)
	}
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	var sending errgroup.Group
	for i := range b.number(600, 100) {
		<-tick.C
		sending.Go(func() error { return send(i) })
	}
	b.fail(sending.Wait())
	return b.times(c, r, "nine")
}

// startBlackHole starts a server that reads and never answers.
func (b *bench) startBlackHole() int {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	b.fail(err)
	b.cleanup(func() { _ = listener.Close() })
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go func() {
				_, _ = io.Copy(io.Discard, conn)
				_ = conn.Close()
			}()
		}
	}()
	return listener.Addr().(*net.TCPAddr).Port
}

// burst is table g.
func burst(b *bench) *table {
	n := b.number(100_000, 3000)
	t := &table{
		Title: "g. Beside another client's burst",
		About: "One client hands over " + figure(float64(n)) + " messages by SendBatch as fast as it can, to the same connection through which another client " +
			"sends single messages, four a second. The time is from the call to the arrival of the single ones.",
		columns: []string{"", "p50 ms", "p95 ms", "most ms"},
	}
	b.scope(func(b *bench) {
		r := b.startReceiver(receiverOptions{chunking: true})
		d := b.startDaemon(relay("sink", r.port))
		created, err := d.admin(b).Admin.CreateClient(b.ctx, &postilionv1.CreateClientRequest{WithToken: true, Client: &postilionv1.Client{Name: "single"}})
		b.fail(err)
		single := b.dial(d.path("run", "postilion.sock"), created.GetToken())
		ctx, stop := context.WithCancel(b.ctx)
		defer stop()
		alone := b.singles(r, byGRPC(single), "alone", b.number(20, 4), ctx.Done())
		done, began := make(chan error, 1), time.Now()
		go func() {
			done <- batch(ctx, d.client(b), n, 1000, func(i int) *postilionv1.SendRequest { return letter(i, false) })
			stop()
		}()
		beside := b.singles(r, byGRPC(single), "beside", 10_000, ctx.Done())
		b.fail(<-done)
		accepted := time.Since(began)
		b.arrival(r, n)
		t.row("alone", figure(alone.quantile(0.5)), figure(alone.quantile(0.95)), figure(alone.quantile(1)))
		t.row("during the burst", figure(beside.quantile(0.5)), figure(beside.quantile(0.95)), figure(beside.quantile(1)))
		t.atMost("a single message during the burst, at most", beside.quantile(1), 2000, " ms")
		t.note("The burst was accepted in %.1f s (%s messages/s) and delivered after %.1f s.", accepted.Seconds(), figure(float64(n)/accepted.Seconds()), time.Since(began).Seconds())
	})
	return t
}

// singles sends four messages a second, n or until the channel is closed, and
// at least one.
func (b *bench) singles(r *receiver, send sender, name string, n int, until <-chan struct{}) series {
	c := newClocked()
	tick := time.NewTicker(250 * time.Millisecond)
	defer tick.Stop()
	for i := range n {
		request := c.to(letter(i, false), fmt.Sprintf("%s%d@example.net", strings.ToLower(name), i))
		b.fail(send(b.ctx, request))
		select {
		case <-until:
			return b.times(c, r, name)
		case <-tick.C:
		}
	}
	return b.times(c, r, name)
}
