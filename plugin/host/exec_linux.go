package host

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// reap waits for the end of the process and ends what it has started, while the
// number of the process, which is that of its group too, cannot be another's.
func (c *child) reap() error {
	for unix.Waitid(unix.P_PID, c.cmd.Process.Pid, nil, unix.WEXITED|unix.WNOWAIT, nil) == unix.EINTR {
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.killAll()
	c.gone = true
	return c.cmd.Wait()
}

// killAll ends the process and what it has started. What has left its group of
// processes is found by its control group, or ends with its namespace, or is
// found by its environment.
func (c *child) killAll() {
	_ = syscall.Kill(-c.cmd.Process.Pid, syscall.SIGKILL)
	switch {
	case c.confined.group != nil:
		c.confined.group.kill()
	case c.confined.namespaces&unix.CLONE_NEWPID == 0:
		killMarked(c.private)
	}
}

// Sweep ends what plugins of a daemon that was killed have left, and takes away
// their directories. It is for the start of a daemon, before its plugins: the
// directory is to be this daemon's alone.
func Sweep(runDir string) error {
	runDir, err := filepath.Abs(runDir)
	if err != nil {
		return err
	}
	killMarked(runDir)
	return sweepDirs(runDir)
}

// killMarked ends the processes that were given a private directory in a
// directory, unless they have taken that out of their environment.
func killMarked(dir string) {
	entries, _ := os.ReadDir("/proc")
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err == nil && pid != os.Getpid() && inPrivate(pid, dir) {
			_ = syscall.Kill(pid, syscall.SIGKILL)
		}
	}
}

// inPrivate tells whether a process was given a private directory in dir, or
// dir itself.
func inPrivate(pid int, dir string) bool {
	environment, _ := os.ReadFile(fmt.Sprintf("/proc/%d/environ", pid)) // others' cannot be read
	for variable := range strings.SplitSeq(string(environment), "\x00") {
		if private, ok := strings.CutPrefix(variable, privateDir+"="); ok {
			return within(private, dir)
		}
	}
	return false
}
