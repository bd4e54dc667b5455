package main

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/postilion-mail/postilion/plugin"
	"github.com/postilion-mail/postilion/plugin/plugintest"
)

// TestMain serves as the plugin in TestConformance.
func TestMain(m *testing.M) {
	plugintest.Main(m, func() plugin.Transport { return transport{} })
}

// What is demanded of all transports, in this process and in another.
func TestConformance(t *testing.T) {
	t.Parallel()
	for name, make := range map[string]func(*testing.T) plugin.Transport{
		"in process": func(*testing.T) plugin.Transport { return transport{} },
		"process":    func(t *testing.T) plugin.Transport { return plugintest.Process(t) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := mailboxes(t, "jane", "joe")
			with := func(name string, value any) plugin.Settings {
				return plugin.Settings{Connection: "test", Values: map[string]any{"directory": dir, name: value}}
			}
			plugintest.Run(t, plugintest.Subject{
				Transport: make(t),
				Settings:  with("mailbox", "{local}"),
				Recipient: "jane@b.example",
				Mixed: map[string]plugin.Class{
					"jane@b.example": plugin.Accepted, "Joe+lists@b.example": plugin.Accepted, "nobody@b.example": plugin.Permanent,
				},
				Bad: map[string]plugin.Settings{
					"directory": with("directory", "mail"),
					"mailbox":   with("mailbox", "../{local}"),
				},
				Arrived: func(t *testing.T) []string { return delivered(t, filepath.Join(dir, "jane")) },
			})
		})
	}
}

// mailboxes makes a directory with some mailboxes.
func mailboxes(t *testing.T, names ...string) string {
	t.Helper()
	dir := t.TempDir()
	for _, name := range names {
		for _, folder := range []string{"tmp", "new", "cur"} {
			if err := os.MkdirAll(filepath.Join(dir, name, folder), 0o700); err != nil {
				t.Fatal(err)
			}
		}
	}
	return dir
}

// delivered reads what is new in a mailbox.
func delivered(t *testing.T, box string) []string {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(box, "new", "*"))
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

const content = "Subject: Hello\r\n\r\nHello.\r\n"

// deliver sends the message of an id.
func deliver(t *testing.T, values map[string]any, attempt int, to ...string) []plugin.Outcome {
	t.Helper()
	i, err := transport{}.Open(t.Context(), plugin.Settings{Connection: "test", Values: values})
	if err != nil {
		t.Fatal(err)
	}
	d := &plugin.Delivery{ID: "one", Attempt: attempt, Content: strings.NewReader(content), Size: int64(len(content))}
	for _, address := range to {
		d.Envelope.Recipients = append(d.Envelope.Recipients, plugin.Recipient{Address: address})
	}
	outcomes, err := i.Deliver(t.Context(), d, func() error { return nil })
	if err != nil {
		t.Fatal(err)
	}
	return outcomes
}

// A message whose outcome was lost is delivered again, and makes no copy.
func TestNoCopyAtASecondAttempt(t *testing.T) {
	t.Parallel()
	dir := mailboxes(t, "jane")
	box := filepath.Join(dir, "jane")
	values := map[string]any{"directory": dir}
	for attempt := 1; attempt <= 4; attempt++ {
		for n, o := range deliver(t, values, attempt, "jane@a.example", "JANE+tag@b.example") {
			if o.Class != plugin.Accepted {
				t.Errorf("attempt %d, recipient %d: %+v", attempt, n, o)
			}
		}
		there, err := filepath.Glob(filepath.Join(box, "*", "*"))
		if err != nil || len(there) != 1 {
			t.Fatalf("attempt %d: files %v, error %v", attempt, there, err)
		}
		if attempt == 2 { // a reader has seen it
			if err := os.Rename(there[0], filepath.Join(box, "cur", filepath.Base(there[0])+":2,S")); err != nil {
				t.Fatal(err)
			}
		}
	}
}

func TestMailboxes(t *testing.T) {
	t.Parallel()
	dir := mailboxes(t)
	values := map[string]any{"directory": filepath.Join(dir, "mail"), "mailbox": "{domain}/{local}", "create": true}
	for address, want := range map[string]plugin.Class{
		"jane@b.example": plugin.Accepted, "*@b.example": plugin.Accepted, "a b@B.example": plugin.Accepted,
		"..@b.example": plugin.Permanent, "../../x@b.example": plugin.Permanent, ".@b.example": plugin.Permanent,
		"x@..": plugin.Permanent, "x@../..": plugin.Permanent, "postmaster": plugin.Permanent, "@b.example": plugin.Permanent,
	} {
		if o := deliver(t, values, 1, address)[0]; o.Class != want {
			t.Errorf("%s: %+v, want %s", address, o, want)
		}
	}
	var boxes []string
	err := fs.WalkDir(os.DirFS(dir), ".", func(path string, e fs.DirEntry, err error) error {
		if strings.HasSuffix(path, "/new") {
			boxes = append(boxes, strings.TrimSuffix(path, "/new"))
		}
		return err
	})
	if got, want := strings.Join(boxes, " "), "mail/b.example/* mail/b.example/a b mail/b.example/jane"; err != nil || got != want {
		t.Errorf("mailboxes %q, want %q, error %v", got, want, err)
	}
}

// What is wrong with the machine is nobody's own fault, and is tried again.
func TestTrouble(t *testing.T) {
	t.Parallel()
	dir := mailboxes(t, "jane", "joe")
	if err := errors.Join(os.Remove(filepath.Join(dir, "joe", "tmp")), os.WriteFile(filepath.Join(dir, "joe", "tmp"), nil, 0o600)); err != nil {
		t.Fatal(err)
	}
	outcomes := deliver(t, map[string]any{"directory": dir}, 1, "jane@b.example", "joe@b.example")
	if outcomes[0].Class != plugin.Accepted || outcomes[1].Class != plugin.Temporary || outcomes[1].Blame != plugin.BlameServer {
		t.Errorf("outcomes %+v", outcomes)
	}
	i, err := transport{}.Open(t.Context(), plugin.Settings{Values: map[string]any{"directory": filepath.Join(dir, "gone")}})
	if err != nil {
		t.Fatal(err)
	}
	var stages []plugin.Stage
	if err := i.Check(t.Context(), plugin.CheckRequest{}, func(s plugin.Stage) { stages = append(stages, s) }); err != nil ||
		len(stages) != 1 || stages[0].Status != plugin.StageFailed || stages[0].Outcome.Class != plugin.Temporary {
		t.Errorf("stages %+v, error %v", stages, err)
	}
}
