// Package e2e runs scenarios on the real programs, with the third-party
// software of a Debian machine at both ends: PHP, Python and curl send, Postfix
// with Dovecot receives. Each scenario has a daemon, folders and ports of its
// own.
package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/postilion-mail/postilion/internal/daemontest"
)

const (
	// patience is how long anything may take before a test gives up.
	patience = daemontest.Patience
	// pause is between two looks at whether something has happened.
	pause = 20 * time.Millisecond
)

// programs is the folder of the built programs, which every user can reach.
var programs string

// heavy lets at most so many scenarios run at a time: they start many
// processes.
var heavy = make(chan struct{}, 3)

func TestMain(m *testing.M) {
	os.Exit(build(m))
}

// build makes the programs as they are shipped, without the race detector, and
// runs the tests.
func build(m *testing.M) int {
	folder, err := daemontest.Folder()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(folder)
	programs = folder
	if err := daemontest.Build(folder); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return m.Run()
}

// scenario begins a scenario: it waits for its turn and gives a folder for it.
func scenario(t *testing.T) (folder string) {
	t.Helper()
	t.Parallel()
	heavy <- struct{}{}
	t.Cleanup(func() { <-heavy })
	folder, err := daemontest.Folder()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(folder) })
	return folder
}

// need fails the test, with the remedy, unless it is root's and the programs
// are installed.
func need(t testing.TB, names ...string) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Fatal("these tests act as several users, and so run as root: run scripts/setup as root, and the tests too")
	}
	for _, name := range names {
		if _, err := exec.LookPath(name); err != nil {
			t.Fatalf("%s is not installed: run scripts/setup as root", name)
		}
	}
}

// needFile is need for what is no program.
func needFile(t testing.TB, paths ...string) {
	t.Helper()
	for _, path := range paths {
		if _, err := os.Stat(path); err != nil {
			t.Fatalf("%v: run scripts/setup as root", err)
		}
	}
}

// as makes a command run as another user.
func as(t testing.TB, name string, command *exec.Cmd) {
	t.Helper()
	uid, gid := identity(t, name)
	command.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uid, Gid: gid}}
	command.Dir = "/"
}

// identity gives the ids of a user.
func identity(t testing.TB, name string) (uid, gid uint32) {
	t.Helper()
	account, err := user.Lookup(name)
	if err != nil {
		t.Fatalf("%v: run scripts/setup as root", err)
	}
	numbers := make([]uint32, 2)
	for i, text := range []string{account.Uid, account.Gid} {
		number, err := strconv.ParseUint(text, 10, 32)
		if err != nil {
			t.Fatal(err)
		}
		numbers[i] = uint32(number)
	}
	return numbers[0], numbers[1]
}

// host gives a loopback address that is used by nobody else.
func host() string { return daemontest.Host() }

func await(t testing.TB, what string, holds func() bool) {
	t.Helper()
	daemontest.Await(t, what, holds)
}

func write(t testing.TB, path, content string, mode os.FileMode) string {
	t.Helper()
	if err := os.WriteFile(path, []byte(content), mode); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, mode); err != nil {
		t.Fatal(err)
	}
	return path
}

func read(t testing.TB, path string) string {
	t.Helper()
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(content)
}

// script copies a script of testdata to where every user can read it.
func script(t testing.TB, folder, name string) string {
	t.Helper()
	return write(t, filepath.Join(folder, name), read(t, filepath.Join("testdata", name)), 0o644)
}
