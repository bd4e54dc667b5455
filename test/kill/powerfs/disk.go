package powerfs

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
)

// role makes a process the file system's; its value is the directory.
const role = "POSTILION_POWERFS"

// Child serves the file system and ends the process, if it was started for
// that. A program that calls Mount calls it first of all.
func Child() {
	dir := os.Getenv(role)
	if dir == "" {
		return
	}
	if err := Serve(dir, os.Stdin, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "powerfs:", err)
		os.Exit(1)
	}
	os.Exit(0)
}

// Disk is a mounted file system. It is safe for concurrent use.
type Disk struct {
	mu      sync.Mutex
	process *exec.Cmd
	input   io.WriteCloser
	answers *bufio.Reader
}

// Mount starts this program again as the file system's process.
func Mount(dir string) (*Disk, error) {
	program, err := os.Executable()
	if err != nil {
		return nil, err
	}
	d := &Disk{process: exec.Command(program)}
	d.process.Env = append(os.Environ(), role+"="+dir)
	d.process.Stderr = os.Stderr
	if d.input, err = d.process.StdinPipe(); err != nil {
		return nil, err
	}
	output, err := d.process.StdoutPipe()
	if err != nil {
		return nil, err
	}
	d.answers = bufio.NewReader(output)
	if err := d.process.Start(); err != nil {
		return nil, err
	}
	if _, err := d.answer(); err != nil {
		return nil, errors.Join(err, d.Close())
	}
	return d, nil
}

// Cut is the loss of power, and its return. With seed 0 all that was not
// synced is gone, else the seed decides what is.
func (d *Disk) Cut(seed uint64) error {
	_, err := d.ask("cut " + strconv.FormatUint(seed, 10))
	return err
}

// Lie makes fsync do nothing until the next Cut.
func (d *Disk) Lie() error {
	_, err := d.ask("lie")
	return err
}

// Syncs is the number of fsyncs so far.
func (d *Disk) Syncs() (int, error) {
	text, err := d.ask("syncs")
	if err != nil {
		return 0, err
	}
	return strconv.Atoi(text)
}

// Close unmounts, and ends the process.
func (d *Disk) Close() error {
	return errors.Join(d.input.Close(), d.process.Wait())
}

func (d *Disk) ask(command string) (string, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if _, err := fmt.Fprintln(d.input, command); err != nil {
		return "", fmt.Errorf("powerfs: %w", err)
	}
	return d.answer()
}

func (d *Disk) answer() (string, error) {
	line, err := d.answers.ReadString('\n')
	if err != nil {
		return "", fmt.Errorf("powerfs: the file system's process ended: %w", err)
	}
	line = strings.TrimSpace(line)
	if text, bad := strings.CutPrefix(line, "error "); bad {
		return "", errors.New("powerfs: " + text)
	}
	return line, nil
}
