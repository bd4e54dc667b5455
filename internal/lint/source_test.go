package lint

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path"
	"path/filepath"
	"strings"
	"testing"
)

const (
	root   = "../.."
	module = "github.com/postilion-mail/postilion"
)

// TestRules holds the rules over all sources, which are parsed once.
func TestRules(t *testing.T) {
	t.Parallel()
	all := sources(t)
	for name, rule := range map[string]func(*testing.T, []source){
		"light packages":       lightPackages,
		"sendmail starts fast": sendmailStartsFast,
		"proto types":          protoStopsAtTheAdapters,
		"programs":             nobodyImportsPrograms,
		"quiet libraries":      librariesAreQuiet,
		"no init":              noInit,
		"package comments":     packagesAreDocumented,
		"comments":             exportedNamesAreDocumented,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			rule(t, all)
		})
	}
}

// source is one Go file of the repository, parsed.
type source struct {
	path string // from the repository's root, with slashes
	set  *token.FileSet
	file *ast.File
}

func (s source) dir() string { return path.Dir(s.path) }

// at gives the place of a node for an error.
func (s source) at(node ast.Node) string {
	return s.path + s.set.Position(node.Pos()).String()[len(filepath.Join(root, s.path)):]
}

// imports gives the import paths, those of this module from its root.
func (s source) imports() []string {
	paths := make([]string, 0, len(s.file.Imports))
	for _, spec := range s.file.Imports {
		imported := strings.Trim(spec.Path.Value, `"`)
		if local, ok := strings.CutPrefix(imported, module+"/"); ok {
			imported = "./" + local
		}
		paths = append(paths, imported)
	}
	return paths
}

// sources parses the repository's Go files that are written by hand, tests
// left out.
func sources(t *testing.T) []source {
	t.Helper()
	var list []source
	err := filepath.WalkDir(root, func(name string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		local := filepath.ToSlash(strings.TrimPrefix(name, root+"/"))
		base := entry.Name()
		if entry.IsDir() {
			if name != root && (strings.HasPrefix(base, ".") || base == "testdata" || base == "node_modules" || base == "vendor" || local == "proto/gen") {
				return filepath.SkipDir
			}
			return nil
		}
		if !strings.HasSuffix(base, ".go") || strings.HasSuffix(base, "_test.go") {
			return nil
		}
		set := token.NewFileSet()
		file, err := parser.ParseFile(set, name, nil, parser.ParseComments|parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		list = append(list, source{local, set, file})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return list
}

// within tells whether a path is a folder or lies in it.
func within(name, folder string) bool {
	return name == folder || strings.HasPrefix(name, folder+"/")
}

// withinAny tells whether a path is one of some folders or lies in one.
func withinAny(name string, folders ...string) bool {
	for _, folder := range folders {
		if within(name, folder) {
			return true
		}
	}
	return false
}

// standard tells whether an import path is of the standard library: the first
// element of all others has a dot.
func standard(imported string) bool {
	first, _, _ := strings.Cut(imported, "/")
	return !strings.Contains(first, ".")
}
