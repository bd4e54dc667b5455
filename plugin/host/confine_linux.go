package host

import (
	"errors"
	"fmt"
	"io/fs"
	"os/exec"
	"os/user"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

const (
	// maxTasks is how many processes and threads a plugin may have.
	maxTasks = 512
	// maxFiles is how many files a process of a plugin may have open.
	maxFiles = 4096
	// dataSlack is what a process may map beyond its memory limit where only
	// what it maps can be limited: Go and others map much that they never use.
	dataSlack = 256 << 20
)

// confinement is what keeps a plugin's process from harm. It is made for one
// start.
type confinement struct {
	options    *Options
	credential *syscall.Credential // nil: the daemon's own user
	rules      *ruleset            // nil: no Landlock
	group      *cgroup             // nil: none
	namespaces uintptr             // flags of clone(2)
	filtered   bool                // by seccomp

	limitsMemory, limitsCPU, limitsTasks bool
}

// confine finds out how a plugin can be confined here, and hands it its
// private directory.
func confine(o *Options, private string) (*confinement, error) {
	c := &confinement{options: o}
	var err error
	if c.credential, err = ownUser(o); err != nil {
		return nil, err
	}
	if c.credential != nil {
		if err := handOver(private, c.credential); err != nil {
			return nil, err
		}
	}
	if c.rules, err = landlock(o.NoNetwork); err != nil {
		return nil, err
	}
	if c.rules != nil {
		if err := c.allow(private); err != nil {
			c.close()
			return nil, err
		}
	}
	if c.group = newCgroup(cgroups(), "plugin-"+filepath.Base(private)); c.group != nil {
		c.limitsMemory, c.limitsCPU, c.limitsTasks = c.group.limit(o)
	}
	if capable(unix.CAP_SYS_ADMIN) {
		c.namespaces = unix.CLONE_NEWPID
		if o.NoNetwork {
			c.namespaces |= unix.CLONE_NEWNET
		}
	}
	return c, nil
}

// allow gives what the plugin may have. The files of a user of its own are
// guarded by their modes, so that it can have all of /etc: resolv.conf, say, is
// replaced by another file now and then.
func (c *confinement) allow(private string) error {
	if c.credential != nil {
		if err := c.rules.allowAll([]string{"/etc"}, mayRead, c.options.Private, false); err != nil {
			return err
		}
	}
	return c.rules.allowProgram(c.options, private)
}

// start starts a command. It restricts the thread that it runs on, which the
// process inherits, for ever: the thread must end with the goroutine and not be
// the process's first, whose status stands for the whole process.
func (c *confinement) start(command func() *exec.Cmd) (*exec.Cmd, error) {
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return nil, fmt.Errorf("no_new_privs: %w", err)
	}
	if c.rules != nil {
		if err := c.rules.enter(); err != nil {
			return nil, err
		}
	}
	var err error
	if c.filtered, err = seccomp(c.options.NoNetwork); err != nil {
		return nil, err
	}
	for {
		cmd := command()
		cmd.SysProcAttr = c.attributes()
		err := cmd.Start()
		if err == nil {
			c.limit(cmd.Process.Pid)
			return cmd, nil
		}
		// Containers and service managers may forbid these, whatever the
		// capabilities are.
		forbidden := errors.Is(err, unix.EPERM) || errors.Is(err, unix.EINVAL) || errors.Is(err, unix.ENOSYS) || errors.Is(err, unix.ENOSPC)
		switch {
		case forbidden && c.namespaces != 0:
			c.namespaces = 0
		case forbidden && c.group != nil:
			c.group.remove()
			c.group, c.limitsMemory, c.limitsCPU, c.limitsTasks = nil, false, false, false
		default:
			return nil, err
		}
	}
}

// attributes make a process the head of a group of its own, so that its
// children can be ended with it, and have it killed when the thread that starts
// it ends. As the first of its own namespace of processes it takes all with it
// that it has started.
func (c *confinement) attributes() *syscall.SysProcAttr {
	a := &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL, Credential: c.credential, Cloneflags: c.namespaces}
	if c.group != nil {
		a.UseCgroupFD, a.CgroupFD = true, int(c.group.dir.Fd())
	}
	return a
}

