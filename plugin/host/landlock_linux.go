package host

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"unsafe"

	"golang.org/x/sys/unix"
)

// What a Landlock rule can give (landlock(7)).
const (
	mayRead  = unix.LANDLOCK_ACCESS_FS_EXECUTE | unix.LANDLOCK_ACCESS_FS_READ_FILE | unix.LANDLOCK_ACCESS_FS_READ_DIR
	mayWrite = unix.LANDLOCK_ACCESS_FS_WRITE_FILE | unix.LANDLOCK_ACCESS_FS_TRUNCATE | unix.LANDLOCK_ACCESS_FS_REMOVE_DIR |
		unix.LANDLOCK_ACCESS_FS_REMOVE_FILE | unix.LANDLOCK_ACCESS_FS_MAKE_DIR | unix.LANDLOCK_ACCESS_FS_MAKE_REG |
		unix.LANDLOCK_ACCESS_FS_MAKE_SOCK | unix.LANDLOCK_ACCESS_FS_MAKE_FIFO | unix.LANDLOCK_ACCESS_FS_MAKE_SYM |
		unix.LANDLOCK_ACCESS_FS_REFER | unix.LANDLOCK_ACCESS_FS_RESOLVE_UNIX
	// forFiles are those that a rule for something else than a directory can have.
	forFiles = unix.LANDLOCK_ACCESS_FS_EXECUTE | unix.LANDLOCK_ACCESS_FS_READ_FILE | unix.LANDLOCK_ACCESS_FS_WRITE_FILE | unix.LANDLOCK_ACCESS_FS_TRUNCATE
	// allFiles are all rights; devices are given to nobody.
	allFiles = mayRead | mayWrite | unix.LANDLOCK_ACCESS_FS_MAKE_CHAR | unix.LANDLOCK_ACCESS_FS_MAKE_BLOCK | unix.LANDLOCK_ACCESS_FS_IOCTL_DEV
	allTCP   = unix.LANDLOCK_ACCESS_NET_BIND_TCP | unix.LANDLOCK_ACCESS_NET_CONNECT_TCP
	allUDP   = unix.LANDLOCK_ACCESS_NET_BIND_UDP | unix.LANDLOCK_ACCESS_NET_CONNECT_SEND_UDP
	// signalsWithin is the erratum after which a thread may signal the others of
	// its own process whatever its domain, which Go's runtime does.
	signalsWithin = 1 << 1
)

// ruleset is a Landlock ruleset that is being made.
type ruleset struct {
	fd      int
	handled unix.LandlockRulesetAttr
}

// landlock makes a ruleset of all that this kernel knows, which gives nothing
// yet. It is nil where there is no Landlock.
func landlock(noNetwork bool) (*ruleset, error) {
	if _, err := createRuleset(nil, unix.LANDLOCK_CREATE_RULESET_VERSION); err != nil {
		return nil, nil // not built in, not booted with, or forbidden
	}
	r := new(ruleset)
	r.handled.Handled_access_fs = known(allFiles, func(right uint64) unix.LandlockRulesetAttr { return unix.LandlockRulesetAttr{Handled_access_fs: right} })
	if noNetwork {
		r.handled.Handled_access_net = known(allTCP|allUDP, func(right uint64) unix.LandlockRulesetAttr {
			return unix.LandlockRulesetAttr{Handled_access_net: right}
		})
	}
	scopes := uint64(unix.LANDLOCK_SCOPE_ABSTRACT_UNIX_SOCKET)
	if errata, err := createRuleset(nil, unix.LANDLOCK_CREATE_RULESET_ERRATA); err == nil && errata&signalsWithin != 0 {
		scopes |= unix.LANDLOCK_SCOPE_SIGNAL
	}
	r.handled.Scoped = known(scopes, func(right uint64) unix.LandlockRulesetAttr { return unix.LandlockRulesetAttr{Scoped: right} })
	var err error
	if r.fd, err = createRuleset(&r.handled, 0); err != nil {
		return nil, fmt.Errorf("landlock: %w", err)
	}
	return r, nil
}

// known are the rights that this kernel knows: it refuses a ruleset with others.
func known(rights uint64, attr func(uint64) unix.LandlockRulesetAttr) (known uint64) {
	for right := uint64(1); right <= rights; right <<= 1 {
		if rights&right == 0 {
			continue
		}
		a := attr(right)
		if fd, err := createRuleset(&a, 0); err == nil {
			_ = unix.Close(fd)
			known |= right
		}
	}
	return known
}

func createRuleset(attr *unix.LandlockRulesetAttr, flags uintptr) (int, error) {
	size := unsafe.Sizeof(*attr)
	if attr == nil {
		size = 0
	}
	fd, _, errno := unix.Syscall(unix.SYS_LANDLOCK_CREATE_RULESET, uintptr(unsafe.Pointer(attr)), size, flags)
	if errno != 0 {
		return 0, errno
	}
	return int(fd), nil
}

