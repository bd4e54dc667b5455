package capture

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/postilion-mail/postilion/plugin"
)

// Entry is a kept message, as a line of the index.
type Entry struct {
	File       string    `json:"file"`
	Time       time.Time `json:"time"`
	ID         string    `json:"id"`
	Attempt    int       `json:"attempt"`
	From       string    `json:"from"`
	Recipients []string  `json:"recipients"`
	Size       int64     `json:"size"`
}

const indexFile = "index.jsonl"

// box is a connection's folder. What is captured is for looking at, so it is
// not synced to the disk.
type box struct {
	dir string
	now func() time.Time

	mu      sync.Mutex
	loaded  bool
	entries []Entry // oldest first
	lines   int     // in the index, those of removed messages included
	count   int     // makes file names differ within a moment
}

// keep stores a message and removes the oldest ones beyond the limit.
func (b *box) keep(ctx context.Context, d *plugin.Delivery, limit int, committing func() error) (string, error) {
	if err := os.MkdirAll(b.dir, 0o700); err != nil {
		return "", err
	}
	temporary, err := b.write(ctx, d)
	if err != nil {
		return "", err
	}
	defer os.Remove(temporary) // it is gone when all went well
	if err := committing(); err != nil {
		return "", err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if err := b.load(); err != nil {
		return "", err
	}
	e := b.entry(d)
	if err := os.Rename(temporary, filepath.Join(b.dir, e.File)); err != nil {
		return "", err
	}
	if err := b.append(e); err != nil {
		_ = os.Remove(filepath.Join(b.dir, e.File))
		return "", err
	}
	b.prune(limit)
	return e.File, nil
}

// write copies the content into a new file.
func (b *box) write(ctx context.Context, d *plugin.Delivery) (name string, err error) {
	file, err := os.CreateTemp(b.dir, ".new-*") // mode 0600
	if err != nil {
		return "", err
	}
	defer func() {
		if closed := file.Close(); err == nil {
			err = closed
		}
		if err != nil {
			_ = os.Remove(file.Name())
		}
	}()
	if _, err := io.Copy(file, io.NewSectionReader(d.Content, 0, d.Size)); err != nil {
		return "", err
	}
	return file.Name(), ctx.Err()
}

func (b *box) entry(d *plugin.Delivery) Entry {
	b.count++
	now := b.now().UTC()
	e := Entry{
		File: fmt.Sprintf("%s-%06d.eml", now.Format("20060102T150405.000000"), b.count%1_000_000),
		Time: now, ID: d.ID, Attempt: d.Attempt, From: d.Envelope.From, Size: d.Size,
		Recipients: make([]string, len(d.Envelope.Recipients)),
	}
	for n, r := range d.Envelope.Recipients {
		e.Recipients[n] = r.Address
	}
	return e
}

// load reads the index once. Lines that cannot be read and messages whose
// file is gone are left out.
func (b *box) load() error {
	if b.loaded {
		return nil
	}
	file, err := os.Open(filepath.Join(b.dir, indexFile))
	if errors.Is(err, fs.ErrNotExist) {
		b.loaded = true
		return nil
	}
	if err != nil {
		return err
	}
	defer file.Close()
	b.entries, b.lines = nil, 0
	lines := bufio.NewReader(file)
	for {
		line, err := lines.ReadBytes('\n')
		if len(line) > 0 {
			b.lines++
			if e, ok := parse(line); ok && b.has(e.File) {
				b.entries = append(b.entries, e)
			}
		}
		if err == io.EOF {
			b.loaded = true
			return b.rewrite() // also ends a line that was cut off
		}
		if err != nil {
			return err
		}
	}
}

// parse reads a line of the index. A name that leads out of the folder is
// not one of ours.
func parse(line []byte) (Entry, bool) {
	var e Entry
	err := json.Unmarshal(line, &e)
	return e, err == nil && filepath.Ext(e.File) == ".eml" && filepath.Base(e.File) == e.File
}

func (b *box) has(file string) bool {
	_, err := os.Lstat(filepath.Join(b.dir, file))
	return err == nil
}

// append adds a line to the index.
func (b *box) append(e Entry) error {
	file, err := os.OpenFile(filepath.Join(b.dir, indexFile), os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o600)
	if err != nil {
		return err
	}
	line, err := json.Marshal(e)
	if err == nil {
		_, err = file.Write(append(line, '\n'))
	}
	if err := errors.Join(err, file.Close()); err != nil {
		b.loaded = false // the index is read again, and mended
		return err
	}
	b.entries = append(b.entries, e)
	b.lines++
	return nil
}

// prune removes the oldest messages, and their lines when half of all are.
func (b *box) prune(limit int) {
	for len(b.entries) > limit {
		err := os.Remove(filepath.Join(b.dir, b.entries[0].File))
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return // the new message is kept; the next one tries again
		}
		b.entries = b.entries[1:]
	}
	if b.lines > 2*max(limit, 10) {
		// A failure costs nothing but a longer index.
		_ = b.rewrite()
	}
}

// rewrite makes the index have the entries and nothing else.
func (b *box) rewrite() error {
	var all bytes.Buffer
	encoder := json.NewEncoder(&all)
	for _, e := range b.entries {
		if err := encoder.Encode(e); err != nil {
			return err
		}
	}
	temporary := filepath.Join(b.dir, ".index")
	if err := os.WriteFile(temporary, all.Bytes(), 0o600); err != nil {
		return err
	}
	if err := os.Rename(temporary, filepath.Join(b.dir, indexFile)); err != nil {
		return err
	}
	b.lines = len(b.entries)
	return nil
}

// list gives the entries, newest first.
func (b *box) list() ([]Entry, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if err := b.load(); err != nil {
		return nil, err
	}
	list := slices.Clone(b.entries)
	slices.Reverse(list)
	return list, nil
}

// open opens a message of the index, and nothing outside of the folder.
func (b *box) open(name string) (*os.File, error) {
	root, err := os.OpenRoot(b.dir)
	if err != nil {
		return nil, err
	}
	defer root.Close()
	return root.Open(name)
}

// probe finds out whether the folder can be written to.
func (b *box) probe() error {
	if err := os.MkdirAll(b.dir, 0o700); err != nil {
		return err
	}
	file, err := os.CreateTemp(b.dir, ".probe-*")
	if err != nil {
		return err
	}
	return errors.Join(file.Close(), os.Remove(file.Name()))
}
