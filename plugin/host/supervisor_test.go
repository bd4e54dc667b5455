package host

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/postilion-mail/postilion/plugin"
)

// quick starts again at once, and all the time.
func quick() Policy {
	return Policy{First: time.Millisecond, Longest: time.Millisecond, Limit: 1000, Drain: time.Minute}
}

func supervise(t *testing.T, o Options, policy Policy) *Plugin {
	t.Helper()
	p := Supervise(o, policy)
	t.Cleanup(func() { p.Stop(context.Background()) })
	return p
}

// untilReady waits over failures.
func untilReady(t *testing.T, p *Plugin) {
	t.Helper()
	await(t, "ready", func() bool { return p.Wait(t.Context()) == nil })
}

func TestRestartOpensAgain(t *testing.T) {
	t.Parallel()
	p := supervise(t, options(t, "good"), quick())
	untilReady(t, p)
	i := open1(t, p)
	first, err := deliver(t, i, "a@x")
	if err != nil {
		t.Fatal(err)
	}
	for to, want := range map[string]plugin.Class{"crash@x": plugin.Temporary, "crash-late@x": plugin.Unknown} {
		crashes := p.Status().Crashes
		if o, err := deliver(t, i, to); o.Class != want || !errors.Is(err, plugin.ErrCrashed) {
			t.Errorf("%s: %+v, error %v", to, o, err)
		}
		await(t, "the crash", func() bool { return p.Status().Crashes > crashes })
		untilReady(t, p)
		if next, err := deliver(t, i, "a@x"); err != nil || next.Class != plugin.Accepted || next.Reply == first.Reply {
			t.Errorf("after %s: %+v, error %v", to, next, err)
		}
	}
	if s := p.Status(); s.State != Ready || s.Starts != 3 || s.Crashes != 2 || s.PID == 0 || s.Reason != "" {
		t.Errorf("status %+v", s)
	}
	if err := i.Close(); err != nil {
		t.Error(err)
	}
}

func TestCrashLoopEndsAndRetryStartsAnew(t *testing.T) {
	t.Parallel()
	policy := quick()
	policy.Limit = 2
	p := supervise(t, options(t, "exits"), policy)
	failed := func() bool { return p.Status().State == Failed }
	await(t, "failed", failed)
	s := p.Status()
	if s.Starts != 3 || s.PID != 0 || !strings.Contains(s.Reason, "there is no licence") {
		t.Errorf("status %+v", s)
	}
	_, err := p.Open(t.Context(), plugin.Settings{})
	de := (*plugin.DeliveryError)(nil)
	if !errors.As(err, &de) || de.Outcome.Class != plugin.Temporary || de.Outcome.Blame != plugin.BlameConnection || !strings.Contains(err.Error(), "no licence") {
		t.Errorf("error %v", err)
	}
	p.Retry()
	await(t, "a further start", func() bool { return p.Status().Starts == 6 && failed() })
}

// A program that was changed while it ran is refused at its next start.
func TestChangedProgramIsNotStartedAgain(t *testing.T) {
	t.Parallel()
	o := options(t, "good")
	program, err := os.ReadFile(filepath.Join(o.Dir, o.File))
	if err != nil {
		t.Fatal(err)
	}
	o.Dir = t.TempDir()
	name := filepath.Join(o.Dir, o.File)
	if err := os.WriteFile(name, program, 0o700); err != nil {
		t.Fatal(err)
	}
	p := supervise(t, o, quick())
	untilReady(t, p)
	program[len(program)/2] ^= 1
	if err := os.WriteFile(name, program, 0o700); err != nil {
		t.Fatal(err)
	}
	i := open1(t, p)
	_, _ = deliver(t, i, "crash@x")
	await(t, "failed", func() bool { return p.Status().State == Failed })
	if s := p.Status(); s.Starts != 2 || !strings.Contains(s.Reason, "checksum") {
		t.Errorf("status %+v", s)
	}
	if o, err := deliver(t, i, "a@x"); o.Class != plugin.Temporary || err == nil {
		t.Errorf("%+v, error %v", o, err)
	}
}

func TestStopWaitsForDeliveries(t *testing.T) {
	t.Parallel()
	p := supervise(t, options(t, "good"), quick())
	untilReady(t, p)
	i := open1(t, p)
	committing, release := make(chan struct{}), make(chan struct{})
	type result struct {
		outcomes []plugin.Outcome
		err      error
	}
	delivered := make(chan result, 1)
	go func() {
		outcomes, err := i.Deliver(context.Background(), &plugin.Delivery{
			Envelope: plugin.Envelope{Recipients: []plugin.Recipient{{Address: "a@x"}}}, Content: strings.NewReader("x"), Size: 1,
		}, func() error { close(committing); <-release; return nil })
		delivered <- result{outcomes, err}
	}()
	<-committing
	stopped := make(chan struct{})
	go func() { p.Stop(context.Background()); close(stopped) }()
	await(t, "a refusal", func() bool { return p.Wait(t.Context()) != nil })
	if s := p.Status(); s.State != Ready {
		t.Errorf("state %s while a delivery is under way", s.State)
	}
	close(release)
	if r := <-delivered; r.err != nil || len(r.outcomes) != 1 || r.outcomes[0].Class != plugin.Accepted {
		t.Errorf("%+v", r)
	}
	<-stopped
	if s := p.Status(); s.State != Stopped || s.Crashes != 0 {
		t.Errorf("status %+v", s)
	}
}

