package host

import (
	"fmt"
	"os"
	"runtime"
	"strconv"
	"strings"
	"unsafe"

	"golang.org/x/sys/unix"
)

// seccomp keeps this thread and what it starts from system calls that no
// transport needs and that have often been a way around other fences, and
// without network from sockets that are not Unix's (seccomp(2)). It tells
// whether it could: not on all processors are the calls known here.
func seccomp(noNetwork bool) (bool, error) {
	machine, ok := map[string]uint32{"amd64": unix.AUDIT_ARCH_X86_64, "arm64": unix.AUDIT_ARCH_AARCH64}[runtime.GOARCH]
	if !ok {
		return false, nil
	}
	filter := filter(machine, noNetwork)
	program := unix.SockFprog{Len: uint16(len(filter)), Filter: &filter[0]}
	// By prctl, since service managers that allow only so many calls allow it.
	if err := unix.Prctl(unix.PR_SET_SECCOMP, unix.SECCOMP_MODE_FILTER, uintptr(unsafe.Pointer(&program)), 0, 0); err != nil {
		return false, fmt.Errorf("seccomp: %w", err)
	}
	return true, nil
}

// The places of struct seccomp_data.
const (
	dataNumber = 0
	dataArch   = 4
	dataArg0   = 16 // its lower half, on little-endian machines
	x32        = 0x40000000
)

// filter is the program: each call that is denied has a test of its own.
func filter(machine uint32, noNetwork bool) []unix.SockFilter {
	load := func(place uint32) unix.SockFilter {
		return unix.SockFilter{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, K: place}
	}
	// unless skips the next instruction if a comparison does not hold.
	unless := func(comparison uint16, k uint32) unix.SockFilter {
		return unix.SockFilter{Code: unix.BPF_JMP | unix.BPF_K | comparison, Jf: 1, K: k}
	}
	give := func(action uint32) unix.SockFilter {
		return unix.SockFilter{Code: unix.BPF_RET | unix.BPF_K, K: action}
	}
	deny, allow := give(unix.SECCOMP_RET_ERRNO|uint32(unix.EPERM)), give(unix.SECCOMP_RET_ALLOW)
	skip := unix.SockFilter{Code: unix.BPF_JMP | unix.BPF_JA, K: 1}

	// Programs for other processors have other numbers.
	f := []unix.SockFilter{load(dataArch), unless(unix.BPF_JEQ, machine), skip, deny, load(dataNumber)}
	if machine == unix.AUDIT_ARCH_X86_64 {
		f = append(f, unless(unix.BPF_JGE, x32), deny)
	}
	for _, number := range denied() {
		f = append(f, unless(unix.BPF_JEQ, number), deny)
	}
	if noNetwork {
		f = append(f, unless(unix.BPF_JEQ, unix.SYS_SOCKET), skip, allow,
			load(dataArg0), unless(unix.BPF_JEQ, unix.AF_UNIX), allow, deny)
	}
	return append(f, allow)
}

// denied are calls of debuggers, of those who make namespaces and file systems,
// and of interfaces that go around the filter or have kept the kernel's
// maintainers busy.
func denied() []uint32 {
	return []uint32{
		unix.SYS_PTRACE, unix.SYS_PROCESS_VM_READV, unix.SYS_PROCESS_VM_WRITEV, unix.SYS_PIDFD_GETFD, unix.SYS_KCMP,
		unix.SYS_UNSHARE, unix.SYS_SETNS, unix.SYS_MOUNT, unix.SYS_UMOUNT2, unix.SYS_PIVOT_ROOT, unix.SYS_OPEN_TREE, unix.SYS_MOVE_MOUNT,
		unix.SYS_FSOPEN, unix.SYS_MOUNT_SETATTR, unix.SYS_OPEN_BY_HANDLE_AT,
		unix.SYS_IO_URING_SETUP, unix.SYS_BPF, unix.SYS_PERF_EVENT_OPEN, unix.SYS_USERFAULTFD, unix.SYS_ADD_KEY, unix.SYS_REQUEST_KEY, unix.SYS_KEYCTL,
	}
}

// Confined tells whether a process is a plugin, or was started by one, however
// long ago: no process gets rid of what it can be told by. Where plugins run
// as the daemon's own user, a socket that this user may connect to cannot tell
// them apart otherwise. A process that is no more counts as one.
func Confined(pid int) bool {
	if pid == os.Getpid() {
		return false
	}
	fences, filters, err := fencesOf(strconv.Itoa(pid))
	if err != nil {
		return true
	}
	own, ownFilters, err := fencesOf(strconv.Itoa(os.Getpid()))
	if err != nil {
		return true
	}
	return fences && (!own || filters > ownFilters)
}

// fencesOf reads whether a process can gain privileges by running a program,
// and how many seccomp filters it has (proc_pid_status(5)).
func fencesOf(pid string) (noNewPrivileges bool, filters int, err error) {
	text, err := os.ReadFile("/proc/" + pid + "/status")
	if err != nil {
		return false, 0, err
	}
	for line := range strings.Lines(string(text)) {
		name, value, _ := strings.Cut(line, ":")
		switch value = strings.TrimSpace(value); name {
		case "NoNewPrivs":
			noNewPrivileges = value == "1"
		case "Seccomp_filters":
			filters, _ = strconv.Atoi(value)
		}
	}
	return noNewPrivileges, filters, nil
}
