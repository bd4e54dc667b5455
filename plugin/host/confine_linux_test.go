package host

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/postilion-mail/postilion/plugin"
)

// nobody is a user without rights, as which the tests run once more.
const nobody = 65534

// asNobody runs a test once more in a process of a user without rights, whose
// plugins are confined by Landlock alone.
func asNobody(t *testing.T, test string) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("it takes root to become another user; the test itself runs as this one")
	}
	folder := openFolder(t)
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	copied := filepath.Join(folder, "host.test")
	if out, err := exec.CommandContext(t.Context(), "cp", self, copied).CombinedOutput(); err != nil {
		t.Fatalf("%v %s", err, out)
	}
	if err := errors.Join(os.Chmod(copied, 0o755), os.Mkdir(filepath.Join(folder, "tmp"), 0o777), os.Chmod(filepath.Join(folder, "tmp"), 0o1777)); err != nil {
		t.Fatal(err)
	}
	again := exec.CommandContext(t.Context(), copied, "-test.run=^"+test+"$", "-test.v", "-test.timeout=5m")
	again.Dir = folder
	again.Env = []string{"TMPDIR=" + filepath.Join(folder, "tmp"), "PATH=" + os.Getenv("PATH"), smallProgram + "=" + buildSmall(t)}
	again.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
	out, err := again.CombinedOutput()
	t.Logf("%s", out)
	if err != nil || !bytes.Contains(out, []byte("--- PASS: "+test)) {
		t.Error(err)
	}
}

func TestHostilePluginOfTheDaemonsUser(t *testing.T) {
	t.Parallel()
	asNobody(t, "TestHostilePlugin")
}

// A plugin gets at nothing that is the daemon's or another plugin's. What it
// tries works for a process that is not confined: the test itself.
func TestHostilePlugin(t *testing.T) {
	t.Parallel()
	rules, err := landlock(false)
	if err != nil {
		t.Fatal(err)
	}
	if rules == nil && os.Geteuid() != 0 {
		t.Skip("this system has no Landlock: plugins are trusted like the daemon")
	}
	w, err := newWorld(openFolder(t))
	if err != nil {
		t.Fatal(err)
	}
	other := start(t, options(t, "good"))
	o := options(t, "hostile")
	o.Private, o.WritePaths = []string{w.Data}, []string{w.Own}
	p := start(t, o)
	t.Log("confined by: " + p.Confinement())
	if want := map[bool]string{true: "user ", false: "landlock"}[os.Geteuid() == 0]; !strings.HasPrefix(p.Confinement(), want) {
		t.Errorf("confined by %q, want %q", p.Confinement(), want)
	}
	i, daemon := open1(t, p.Transport()), fmt.Sprint(os.Getpid())
	for _, deed := range [][]string{
		{"read", w.Key}, {"list", w.Data}, {"write", filepath.Join(w.Data, "new")},
		{"list", other.private}, {"write", filepath.Join(other.private, "new")}, {"write", filepath.Join(o.RunDir, "new")},
		{"read", "/proc/" + daemon + "/environ"}, {"peek", daemon},
		{"read", "/proc/" + fmt.Sprint(other.PID()) + "/environ"}, {"peek", fmt.Sprint(other.PID())},
	} {
		reply, err := do(t.Context(), i, deed...)
		t.Logf("%s: %s", strings.Join(deed, " "), reply)
		if err != nil || !strings.Contains(reply, "permission denied") && !strings.Contains(reply, "not permitted") {
			t.Errorf("%q was not refused: %s, error %v", deed, reply, err)
		}
		if err := deeds()[deed[0]](deed[1:]); err != nil {
			t.Errorf("%q is impossible for everybody: %v", deed, err)
		}
	}
	_ = os.Remove(filepath.Join(o.RunDir, "new"))
	for _, deed := range [][]string{
		{"write", filepath.Join(w.Own, "mail")}, {"write", filepath.Join(p.private, "file")}, {"read", "/etc/hosts"}, {"list", "/usr/bin"}, {"write", os.DevNull},
	} {
		if reply, err := do(t.Context(), i, deed...); err != nil || reply != "done" {
			t.Errorf("%q: %s, error %v", deed, reply, err)
		}
	}
	if reply, err := do(t.Context(), i, "attach", daemon); err != nil || reply == "done" {
		t.Errorf("it could trace the daemon: %s, error %v", reply, err)
	}
	if reply, err := do(t.Context(), i, "files", fmt.Sprint(maxFiles)); err != nil || !strings.Contains(reply, "too many open files") {
		t.Errorf("it could open %d files: %s, error %v", maxFiles, reply, err)
	}
}

