package server

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/postilion-mail/postilion/plugin"
	"github.com/postilion-mail/postilion/plugin/plugintest"
	postilionv1 "github.com/postilion-mail/postilion/proto/gen/postilion/v1"
)

// TestMain makes the test binary what the daemon starts of it: a plugin, or a
// built-in transport in a process of its own.
func TestMain(m *testing.M) {
	if len(os.Args) == 3 && os.Args[1] == TransportCommand {
		if err := ServeTransport(os.Args[2]); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	plugintest.Main(m, func() plugin.Transport { return recorder{name: os.Args[1]} })
}

// recorder is a plugin of these tests: it notes what it delivers.
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

// journal is where a recorder notes.
type journal struct {
	t   *testing.T
	dir string
}

// newJournal makes a directory where every user may write, since the plugin
// may be another.
func newJournal(t *testing.T) journal {
	t.Helper()
	dir, err := os.MkdirTemp("", "pstj")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o777); err != nil {
		t.Fatal(err)
	}
	return journal{t, dir}
}

// delivered gives the messages, sorted.
func (j journal) delivered() []string {
	j.t.Helper()
	content, err := os.ReadFile(filepath.Join(j.dir, "delivered"))
	if err != nil && !os.IsNotExist(err) {
		j.t.Fatal(err)
	}
	ids := strings.Fields(string(content))
	slices.Sort(ids)
	return ids
}

// stall has deliveries stop, and gives a function that waits until one has.
func (j journal) stall(where string) (stalled func()) {
	j.t.Helper()
	mark := filepath.Join(j.dir, "stalled")
	_ = os.Remove(mark)
	if err := os.WriteFile(filepath.Join(j.dir, "stall"), []byte(where), 0o644); err != nil {
		j.t.Fatal(err)
	}
	return func() {
		j.t.Helper()
		await(j.t, "a delivery has stalled", func() bool { _, err := os.Stat(mark); return err == nil })
	}
}

func (j journal) goOn() {
	j.t.Helper()
	if err := os.Remove(filepath.Join(j.dir, "stall")); err != nil {
		j.t.Fatal(err)
	}
}

// addRecorder adds the test binary as a plugin and gives it.
func (r *rig) addRecorder(name string, j journal, change ...func(*postilionv1.AddPluginRequest)) *postilionv1.Plugin {
	r.t.Helper()
	self, err := os.Executable()
	if err != nil {
		r.t.Fatal(err)
	}
	req := &postilionv1.AddPluginRequest{Path: self, Plugin: &postilionv1.Plugin{Args: []string{name}, WritePaths: []string{j.dir}}}
	for _, c := range change {
		c(req)
	}
	added, err := r.admin.AddPlugin(r.ctx(), req)
	if err != nil {
		r.t.Fatal(err)
	}
	return added.GetPlugin()
}

// pluginNamed gives a plugin as the API shows it.
func (r *rig) pluginNamed(name string) *postilionv1.Plugin {
	r.t.Helper()
	list, err := r.admin.ListPlugins(r.ctx(), &postilionv1.ListPluginsRequest{})
	if err != nil {
		r.t.Fatal(err)
	}
	for _, p := range list.GetPlugins() {
		if p.GetName() == name {
			return p
		}
	}
	r.t.Fatalf("there is no plugin %q", name)
	return nil
}

func (r *rig) awaitPlugin(name string, want postilionv1.PluginState) *postilionv1.Plugin {
	r.t.Helper()
	var p *postilionv1.Plugin
	await(r.t, "plugin "+name+" is "+want.String(), func() bool {
		p = r.pluginNamed(name)
		return p.GetState() == want
	})
	return p
}

// recorded is a connection that a recorder delivers for.
func recorded(name, transport string, j journal) *postilionv1.Connection {
	return custom(name, transport, map[string]any{"directory": j.dir})
}
