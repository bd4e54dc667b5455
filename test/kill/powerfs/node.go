package powerfs

import (
	"context"
	"slices"
	"syscall"
	"time"

	"github.com/hanwen/go-fuse/v2/fs"
	"github.com/hanwen/go-fuse/v2/fuse"
)

// node is an object as one mount shows it. After a cut the mounts from before
// it answer EIO.
type node struct {
	fs.Inode
	disk *disk
	era  int
	o    *object
}

var (
	_ fs.NodeStatfser  = (*node)(nil)
	_ fs.NodeGetattrer = (*node)(nil)
	_ fs.NodeSetattrer = (*node)(nil)
	_ fs.NodeLookuper  = (*node)(nil)
	_ fs.NodeReaddirer = (*node)(nil)
	_ fs.NodeCreater   = (*node)(nil)
	_ fs.NodeMkdirer   = (*node)(nil)
	_ fs.NodeMknoder   = (*node)(nil)
	_ fs.NodeLinker    = (*node)(nil)
	_ fs.NodeUnlinker  = (*node)(nil)
	_ fs.NodeRmdirer   = (*node)(nil)
	_ fs.NodeRenamer   = (*node)(nil)
	_ fs.NodeOpener    = (*node)(nil)
	_ fs.NodeReader    = (*node)(nil)
	_ fs.NodeWriter    = (*node)(nil)
	_ fs.NodeFsyncer   = (*node)(nil)
	_ fs.NodeFlusher   = (*node)(nil)
)

// lock takes the disk, if there is still power.
func (n *node) lock() syscall.Errno {
	n.disk.mu.Lock()
	if n.era != n.disk.era {
		n.disk.mu.Unlock()
		return syscall.EIO
	}
	return 0
}

func (n *node) unlock() { n.disk.mu.Unlock() }

func (o *object) attributes(out *fuse.Attr) {
	out.Ino, out.Mode, out.Size = o.ino, o.now.mode, uint64(o.now.size)
	out.Uid, out.Gid, out.Nlink = o.now.uid, o.now.gid, uint32(o.links)
	out.Mtime, out.Blocks, out.Blksize = uint64(o.mtime), uint64(len(o.now.pages))*pageSize/512, pageSize
}

// child gives the inode of an object below this node.
func (n *node) child(ctx context.Context, o *object, out *fuse.EntryOut) *fs.Inode {
	o.attributes(&out.Attr)
	return n.NewInode(ctx, &node{disk: n.disk, era: n.era, o: o}, fs.StableAttr{Mode: o.now.mode & syscall.S_IFMT, Ino: o.ino})
}

// Statfs says that there is space enough.
func (n *node) Statfs(_ context.Context, out *fuse.StatfsOut) syscall.Errno {
	out.Bsize, out.Frsize, out.NameLen = pageSize, pageSize, 255
	out.Blocks, out.Bfree, out.Bavail = 1<<22, 1<<21, 1<<21
	return 0
}

// Getattr implements fs.NodeGetattrer.
func (n *node) Getattr(_ context.Context, _ fs.FileHandle, out *fuse.AttrOut) syscall.Errno {
	if errno := n.lock(); errno != 0 {
		return errno
	}
	defer n.unlock()
	n.o.attributes(&out.Attr)
	return 0
}

// Setattr changes mode, owner, size and time.
func (n *node) Setattr(_ context.Context, _ fs.FileHandle, in *fuse.SetAttrIn, out *fuse.AttrOut) syscall.Errno {
	if errno := n.lock(); errno != 0 {
		return errno
	}
	defer n.unlock()
	if mode, ok := in.GetMode(); ok {
		n.o.now.mode = n.o.now.mode&syscall.S_IFMT | mode&^syscall.S_IFMT
	}
	if uid, ok := in.GetUID(); ok {
		n.o.now.uid = uid
	}
	if gid, ok := in.GetGID(); ok {
		n.o.now.gid = gid
	}
	if size, ok := in.GetSize(); ok {
		n.o.truncate(int64(size))
	}
	if mtime, ok := in.GetMTime(); ok {
		n.o.mtime = mtime.Unix()
	}
	n.o.attributes(&out.Attr)
	return 0
}

// Lookup implements fs.NodeLookuper.
func (n *node) Lookup(ctx context.Context, name string, out *fuse.EntryOut) (*fs.Inode, syscall.Errno) {
	if errno := n.lock(); errno != 0 {
		return nil, errno
	}
	defer n.unlock()
	o := n.o.names[name]
	if o == nil {
		return nil, syscall.ENOENT
	}
	return n.child(ctx, o, out), 0
}

// Readdir implements fs.NodeReaddirer.
func (n *node) Readdir(context.Context) (fs.DirStream, syscall.Errno) {
	if errno := n.lock(); errno != 0 {
		return nil, errno
	}
	defer n.unlock()
	var list []fuse.DirEntry
	for name, o := range n.o.names {
		list = append(list, fuse.DirEntry{Name: name, Mode: o.now.mode, Ino: o.ino})
	}
	slices.SortFunc(list, func(a, b fuse.DirEntry) int { return int(int64(a.Ino) - int64(b.Ino)) })
	return fs.NewListDirStream(list), 0
}

