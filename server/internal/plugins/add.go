package plugins

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/user"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/postilion-mail/postilion/internal/database"
	"github.com/postilion-mail/postilion/plugin"
	"github.com/postilion-mail/postilion/plugin/host"
)

// Addition is a program to add.
type Addition struct {
	// Path is the program's, absolute.
	Path string
	// Name is what it must call itself; empty for any.
	Name string
	// SHA256 is the checksum that it must have, in hexadecimal; empty for any.
	SHA256 string
	Run
	// Replace takes the place of a plugin of the same name.
	Replace bool
}

// Add copies a program, starts it to see that it is a plugin, and keeps it.
// replaced says whether it took the place of another, on which the deliveries
// under way finish. Errors are *Error, save those of the database.
func (m *Manager) Add(ctx context.Context, a Addition) (added Info, replaced bool, err error) {
	if err := check(&a); err != nil {
		return Info{}, false, err
	}
	m.change.Lock()
	defer m.change.Unlock()
	staged, sum, err := m.stage(a.Path)
	if err != nil {
		return Info{}, false, err
	}
	defer os.Remove(filepath.Join(m.options.Dir, staged))
	if a.SHA256 != "" && !strings.EqualFold(a.SHA256, sum) {
		return Info{}, false, refused("its checksum is "+sum+", not the one that was given", "make sure that it is the right program")
	}
	e := Entry{Name: a.Name, File: staged, SHA256: sum, Run: a.Run, Enabled: true, Created: time.Now().UTC().Round(0)}
	if e.Description, err = m.try(ctx, &e); err != nil {
		return Info{}, false, err
	}
	if err := m.checkName(&a, e.Description.Name); err != nil {
		return Info{}, false, err
	}
	e.Name = e.Description.Name
	e.File = e.Name + "-" + sum[:16]
	err = errors.Join(os.Rename(filepath.Join(m.options.Dir, staged), filepath.Join(m.options.Dir, e.File)), database.SyncDirectory(m.options.Dir))
	if err != nil {
		return Info{}, false, err
	}
	if err := m.put(context.WithoutCancel(ctx), &e); err != nil {
		return Info{}, false, err // the program, if no plugin has it, goes with the next start
	}
	replaced = m.adopt(ctx, e)
	m.options.Log.Info("plugin added", "plugin", e.Name, "version", e.Description.Version, "sha256", sum, "replaced", replaced)
	i, _ := m.Get(e.Name)
	return i, replaced, nil
}

// try starts a program for once and asks what it is.
func (m *Manager) try(ctx context.Context, e *Entry) (plugin.Description, error) {
	o := m.hostOptions(e)
	if o.Name == "" {
		o.Name = "new"
	}
	process, err := host.Start(ctx, o)
	if err != nil {
		if ctx.Err() != nil {
			return plugin.Description{}, ctx.Err()
		}
		return plugin.Description{}, refused(err.Error(), "")
	}
	defer process.Stop()
	return process.Transport().Describe(), nil
}

func (m *Manager) checkName(a *Addition, name string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	switch {
	case a.Name != "" && a.Name != name:
		return refused(fmt.Sprintf("it calls itself %q, not %q", name, a.Name), "give the other name, or none")
	case m.options.BuiltIn(name):
		return &Error{Code: Exists, Reason: "transport_exists", Text: fmt.Sprintf("it calls itself %q, as a built-in transport does", name),
			Remedy: "its author must choose another name"}
	case m.known[name] != nil && !a.Replace:
		return &Error{Code: Exists, Reason: "transport_exists", Text: fmt.Sprintf("there is a plugin %q already", name),
			Remedy: "replace it (--replace), or remove it first"}
	}
	return nil
}

// adopt makes a stored entry the plugin of its name. The process of the one
// that it replaces ends when its deliveries have.
func (m *Manager) adopt(ctx context.Context, e Entry) (replaced bool) {
	next := &managed{entry: e}
	m.mu.Lock()
	before := m.known[e.Name]
	if before != nil {
		next.epoch = before.epoch + 1
		i := before.info()
		next.starts, next.crashes = i.Starts, i.Crashes
	}
	if !m.closed {
		m.supervise(next)
	}
	process := next.process
	m.known[e.Name] = next
	m.mu.Unlock()
	if process != nil {
		_ = process.Wait(ctx) // why it is not ready stands in its status
	}
	m.options.Changed(e.Name)
	if before == nil {
		return false
	}
	m.stop(before.process)
	if before.entry.File != e.File {
		m.remove(filepath.Join(m.options.Dir, before.entry.File))
	}
	return true
}

// stop ends a process when its deliveries have ended, without waiting for it.
// It gives a channel that is closed then.
func (m *Manager) stop(process *host.Plugin) <-chan struct{} {
	ended := make(chan struct{})
	if process == nil {
		close(ended)
		return ended
	}
	m.work.Go(func() {
		defer close(ended)
		ctx, cancel := context.WithTimeout(m.ctx, m.options.Drain)
		defer cancel()
		process.Stop(ctx)
	})
	return ended
}

// stage copies a program into the plugin directory under a name of its own,
// and gives that and the checksum.
func (m *Manager) stage(path string) (file, sum string, err error) {
	info, err := os.Lstat(path)
	switch {
	case err != nil:
		return "", "", unusable(path, err)
	case info.Mode()&fs.ModeSymlink != 0:
		return "", "", unusable(path, syscall.ELOOP)
	case !info.Mode().IsRegular():
		return "", "", unusable(path, errors.New(path+" is no regular file"))
	}
	// Who may not be trusted with it, or with its directory, is the host's to
	// say.
	if _, err := host.Checksum(filepath.Dir(path), filepath.Base(path)); err != nil {
		return "", "", unusable(path, err)
	}
	from, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NOFOLLOW, 0)
	if err != nil {
		return "", "", unusable(path, err)
	}
	defer from.Close()
	to, err := os.CreateTemp(m.options.Dir, "new-*")
	if err != nil {
		return "", "", err
	}
	hash := sha256.New()
	_, err = io.Copy(io.MultiWriter(to, hash), from)
	if err = errors.Join(err, to.Chmod(0o500), to.Sync(), to.Close()); err != nil {
		m.remove(to.Name())
		return "", "", fmt.Errorf("copy %s: %w", path, err)
	}
	return filepath.Base(to.Name()), hex.EncodeToString(hash.Sum(nil)), nil
}

// unusable explains why a program cannot be taken.
func unusable(path string, err error) error {
	name := "the daemon's user"
	if u, err := user.Current(); err == nil {
		name += " " + u.Username
	}
	field := "path"
	switch {
	case errors.Is(err, syscall.ELOOP):
		return &Error{Code: Refused, Reason: "plugin_refused", Field: field, Text: path + " is a symbolic link", Remedy: "give the path of the program itself"}
	case errors.Is(err, fs.ErrNotExist):
		return &Error{Code: Refused, Reason: "plugin_refused", Field: field, Text: "for the daemon there is no file " + path,
			Remedy: "put it where the daemon can see it, such as /usr/local/lib: its service may have no /home and a /tmp of its own"}
	case errors.Is(err, fs.ErrPermission):
		return &Error{Code: Refused, Reason: "plugin_refused", Field: field, Text: name + " cannot read " + path,
			Remedy: "put it where that user can read it, such as /usr/local/lib"}
	}
	return &Error{Code: Refused, Reason: "plugin_refused", Field: field, Text: strings.TrimPrefix(err.Error(), "file: ")}
}
