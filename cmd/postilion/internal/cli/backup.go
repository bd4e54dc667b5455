package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/postilion-mail/postilion/internal/database"
	"github.com/postilion-mail/postilion/internal/outbox"
	"github.com/postilion-mail/postilion/internal/outbox/sqlite"
	postilionv1 "github.com/postilion-mail/postilion/proto/gen/postilion/v1"
	"github.com/postilion-mail/postilion/sdk"
)

// maxBackup bounds a backup where --timeout is not given.
const maxBackup = 24 * time.Hour

func (a *app) backupCommand() *cobra.Command {
	var offline bool
	command := &cobra.Command{
		Use:   "backup DIR",
		Short: "Copy all that the daemon keeps into a new directory",
		Long: `Backup writes a consistent copy of the daemon's database and of the contents
of messages into DIR, which must be new or empty, while the daemon works. The
daemon writes it itself, so DIR is a directory on its machine where its user
may write. With --offline no daemon is needed, nor may one run: the data
directory is read directly.

The key that opens the stored passwords is not part of it: keep it elsewhere.
A daemon started on the copy holds all mail that waited in it, because that may
have gone out since: see postilion messages release --all.`,
		Example: `  postilion backup /var/lib/postilion/backups/monday
  postilion verify /var/lib/postilion/backups/monday
  postilion backup --offline --data-dir /var/lib/postilion /mnt/postilion`,
		Args: cobra.ExactArgs(1),
	}
	command.Flags().BoolVar(&offline, "offline", false, "read --data-dir directly; the daemon must not run")
	command.RunE = func(command *cobra.Command, args []string) error {
		if offline {
			return a.backupOffline(command.Context(), args[0])
		}
		return a.run(func(ctx context.Context, client *sdk.Client, args []string) error {
			if !command.Flags().Changed("timeout") {
				var cancel context.CancelFunc
				ctx, cancel = context.WithTimeout(ctx, maxBackup)
				defer cancel()
			}
			return a.backup(ctx, client, args[0])
		})(command, args)
	}
	return command
}

func (a *app) backup(ctx context.Context, client *sdk.Client, dir string) error {
	if strings.Contains(a.place.target, "/") { // a socket: the daemon is on this machine
		absolute, err := filepath.Abs(dir)
		if err != nil {
			return err
		}
		dir = absolute
	}
	answer, err := client.Admin.Backup(ctx, &postilionv1.BackupRequest{Directory: dir})
	if err != nil {
		return err
	}
	if a.json {
		return a.object(answer)
	}
	a.describeBackup(dir, bytesText(answer.GetBytes())+" are")
	return nil
}

func (a *app) describeBackup(dir, what string) {
	a.printf("%s in %s\n  check it: postilion verify %s\n  keep the daemon's key elsewhere: it is not part of the backup\n", what, clean(dir), clean(dir))
}

func (a *app) backupOffline(ctx context.Context, dir string) error {
	data := a.dataDirectory()
	if _, err := os.Stat(filepath.Join(data, database.Name)); err != nil {
		return err
	}
	// The lock that it takes keeps a daemon away, or tells of one.
	db, err := database.Open(ctx, database.Options{Dir: data, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		return exit{exitUnavailable, err}
	}
	if err := errors.Join(sqlite.BackupAtRest(ctx, db, dir), db.Close()); err != nil {
		return exit{exitFailed, err}
	}
	a.describeBackup(dir, "all that "+data+" has is")
	return nil
}

func (a *app) verifyCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "verify DIR",
		Short: "Check a backup, or a data directory",
		Long: `Verify reads the whole of DIR and holds all of it together: the database, the
length and checksum of each content, and that each recipient of each message
is either final or waits somewhere. It changes nothing and needs no daemon; it
may also read the directory of one that runs. Each fault is printed; it exits
with 0 if there is none and with 1 otherwise.`,
		Example: "  postilion verify /var/lib/postilion/backups/monday",
		Args:    cobra.ExactArgs(1),
		RunE: func(command *cobra.Command, args []string) error {
			return a.verify(command.Context(), args[0])
		},
	}
}

func (a *app) verify(ctx context.Context, dir string) error {
	found, err := sqlite.Verify(ctx, dir)
	if as := (*fs.PathError)(nil); errors.As(err, &as) || ctx.Err() != nil {
		return err
	} else if err != nil {
		found.Problems = append(found.Problems, err.Error())
	}
	if a.json {
		if err := json.NewEncoder(a.Out).Encode(verification(dir, found)); err != nil {
			return err
		}
	} else {
		a.describeVerification(dir, found)
	}
	if len(found.Problems) > 0 {
		return exit{code: exitFailed}
	}
	return nil
}

// verified is what --json prints.
type verified struct {
	Directory  string           `json:"directory"`
	Messages   int              `json:"messages"`
	Recipients map[string]int64 `json:"recipients"`
	Restored   bool             `json:"restored"` // a start holds what waits
	Key        bool             `json:"key"`      // whether the daemon's key is there
	Faults     []string         `json:"faults"`
}

func verification(dir string, found *sqlite.Verification) verified {
	out := verified{Directory: dir, Messages: found.Messages, Recipients: map[string]int64{}, Faults: append([]string{}, found.Problems...)}
	for state, n := range found.Recipients {
		out.Recipients[strings.ToLower(state.String())] = n
	}
	exists := func(name string) bool { _, err := os.Stat(filepath.Join(dir, name)); return err == nil }
	out.Key, out.Restored = exists("key"), exists(sqlite.RestoredName)
	return out
}

func (a *app) describeVerification(dir string, found *sqlite.Verification) {
	for _, fault := range found.Problems {
		a.printf("%s %s\n", a.style.paint(red, "✗"), clean(fault))
	}
	var states []string
	for state := outbox.Queued; state <= outbox.Suppressed; state++ {
		if n := found.Recipients[state]; n > 0 {
			states = append(states, fmt.Sprintf("%d %s", n, strings.ToLower(state.String())))
		}
	}
	if len(states) == 0 {
		states = []string{"none"}
	}
	a.printf("%d messages; recipients: %s\n", found.Messages, strings.Join(states, ", "))
	report := verification(dir, found)
	if report.Restored {
		a.printf("a daemon started on it holds what waits\n")
	}
	if !report.Key {
		a.printf("the key of the stored passwords is not here: a start needs the one of the daemon, as %s or by --key-file\n", clean(filepath.Join(dir, "key")))
	}
	if len(found.Problems) == 0 {
		a.printf("%s no faults\n", a.style.paint(green, "✓"))
	}
}
