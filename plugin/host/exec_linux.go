package host

import (
	"io/fs"
	"os"
	"os/exec"
	"runtime"
	"syscall"

	"golang.org/x/sys/unix"
)

// detach makes a process the head of a group of its own, so that its children
// can be ended with it, and has it killed when the thread that starts it ends.
func detach(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}

// keepThread binds the goroutine to its thread: Pdeathsig is about the end of
// the thread, not of the process.
func keepThread() { runtime.LockOSThread() }

// reap waits for the end of the process and ends its children, while the
// number of the process, which is that of the group too, cannot be another's.
func (c *child) reap() error {
	for unix.Waitid(unix.P_PID, c.cmd.Process.Pid, nil, unix.WEXITED|unix.WNOWAIT, nil) == unix.EINTR {
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	killGroup(c.cmd.Process)
	c.gone = true
	return c.cmd.Wait()
}

func killGroup(p *os.Process) { _ = syscall.Kill(-p.Pid, syscall.SIGKILL) }

func executable(mode fs.FileMode) bool { return mode.Perm()&0o111 != 0 }
