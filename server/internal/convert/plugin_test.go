package convert

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/postilion-mail/postilion/plugin"
	"github.com/postilion-mail/postilion/plugin/host"
	postilionv1 "github.com/postilion-mail/postilion/proto/gen/postilion/v1"
	"github.com/postilion-mail/postilion/server/internal/plugins"
)

// How a plugin is run is taken whole, and given back whole.
func TestPluginThereAndBack(t *testing.T) {
	t.Parallel()
	in := filled(&postilionv1.Plugin{})
	whole := PluginRun(in)
	fields := in.ProtoReflect().Descriptor().Fields()
	eachField(in, func(name string, without *postilionv1.Plugin) {
		const firstOutput = 20
		f := fields.ByTextName(name)
		if f != nil && f.Number() < firstOutput && name != "name" && cmp.Equal(PluginRun(without), whole) {
			t.Errorf("without %s it is run the same", name)
		}
	})
	when := time.Unix(1000, 0)
	out := FromPlugin(plugins.Info{
		Entry: plugins.Entry{
			Name: "n", File: "f", SHA256: "s", Run: whole, Enabled: true, Created: when,
			Description: plugin.Description{Name: "n", Version: "1", Title: "t", Capabilities: plugin.Capabilities{SendsNothing: true},
				Fields: []plugin.Field{{Name: "n", Type: plugin.TypeEnum, Label: "l", Help: "h", Default: "d", Required: true, Secret: true, Options: []string{"o"}}}},
		},
		Status: host.Status{State: host.Ready, Reason: "r", PID: 1, Starts: 2, Crashes: 3, Since: when, Confinement: "c"},
	}, []string{"admin/box"})
	if missing := unset(out.ProtoReflect(), ""); len(missing) > 0 {
		t.Errorf("the view leaves out %v", missing)
	}
	if diff := cmp.Diff(whole, PluginRun(out)); diff != "" {
		t.Errorf("it comes back as another:\n%s", diff)
	}
	for _, state := range []host.State{host.Starting, host.Ready, host.Backoff, host.Failed, host.Stopped} {
		if name := pluginStates[state].String(); name != "PLUGIN_STATE_"+strings.ToUpper(string(state)) {
			t.Errorf("%s is %s", state, name)
		}
	}
	verified := PluginVerification(plugins.Verification{Name: "n", SHA256: "a", Found: "b", Reason: "r"})
	if missing := unset(verified.ProtoReflect(), ""); !cmp.Equal(missing, []string{"ok"}) {
		t.Errorf("the verification leaves out %v", missing)
	}
}