// A stop that has no time left is no crash of the transport's.
func TestStopCutsOff(t *testing.T) {
	t.Parallel()
	p := supervise(t, options(t, "good"), quick())
	untilReady(t, p)
	i := open1(t, p)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := i.Deliver(t.Context(), &plugin.Delivery{
		Envelope: plugin.Envelope{Recipients: []plugin.Recipient{{Address: "wait@x"}}}, Content: strings.NewReader("x"), Size: 1,
	}, func() error { go p.Stop(ctx); return nil })
	if err == nil || errors.Is(err, plugin.ErrCrashed) {
		t.Errorf("error %v", err)
	}
}

// A plugin that does not end a call is replaced.
func TestHungPluginIsReplaced(t *testing.T) {
	t.Parallel()
	p := supervise(t, options(t, "good"), quick())
	untilReady(t, p)
	i, pid := open1(t, p), p.Status().PID
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	_, err := i.Deliver(ctx, &plugin.Delivery{
		Envelope: plugin.Envelope{Recipients: []plugin.Recipient{{Address: "hang@x"}}}, Content: strings.NewReader("x"), Size: 1,
	}, func() error { return nil })
	if !errors.Is(err, plugin.ErrHung) {
		t.Errorf("error %v", err)
	}
	await(t, "another process", func() bool { now := p.Status().PID; return now != 0 && now != pid })
	await(t, "the end of the old one", func() bool { return gone(pid) })
	if o, err := deliver(t, i, "a@x"); err != nil || o.Class != plugin.Accepted {
		t.Errorf("%+v, error %v", o, err)
	}
}

func TestBackoffGrows(t *testing.T) {
	t.Parallel()
	policy := Policy{}.withDefaults()
	for failures, want := range map[int]time.Duration{1: 500 * time.Millisecond, 2: time.Second, 4: 4 * time.Second, 7: 30 * time.Second, 1000: 30 * time.Second} {
		if got := policy.wait(failures); got < want*8/10 || got > want*12/10 {
			t.Errorf("after %d: %s, want about %s", failures, got, want)
		}
	}
}

// No t.Parallel: it counts what the whole process has open.
func TestCrashesLeaveNothing(t *testing.T) {
	o := smallOptions(t)
	o.WithoutTLS = true
	p := supervise(t, o, quick())
	untilReady(t, p)
	i := open1(t, p)
	crash := func() {
		crashes := p.Status().Crashes
		_, _ = deliver(t, i, "crash@x")
		await(t, "the crash", func() bool { return p.Status().Crashes > crashes })
		untilReady(t, p)
	}
	for range 5 { // until all is there that there is once
		crash()
	}
	before := use(t)
	for range cycles {
		crash()
	}
	if o, err := deliver(t, i, "a@x"); o.Class != plugin.Accepted {
		t.Errorf("%+v, error %v", o, err)
	}
	var now usage
	await(t, "the end of what the crashes left", func() bool {
		now = use(t)
		return now.goroutines <= before.goroutines+5 && now.files <= before.files+5 && now.threads <= before.threads+10
	})
	t.Logf("%+v before, %+v after %d crashes", before, now, cycles)
	if now.heap > before.heap+4<<20 {
		t.Errorf("the heap has grown from %d to %d octets", before.heap, now.heap)
	}
	if entries, err := os.ReadDir(o.RunDir); err != nil || len(entries) != 1 {
		t.Errorf("in the run dir: %v, error %v", entries, err)
	}
}

// usage is what this process uses.
type usage struct {
	goroutines, files, threads int
	heap, resident             int64 // octets
}

func use(t *testing.T) usage {
	t.Helper()
	runtime.GC()
	var memory runtime.MemStats
	runtime.ReadMemStats(&memory)
	u := usage{goroutines: runtime.NumGoroutine(), heap: int64(memory.HeapAlloc)}
	for path, count := range map[string]*int{"/proc/self/fd": &u.files, "/proc/self/task": &u.threads} {
		entries, err := os.ReadDir(path)
		if err != nil {
			t.Fatal(err)
		}
		*count = len(entries)
	}
	text, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		t.Fatal(err)
	}
	var pages int64
	_, _ = fmt.Sscan(strings.Fields(string(text))[1], &pages)
	u.resident = pages * int64(os.Getpagesize())
	return u
}
