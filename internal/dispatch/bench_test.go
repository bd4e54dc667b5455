package dispatch

import (
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
