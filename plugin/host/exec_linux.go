package host

import (
	"io/fs"
	"os"
	"os/exec"
	"runtime"
	"syscall"
)

// detach makes a process the head of a group of its own, so that its children
// can be ended with it, and has it killed when the thread that starts it ends.
func detach(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}

// keepThread binds the goroutine to its thread: Pdeathsig is about the end of
// the thread, not of the process.
func keepThread() { runtime.LockOSThread() }

func killGroup(p *os.Process) { _ = syscall.Kill(-p.Pid, syscall.SIGKILL) }

func executable(mode fs.FileMode) bool { return mode.Perm()&0o111 != 0 }