// limit sets limits of a process that has just begun.
func (c *confinement) limit(pid int) {
	set := func(resource int, value uint64) bool {
		limit := &unix.Rlimit{Cur: value, Max: value}
		err := unix.Prlimit(pid, resource, limit, nil)
		if errors.Is(err, unix.EPERM) && c.credential != nil {
			err = c.asUser(func() error { return unix.Prlimit(pid, resource, limit, nil) })
		}
		return err == nil
	}
	set(unix.RLIMIT_CORE, 0) // it would have the secrets of the settings
	set(unix.RLIMIT_NOFILE, maxFiles)
	if c.credential != nil && !c.limitsTasks { // it counts all of the user's
		c.limitsTasks = set(unix.RLIMIT_NPROC, maxTasks)
	}
	if c.options.MaxMemory > 0 && !c.limitsMemory {
		c.limitsMemory = set(unix.RLIMIT_DATA, uint64(c.options.MaxMemory+dataSlack))
	}
}

// asUser does something while the real user of this thread, and of it alone, is
// the plugin's. That is who may set its limits beside CAP_SYS_RESOURCE, which
// root often lacks in containers (getrlimit(2)).
func (c *confinement) asUser(do func() error) error {
	const same = ^uintptr(0)
	become := func(uid, gid uintptr) (errno syscall.Errno) {
		if _, _, errno = unix.RawSyscall(unix.SYS_SETRESGID, gid, same, same); errno == 0 {
			_, _, errno = unix.RawSyscall(unix.SYS_SETRESUID, uid, same, same)
		}
		return errno
	}
	own, ownGroup := uintptr(unix.Getuid()), uintptr(unix.Getgid())
	var err error
	if errno := become(uintptr(c.credential.Uid), uintptr(c.credential.Gid)); errno != 0 {
		err = errno
	} else {
		err = do()
	}
	if errno := become(own, ownGroup); errno != 0 {
		err = errors.Join(err, errno)
	}
	return err
}

// hostPID is the daemon's process id as the plugin sees it.
func (c *confinement) hostPID() int {
	if c.namespaces&unix.CLONE_NEWPID != 0 {
		return 0
	}
	return unix.Getpid()
}

// isolated tells whether it has another loopback interface than the daemon.
func (c *confinement) isolated() bool {
	return c.options.NoNetwork && (c.filtered || c.namespaces&unix.CLONE_NEWNET != 0 || c.rules.cutsOff(allTCP))
}

func (c *confinement) close() {
	if c.rules != nil {
		c.rules.close()
	}
	if c.group != nil {
		c.group.remove()
	}
}

// String says what holds, for people.
func (c *confinement) String() string {
	var holds []string
	add := func(does bool, text string) {
		if does {
			holds = append(holds, text)
		}
	}
	if c.credential != nil {
		holds = append(holds, "user "+userName(c.credential.Uid))
	}
	add(c.rules != nil, "landlock")
	if len(holds) == 0 {
		holds = append(holds, "trusted like the daemon")
	}
	add(c.filtered, "seccomp")
	add(c.namespaces&unix.CLONE_NEWPID != 0, "pid namespace")
	add(c.group != nil, "cgroup")
	return strings.Join(append(holds, c.limits()...), ", ")
}

// limits says which of the limits that were asked for hold.
func (c *confinement) limits() (limits []string) {
	say := func(asked, holds bool, limit, what string) {
		switch {
		case asked && holds:
			limits = append(limits, limit)
		case asked:
			limits = append(limits, what+" not limited")
		}
	}
	o := c.options
	say(o.MaxMemory > 0, c.limitsMemory, fmt.Sprintf("memory %d MiB", o.MaxMemory>>20), "memory")
	say(o.MaxCPU > 0, c.limitsCPU, fmt.Sprintf("cpu %d‰", o.MaxCPU), "cpu")
	switch {
	case !o.NoNetwork:
	case c.filtered || c.namespaces&unix.CLONE_NEWNET != 0 || c.rules.cutsOff(allTCP|allUDP):
		limits = append(limits, "no network")
	case c.rules.cutsOff(allTCP):
		limits = append(limits, "no TCP")
	default:
		limits = append(limits, "network not cut off")
	}
	return limits
}

// userName is a user's name, or its number.
func userName(id uint32) string {
	text := strconv.Itoa(int(id))
	if found, err := user.LookupId(text); err == nil {
		return found.Username
	}
	return text
}

// onOwnThread runs a function on a thread that ends with it, and is not the
// process's first.
func onOwnThread(run func()) {
	go func() {
		runtime.LockOSThread()
		if unix.Gettid() != unix.Getpid() {
			run()
			return
		}
		begun := make(chan struct{})
		onOwnThread(func() { close(begun); run() })
		<-begun
		runtime.UnlockOSThread()
	}()
}

func executable(mode fs.FileMode) bool { return mode.Perm()&0o111 != 0 }
