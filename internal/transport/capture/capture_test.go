package capture

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/postilion-mail/postilion/plugin"
)

const content = "From: a@example.org\r\nSubject: x\r\n\r\nHello\r\n"

func open(t *testing.T, transport *Transport, connection string, values map[string]any) plugin.Instance {
	t.Helper()
	instance, err := transport.Open(t.Context(), plugin.Settings{Connection: connection, Values: values})
	if err != nil {
		t.Fatal(err)
	}
	return instance
}

func delivery(id string) *plugin.Delivery {
	return &plugin.Delivery{
		ID: id, Attempt: 1, Content: strings.NewReader(content), Size: int64(len(content)),
		Envelope: plugin.Envelope{From: "a@example.org", Recipients: []plugin.Recipient{{Address: "b@example.org"}, {Address: "c@example.org"}}},
	}
}

func commit() error { return nil }

func TestKeepsWhatWouldGoOut(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "capture")
	transport := New(Options{Dir: dir})
	instance := open(t, transport, "first", nil)
	commits := 0
	outcomes, err := instance.Deliver(t.Context(), delivery("m1"), func() error { commits++; return nil })
	if err != nil || len(outcomes) != 2 || outcomes[0].Class != plugin.Accepted || outcomes[1].Class != plugin.Accepted || commits != 1 {
		t.Fatalf("outcomes %+v, error %v, %d commits", outcomes, err, commits)
	}
	for _, fresh := range []*Transport{transport, New(Options{Dir: dir})} {
		entries, err := fresh.List("first")
		if err != nil || len(entries) != 1 {
			t.Fatalf("entries %+v, error %v", entries, err)
		}
		e := entries[0]
		if e.ID != "m1" || e.From != "a@example.org" || strings.Join(e.Recipients, " ") != "b@example.org c@example.org" || e.Size != int64(len(content)) {
			t.Errorf("entry %+v", e)
		}
		file, err := fresh.Message("first", e)
		if err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(file)
		file.Close()
		if err != nil || string(got) != content {
			t.Errorf("kept %q, error %v", got, err)
		}
	}
	if err := filepath.Walk(dir, func(path string, info os.FileInfo, err error) error {
		if err == nil && info.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s is open to others: %v", path, info.Mode())
		}
		return err
	}); err != nil {
		t.Error(err)
	}
}

func TestKeepsTheNewest(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	transport := New(Options{Dir: dir})
	other := open(t, transport, "b", nil)
	if _, err := other.Deliver(t.Context(), delivery("other"), commit); err != nil {
		t.Fatal(err)
	}
	instance := open(t, transport, "a", map[string]any{"keep": 7.0})
	for n := range 100 {
		if _, err := instance.Deliver(t.Context(), delivery(fmt.Sprint(n)), commit); err != nil {
			t.Fatal(err)
		}
	}
	entries, err := transport.List("a")
	if err != nil || len(entries) != 7 || entries[0].ID != "99" || entries[6].ID != "93" {
		t.Errorf("entries %+v, error %v", entries, err)
	}
	files, err := os.ReadDir(filepath.Join(dir, "a"))
	if err != nil || len(files) != 8 {
		t.Errorf("%d files, error %v; want 7 messages and the index", len(files), err)
	}
	index, err := os.ReadFile(filepath.Join(dir, "a", indexFile))
	if lines := strings.Count(string(index), "\n"); err != nil || lines > 21 {
		t.Errorf("%d lines in the index, error %v", lines, err)
	}
	if entries, err := transport.List("b"); err != nil || len(entries) != 1 {
		t.Errorf("the other connection: %+v, error %v", entries, err)
	}
	if entries, err := transport.List("none"); err != nil || len(entries) != 0 {
		t.Errorf("a connection without mail: %+v, error %v", entries, err)
	}
}

func TestMendsItsIndex(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	transport := New(Options{Dir: dir})
	instance := open(t, transport, "a", nil)
	for _, id := range []string{"gone", "kept"} {
		if _, err := instance.Deliver(t.Context(), delivery(id), commit); err != nil {
			t.Fatal(err)
		}
	}
	entries, err := transport.List("a")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(filepath.Join(dir, "a", entries[1].File)); err != nil {
		t.Fatal(err)
	}
	index := filepath.Join(dir, "a", indexFile)
	data, err := os.ReadFile(index)
	if err != nil {
		t.Fatal(err)
	}
	data = append([]byte("garbage\n{\"file\":\"../../x.eml\"}\n\x00\n"), data...)
	if err := os.WriteFile(index, append(data, `{"file":"cut o`...), 0o600); err != nil {
		t.Fatal(err)
	}
	transport = New(Options{Dir: dir})
	if _, err := open(t, transport, "a", nil).Deliver(t.Context(), delivery("new"), commit); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		entries, err = transport.List("a")
		if err != nil || len(entries) != 2 || entries[0].ID != "new" || entries[1].ID != "kept" {
			t.Errorf("entries %+v, error %v", entries, err)
		}
		transport = New(Options{Dir: dir})
	}
}

