// Package plugins tries transports as the daemon's users meet them: built-in
// and the examples', in Go and in Python, by the conformance suite and through
// the daemon itself.
package plugins

import (
	"fmt"
	"net"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"text/tabwriter"

	"github.com/postilion-mail/postilion/internal/daemontest"
	"github.com/postilion-mail/postilion/internal/smtp"
	"github.com/postilion-mail/postilion/internal/smtptest"
	"github.com/postilion-mail/postilion/internal/transport/capture"
	"github.com/postilion-mail/postilion/plugin"
	"github.com/postilion-mail/postilion/plugin/host"
	"github.com/postilion-mail/postilion/plugin/plugintest"
)

// TestMain serves the built-in transports as plugins: smtp, or capture in the
// directory of the argument.
func TestMain(m *testing.M) {
	plugintest.Main(m, func() plugin.Transport {
		if len(os.Args) > 1 {
			return capture.New(capture.Options{Dir: os.Args[1]})
		}
		return smtp.New(smtp.Options{})
	})
}

// TestConformance runs the suite on all transports and prints a table of what
// it found. The examples in Go run in their own process only here; their own
// tests have them in the process of the tests too.
func TestConformance(t *testing.T) {
	t.Parallel()
	programs := build(t)
	captured := t.TempDir()
	members := []struct {
		name    string
		subject func(t *testing.T) plugintest.Subject
	}{
		{"smtp", func(t *testing.T) plugintest.Subject { return smtpSubject(t, smtp.New(smtp.Options{})) }},
		{"smtp, process", func(t *testing.T) plugintest.Subject { return smtpSubject(t, plugintest.Process(t)) }},
		{"capture", func(t *testing.T) plugintest.Subject {
			return captureSubject(capture.New(capture.Options{Dir: captured}), captured)
		}},
		{"capture, process", func(t *testing.T) plugintest.Subject {
			dir := t.TempDir()
			return captureSubject(plugintest.Process(t, dir), dir)
		}},
		{"maildir", func(t *testing.T) plugintest.Subject { return maildirSubject(t, programs) }},
		{"webhook", func(t *testing.T) plugintest.Subject { return webhookSubject(t, programs) }},
		{"python", func(t *testing.T) plugintest.Subject { return pythonSubject(t, programs, false) }},
		{"python, no TLS", func(t *testing.T) plugintest.Subject { return pythonSubject(t, programs, true) }},
	}
	results := make([][]plugintest.Result, len(members))
	t.Cleanup(func() {
		head := "|"
		for _, m := range members {
			head += "\t| " + m.name
		}
		t.Log("what the conformance suite says of each transport\n" + table(head, results))
	})
	for n, m := range members {
		t.Run(m.name, func(t *testing.T) {
			t.Parallel()
			results[n] = plugintest.Run(t, m.subject(t))
		})
	}
}

// table has a line for each test and a column for each transport.
func table(head string, results [][]plugintest.Result) string {
	var text strings.Builder
	w := tabwriter.NewWriter(&text, 0, 0, 1, ' ', 0)
	fmt.Fprintln(w, head+"\t|")
	for n := range results[0] {
		fmt.Fprint(w, "| "+results[0][n].Test)
		for _, r := range results {
			status := "not run"
			if n < len(r) {
				status = r[n].Status
			}
			fmt.Fprint(w, "\t| "+status)
		}
		fmt.Fprintln(w, "\t|")
	}
	_ = w.Flush()
	return text.String()
}

// build makes the examples' programs, and gives their folder, which every user
// can reach.
func build(t *testing.T) string {
	t.Helper()
	folder, err := daemontest.Folder()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(folder) })
	for _, command := range []*exec.Cmd{
		exec.Command("go", "build", "-buildvcs=false", "-o", folder+"/", "../../examples/transport-maildir", "../../examples/transport-webhook"),
		exec.Command("../../examples/transport-python/build.sh", filepath.Join(folder, "transport-python")),
	} {
		command.Env = append(os.Environ(), "CGO_ENABLED=0", "GOFLAGS=")
		if output, err := command.CombinedOutput(); err != nil {
			t.Fatalf("%v: %v\n%s", command.Args, err, output)
		}
	}
	return folder
}

func smtpSubject(t *testing.T, transport plugin.Transport) plugintest.Subject {
	const password = "correct horse battery"
	server := smtptest.Start(t, smtptest.Account("user", password), func(c *smtptest.Config) {
		c.Recipient = func(address string) error {
			switch {
			case strings.HasPrefix(address, "later@"):
				return smtptest.Refuse(450, [3]int{4, 2, 1}, "mailbox busy")
			case strings.HasPrefix(address, "never@"):
				return smtptest.Refuse(550, [3]int{5, 1, 1}, "no such user")
			}
			return nil
		}
	})
	silent := smtptest.StartScripted(t, smtptest.Script{Rules: []smtptest.Rule{{On: "MAIL", Do: smtptest.Silence()}}})
	return plugintest.Subject{
		Transport: transport,
		Settings: plugin.Settings{
			Connection: "test",
			Values: map[string]any{
				"host": "127.0.0.1", "port": float64(server.Port()), "ca_certificates": server.CA().PEM(), "username": "user",
			},
			Secrets: map[string]string{"password": password},
		},
		Recipient: "good@b.example",
		Mixed: map[string]plugin.Class{
			"good@b.example": plugin.Accepted, "later@b.example": plugin.Temporary,
			"never@b.example": plugin.Permanent, "other@b.example": plugin.Accepted,
		},
		Arrived: func(*testing.T) []string {
			var all []string
			for _, m := range server.Messages(server.Count()) {
				all = append(all, string(m.Content))
			}
			return all
		},
		Reached: func(_ *testing.T, content string) []string {
			var all []string
			for _, m := range server.Messages(server.Count()) {
				if string(m.Content) == content {
					all = append(all, m.To...)
				}
			}
			return all
		},
		Stalled: &plugin.Settings{Values: map[string]any{"host": "127.0.0.1", "port": float64(silent.Port()), "security": "none"}},
	}
}

