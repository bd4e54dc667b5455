package sqlite_test

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/postilion-mail/postilion/internal/outbox"
	"github.com/postilion-mail/postilion/internal/outbox/sqlite"
)

// damages are ways in which a stored message can be broken; the first argument
// of a query is its id.
var damages = map[string]string{
	"chain is garbage":          `UPDATE messages SET chain = x'00' WHERE id = ?`,
	"chain is empty":            `UPDATE messages SET chain = '[]' WHERE id = ?`,
	"info is garbage":           `UPDATE messages SET info = 'x' WHERE id = ?`,
	"number is text":            `UPDATE messages SET total = 'x' WHERE id = ?`,
	"content is purged":         `UPDATE messages SET content = 0 WHERE id = ?`,
	"content is longer":         `UPDATE contents SET data = data || x'00' WHERE message = (SELECT seq FROM messages WHERE id = ?)`,
	"content is truncated":      `UPDATE contents SET data = substr(data, 2) WHERE message = (SELECT seq FROM messages WHERE id = ?)`,
	"content has a flipped bit": `UPDATE contents SET data = x'09' || substr(data, 2) WHERE message = (SELECT seq FROM messages WHERE id = ?)`,
	"content is gone":           `DELETE FROM contents WHERE message = (SELECT seq FROM messages WHERE id = ?)`,
	"a recipient is gone":       `DELETE FROM recipients WHERE message = (SELECT seq FROM messages WHERE id = ?)`,
	"unknown place of content":  `UPDATE messages SET content = 9 WHERE id = ?`,
}

// TestDamagedMessages: T7, damaged ones are put on hold, all others go out,
// and the same again after a restart.
func TestDamagedMessages(t *testing.T) {
	t.Parallel()
	for name, query := range damages {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			r := start(t, options{dir: dir})
			bad, good := message(1, []byte("bad content")), message(2, []byte("good content"))
			for _, m := range []*outbox.Message{bad, good} {
				if _, err := r.Accept(t.Context(), m); err != nil {
					t.Fatal(err)
				}
			}
			write(t, r.db, query, bad.ID[:])
			for range 2 {
				deliver(t, r)
				r.stop()
				r = start(t, options{dir: dir})
			}
			if v, err := r.Get(t.Context(), "", good.ID); err != nil || v.Summary() != outbox.Sent {
				t.Errorf("the good one: %+v, %v", v, err)
			}
			s, err := r.Stats(t.Context())
			if err != nil || s.Lanes["l"].Held != 1 || s.Lanes["l"].Waiting+s.Lanes["l"].Claimed != 0 {
				t.Errorf("stats %+v, %v", s, err)
			}
			if v, err := r.Get(t.Context(), "", bad.ID); err != nil || len(v.Recipients) > 0 && v.Recipients[0].Reason == "" {
				t.Errorf("the bad one: %+v, %v", v, err)
			}
			r.stop()
			if v, err := sqlite.Verify(t.Context(), dir); err == nil && len(v.Problems) == 0 && !strings.Contains(query, "chain") && !strings.Contains(query, "info") {
				t.Error("verify finds nothing")
			}
		})
	}
}

// deliver sends all that can be, as a dispatcher would.
func deliver(t *testing.T, r *run) {
	t.Helper()
	for {
		c, err := r.Claim(t.Context(), outbox.Claim{Lane: "l", Limit: 10, Lease: time.Minute})
		if err != nil {
			t.Fatal(err)
		}
		if len(c.Jobs) == 0 {
			return
		}
		for _, j := range c.Jobs {
			content, err := r.Content(t.Context(), &j)
			if err != nil {
				// The claim is over: the store has put it on hold.
				if err := r.Record(t.Context(), report(j, outbox.Sent)); !errors.Is(err, outbox.ErrStaleToken) {
					t.Errorf("record of a damaged one: %v", err)
				}
				continue
			}
			content.Close()
			if err := r.Record(t.Context(), report(j, outbox.Sent)); err != nil {
				t.Error(err)
			}
		}
	}
}

