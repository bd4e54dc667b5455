package plugins

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/postilion-mail/postilion/plugin"
	"github.com/postilion-mail/postilion/plugin/host"
	"github.com/postilion-mail/postilion/plugin/plugintest"
)

// The transport of docs/plugins.md is one: it builds, passes the conformance
// suite, and can be tried by hand as the page says.
func TestDocumentedTransport(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../../docs/plugins.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(page), "```go\n")
	source, _, found := strings.Cut(rest, "```\n")
	if !found {
		t.Fatal("docs/plugins.md has no program")
	}
	folder, dir := t.TempDir(), t.TempDir()
	if err := os.WriteFile(filepath.Join(folder, "main.go"), []byte(source), 0o600); err != nil {
		t.Fatal(err)
	}
	program := filepath.Join(folder, "spool")
	build := exec.Command("go", "build", "-buildvcs=false", "-o", program, filepath.Join(folder, "main.go"))
	build.Env = append(os.Environ(), "CGO_ENABLED=0", "GOFLAGS=")
	if output, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, output)
	}
	plugintest.Run(t, plugintest.Subject{
		Transport: plugintest.Program(t, program, host.Options{}),
		Settings:  plugin.Settings{Connection: "test", Values: map[string]any{"directory": dir}},
		Recipient: "jane@b.example",
		Mixed:     map[string]plugin.Class{"jane@b.example": plugin.Accepted, "joe@b.example": plugin.Accepted},
		Arrived:   func(t *testing.T) []string { return files(t, dir, "*.eml") },
	})

	settings := filepath.Join(folder, "settings.json")
	if err := os.WriteFile(settings, []byte(`{"values": {"directory": "`+dir+`"}}`), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, try := range []struct {
		args []string
		says string
	}{
		{[]string{"describe"}, `"Name": "spool"`},
		{[]string{"check", settings}, "passed"},
		{[]string{"deliver", settings, "shop@example.com", "jane@example.com"}, "jane@example.com: accepted"},
	} {
		command := exec.Command(program, try.args...)
		command.Stdin = bytes.NewReader([]byte("Subject: Hello\n\nHello.\n"))
		output, err := command.CombinedOutput()
		t.Logf("$ ./spool %s\n%s", strings.Join(try.args, " "), output)
		if err != nil || !strings.Contains(string(output), try.says) {
			t.Errorf("%v: error %v, no %q in\n%s", try.args, err, try.says, output)
		}
	}
	if all := files(t, dir, "debug.eml"); len(all) != 1 || all[0] != "Subject: Hello\r\n\r\nHello.\r\n" {
		t.Errorf("delivered by hand: %q", all)
	}
}
