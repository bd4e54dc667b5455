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

func killGroup(*os.Process) {}

func executable(mode fs.FileMode) bool { return runtime.GOOS == "windows" || mode.Perm()&0o111 != 0 }
