package dispatch

import (
	"context"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/postilion-mail/postilion/internal/outbox"
)

// BenchmarkDispatch measures what the dispatcher adds to a message: from the
// hand-off to the report, with a store and a transport that do nothing.
func BenchmarkDispatch(b *testing.B) {
	r := newRig(b)
	r.connect("a", accept, func(c *Connection) { c.Concurrency = 20 })
	r.store.recorded = make(chan outbox.Report, 1)
	r.start()
	b.ReportAllocs()
	open := make(chan struct{}, 64)
	go func() {
		for range b.N {
			open <- struct{}{}
			r.store.accept(job("a"))
		}
	}()
	for range b.N {
		<-r.store.recorded
		<-open
	}
	b.StopTimer()
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "jobs/s")
	b.ReportMetric(float64(r.store.claims)/float64(b.N), "claims/job")
	r.stop()
}

// countingStore counts claims.
type countingStore struct {
	Store
	claims atomic.Int64
}

func (s *countingStore) Claim(ctx context.Context, c outbox.Claim) (outbox.Claimed, error) {
	s.claims.Add(1)
	return s.Store.Claim(ctx, c)
}

// BenchmarkDurable is the way of a message from Accept to its recorded
// outcome in the embedded store, with a transport that does nothing.
func BenchmarkDurable(b *testing.B) {
	d := newDurable(b, b.TempDir())
	counting := &countingStore{Store: d.store}
	d.d = New(Options{Store: counting, Connections: d.conns})
	d.connect("a", accept)
	d.start()
	var callers sync.WaitGroup
	for n := range 16 {
		callers.Go(func() {
			for m := n; m < b.N; m += 16 {
				d.accept("c", 1, "a")
			}
		})
	}
	callers.Wait()
	d.until("all are sent", func() bool { return d.count(outbox.Sent) == int64(b.N) })
	b.StopTimer()
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "messages/s")
	b.ReportMetric(float64(counting.claims.Load())/float64(b.N), "claims/message")
	d.finish()
}
