package server

import (
	"debug/elf"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/structpb"

	"github.com/postilion-mail/postilion/internal/config"
	"github.com/postilion-mail/postilion/internal/smtptest"
	postilionv1 "github.com/postilion-mail/postilion/proto/gen/postilion/v1"
	"github.com/postilion-mail/postilion/server/internal/fault"
	"github.com/postilion-mail/postilion/server/internal/plugins"
)

const (
	ready   = postilionv1.PluginState_PLUGIN_STATE_READY
	failed  = postilionv1.PluginState_PLUGIN_STATE_FAILED
	stopped = postilionv1.PluginState_PLUGIN_STATE_STOPPED
)

// custom is a connection with another transport than smtp.
func custom(name, transport string, settings map[string]any) *postilionv1.Connection {
	s, err := structpb.NewStruct(settings)
	if err != nil {
		return nil
	}
	return &postilionv1.Connection{Name: name, Transport: &postilionv1.Connection_Custom{Custom: &postilionv1.CustomSettings{Transport: transport, Settings: s}}}
}

// sendThrough sends a letter and gives its id.
func (r *rig) sendThrough(connection string) string {
	r.t.Helper()
	req := letter("a@example.net")
	req.Connection = connection
	res, err := r.admin.Send(r.ctx(), req)
	if err != nil {
		r.t.Fatal(err)
	}
	return res.GetId()
}

// What is added as a plugin delivers, now and after a restart, until it is
// removed.
func TestAPluginDelivers(t *testing.T) {
	t.Parallel()
	r, j := newRig(t, func(c *config.Config) { c.MetricsListen = "127.0.0.1:0" }), newJournal(t)
	p := r.addRecorder("recorder", j)
	if p.GetName() != "recorder" || p.GetVersion() != "1.2" || p.GetState() != ready || p.GetPid() == 0 || !p.GetEnabled() || p.GetStarts() != 1 || p.GetConfinement() == "" {
		t.Errorf("it was added as %v", p)
	}
	transports, err := r.admin.ListTransports(r.ctx(), &postilionv1.ListTransportsRequest{})
	if err != nil || !strings.Contains(transports.String(), "Recorder") {
		t.Errorf("the transports are %v, %v", transports, err)
	}

	// Who may use it, and how.
	site := r.dial(r.addr.GRPC, r.client("site", allScopes...))
	_, err = site.Configure(r.ctx(), &postilionv1.ConfigureRequest{Connection: recorded("own", "recorder", j)})
	if status.Code(err) != codes.PermissionDenied {
		t.Errorf("a client that was not given the transport gets %v", err)
	}
	_, err = r.admin.Configure(r.ctx(), &postilionv1.ConfigureRequest{Connection: custom("box", "recorder", map[string]any{"directory": j.dir, "colour": "red"})})
	if fields := fault.Detail(err).GetFields(); status.Code(err) != codes.InvalidArgument || !slices.Contains(fields, "connection.custom.settings.colour") {
		t.Errorf("an unknown setting gives %v with %v", err, fields)
	}
	in := recorded("box", "recorder", j)
	in.Isolation = postilionv1.Isolation_ISOLATION_IN_PROCESS
	if _, err = r.admin.Configure(r.ctx(), &postilionv1.ConfigureRequest{Connection: in}); !slices.Contains(fault.Detail(err).GetFields(), "connection.isolation") {
		t.Errorf("a plugin in the daemon's process gives %v", err)
	}
	box := recorded("box", "recorder", j)
	box.GetCustom().Secrets = map[string]string{"token": "canary-token"}
	configure(t, r.admin, box)
	r.awaitState(r.sendThrough("box"), sent)

	for _, restart := range []func(){func() {}, func() { r.stop(); r.start() }} {
		restart()
		r.awaitState(r.sendThrough("box"), sent)
	}
	if n := len(j.delivered()); n != 3 {
		t.Errorf("%d messages were delivered, not 3", n)
	}
	metrics := r.scrape()
	for _, line := range []string{
		`postilion_plugin_state{plugin="recorder",state="ready"} 1`, `postilion_plugin_state{plugin="recorder",state="failed"} 0`,
		`postilion_plugin_starts_total{plugin="recorder"} 1`, `postilion_plugin_crashes_total{plugin="recorder"} 0`,
		`postilion_plugin_delivery_duration_seconds_count{plugin="recorder"} 1`,
	} {
		contains(t, metrics, line)
	}
	if p := r.awaitPlugin("recorder", ready); !slices.Equal(p.GetConnections(), []string{"admin/box"}) {
		t.Errorf("it is used by %v", p.GetConnections())
	}
	r.removed("recorder")
	if strings.Contains(r.log.String(), "canary-token") {
		t.Error("the secret is in the log")
	}
}

