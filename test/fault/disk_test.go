package fault

import (
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/postilion-mail/postilion/internal/daemontest"
	"github.com/postilion-mail/postilion/internal/smtptest"
)

// inject makes system calls of the running daemon fail as strace's --inject
// says, until the function is called that it gives.
func (d *daemon) inject(t *testing.T, calls, how string) (end func()) {
	t.Helper()
	said, end := run(t, "strace", "-f", "-p", strconv.Itoa(d.PID()), "-o", "/dev/null", "-e", "trace="+calls, "-e", "inject="+calls+":"+how)
	daemontest.Await(t, "the daemon is traced", func() bool { return strings.Contains(said.String(), "attached") })
	return end
}

// healthz is what the HTTP face says.
func (d *daemon) healthz() int {
	answer, err := http.Get("http://" + d.HTTP + "/healthz")
	if err != nil {
		return 0
	}
	_ = answer.Body.Close()
	return answer.StatusCode
}

// T4 and T165: while the disk does not sync, nothing is promised and the daemon
// says that it is not ready. What was promised before is kept, and all goes on
// when the disk works.
func TestSyncFails(t *testing.T) {
	t.Parallel()
	need(t, "strace")
	provider := smtptest.Start(t, plain)
	d := start(t)
	d.deliverTo(provider)
	ids := make(map[string]string)
	provider.Stop()
	ids["before"] = d.send(letter("before", 0, "a@example.net"))
	ids["large before"] = d.send(letter("large before", 300_000, "a@example.net"))

	end := d.inject(t, "fsync,fdatasync", "error=EIO")
	for _, size := range []int{0, 300_000} { // in the database, and in a file
		if _, err := d.Send(d.ctx(), letter(fmt.Sprint("while ", size), size, "a@example.net")); status.Code(err) != codes.Unavailable {
			t.Errorf("with a disk that fails, Send gives %v", err)
		}
	}
	d.awaitHealth(notServing)
	if got := d.healthz(); got != http.StatusServiceUnavailable {
		t.Errorf("/healthz gives %d", got)
	}
	end()
	d.awaitHealth(serving)
	if got := d.healthz(); got != http.StatusOK {
		t.Errorf("/healthz gives %d", got)
	}
	if err := provider.Restart(); err != nil {
		t.Fatal(err)
	}
	d.deliverTo(provider) // which ends the pause
	ids["after"] = d.send(letter("after", 0, "a@example.net"))
	for _, size := range []int{0, 300_000} { // as the caller is told to
		key := fmt.Sprint("while ", size)
		ids[key] = d.send(letter(key, size, "a@example.net"))
	}
	for _, id := range ids {
		d.awaitState(id, sent)
	}
	d.once(provider, ids)
}

// T4: a sync that fails now and then fails those whom it was for, who are safe
// to try again, and nobody else.
func TestSyncFailsAtTimes(t *testing.T) {
	t.Parallel()
	need(t, "strace")
	provider := smtptest.Start(t, plain)
	d := start(t)
	d.deliverTo(provider)
	end := d.inject(t, "fsync,fdatasync", "error=EIO:when=2+4") // of each thread
	var (
		mu      sync.Mutex
		callers sync.WaitGroup
		ids     = make(map[string]string)
		refused int
	)
	more := func(sent int) bool { // until it is sure that a sync has failed
		mu.Lock()
		defer mu.Unlock()
		return sent < 5 || refused == 0 && sent < 200
	}
	for i := range 4 {
		callers.Go(func() {
			for j := 0; more(j); j++ {
				key := fmt.Sprintf("%d-%d", i, j)
				daemontest.Await(t, key+" is accepted", func() bool {
					answer, err := d.Send(d.ctx(), letter(key, 0, "a@example.net"))
					mu.Lock()
					defer mu.Unlock()
					if err == nil {
						ids[key] = answer.GetId()
						return true
					}
					if refused++; status.Code(err) != codes.Unavailable {
						t.Errorf("Send gives %v", err)
					}
					return false
				})
			}
		})
	}
	callers.Wait()
	end()
	if refused == 0 {
		t.Error("no sync has failed: nothing was tested")
	}
	d.awaitHealth(serving)
	for _, id := range ids {
		d.awaitState(id, sent)
	}
	d.once(provider, ids)
}

// T5: a quota that is used up in the middle of a commit is like a full disk.
func TestQuotaIsUsedUp(t *testing.T) {
	t.Parallel()
	need(t, "strace")
	provider := smtptest.Start(t, plain)
	d := start(t)
	d.deliverTo(provider)
	ids := map[string]string{"before": d.send(letter("before", 0, "a@example.net"))}
	end := d.inject(t, "pwrite64", "error=EDQUOT")
	if _, err := d.Send(d.ctx(), letter("while", 0, "a@example.net")); status.Code(err) != codes.Unavailable && status.Code(err) != codes.ResourceExhausted {
		t.Errorf("without quota, Send gives %v", err)
	}
	d.awaitHealth(notServing)
	end()
	d.awaitHealth(serving)
	for _, key := range []string{"while", "after"} {
		ids[key] = d.send(letter(key, 0, "a@example.net"))
	}
	for _, id := range ids {
		d.awaitState(id, sent)
	}
	d.once(provider, ids)
}

