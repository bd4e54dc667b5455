package host

import (
	"fmt"
	"hash/fnv"
	"io/fs"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"
)

// Plugins that have no user of their own in the system's list get one of these
// numbers, which neither distributions nor systemd give to anybody
// (systemd.io/UIDS-GIDS).
const firstUser, lastUser = 60706, 61183

// userPrefix and a plugin's name are what the user is called that somebody may
// have made for it.
const userPrefix = "postilion-"

// users are those that plugins of this process have.
var users = struct {
	sync.Mutex
	of map[string]uint32 // by directory and name
}{of: make(map[string]uint32)}

// ownUser finds whom a plugin runs as: nil where the daemon may not switch, or
// could not reach what it has handed over.
func ownUser(o *Options) (*syscall.Credential, error) {
	if o.SameUser || os.Geteuid() != 0 {
		return nil, nil
	}
	for _, c := range []uint{unix.CAP_SETUID, unix.CAP_SETGID, unix.CAP_CHOWN, unix.CAP_KILL, unix.CAP_DAC_OVERRIDE} {
		if !capable(c) {
			return nil, nil
		}
	}
	if found, err := user.Lookup(userPrefix + o.Name); err == nil {
		return credential(found)
	}
	if !mapped(lastUser) {
		return nil, nil
	}
	id, err := freeUser(filepath.Join(o.Dir, o.Name))
	if err != nil {
		return nil, err
	}
	return &syscall.Credential{Uid: id, Gid: id}, nil
}

// credential is a user of the system's list, with its groups: whoever made it
// may have given it access to something by them.
func credential(u *user.User) (*syscall.Credential, error) {
	number := func(text string) uint32 { n, _ := strconv.ParseUint(text, 10, 32); return uint32(n) }
	c := &syscall.Credential{Uid: number(u.Uid), Gid: number(u.Gid)}
	if c.Uid == 0 || c.Gid == 0 {
		return nil, fmt.Errorf("the user %s is root's; plugins run as others", u.Username)
	}
	groups, err := u.GroupIds()
	if err != nil {
		return nil, fmt.Errorf("the groups of the user %s: %w", u.Username, err)
	}
	for _, g := range groups {
		c.Groups = append(c.Groups, number(g))
	}
	return c, nil
}

// freeUser gives a number that nobody else has, if possible always the same.
func freeUser(plugin string) (uint32, error) {
	users.Lock()
	defer users.Unlock()
	if id, ok := users.of[plugin]; ok {
		return id, nil
	}
	taken := make(map[uint32]bool)
	for _, id := range users.of {
		taken[id] = true
	}
	hash := fnv.New32a()
	_, _ = hash.Write([]byte(plugin))
	const count = lastUser - firstUser + 1
	for n := range uint32(count) {
		id := firstUser + (hash.Sum32()%count+n)%count
		if _, err := user.LookupId(strconv.Itoa(int(id))); taken[id] || err == nil {
			continue
		}
		users.of[plugin] = id
		return id, nil
	}
	return 0, fmt.Errorf("the user ids from %d to %d are all taken", firstUser, lastUser)
}

// capable tells whether this process has a capability (capabilities(7)).
func capable(capability uint) bool {
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var data [2]unix.CapUserData
	return unix.Capget(&header, &data[0]) == nil && data[capability/32].Effective&(1<<(capability%32)) != 0
}

// mapped tells whether a user id exists in this user namespace: containers may
// have few of them (user_namespaces(7)).
func mapped(id uint64) bool {
	text, err := os.ReadFile("/proc/self/uid_map")
	for line := range strings.Lines(string(text)) {
		var inside, outside, count uint64
		if _, err := fmt.Sscan(line, &inside, &outside, &count); err == nil && id >= inside && id-inside < count {
			return true
		}
	}
	return err != nil
}

// handOver gives a user a plugin's directory. The directory around it must let
// the user through.
func handOver(private string, to *syscall.Credential) error {
	run := filepath.Dir(private)
	info, err := os.Stat(run)
	if err != nil {
		return err
	}
	if mode := info.Mode().Perm(); mode&0o011 != 0o011 {
		if err := os.Chmod(run, mode|0o011); err != nil {
			return err
		}
	}
	for dir := filepath.Dir(run); ; dir = filepath.Dir(dir) {
		info, err := os.Stat(dir)
		if err != nil {
			return err
		}
		if info.Mode().Perm()&0o001 == 0 {
			return fmt.Errorf("run dir: %s lets no other users through, and plugins run as users of their own; chmod o+x, or choose another: %w", dir, fs.ErrPermission)
		}
		if dir == filepath.Dir(dir) {
			break
		}
	}
	return os.Chown(private, int(to.Uid), int(to.Gid))
}
