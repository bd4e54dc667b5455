package sendmail

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// command is this test binary as the sendmail of the world.
func (w *world) command(args ...string) *exec.Cmd {
	cmd := exec.CommandContext(w.t.Context(), "/proc/self/exe", args...)
	cmd.Env = append(os.Environ(), "SENDMAIL_TEST_MAIN=1")
	for k, v := range w.vars {
		cmd.Env = append(cmd.Env, k+"="+v)
	}
	return cmd
}

// T108: a signal in the middle of the message.
func TestSignalQueuesNothing(t *testing.T) {
	t.Parallel()
	for _, sig := range []syscall.Signal{syscall.SIGHUP, syscall.SIGINT, syscall.SIGTERM} {
		for _, args := range [][]string{{"-t"}, {"-t", "-i"}, {"-bs"}} {
			w := newWorld(t, accept)
			cmd := w.command(args...)
			stdin, err := cmd.StdinPipe()
			if err != nil {
				t.Fatal(err)
			}
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			// More than a pipe holds: when all is written, the command reads.
			text := letter
			if args[0] == "-bs" {
				text = "EHLO me\r\nMAIL FROM:<a@x.example>\r\nRCPT TO:<b@x.example>\r\nDATA\r\n"
			}
			if _, err := stdin.Write([]byte(text + strings.Repeat("more\r\n", 50_000))); err != nil {
				t.Fatal(err)
			}
			if err := cmd.Process.Signal(sig); err != nil {
				t.Fatal(err)
			}
			late := time.AfterFunc(60*time.Second, func() { stdin.Close() })
			cmd.Wait()
			late.Stop()
			if status := cmd.ProcessState.Sys().(syscall.WaitStatus); status.Signal() != sig {
				t.Errorf("%v %v: ended otherwise: %v", sig, args, cmd.ProcessState)
			}
			w.nothing()
		}
	}
}

func TestClosedStdin(t *testing.T) {
	t.Parallel()
	w := newWorld(t, accept)
	cmd := exec.CommandContext(t.Context(), "/bin/sh", "-c", `exec "$0" -i b@example.com <&-`, "/proc/self/exe")
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd.Args[3] = exe
	cmd.Env = w.command().Env
	out, err := cmd.CombinedOutput()
	if cmd.ProcessState.ExitCode() != exitData {
		t.Errorf("%v: %s", err, out)
	}
	w.nothing()
}

// BenchmarkCommand is one message from start to exit of the real binary.
func BenchmarkCommand(b *testing.B) {
	bin := filepath.Join(b.TempDir(), "sendmail")
	build := exec.Command("go", "build", "-ldflags=-s -w", "-o", bin, "../../cmd/postilion-sendmail")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		b.Fatalf("%v: %s", err, out)
	}
	for _, args := range [][]string{{"-bi"}, {"-t", "-i"}} {
		b.Run(strings.Join(args, " "), func(b *testing.B) {
			w := newWorld(b, accept)
			for b.Loop() {
				cmd := exec.Command(bin, args...)
				cmd.Stdin = bytes.NewReader([]byte(letter))
				for k, v := range w.vars {
					cmd.Env = append(cmd.Env, k+"="+v)
				}
				if out, err := cmd.CombinedOutput(); err != nil {
					b.Fatalf("%v: %s", err, out)
				}
			}
		})
	}
}