func TestAdminSocketTellsPluginsOfTheDaemonsUser(t *testing.T) {
	t.Parallel()
	asNobody(t, "TestAdminSocketTellsPlugins")
}

// The daemon's socket is closed to plugins of other users, and those of its own
// can be told from whom it is for.
func TestAdminSocketTellsPlugins(t *testing.T) {
	t.Parallel()
	w, err := newWorld(openFolder(t))
	if err != nil {
		t.Fatal(err)
	}
	i := open1(t, start(t, options(t, "hostile")).Transport())
	reply, err := do(t.Context(), i, "connect", "unix", w.Sock)
	t.Log(reply)
	if err != nil || reply != "done" && !strings.Contains(reply, "permission denied") || reply == "done" && os.Geteuid() == 0 {
		t.Errorf("%s, error %v", reply, err)
	}
	if reply == "done" && !Confined(<-w.Seen) {
		t.Error("the plugin is taken for an administrator")
	}
	if err := deeds()["connect"]([]string{"unix", w.Sock}); err != nil {
		t.Error(err)
	}
	if Confined(<-w.Seen) {
		t.Error("the daemon is taken for a plugin")
	}
	child := exec.CommandContext(t.Context(), "sleep", "1000")
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	if Confined(child.Process.Pid) {
		t.Error("a process of the same user is taken for a plugin")
	}
	_ = child.Process.Kill()
	_ = child.Wait()
	if !Confined(child.Process.Pid) {
		t.Error("a process that is no more is trusted")
	}
}

// Where root could not reach the directory of another user, plugins run as the
// daemon's.
func TestNoOwnUserWithoutCapabilities(t *testing.T) {
	t.Parallel()
	o := Options{Name: "capabilities", Dir: t.TempDir()}
	if own, err := ownUser(&o); err != nil {
		t.Fatal(err)
	} else if own == nil {
		t.Skip("plugins have no users of their own here anyway")
	}
	for _, c := range []uint{unix.CAP_SETUID, unix.CAP_CHOWN, unix.CAP_DAC_OVERRIDE} {
		got := make(chan error)
		onOwnThread(func() {
			header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
			var data [2]unix.CapUserData
			err := unix.Capget(&header, &data[0])
			data[c/32].Effective &^= 1 << (c % 32)
			if err = errors.Join(err, unix.Capset(&header, &data[0])); err == nil {
				var own *syscall.Credential
				if own, err = ownUser(&o); own != nil {
					err = fmt.Errorf("it is the user %d", own.Uid)
				}
			}
			got <- err
		})
		if err := <-got; err != nil {
			t.Errorf("without the capability %d: %v", c, err)
		}
	}
}

func TestNetworkOfTheDaemonsUserIsCutOff(t *testing.T) {
	t.Parallel()
	asNobody(t, "TestNetworkIsCutOff")
}

func TestNetworkIsCutOff(t *testing.T) {
	t.Parallel()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			_ = conn.Close()
		}
	}()
	for _, none := range []bool{false, true} {
		o := options(t, "hostile")
		o.NoNetwork = none
		p := start(t, o)
		if strings.Contains(p.Confinement(), "no network") != none {
			t.Errorf("confined by %q", p.Confinement())
		}
		i := open1(t, p.Transport())
		for _, network := range []string{"tcp", "udp"} {
			words := []string{"connect", network, listener.Addr().String()}
			if network == "udp" && !none {
				continue // nobody would close it
			}
			reply, err := do(t.Context(), i, words...)
			t.Logf("no network %v: %s: %s", none, network, reply)
			if err != nil || (reply == "done") == none {
				t.Errorf("no network %v: %s: %s, error %v", none, network, reply, err)
			}
		}
	}
}

// What a plugin may have does not include what is the daemon's.
func TestDeclaredPathsAreRefused(t *testing.T) {
	t.Parallel()
	w, err := newWorld(openFolder(t))
	if err != nil {
		t.Fatal(err)
	}
	link := filepath.Join(w.Own, "link")
	if err := os.Symlink(w.Data, link); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{
		w.Data: "the daemon's own", filepath.Dir(w.Data): "the daemon's own", w.Key: "the daemon's own", link: "the daemon's own", "/": "the daemon's own",
		"relative": "not absolute", filepath.Join(w.Own, "missing"): "no such file",
	} {
		for field, set := range map[string]func(*Options){
			"read paths": func(o *Options) { o.ReadPaths = []string{path} }, "write paths": func(o *Options) { o.WritePaths = []string{path} },
		} {
			o := options(t, "good")
			o.Private = []string{w.Data}
			set(&o)
			p, err := Start(t.Context(), o)
			if err == nil {
				p.Stop()
			}
			if err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), field) {
				t.Errorf("%s %s: error %v, want %q", field, path, err, want)
			}
		}
	}
}

