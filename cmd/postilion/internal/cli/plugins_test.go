package cli

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/testing/protocmp"
	"google.golang.org/protobuf/types/known/structpb"

	postilionv1 "github.com/postilion-mail/postilion/proto/gen/postilion/v1"
)

var hook = &postilionv1.Plugin{
	Name: "webhook", Version: "2", State: postilionv1.PluginState_PLUGIN_STATE_READY, Pid: 4711, Starts: 3, Crashes: 2, Enabled: true,
	Confinement: "landlock, seccomp", MaxMemoryBytes: 64 << 20, MaxCpuMillis: 500, NoNetwork: true, Connections: []string{"admin/box"}, Sha256: "abcd",
	Transport: &postilionv1.Transport{Name: "webhook", Title: "Web \x1b[31mhook", Fields: []*postilionv1.TransportField{
		{Name: "url", Type: "string", Required: true, Label: "Address"},
		{Name: "token", Type: "string", Required: true, Secret: true},
		{Name: "retries", Type: "integer", DefaultValue: "3"},
	}},
}

var brokenHook = &postilionv1.Plugin{
	Name: "webhook", State: postilionv1.PluginState_PLUGIN_STATE_FAILED, Reason: "the checksum does not match", Confinement: "trusted like the daemon",
}

func TestPluginsAdd(t *testing.T) {
	t.Parallel()
	d := start(t, map[string]any{"AddPlugin": &postilionv1.AddPluginResponse{Plugin: hook}})
	result := d.run(t, "plugins", "add", "./hook", "--arg", "-v", "--arg", "two words", "--env", "HTTPS_PROXY", "--name", "webhook", "--sha256", "ab",
		"--replace", "--read", "certificates", "--write", "/var/spool", "--max-memory", "64MiB", "--max-cpu", "0.5", "--no-tls", "--no-network")
	result.want(t, 0, "webhook: added", "ready", "landlock, seccomp", "--transport webhook --setting url=URL --secret-file token=FILE")
	if strings.Contains(result.out, "\x1b") {
		t.Errorf("a control character of the plugin is printed: %q", result.out)
	}
	here, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	want := &postilionv1.AddPluginRequest{
		Path: filepath.Join(here, "hook"), Sha256: "ab", Replace: true,
		Plugin: &postilionv1.Plugin{
			Name: "webhook", Args: []string{"-v", "two words"}, Environment: []string{"HTTPS_PROXY"}, WithoutTls: true, NoNetwork: true,
			ReadPaths: []string{filepath.Join(here, "certificates")}, WritePaths: []string{"/var/spool"}, MaxMemoryBytes: 64 << 20, MaxCpuMillis: 500,
		},
	}
	if diff := cmp.Diff(want, d.last(), protocmp.Transform()); diff != "" {
		t.Error(diff)
	}
	for flag, value := range map[string]string{"--max-memory": "much", "--max-cpu": "all"} {
		d.run(t, "plugins", "add", "./hook", flag, value).want(t, exitUsage, flag)
	}
	d.run(t, "plugins", "add").want(t, exitUsage)
	refusing := start(t, map[string]any{"AddPlugin": refusal(codes.FailedPrecondition, "the plugin does not start: it ended", &postilionv1.ErrorDetail{Reason: "plugin_refused"})})
	refusing.run(t, "plugins", "add", "./hook").want(t, exitFailed, "it ended")
}

func TestPlugins(t *testing.T) {
	t.Parallel()
	d := start(t, map[string]any{
		"ListPlugins":   &postilionv1.ListPluginsResponse{Plugins: []*postilionv1.Plugin{hook, {Name: "other", State: postilionv1.PluginState_PLUGIN_STATE_BACKOFF, Reason: "it ended\nat once"}}},
		"EnablePlugin":  &postilionv1.EnablePluginResponse{Plugin: brokenHook},
		"DisablePlugin": &postilionv1.DisablePluginResponse{Plugin: &postilionv1.Plugin{Name: "webhook", State: postilionv1.PluginState_PLUGIN_STATE_STOPPED}},
		"RemovePlugin":  refusal(codes.FailedPrecondition, "the plugin is used by admin/box", &postilionv1.ErrorDetail{Reason: "referenced"}),
		"GetPluginLog":  &postilionv1.GetPluginLogResponse{Lines: []string{"first", "\x1b[2Jsecond"}},
		"VerifyPlugins": &postilionv1.VerifyPluginsResponse{Plugins: []*postilionv1.PluginVerification{{Name: "webhook", Reason: "the checksum does not match"}, {Name: "other", Ok: true, Sha256: "ef01"}}},
	})
	d.run(t, "plugins", "list").want(t, 0, "webhook  2        ready    4711  3       2        landlock, seccomp", "backoff", "  it ended at once")
	if out := d.run(t, "plugins", "list", "--json").out; strings.Count(out, "\n") != 2 || !strings.Contains(out, `"pid":4711`) {
		t.Errorf("as JSON: %s", out)
	}
	d.run(t, "plugins", "show", "webhook").want(t, 0, "64.0 MiB", "0.5 processors", "network     none", "used by     admin/box", "retries", "secret", "required")
	d.run(t, "plugins", "show", "nobody").want(t, exitFailed, "no plugin", "plugins list")
	d.run(t, "plugins", "verify").want(t, exitFailed, "webhook: not ok: the checksum does not match", "other: ok ef01")
	d.run(t, "plugins", "verify", "webhook", "--json").want(t, exitFailed, `"reason":`)
	d.run(t, "plugins", "enable", "webhook").want(t, exitFailed, "webhook: failed: the checksum does not match")
	d.run(t, "plugins", "disable", "webhook").want(t, 0, "webhook: stopped")
	d.run(t, "plugins", "remove", "webhook").want(t, exitFailed, "used by admin/box")
	if out := d.run(t, "plugins", "logs", "webhook").out; out != "first\n\uFFFD[2Jsecond\n" {
		t.Errorf("the log is %q", out)
	}
}

// Settings of a transport get the type that it describes, and those that are
// not given stay.
func TestConfigureCustomSettings(t *testing.T) {
	t.Parallel()
	settings, err := structpb.NewStruct(map[string]any{"url": "https://a.example", "retries": 3})
	if err != nil {
		t.Fatal(err)
	}
	d := start(t, map[string]any{
		"GetConnection": &postilionv1.GetConnectionResponse{Connection: &connection{Name: "box", Etag: "e1", Transport: &postilionv1.Connection_Custom{
			Custom: &postilionv1.CustomSettings{Transport: "webhook", Settings: settings},
		}}},
		"ListTransports": &postilionv1.ListTransportsResponse{Transports: []*postilionv1.Transport{hook.GetTransport()}},
		"Configure":      configured,
	})
	for _, c := range []struct {
		args []string
		want map[string]any
	}{
		{[]string{"--setting", "url=12345"}, map[string]any{"url": "12345", "retries": 3.0}},
		{[]string{"--setting", "retries=5"}, map[string]any{"url": "https://a.example", "retries": 5.0}},
		{[]string{"--transport", "other", "--setting", "x=1"}, map[string]any{"x": 1.0}},
	} {
		d.run(t, append([]string{"configure", "box"}, c.args...)...).want(t, 0)
		request := proto.CloneOf(d.last().(*postilionv1.ConfigureRequest))
		if diff := cmp.Diff(c.want, request.GetConnection().GetCustom().GetSettings().AsMap()); diff != "" {
			t.Errorf("%v: %s", c.args, diff)
		}
	}
}
