package secret

import (
	"bytes"
	"encoding/base64"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
)

func mustLoad(t *testing.T, source Source) *Box {
	t.Helper()
	box, err := Load(source)
	if err != nil {
		t.Fatal(err)
	}
	return box
}

func write(t *testing.T, path, text string, mode os.FileMode) string {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, mode); err != nil {
		t.Fatal(err)
	}
	return path
}

// rawKey gives a key in base64, made of one octet.
func rawKey(octet byte) string {
	return base64.StdEncoding.EncodeToString(bytes.Repeat([]byte{octet}, rawKeySize))
}

func TestSealAndOpen(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	place := Place{Client: "shop", Connection: "main", Field: "password"}
	sealed, err := mustLoad(t, Source{DataDir: dir, Create: true}).Seal([]byte("canary"), place)
	if err != nil {
		t.Fatal(err)
	}
	if bytes.Contains(sealed, []byte("canary")) {
		t.Error("the plaintext is in what was sealed")
	}
	again := mustLoad(t, Source{DataDir: dir}) // after a restart
	if opened, err := again.Open(sealed, place); err != nil || string(opened) != "canary" {
		t.Errorf("opened %q, %v", opened, err)
	}
	changed := bytes.Clone(sealed)
	changed[len(changed)-1] ^= 1
	for name, open := range map[string]func() ([]byte, error){
		"other client":     func() ([]byte, error) { return again.Open(sealed, Place{"blog", "main", "password"}) },
		"other connection": func() ([]byte, error) { return again.Open(sealed, Place{"shop", "spare", "password"}) },
		"other field":      func() ([]byte, error) { return again.Open(sealed, Place{"shop", "main", "username"}) },
		"shifted border":   func() ([]byte, error) { return again.Open(sealed, Place{"shop/main", "", "password"}) },
		"changed":          func() ([]byte, error) { return again.Open(changed, place) },
		"cut":              func() ([]byte, error) { return again.Open(sealed[:4], place) },
		"empty":            func() ([]byte, error) { return again.Open(nil, place) },
	} {
		if opened, err := open(); !errors.Is(err, ErrUnreadable) {
			t.Errorf("%s: opened %q, %v", name, opened, err)
		}
	}
}

func TestPlacesDiffer(t *testing.T) {
	t.Parallel()
	seen := make(map[string]Place)
	for _, place := range []Place{{"a", "b", "c"}, {"a/b", "", "c"}, {"a", "b/c", ""}, {"", "a/b", "c"}, {`a"/"b`, "", "c"}, {"a", `b"`, "c"}, {"a", "b", `"c`}, {}} {
		data := string(place.associated())
		if other, ok := seen[data]; ok {
			t.Errorf("%v and %v are alike: %s", place, other, data)
		}
		seen[data] = place
	}
}

