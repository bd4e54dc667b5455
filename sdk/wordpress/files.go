// Package wordpress carries the WordPress plugin, so that the daemon's program
// can install it.
package wordpress

import (
	"embed"
	"io/fs"
	"regexp"
	"strings"

	"github.com/postilion-mail/postilion/sdk/php"
)

// Slug is the plugin's folder in WordPress, and Main its main file.
const (
	Slug = "postilion"
	Main = Slug + "/postilion.php"
)

//go:embed postilion.php uninstall.php readme.txt src assets languages
var source embed.FS

// Files gives the contents of the plugin's files by their paths in its folder.
//
// A copy of the PHP client is in the folder sdk. It gets a namespace of the
// plugin, so that it never meets another one that a theme or plugin has
// brought.
func Files() (map[string][]byte, error) {
	files := map[string][]byte{}
	if err := collect(source, files, func(name string, content []byte) (string, []byte) { return name, content }); err != nil {
		return nil, err
	}
	err := collect(php.Source, files, func(name string, content []byte) (string, []byte) {
		inner := strings.TrimPrefix(name, "src/")
		if strings.HasPrefix(inner, "Bridge/") { // for other frameworks
			return "", nil
		}
		return "sdk/" + inner, namespace.ReplaceAll(content, []byte(`$1 Postilion\WordPress\Sdk`))
	})
	return files, err
}

var namespace = regexp.MustCompile(`(?m)^(namespace|use( function| const)?) Postilion\b`)

// collect reads all files of a file system; place gives each its path, empty
// for none, and content.
func collect(from fs.FS, into map[string][]byte, place func(string, []byte) (string, []byte)) error {
	return fs.WalkDir(from, ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		content, err := fs.ReadFile(from, name)
		if err != nil {
			return err
		}
		if target, content := place(name, content); target != "" {
			into[target] = content
		}
		return nil
	})
}