// removed removes a plugin, which is refused while a connection uses it, and
// expects that nothing is left.
func (r *rig) removed(name string) {
	r.t.Helper()
	_, err := r.admin.RemovePlugin(r.ctx(), &postilionv1.RemovePluginRequest{Name: name})
	if status.Code(err) != codes.FailedPrecondition || !strings.Contains(err.Error(), "admin/box") {
		r.t.Errorf("removing a plugin that is used gives %v", err)
	}
	if _, err := r.admin.DeleteConnection(r.ctx(), &postilionv1.DeleteConnectionRequest{Name: "box"}); err != nil {
		r.t.Fatal(err)
	}
	if _, err := r.admin.RemovePlugin(r.ctx(), &postilionv1.RemovePluginRequest{Name: name}); err != nil {
		r.t.Fatal(err)
	}
	for _, dir := range []string{filepath.Join(r.cfg.DataDir, "plugins"), filepath.Join(r.cfg.RunDir, "plugins")} {
		await(r.t, dir+" is empty", func() bool {
			entries, err := os.ReadDir(dir)
			return err == nil && len(entries) == 0
		})
	}
}

// program writes a program for a test.
func program(t *testing.T, dir, name, text string, mode os.FileMode) string {
	t.Helper()
	path := filepath.Join(dir, name)
	if err := os.WriteFile(path, []byte(text), mode); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, mode); err != nil {
		t.Fatal(err)
	}
	return path
}

// otherMachine gives the beginning of a program of another machine.
func otherMachine(t *testing.T, self string) string {
	t.Helper()
	content, err := os.ReadFile(self)
	if err != nil {
		t.Fatal(err)
	}
	const machine = 18 // e_machine in the header, elf(5)
	content[machine] = byte(elf.EM_AVR)
	return string(content[:64<<10])
}

// What is no plugin is refused with one line that says why.
func TestWhatIsNoPlugin(t *testing.T) {
	t.Parallel()
	r, j, dir := newRig(t), newJournal(t), t.TempDir()
	self := recorderProgram(t)
	r.addRecorder("known", j)
	good := program(t, dir, "good", "#!/bin/sh\nexit 0\n", 0o755)
	if err := os.Symlink(good, filepath.Join(dir, "link")); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		about string
		req   *postilionv1.AddPluginRequest
		code  codes.Code
		says  string
	}{
		{"a path that is not whole", add("good"), codes.InvalidArgument, "path"},
		{"nothing", add(dir + "/nothing"), codes.FailedPrecondition, "no file"},
		{"a directory", add(dir), codes.FailedPrecondition, "regular file"},
		{"a link", add(dir + "/link"), codes.FailedPrecondition, "symbolic link"},
		{"everybody's", add(program(t, dir, "open", "#!/bin/sh\n", 0o777)), codes.FailedPrecondition, "everybody may write"},
		{"no program", add(program(t, dir, "text", "hello", 0o644)), codes.FailedPrecondition, "not executable"},
		{"what the system cannot run", add(program(t, dir, "junk", "\x00\x01junk", 0o755)), codes.FailedPrecondition, "exec format error"},
		{"another machine's", add(program(t, dir, "avr", otherMachine(t, self), 0o755)), codes.FailedPrecondition, "exec format error"},
		{"what ends at once", add(good), codes.FailedPrecondition, "ended before"},
		{"rubbish", add(program(t, dir, "rubbish", "#!/bin/sh\necho hello; echo why >&2; sleep 100\n", 0o755)), codes.FailedPrecondition, `"hello"`},
		{"another protocol", add(program(t, dir, "newer", "#!/bin/sh\necho '1|99|unix|/tmp/x|grpc|'; sleep 100\n", 0o755)), codes.FailedPrecondition, "version"},
		{"another checksum", &postilionv1.AddPluginRequest{Path: good, Sha256: strings.Repeat("ab", 32)}, codes.FailedPrecondition, "checksum"},
		{"no checksum", &postilionv1.AddPluginRequest{Path: good, Sha256: "ab"}, codes.InvalidArgument, "sha256"},
		{"another name", add(self, "one", "two"), codes.FailedPrecondition, `"one"`},
		{"a built-in one's name", add(self, "smtp"), codes.AlreadyExists, "built-in"},
		{"a name that is there", add(self, "known"), codes.AlreadyExists, "already"},
		{"no name", add(self, "No Name"), codes.FailedPrecondition, "name"},
		{"the daemon's secret", &postilionv1.AddPluginRequest{Path: good, Plugin: &postilionv1.Plugin{Environment: []string{"POSTILION_KEY"}}}, codes.InvalidArgument, "environment[0]"},
		{"a path that is not whole to read", &postilionv1.AddPluginRequest{Path: good, Plugin: &postilionv1.Plugin{ReadPaths: []string{"x"}}}, codes.InvalidArgument, "read_paths[0]"},
		{"too little memory", &postilionv1.AddPluginRequest{Path: good, Plugin: &postilionv1.Plugin{MaxMemoryBytes: 1}}, codes.InvalidArgument, "max_memory_bytes"},
	} {
		_, err := r.admin.AddPlugin(r.ctx(), c.req)
		text := status.Convert(err).Message()
		if status.Code(err) != c.code || !strings.Contains(text, c.says) || strings.Contains(text, "\n") || len(text) > 1000 {
			t.Errorf("%s: %v, not %v with %q", c.about, err, c.code, c.says)
		}
	}
	list, err := r.admin.ListPlugins(r.ctx(), &postilionv1.ListPluginsRequest{})
	if err != nil || len(list.GetPlugins()) != 1 {
		t.Errorf("in the end there are %v, %v", list, err)
	}
	entries, err := os.ReadDir(filepath.Join(r.cfg.DataDir, "plugins"))
	if err != nil || len(entries) != 1 {
		t.Errorf("in the plugin directory there is %v, %v", entries, err)
	}
}

