package diagnosis

import (
	"os/exec"
	"syscall"
	"testing"
	"time"

	"github.com/postilion-mail/postilion/internal/daemontest"
)

// start runs a server as a process group of its own until the test ends.
func start(t *testing.T, command *exec.Cmd) {
	t.Helper()
	var log daemontest.Output
	command.Stdout, command.Stderr = &log, &log
	if command.SysProcAttr == nil {
		command.SysProcAttr = &syscall.SysProcAttr{}
	}
	command.SysProcAttr.Setpgid = true
	command.WaitDelay = time.Second // its children may hold the pipe
	if err := command.Start(); err != nil {
		t.Fatalf("%v: run scripts/setup as root", err)
	}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("%s:\n%s", command.Path, &log)
		}
		late := time.AfterFunc(daemontest.Patience, func() { _ = syscall.Kill(-command.Process.Pid, syscall.SIGKILL) })
		defer late.Stop()
		_ = command.Process.Signal(syscall.SIGTERM)
		_ = command.Wait()
		_ = syscall.Kill(-command.Process.Pid, syscall.SIGKILL)
	})
}
