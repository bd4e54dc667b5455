package plugins

import "golang.org/x/sys/unix"

// noExec tells whether programs in a directory cannot be run (mount(8),
// noexec).
func noExec(dir string) bool {
	var s unix.Statfs_t
	return unix.Statfs(dir, &s) == nil && s.Flags&unix.ST_NOEXEC != 0
}
