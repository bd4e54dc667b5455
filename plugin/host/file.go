package host

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"syscall"
)

// ErrChecksum says that a program is not the one that was registered.
var ErrChecksum = errors.New("the checksum does not match: the file is not the one that was registered")

// Checksum gives the SHA-256 of a program, in hexadecimal, if it could be
// started: see Options.Dir and Options.File.
func Checksum(dir, file string) (string, error) {
	f, err := open(dir, file)
	if err != nil {
		return "", err
	}
	defer f.Close()
	return copyProgram(io.Discard, f)
}

// open opens a program within a directory. It follows no link that leads out
// of the directory, and refuses what others may change.
func open(dir, file string) (_ *os.File, err error) {
	if !filepath.IsLocal(file) {
		return nil, fmt.Errorf("file: %.200q leads out of the plugin directory; put the program there and name it", file)
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, err
	}
	defer root.Close()
	if info, err := root.Stat("."); err != nil || info.Mode().Perm()&0o002 != 0 && info.Mode()&os.ModeSticky == 0 {
		return nil, fmt.Errorf("%s: everybody may write to the directory: chmod o-w", dir)
	}
	f, err := root.Open(file)
	if err != nil {
		return nil, fmt.Errorf("file: %w", err)
	}
	info, err := f.Stat()
	switch {
	case err != nil:
	case !info.Mode().IsRegular():
		err = fmt.Errorf("file: %s is no regular file", file)
	case info.Mode().Perm()&0o002 != 0:
		err = fmt.Errorf("file: everybody may write to %s: chmod o-w", file)
	case !executable(info.Mode()):
		err = fmt.Errorf("file: %s is not executable: chmod +x", file)
	}
	if err != nil {
		_ = f.Close()
		return nil, err
	}
	return f, nil
}

func copyProgram(to io.Writer, from io.Reader) (string, error) {
	hash := sha256.New()
	if _, err := io.Copy(io.MultiWriter(to, hash), from); err != nil {
		return "", err
	}
	return hex.EncodeToString(hash.Sum(nil)), nil
}

// verified copies a program into a private directory if it has the checksum.
// The copy is what runs: whoever can change the original cannot change it
// between the check and the start.
func verified(o *Options, private string) (string, error) {
	from, err := open(o.Dir, o.File)
	if err != nil {
		return "", err
	}
	defer from.Close()
	name := filepath.Join(private, filepath.Base(o.File))
	if o.SameUser && os.Link(filepath.Join(o.Dir, o.File), name) == nil {
		// Whoever can change this file could change a copy just as well, and what
		// is linked is in memory once for all processes.
		sum, err := copyProgram(io.Discard, from)
		if err != nil || sum == o.SHA256 {
			return name, err
		}
		return "", fmt.Errorf("%s: %w", o.File, ErrChecksum)
	}
	// A process that is forked while the copy is open for writing would have it
	// open too, for a moment, and the system runs no program that is so.
	syscall.ForkLock.RLock()
	defer syscall.ForkLock.RUnlock()
	to, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o500)
	if err != nil {
		return "", err
	}
	sum, err := copyProgram(to, from)
	err = errors.Join(err, to.Chmod(0o555)) // for the plugin's user; the directory keeps out the others
	if err := errors.Join(err, to.Close()); err != nil {
		return "", err
	}
	if sum != o.SHA256 {
		return "", fmt.Errorf("%s: %w", o.File, ErrChecksum)
	}
	return name, nil
}
