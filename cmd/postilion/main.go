// Command postilion is the daemon, its command line and, called by that name,
// a drop-in for sendmail.
package main

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"syscall"

	"github.com/postilion-mail/postilion/cmd/postilion/internal/cli"
	"github.com/postilion-mail/postilion/cmd/postilion/internal/sidecar"
	"github.com/postilion-mail/postilion/internal/config"
	"github.com/postilion-mail/postilion/internal/sendmail"
	"github.com/postilion-mail/postilion/server"
)

// minHeap is what counts as the least live heap, in octets.
const minHeap = 32 << 20

// version is set by the linker.
var version = "dev"

func main() {
	if args, ok := sendmailArgs(os.Args); ok {
		os.Exit(sendmail.Main(args, os.Stdin, os.Stdout, os.Stderr, os.Getenv))
	}
	if name, ok := transportName(os.Args); ok {
		os.Args = append(os.Args[:1], os.Args[3:]...) // what follows is for trying it out by hand
		if err := server.ServeTransport(name); err != nil {
			fmt.Fprintln(os.Stderr, "postilion:", err)
			os.Exit(1)
		}
		return
	}
	os.Exit(cli.Main(os.Args[1:], version, serve))
}

// sendmailArgs tells whether the program is meant as sendmail: by its name, or
// by its first argument. It is asked before anything else is set up, because
// PHP starts it for every mail.
func sendmailArgs(args []string) ([]string, bool) {
	if len(args) == 0 {
		return nil, false
	}
	switch filepath.Base(args[0]) {
	case "sendmail", "mailq", "newaliases":
		return args, true
	}
	if len(args) > 1 && args[1] == "sendmail" {
		return args[1:], true
	}
	return nil, false
}

// transportName tells whether the program is to serve a transport in a process
// of its own, and which: so does the daemon start it for connections whose
// isolation is process.
func transportName(args []string) (string, bool) {
	if len(args) < 3 || args[1] != server.TransportCommand {
		return "", false
	}
	return args[2], true
}

func serve(ctx context.Context, configuration *config.Config, log *slog.Logger) error {
	// What the daemon makes is its own; what others may use gets its mode
	// where it is made.
	syscall.Umask(0o077)
	// Memory that is never touched costs nothing, but it counts as live: so the
	// garbage collector runs at 64 MiB at the earliest, not all the time.
	ballast := make([]byte, minHeap)
	defer runtime.KeepAlive(ballast)
	options := server.Options{Version: version, Log: log}
	host, err := sidecar.Find(os.Getenv)
	if err != nil {
		return err
	}
	if host == nil {
		return server.Run(ctx, configuration, options)
	}
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	// The log goes to a pipe of the host's. Once that is broken, writing to it
	// must not end us in the middle of a delivery.
	signal.Notify(make(chan os.Signal, 1), syscall.SIGPIPE)
	go func() {
		if host.Watch(ctx) {
			log.Warn("the program that has launched the daemon is gone")
			stop()
		}
	}()
	options.Shutdown = stop
	options.Ready = func(a server.Addresses) {
		if err := host.Announce(os.Stdout, a.AdminSocket); err != nil {
			log.Error("the program that has launched the daemon cannot be told where it listens", "error", err)
			stop()
		}
	}
	return server.Run(ctx, configuration, options)
}
