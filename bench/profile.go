package main

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"runtime/pprof"
	"syscall"

	"github.com/spf13/pflag"

	"github.com/postilion-mail/postilion/internal/config"
	"github.com/postilion-mail/postilion/server"
)

const (
	// profiled as first argument makes this program a daemon that profiles
	// itself; the shipped one carries no profiler.
	profiled = "serve-profiled"
	// profileVariable names the file.
	profileVariable = "BENCH_PROFILE"
)

// serveProfiled is `postilion serve` under the profiler.
func serveProfiled(args []string) int {
	if err := profile(args); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

func profile(args []string) error {
	flags := pflag.NewFlagSet(profiled, pflag.ContinueOnError)
	config.Register(flags)
	if err := flags.Parse(args); err != nil {
		return err
	}
	settings, _, err := config.Load(flags, os.Environ())
	if err != nil {
		return err
	}
	out, err := os.Create(os.Getenv(profileVariable))
	if err != nil {
		return err
	}
	defer func() { _ = out.Close() }()
	syscall.Umask(0o077)
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	if err := pprof.StartCPUProfile(out); err != nil {
		return err
	}
	defer pprof.StopCPUProfile()
	log := slog.New(slog.NewJSONHandler(os.Stderr, nil))
	return server.Run(ctx, &settings, server.Options{Version: "bench", Log: log})
}
