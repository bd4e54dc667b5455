package server

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/protobuf/types/known/durationpb"

	postilionv1 "github.com/postilion-mail/postilion/proto/gen/postilion/v1"
)

// TestMain makes the test binary what the daemon starts of it: a built-in
// transport in a process of its own.
func TestMain(m *testing.M) {
	if len(os.Args) == 3 && os.Args[1] == TransportCommand {
		if err := ServeTransport(os.Args[2]); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	code := m.Run()
	if recorderBuilt.Load() {
		dir, _ := builtRecorder()
		_ = os.RemoveAll(dir)
	}
	os.Exit(code)
}

// recorderProgram gives the plugin of these tests, which is built once. It is
// small: the daemon copies it at each start.
func recorderProgram(t *testing.T) string {
	t.Helper()
	dir, err := builtRecorder()
	if err != nil {
		t.Fatal(err)
	}
	return filepath.Join(dir, "recorder")
}

var recorderBuilt atomic.Bool

// builtRecorder builds the plugin into a new folder, which TestMain removes.
var builtRecorder = sync.OnceValues(func() (string, error) {
	recorderBuilt.Store(true)
	dir, err := os.MkdirTemp("", "pstr")
	if err != nil {
		return "", err
	}
	build := exec.Command("go", "build", "-buildvcs=false", "-ldflags=-s -w", "-o", dir+"/", "./testdata/recorder")
	build.Env = append(os.Environ(), "CGO_ENABLED=0", "GOFLAGS=")
	if out, err := build.CombinedOutput(); err != nil {
		return dir, fmt.Errorf("building the recorder: %w: %s", err, out)
	}
	return dir, nil
})

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

// addRecorder adds a recorder of some name as a plugin and gives it.
func (r *rig) addRecorder(name string, j journal, change ...func(*postilionv1.AddPluginRequest)) *postilionv1.Plugin {
	r.t.Helper()
	req := &postilionv1.AddPluginRequest{Path: recorderProgram(r.t), Plugin: &postilionv1.Plugin{Args: []string{name}, WritePaths: []string{j.dir}}}
	for _, c := range change {
		c(req)
	}
	added, err := r.admin.AddPlugin(r.ctx(), req)
	if err != nil {
		r.t.Fatal(err)
	}
	if added.GetPlugin().GetPid() == 0 { // signals to it would be for our own group
		r.t.Fatalf("it does not run: %v", added.GetPlugin())
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

// recorded is a connection that a recorder delivers for. What fails is tried
// again when there is a reason, not because time goes by.
func recorded(name, transport string, j journal) *postilionv1.Connection {
	c := custom(name, transport, map[string]any{"directory": j.dir})
	c.Retry = &postilionv1.RetryPolicy{Schedule: []*durationpb.Duration{durationpb.New(time.Hour)}}
	return c
}
