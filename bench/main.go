// Command bench compares Postilion with the mailers that people use today, on
// this machine and in one run, and prints tables:
//
//	go run ./bench                        all tables; some minutes
//	go run ./bench -only a,b -quick       two of them, with small numbers
//	go run ./bench -write docs/benchmarks.md
//	go run ./bench -only a -profile DIR   CPU profiles of the daemon for go tool pprof
//
// It runs as root on Debian, installs what it needs by scripts/setup, and keeps
// its servers and files in a temporary directory.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"
)

func main() {
	if len(os.Args) > 1 && os.Args[1] == profiled {
		os.Exit(serveProfiled(os.Args[2:]))
	}
	s := &suite{}
	write := flag.String("write", "", "write the tables to this `file` as well")
	only := flag.String("only", "", "`tables` to run, separated by commas: "+strings.Join(tableNames(), ", "))
	flag.IntVar(&s.runs, "runs", 3, "runs of which the median is taken")
	flag.BoolVar(&s.quick, "quick", false, "small numbers, to see that everything works")
	flag.StringVar(&s.profile, "profile", "", "write CPU profiles of the daemon into this `directory`")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := s.main(ctx, *only, *write)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// suite is one run of the benchmarks.
type suite struct {
	runs    int
	quick   bool
	profile string

	root     string // the repository
	folder   string // for everything that is made
	programs string
	load     string // of the machine before the first table
	tables   []*table
	missing  []string // names of the other tables
}

// benchmarks are the tables in their order.
func benchmarks() []benchmark {
	return []benchmark{
		{"accept", acceptRates}, {"beside", besideLarge}, {"start", startUp},
		{"a", endToEnd}, {"b", callersWait}, {"c", roundTrips}, {"d", backlog}, {"e", large}, {"f", blackHole}, {"g", burst}, {"h", isolation}, {"i", firstCall},
	}
}

// benchmark makes one table. It ends early by bench.fail.
type benchmark struct {
	name string
	run  func(*bench) *table
}

func tableNames() []string {
	var names []string
	for _, b := range benchmarks() {
		names = append(names, b.name)
	}
	return names
}

func (s *suite) main(ctx context.Context, only, write string) error {
	chosen := tableNames()
	if only != "" {
		chosen = strings.Split(only, ",")
	}
	for _, name := range chosen {
		if !slices.Contains(tableNames(), name) {
			return fmt.Errorf("-only: there is no table %q; there are %s", name, strings.Join(tableNames(), ", "))
		}
	}
	if s.runs < 1 {
		return errors.New("-runs: must be at least 1")
	}
	if err := s.prepare(ctx); err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(s.folder) }()
	failures := s.run(ctx, chosen)
	if write != "" && failures == nil {
		return s.write(write)
	}
	return failures
}

// run makes the tables one after the other. One that fails does not keep the
// others from being made.
func (s *suite) run(ctx context.Context, chosen []string) (failures error) {
	load, _ := os.ReadFile("/proc/loadavg")
	s.load, _, _ = strings.Cut(string(load), " ")
	for _, b := range benchmarks() {
		if !slices.Contains(chosen, b.name) {
			s.missing = append(s.missing, b.name)
			continue
		}
		if ctx.Err() != nil {
			break
		}
		began := time.Now()
		made, err := s.measure(ctx, b)
		if err != nil {
			failures = errors.Join(failures, fmt.Errorf("table %s: %w", b.name, err))
			fmt.Fprintf(os.Stderr, "table %s failed: %v\n", b.name, err)
			continue
		}
		s.tables = append(s.tables, made)
		fmt.Printf("%s\n", made)
		fmt.Fprintf(os.Stderr, "table %s took %.0f s\n", b.name, time.Since(began).Seconds())
	}
	return errors.Join(failures, ctx.Err())
}

// prepare installs, builds, and makes the folder of this run. Its name is
// short, since sockets come to lie in it, and every user can go through it.
func (s *suite) prepare(ctx context.Context) (err error) {
	if os.Geteuid() != 0 {
		return errors.New("it starts mail servers that want to be root: run it as root")
	}
	module, err := exec.CommandContext(ctx, "go", "list", "-m", "-f", "{{.Dir}}").Output()
	if err != nil {
		return fmt.Errorf("go list: %w; run it within the repository", err)
	}
	s.root = strings.TrimSpace(string(module))
	if err := s.tool(ctx, filepath.Join(s.root, "scripts", "setup")); err != nil {
		return err
	}
	if s.folder, err = os.MkdirTemp("", "pb"); err != nil {
		return err
	}
	s.programs = filepath.Join(s.folder, "bin")
	if err := os.Chmod(s.folder, 0o755); err != nil {
		return err
	}
	return s.tool(ctx, "go", "build", "-buildvcs=false", "-trimpath", "-ldflags", "-s -w", "-o", s.programs+"/", "./cmd/postilion", "./cmd/postilion-sendmail")
}

func (s *suite) tool(ctx context.Context, name string, args ...string) error {
	command := exec.CommandContext(ctx, name, args...)
	command.Dir = s.root
	command.Env = append(os.Environ(), "CGO_ENABLED=0")
	command.Stdout, command.Stderr = os.Stderr, os.Stderr
	if err := command.Run(); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	return nil
}
