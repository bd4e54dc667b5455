package maildrop

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/postilion-mail/postilion/internal/failpoint"
)

// turn is one look at the directory.
type turn struct {
	*Pickup
	ctx   context.Context
	now   time.Time
	users map[uint32]*share
	wait  map[string]pause // what will be waited for after this turn
	dirs  int              // directories that were left alone
	taken bool             // a file was removed
	moved bool             // a file was moved to bad
	more  bool             // somebody's share was used up
}

// share is what a user has had in this turn.
type share struct {
	files int
	bytes int64
	bad   int  // files moved to bad
	stop  bool // a drop was refused for now: the rest would fare no better
}

// scan goes through the directory once. It tells whether something was moved
// to bad, and whether there is more to pick up at once.
func (p *Pickup) scan(ctx context.Context) (moved, more bool, err error) {
	list, err := openDir(p.o.Dir)
	if err != nil {
		return false, false, err
	}
	defer list.Close()
	t := &turn{Pickup: p, ctx: ctx, now: time.Now(), users: make(map[uint32]*share), wait: make(map[string]pause)}
	for ctx.Err() == nil {
		// In pieces: anybody may have put a million names here.
		names, err := list.Readdirnames(512)
		for _, name := range names {
			t.visit(name)
		}
		if err == io.EOF {
			p.wait = t.wait // without the names that are gone
			break
		}
		if err != nil {
			return t.moved, false, err
		}
	}
	t.summary()
	if t.taken {
		// Once for all: a file that comes back after a crash is known by its key.
		err = p.dir.Sync()
	}
	return t.moved, t.more && t.taken, err // a turn in vain waits for the next tick
}

func (t *turn) visit(name string) {
	if w, ok := t.Pickup.wait[name]; ok && t.now.Before(w.until) {
		t.wait[name] = w
		return
	}
	var st unix.Stat_t
	if t.ctx.Err() != nil || name == badName || unix.Fstatat(t.fd(), name, &st, unix.AT_SYMLINK_NOFOLLOW) != nil {
		return
	}
	if st.Mode&unix.S_IFMT == unix.S_IFDIR {
		// Moving another's directory takes more rights than the daemon should
		// have.
		t.dirs++
		return
	}
	if strings.HasPrefix(name, ".") {
		t.sweep(name, &st)
		return
	}
	user := t.users[st.Uid]
	if user == nil {
		user = new(share)
		t.users[st.Uid] = user
	}
	switch {
	case user.stop:
	case user.files >= t.o.TurnFiles || user.bytes > 0 && user.bytes+st.Size > t.o.TurnBytes:
		t.more = true
	default:
		user.files++
		user.bytes += st.Size
		t.pick(name, user, &st)
	}
}

// sweep removes a file that its writer cannot be writing any more.
func (t *turn) sweep(name string, st *unix.Stat_t) {
	if t.now.Sub(time.Unix(st.Mtim.Unix())) > tempLife {
		t.o.Log.Info("maildrop: removed a file whose writer died", "file", name, "uid", st.Uid)
		t.remove(name)
	}
}

// pick reads one drop and submits it. The uid that counts is that of the file
// that was opened, whatever had the name before.
func (t *turn) pick(name string, user *share, st *unix.Stat_t) {
	d, err := t.load(name, st)
	if err != nil {
		t.fault(name, user, st.Uid, err)
		return
	}
	t.submit(name, user, st.Uid, d)
}

// load reads the drop of the given name and replaces st by what is true of the
// opened file.
func (t *turn) load(name string, st *unix.Stat_t) (*Drop, error) {
	if !IsKey(name) {
		return nil, errBad("its name is not that of a drop")
	}
	f, err := t.open(name, st)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	d, err := read(f, st.Size)
	if err == nil && d.Key != name {
		err = errBad("its name is not its key")
	}
	return d, err
}

