package sqlite_test

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/postilion-mail/postilion/internal/database"
	"github.com/postilion-mail/postilion/internal/outbox"
	"github.com/postilion-mail/postilion/internal/outbox/sqlite"
)

// TestKilled: T1, what was promised is there after a kill at any point of a
// commit.
func TestKilled(t *testing.T) {
	t.Parallel()
	for _, point := range []database.Point{database.PointBegin, database.PointCommit, database.PointCommitted} {
		for _, n := range []int{4, 9, 17, 23} {
			t.Run(fmt.Sprint(point, n), func(t *testing.T) {
				t.Parallel()
				dir := t.TempDir()
				cmd := child(t, fmt.Sprint("killed ", dir, " ", point, " ", n))
				out, err := cmd.Output()
				if status, ok := cmd.ProcessState.Sys().(syscall.WaitStatus); err == nil || !ok || status.Signal() != syscall.SIGKILL {
					t.Fatalf("the child ended by %v", err)
				}
				checkKilled(t, dir, out)
			})
		}
	}
}

// checkKilled compares what a child said with what is on disk.
func checkKilled(t *testing.T, dir string, said []byte) {
	t.Helper()
	r := start(t, options{dir: dir})
	if _, err := r.Recover(t.Context()); err != nil {
		t.Fatal(err)
	}
	promised := make(map[uuid.UUID]outbox.State)
	for lines := bufio.NewScanner(bytes.NewReader(said)); lines.Scan(); {
		word, id, _ := strings.Cut(lines.Text(), " ")
		promised[uuid.MustParse(id)] = map[string]outbox.State{"accepted": outbox.Queued, "sent": outbox.Sent}[word]
	}
	for id, state := range promised {
		v, err := r.Get(t.Context(), "", id)
		if err != nil {
			t.Errorf("%s was promised: %v", id, err)
			continue
		}
		if got := v.Summary(); got != state && state == outbox.Sent {
			t.Errorf("%s was recorded as sent and is %s", id, got)
		}
	}
	list, _, err := r.List(t.Context(), outbox.Filter{})
	if err != nil {
		t.Fatal(err)
	}
	if extra := len(list) - len(promised); extra < 0 || extra > 1 {
		t.Errorf("%d messages, %d promised", len(list), len(promised))
	}
	// A repetition of any of them makes no second message.
	for i := range list {
		if receipt, err := r.Accept(t.Context(), message(i, nil)); err != nil || !receipt.Replayed {
			t.Errorf("repetition of %d: %+v, %v", i, receipt, err)
		}
	}
	r.stop()
	verify(t, dir)
}

// TestFullDisk: T5.
func TestFullDisk(t *testing.T) {
	t.Parallel()
	cmd := child(t, "full "+t.TempDir())
	// Unshared, what the child mounts stays private to it.
	cmd.SysProcAttr = &syscall.SysProcAttr{Unshareflags: syscall.CLONE_NEWNS}
	if os.Getuid() != 0 {
		cmd.SysProcAttr.Cloneflags = syscall.CLONE_NEWUSER
		cmd.SysProcAttr.UidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getuid(), Size: 1}}
		cmd.SysProcAttr.GidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getgid(), Size: 1}}
	}
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	var promised int
	if _, err := fmt.Sscanf(string(out), "promised %d", &promised); err != nil || promised == 0 {
		t.Errorf("the child said %q", out)
	}
}

func TestDiskFloor(t *testing.T) {
	t.Parallel()
	r := start(t, options{store: sqlite.Options{MinFree: 1 << 60}})
	if _, err := r.Accept(t.Context(), message(1, nil)); !errors.Is(err, outbox.ErrFull) {
		t.Errorf("below the floor: %v", err)
	}
}

// TestLimitsOfAll: T26 for all clients together.
func TestLimitsOfAll(t *testing.T) {
	t.Parallel()
	r := start(t, options{store: sqlite.Options{MaxMessages: 3, MaxBytes: 1000}})
	for n, c := range []struct {
		size int
		want error
	}{{10, nil}, {2000, outbox.ErrFull}, {10, nil}, {985, outbox.ErrFull}, {10, nil}, {10, outbox.ErrFull}} {
		m := message(n, make([]byte, c.size))
		m.Client = fmt.Sprint("client ", n)
		if _, err := r.Accept(t.Context(), m); !errors.Is(err, c.want) {
			t.Errorf("message %d: %v, want %v", n, err, c.want)
		}
	}
}

// rig is a store whose commits can be made to fail, with a dispatcher that
// takes everything.
type rig struct {
	*run
	dir   string
	point atomic.Value // database.Point at which the next commit fails

	mu       sync.Mutex
	taken    []outbox.Job
	reserved int
}

func newRig(t *testing.T) *rig {
	r := &rig{dir: t.TempDir()}
	r.point.Store(database.Point(""))
	r.run = start(t, options{dir: r.dir, fault: func(p database.Point) error {
		if r.point.CompareAndSwap(p, database.Point("")) {
			return errors.New("input/output error")
		}
		return nil
	}})
	r.SetHandoff(r)
	return r
}

