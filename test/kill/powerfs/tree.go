// Package powerfs is a file system that loses power when it is told to: what
// was not synced is gone then. It keeps everything in memory twice, as programs
// see it and as it would be on the disk, and runs as a FUSE server in a process
// of its own.
//
// It is as strict as POSIX allows. Content, size and mode of a file last after
// fsync of the file; names, and with them new, renamed and removed files, last
// after fsync of the directory. A disk may also have kept any part of the rest:
// a cut keeps some of it if it is asked to, pages in any order, and the changes
// of a directory up to one of them.
package powerfs

import (
	"maps"
	"math/rand/v2"
	"sync"
	"syscall"
)

const pageSize = 4096

// page is immutable while it is shared between the two states of a file.
type page [pageSize]byte

// content is what fsync of a file makes last.
type content struct {
	pages []*page // nil: zeros
	size  int64
	mode  uint32 // with the type
	uid   uint32
	gid   uint32
}

func (c *content) clone() content {
	copied := *c
	copied.pages = append([]*page(nil), c.pages...)
	return copied
}

// object is a file, a directory or a socket. The disk guards its fields.
type object struct {
	ino uint64
	now content
	// kept is what a cut leaves, and dirty are the pages that differ from it.
	kept  content
	dirty map[int]bool
	mtime int64 // s

	names     map[string]*object // of a directory
	keptNames map[string]*object
	pending   []rename // changes of names since keptNames, in their order
	links     int      // names in directories now
}

// rename is a change of names of one directory that happens as a whole.
type rename map[string]*object // nil: the name is gone

// disk is all that the file system holds.
type disk struct {
	mu      sync.Mutex
	root    *object
	lastIno uint64
	era     int  // number of cuts so far: an older server has no power
	lying   bool // fsync says yes and does nothing
	syncs   int
}

func newDisk() *disk {
	d := &disk{}
	d.root = d.create(syscall.S_IFDIR|0o700, 0, 0)
	d.root.links = 1
	return d
}

func (d *disk) create(mode, uid, gid uint32) *object {
	d.lastIno++
	o := &object{ino: d.lastIno, dirty: make(map[int]bool)}
	o.now.mode, o.now.uid, o.now.gid = mode, uid, gid
	o.kept = o.now
	if mode&syscall.S_IFMT == syscall.S_IFDIR {
		o.names, o.keptNames = make(map[string]*object), make(map[string]*object)
	}
	return o
}

func (o *object) directory() bool { return o.names != nil }

// change applies a change of names and remembers it until fsync.
func (o *object) change(r rename) {
	o.pending = append(o.pending, r)
	r.apply(o.names)
}

func (r rename) apply(names map[string]*object) {
	for name, to := range r {
		if to == nil {
			delete(names, name)
		} else {
			names[name] = to
		}
	}
}

// sync makes an object last.
func (d *disk) sync(o *object) {
	d.syncs++
	if d.lying {
		return
	}
	if o.directory() {
		o.keptNames, o.pending = maps.Clone(o.names), nil
	}
	pages := o.kept.pages
	o.kept = o.now
	o.kept.pages = resize(pages, len(o.now.pages))
	for n := range o.dirty {
		if n < len(o.now.pages) {
			o.kept.pages[n] = o.now.pages[n]
		}
	}
	clear(o.dirty)
}

// resize gives a slice of that length, new if it has to grow.
func resize(pages []*page, n int) []*page {
	if n <= len(pages) {
		clear(pages[n:])
		return pages[:n]
	}
	return append(pages, make([]*page, n-len(pages))...)
}

func (o *object) read(to []byte, offset int64) int {
	if offset >= o.now.size {
		return 0
	}
	to = to[:min(int64(len(to)), o.now.size-offset)]
	for done := 0; done < len(to); {
		n, in := int((offset+int64(done))/pageSize), int((offset+int64(done))%pageSize)
		piece := to[done:min(len(to), done+pageSize-in)]
		if n < len(o.now.pages) && o.now.pages[n] != nil {
			copy(piece, o.now.pages[n][in:])
		} else {
			clear(piece)
		}
		done += len(piece)
	}
	return len(to)
}

func (o *object) write(from []byte, offset int64) {
	end := offset + int64(len(from))
	if end > o.now.size {
		o.truncate(end)
	}
	for len(from) > 0 {
		n, in := int(offset/pageSize), int(offset%pageSize)
		done := copy(o.writable(n)[in:], from)
		from, offset = from[done:], offset+int64(done)
	}
}

// writable gives a page that is not shared with the state that lasts.
func (o *object) writable(n int) *page {
	old := o.now.pages[n]
	if old == nil || !o.dirty[n] {
		fresh := new(page)
		if old != nil {
			*fresh = *old
		}
		o.now.pages[n] = fresh
		o.dirty[n] = true
	}
	return o.now.pages[n]
}

// truncate sets the size. What is cut off reads as zeros when it grows again.
func (o *object) truncate(size int64) {
	count := int((size + pageSize - 1) / pageSize)
	for n := count; n < len(o.now.pages); n++ {
		o.dirty[n] = true
	}
	for n := len(o.now.pages); n < count; n++ {
		o.dirty[n] = true
	}
	o.now.pages = resize(o.now.pages, count)
	if in := int(size % pageSize); size < o.now.size && in != 0 {
		clear(o.writable(count - 1)[in:])
	}
	o.now.size = size
}

// cut is the loss of power. Without random nothing un-synced stays; with it,
// some of it does.
func (d *disk) cut(random *rand.Rand) {
	d.era++
	d.lying = false
	seen := make(map[*object]bool)
	d.root.lose(random, seen)
	for o := range seen {
		o.links = 0
	}
	d.root.links = 1
	d.root.count(make(map[*object]bool))
}

// count finds out how many names everything has.
func (o *object) count(seen map[*object]bool) {
	if seen[o] {
		return
	}
	seen[o] = true
	for _, child := range o.names {
		child.links++
		child.count(seen)
	}
}

func (o *object) lose(random *rand.Rand, seen map[*object]bool) {
	if seen[o] {
		return
	}
	seen[o] = true
	if o.directory() {
		o.loseNames(random)
		for _, child := range o.names {
			child.lose(random, seen)
		}
	}
	o.loseContent(random)
}

func (o *object) loseNames(random *rand.Rand) {
	if random != nil {
		for _, r := range o.pending[:random.IntN(len(o.pending)+1)] {
			r.apply(o.keptNames)
		}
	}
	o.names, o.pending = maps.Clone(o.keptNames), nil
}

func (o *object) loseContent(random *rand.Rand) {
	if random != nil && len(o.dirty) > 0 && random.IntN(2) == 0 {
		// The size of a longer file may have been written before its pages.
		size := o.kept.size
		if random.IntN(2) == 0 {
			size = max(size, o.now.size)
		}
		o.kept.size = size
		o.kept.pages = resize(o.kept.pages, int((size+pageSize-1)/pageSize))
		for n := range o.dirty {
			if n < len(o.now.pages) && n < len(o.kept.pages) && random.IntN(2) == 0 {
				o.kept.pages[n] = o.now.pages[n]
			}
		}
	}
	// What a page had beyond the end must not come back when the file grows.
	if n, in := int(o.kept.size/pageSize), int(o.kept.size%pageSize); in != 0 && o.kept.pages[n] != nil {
		cleared := *o.kept.pages[n]
		clear(cleared[in:])
		o.kept.pages[n] = &cleared
	}
	o.now = o.kept.clone()
	clear(o.dirty)
}
