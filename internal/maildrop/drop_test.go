package maildrop

import (
	"bytes"
	"crypto/sha256"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"
)

func sample(content string) *Drop {
	from := "www@example.com"
	return &Drop{
		Key: NewKey(), Created: time.Unix(1_700_000_000, 0), From: &from,
		Recipients: []string{"a@example.com", `"odd user"@example.com`},
		Notify:     "SUCCESS,FAILURE", Return: "HDRS", EnvelopeID: "job-1",
		Author: `"Jane: Doe" <jane@example.com>`, NotifySender: true,
		Content: []byte(content),
	}
}

func encode(t testing.TB, d *Drop, token string) []byte {
	t.Helper()
	head, err := d.head(token)
	if err != nil {
		t.Fatal(err)
	}
	return append(head, d.Content...)
}

func TestRoundTrip(t *testing.T) {
	t.Parallel()
	null := ""
	bare := &Drop{Key: NewKey(), Created: time.Unix(1, 0), From: &null, Recipients: []string{"b@example.com"}, Content: []byte{}}
	derived := sample("x")
	derived.From = nil
	request := &Drop{Key: NewKey(), Created: time.Unix(1, 0), Request: true, Content: []byte(`{"raw":{}}`)}
	for _, want := range []*Drop{sample("Subject: x\r\n\r\nbody\n\n\nsha256: no\n"), bare, derived, request} {
		got, err := Parse(encode(t, want, ""))
		if err != nil {
			t.Fatal(err)
		}
		got.digest = [sha256.Size]byte{}
		if !reflect.DeepEqual(got, want) {
			t.Errorf("got %+v, want %+v", got, want)
		}
	}
}

func TestProof(t *testing.T) {
	t.Parallel()
	hash, other := sha256.Sum256([]byte("secret")), sha256.Sum256([]byte("other"))
	data := encode(t, sample("x"), "secret")
	if bytes.Contains(data, []byte("secret")) {
		t.Error("the token is in the file")
	}
	d, err := Parse(data)
	if err != nil {
		t.Fatal(err)
	}
	if !d.HasProof() || !d.Proven(hash[:]) || d.Proven(other[:]) {
		t.Error("the proof does not tell the token")
	}
	// A proof does not serve for another message.
	stolen, err := Parse(encode(t, sample("y"), ""))
	if err != nil {
		t.Fatal(err)
	}
	if stolen.HasProof() || stolen.Proven(hash[:]) {
		t.Error("proven without a proof")
	}
	stolen.proof = d.proof
	if stolen.Proven(hash[:]) {
		t.Error("the proof of one message proves another")
	}
}

func TestDamageIsSeen(t *testing.T) {
	t.Parallel()
	data := encode(t, sample("Subject: x\n\nsome text\n"), "")
	for n := range data {
		if _, err := Parse(data[:n]); err == nil {
			t.Fatalf("cut after %d of %d octets: not seen", n, len(data))
		}
		bad := bytes.Clone(data)
		bad[n] ^= 1
		if _, err := Parse(bad); err == nil {
			t.Fatalf("octet %d changed: not seen", n)
		}
	}
	if _, err := Parse(append(bytes.Clone(data), 'x')); err == nil || !strings.Contains(err.Error(), "octets instead of") {
		t.Errorf("an octet more: %v", err)
	}
}

