package host

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// cgroups is the control group below which plugins get groups of their own:
// the one that a service manager has delegated to the daemon (Delegate= of
// systemd.resource-control(5)), or empty.
var cgroups = sync.OnceValue(func() string {
	mounted := "/sys/fs/cgroup"
	if !isCgroup2(mounted) {
		mounted = "/sys/fs/cgroup/unified"
	}
	own, err := os.ReadFile("/proc/self/cgroup")
	if err != nil || !isCgroup2(mounted) {
		return ""
	}
	for line := range strings.Lines(string(own)) {
		if path, ok := strings.CutPrefix(strings.TrimSpace(line), "0::"); ok {
			return delegated(filepath.Join(mounted, path))
		}
	}
	return ""
})

func isCgroup2(path string) bool {
	var stat unix.Statfs_t
	return unix.Statfs(path, &stat) == nil && stat.Type == unix.CGROUP2_SUPER_MAGIC
}

// delegated gives the group that plugins' groups are made in. A group that has
// processes can have no controllers for the groups in it (cgroups(7), "no
// internal processes"): the daemon is in one beside them.
func delegated(own string) string {
	if marked(filepath.Dir(own)) {
		return prepared(filepath.Dir(own)) // DelegateSubgroup=
	}
	if !marked(own) {
		return ""
	}
	inside := filepath.Join(own, "daemon")
	if err := os.Mkdir(inside, 0o755); err != nil && !errors.Is(err, fs.ErrExist) {
		return ""
	}
	if os.WriteFile(filepath.Join(inside, "cgroup.procs"), []byte(strconv.Itoa(os.Getpid())), 0) != nil {
		return ""
	}
	return prepared(own)
}

// marked tells whether systemd has delegated a group.
func marked(group string) bool {
	value := make([]byte, 2)
	for _, name := range []string{"user.delegate", "trusted.delegate"} {
		if n, err := unix.Getxattr(group, name, value); err == nil && string(value[:n]) == "1" {
			return true
		}
	}
	return false
}

// prepared turns on the controllers that we use, as far as they are there.
func prepared(group string) string {
	for _, controller := range []string{"memory", "cpu", "pids"} {
		_ = os.WriteFile(filepath.Join(group, "cgroup.subtree_control"), []byte("+"+controller), 0)
	}
	return group
}

// cgroup is the group of one process.
type cgroup struct {
	path string
	dir  *os.File
}

// newCgroup makes a group for a plugin, nil where none can be made.
func newCgroup(parent, name string) *cgroup {
	if parent == "" {
		return nil
	}
	path := filepath.Join(parent, name)
	if os.Mkdir(path, 0o755) != nil {
		return nil
	}
	dir, err := os.Open(path)
	if err != nil {
		_ = os.Remove(path)
		return nil
	}
	return &cgroup{path, dir}
}

// cpuPeriod is that of cpu.max, in microseconds.
const cpuPeriod = 100_000

// limit sets what the group may use, and says what of it holds.
func (g *cgroup) limit(o *Options) (memory, cpu, tasks bool) {
	set := func(file, value string) bool {
		return os.WriteFile(filepath.Join(g.path, file), []byte(value), 0) == nil
	}
	if o.MaxMemory > 0 {
		memory = set("memory.max", strconv.FormatInt(o.MaxMemory, 10))
		set("memory.swap.max", "0")
		set("memory.oom.group", "1")
	}
	if o.MaxCPU > 0 {
		cpu = set("cpu.max", fmt.Sprintf("%d %d", max(uint64(o.MaxCPU)*cpuPeriod/1000, 1000), cpuPeriod))
	}
	return memory, cpu, set("pids.max", strconv.Itoa(maxTasks))
}

// kill ends all that is in the group, and what it may still start.
func (g *cgroup) kill() {
	_ = os.WriteFile(filepath.Join(g.path, "cgroup.kill"), []byte("1"), 0)
}

// remove takes the group away when it is empty, which it soon is after kill.
func (g *cgroup) remove() {
	_ = g.dir.Close()
	for until := time.Now().Add(afterlife); os.Remove(g.path) != nil && time.Now().Before(until); time.Sleep(time.Millisecond) {
	}
}
