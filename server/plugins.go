package server

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"github.com/postilion-mail/postilion/server/internal/plugins"
	"github.com/postilion-mail/postilion/server/internal/transports"
)

// openPlugins opens the catalogue of the plugins. They are started with the
// rest, and nothing waits for them.
func (d *daemon) openPlugins(ctx context.Context) error {
	if err := makeRunDir(d.cfg.RunDir); err != nil {
		return fmt.Errorf("run_dir: %w", err)
	}
	run, err := plugins.RunDir(d.cfg.DataDir, filepath.Join(d.cfg.RunDir, "plugins"), filepath.Join(d.cfg.DataDir, "plugins-run"))
	if err != nil { // only plugins and connections in processes of their own need it
		d.log.Error("plugins cannot run, nor connections in processes of their own", "error", err)
	}
	o := plugins.Options{
		Database: d.db, Dir: filepath.Join(d.cfg.DataDir, "plugins"), RunDir: run, Log: d.log, Drain: d.cfg.Drain,
		Private: d.privatePaths(), BuiltIn: transports.BuiltIn, Changed: d.pluginChanged,
		Delivered: d.metrics.Delivered,
	}
	if d.options.plugins != nil {
		d.options.plugins(&o)
	}
	if d.plugins, err = plugins.Open(ctx, o); err != nil {
		return err
	}
	d.metrics.WatchPlugins(d.plugins.List)
	return nil
}

// privatePaths are the daemon's own, which no plugin reaches.
func (d *daemon) privatePaths() []string {
	paths := []string{d.cfg.DataDir, d.cfg.RunDir, d.cfg.MaildropDir}
	for _, file := range []string{d.cfg.KeyFile, d.cfg.TLSKeyFile, os.Getenv("CREDENTIALS_DIRECTORY")} {
		if file != "" {
			paths = append(paths, file)
		}
	}
	return paths
}

// pluginChanged lets go on what waits for a plugin.
func (d *daemon) pluginChanged(name string) {
	for _, c := range d.registry.All() {
		if c.Transport == name {
			d.dispatcher.Configure(c.ID)
		}
	}
}

// sendsNothing says whether a transport keeps the mail on this machine.
func (d *daemon) sendsNothing(transport string) bool {
	description, _ := d.api.Transports.Describe(transport)
	return description.Capabilities.SendsNothing
}

// closePlugins ends the plugins' processes. Nothing is delivered any more.
func (d *daemon) closePlugins() {
	ctx, cancel := context.WithTimeout(context.Background(), finishAccepts)
	defer cancel()
	d.plugins.Close(ctx)
}

// TransportCommand is the program's first argument when it is to call
// ServeTransport with the second one.
const TransportCommand = transports.Command

// ServeTransport serves a built-in transport to the daemon that has started
// this process. It returns when the daemon has ended it.
func ServeTransport(name string) error { return transports.Serve(name) }
