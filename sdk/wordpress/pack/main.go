// Command pack builds the zip of the WordPress plugin, with a copy of the PHP
// client in it. The same sources give the same octets.
package main

import (
	"archive/zip"
	"bytes"
	"flag"
	"fmt"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"time"

	"github.com/postilion-mail/postilion/sdk/wordpress"
)

func main() {
	root := flag.String("root", ".", "the project's `folder`, for the license")
	out := flag.String("o", "postilion.zip", "`file` to write")
	flag.Parse()
	if err := pack(*root, *out); err != nil {
		fmt.Fprintln(os.Stderr, "pack:", err)
		os.Exit(1)
	}
}

// pack writes the zip.
func pack(root, out string) error {
	files, err := wordpress.Files()
	if err != nil {
		return err
	}
	if files["LICENSE"], err = os.ReadFile(filepath.Join(root, "LICENSE")); err != nil {
		return err
	}
	var archive bytes.Buffer
	w := zip.NewWriter(&archive)
	for _, name := range slices.Sorted(maps.Keys(files)) {
		header := &zip.FileHeader{Name: path.Join(wordpress.Slug, name), Method: zip.Deflate, Modified: time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC)}
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
