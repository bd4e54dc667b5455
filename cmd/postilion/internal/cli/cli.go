// Package cli is the command line of Postilion: it turns flags into calls of
// the API and answers into text for people, or JSON for machines.
package cli

import (
	"context"
	"io"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/postilion-mail/postilion/sdk"
)

// Process is what a command has of the process it runs in; tests give their
// own.
type Process struct {
	Version string
	Serve   Daemon
	In      io.Reader
	Out     io.Writer
	Err     io.Writer
	Getenv  func(string) string
	Environ func() []string
	UID     int
	Now     func() time.Time
}

// Main runs the command of args, without the program's name, and gives the
// exit code: 0, 1 for a check that failed, and else those of sysexits.h,
// never 75. SIGINT and SIGTERM end it in order, a second one at once.
func Main(args []string, version string, serve Daemon) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop)
	return Run(ctx, args, Process{
		Version: version, Serve: serve, In: os.Stdin, Out: os.Stdout, Err: os.Stderr,
		Getenv: os.Getenv, Environ: os.Environ, UID: os.Geteuid(), Now: time.Now,
	})
}

// Run is Main within a given process.
func Run(ctx context.Context, args []string, process Process) int {
	app := &app{Process: process}
	app.style = styleOf(process)
	root := command(app)
	root.SetArgs(args)
	root.SetIn(process.In)
	root.SetOut(process.Out)
	root.SetErr(process.Err)
	return app.report(root.ExecuteContext(ctx))
}

// Commands gives the tree of commands, to check the documentation against.
func Commands() *cobra.Command { return command(&app{}) }

// app is what the commands share.
type app struct {
	Process
	style   style
	started bool // flags and arguments were right

	socket    string
	address   string
	tokenFile string
	dataDir   string
	json      bool
	timeout   time.Duration

	place place // where the daemon was asked
}

// command gives the root command.
func command(a *app) *cobra.Command {
	root := &cobra.Command{
		Use:   "postilion",
		Short: "Sends the mail of the applications on this machine",
		Long: `Postilion takes outgoing mail from applications, keeps it safe on disk and
delivers it through your mail provider.

Start with:

  postilion configure main --host smtp.example.com --username you
  postilion test main --send-to you@example.com
  postilion send --to you@example.com --subject Hello --text Hello`,
		SilenceErrors:    true,
		SilenceUsage:     true,
		PersistentPreRun: func(*cobra.Command, []string) { a.started = true },
		Version:          a.Version,
	}
	flags := root.PersistentFlags()
	flags.StringVar(&a.socket, "socket", "", "the daemon's gRPC `socket` (POSTILION_SOCKET)")
	flags.StringVar(&a.address, "address", "", "the daemon's `host:port` for gRPC, by TLS beyond loopback (POSTILION_ADDRESS)")
	flags.StringVar(&a.tokenFile, "token-file", "", "`file` with the client's token (POSTILION_TOKEN_FILE)")
	flags.StringVar(&a.dataDir, "data-dir", "", "the daemon's data `directory` (POSTILION_DATA_DIR; "+defaultDataDir+")")
	flags.BoolVar(&a.json, "json", false, "print JSON, one object a line")
	flags.DurationVar(&a.timeout, "timeout", time.Minute, "longest `time` for a call")
	root.SetFlagErrorFunc(func(command *cobra.Command, err error) error {
		return usage("%v; see %s --help", err, command.CommandPath())
	})
	root.AddCommand(a.serveCommand(), a.configureCommand(), a.testCommand(), a.sendCommand(),
		a.messagesCommand(), a.connectionsCommand(), a.providersCommand(), a.discoverCommand(), a.routesCommand(), a.clientsCommand(), a.pluginsCommand(),
		a.wordpressCommand(), a.backupCommand(), a.verifyCommand(), a.doctorCommand(), a.versionCommand())
	return root
}

// run makes a cobra function of one that talks to the daemon.
func (a *app) run(do func(ctx context.Context, client *sdk.Client, args []string) error) func(*cobra.Command, []string) error {
	return func(command *cobra.Command, args []string) error {
		client, err := a.dial()
		if err != nil {
			return err
		}
		defer func() { _ = client.Close() }()
		return do(command.Context(), client, args)
	}
}

// group is a command that only holds others.
func group(use, short string, commands ...*cobra.Command) *cobra.Command {
	command := &cobra.Command{Use: use, Short: short, Args: cobra.NoArgs, RunE: func(command *cobra.Command, _ []string) error {
		_ = command.Help()
		return exit{code: exitUsage}
	}}
	command.AddCommand(commands...)
	return command
}
