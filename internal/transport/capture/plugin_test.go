package capture

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/postilion-mail/postilion/plugin"
	"github.com/postilion-mail/postilion/plugin/plugintest"
)

// TestMain serves as the plugin in TestConformance. Its argument is the
// directory.
func TestMain(m *testing.M) {
	plugintest.Main(m, func() plugin.Transport { return New(Options{Dir: os.Args[1]}) })
}

// What is demanded of all transports, in this process and in another.
func TestConformance(t *testing.T) {
	t.Parallel()
	for name, transport := range map[string]func(*testing.T, string) plugin.Transport{
		"in process": func(_ *testing.T, dir string) plugin.Transport { return New(Options{Dir: dir}) },
		"process":    func(t *testing.T, dir string) plugin.Transport { return plugintest.Process(t, dir) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			plugintest.Run(t, plugintest.Subject{
				Transport: transport(t, dir),
				Settings:  plugin.Settings{Connection: "test", Values: map[string]any{"keep": 1000.0}},
				Recipient: "a@b.example",
				Mixed:     map[string]plugin.Class{"a@b.example": plugin.Accepted, "b@b.example": plugin.Accepted},
				Arrived:   func(t *testing.T) []string { return kept(t, dir) },
			})
		})
	}
}

// kept reads the files of the messages.
func kept(t *testing.T, dir string) []string {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(dir, "test", "*.eml"))
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, name := range names {
		content, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, string(content))
	}
	return all
}
