package health

import (
	"bufio"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"os/user"
	"slices"
	"strconv"
	"strings"
	"syscall"
)

const (
	lowDisk   = 1 << 30
	lowInodes = 10_000
	noInodes  = 1_000
)

// disk looks at the file systems that the daemon writes to, each once.
func (e *Examiner) disk(r *report) {
	var least int64 = -1
	seen := map[uint64]bool{}
	for _, setting := range slices.Sorted(maps.Keys(e.Directories)) {
		path := e.Directories[setting]
		info, err := os.Stat(path)
		if err != nil {
			r.add("disk", setting, "missing", statusFailed, "make the directory, or restart the daemon", "%v", err)
			continue
		}
		if stat, ok := info.Sys().(*syscall.Stat_t); ok {
			if seen[uint64(stat.Dev)] { //nolint:unconvert // types vary between systems
				continue
			}
			seen[uint64(stat.Dev)] = true //nolint:unconvert // types vary between systems
		}
		var stat syscall.Statfs_t
		if err := syscall.Statfs(path, &stat); err != nil {
			r.add("disk", setting, "unknown", statusUnknown, "", "%s: %v", path, err)
			continue
		}
		free := int64(stat.Bavail) * int64(stat.Bsize) //nolint:unconvert // types vary between systems
		if least < 0 || free < least {
			least = free
		}
		e.space(r, setting, path, free, int64(stat.Files), int64(stat.Ffree))
	}
	r.well("disk", "%s free", size(least))
}

func (e *Examiner) space(r *report, setting, path string, free, inodes, freeInodes int64) {
	const remedy = "make room: with a full disk no mail is accepted"
	switch {
	case free < e.MinFree:
		r.add("disk", setting, "full", statusFailed, remedy, "only %s are free at %s, and %s have to be for mail to be accepted", size(free), path, size(e.MinFree))
	case free < lowDisk:
		r.add("disk", setting, "low", statusWarning, remedy, "only %s are free at %s", size(free), path)
	}
	switch { // file systems that make inodes as needed say that they have none
	case inodes > 0 && freeInodes < noInodes:
		r.add("disk", setting, "no_inodes", statusFailed, "delete files: the file system has no room for more", "only %d files can be made at %s", freeInodes, path)
	case inodes > 0 && freeInodes < lowInodes:
		r.add("disk", setting, "low_inodes", statusWarning, "delete files: the file system has little room for more", "only %d files can be made at %s", freeInodes, path)
	}
}

// sockets tells who can reach the daemon on this machine.
func (e *Examiner) sockets(r *report) {
	for _, s := range e.Sockets() {
		info, err := os.Lstat(s.Path)
		switch {
		case err != nil:
			r.add("socket", s.Path, "missing", statusFailed, "restart the daemon, which makes it anew", "nobody can connect: %v", err)
			continue
		case info.Mode().Type() != fs.ModeSocket:
			r.add("socket", s.Path, "replaced", statusFailed, "remove it and restart the daemon", "something else stands in the socket's place")
			continue
		}
		mode, who := info.Mode().Perm(), reach(info)
		switch {
		case s.Admin && mode&0o077 != 0:
			r.add("socket", s.Path, "admin_open", statusFailed, "chmod 0600 "+s.Path, "%s may connect, and whoever does may do everything (mode %04o)", who, mode)
		case s.Admin:
			r.add("socket", s.Path, "ok", statusOK, "", "for administration: %s", who)
		case mode&0o002 != 0 && e.EveryUser:
			r.add("socket", s.Path, "ok", statusOK, "", "%s may connect, and may send as the client local", who)
		default:
			r.add("socket", s.Path, "ok", statusOK, "", "%s may connect; only clients get in", who)
		}
	}
}

// reach says who may connect to a socket, by its mode: that takes the right to
// write (unix(7)).
func reach(info fs.FileInfo) string {
	mode := info.Mode().Perm()
	stat, ok := info.Sys().(*syscall.Stat_t)
	if mode&0o002 != 0 || !ok {
		return "every user of this machine"
	}
	owner := strconv.Itoa(int(stat.Uid))
	if u, err := user.LookupId(owner); err == nil {
		owner = u.Username
	}
	who := "root"
	if stat.Uid != 0 {
		who = owner + " and root"
	}
	if mode&0o020 == 0 {
		return who
	}
	group, members := groupOf(stat.Gid)
	if len(members) == 0 {
		return fmt.Sprintf("%s and the group %s", who, group)
	}
	return fmt.Sprintf("%s and the group %s (%s)", who, group, strings.Join(members[:min(10, len(members))], ", "))
}

// groupFile names groups with their members, group(5).
const groupFile = "/etc/group"

// groupOf gives the name of a group and those whom it lists. Users whose first
// group it is are not listed there.
func groupOf(gid uint32) (name string, members []string) {
	id := strconv.Itoa(int(gid))
	name = id
	file, err := os.Open(groupFile)
	if err != nil {
		return name, nil
	}
	defer file.Close()
	for lines := bufio.NewScanner(file); lines.Scan(); {
		fields := strings.Split(lines.Text(), ":")
		if len(fields) != 4 || fields[2] != id {
			continue
		}
		if fields[3] != "" {
			members = strings.Split(fields[3], ",")
		}
		return fields[0], members
	}
	return name, nil
}
