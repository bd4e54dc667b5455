package powerfs_test

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"testing"

	"github.com/postilion-mail/postilion/test/kill/powerfs"
)

func TestMain(m *testing.M) {
	powerfs.Child()
	os.Exit(m.Run())
}

// rig is a mounted file system.
type rig struct {
	*testing.T
	*powerfs.Disk
	dir string
}

func mount(t *testing.T) *rig {
	t.Parallel()
	if os.Geteuid() != 0 {
		t.Fatal("mounting takes root: run the tests as root")
	}
	dir := t.TempDir()
	disk, err := powerfs.Mount(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := disk.Close(); err != nil {
			t.Error(err)
		}
	})
	return &rig{t, disk, dir}
}

func (r *rig) path(name string) string { return filepath.Join(r.dir, name) }

func (r *rig) must(err error) {
	r.Helper()
	if err != nil {
		r.Fatal(err)
	}
}

// write writes a file and syncs it, and its directory, as told.
func (r *rig) write(name string, content []byte, syncFile, syncDir bool) {
	r.Helper()
	f, err := os.OpenFile(r.path(name), os.O_CREATE|os.O_WRONLY, 0o600)
	r.must(err)
	_, err = f.WriteAt(content, 0)
	r.must(err)
	if syncFile {
		r.must(f.Sync())
	}
	r.must(f.Close())
	if syncDir {
		r.sync(".")
	}
}

func (r *rig) sync(name string) {
	r.Helper()
	f, err := os.Open(r.path(name))
	r.must(err)
	r.must(f.Sync())
	r.must(f.Close())
}

// expect compares a file with what it should hold; nil: it should not exist.
func (r *rig) expect(name string, want []byte) {
	r.Helper()
	got, err := os.ReadFile(r.path(name))
	if want == nil {
		if !os.IsNotExist(err) {
			r.Errorf("%s: %d bytes, %v; should not exist", name, len(got), err)
		}
		return
	}
	if err != nil || !bytes.Equal(got, want) {
		r.Errorf("%s: %d bytes, %v; want %d others", name, len(got), err, len(want))
	}
}

func TestContentNeedsSync(t *testing.T) {
	r := mount(t)
	old, fresh := bytes.Repeat([]byte("old "), 5000), bytes.Repeat([]byte("new "), 6000)
	r.write("synced", old, true, true)
	r.write("empty", old, false, true)
	r.write("changed", old, true, true)
	r.write("changed", fresh, false, false)
	r.must(os.Truncate(r.path("synced"), 10))
	r.expect("changed", fresh)
	r.must(r.Cut(0))
	r.expect("synced", old)
	r.expect("empty", []byte{})
	r.expect("changed", old)
}

func TestNamesNeedSync(t *testing.T) {
	r := mount(t)
	r.must(os.Mkdir(r.path("lost"), 0o700))
	for _, name := range []string{"a", "b", "c"} {
		r.write(name, []byte(name), true, true)
	}
	r.must(os.Mkdir(r.path("dir"), 0o700))
	r.sync(".")
	r.write("unnamed", []byte("x"), true, false)
	r.must(os.Rename(r.path("a"), r.path("b")))
	r.must(os.Remove(r.path("c")))
	r.must(os.Link(r.path("b"), r.path("dir/b")))
	r.expect("b", []byte("a"))
	r.must(r.Cut(0))
	r.expect("unnamed", nil)
	r.expect("a", []byte("a"))
	r.expect("b", []byte("b"))
	r.expect("c", []byte("c"))
	r.expect("dir/b", nil)

	r.must(os.Rename(r.path("a"), r.path("b")))
	r.must(os.Remove(r.path("c")))
	r.sync(".")
	r.must(r.Cut(0))
	r.expect("a", nil)
	r.expect("b", []byte("a"))
	r.expect("c", nil)
}

func TestSomeSurvives(t *testing.T) {
	r := mount(t)
	old, fresh := bytes.Repeat([]byte{'o'}, 64<<10), bytes.Repeat([]byte{'n'}, 64<<10)
	mixed, kept := 0, 0
	for seed := range uint64(40) {
		r.write("pages", old, true, true)
		r.write("pages", fresh, false, false)
		r.write("name", nil, false, false)
		r.must(r.Cut(seed + 1))
		got, err := os.ReadFile(r.path("pages"))
		r.must(err)
		if bytes.Count(got, []byte{'o'})+bytes.Count(got, []byte{'n'}) != len(old) || len(got) != len(old) {
			t.Fatal("there is what was never written")
		}
		if slices.Contains(got, 'o') && slices.Contains(got, 'n') {
			mixed++
		}
		if os.Remove(r.path("name")) == nil {
			kept++
			r.sync(".")
		}
	}
	if mixed == 0 || mixed == 40 || kept == 0 || kept == 40 {
		t.Errorf("%d files were mixed and %d names kept of 40", mixed, kept)
	}
}

func TestOldMountIsDead(t *testing.T) {
	r := mount(t)
	f, err := os.Create(r.path("f"))
	r.must(err)
	defer f.Close()
	r.must(r.Cut(0))
	if _, err := f.WriteString("x"); err == nil {
		if err = f.Sync(); err == nil {
			t.Error("a file of before the cut can be written")
		}
	}
	r.expect("f", nil)
}

func TestLie(t *testing.T) {
	r := mount(t)
	r.write("before", []byte("x"), true, true)
	r.must(r.Lie())
	r.write("after", []byte("x"), true, true)
	r.must(r.Cut(0))
	r.expect("before", []byte("x"))
	r.expect("after", nil)
	r.write("after", []byte("x"), true, true)
	r.must(r.Cut(0))
	r.expect("after", []byte("x"))
	if n, err := r.Syncs(); err != nil || n < 6 {
		t.Errorf("%d syncs, %v", n, err)
	}
}

// SQLite keeps its index of the log in shared memory, and servers keep sockets
// in their directory.
func TestSharedMemoryAndSockets(t *testing.T) {
	r := mount(t)
	r.write("shm", make([]byte, 32<<10), true, true)
	maps := make([][]byte, 2)
	for i := range maps {
		f, err := os.OpenFile(r.path("shm"), os.O_RDWR, 0)
		r.must(err)
		defer f.Close()
		maps[i], err = syscall.Mmap(int(f.Fd()), 0, 32<<10, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_SHARED)
		r.must(err)
	}
	maps[0][20<<10] = 7
	if maps[1][20<<10] != 7 {
		t.Error("mappings do not share memory")
	}
	for i := range maps {
		r.must(syscall.Munmap(maps[i]))
	}
	r.must(syscall.Mknod(r.path("socket"), syscall.S_IFSOCK|0o600, 0))
	if info, err := os.Stat(r.path("socket")); err != nil || info.Mode()&os.ModeSocket == 0 {
		t.Errorf("%v, %v", info, err)
	}
}
