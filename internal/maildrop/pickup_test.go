package maildrop

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/sys/unix"
)

// TestMain serves as the unprivileged writer of TestUnprivilegedWriter.
func TestMain(m *testing.M) {
	dir := os.Getenv("MAILDROP_TEST_WRITE")
	if dir == "" {
		os.Exit(m.Run())
	}
	d := &Drop{Key: NewKey(), Created: time.Unix(1, 0), Recipients: []string{"a@example.com"}, Content: []byte("x")}
	if _, err := os.ReadDir(dir); err == nil {
		fmt.Println("the directory can be listed")
		os.Exit(1)
	}
	if err := Write(dir, d, ""); err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	fmt.Print(d.Key)
}

// taker is the daemon of a test.
type taker struct {
	mu      sync.Mutex
	keys    []string
	uids    []uint32
	refused []string
	answer  func(*Drop) error
	later   error // of what is told of refusals
	log     strings.Builder
}

func (k *taker) submit(_ context.Context, uid uint32, d *Drop) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.keys = append(k.keys, d.Key)
	k.uids = append(k.uids, uid)
	if k.answer != nil {
		return k.answer(d)
	}
	return nil
}

func (k *taker) got() []string {
	k.mu.Lock()
	defer k.mu.Unlock()
	return slices.Clone(k.keys)
}

func start(t *testing.T, dir string, k *taker, change func(*Options)) *Pickup {
	t.Helper()
	o := Options{
		Dir: dir, Submit: k.submit, Log: slog.New(slog.NewTextHandler(&k.log, nil)),
		Refused: func(_ context.Context, _ uint32, d *Drop, err error) error {
			if _, gone := os.Stat(filepath.Join(dir, d.Key)); gone != nil {
				t.Error("a refusal is told after the drop was moved")
			}
			k.refused = append(k.refused, d.Key+": "+err.Error())
			return k.later
		},
	}
	if change != nil {
		change(&o)
	}
	p, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.Close() })
	return p
}

func drop(t testing.TB, dir string) *Drop {
	t.Helper()
	d := sample("Subject: x\n\ny")
	if err := Write(dir, d, ""); err != nil {
		t.Fatal(err)
	}
	return d
}

