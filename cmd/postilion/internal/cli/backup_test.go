package cli

import (
	"path/filepath"
	"testing"

	postilionv1 "github.com/postilion-mail/postilion/proto/gen/postilion/v1"
)

// TestBackupDirectory: the daemon works elsewhere, so it gets the whole path.
func TestBackupDirectory(t *testing.T) {
	t.Parallel()
	d := start(t, map[string]any{"Backup": &postilionv1.BackupResponse{Bytes: 2048}})
	absolute, err := filepath.Abs("copy")
	if err != nil {
		t.Fatal(err)
	}
	d.run(t, "backup", "copy").want(t, 0, "2.0 KiB are in "+absolute, "postilion verify "+absolute)
	if got := d.last().(*postilionv1.BackupRequest).GetDirectory(); got != absolute {
		t.Errorf("the daemon was asked for %q", got)
	}
	d.run(t, "backup", "copy", "--json").want(t, 0, `"bytes":"2048"`)
	d.run(t, "backup", "--offline", "copy").want(t, exitNoInput, "postilion.db")
	d.run(t, "backup").want(t, exitUsage)
}
