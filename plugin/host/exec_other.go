//go:build !linux

package host

import (
	"io/fs"
	"os"
	"os/exec"
	"runtime"
)

// confinement is what keeps a plugin's process from harm: nothing, here.
type confinement struct{ options *Options }

func confine(o *Options, _ string) (*confinement, error) { return &confinement{o}, nil }

func (c *confinement) start(command func() *exec.Cmd) (*exec.Cmd, error) {
	cmd := command()
	return cmd, cmd.Start()
}

func (c *confinement) hostPID() int { return os.Getpid() }

func (c *confinement) isolated() bool { return false }

func (c *confinement) close() {}

// String says what holds, for people.
func (c *confinement) String() string {
	text := "trusted like the daemon"
	if c.options.MaxMemory > 0 {
		text += ", memory not limited"
	}
	if c.options.MaxCPU > 0 {
		text += ", cpu not limited"
	}
	if c.options.NoNetwork {
		text += ", network not cut off"
	}
	return text
}

func onOwnThread(run func()) { go run() }

// reap waits for the end of the process.
func (c *child) reap() error {
	err := c.cmd.Wait()
	c.mu.Lock()
	defer c.mu.Unlock()
	c.gone = true
	return err
}

func (c *child) killAll() {}

// Sweep takes away the directories that plugins of a daemon that was killed
// have left. It is for the start of a daemon, before its plugins.
func Sweep(runDir string) error { return sweepDirs(runDir) }

// Confined tells whether a process is a plugin, which cannot be told here.
func Confined(int) bool { return false }

func executable(mode fs.FileMode) bool { return runtime.GOOS == "windows" || mode.Perm()&0o111 != 0 }
