package maildrop

import (
	"io"
	"os"
	"sort"
	"time"

	"golang.org/x/sys/unix"
)

// maxTold is how many files of one user are logged by name in one turn.
const maxTold = 20

// reject moves a file to bad.
func (t *turn) reject(name string, user *share, uid uint32, reason error) {
	to := name
	if !IsKey(name) {
		to = "not-a-drop-" + NewKey() // whatever it was called
	}
	if err := unix.Renameat(t.fd(), name, int(t.bad.Fd()), to); err != nil {
		if err != unix.ENOENT {
			t.wait[name] = pause{t.now.Add(ignoredLife), 0}
			t.o.Log.Error("maildrop: a bad file cannot be moved away", "file", name, "uid", uid, "error", err)
		}
		return
	}
	t.taken, t.moved = true, true
	if user.bad++; user.bad <= maxTold {
		t.o.Log.Warn("maildrop: moved a file that cannot be sent", "file", name, "uid", uid, "reason", reason, "to", badName+"/"+to)
	}
}

// summary logs what the turn did not log by name.
func (t *turn) summary() {
	for uid, user := range t.users {
		if user.bad > maxTold {
			t.o.Log.Warn("maildrop: moved more files that cannot be sent", "uid", uid, "count", user.bad-maxTold)
		}
	}
	if t.dirs != t.Pickup.dirs {
		t.Pickup.dirs = t.dirs
		t.o.Log.Warn("maildrop: left directories alone", "count", t.dirs)
	}
}

// prune keeps bad from growing: it removes what is old, and each user's oldest
// beyond MaxBad. A user fills only a share of his own.
func (p *Pickup) prune(now time.Time) {
	type file struct {
		name string
		at   time.Time
	}
	users := make(map[uint32][]file)
	for _, name := range p.listBad() {
		var st unix.Stat_t
		if unix.Fstatat(int(p.bad.Fd()), name, &st, unix.AT_SYMLINK_NOFOLLOW) == nil {
			users[st.Uid] = append(users[st.Uid], file{name, time.Unix(st.Ctim.Unix())})
		}
	}
	for uid, files := range users {
		sort.Slice(files, func(i, j int) bool { return files[i].at.After(files[j].at) })
		for i, f := range files {
			if i < p.o.MaxBad && now.Sub(f.at) < badLife {
				continue
			}
			if err := unix.Unlinkat(int(p.bad.Fd()), f.name, 0); err != nil {
				p.o.Log.Error("maildrop: an old bad file cannot be removed", "file", f.name, "uid", uid, "error", err)
			}
		}
	}
}

func (p *Pickup) listBad() []string {
	fd, err := unix.Openat(int(p.bad.Fd()), ".", unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		p.o.Log.Error("maildrop: cannot list the bad files", "error", err)
		return nil
	}
	d := os.NewFile(uintptr(fd), badName)
	defer d.Close()
	names, err := d.Readdirnames(-1)
	if err != nil && err != io.EOF {
		p.o.Log.Error("maildrop: cannot list the bad files", "error", err)
	}
	return names
}