func captureSubject(transport plugin.Transport, dir string) plugintest.Subject {
	return plugintest.Subject{
		Transport: transport,
		Settings:  plugin.Settings{Connection: "test", Values: map[string]any{"keep": 1000.0}},
		Recipient: "jane@b.example",
		Mixed:     map[string]plugin.Class{"jane@b.example": plugin.Accepted, "joe@b.example": plugin.Accepted},
		Arrived:   func(t *testing.T) []string { return files(t, dir, "test", "*.eml") },
	}
}

func maildirSubject(t *testing.T, programs string) plugintest.Subject {
	dir := t.TempDir()
	for _, box := range []string{"jane", "joe"} {
		for _, folder := range []string{"tmp", "new", "cur"} {
			if err := os.MkdirAll(filepath.Join(dir, box, folder), 0o700); err != nil {
				t.Fatal(err)
			}
		}
	}
	return plugintest.Subject{
		Transport: plugintest.Program(t, filepath.Join(programs, "transport-maildir"), host.Options{}),
		Settings:  plugin.Settings{Connection: "test", Values: map[string]any{"directory": dir}},
		Recipient: "jane@b.example",
		Mixed: map[string]plugin.Class{
			"jane@b.example": plugin.Accepted, "joe@b.example": plugin.Accepted, "nobody@b.example": plugin.Permanent,
		},
		Arrived: func(t *testing.T) []string { return files(t, dir, "jane", "new", "*") },
		Reached: func(t *testing.T, content string) []string {
			var all []string
			for _, box := range []string{"jane", "joe"} {
				for _, c := range files(t, dir, box, "new", "*") {
					if c == content {
						all = append(all, box+"@b.example")
					}
				}
			}
			return all
		},
	}
}

func webhookSubject(t *testing.T, programs string) plugintest.Subject {
	hooks := &receiver{}
	server := httptest.NewServer(hooks)
	t.Cleanup(server.Close)
	with := func(url string) plugin.Settings {
		return plugin.Settings{Connection: "test", Values: map[string]any{"url": url, "timeout": "5m"}, Secrets: map[string]string{"secret": hookSecret}}
	}
	nobody, err := net.Listen("tcp", "127.0.0.1:0") // takes connections and says nothing
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = nobody.Close() })
	stalled := with("http://" + nobody.Addr().String())
	return plugintest.Subject{
		Transport: plugintest.Program(t, filepath.Join(programs, "transport-webhook"), host.Options{Args: []string{"-allow-local"}}),
		Settings:  with(server.URL),
		Recipient: "good@b.example",
		Mixed: map[string]plugin.Class{
			"good@b.example": plugin.Accepted, "later@b.example": plugin.Temporary, "never@b.example": plugin.Permanent,
		},
		Arrived: func(*testing.T) []string {
			var all []string
			for _, p := range hooks.posts() {
				all = append(all, string(p.Content))
			}
			return all
		},
		Stalled: &stalled,
	}
}

func pythonSubject(t *testing.T, programs string, withoutTLS bool) plugintest.Subject {
	file := filepath.Join(t.TempDir(), "mbox")
	return plugintest.Subject{
		Transport: plugintest.Program(t, filepath.Join(programs, "transport-python"), host.Options{WithoutTLS: withoutTLS}),
		Settings:  plugin.Settings{Connection: "test", Values: map[string]any{"file": file}},
		Recipient: "jane@b.example",
		Mixed:     map[string]plugin.Class{"jane@b.example": plugin.Accepted, "joe@b.example": plugin.Accepted},
		Bad:       map[string]plugin.Settings{"file": {Values: map[string]any{"file": "mbox"}}},
		Arrived:   func(t *testing.T) []string { return mboxMessages(t, file) },
	}
}

// files gives the contents of the files that a pattern names.
func files(t *testing.T, pattern ...string) []string {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(pattern...))
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

// mboxMessages reads an mbox file as one whose From lines are quoted (mboxrd),
// and gives the messages as they were before.
func mboxMessages(t *testing.T, file string) []string {
	t.Helper()
	content, err := os.ReadFile(file)
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	var all []string
	var m strings.Builder
	for line := range strings.Lines(string(content) + "From ") {
		if strings.HasPrefix(line, "From ") {
			if m.Len() > 0 {
				all = append(all, strings.TrimSuffix(m.String(), "\r\n")) // an empty line ends a message
			}
			m.Reset()
			continue
		}
		if strings.HasPrefix(strings.TrimLeft(line, ">"), "From ") {
			line = line[1:]
		}
		m.WriteString(strings.TrimSuffix(line, "\n") + "\r\n")
	}
	return all
}
