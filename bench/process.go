package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// process is a program that runs in the background, with a process group of
// its own.
type process struct {
	command *exec.Cmd
	log     output
	ended   chan struct{} // closed when it has ended, with err
	err     error
}

// start starts a program; it is ended with the scope, if not before. What it
// prints goes to its log, unless the command has another place for it.
func (b *bench) start(command *exec.Cmd) *process {
	file, err := os.CreateTemp(b.folder, "log")
	b.fail(err)
	p := &process{command: command, log: output{file}, ended: make(chan struct{})}
	if command.Stdout == nil {
		command.Stdout = file
	}
	command.Stderr = file
	command.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	command.WaitDelay = time.Second // its children may hold the pipe
	b.fail(command.Start())
	go func() {
		p.err = command.Wait()
		close(p.ended)
	}()
	b.cleanup(p.end)
	return p
}

// end tells the program to end, and after a while makes it.
func (p *process) end() {
	group := -p.command.Process.Pid
	select {
	case <-p.ended:
	default:
		_ = syscall.Kill(group, syscall.SIGTERM) // strace takes none while its daemon lives
		select {
		case <-p.ended:
		case <-time.After(20 * time.Second):
		}
	}
	_ = syscall.Kill(group, syscall.SIGKILL)
	<-p.ended
	_ = p.log.Close()
	_ = os.Remove(p.log.Name())
}

// alive fails if the program has ended.
func (b *bench) alive(p *process) {
	select {
	case <-p.ended:
		b.failf("%s ended: %v\n%s", p.command.Path, p.err, p.log)
	default:
	}
}

// execute runs a program to its end, which must be a good one, and gives what
// it printed.
func (b *bench) execute(command *exec.Cmd) string {
	out, err := run(b.ctx, command)
	b.fail(err)
	return out
}

// run is execute for any goroutine.
func run(ctx context.Context, command *exec.Cmd) (string, error) {
	var out, errs bytes.Buffer
	command.Stdout, command.Stderr = &out, &errs
	if err := command.Start(); err != nil {
		return "", err
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	defer context.AfterFunc(ctx, func() { _ = command.Process.Kill() })()
	if err := command.Wait(); err != nil {
		return "", fmt.Errorf("%s: %w\n%s%s", strings.Join(command.Args, " "), err, &out, &errs)
	}
	return out.String(), nil
}

// environment is ours without what steers Postilion.
func environment(more ...string) []string {
	var kept []string
	for _, entry := range os.Environ() {
		if !strings.HasPrefix(entry, "POSTILION_") {
			kept = append(kept, entry)
		}
	}
	return append(kept, more...)
}

// freePort gives a port of 127.0.0.1 that nobody listens at now.
func (b *bench) freePort() int {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	b.fail(err)
	defer func() { _ = listener.Close() }()
	return listener.Addr().(*net.TCPAddr).Port
}

func address(port int) string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(port)) }

func listens(address string) bool {
	conn, err := net.DialTimeout("tcp", address, time.Second)
	if err != nil {
		return false
	}
	_ = conn.Close()
	return true
}

// memory reads a line of /proc/PID/status in MiB: VmRSS is what the process
// holds now, VmHWM the most since resetPeak.
func memory(pid int, name string) (float64, error) {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(status)) {
		if value, found := strings.CutPrefix(line, name+":"); found {
			kibibytes, err := strconv.ParseFloat(strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(value), "kB")), 64)
			return kibibytes / 1024, err
		}
	}
	return 0, errors.New("there is no " + name + " in /proc")
}

// resetPeak makes VmHWM start again (man 5 proc, clear_refs).
func resetPeak(pid int) error {
	return os.WriteFile(fmt.Sprintf("/proc/%d/clear_refs", pid), []byte("5"), 0o200)
}

// cpuTime is the processor time that a process has used so far.
func cpuTime(pid int) (time.Duration, error) {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, err
	}
	// The fields behind the name, which may have blanks: 14 and 15 are utime
	// and stime in ticks of 10 ms.
	fields := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+1:]))
	user, err := strconv.Atoi(fields[11])
	if err != nil {
		return 0, err
	}
	system, err := strconv.Atoi(fields[12])
	return time.Duration(user+system) * 10 * time.Millisecond, err
}

// cpu is the processor time that a program has used so far.
func (b *bench) cpu(p *process) time.Duration {
	used, err := cpuTime(p.command.Process.Pid)
	b.fail(err)
	return used
}

// ownTime is that of this process, with the programs that it ran to their end.
func ownTime() (sum time.Duration) {
	for _, who := range []int{syscall.RUSAGE_SELF, syscall.RUSAGE_CHILDREN} {
		var used syscall.Rusage
		_ = syscall.Getrusage(who, &used) // cannot fail
		sum += time.Duration(used.Utime.Nano() + used.Stime.Nano())
	}
	return sum
}

// output is a file that a program writes and others read.
type output struct{ *os.File }

func (o output) String() string {
	content, err := os.ReadFile(o.Name())
	if err != nil {
		return err.Error()
	}
	return string(content)
}