// add makes an object with a name. The caller holds the lock.
func (n *node) add(ctx context.Context, name string, mode uint32, out *fuse.EntryOut) (*fs.Inode, syscall.Errno) {
	if n.o.names[name] != nil {
		return nil, syscall.EEXIST
	}
	var uid, gid uint32
	if caller, ok := fuse.FromContext(ctx); ok {
		uid, gid = caller.Uid, caller.Gid
	}
	if n.o.now.mode&syscall.S_ISGID != 0 {
		gid = n.o.now.gid
	}
	o := n.disk.create(mode, uid, gid)
	o.links, o.mtime = 1, time.Now().Unix()
	n.o.change(rename{name: o})
	return n.child(ctx, o, out), 0
}

// Create implements fs.NodeCreater.
func (n *node) Create(ctx context.Context, name string, _ uint32, mode uint32, out *fuse.EntryOut) (*fs.Inode, fs.FileHandle, uint32, syscall.Errno) {
	inode, errno := n.Mknod(ctx, name, syscall.S_IFREG|mode&0o7777, 0, out)
	return inode, nil, fuse.FOPEN_KEEP_CACHE, errno
}

// Mkdir implements fs.NodeMkdirer.
func (n *node) Mkdir(ctx context.Context, name string, mode uint32, out *fuse.EntryOut) (*fs.Inode, syscall.Errno) {
	return n.Mknod(ctx, name, syscall.S_IFDIR|mode&0o7777, 0, out)
}

// Mknod makes files, directories and sockets.
func (n *node) Mknod(ctx context.Context, name string, mode uint32, _ uint32, out *fuse.EntryOut) (*fs.Inode, syscall.Errno) {
	if errno := n.lock(); errno != 0 {
		return nil, errno
	}
	defer n.unlock()
	return n.add(ctx, name, mode, out)
}

// Link implements fs.NodeLinker.
func (n *node) Link(ctx context.Context, target fs.InodeEmbedder, name string, out *fuse.EntryOut) (*fs.Inode, syscall.Errno) {
	if errno := n.lock(); errno != 0 {
		return nil, errno
	}
	defer n.unlock()
	if n.o.names[name] != nil {
		return nil, syscall.EEXIST
	}
	o := target.(*node).o
	o.links++
	n.o.change(rename{name: o})
	return n.child(ctx, o, out), 0
}

// Unlink implements fs.NodeUnlinker.
func (n *node) Unlink(_ context.Context, name string) syscall.Errno {
	if errno := n.lock(); errno != 0 {
		return errno
	}
	defer n.unlock()
	o := n.o.names[name]
	switch {
	case o == nil:
		return syscall.ENOENT
	case len(o.names) > 0:
		return syscall.ENOTEMPTY
	}
	o.links--
	n.o.change(rename{name: nil})
	return 0
}

// Rmdir implements fs.NodeRmdirer.
func (n *node) Rmdir(ctx context.Context, name string) syscall.Errno { return n.Unlink(ctx, name) }

// Rename moves a name, in place of what has the new one. Between two
// directories the cut may keep one half of it, as without a journal.
func (n *node) Rename(_ context.Context, name string, parent fs.InodeEmbedder, newName string, flags uint32) syscall.Errno {
	if errno := n.lock(); errno != 0 {
		return errno
	}
	defer n.unlock()
	to := parent.(*node).o
	o, old := n.o.names[name], to.names[newName]
	switch {
	case o == nil:
		return syscall.ENOENT
	case flags&^1 != 0: // all but RENAME_NOREPLACE
		return syscall.EINVAL
	case old != nil && flags != 0:
		return syscall.EEXIST
	case o == old:
		return 0
	}
	if old != nil {
		old.links--
	}
	if to == n.o {
		to.change(rename{name: nil, newName: o})
		return 0
	}
	to.change(rename{newName: o})
	n.o.change(rename{name: nil})
	return 0
}

// Open implements fs.NodeOpener. The kernel keeps pages cached, as mmap of
// SQLite's -shm file needs it; it writes through what is not mapped.
func (n *node) Open(context.Context, uint32) (fs.FileHandle, uint32, syscall.Errno) {
	return nil, fuse.FOPEN_KEEP_CACHE, 0
}

// Read implements fs.NodeReader.
func (n *node) Read(_ context.Context, _ fs.FileHandle, to []byte, offset int64) (fuse.ReadResult, syscall.Errno) {
	if errno := n.lock(); errno != 0 {
		return nil, errno
	}
	defer n.unlock()
	return fuse.ReadResultData(to[:n.o.read(to, offset)]), 0
}

// Write implements fs.NodeWriter.
func (n *node) Write(_ context.Context, _ fs.FileHandle, from []byte, offset int64) (uint32, syscall.Errno) {
	if errno := n.lock(); errno != 0 {
		return 0, errno
	}
	defer n.unlock()
	n.o.write(from, offset)
	n.o.mtime = time.Now().Unix()
	return uint32(len(from)), 0
}

// Fsync makes a file or a directory last. fdatasync does the same: no program
// may count on what it leaves out.
func (n *node) Fsync(context.Context, fs.FileHandle, uint32) syscall.Errno {
	if errno := n.lock(); errno != 0 {
		return errno
	}
	defer n.unlock()
	n.disk.sync(n.o)
	return 0
}

// Flush does nothing: closing is not syncing.
func (n *node) Flush(context.Context, fs.FileHandle) syscall.Errno { return 0 }
