package lint

import (
	"os"
	"path/filepath"
	"slices"
	"testing"

	"golang.org/x/mod/modfile"
)

// A rule says what the packages of a folder may import beside the standard
// library, and why.
type rule struct {
	folder  string
	exact   bool // the folder only, not those in it
	allowed []string
	why     string
}

func rules() []rule {
	return []rule{
		{"plugin", true, []string{
			"google.golang.org/grpc", "google.golang.org/protobuf",
			"github.com/hashicorp/go-plugin", "github.com/hashicorp/go-hclog",
			"./plugin", "./proto/gen/postilion/plugin",
		}, "every transport carries what this package imports"},
		{"internal/sendmail", false, []string{"./internal/mail", "./internal/maildrop", "./internal/smtpd"}, "sendmail is to start in 2 ms"},
		{"cmd/postilion-sendmail", false, []string{"./internal/sendmail"}, "sendmail is to start in 2 ms"},
		{"internal/mail", true, []string{"golang.org/x/net/idna", "golang.org/x/text"}, "sendmail imports this package and is to start in 2 ms"},
		{"internal/smtpd", false, []string{"./internal/mail"}, "sendmail imports this package and is to start in 2 ms"},
		{"internal/maildrop", true, []string{"golang.org/x/sys", "./internal/failpoint"}, "sendmail imports this package and is to start in 2 ms"},
	}
}

func lightPackages(t *testing.T, all []source) {
	for _, r := range rules() {
		files := 0
		for _, s := range all {
			if !within(s.dir(), r.folder) || r.exact && s.dir() != r.folder {
				continue
			}
			files++
			for _, imported := range s.imports() {
				if !standard(imported) && !withinAny(imported, r.allowed...) {
					t.Errorf("%s imports %s: %s", s.path, imported, r.why)
				}
			}
		}
		if files == 0 {
			t.Errorf("no files in %s: has it moved?", r.folder)
		}
	}
}

// What is heavy to start must not come into sendmail by the standard library
// either.
func sendmailStartsFast(t *testing.T, all []source) {
	heavy := []string{"net/http", "encoding/gob", "html/template", "text/template", "go/ast", "database/sql", "testing"}
	for _, s := range all {
		if !withinAny(s.dir(), "internal/sendmail", "internal/smtpd", "cmd/postilion-sendmail") && s.dir() != "internal/mail" && s.dir() != "internal/maildrop" {
			continue
		}
		for _, imported := range s.imports() {
			if slices.Contains(heavy, imported) {
				t.Errorf("%s imports %s: sendmail is to start in 2 ms", s.path, imported)
			}
		}
	}
}

// The generated types are the wire's. They stop at the adapters, so that the
// engine does not depend on how it is called.
func protoStopsAtTheAdapters(t *testing.T, all []source) {
	adapters := []string{"server", "plugin", "sdk", "cmd", "test", "bench", "examples"}
	for _, s := range all {
		if withinAny(s.dir(), adapters...) {
			continue
		}
		for _, imported := range s.imports() {
			if within(imported, "./proto/gen") {
				t.Errorf("%s imports %s: only %v may", s.path, imported, adapters)
			}
		}
	}
}

// Programs and tests stand at the end of the chain: nothing imports them.
func nobodyImportsPrograms(t *testing.T, all []source) {
	for _, s := range all {
		if withinAny(s.dir(), "cmd", "test", "bench") {
			continue
		}
		for _, imported := range s.imports() {
			if withinAny(imported, "./cmd", "./test", "./bench", "./examples") {
				t.Errorf("%s imports %s, which is a program", s.path, imported)
			}
		}
	}
}

// protoc-gen-go must not make code for a newer protobuf than the product has.
func TestGeneratorsMatchTheirLibraries(t *testing.T) {
	t.Parallel()
	product, generators := requirements(t, "go.mod"), requirements(t, "tools/gen.mod")
	for _, library := range []string{"google.golang.org/protobuf", "connectrpc.com/connect"} {
		if product[library] == "" || product[library] != generators[library] {
			t.Errorf("%s: go.mod has %q, tools/gen.mod %q: change both together", library, product[library], generators[library])
		}
	}
}

// requirements gives the versions that a module file requires.
func requirements(t *testing.T, name string) map[string]string {
	t.Helper()
	content, err := os.ReadFile(filepath.Join(root, name))
	if err != nil {
		t.Fatal(err)
	}
	parsed, err := modfile.Parse(name, content, nil)
	if err != nil {
		t.Fatal(err)
	}
	versions := make(map[string]string)
	for _, required := range parsed.Require {
		versions[required.Mod.Path] = required.Mod.Version
	}
	return versions
}
