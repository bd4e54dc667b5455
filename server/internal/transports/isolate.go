package transports

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"net/netip"
	"os"
	"time"

	"github.com/postilion-mail/postilion/internal/guard"
	"github.com/postilion-mail/postilion/internal/registry"
	"github.com/postilion-mail/postilion/plugin"
	"github.com/postilion-mail/postilion/server/internal/plugins"
)

// Command is the first argument that makes the program serve a built-in
// transport, which the second one names, in a process of its own.
const Command = "transport"

// placeSetting is the setting by which a process of its own learns what it
// would know in the daemon's. No transport has a setting of such a name.
const placeSetting = "_place"

// isolate opens a built-in transport in a process of its own. The process
// gets what the connection may reach with the settings, so that the guard
// holds there as it does here; neither stands in arguments or environment.
func (c *Catalog) isolate(ctx context.Context, connection *registry.Connection, settings plugin.Settings) (plugin.Instance, error) {
	g := c.guard(connection)
	allowed := make([]any, len(g.Allowed))
	for n, prefix := range g.Allowed {
		allowed[n] = prefix.String()
	}
	values := maps.Clone(settings.Values)
	if values == nil {
		values = make(map[string]any)
	}
	values[placeSetting] = map[string]any{
		"unrestricted": g.Unrestricted, "allowed": allowed,
		"hello_name": c.HelloName, "capture_dir": c.CaptureDir, "dns_server": c.DNSServer,
	}
	settings.Values = values
	run := plugins.Run{Args: []string{Command, connection.Transport}}
	if connection.Transport == "capture" {
		if err := os.MkdirAll(c.CaptureDir, 0o700); err != nil {
			return nil, err
		}
		run.WritePaths = []string{c.CaptureDir}
		run.NoNetwork = true
	}
	return c.Plugins.Isolate(ctx, connection.Owner, run, settings)
}

// Serve serves a built-in transport in this process, for a daemon. It returns
// when the daemon has ended it.
func Serve(name string) error {
	if !BuiltIn(name) {
		return fmt.Errorf("there is no built-in transport %q", name)
	}
	return plugin.Serve(isolated{name: name, log: plugin.NewLogger(slog.LevelDebug)})
}

// isolated is a built-in transport in a process of its own.
type isolated struct {
	name string
	log  *slog.Logger
}

// Describe implements plugin.Transport.
func (i isolated) Describe() plugin.Description {
	d, _ := New(Options{}).describeBuiltIn(i.name)
	return d
}

// Open implements plugin.Transport. Settings without a place get the strictest
// guard.
func (i isolated) Open(ctx context.Context, s plugin.Settings) (plugin.Instance, error) {
	place, _ := s.Values[placeSetting].(map[string]any)
	text := func(name string) string { t, _ := place[name].(string); return t }
	c := New(Options{
		Log: i.log, HelloName: text("hello_name"), CaptureDir: text("capture_dir"), DNSServer: text("dns_server"), Now: time.Now,
	})
	g := &guard.Guard{Resolver: c.resolver}
	g.Unrestricted, _ = place["unrestricted"].(bool)
	allowed, _ := place["allowed"].([]any)
	for _, a := range allowed {
		text, _ := a.(string)
		prefix, err := netip.ParsePrefix(text)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", placeSetting, err)
		}
		g.Allowed = append(g.Allowed, prefix)
	}
	s.Values = maps.Clone(s.Values)
	delete(s.Values, placeSetting)
	return c.factories[i.name](g).Open(ctx, s)
}
