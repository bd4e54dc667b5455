package host

import (
	"fmt"
	"path/filepath"
	"strings"
)

// checkPaths resolves the private directories of the options, and refuses
// declared paths that lead to them.
func (o *Options) checkPaths() error {
	private := make([]string, len(o.Private))
	for n, path := range o.Private {
		real, err := filepath.EvalSymlinks(path)
		if err != nil {
			return fmt.Errorf("private: %w", err)
		}
		private[n] = real
	}
	o.Private = private
	for _, declared := range []struct {
		field string
		paths []string
	}{{"read paths", o.ReadPaths}, {"write paths", o.WritePaths}} {
		for _, path := range declared.paths {
			if err := o.checkPath(path); err != nil {
				return fmt.Errorf("%s: %w", declared.field, err)
			}
		}
	}
	return nil
}

func (o *Options) checkPath(path string) error {
	if !filepath.IsAbs(path) {
		return fmt.Errorf("%.200q is not absolute; name it from the root", path)
	}
	real, err := filepath.EvalSymlinks(path)
	if err != nil {
		return fmt.Errorf("%w; make it, or leave it out", err)
	}
	for _, private := range o.Private {
		if within(real, private) || within(private, real) {
			return fmt.Errorf("%s leads to %s, which is the daemon's own and no plugin's; name a directory beside it", path, private)
		}
	}
	return nil
}

// within tells whether a path is a directory or lies in it. Both are clean.
func within(path, dir string) bool {
	return path == dir || strings.HasPrefix(path, strings.TrimSuffix(dir, "/")+"/")
}
