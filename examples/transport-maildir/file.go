package main

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/postilion-mail/postilion/plugin"
)

var errNoMailbox = errors.New("there is no such mailbox")

// file is a message in the tmp of a Maildir, on stable storage.
// See https://cr.yp.to/proto/maildir.html.
type file struct {
	box   string
	tmp   string // its path now
	name  string // in new
	again bool   // an earlier attempt may have delivered it
}

// write puts a message into a mailbox's tmp.
func write(box string, d *plugin.Delivery, create bool) (*file, error) {
	if err := prepare(box, create); err != nil {
		return nil, err
	}
	out, err := os.CreateTemp(filepath.Join(box, "tmp"), "*.postilion") // mode 0600
	if err != nil {
		return nil, err
	}
	// A Maildir's names have to differ from message to message. Ours is the
	// same at each attempt, so that one whose answer was lost makes no copy.
	f := &file{box: box, tmp: out.Name(), name: fmt.Sprintf("%x.postilion", sha256.Sum256([]byte(d.ID))), again: d.Attempt > 1}
	_, err = io.Copy(out, io.NewSectionReader(d.Content, 0, d.Size))
	if err := errors.Join(err, out.Sync(), out.Close()); err != nil {
		f.discard()
		return nil, err
	}
	return f, nil
}

// publish puts the message where a reader sees it, unless an earlier attempt
// has.
func (f *file) publish() error {
	if f.again {
		seen, err := os.ReadDir(filepath.Join(f.box, "cur"))
		if err != nil || slices.ContainsFunc(seen, func(e fs.DirEntry) bool { return strings.HasPrefix(e.Name(), f.name) }) {
			return err
		}
	}
	in := filepath.Join(f.box, "new")
	if err := os.Link(f.tmp, filepath.Join(in, f.name)); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return syncDirectory(in)
}

// discard removes the message's name in tmp.
func (f *file) discard() { _ = os.Remove(f.tmp) }

// prepare makes sure that a mailbox is there.
func prepare(box string, create bool) error {
	for _, name := range []string{"tmp", "new", "cur"} {
		path := filepath.Join(box, name)
		if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
			if err != nil {
				return err
			}
			continue
		}
		if !create {
			return errNoMailbox
		}
		if err := makeDirectory(path); err != nil {
			return err
		}
	}
	return nil
}

// makeDirectory makes a directory with those above it, on stable storage.
func makeDirectory(path string) error {
	err := os.Mkdir(path, 0o700)
	switch parent := filepath.Dir(path); {
	case errors.Is(err, fs.ErrNotExist) && parent != path:
		if err := makeDirectory(parent); err != nil {
			return err
		}
		return makeDirectory(path)
	case err != nil && !errors.Is(err, fs.ErrExist):
		return err
	default:
		return syncDirectory(parent)
	}
}

func syncDirectory(path string) error {
	d, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
