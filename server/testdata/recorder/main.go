// Command recorder is the plugin of the daemon's tests: it notes what it
// delivers. Its argument is the name of the transport.
package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/postilion-mail/postilion/plugin"
)

func main() {
	if err := plugin.Serve(recorder{name: os.Args[1]}); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// recorder implements plugin.Transport.
type recorder struct{ name string }

func (r recorder) Describe() plugin.Description {
	return plugin.Description{
		Name: r.name, Version: "1.2", Title: "Recorder",
		Fields: []plugin.Field{
			{Name: "directory", Type: plugin.TypeString, Required: true},
			{Name: "token", Type: plugin.TypeString, Secret: true},
		},
		Capabilities: plugin.Capabilities{ReportsCommit: true},
	}
}

func (r recorder) Open(_ context.Context, s plugin.Settings) (plugin.Instance, error) {
	var settings struct {
		Directory string `setting:"directory"`
	}
	if err := s.Decode(r.Describe().Fields, &settings); err != nil {
		return nil, err
	}
	return recording{settings.Directory}, nil
}

// recording is an instance. In its directory, the file named stall has it stop
// before the point of no return, or after it, as long as it is there.
type recording struct{ dir string }

func (r recording) Check(_ context.Context, _ plugin.CheckRequest, report func(plugin.Stage)) error {
	report(plugin.Stage{Name: "directory", Status: plugin.StagePassed})
	return nil
}

func (r recording) Deliver(ctx context.Context, d *plugin.Delivery, committing func() error) ([]plugin.Outcome, error) {
	if err := r.stall(ctx, "before"); err != nil {
		return nil, err
	}
	if err := committing(); err != nil {
		return nil, err
	}
	if err := r.stall(ctx, "after"); err != nil {
		return nil, err
	}
	f, err := os.OpenFile(filepath.Join(r.dir, "delivered"), os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if _, err := f.WriteString(d.ID + "\n"); err != nil {
		return nil, err
	}
	return plugin.ForAll(d, plugin.AcceptedOutcome("recorded")), nil
}

func (r recording) Close() error { return nil }

func (r recording) stall(ctx context.Context, where string) error {
	for {
		wanted, err := os.ReadFile(filepath.Join(r.dir, "stall"))
		if err != nil || string(wanted) != where {
			return nil
		}
		if err := os.WriteFile(filepath.Join(r.dir, "stalled"), nil, 0o600); err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(5 * time.Millisecond):
		}
	}
}
