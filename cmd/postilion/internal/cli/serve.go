package cli

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"os"

	"github.com/spf13/cobra"

	"github.com/postilion-mail/postilion/internal/config"
)

// Daemon runs the daemon until ctx ends.
type Daemon func(ctx context.Context, configuration *config.Config, log *slog.Logger) error

func (a *app) serveCommand() *cobra.Command {
	var check bool
	command := &cobra.Command{
		Use:   "serve",
		Short: "Run the daemon",
		Long: `Serve runs the daemon until it gets SIGTERM or SIGINT; then it lets deliveries
finish. A second signal ends it at once, which loses nothing. Every flag also
stands in the YAML file of --config, and in the environment as POSTILION_*.`,
		Example: "  postilion serve --data-dir /var/lib/postilion --config /etc/postilion/postilion.yaml",
		Args:    cobra.NoArgs,
	}
	config.Register(command.Flags())
	command.Flags().BoolVar(&check, "check", false, "check the configuration and end: 0 if it is right, 78 if not")
	command.RunE = func(command *cobra.Command, _ []string) error {
		configuration, warnings, err := config.Load(command.Flags(), a.Environ())
		for _, warning := range warnings {
			_, _ = io.WriteString(a.Err, "postilion: warning: "+clean(warning)+"\n")
		}
		if err != nil {
			return exit{exitConfig, err}
		}
		if check {
			a.printf("the configuration is right\n")
			return nil
		}
		if err := a.Serve(command.Context(), &configuration, newLog(a.Err, configuration)); err != nil && !errors.Is(err, context.Canceled) {
			return exit{exitFailed, err}
		}
		return nil
	}
	return command
}

func newLog(out io.Writer, configuration config.Config) *slog.Logger {
	options := &slog.HandlerOptions{Level: configuration.LogLevel}
	if configuration.LogFormat == config.LogJSON {
		return slog.New(slog.NewJSONHandler(out, options))
	}
	// journald stamps the lines itself.
	if os.Getenv("JOURNAL_STREAM") != "" {
		options.ReplaceAttr = func(groups []string, attribute slog.Attr) slog.Attr {
			if len(groups) == 0 && attribute.Key == slog.TimeKey {
				return slog.Attr{}
			}
			return attribute
		}
	}
	return slog.New(slog.NewTextHandler(out, options))
}
