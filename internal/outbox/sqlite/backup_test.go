package sqlite_test

import (
	"bytes"
	"io"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/postilion-mail/postilion/internal/outbox"
	"github.com/postilion-mail/postilion/internal/outbox/sqlite"
)

// TestBackup: T33 and T34.
func TestBackup(t *testing.T) {
	t.Parallel()
	r := start(t, options{store: sqlite.Options{Inline: 1000}})
	var before []uuid.UUID
	for n := range 40 {
		before = append(before, acceptSome(t, r, n))
	}
	if _, err := r.Claim(t.Context(), outbox.Claim{Lane: "l", Limit: 5, Lease: time.Hour}); err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(t.TempDir(), "backup")
	err := underLoad(t, r, func() error { return r.Backup(t.Context(), dir) })
	if err != nil {
		t.Fatal(err)
	}
	if err := r.Backup(t.Context(), dir); err == nil || !strings.Contains(err.Error(), "not empty") {
		t.Errorf("backup over another: %v", err)
	}
	verify(t, dir)
	restored := start(t, options{dir: dir})
	for _, id := range before {
		v, err := restored.Get(t.Context(), "", id)
		if err != nil {
			t.Fatalf("a message from before the backup: %v", err)
		}
		if s := v.Summary(); s != outbox.Held && s != outbox.Sent {
			t.Errorf("restored as %s", s)
		}
	}
	if c, err := restored.Claim(t.Context(), outbox.Claim{Lane: "l", Limit: 100, Lease: time.Hour}); err != nil || len(c.Jobs) != 0 {
		t.Errorf("a restored store sends: %+v, %v", c, err)
	}
	releaseRestored(t, restored)
	// A second start is an ordinary one.
	restored.stop()
	restored = start(t, options{dir: dir})
	deliver(t, restored)
	restored.stop()
	if v := verify(t, dir); v.Recipients[outbox.Sent] != int64(v.Messages) {
		t.Errorf("at the end: %+v", v)
	}
}

func acceptSome(t *testing.T, r *run, n int) uuid.UUID {
	m := message(n, bytes.Repeat([]byte{byte(n)}, 500*(1+n%4)))
	if _, err := r.Accept(t.Context(), m); err != nil {
		t.Error(err)
	}
	return m.ID
}

// underLoad runs fn while messages come and go, and contents with them.
func underLoad(t *testing.T, r *run, fn func() error) error {
	var load sync.WaitGroup
	stop := make(chan struct{})
	load.Go(func() {
		for n := 100; ; n++ {
			select {
			case <-stop:
				return
			default:
			}
			acceptSome(t, r, n)
			c, err := r.Claim(t.Context(), outbox.Claim{Lane: "l", Limit: 1, Lease: time.Hour})
			if err != nil || len(c.Jobs) == 0 {
				t.Errorf("claim: %+v, %v", c, err)
				return
			}
			if err := r.Record(t.Context(), report(c.Jobs[0], outbox.Sent)); err != nil {
				t.Error(err)
			}
		}
	})
	err := fn()
	close(stop)
	load.Wait()
	return err
}

// releaseRestored lets go all that a restored store holds.
func releaseRestored(t *testing.T, r *run) {
	held, _, err := r.List(t.Context(), outbox.Filter{States: []outbox.State{outbox.Held}})
	if err != nil || len(held) == 0 {
		t.Fatalf("held: %v, %v", held, err)
	}
	for _, v := range held {
		if !strings.Contains(v.Recipients[0].Reason, "restored") {
			t.Errorf("reason %q", v.Recipients[0].Reason)
		}
		raw, err := r.Raw(t.Context(), "", v.ID)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.Copy(io.Discard, io.NewSectionReader(raw, 0, raw.Size())); err != nil {
			t.Error(err)
		}
		raw.Close()
		if _, err := r.ReleaseHeld(t.Context(), "", v.ID); err != nil {
			t.Error(err)
		}
	}
}