// T147: a copy of the database without its key, or with a wrong one.
func TestMissingOrWrongKey(t *testing.T) {
	t.Parallel()
	_, err := Load(Source{DataDir: t.TempDir()})
	if !errors.Is(err, ErrMissing) || !strings.Contains(err.Error(), "--key-file") {
		t.Errorf("missing key: %v", err)
	}
	first, second := mustLoad(t, Source{DataDir: t.TempDir(), Create: true}), mustLoad(t, Source{DataDir: t.TempDir(), Create: true})
	if first.KeyID() == second.KeyID() {
		t.Errorf("both keys are called %s", first.KeyID())
	}
	sealed, err := first.Seal([]byte("canary"), Place{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := second.Open(sealed, Place{}); !errors.Is(err, ErrUnreadable) {
		t.Errorf("wrong key: %v", err)
	}
}

func TestOrderOfSources(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	credentials := filepath.Join(dir, "credentials")
	if err := os.Mkdir(credentials, 0o700); err != nil {
		t.Fatal(err)
	}
	full := Source{
		KeyFile:     write(t, filepath.Join(dir, "file"), rawKey(1)+"\n", 0o640),
		Environment: rawKey(2),
		Credentials: credentials,
		DataDir:     dir,
	}
	write(t, filepath.Join(credentials, credentialName), rawKey(3), 0o440)
	write(t, filepath.Join(dir, fileName), rawKey(4), 0o600)
	want := func(octet byte) string { return mustLoad(t, Source{Environment: rawKey(octet)}).KeyID() }

	steps := []struct {
		octet byte
		drop  func()
	}{
		{1, func() { full.KeyFile = "" }},
		{2, func() { full.Environment = "" }},
		{3, func() { os.Remove(filepath.Join(credentials, credentialName)) }},
		{4, func() { full.Credentials = "" }},
		{4, func() {}},
	}
	for _, step := range steps {
		if got := mustLoad(t, full).KeyID(); got != want(step.octet) {
			t.Errorf("key %s, want that of source %d", got, step.octet)
		}
		step.drop()
	}
}

func TestRefusedKeys(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	fifo := filepath.Join(dir, "fifo")
	if err := syscall.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	canary := "canary-" + rawKey(7)
	tests := []struct {
		name   string
		source Source
		want   string
	}{
		{"no such file", Source{KeyFile: filepath.Join(dir, "none")}, "no such file"},
		{"a directory", Source{KeyFile: dir}, "regular file"},
		{"a FIFO", Source{KeyFile: fifo}, "regular file"},
		{"world-readable", Source{KeyFile: write(t, filepath.Join(dir, "open"), rawKey(1), 0o644)}, "chmod 600"},
		{"group-writable", Source{KeyFile: write(t, filepath.Join(dir, "group"), rawKey(1), 0o660)}, "chmod 600"},
		{"empty", Source{KeyFile: write(t, filepath.Join(dir, "empty"), "", 0o600)}, "holds no key"},
		{"text", Source{Environment: canary}, "POSTILION_KEY holds no key"},
		{"short", Source{Environment: base64.StdEncoding.EncodeToString([]byte("canary"))}, "holds no key"},
		{"bad JSON", Source{Environment: `{"primaryKeyId": "` + canary + `"}`}, "holds no key"},
		{"empty keyset", Source{Environment: `{"primaryKeyId": 1, "key": []}`}, "holds no key"},
		{"no AEAD", Source{Environment: `{"primaryKeyId":1,"key":[{"keyData":{"typeUrl":"type.googleapis.com/google.crypto.tink.HmacKey","value":"EgQIAxAQGiAxMjM0NTY3ODkwMTIzNDU2Nzg5MDEyMzQ1Njc4OTAxMg==","keyMaterialType":"SYMMETRIC"},"status":"ENABLED","keyId":1,"outputPrefixType":"TINK"}]}`}, "holds no key"},
		{"endless", Source{KeyFile: "/dev/zero"}, "regular file"},
		{"huge", Source{KeyFile: write(t, filepath.Join(dir, "huge"), strings.Repeat("A", maxKeyFile+1), 0o600)}, "holds no key"},
	}
	for _, test := range tests {
		_, err := Load(test.source)
		if err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: %v, want %q", test.name, err, test.want)
		} else if strings.Contains(err.Error(), "canary") || strings.Contains(err.Error(), "Y2FuYX") {
			t.Errorf("%s: the error gives the key away: %v", test.name, err)
		}
	}
}

// The daemon's own file is for nobody else at all.
func TestOwnKeyFile(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	box := mustLoad(t, Source{DataDir: dir, Create: true})
	path := filepath.Join(dir, fileName)
	info, err := os.Stat(path)
	if err != nil || info.Mode() != 0o600 {
		t.Fatalf("%v, %v", info.Mode(), err)
	}
	if entries, _ := os.ReadDir(dir); len(entries) != 1 {
		t.Errorf("left over: %v", entries)
	}
	if again := mustLoad(t, Source{DataDir: dir, Create: true}); again.KeyID() != box.KeyID() {
		t.Error("the key was made anew")
	}
	if err := os.Chmod(path, 0o640); err != nil {
		t.Fatal(err)
	}
	if _, err := Load(Source{DataDir: dir, Create: true}); err == nil || !strings.Contains(err.Error(), "chmod 600") {
		t.Errorf("mode 0640: %v", err)
	}
}

func TestTwoFirstStarts(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	ids := make([]string, 8)
	var group sync.WaitGroup
	for i := range ids {
		group.Go(func() {
			if box, err := Load(Source{DataDir: dir, Create: true}); err == nil {
				ids[i] = box.KeyID()
			}
		})
	}
	group.Wait()
	for _, id := range ids {
		if id == "" || id != ids[0] {
			t.Fatalf("keys %v, want one", ids)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(rawKey(1)))
	f.Add([]byte(`{"primaryKeyId":1,"key":[]}`))
	f.Add([]byte(" \n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		box, err := parse(text, "here")
		if err != nil {
			return
		}
		sealed, err := box.Seal([]byte("x"), Place{})
		if err != nil {
			t.Fatal(err)
		}
		if opened, err := box.Open(sealed, Place{}); err != nil || string(opened) != "x" {
			t.Errorf("opened %q, %v", opened, err)
		}
	})
}
