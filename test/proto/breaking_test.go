// Package proto tests that a change of the API that breaks its clients is
// noticed.
package proto

import (
	"crypto/sha256"
	"encoding/hex"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

const root = "../.."

// breaking runs buf's comparison of a tree of proto files with the baseline.
func breaking(t *testing.T, tree string) (output string, failed bool) {
	t.Helper()
	command := exec.CommandContext(t.Context(), "go", "tool", "-modfile=tools/buf.mod", "buf", "breaking", tree, "--against", "proto/baseline.binpb")
	command.Dir = root
	command.Env = append(os.Environ(), "BUF_CACHE_DIR="+t.TempDir())
	out, err := command.CombinedOutput()
	if _, exited := err.(*exec.ExitError); err != nil && !exited {
		t.Fatal(err)
	}
	return string(out), err != nil
}

// copyTree copies the proto files with buf's configuration, each file through
// a change.
func copyTree(t *testing.T, change func(name, content string) string) string {
	t.Helper()
	tree := t.TempDir()
	names, err := filepath.Glob(root + "/proto/postilion/*/*.proto")
	if err != nil {
		t.Fatal(err)
	}
	deeper, err := filepath.Glob(root + "/proto/postilion/*/*/*.proto")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range append(append(names, deeper...), root+"/buf.yaml") {
		content, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		local := strings.TrimPrefix(filepath.ToSlash(name), root+"/")
		target := filepath.Join(tree, local)
		if err := os.MkdirAll(filepath.Dir(target), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(target, []byte(change(local, string(content))), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return tree
}

// inMailer makes a change of one file by a pattern, which must be there.
func inMailer(t *testing.T, pattern, replacement string) func(name, content string) string {
	return func(name, content string) string {
		if name != "proto/postilion/v1/mailer.proto" {
			return content
		}
		changed := regexp.MustCompile(pattern).ReplaceAllString(content, replacement)
		if changed == content {
			t.Fatalf("%s has nothing like %s", name, pattern)
		}
		return changed
	}
}

func TestBreakingChanges(t *testing.T) {
	t.Parallel()
	same := func(_, content string) string { return content }
	tests := []struct {
		name   string
		change func(name, content string) string
		want   string // in the output; empty when the change is fine
	}{
		{"unchanged", same, ""},
		{"a field more", inMailer(t, `(?m)^message SendRequest \{`, "message SendRequest {\n  string new_field = 9999;"), ""},
		{"a comment", inMailer(t, `(?m)^message SendRequest`, "// Added.\nmessage SendRequest"), ""},
		{"a field of another type", inMailer(t, `string idempotency_key =`, "bytes idempotency_key ="), "idempotency_key"},
		{"a field renamed", inMailer(t, `string idempotency_key =`, "string idempotence_key ="), "idempotency_key"},
		{"a field renumbered", inMailer(t, `string idempotency_key = \d+`, "string idempotency_key = 9998"), "idempotency_key"},
		{"a method renamed", inMailer(t, `rpc Send\(`, "rpc Dispatch("), "Send"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			output, failed := breaking(t, copyTree(t, test.change))
			if failed != (test.want != "") || !strings.Contains(output, test.want) {
				t.Errorf("failed: %v, wanted %q in the output:\n%s", failed, test.want, output)
			}
		})
	}
}

// Whoever moves the baseline tells the users why.
func TestBaselineIsInTheChangelog(t *testing.T) {
	t.Parallel()
	baseline, err := os.ReadFile(root + "/proto/baseline.binpb")
	if err != nil {
		t.Fatal(err)
	}
	changelog, err := os.ReadFile(root + "/CHANGELOG.md")
	if err != nil {
		t.Fatal(err)
	}
	digest := sha256.Sum256(baseline)
	if line := "API baseline " + hex.EncodeToString(digest[:8]); !strings.Contains(string(changelog), line) {
		t.Errorf("proto/baseline.binpb has changed: say in CHANGELOG.md what breaks for whom, with the words %q", line)
	}
}
