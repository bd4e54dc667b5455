//go:build failpoint

package failpoint

import (
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"

	"golang.org/x/sys/unix"
)

// armed is the one failpoint of this process: the environment cannot change
// under it.
var armed = sync.OnceValue(func() *point {
	name, number, _ := strings.Cut(os.Getenv(Variable), ":")
	n, err := strconv.ParseInt(number, 10, 64)
	if err != nil || n < 1 {
		n = 1
	}
	p := &point{name: name}
	p.left.Store(n)
	return p
})

type point struct {
	name string
	left atomic.Int64
}

// Hit kills the process if the failpoint of that name is set and it is its
// turn.
func Hit(name string) {
	if p := armed(); p.name == name && p.left.Add(-1) == 0 {
		_ = unix.Kill(os.Getpid(), unix.SIGKILL)
		select {} // the signal may take a moment
	}
}