func (t *turn) submit(name string, user *share, uid uint32, d *Drop) {
	err, final := t.o.Submit(t.ctx, uid, d), permanent{}
	refused := errors.As(err, &final)
	if refused && t.o.Refused != nil {
		if later := t.o.Refused(t.ctx, uid, d, err); later != nil {
			err, refused = later, false
		}
	}
	switch {
	case err == nil:
		t.o.Log.Debug("maildrop: picked up", "key", name, "uid", uid)
		t.remove(name)
	case refused:
		t.reject(name, user, uid, err)
	case t.ctx.Err() != nil:
	default:
		user.stop = true
		w := t.postpone(name)
		t.o.Log.Warn("maildrop: not accepted for now", "key", name, "uid", uid, "retry", w, "error", err)
	}
}

// postpone keeps the file from being looked at for twice as long as before.
func (t *turn) postpone(name string) time.Duration {
	delay := min(max(2*t.Pickup.wait[name].delay, firstRetry), lastRetry)
	t.wait[name] = pause{t.now.Add(delay), delay}
	return delay
}

// errBad is what is wrong with a file for good.
type errBad string

func (e errBad) Error() string { return string(e) }

// open opens a regular file that has no other name. Nothing is opened that
// would block or have an effect by being opened.
func (t *turn) open(name string, st *unix.Stat_t) (*os.File, error) {
	fd, err := unix.Openat(t.fd(), name, unix.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK|unix.O_NOCTTY|unix.O_CLOEXEC, 0)
	switch {
	case err == unix.ELOOP:
		return nil, errBad("it is a symbolic link")
	case err == unix.ENXIO:
		return nil, errBad("it is a socket")
	case err != nil:
		return nil, err
	}
	f := os.NewFile(uintptr(fd), name)
	if err = unix.Fstat(fd, st); err == nil {
		err = t.fit(st)
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

// fit judges a file by what the file system says of it.
func (t *turn) fit(st *unix.Stat_t) error {
	switch {
	case st.Mode&unix.S_IFMT != unix.S_IFREG:
		return errBad("it is not a regular file")
	case st.Nlink == 0:
		return unix.ENOENT
	case st.Nlink != 1:
		return errBad("it has more than one name (hard links)")
	case st.Size > t.o.MaxSize+maxHead:
		return errBad(fmt.Sprintf("it is larger than the %d octets a message may have", t.o.MaxSize))
	}
	return nil
}

// read takes the whole file once, so that its owner cannot change it between
// two looks.
func read(f io.Reader, size int64) (*Drop, error) {
	var b bytes.Buffer
	b.Grow(int(size) + bytes.MinRead)
	if _, err := b.ReadFrom(io.LimitReader(f, size+1)); err != nil {
		return nil, err
	}
	d, err := Parse(b.Bytes())
	if err != nil {
		return nil, errBad(err.Error())
	}
	return d, nil
}

// fault sorts what went wrong before a drop was there to be submitted.
func (t *turn) fault(name string, user *share, uid uint32, err error) {
	switch bad := errBad(""); {
	case errors.As(err, &bad):
		t.reject(name, user, uid, err)
	case errors.Is(err, unix.ENOENT):
	case errors.Is(err, unix.EACCES):
		t.postpone(name)
		t.o.Log.Error("maildrop: a file may not be read; the directory should have mode 3733 and the daemon's group", "file", name)
	default:
		t.postpone(name)
		t.o.Log.Error("maildrop: a file cannot be read", "file", name, "error", err)
	}
}

func (t *turn) fd() int { return int(t.dir.Fd()) }

// remove takes a name out of the directory.
func (t *turn) remove(name string) {
	if err := unix.Unlinkat(t.fd(), name, 0); err != nil && err != unix.ENOENT {
		t.wait[name] = pause{t.now.Add(ignoredLife), 0}
		t.o.Log.Error("maildrop: a file cannot be removed", "file", name, "error", err)
		return
	}
	t.taken = true
	failpoint.Hit(failpoint.DropRemoved)
}
