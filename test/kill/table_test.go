package kill

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

const repository = "../.."

// TestTable holds docs/faults.md to the tests: each case is there once, with
// tests that exist, or with a word on why it has none.
func TestTable(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile(filepath.Join(repository, "docs", "faults.md"))
	if err != nil {
		t.Fatal(err)
	}
	var (
		known = make(map[string]map[string]bool)
		row   = regexp.MustCompile(`^\| T(\d+) \| [^|]+ \| ([^|]+) \|$`)
		name  = regexp.MustCompile("`([^`]+)`")
		rest  = regexp.MustCompile(`(^|; )(open|does not apply: \S.*)`)
		last  = 0
	)
	for line := range strings.Lines(string(text)) {
		line = strings.TrimSpace(line)
		if !strings.HasPrefix(line, "| T") {
			continue
		}
		found := row.FindStringSubmatch(line)
		if found == nil {
			t.Errorf("not a row of case, fault, tests: %s", line)
			continue
		}
		number, _ := strconv.Atoi(found[1])
		if number <= last {
			t.Errorf("T%d comes after T%d", number, last)
		}
		last = number
		tests := name.FindAllStringSubmatch(found[2], -1)
		if len(tests) == 0 && !rest.MatchString(found[2]) {
			t.Errorf(`T%d has no test, and is neither "open" nor "does not apply: WHY"`, number)
		}
		for _, test := range tests {
			folder, function := path.Dir(test[1]), path.Base(test[1])
			if i := strings.LastIndexByte(function, '.'); i >= 0 {
				folder, function = path.Join(folder, function[:i]), function[i+1:]
			}
			if known[folder] == nil {
				known[folder] = functions(t, folder)
			}
			if !strings.HasPrefix(function, "Test") && !strings.HasPrefix(function, "Fuzz") || !known[folder][function] {
				t.Errorf("T%d: there is no test %s in %s", number, function, folder)
			}
		}
	}
	if last != 170 {
		t.Errorf("the last case is T%d, want T170", last)
	}
}

// functions gives the names of the functions in the tests of a folder.
func functions(t *testing.T, folder string) map[string]bool {
	t.Helper()
	names := make(map[string]bool)
	files, err := filepath.Glob(filepath.Join(repository, folder, "*_test.go"))
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		for _, declared := range parsed.Decls {
			if function, ok := declared.(*ast.FuncDecl); ok && function.Recv == nil {
				names[function.Name.Name] = true
			}
		}
	}
	return names
}
