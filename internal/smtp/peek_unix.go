//go:build unix

package smtp

import (
	"net"
	"syscall"

	"golang.org/x/sys/unix"
)

// quiet tells whether nothing has come on an idle connection, without waiting:
// neither an end nor a farewell (421). A connection that cannot be asked counts
// as quiet.
func quiet(conn net.Conn) bool {
	asked, ok := conn.(syscall.Conn)
	if !ok {
		return true
	}
	raw, err := asked.SyscallConn()
	if err != nil {
		return false
	}
	nothing := false
	err = raw.Control(func(fd uintptr) {
		var b [1]byte
		_, _, err := unix.Recvfrom(int(fd), b[:], unix.MSG_PEEK|unix.MSG_DONTWAIT)
		nothing = err == unix.EAGAIN || err == unix.EINTR
	})
	return err == nil && nothing
}
