package plugins

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
)

// maxRunDir is how many octets the name of RunDir may have: a socket's name,
// which begins with it, has little room (unix(7), sun_path).
const maxRunDir = 72

// RunDir makes the directory in which the processes of a daemon have theirs:
// in one of the candidates, else in the system's directory for temporary
// files, whichever first has a short enough name and lets programs run. Others
// can neither list it nor write to it. They can pass through it if we are root:
// plugins run as other users then.
func RunDir(dataDir string, candidates ...string) (string, error) {
	mode, root := os.FileMode(0o700), os.Geteuid() == 0
	if root {
		mode = 0o711
	}
	sum := sha256.Sum256([]byte(dataDir)) // one for each daemon of the machine
	candidates = append(candidates, filepath.Join(os.TempDir(), fmt.Sprintf("postilion-%d-%x", os.Geteuid(), sum[:4])))
	var failures []error
	for _, dir := range candidates {
		err := privateDir(dir, mode)
		switch {
		case len(dir) > maxRunDir:
			err = fmt.Errorf("%s has more than %d octets", dir, maxRunDir)
		case err == nil && noExec(dir):
			err = fmt.Errorf("%s is on a file system without programs (noexec)", dir)
		case err == nil && root && !passable(dir):
			err = fmt.Errorf("%s lets no other users through", dir)
		}
		if err == nil {
			return dir, nil
		}
		_ = syscall.Rmdir(dir) // what we have just made
		failures = append(failures, err)
	}
	return "", fmt.Errorf("there is no directory for the sockets of plugins; set run_dir to another: %w", errors.Join(failures...))
}

// privateDir makes a directory, or takes one that is ours alone.
func privateDir(dir string, mode os.FileMode) error {
	if err := os.Mkdir(dir, mode); err != nil && !errors.Is(err, os.ErrExist) {
		return err
	}
	info, err := os.Lstat(dir)
	if err != nil {
		return err
	}
	owner, ok := info.Sys().(*syscall.Stat_t)
	switch {
	case !info.IsDir():
		return fmt.Errorf("%s is no directory", dir)
	case !ok || int(owner.Uid) != os.Geteuid():
		return fmt.Errorf("%s belongs to another user", dir)
	}
	return os.Chmod(dir, mode) // whatever the umask is
}

// passable says whether everybody may go through a directory and all around it.
func passable(dir string) bool {
	for {
		info, err := os.Stat(dir)
		if err != nil || info.Mode().Perm()&0o001 == 0 {
			return false
		}
		if dir == filepath.Dir(dir) {
			return true
		}
		dir = filepath.Dir(dir)
	}
}
