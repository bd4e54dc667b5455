//go:build !linux

package host

import (
	"io/fs"
	"os"
	"os/exec"
	"runtime"
)

func detach(*exec.Cmd) {}

func keepThread() {}

// reap waits for the end of the process.
func (c *child) reap() error {
	err := c.cmd.Wait()
	c.mu.Lock()
	defer c.mu.Unlock()
	c.gone = true
	return err
}

func killGroup(*os.Process) {}

func executable(mode fs.FileMode) bool { return runtime.GOOS == "windows" || mode.Perm()&0o111 != 0 }
