package host

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/postilion-mail/postilion/plugin"
)

// hostile is a plugin that does as it is told by the messages that it is given:
// their content is a deed and what it is done to. The reply is what came of it.
type hostile struct{ tester }

func (hostile) Open(context.Context, plugin.Settings) (plugin.Instance, error) { return hostile{}, nil }

func (hostile) Deliver(_ context.Context, d *plugin.Delivery, _ func() error) ([]plugin.Outcome, error) {
	text, err := io.ReadAll(io.NewSectionReader(d.Content, 0, d.Size))
	if err != nil {
		return nil, err
	}
	var words []string
	if err := json.Unmarshal(text, &words); err != nil {
		return nil, err
	}
	deed, ok := deeds()[words[0]]
	if !ok {
		return nil, errors.New("there is no such deed")
	}
	reply := "done"
	if err := deed(words[1:]); err != nil {
		reply = err.Error()
	}
	return plugin.ForAll(d, plugin.AcceptedOutcome(reply)), nil
}

func deeds() map[string]func([]string) error {
	return map[string]func([]string) error{
		"read":   func(w []string) error { _, err := os.ReadFile(w[0]); return err },
		"list":   func(w []string) error { _, err := os.ReadDir(w[0]); return err },
		"write":  func(w []string) error { return os.WriteFile(w[0], []byte("hostile"), 0o600) },
		"peek":   peek,
		"attach": attach,
		"signal": func(w []string) error { return syscall.Kill(number(w[0]), 0) },
		"connect": func(w []string) error {
			conn, err := net.Dial(w[0], w[1])
			if err == nil {
				defer conn.Close()
				_, err = io.ReadAll(conn) // until the other side has looked at us
			}
			return err
		},
		"detach": detachChild,
		"flood": func(w []string) error {
			line := append([]byte(strings.Repeat("{\"@level\":\"error\",\"@message\":\"forged\"}", 50)), "\n{\"@message\":1}\n"...)
			for have := 0; have < number(w[0]); have += len(line) {
				if _, err := os.Stderr.Write(line); err != nil {
					return err
				}
			}
			return nil
		},
		"panic": func([]string) error { panic("hostile") },
		"hang":  func([]string) error { select {} },
		"files": func(w []string) error {
			for range number(w[0]) {
				if _, err := os.Open(os.DevNull); err != nil {
					return err
				}
			}
			return nil
		},
	}
}

func number(text string) int { n, _ := strconv.Atoi(text); return n }

// peek reads the memory of a process, where that has its first page.
func peek(w []string) error {
	maps, err := os.ReadFile("/proc/" + w[0] + "/maps")
	if err != nil {
		return err
	}
	from, _, _ := strings.Cut(string(maps), "-")
	offset, err := strconv.ParseInt(from, 16, 64)
	if err != nil {
		return fmt.Errorf("no memory: %w", err)
	}
	memory, err := os.Open("/proc/" + w[0] + "/mem")
	if err != nil {
		return err
	}
	defer memory.Close()
	_, err = memory.ReadAt(make([]byte, 8), offset)
	return err
}

func attach(w []string) error {
	if err := syscall.PtraceAttach(number(w[0])); err != nil {
		return err
	}
	return syscall.PtraceDetach(number(w[0]))
}

// detachChild leaves a child in a session of its own.
func detachChild(w []string) error {
	child := exec.Command("sleep", w[0])
	child.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	return child.Start()
}

// world is a daemon's, and what plugins should not get at.
type world struct {
	Data string // its directory
	Key  string
	Sock string
	Own  string // a directory that is the plugin's to write to
	Seen chan int
}

// newWorld makes the files, and a socket that only its owner may use. It tells
// of the processes that came to it.
func newWorld(folder string) (*world, error) {
	w := &world{Data: filepath.Join(folder, "data"), Own: filepath.Join(folder, "own"), Seen: make(chan int, 100)}
	w.Key, w.Sock = filepath.Join(w.Data, "key"), filepath.Join(w.Data, "admin.sock")
	err := errors.Join(os.Mkdir(w.Data, 0o700), os.Mkdir(w.Own, 0o777), os.Chmod(w.Own, 0o777), os.WriteFile(w.Key, []byte("key"), 0o600))
	if err != nil {
		return nil, err
	}
	listener, err := net.Listen("unix", w.Sock)
	if err != nil {
		return nil, err
	}
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			w.Seen <- peerPID(conn)
			_ = conn.Close()
		}
	}()
	return w, os.Chmod(w.Sock, 0o600)
}

func peerPID(conn net.Conn) int {
	raw, err := conn.(*net.UnixConn).SyscallConn()
	if err != nil {
		return -1
	}
	pid := -1
	_ = raw.Control(func(fd uintptr) {
		if c, err := syscall.GetsockoptUcred(int(fd), syscall.SOL_SOCKET, syscall.SO_PEERCRED); err == nil {
			pid = int(c.Pid)
		}
	})
	return pid
}

// do has the plugin do something, and gives what came of it.
func do(ctx context.Context, i plugin.Instance, words ...string) (string, error) {
	text, err := json.Marshal(words)
	if err != nil {
		return "", err
	}
	ctx, cancel := context.WithTimeout(ctx, 5*time.Minute)
	defer cancel()
	outcomes, err := i.Deliver(ctx, &plugin.Delivery{
		ID: "m", Attempt: 1, Envelope: plugin.Envelope{Recipients: []plugin.Recipient{{Address: "a@x"}}},
		Content: strings.NewReader(string(text)), Size: int64(len(text)),
	}, func() error { return nil })
	if err != nil {
		return "", err
	}
	return outcomes[0].Reply, nil
}