func TestHeadRefuses(t *testing.T) {
	t.Parallel()
	for name, spoil := range map[string]func(*Drop){
		"key":            func(d *Drop) { d.Key = "../../etc/passwd" },
		"no recipient":   func(d *Drop) { d.Recipients = nil },
		"recipient":      func(d *Drop) { d.Recipients[0] = "a@b\nto: c@d" },
		"empty":          func(d *Drop) { d.Recipients[0] = "" },
		"from":           func(d *Drop) { *d.From = "a\r@b" },
		"envelope id":    func(d *Drop) { d.EnvelopeID = "x\x00" },
		"author":         func(d *Drop) { d.Author = "a\n\nb" },
		"notify":         func(d *Drop) { d.Notify = "\n" },
		"return":         func(d *Drop) { d.Return = "\n" },
		"upper-case key": func(d *Drop) { d.Key = strings.ToUpper(strings.Repeat("a", 32)) },
	} {
		d := sample("x")
		spoil(d)
		if _, err := d.head(""); err == nil {
			t.Errorf("%s: written", name)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add(encode(f, sample("Subject: x\n\ny"), ""))
	f.Add(encode(f, sample(""), "token"))
	f.Add(encode(f, &Drop{Key: NewKey(), Request: true, Content: []byte("{}")}, ""))
	f.Add([]byte(magic + "\n\n"))
	f.Add([]byte(magic + "\nkey: \n\n"))
	f.Add([]byte(magic + "\nsha256: 00\nlength: -1\n\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		d, err := Parse(data)
		if err != nil {
			return
		}
		again, err := Parse(encode(t, d, ""))
		if err != nil {
			t.Fatalf("what was parsed cannot be written and parsed: %v", err)
		}
		again.digest, again.proof = d.digest, d.proof
		if !reflect.DeepEqual(again, d) {
			t.Fatalf("%+v became %+v", d, again)
		}
	})
}

func TestWrite(t *testing.T) {
	t.Parallel()
	dir := shared(t)
	d := sample("Subject: x\n\ny")
	if err := Write(dir, d, ""); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, d.Key)
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if info.Mode().Perm() != 0o640 {
		t.Errorf("mode %o, want 640: the daemon's group reads it, others do not", info.Mode().Perm())
	}
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := Parse(data); err != nil || string(got.Content) != string(d.Content) {
		t.Errorf("%v, %v", got, err)
	}
	if names := list(t, dir); len(names) != 2 {
		t.Errorf("left behind: %v", names)
	}
}

func TestWriteOutsideSharedDirectoryIsPrivate(t *testing.T) {
	t.Parallel()
	dir, d := t.TempDir(), sample("x")
	if err := Write(dir, d, ""); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(filepath.Join(dir, d.Key)); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info, err)
	}
}

func TestWriteFails(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := Write(filepath.Join(dir, "missing"), sample("x"), ""); !os.IsNotExist(err) {
		t.Error(err)
	}
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := Write(file, sample("x"), ""); err == nil {
		t.Error("wrote into a file")
	}
	// A link that waits under the temporary name is not followed.
	d := sample("x")
	victim := filepath.Join(dir, "victim")
	if err := os.Symlink(victim, filepath.Join(dir, "."+d.Key)); err != nil {
		t.Fatal(err)
	}
	if err := Write(dir, d, ""); err == nil {
		t.Error("followed a link")
	}
	if _, err := os.Stat(victim); !os.IsNotExist(err) {
		t.Error("wrote through a link")
	}
}

func TestPrepare(t *testing.T) {
	t.Parallel()
	dir := shared(t)
	for path, want := range map[string]os.FileMode{dir: dirMode, filepath.Join(dir, badName): badMode} {
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		if got := info.Mode() &^ os.ModeDir; got != want {
			t.Errorf("%s has mode %v, want %v", path, got, want)
		}
	}
	if err := os.Chmod(dir, 0o777); err != nil {
		t.Fatal(err)
	}
	if err := Prepare(dir); err != nil {
		t.Fatal(err)
	}
	if info, _ := os.Stat(dir); info.Mode()&^os.ModeDir != dirMode {
		t.Errorf("the mode was not mended: %v", info.Mode())
	}
	link := filepath.Join(t.TempDir(), "link")
	if err := os.Symlink(dir, link); err != nil {
		t.Fatal(err)
	}
	if err := Prepare(link); err == nil {
		t.Error("took a link for the directory")
	}
	other := shared(t)
	bad := filepath.Join(other, badName)
	if err := os.Chown(bad, 12345, 12345); err != nil {
		t.Logf("not root, cannot give a directory away: %v", err)
		return
	}
	if err := Prepare(other); err == nil {
		t.Error("took somebody else's directory for its own")
	}
}

// shared is a directory made by Prepare.
func shared(t testing.TB) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "drop")
	if err := Prepare(dir); err != nil {
		t.Fatal(err)
	}
	return dir
}

func list(t testing.TB, dir string) (names []string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

func TestWithAuthor(t *testing.T) {
	t.Parallel()
	for content, want := range map[string]string{
		"Subject: x\n\ny":                      "From: J <j@example.com>\r\nSubject: x\n\ny",
		"From root@vm Mon Jan 1\nSubject: x\n": "From: J <j@example.com>\r\nSubject: x\n",
		"From only":                            "From: J <j@example.com>\r\n",
		"":                                     "From: J <j@example.com>\r\n",
	} {
		d := &Drop{Author: "J <j@example.com>", Content: []byte(content)}
		if got := string(d.WithAuthor()); got != want {
			t.Errorf("%q: got %q", content, got)
		}
	}
}