// disk gives a daemon whose files are on a small disk of their own.
func disk(t *testing.T, size int, args ...string) *daemon {
	t.Helper()
	need(t)
	d := prepare(t, args...)
	data := d.Path("data")
	if err := errors.Join(os.Mkdir(data, 0o700), syscall.Mount("postilion-test", data, "tmpfs", 0, fmt.Sprintf("mode=0700,size=%d", size))); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = syscall.Unmount(data, syscall.MNT_DETACH) })
	d.Start()
	return d
}

// fill takes disk space until so many octets are left, until the function is
// called that it gives.
func (d *daemon) fill(t *testing.T, left int64) (empty func()) {
	t.Helper()
	ballast, err := os.Create(d.Path("data", "ballast"))
	if err != nil {
		t.Fatal(err)
	}
	defer ballast.Close()
	for chunk := make([]byte, 64<<10); ; {
		var fs syscall.Statfs_t
		if err := syscall.Statfs(d.Path("data"), &fs); err != nil {
			t.Fatal(err)
		}
		n := min(int64(fs.Bavail)*int64(fs.Bsize)-left, int64(len(chunk)))
		if n <= 0 {
			break
		}
		if _, err := ballast.Write(chunk[:n]); err != nil {
			if left == 0 && errors.Is(err, syscall.ENOSPC) {
				break
			}
			t.Fatal(err)
		}
	}
	return func() {
		if err := os.Remove(ballast.Name()); err != nil {
			t.Error(err)
		}
	}
}

// T5: a disk that gets full refuses mail and loses none: what waits keeps its
// place, what cannot be recorded is recorded later.
func TestDiskIsFull(t *testing.T) {
	t.Parallel()
	arrived, proceed := make(chan struct{}, 1), make(chan struct{})
	provider := smtptest.Start(t, plain, func(c *smtptest.Config) {
		c.Content = func(smtptest.Message) error {
			select {
			case arrived <- struct{}{}:
			default:
			}
			<-proceed
			return nil
		}
	})
	d := disk(t, 64<<20, "--max-message-size", "4MiB")
	d.deliverTo(provider)
	ids := map[string]string{"before": d.send(letter("before", 0, "a@example.net"))}
	<-arrived // it is being delivered

	empty := d.fill(t, 5<<20) // less than what must stay free
	if _, err := d.Send(d.ctx(), letter("floor", 0, "a@example.net")); status.Code(err) != codes.ResourceExhausted {
		t.Errorf("near the end of the disk, Send gives %v", err)
	}
	empty()
	empty = d.fill(t, 0)
	if _, err := d.Send(d.ctx(), letter("full", 300_000, "a@example.net")); status.Code(err) != codes.ResourceExhausted {
		t.Errorf("with a full disk, Send gives %v", err)
	}
	close(proceed)
	provider.Messages(1) // and the daemon cannot say so on disk
	daemontest.Await(t, "the store has failed", func() bool { return strings.Contains(d.Log.String(), "disk is full") })
	empty()
	d.awaitHealth(serving)
	for _, key := range []string{"floor", "full", "after"} {
		ids[key] = d.send(letter(key, 300_000, "a@example.net"))
	}
	for _, id := range ids {
		d.awaitState(id, sent)
	}
	d.once(provider, ids)
	if n := provider.Count(); n != len(ids) {
		t.Errorf("%d messages arrived of %d", n, len(ids))
	}
}

// T5: many large messages at once use up what is free while they are written.
// Those that are refused leave nothing behind.
func TestDiskFillsUp(t *testing.T) {
	t.Parallel()
	provider := smtptest.Start(t, plain)
	provider.Stop()
	d := disk(t, 64<<20, "--max-message-size", "4MiB")
	d.deliverTo(provider)
	empty := d.fill(t, 10<<20)
	const all = 12
	var (
		callers sync.WaitGroup
		mu      sync.Mutex
		ids     = make(map[string]string)
	)
	for i := range all {
		callers.Go(func() {
			key := fmt.Sprint(i)
			answer, err := d.Send(d.ctx(), letter(key, 3<<20, "a@example.net"))
			mu.Lock()
			defer mu.Unlock()
			switch code := status.Code(err); code {
			case codes.OK:
				ids[key] = answer.GetId()
			case codes.ResourceExhausted, codes.Unavailable:
			default:
				t.Errorf("Send gives %v", err)
			}
		})
	}
	callers.Wait()
	if len(ids) == all {
		t.Error("there was room for all: nothing was tested")
	}
	empty()
	d.awaitHealth(serving)
	daemontest.Await(t, "only what was accepted takes space", func() bool {
		files := 0
		err := filepath.WalkDir(d.Path("data", "content"), func(_ string, e os.DirEntry, err error) error {
			if err == nil && e.Type().IsRegular() {
				files++
			}
			return err
		})
		return err == nil && files == len(ids)
	})
	if err := provider.Restart(); err != nil {
		t.Fatal(err)
	}
	d.deliverTo(provider) // which ends the pause
	for i := range all {
		key := fmt.Sprint(i)
		ids[key] = d.send(letter(key, 3<<20, "a@example.net"))
	}
	for _, id := range ids {
		d.awaitState(id, sent)
	}
	d.once(provider, ids)
}