// TestDamagedFiles does the same with contents that are files.
func TestDamagedFiles(t *testing.T) {
	t.Parallel()
	large := bytes.Repeat([]byte("large content\r\n"), 20000)
	for name, damage := range map[string]func(path string) error{
		"missing":   os.Remove,
		"empty":     func(path string) error { return os.Truncate(path, 0) },
		"truncated": func(path string) error { return os.Truncate(path, 1000) },
		"flipped": func(path string) error {
			return os.WriteFile(path, bytes.Repeat([]byte("large_content\r\n"), 20000), 0o600)
		},
		"directory": func(path string) error { return errors.Join(os.Remove(path), os.Mkdir(path, 0o700)) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := start(t, options{})
			bad, good := message(1, large), message(2, large)
			for _, m := range []*outbox.Message{bad, good} {
				if _, err := r.Accept(t.Context(), m); err != nil {
					t.Fatal(err)
				}
			}
			if err := damage(filepath.Join(r.db.Dir(), "content", bad.ID.String())); err != nil {
				t.Fatal(err)
			}
			deliver(t, r)
			for id, want := range map[uuid.UUID]outbox.State{bad.ID: outbox.Held, good.ID: outbox.Sent} {
				if v, err := r.Get(t.Context(), "", id); err != nil || v.Summary() != want {
					t.Errorf("want %s: %+v, %v", want, v, err)
				}
			}
		})
	}
}

// TestNoContentIsLeft: a large content that turned out not to be needed is
// removed at once.
func TestNoContentIsLeft(t *testing.T) {
	t.Parallel()
	r := start(t, options{})
	for range 3 { // one message, replayed
		if _, err := r.Accept(t.Context(), message(1, make([]byte, 200000))); err != nil {
			t.Fatal(err)
		}
	}
	other := message(1, make([]byte, 200000))
	other.Fingerprint = []byte("other")
	if _, err := r.Accept(t.Context(), other); !errors.Is(err, outbox.ErrKeyReused) {
		t.Fatal(err)
	}
	r.Close() // waits for what is removed
	if files := contents(t, r.db.Dir()); len(files) != 1 {
		t.Errorf("contents are left: %v", files)
	}
}

// TestOrphans: content files without a message are swept at start, others stay.
func TestOrphans(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	r := start(t, options{dir: dir})
	kept, sent := message(1, make([]byte, 200000)), message(2, make([]byte, 200000))
	for _, m := range []*outbox.Message{sent, kept} {
		if _, err := r.Accept(t.Context(), m); err != nil {
			t.Fatal(err)
		}
	}
	c, err := r.Claim(t.Context(), outbox.Claim{Lane: "l", Limit: 1, Lease: time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	if err := r.Record(t.Context(), report(c.Jobs[0], outbox.Sent)); err != nil {
		t.Fatal(err)
	}
	r.stop()
	if files := contents(t, dir); len(files) != 1 {
		t.Errorf("after delivery: %v", files)
	}
	strange := []string{uuid.NewString(), uuid.NewString() + ".part", kept.ID.String() + ".part", sent.ID.String()}
	for _, name := range strange {
		if err := os.WriteFile(filepath.Join(dir, "content", name), []byte("x"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	start(t, options{dir: dir})
	if files := contents(t, dir); len(files) != 1 || filepath.Base(files[0]) != kept.ID.String() {
		t.Errorf("after a start: %v", files)
	}
}

// TestVerifyFinds: each kind of damage is a problem.
func TestVerifyFinds(t *testing.T) {
	t.Parallel()
	for _, query := range []string{
		`DELETE FROM jobs`, `DELETE FROM events WHERE type = 6`, `UPDATE messages SET open = open + 1`, `UPDATE counters SET a = a + 1`,
		`UPDATE jobs SET n = 2`, `DELETE FROM messages`, `UPDATE recipients SET state = 0, job = 0`, `UPDATE messages SET checksum = 1`,
		`DELETE FROM contents`, `UPDATE recipients SET state = 5 WHERE job <> 0`,
	} {
		t.Run(query, func(t *testing.T) {
			t.Parallel()
			r := start(t, options{})
			for n := range 2 {
				if _, err := r.Accept(t.Context(), message(n, []byte("content"))); err != nil {
					t.Fatal(err)
				}
			}
			c, err := r.Claim(t.Context(), outbox.Claim{Lane: "l", Limit: 1, Lease: time.Minute})
			if err != nil {
				t.Fatal(err)
			}
			if err := r.Record(t.Context(), report(c.Jobs[0], outbox.Sent)); err != nil {
				t.Fatal(err)
			}
			verify(t, r.db.Dir()) // beside the daemon
			write(t, r.db, query)
			if v, err := sqlite.Verify(t.Context(), r.db.Dir()); err == nil && len(v.Problems) == 0 {
				t.Error("no problem")
			}
		})
	}
	if _, err := sqlite.Verify(t.Context(), t.TempDir()); err == nil {
		t.Error("an empty directory is no outbox")
	}
}
