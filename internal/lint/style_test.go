package lint

import (
	"go/ast"
	"go/token"
	"slices"
	"strings"
	"testing"
)

// program tells whether a folder holds programs or what only tests use. They
// may print, log by the standard logger, and give up.
func program(dir string) bool {
	if withinAny(dir, "cmd", "examples", "test", "bench") {
		return true
	}
	for element := range strings.SplitSeq(dir, "/") {
		if strings.HasSuffix(element, "test") { // smtptest, outboxtest, plugintest
			return true
		}
	}
	return false
}

// A library returns errors and logs by the *slog.Logger that it was given.
func librariesAreQuiet(t *testing.T, all []source) {
	for _, s := range all {
		if program(s.dir()) || s.file.Name.Name == "main" {
			continue
		}
		if slices.Contains(s.imports(), "log") {
			t.Errorf("%s imports log: take a *slog.Logger", s.path)
		}
		ast.Inspect(s.file, func(node ast.Node) bool {
			call, ok := node.(*ast.CallExpr)
			if !ok {
				return true
			}
			switch called := callee(call); called {
			case "panic", "print", "println", "fmt.Print", "fmt.Printf", "fmt.Println", "os.Exit":
				t.Errorf("%s: %s in a library: return an error", s.at(call), called)
			case "slog.Debug", "slog.Info", "slog.Warn", "slog.Error", "slog.Default", "slog.SetDefault":
				t.Errorf("%s: %s: log by the *slog.Logger that was passed in", s.at(call), called)
			}
			return true
		})
	}
}

// callee names what is called, as far as it is a name or a package's.
func callee(call *ast.CallExpr) string {
	switch fun := call.Fun.(type) {
	case *ast.Ident:
		return fun.Name
	case *ast.SelectorExpr:
		if base, ok := fun.X.(*ast.Ident); ok {
			return base.Name + "." + fun.Sel.Name
		}
	}
	return ""
}

// Nothing happens before main does.
func noInit(t *testing.T, all []source) {
	for _, s := range all {
		for _, decl := range s.file.Decls {
			if fun, ok := decl.(*ast.FuncDecl); ok && fun.Recv == nil && fun.Name.Name == "init" {
				t.Errorf("%s: func init: do it where it is needed", s.at(fun))
			}
		}
	}
}

// Every package says what it is, once.
func packagesAreDocumented(t *testing.T, all []source) {
	documented := make(map[string][]string)
	for _, s := range all {
		if s.file.Doc != nil {
			documented[s.dir()] = append(documented[s.dir()], s.path)
		} else if _, ok := documented[s.dir()]; !ok {
			documented[s.dir()] = nil
		}
	}
	for dir, files := range documented {
		if len(files) != 1 {
			t.Errorf("%s: expected one package comment, found %d: %v", dir, len(files), files)
		}
	}
}

// Exported names have a comment, those of a group at least one for the group,
// and one that starts with another name was moved and forgotten.
func exportedNamesAreDocumented(t *testing.T, all []source) {
	for _, s := range all {
		if s.file.Name.Name == "main" {
			continue
		}
		for _, decl := range s.file.Decls {
			switch decl := decl.(type) {
			case *ast.FuncDecl:
				if decl.Name.IsExported() && exportedReceiver(decl) {
					checkComment(t, s, decl, decl.Name.Name, decl.Doc)
				}
			case *ast.GenDecl:
				checkGroup(t, s, decl)
			}
		}
	}
}

func checkGroup(t *testing.T, s source, decl *ast.GenDecl) {
	t.Helper()
	for _, spec := range decl.Specs {
		switch spec := spec.(type) {
		case *ast.TypeSpec:
			if !spec.Name.IsExported() {
				continue
			}
			doc := spec.Doc
			if decl.Lparen == token.NoPos {
				doc = decl.Doc
			}
			checkComment(t, s, spec, spec.Name.Name, doc)
		case *ast.ValueSpec:
			exported := slices.ContainsFunc(spec.Names, (*ast.Ident).IsExported)
			if exported && decl.Doc == nil && spec.Doc == nil && spec.Comment == nil {
				t.Errorf("%s: %s has no comment", s.at(spec), spec.Names[0].Name)
			}
		}
	}
}

func checkComment(t *testing.T, s source, node ast.Node, name string, doc *ast.CommentGroup) {
	t.Helper()
	if doc == nil {
		t.Errorf("%s: %s has no comment", s.at(node), name)
		return
	}
	words := strings.Fields(doc.Text())
	if len(words) > 1 && slices.Contains([]string{"A", "An", "The", "Deprecated:"}, words[0]) {
		words = words[1:]
	}
	if len(words) == 0 || strings.Trim(words[0], ",:;'s") != strings.Trim(name, ",:;'s") {
		t.Errorf("%s: the comment of %s does not start with its name", s.at(node), name)
	}
}

// exportedReceiver tells whether a function is none of an unexported type's
// methods, which nobody outside sees.
func exportedReceiver(decl *ast.FuncDecl) bool {
	if decl.Recv == nil {
		return true
	}
	receiver := decl.Recv.List[0].Type
	for {
		switch inner := receiver.(type) {
		case *ast.StarExpr:
			receiver = inner.X
		case *ast.IndexExpr:
			receiver = inner.X
		case *ast.IndexListExpr:
			receiver = inner.X
		case *ast.Ident:
			return inner.IsExported()
		default:
			return true
		}
	}
}
