// Command pack builds the zip of the WordPress plugin, with a copy of the PHP
// client in it. The same sources give the same octets.
//
// The copy gets a namespace of the plugin, so that it never meets another one
// that a theme or plugin has brought.
package main

import (
	"archive/zip"
	"bytes"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"time"
)

// slug is the plugin's folder in WordPress.
const slug = "postilion"

func main() {
	root := flag.String("root", ".", "the project's `folder`")
	out := flag.String("o", "postilion.zip", "`file` to write")
	flag.Parse()
	if err := pack(*root, *out); err != nil {
		fmt.Fprintln(os.Stderr, "pack:", err)
		os.Exit(1)
	}
}

// pack writes the zip.
func pack(root, out string) error {
	files := make(map[string][]byte) // content by path in the zip
	for _, part := range []struct{ from, to string }{
		{"sdk/wordpress/postilion.php", "postilion.php"},
		{"sdk/wordpress/uninstall.php", "uninstall.php"},
		{"sdk/wordpress/readme.txt", "readme.txt"},
		{"sdk/wordpress/src", "src"},
		{"sdk/wordpress/assets", "assets"},
		{"sdk/wordpress/languages", "languages"},
		{"sdk/php/src", "sdk"},
		{"LICENSE", "LICENSE"},
	} {
		if err := collect(files, filepath.Join(root, part.from), part.to); err != nil {
			return err
		}
	}
	names := make([]string, 0, len(files))
	for name := range files {
		names = append(names, name)
	}
	slices.Sort(names)

	var archive bytes.Buffer
	w := zip.NewWriter(&archive)
	for _, name := range names {
		header := &zip.FileHeader{Name: path.Join(slug, name), Method: zip.Deflate, Modified: time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC)}
		header.SetMode(0o644)
		file, err := w.CreateHeader(header)
		if err != nil {
			return err
		}
		if _, err := file.Write(files[name]); err != nil {
			return err
		}
	}
	if err := w.Close(); err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(out), 0o755); err != nil {
		return err
	}
	return os.WriteFile(out, archive.Bytes(), 0o644)
}

// collect reads a file, or all of a folder.
func collect(files map[string][]byte, from, to string) error {
	return filepath.WalkDir(from, func(name string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		inner, err := filepath.Rel(from, name)
		if err != nil {
			return err
		}
		target := path.Join(to, filepath.ToSlash(inner))
		if entry.IsDir() {
			if target == "sdk/Bridge" { // for other frameworks
				return fs.SkipDir
			}
			return nil
		}
		content, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		if path.Dir(target) == "sdk" || path.Dir(path.Dir(target)) == "sdk" {
			content = rename(content)
		}
		files[target] = content
		return nil
	})
}

var namespace = regexp.MustCompile(`(?m)^(namespace|use( function| const)?) Postilion\b`)

// rename moves a file of the client into the plugin's namespace.
func rename(content []byte) []byte {
	return namespace.ReplaceAll(content, []byte(`$1 Postilion\WordPress\Sdk`))
}
