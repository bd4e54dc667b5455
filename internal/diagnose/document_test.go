package diagnose_test

import (
	"flag"
	"os"
	"strings"
	"testing"

	"github.com/postilion-mail/postilion/internal/diagnose"
)

var update = flag.Bool("update", false, "write the causes into docs/diagnosis.md")

// The page lists the causes as the table has them.
func TestDocument(t *testing.T) {
	t.Parallel()
	const path, mark = "../../docs/diagnosis.md", "## The causes\n"
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	before, _, found := strings.Cut(string(content), mark)
	if !found {
		t.Fatalf("%s has no heading %q", path, mark)
	}
	want := before + mark + "\n| code | cause |\n|---|---|\n" + strings.Join(diagnose.Titles(), "\n") + "\n"
	if *update {
		if err := os.WriteFile(path, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if string(content) != want {
		t.Error("docs/diagnosis.md is not what the table says; run this test with -update")
	}
}