func (r *rig) Reserve(string, int64) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.reserved++
	return true
}

func (r *rig) Take(j outbox.Job) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.taken = append(r.taken, j)
}

func (r *rig) Return(string, int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.reserved--
}

func (r *rig) Wake(string, time.Time) {}

// open gives the reservations that were neither used nor returned.
func (r *rig) open() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.reserved - len(r.taken)
}

func (r *rig) check(t *testing.T) {
	t.Helper()
	if err := r.Health(); err != nil {
		t.Errorf("health %v", err)
	}
	if n := r.open(); n != 0 {
		t.Errorf("%d reservations are lost", n)
	}
	r.stop()
	verify(t, r.dir)
}

// TestAcceptFails: T4, with the commit lost and with it kept although it was
// reported as failed.
func TestAcceptFails(t *testing.T) {
	t.Parallel()
	for _, point := range []database.Point{database.PointBegin, database.PointCommit, database.PointCommitted} {
		for _, size := range []int{100, 200000} {
			t.Run(fmt.Sprint(point, size), func(t *testing.T) {
				t.Parallel()
				r := newRig(t)
				r.point.Store(point)
				m := message(1, make([]byte, size))
				if _, err := r.Accept(t.Context(), m); !errors.Is(err, outbox.ErrUnavailable) {
					t.Fatalf("accept: %v", err)
				}
				if len(r.taken) != 0 {
					t.Error("a message that was not promised was handed over")
				}
				// The caller repeats it, with a new id and the same key.
				receipt, err := r.Accept(t.Context(), message(1, make([]byte, size)))
				if err != nil {
					t.Fatal(err)
				}
				if kept := point == database.PointCommitted; receipt.Replayed != kept || kept && receipt.ID != m.ID {
					t.Errorf("receipt %+v", receipt)
				}
				// Handed over or claimed, it is there once, and whole.
				c, err := r.Claim(t.Context(), outbox.Claim{Lane: "l", Limit: 10, Lease: time.Minute})
				if err != nil {
					t.Fatal(err)
				}
				jobs := append(c.Jobs, r.taken...)
				if len(jobs) != 1 || jobs[0].Duplicate || jobs[0].Message != receipt.ID {
					t.Fatalf("jobs %+v", jobs)
				}
				content, err := r.Content(t.Context(), &jobs[0])
				if err != nil {
					t.Fatal(err)
				}
				content.Close()
				if err := r.Record(t.Context(), report(jobs[0], outbox.Sent)); err != nil {
					t.Error(err)
				}
				r.check(t)
			})
		}
	}
}

// TestRecordFails: an outcome is recorded once, however often it takes.
func TestRecordFails(t *testing.T) {
	t.Parallel()
	for _, point := range []database.Point{database.PointBegin, database.PointCommit, database.PointCommitted} {
		t.Run(string(point), func(t *testing.T) {
			t.Parallel()
			r := newRig(t)
			if _, err := r.Accept(t.Context(), message(1, nil)); err != nil {
				t.Fatal(err)
			}
			j := r.taken[0]
			r.point.Store(point)
			if err := r.Record(t.Context(), report(j, outbox.Sent)); !errors.Is(err, outbox.ErrUnavailable) {
				t.Fatalf("record: %v", err)
			}
			err := r.Record(t.Context(), report(j, outbox.Sent))
			if point == database.PointCommitted {
				if !errors.Is(err, outbox.ErrStaleToken) {
					t.Errorf("again, after it was kept: %v", err)
				}
			} else if err != nil {
				t.Errorf("again: %v", err)
			}
			events, err := r.Events(t.Context(), outbox.EventFilter{Types: []outbox.EventType{outbox.EventSent}})
			if err != nil || len(events) != 1 {
				t.Errorf("%d events of delivery, %v", len(events), err)
			}
			r.check(t)
		})
	}
}

// TestBadOneOfAGroup: a message that cannot be stored takes none of its group
// with it, nor their reservations.
func TestBadOneOfAGroup(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	first := message(0, nil)
	if _, err := r.Accept(t.Context(), first); err != nil {
		t.Fatal(err)
	}
	const n = 40
	var all sync.WaitGroup
	var failed atomic.Int32
	for i := 1; i <= n; i++ {
		m := message(i, nil)
		if i%4 == 0 {
			m.ID = first.ID // exists
		}
		all.Go(func() {
			if _, err := r.Accept(t.Context(), m); err != nil {
				failed.Add(1)
			}
		})
	}
	all.Wait()
	if failed.Load() != n/4 {
		t.Errorf("%d failed, want %d", failed.Load(), n/4)
	}
	if len(r.taken) != 1+n-n/4 {
		t.Errorf("%d were handed over", len(r.taken))
	}
	r.check(t)
}
