package wordpress

import (
	"fmt"
	"os"
	"runtime"
	"syscall"

	"golang.org/x/sys/unix"
)

// as does something with the file rights of a user, if we are root. The rights
// are those of a thread, which ends with it (setfsuid(2)).
func as(uid, gid int, do func() error) error {
	if os.Geteuid() != 0 || uid == 0 {
		return do()
	}
	done := make(chan error, 1)
	go func() {
		runtime.LockOSThread() // for good: the thread must not serve others
		if _, _, errno := syscall.RawSyscall(unix.SYS_SETGROUPS, 0, 0, 0); errno != 0 {
			done <- fmt.Errorf("setgroups: %w", errno)
			return
		}
		// They say nothing of failure; a second call tells what holds.
		_, _, _ = syscall.RawSyscall(unix.SYS_SETFSGID, uintptr(gid), 0, 0)
		_, _, _ = syscall.RawSyscall(unix.SYS_SETFSUID, uintptr(uid), 0, 0)
		none := ^uintptr(0)
		haveGID, _, _ := syscall.RawSyscall(unix.SYS_SETFSGID, none, 0, 0)
		haveUID, _, _ := syscall.RawSyscall(unix.SYS_SETFSUID, none, 0, 0)
		if int(haveUID) != uid || int(haveGID) != gid {
			done <- fmt.Errorf("cannot act as user %d", uid)
			return
		}
		done <- do()
	}()
	return <-done
}