// What does not answer is not waited for.
func TestAPluginThatSaysNothing(t *testing.T) {
	t.Parallel()
	r := preparedRig(t)
	r.plugins = func(o *plugins.Options) { o.StartTimeout = 100 * time.Millisecond }
	r.start()
	_, err := r.admin.AddPlugin(r.ctx(), add(program(t, t.TempDir(), "mute", "#!/bin/sh\nsleep 1000\n", 0o755)))
	if status.Code(err) != codes.FailedPrecondition || !strings.Contains(err.Error(), "did not answer within") {
		t.Errorf("it gives %v", err)
	}
}

// add is a request to add a program, with an argument and the name that it
// must have.
func add(path string, more ...string) *postilionv1.AddPluginRequest {
	p := &postilionv1.Plugin{}
	if len(more) > 0 {
		p.Args = more[:1]
	}
	if len(more) > 1 {
		p.Name = more[1]
	}
	return &postilionv1.AddPluginRequest{Path: path, Plugin: p}
}

// A program that was changed is not started, its mail waits, other mail does
// not, and a sound program lets it go on.
func TestAProgramThatWasChanged(t *testing.T) {
	t.Parallel()
	r, j := newRig(t), newJournal(t)
	server := smtptest.Start(t, plain)
	p := r.addRecorder("recorder", j)
	configure(t, r.admin, recorded("box", "recorder", j))
	configure(t, r.admin, connection("smtp", server))

	path := filepath.Join(r.cfg.DataDir, "plugins", p.GetFile())
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	content[len(content)/2] ^= 1
	if err := os.Chmod(path, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, content, 0o700); err != nil {
		t.Fatal(err)
	}
	verified, err := r.admin.VerifyPlugins(r.ctx(), &postilionv1.VerifyPluginsRequest{})
	if err != nil || verified.GetOk() || len(verified.GetPlugins()) != 1 || verified.GetPlugins()[0].GetName() != "recorder" || verified.GetPlugins()[0].GetFoundSha256() == p.GetSha256() {
		t.Errorf("it is verified as %v, %v", verified, err)
	}

	if err := syscall.Kill(int(p.GetPid()), syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	if got := r.awaitPlugin("recorder", failed); !strings.Contains(got.GetReason(), "checksum") || got.GetCrashes() != 1 {
		t.Errorf("it is %v", got)
	}
	waits := r.sendThrough("box")
	r.awaitState(r.sendThrough("smtp"), sent)
	m := r.awaitState(waits, postilionv1.MessageState_MESSAGE_STATE_DEFERRED)
	contains(t, m.String(), "checksum")

	r.stop()
	r.start()
	if got := r.awaitPlugin("recorder", failed); got.GetTransport().GetTitle() != "Recorder" {
		t.Errorf("without its process it is described as %v", got.GetTransport())
	}
	replaced := r.addRecorder("recorder", j, func(req *postilionv1.AddPluginRequest) { req.Replace = true })
	if replaced.GetState() != ready {
		t.Errorf("the sound program is %v", replaced)
	}
	r.awaitState(waits, sent)
	verified, err = r.admin.VerifyPlugins(r.ctx(), &postilionv1.VerifyPluginsRequest{Name: "recorder"})
	if err != nil || !verified.GetOk() {
		t.Errorf("the sound program is verified as %v, %v", verified, err)
	}
}

// Mail for a plugin that is disabled waits until it is enabled.
func TestADisabledPlugin(t *testing.T) {
	t.Parallel()
	r, j := newRig(t), newJournal(t)
	r.addRecorder("recorder", j)
	configure(t, r.admin, recorded("box", "recorder", j))
	stalled := j.stall("after")
	under := r.sendThrough("box")
	stalled()
	disabled := make(chan error, 1)
	go func() {
		_, err := r.admin.DisablePlugin(r.ctx(), &postilionv1.DisablePluginRequest{Name: "recorder"})
		disabled <- err
	}()
	await(t, "the plugin is disabled", func() bool { return !r.pluginNamed("recorder").GetEnabled() })
	j.goOn()
	if err := <-disabled; err != nil {
		t.Fatal(err)
	}
	r.awaitState(under, sent)
	if p := r.pluginNamed("recorder"); p.GetState() != stopped || p.GetPid() != 0 {
		t.Errorf("disabled it is %v", p)
	}
	waits := r.sendThrough("box")
	contains(t, r.awaitState(waits, postilionv1.MessageState_MESSAGE_STATE_DEFERRED).String(), "disabled")
	_, err := r.admin.Configure(r.ctx(), &postilionv1.ConfigureRequest{Connection: recorded("other", "recorder", j)})
	if status.Code(err) != codes.FailedPrecondition || fault.Detail(err).GetReason() != "transport_unavailable" {
		t.Errorf("configuring a connection gives %v", err)
	}
	r.stop()
	r.start()
	if p := r.pluginNamed("recorder"); p.GetState() != stopped {
		t.Errorf("after a restart it is %v", p)
	}
	enabled, err := r.admin.EnablePlugin(r.ctx(), &postilionv1.EnablePluginRequest{Name: "recorder"})
	if err != nil || enabled.GetPlugin().GetState() != ready {
		t.Errorf("enabling gives %v, %v", enabled, err)
	}
	r.awaitState(waits, sent)
	if n := len(j.delivered()); n != 2 {
		t.Errorf("%d messages were delivered, not 2", n)
	}
}

// A daemon that stops lets its plugins finish what they deliver.
func TestAStopLetsPluginsFinish(t *testing.T) {
	t.Parallel()
	r, j := preparedRig(t, func(c *config.Config) { c.Drain = patience }), newJournal(t)
	r.start()
	r.addRecorder("recorder", j)
	configure(t, r.admin, recorded("box", "recorder", j))
	stalled := j.stall("after")
	id := r.sendThrough("box")
	stalled()
	over := make(chan struct{})
	go func() { defer close(over); r.stop() }()
	await(t, "the daemon stops", func() bool { return strings.Contains(r.log.String(), "msg=stopping") })
	j.goOn()
	<-over
	r.start()
	if m := r.awaitState(id, sent); len(m.GetAttempts()) != 1 {
		t.Errorf("it took %d attempts", len(m.GetAttempts()))
	}
}

// A backup has the plugins with it.
func TestABackupHasThePlugins(t *testing.T) {
	t.Parallel()
	r, j := newRig(t), newJournal(t)
	r.addRecorder("recorder", j)
	configure(t, r.admin, recorded("box", "recorder", j))
	dir := filepath.Join(shortDir(t), "b")
	if _, err := r.admin.Backup(r.ctx(), &postilionv1.BackupRequest{Directory: dir}); err != nil {
		t.Fatal(err)
	}
	key, err := os.ReadFile(filepath.Join(r.cfg.DataDir, "key"))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "key"), key, 0o600); err != nil {
		t.Fatal(err)
	}
	r.stop()
	restored := newRig(t, func(c *config.Config) { c.DataDir, c.MaildropDir = dir, filepath.Join(dir, "maildrop") })
	restored.awaitPlugin("recorder", ready)
	restored.awaitState(restored.sendThrough("box"), sent)
}
