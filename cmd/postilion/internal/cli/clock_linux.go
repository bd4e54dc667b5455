package cli

import "golang.org/x/sys/unix"

// clockSynchronised asks the kernel whether something keeps the clock right.
func clockSynchronised() (synchronised, known bool) {
	state, err := unix.Adjtimex(&unix.Timex{})
	return state != unix.TIME_ERROR, err == nil
}