func TestNothingIsKeptWithoutCommit(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	transport := New(Options{Dir: dir})
	instance := open(t, transport, "a", nil)
	stop := errors.New("stop")
	_, err := instance.Deliver(t.Context(), delivery("m"), func() error { return stop })
	if !errors.Is(err, stop) {
		t.Errorf("error %v", err)
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := instance.Deliver(ended, delivery("m"), commit); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
	if files, err := os.ReadDir(filepath.Join(dir, "a")); err != nil || len(files) != 0 {
		t.Errorf("left %v, error %v", files, err)
	}
}

func TestUnwritableFolder(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	transport := New(Options{Dir: file}) // not a folder, even for root
	instance := open(t, transport, "a", nil)
	_, err := instance.Deliver(t.Context(), delivery("m"), commit)
	o := plugin.Settle(nil, err, 1, false)[0]
	if o.Class != plugin.Temporary || o.Blame != plugin.BlameServer || strings.Contains(o.Reply, file) {
		t.Errorf("outcome %+v", o)
	}
	stages := check(t, instance, nil)
	if len(stages) != 1 || stages[0].Status != plugin.StageFailed || stages[0].Outcome == nil {
		t.Errorf("stages %+v", stages)
	}
}

func check(t *testing.T, instance plugin.Instance, message *plugin.Delivery) (stages []plugin.Stage) {
	t.Helper()
	err := instance.Check(t.Context(), plugin.CheckRequest{Message: message}, func(s plugin.Stage) { stages = append(stages, s) })
	if err != nil {
		t.Fatal(err)
	}
	return stages
}

func TestCheck(t *testing.T) {
	t.Parallel()
	transport := New(Options{Dir: t.TempDir()})
	instance := open(t, transport, "a", nil)
	if stages := check(t, instance, nil); len(stages) != 1 || stages[0].Status != plugin.StagePassed {
		t.Errorf("stages %+v", stages)
	}
	if entries, _ := transport.List("a"); len(entries) != 0 {
		t.Errorf("the check left %+v", entries)
	}
	if stages := check(t, instance, delivery("test")); len(stages) != 2 || stages[1].Status != plugin.StagePassed {
		t.Errorf("stages %+v", stages)
	}
	if entries, _ := transport.List("a"); len(entries) != 1 {
		t.Errorf("the test mail: %+v", entries)
	}
	if err := instance.Close(); err != nil {
		t.Error(err)
	}
}

func TestSettings(t *testing.T) {
	t.Parallel()
	transport := New(Options{Dir: t.TempDir()})
	for name, s := range map[string]plugin.Settings{
		"keep":   {Values: map[string]any{"keep": 0.0}},
		"keep ":  {Values: map[string]any{"keep": 1.5}},
		"keep  ": {Values: map[string]any{"keep": "10"}},
		"host":   {Values: map[string]any{"host": "x"}},
		"pass":   {Secrets: map[string]string{"pass": "x"}},
	} {
		_, err := transport.Open(t.Context(), s)
		if se := (*plugin.SettingError)(nil); !errors.As(err, &se) || se.Field != strings.TrimSpace(name) {
			t.Errorf("%v: %v, want field %s", s, err, name)
		}
	}
	if d := transport.Describe(); !d.Capabilities.SendsNothing || !d.Capabilities.ReportsCommit || d.Name != "capture" {
		t.Errorf("described as %+v", d)
	}
}

// A connection's name cannot lead out of the folder, nor into another's.
func TestFolders(t *testing.T) {
	t.Parallel()
	seen := make(map[string]string)
	for _, name := range []string{"", ".", "..", "../x", "/etc", "a/b", "a%2Fb", ".hidden", "ü", "a b", "_", "_.", "%2E", "%", strings.Repeat("x", 1000), strings.Repeat("x", 1001)} {
		folder := folderName(name)
		if folder == "" || strings.ContainsAny(folder, "/\x00") || strings.HasPrefix(folder, ".") || len(folder) > 255 {
			t.Errorf("%q has the folder %q", name, folder)
		}
		if other, ok := seen[folder]; ok {
			t.Errorf("%q and %q share the folder %q", name, other, folder)
		}
		seen[folder] = name
	}
}

func TestParallel(t *testing.T) {
	t.Parallel()
	now := time.Unix(0, 0)
	transport := New(Options{Dir: t.TempDir(), Now: func() time.Time { return now }})
	var all sync.WaitGroup
	for n := range 8 {
		all.Go(func() {
			instance := open(t, transport, "a", map[string]any{"keep": 200.0})
			for m := range 20 {
				if _, err := instance.Deliver(t.Context(), delivery(fmt.Sprint(n, m)), commit); err != nil {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
	if entries, err := transport.List("a"); err != nil || len(entries) != 160 {
		t.Errorf("%d entries, error %v", len(entries), err)
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(`{"file":"20260101T000000.000000-000001.eml","recipients":["a@b.c"]}`))
	f.Add([]byte(`{"file":"../x.eml"}`))
	f.Add([]byte(`{"file":"/x.eml"}`))
	f.Add([]byte(`null`))
	f.Fuzz(func(t *testing.T, line []byte) {
		if e, ok := parse(line); ok && (strings.Contains(e.File, "/") || !filepath.IsLocal(e.File)) {
			t.Errorf("%q leads to %q", line, e.File)
		}
	})
}
