package sqlite_test

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/postilion-mail/postilion/internal/clock"
	"github.com/postilion-mail/postilion/internal/database"
	"github.com/postilion-mail/postilion/internal/outbox"
	"github.com/postilion-mail/postilion/internal/outbox/sqlite"
	"github.com/postilion-mail/postilion/plugin"
)

// bench is a store that counts its commits and the processor's time.
type bench struct {
	*sqlite.Store
	b       *testing.B
	db      *database.DB
	commits atomic.Int64
	writes  atomic.Int64
	serial  atomic.Int64
	cpu     time.Duration
}

func newBench(b *testing.B) *bench {
	b.Helper()
	s := &bench{b: b}
	var err error
	s.db, err = database.Open(b.Context(), database.Options{Dir: b.TempDir(), Committed: func(n int, _ time.Duration) {
		s.commits.Add(1)
		s.writes.Add(int64(n))
	}})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { s.db.Close() })
	if s.Store, err = sqlite.Open(b.Context(), sqlite.Options{DB: s.db, Clock: clock.New(clock.System()), MinFree: 1}); err != nil {
		b.Fatal(err)
	}
	return s
}

func cpuTime() time.Duration {
	var u syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

func (s *bench) start() {
	s.commits.Store(0)
	s.writes.Store(0)
	s.cpu = cpuTime()
	s.b.ResetTimer()
}

func (s *bench) report() {
	s.b.StopTimer()
	s.b.ReportMetric(float64(s.writes.Load())/float64(max(s.commits.Load(), 1)), "writes/commit")
	s.b.ReportMetric(float64((cpuTime()-s.cpu).Microseconds())/float64(s.b.N), "cpu-us/op")
	s.b.ReportMetric(float64(s.b.N)/s.b.Elapsed().Seconds(), "msg/s")
}

var benchContent = []byte("Subject: A message\r\n\r\n" + string(make([]byte, 2048)))

func (s *bench) message() *outbox.Message {
	n := s.serial.Add(1)
	now := time.Now()
	return &outbox.Message{
		ID: uuid.Must(uuid.NewV7()), Client: "site", Source: "grpc", Priority: outbox.PriorityNormal, Accepted: now, Expires: now.Add(5 * 24 * time.Hour),
		MessageID: fmt.Sprintf("<%d.%d@example.com>", now.UnixNano(), n), Subject: "A message", From: "from@example.com",
		Chain:      []outbox.Hop{{Connection: "lane", EnvelopeFrom: "bounce@example.com", Overlay: []byte("From: from@example.com\r\n")}},
		Recipients: []outbox.Recipient{{Address: fmt.Sprintf("to%d@example.com", n)}},
		Content:    benchContent,
	}
}

// each runs fn b.N times by a number of callers.
func (s *bench) each(callers int, fn func() error) { s.times(s.b.N, callers, fn) }

func (s *bench) times(n, callers int, fn func() error) {
	var left atomic.Int64
	left.Store(int64(n))
	var all sync.WaitGroup
	for range callers {
		all.Go(func() {
			for left.Add(-1) >= 0 {
				if err := fn(); err != nil {
					s.b.Error(err)
					return
				}
			}
		})
	}
	all.Wait()
}

func (s *bench) accept() error {
	_, err := s.Accept(context.Background(), s.message())
	return err
}

func (s *bench) fill(n int) {
	s.b.Helper()
	s.b.StopTimer()
	s.times(n, 256, s.accept)
	s.b.StartTimer()
}

// BenchmarkOpen is a start on a long queue, until the first claim is answered.
func BenchmarkOpen(b *testing.B) {
	s := newBench(b)
	s.fill(100000)
	b.ResetTimer()
	for range b.N {
		s.Close()
		s.db.Close()
		var err error
		if s.db, err = database.Open(b.Context(), database.Options{Dir: s.db.Dir()}); err != nil {
			b.Fatal(err)
		}
		if s.Store, err = sqlite.Open(b.Context(), sqlite.Options{DB: s.db, MinFree: 1}); err != nil {
			b.Fatal(err)
		}
		if _, err := s.Recover(b.Context()); err != nil {
			b.Fatal(err)
		}
		c, err := s.Claim(b.Context(), outbox.Claim{Lane: "lane", Limit: 1, Lease: time.Hour})
		if err != nil || len(c.Jobs) != 1 {
			b.Fatal(c, err)
		}
	}
}

func BenchmarkAccept(b *testing.B) {
	for _, callers := range []int{1, 8, 64} {
		b.Run(fmt.Sprint("callers=", callers), func(b *testing.B) {
			s := newBench(b)
			s.start()
			s.each(callers, s.accept)
			s.report()
		})
	}
}

// chute records what it is handed, by some workers.
type chute struct {
	s    *bench
	jobs chan outbox.Job
}

func (c *chute) Reserve(string, int64) bool { return true }
func (c *chute) Take(j outbox.Job)          { c.jobs <- j }
func (c *chute) Return(string, int64)       {}
func (c *chute) Wake(string, time.Time)     {}

var benchOutcome = plugin.Outcome{Class: plugin.Accepted, Phase: plugin.PhaseContent, Code: 250, Enhanced: "2.0.0", Reply: "2.0.0 Ok: queued as 4Xyz"}

func (s *bench) record(j outbox.Job) error {
	return s.Record(context.Background(), outbox.Report{Token: j.Token, Started: time.Now(), Duration: time.Millisecond,
		Results: []outbox.Result{{Index: 0, Outcome: benchOutcome, Next: outbox.Sent}}})
}

// BenchmarkHandoff is the whole way of a message that never waits.
func BenchmarkHandoff(b *testing.B) {
	for _, queued := range []int{0, 100000} {
		b.Run(fmt.Sprint("queued=", queued), func(b *testing.B) {
			s := newBench(b)
			if queued > 0 {
				s.fill(queued)
				if _, err := s.HoldLane(b.Context(), "lane", "out of the way"); err != nil {
					b.Fatal(err)
				}
			}
			c := &chute{s: s, jobs: make(chan outbox.Job, b.N+1)}
			s.SetHandoff(c)
			var workers sync.WaitGroup
			s.start()
			for range 64 {
				workers.Go(func() {
					for j := range c.jobs {
						if err := s.record(j); err != nil {
							b.Error(err)
						}
					}
				})
			}
			s.each(64, s.accept)
			close(c.jobs)
			workers.Wait()
			s.report()
		})
	}
}

// BenchmarkBacklog is claiming and recording of what waits.
func BenchmarkBacklog(b *testing.B) {
	s := newBench(b)
	s.fill(b.N + 100000)
	s.start()
	jobs := make(chan outbox.Job, 256)
	var workers sync.WaitGroup
	for range 64 {
		workers.Go(func() {
			for j := range jobs {
				c, err := s.Content(context.Background(), &j)
				if err == nil {
					c.Close()
					err = s.record(j)
				}
				if err != nil {
					b.Error(err)
				}
			}
		})
	}
	for n := 0; n < b.N; {
		c, err := s.Claim(b.Context(), outbox.Claim{Lane: "lane", Limit: min(100, b.N-n), Lease: time.Hour})
		if err != nil {
			b.Fatal(err)
		}
		for _, j := range c.Jobs {
			jobs <- j
		}
		n += len(c.Jobs)
	}
	close(jobs)
	workers.Wait()
	s.report()
}

// BenchmarkLargeBeside compares the wait of small messages with and without a
// 25 MiB message in flight all the time.
func BenchmarkLargeBeside(b *testing.B) {
	for _, large := range []bool{false, true} {
		b.Run(fmt.Sprint("large=", large), func(b *testing.B) {
			s := newBench(b)
			ctx, stop := context.WithCancel(b.Context())
			var beside sync.WaitGroup
			content := make([]byte, 25<<20)
			s.start()
			if large {
				beside.Go(func() {
					for ctx.Err() == nil {
						m := s.message()
						m.Content = content
						if _, err := s.Accept(context.Background(), m); err != nil {
							b.Error(err)
						}
					}
				})
			}
			var mu sync.Mutex
			var waits []time.Duration
			s.each(8, func() error {
				begin := time.Now()
				err := s.accept()
				mu.Lock()
				waits = append(waits, time.Since(begin))
				mu.Unlock()
				return err
			})
			s.report()
			stop()
			beside.Wait()
			slices.Sort(waits)
			b.ReportMetric(float64(waits[len(waits)*99/100].Microseconds()), "p99-us")
		})
	}
}
