package clock

import (
	"os"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// System is the machine's source. Real time is CLOCK_BOOTTIME, which counts
// while the machine sleeps and is the same for all processes until it is
// started anew.
func System() Source {
	return func() (time.Time, time.Duration) {
		var ts unix.Timespec
		// It cannot fail on any kernel that Go supports.
		_ = unix.ClockGettime(unix.CLOCK_BOOTTIME, &ts)
		return time.Now(), time.Duration(ts.Nano())
	}
}

func bootID() string {
	id, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(id))
}
