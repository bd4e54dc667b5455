//go:build unix

package sdk

import (
	"os/exec"
	"syscall"
)

// detach keeps a terminal's Ctrl-C from the daemon, which reaches the whole
// process group: the application may still have mail to send when it stops.
func detach(c *exec.Cmd) { c.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} }
