package powerfs

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/hanwen/go-fuse/v2/fs"
	"github.com/hanwen/go-fuse/v2/fuse"
)

// Serve is the process of the file system: it mounts at dir, says "ok", and
// follows commands, each a line that it answers with "ok", a number, or "error"
// and a text. It ends, and unmounts, with its input.
//
//	cut SEED     drop what was not synced, some of it if SEED is not 0; mount anew
//	lie          from now on, until the next cut, fsync does nothing
//	syncs        the number of fsyncs so far
func Serve(dir string, commands io.Reader, answers io.Writer) error {
	d := newDisk()
	if err := d.mount(dir); err != nil {
		return err
	}
	defer func() { _ = syscall.Unmount(dir, syscall.MNT_DETACH) }()
	if _, err := fmt.Fprintln(answers, "ok"); err != nil {
		return err
	}
	lines := bufio.NewScanner(commands)
	for lines.Scan() {
		answer, err := d.command(dir, lines.Text())
		if err != nil {
			answer = "error " + err.Error()
		}
		if _, err := fmt.Fprintln(answers, answer); err != nil {
			return err
		}
	}
	return lines.Err()
}

func (d *disk) command(dir, line string) (string, error) {
	verb, argument, _ := strings.Cut(line, " ")
	switch verb {
	case "cut":
		seed, err := strconv.ParseUint(argument, 10, 64)
		if err != nil {
			return "", err
		}
		return "ok", d.powerCut(dir, seed)
	case "lie":
		d.mu.Lock()
		defer d.mu.Unlock()
		d.lying = true
		return "ok", nil
	case "syncs":
		d.mu.Lock()
		defer d.mu.Unlock()
		return strconv.Itoa(d.syncs), nil
	}
	return "", errors.New("unknown command")
}

// powerCut drops first, so that nothing that is still running gets anything
// done, and then shows what is left.
func (d *disk) powerCut(dir string, seed uint64) error {
	var random *rand.Rand
	if seed != 0 {
		random = rand.New(rand.NewPCG(seed, 1))
	}
	d.mu.Lock()
	d.cut(random)
	d.mu.Unlock()
	if err := syscall.Unmount(dir, syscall.MNT_DETACH); err != nil {
		return fmt.Errorf("unmount: %w", err)
	}
	return d.mount(dir)
}

// mount shows the disk. Nobody else changes it, so the kernel may remember
// what it has seen.
func (d *disk) mount(dir string) error {
	second := time.Second
	d.mu.Lock()
	root := &node{disk: d, era: d.era, o: d.root}
	d.mu.Unlock()
	_, err := fs.Mount(dir, root, &fs.Options{
		MountOptions: fuse.MountOptions{
			FsName: "powerfs", Name: "powerfs", DirectMountStrict: true, MaxWrite: 1 << 20, AllowOther: true,
		},
		EntryTimeout: &second, AttrTimeout: &second, RootStableAttr: &fs.StableAttr{Ino: d.root.ino},
	})
	if err != nil {
		return fmt.Errorf("mount at %s (it takes root and /dev/fuse): %w", dir, err)
	}
	return nil
}
