package config

import (
	"os"
	"slices"
	"testing"
)

// The files that packages install are in order: what the service passes is
// understood, and the paths fit together.
func TestPackagedFile(t *testing.T) {
	t.Parallel()
	content, err := os.ReadFile("../../packaging/postilion.yaml")
	if err != nil {
		t.Fatal(err)
	}
	c, warnings, err := load(t, string(content), nil)
	if err != nil || len(warnings) > 0 {
		t.Fatalf("%v, %v", err, warnings)
	}
	paths := []string{c.DataDir, c.RunDir, c.MaildropDir}
	want := []string{"/var/lib/postilion", "/run/postilion", "/var/spool/postilion/maildrop"}
	if !slices.Equal(paths, want) {
		t.Errorf("paths %v, want %v", paths, want)
	}
}
