package plugins

import (
	"encoding/hex"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
)

// Bounds of what is stored.
const (
	maxList  = 100
	maxText  = 4096
	leastMem = 8 << 20 // octets
)

// check judges what is asked for, as far as the program need not be known.
func check(a *Addition) error {
	if !filepath.IsAbs(a.Path) || len(a.Path) > maxText {
		return invalid("path", "is not an absolute path", "give the whole path of the program on the daemon's machine")
	}
	a.Path = filepath.Clean(a.Path)
	if b, err := hex.DecodeString(a.SHA256); a.SHA256 != "" && (err != nil || len(b) != 32) {
		return invalid("sha256", "is no SHA-256 in hexadecimal", "give the 64 digits that sha256sum prints")
	}
	for i, text := range a.Args {
		if strings.ContainsRune(text, 0) || len(text) > maxText {
			return invalid(fmt.Sprintf("plugin.args[%d]", i), "has a NUL octet or is too long", "correct it")
		}
	}
	for i, name := range a.Environment {
		if err := checkVariable(fmt.Sprintf("plugin.environment[%d]", i), name); err != nil {
			return err
		}
	}
	for field, paths := range map[string][]string{"read_paths": a.ReadPaths, "write_paths": a.WritePaths} {
		for i, path := range paths {
			if !filepath.IsAbs(path) || strings.ContainsRune(path, 0) || len(path) > maxText {
				return invalid(fmt.Sprintf("plugin.%s[%d]", field, i), "is not an absolute path", "give the whole path")
			}
			paths[i] = filepath.Clean(path)
		}
	}
	if n := max(len(a.Args), len(a.Environment), len(a.ReadPaths), len(a.WritePaths)); n > maxList {
		return invalid("plugin", fmt.Sprintf("has a list of more than %d entries", maxList), "give fewer")
	}
	if a.MaxMemory != 0 && a.MaxMemory < leastMem {
		return invalid("plugin.max_memory_bytes", "is too little for any program", fmt.Sprintf("give at least %d, or 0 for no limit", leastMem))
	}
	return nil
}

// checkVariable refuses what is the daemon's secret, and what go-plugin and the
// host set themselves.
func checkVariable(field, name string) error {
	if name == "" || strings.ContainsAny(name, "=\x00") || len(name) > maxText {
		return invalid(field, "is no name of an environment variable", "give the name alone; the value is the daemon's")
	}
	own := slices.ContainsFunc([]string{"POSTILION_", "PLUGIN_", "CREDENTIALS_DIRECTORY", "NOTIFY_SOCKET", "LISTEN_"}, func(prefix string) bool {
		return strings.HasPrefix(name, prefix)
	})
	if own {
		return invalid(field, "is for the daemon alone", "leave it away")
	}
	return nil
}