// Where a private directory lies in one that all programs need, what is beside
// it is given instead.
func TestAllBut(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	for _, dir := range []string{"a/b/private/x", "a/b/c", "a/d"} {
		if err := os.MkdirAll(filepath.Join(root, dir), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink("b/private", filepath.Join(root, "a", "link")); err != nil {
		t.Fatal(err)
	}
	got, err := allBut(root, []string{filepath.Join(root, "a/b/private")})
	if want := filepath.Join(root, "a/b/c") + " " + filepath.Join(root, "a/d"); err != nil || strings.Join(got, " ") != want {
		t.Errorf("%q, error %v, want %q", got, err, want)
	}
}

func TestSweepTakesLockedDirectoriesOfTheDaemonsUser(t *testing.T) {
	t.Parallel()
	asNobody(t, "TestSweepTakesLockedDirectories")
}

// A plugin cannot keep its directory from being taken away, and has nothing
// changed that it links to.
func TestSweepTakesLockedDirectories(t *testing.T) {
	t.Parallel()
	run, other := t.TempDir(), t.TempDir()
	private := filepath.Join(run, privatePrefix+"1")
	inner := filepath.Join(private, "locked", "inner")
	err := errors.Join(os.MkdirAll(inner, 0o700), os.WriteFile(filepath.Join(inner, "file"), nil, 0), os.Symlink(other, filepath.Join(inner, "link")),
		os.Chmod(inner, 0), os.Chmod(filepath.Dir(inner), 0o500), os.Chmod(private, 0), os.Chmod(other, 0o500))
	if err != nil {
		t.Fatal(err)
	}
	if err := Sweep(run); err != nil {
		t.Error(err)
	}
	if entries, err := os.ReadDir(run); err != nil || len(entries) > 0 {
		t.Errorf("left: %v, error %v", entries, err)
	}
	if info, err := os.Stat(other); err != nil || info.Mode().Perm() != 0o500 {
		t.Errorf("what it linked to: %v, error %v", info, err)
	}
}

// The daemon is as free after it has started plugins as before.
func TestDaemonStaysFree(t *testing.T) {
	t.Parallel()
	for range 4 {
		start(t, options(t, "good"))
	}
	tasks, err := os.ReadDir("/proc/self/task")
	if err != nil {
		t.Fatal(err)
	}
	free := 0
	for _, task := range tasks {
		noNewPrivileges, _, err := fencesOf("self/task/" + task.Name())
		if err == nil && !noNewPrivileges {
			free++
		}
	}
	own, _, err := fencesOf("self")
	if free == 0 || own || err != nil {
		t.Errorf("%d of %d threads are free, the process is confined: %v, error %v", free, len(tasks), own, err)
	}
	var wait []chan error
	for range 64 { // on as many threads as there may be
		done := make(chan error)
		wait = append(wait, done)
		go func() {
			runtime.LockOSThread()
			_, err := os.ReadFile("/proc/self/environ")
			done <- errors.Join(err, os.WriteFile(filepath.Join(t.TempDir(), "x"), nil, 0o600))
		}()
	}
	for _, done := range wait {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
}

func TestMemoryOfTheDaemonsUserIsLimited(t *testing.T) {
	t.Parallel()
	asNobody(t, "TestMemoryIsLimited")
}

func TestMemoryIsLimited(t *testing.T) {
	t.Parallel()
	o := smallOptions(t) // the race detector's memory is larger than any limit
	o.MaxMemory = 64 << 20
	p := start(t, o)
	if !strings.Contains(p.Confinement(), "memory 64 MiB") {
		t.Fatalf("confined by %q", p.Confinement())
	}
	i := open1(t, p.Transport())
	for _, octets := range []int64{8 << 20, o.MaxMemory + dataSlack + 64<<20} {
		outcome, err := deliver(t, i, fmt.Sprintf("%d@x", octets))
		if small := octets < o.MaxMemory; small != (outcome.Class == plugin.Accepted) || !small && !errors.Is(err, plugin.ErrCrashed) {
			t.Fatalf("%d octets: %+v, error %v", octets, outcome, err)
		}
	}
	<-p.Done()
}

// In a control group that was delegated to the daemon, plugins have their own.
func TestDelegatedGroup(t *testing.T) {
	t.Parallel()
	group := ""
	for _, mounted := range []string{"/sys/fs/cgroup", "/sys/fs/cgroup/unified"} {
		if isCgroup2(mounted) {
			group = filepath.Join(mounted, fmt.Sprintf("postilion-test-%d", os.Getpid()))
			break
		}
	}
	if group == "" || os.Mkdir(group, 0o755) != nil {
		t.Skip("no control groups of version 2 can be made here")
	}
	defer os.Remove(group)
	if err := unix.Setxattr(group, "trusted.delegate", []byte("1"), 0); err != nil {
		t.Skip("the group cannot be delegated: ", err)
	}
	dir, err := os.Open(group)
	if err != nil {
		t.Fatal(err)
	}
	defer dir.Close()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	again := exec.CommandContext(t.Context(), self, "-test.run=^(TestHostilePlugin|TestChildrenAreEnded)$", "-test.v", "-test.timeout=5m")
	again.SysProcAttr = &syscall.SysProcAttr{UseCgroupFD: true, CgroupFD: int(dir.Fd())}
	out, err := again.CombinedOutput()
	if err != nil || !bytes.Contains(out, []byte(", cgroup")) {
		t.Errorf("%v %s", err, out)
	}
	left, err := filepath.Glob(filepath.Join(group, "plugin-*"))
	if err != nil || len(left) > 0 {
		t.Errorf("left: %v, error %v", left, err)
	}
	await(t, "the end of the daemon's group", func() bool {
		err := os.Remove(filepath.Join(group, "daemon"))
		return err == nil || errors.Is(err, os.ErrNotExist)
	})
}

// What is set where systemd has delegated control groups. The files are those
// of a directory: controllers are rarely free where tests run.
func TestGroupLimits(t *testing.T) {
	t.Parallel()
	g := newCgroup(t.TempDir(), "plugin-x")
	if g == nil {
		t.Fatal("no group")
	}
	defer g.remove()
	for _, name := range []string{"memory.max", "memory.swap.max", "memory.oom.group", "cpu.max", "pids.max"} {
		if err := os.WriteFile(filepath.Join(g.path, name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	memory, cpu, tasks := g.limit(&Options{MaxMemory: 64 << 20, MaxCPU: 250})
	if !memory || !cpu || !tasks {
		t.Errorf("memory %v, cpu %v, tasks %v", memory, cpu, tasks)
	}
	for name, want := range map[string]string{
		"memory.max": "67108864", "memory.swap.max": "0", "memory.oom.group": "1", "cpu.max": "25000 100000", "pids.max": "512",
	} {
		if got, err := os.ReadFile(filepath.Join(g.path, name)); err != nil || string(got) != want {
			t.Errorf("%s: %q, error %v, want %q", name, got, err, want)
		}
		_ = os.Remove(filepath.Join(g.path, name))
	}
}

// No t.Parallel: it looks at the memory of the whole process.
func TestHostLivesThroughHostilePlugins(t *testing.T) {
	o, log := options(t, "hostile"), &lockedBuffer{}
	o.Log = slog.New(slog.NewJSONHandler(log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	p := supervise(t, o, quick())
	untilReady(t, p)
	i := open1(t, p)
	before := heap()
	began := time.Now()
	if reply, err := do(t.Context(), i, "flood", fmt.Sprint(flood)); err != nil || reply != "done" {
		t.Fatalf("%s, error %v", reply, err)
	}
	took, after := time.Since(began), heap()
	t.Logf("%d MiB on stderr in %s; heap %d KiB before, %d KiB after; %d octets logged", flood>>20, took.Round(time.Millisecond), before>>10, after>>10, len(log.String()))
	if after > before+16<<20 || len(log.String()) > 16<<20 {
		t.Errorf("the heap grew from %d to %d octets, the log to %d", before, after, len(log.String()))
	}
	if _, err := do(t.Context(), i, "panic"); !errors.Is(err, plugin.ErrCrashed) {
		t.Errorf("error %v", err)
	}
	pid, left := p.Status().PID, sleeper()
	if reply, err := do(t.Context(), i, "detach", left); err != nil || reply != "done" || !runs(t, left) {
		t.Errorf("%s, error %v", reply, err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := do(ctx, i, "hang"); !errors.Is(err, plugin.ErrHung) {
		t.Errorf("error %v", err)
	}
	await(t, "another process", func() bool { now := p.Status().PID; return now != 0 && now != pid })
	await(t, "the end of what it left", func() bool { return !runs(t, left) })
	if o, err := do(t.Context(), open1(t, p), "list", "/usr"); err != nil || o != "done" {
		t.Errorf("%s, error %v", o, err)
	}
}

func heap() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}