// scanAll scans until nothing is left for another turn.
func scanAll(t *testing.T, p *Pickup) (turns int) {
	t.Helper()
	for more := true; more; turns++ {
		var err error
		if _, more, err = p.scan(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	return turns
}

func TestPickup(t *testing.T) {
	t.Parallel()
	dir, k := shared(t), new(taker)
	p := start(t, dir, k, nil)
	d := drop(t, dir)
	scanAll(t, p)
	if got := k.got(); !slices.Equal(got, []string{d.Key}) || k.uids[0] != uint32(os.Getuid()) {
		t.Errorf("submitted %v of %v", got, k.uids)
	}
	if names := list(t, dir); !slices.Equal(names, []string{badName}) {
		t.Errorf("left: %v", names)
	}
}

func TestTemporaryRefusalWaits(t *testing.T) {
	t.Parallel()
	dir, k := shared(t), new(taker)
	synctest.Test(t, func(t *testing.T) {
		begin := time.Now()
		var at []time.Duration
		k.answer = func(*Drop) error {
			at = append(at, time.Since(begin))
			if len(at) < 12 {
				return errors.New("full")
			}
			return nil
		}
		p := start(t, dir, k, nil)
		d := drop(t, dir)
		ctx, stop := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- p.Run(ctx) }()
		time.Sleep(time.Hour)
		stop()
		if err := <-done; !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
		if len(at) != 12 {
			t.Fatalf("tried %d times, at %v", len(at), at)
		}
		for i, want := range []time.Duration{0, 1, 3, 7, 15, 31, 63, 127, 255, 511, 811, 1111} {
			if at[i] < want*time.Second || at[i] > (want+time.Duration(i)+1)*time.Second {
				t.Errorf("attempt %d after %v, want %ds", i+1, at[i], want)
			}
		}
		if _, err := os.Stat(filepath.Join(dir, d.Key)); !os.IsNotExist(err) {
			t.Error("still there")
		}
		p.Close()
	})
}

func TestRefusedDropDoesNotStopOthers(t *testing.T) {
	t.Parallel()
	dir, k := shared(t), new(taker)
	synctest.Test(t, func(t *testing.T) {
		poison := drop(t, dir)
		for range 20 {
			drop(t, dir)
		}
		accepted := 0
		k.answer = func(d *Drop) error {
			if d.Key == poison.Key {
				return errors.New("always fails")
			}
			accepted++
			return nil
		}
		p := start(t, dir, k, nil)
		ctx, stop := context.WithTimeout(t.Context(), 10*time.Second)
		defer stop()
		p.Run(ctx)
		if accepted != 20 {
			t.Errorf("%d of 20 accepted", accepted)
		}
		p.Close()
	})
}

func TestRefusalThatCannotBeToldYet(t *testing.T) {
	t.Parallel()
	dir, k := shared(t), new(taker)
	synctest.Test(t, func(t *testing.T) {
		d := drop(t, dir)
		k.answer = func(*Drop) error { return Permanent(errors.New("no")) }
		k.later = errors.New("not now")
		p := start(t, dir, k, nil)
		scanAll(t, p)
		if _, err := os.Stat(filepath.Join(dir, d.Key)); err != nil {
			t.Errorf("the drop does not wait: %v", err)
		}
		k.later = nil
		time.Sleep(firstRetry)
		scanAll(t, p)
		if _, err := os.Stat(filepath.Join(dir, badName, d.Key)); err != nil || len(k.refused) != 2 {
			t.Errorf("afterwards: %v, told %v", err, k.refused)
		}
		p.Close()
	})
}

func TestTemporaryRefusalEndsTheTurn(t *testing.T) {
	t.Parallel()
	dir, k := shared(t), new(taker)
	k.answer = func(*Drop) error { return errors.New("full") }
	for range 5 {
		drop(t, dir)
	}
	scanAll(t, start(t, dir, k, nil))
	if n := len(k.got()); n != 1 {
		t.Errorf("%d submitted to a daemon that is full", n)
	}
}

func TestRunPrunes(t *testing.T) {
	t.Parallel()
	dir, k := shared(t), new(taker)
	synctest.Test(t, func(t *testing.T) {
		for range 5 {
			if err := os.WriteFile(filepath.Join(dir, "junk"+NewKey()), nil, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		p := start(t, dir, k, func(o *Options) { o.MaxBad = 2 })
		ctx, stop := context.WithTimeout(t.Context(), 10*time.Second)
		defer stop()
		p.Run(ctx)
		if names := list(t, filepath.Join(dir, badName)); len(names) != 2 {
			t.Errorf("%d in bad", len(names))
		}
		p.Close()
	})
}

func TestPermanentRefusal(t *testing.T) {
	t.Parallel()
	dir, k := shared(t), new(taker)
	k.answer = func(*Drop) error { return fmt.Errorf("submit: %w", Permanent(errors.New("the sender may not"))) }
	p := start(t, dir, k, nil)
	d := drop(t, dir)
	scanAll(t, p)
	scanAll(t, p)
	if len(k.got()) != 1 || !slices.Equal(k.refused, []string{d.Key + ": submit: the sender may not"}) {
		t.Errorf("submitted %v, told of %v", k.got(), k.refused)
	}
	if _, err := os.Stat(filepath.Join(dir, badName, d.Key)); err != nil {
		t.Error(err)
	}
}

func TestCancelledSubmitIsNoRefusal(t *testing.T) {
	t.Parallel()
	dir, k := shared(t), new(taker)
	ctx, cancel := context.WithCancel(t.Context())
	k.answer = func(*Drop) error { cancel(); return ctx.Err() }
	p := start(t, dir, k, nil)
	d := drop(t, dir)
	if err := p.Run(ctx); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	if _, err := os.Stat(filepath.Join(dir, d.Key)); err != nil {
		t.Error(err)
	}
	// The next run has it at once.
	k.answer = nil
	scanAll(t, start(t, dir, k, nil))
	if len(k.got()) != 2 {
		t.Errorf("submitted %v", k.got())
	}
}

func TestUnprivilegedWriter(t *testing.T) {
	t.Parallel()
	if os.Getuid() != 0 {
		t.Log("only root can be another user")
		return
	}
	base, err := os.MkdirTemp("/tmp", "drop") // in reach of other users
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(base) })
	dir, exe := filepath.Join(base, "d"), filepath.Join(base, "writer")
	data, err := os.ReadFile("/proc/self/exe")
	if err == nil {
		err = os.WriteFile(exe, data, 0o755)
	}
	if err := errors.Join(err, os.Chmod(base, 0o755), Prepare(dir), os.Chown(dir, 0, 4321), os.Chmod(dir, dirMode)); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), exe)
	cmd.Env = []string{"MAILDROP_TEST_WRITE=" + dir}
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	var st unix.Stat_t
	if err := unix.Lstat(filepath.Join(dir, string(out)), &st); err != nil || st.Uid != 65534 || st.Gid != 4321 || st.Mode&0o7777 != 0o640 {
		t.Errorf("%v: owner %d, group %d, mode %o", err, st.Uid, st.Gid, st.Mode)
	}
	k := new(taker)
	scanAll(t, start(t, dir, k, nil))
	if !slices.Equal(k.uids, []uint32{65534}) {
		t.Errorf("identities %v", k.uids)
	}
}

func TestSweep(t *testing.T) {
	t.Parallel()
	dir := shared(t)
	p := start(t, dir, new(taker), nil)
	for name, age := range map[string]time.Duration{".old": 2 * tempLife, ".new": 0} {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		at := time.Now().Add(-age)
		if err := os.Chtimes(path, at, at); err != nil {
			t.Fatal(err)
		}
	}
	scanAll(t, p)
	if names := list(t, dir); !slices.Equal(names, []string{".new", badName}) {
		t.Errorf("left: %v", names)
	}
}

func TestKick(t *testing.T) {
	t.Parallel()
	dir, k := shared(t), new(taker)
	taken := make(chan string, 1)
	k.answer = func(d *Drop) error { taken <- d.Key; return nil }
	p := start(t, dir, k, func(o *Options) { o.Interval = time.Hour })
	done := make(chan error)
	ctx, stop := context.WithCancel(t.Context())
	go func() { done <- p.Run(ctx) }()
	for range 3 { // the first may be found without a kick
		d := drop(t, dir)
		p.Kick()
		p.Kick()
		select {
		case key := <-taken:
			if key != d.Key {
				t.Error(key)
			}
		case <-time.After(60 * time.Second):
			t.Fatal("not picked up")
		}
	}
	stop()
	<-done
}