// allow gives rights to a path and all beneath it. The rule is about the file
// that is there now, not about its name.
func (r *ruleset) allow(path string, rights uint64) error {
	fd, err := unix.Open(path, unix.O_PATH|unix.O_CLOEXEC, 0)
	if err != nil {
		return &fs.PathError{Op: "open", Path: path, Err: err}
	}
	defer unix.Close(fd)
	var stat unix.Stat_t
	if err := unix.Fstat(fd, &stat); err != nil {
		return &fs.PathError{Op: "stat", Path: path, Err: err}
	}
	if stat.Mode&unix.S_IFMT != unix.S_IFDIR {
		rights &= forFiles
	}
	rule := unix.LandlockPathBeneathAttr{Allowed_access: rights & r.handled.Handled_access_fs, Parent_fd: int32(fd)}
	if _, _, errno := unix.Syscall6(unix.SYS_LANDLOCK_ADD_RULE, uintptr(r.fd), unix.LANDLOCK_RULE_PATH_BENEATH, uintptr(unsafe.Pointer(&rule)), 0, 0, 0); errno != 0 {
		return fmt.Errorf("landlock: %s: %w", path, errno)
	}
	return nil
}

// enter restricts this thread and what it starts, for ever.
func (r *ruleset) enter() error {
	if _, _, errno := unix.Syscall(unix.SYS_LANDLOCK_RESTRICT_SELF, uintptr(r.fd), 0, 0); errno != 0 {
		return fmt.Errorf("landlock: %w", errno)
	}
	return nil
}

func (r *ruleset) close() { _ = unix.Close(r.fd) }

// cutsOff tells whether rights to the network are kept back.
func (r *ruleset) cutsOff(rights uint64) bool {
	return r != nil && r.handled.Handled_access_net&rights == rights
}

// needed is what programs need to run: themselves, libraries, interpreters and
// their data, names and certificates, and what tells them how many processors
// there are. What is not there is left out. Other processes under /proc are
// kept from reading each other by the kernel's rules for ptrace.
func needed() []string {
	return []string{
		"/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32", "/nix/store", "/gnu/store",
		"/etc/alternatives", "/etc/ld.so.cache", "/etc/ld.so.preload", "/etc/localtime", "/etc/timezone", "/etc/mime.types",
		"/etc/ssl", "/etc/pki", "/etc/ca-certificates", "/etc/crypto-policies",
		"/etc/hosts", "/etc/host.conf", "/etc/nsswitch.conf", "/etc/gai.conf", "/etc/services", "/etc/protocols", "/etc/passwd", "/etc/group",
		"/etc/resolv.conf", "/run/systemd/resolve", "/run/resolvconf", "/run/NetworkManager/resolv.conf",
		"/proc", "/sys/devices/system/cpu", "/sys/fs/cgroup", "/sys/kernel/mm/transparent_hugepage",
		"/dev/urandom", "/dev/random",
	}
}

// devices may be written to.
func devices() []string { return []string{"/dev/null", "/dev/zero", "/dev/full"} }

// allowProgram gives what a plugin may have.
func (r *ruleset) allowProgram(o *Options, private string) error {
	if err := r.allowAll(needed(), mayRead, o.Private, false); err != nil {
		return err
	}
	if err := r.allowAll(devices(), mayRead|mayWrite, nil, false); err != nil {
		return err
	}
	if err := r.allowAll(o.ReadPaths, mayRead, nil, true); err != nil {
		return fmt.Errorf("read paths: %w", err)
	}
	written := append([]string{private}, o.WritePaths...)
	if o.WorkDir != "" {
		written = append(written, o.WorkDir)
	}
	if err := r.allowAll(written, mayRead|mayWrite, nil, true); err != nil {
		return fmt.Errorf("write paths: %w", err)
	}
	return nil
}

// allowAll gives rights to paths, but for what is private in them. Those that
// need not be there are left out if they are not.
func (r *ruleset) allowAll(paths []string, rights uint64, private []string, required bool) error {
	for _, path := range paths {
		real, err := filepath.EvalSymlinks(path)
		var open []string
		if err == nil {
			open, err = allBut(real, private)
		}
		for _, path := range open {
			err = errors.Join(err, r.allow(path, rights))
		}
		missing := errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrPermission)
		if err != nil && (required || !missing) {
			return err
		}
	}
	return nil
}

// allBut gives a path, or if private directories lie in it, all that lies
// beside the ways to them. Links are left out: what they lead to is elsewhere.
func allBut(path string, private []string) ([]string, error) {
	if slices.Contains(private, path) {
		return nil, nil
	}
	if !slices.ContainsFunc(private, func(p string) bool { return within(p, path) }) {
		return []string{path}, nil
	}
	entries, err := os.ReadDir(path)
	if err != nil {
		return nil, err
	}
	var all []string
	for _, e := range entries {
		if e.Type()&fs.ModeSymlink != 0 {
			continue
		}
		beside, err := allBut(filepath.Join(path, e.Name()), private)
		if err != nil {
			return nil, err
		}
		all = append(all, beside...)
	}
	return all, nil
}
