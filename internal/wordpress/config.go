package wordpress

import (
	"bytes"
	"errors"
	"fmt"
	"regexp"
	"strings"
)

// The comments around what we write.
const (
	begins = "/* Postilion: made by `postilion wordpress connect`, removed by `postilion wordpress disconnect`. */"
	ends   = "/* End of Postilion. */"
)

// Constant is one of wp-config.php.
type Constant struct{ Name, Value string }

// ErrUnclear says that a wp-config.php is not of the usual kind, so that it is
// not for a program to change.
var ErrUnclear = errors.New("wp-config.php is not as WordPress makes it")

// Lines gives the PHP that sets constants.
func Lines(constants []Constant) string {
	var out strings.Builder
	fmt.Fprintln(&out, begins)
	for _, c := range constants {
		fmt.Fprintf(&out, "define('%s', '%s');\n", c.Name, strings.NewReplacer(`\`, `\\`, `'`, `\'`).Replace(c.Value))
	}
	fmt.Fprintln(&out, ends)
	return out.String()
}

// With gives a wp-config.php that sets the constants, in the place of what an
// earlier call has put there. The error is ErrUnclear if it is not certain
// where they belong, or that somebody else has not set them.
func With(source []byte, constants []Constant) ([]byte, error) {
	source, err := Without(source)
	if err != nil {
		return nil, err
	}
	parts := scan(source)
	for _, c := range constants {
		if defines(source, parts, c.Name) {
			return nil, fmt.Errorf("%w: it sets %s already; remove that line first", ErrUnclear, c.Name)
		}
	}
	at, err := settingsLine(source, parts)
	if err != nil {
		return nil, err
	}
	return append(append(bytes.Clone(source[:at]), Lines(constants)...), source[at:]...), nil
}

// Without gives a wp-config.php without what With has put there.
func Without(source []byte) ([]byte, error) {
	from, to := -1, -1
	for _, p := range scan(source) {
		if p.kind != kindComment {
			continue
		}
		switch text := string(source[p.start:p.end]); {
		case text == begins && from < 0:
			from = p.start
		case text == ends && from >= 0 && to < 0:
			to = p.end
		case text == begins || text == ends:
			return nil, fmt.Errorf("%w: there is more than one %q", ErrUnclear, text)
		}
	}
	switch {
	case from < 0:
		return bytes.Clone(source), nil
	case to < 0:
		return nil, fmt.Errorf("%w: the comment %q has no %q", ErrUnclear, begins, ends)
	}
	if to < len(source) && source[to] == '\n' {
		to++
	}
	return append(bytes.Clone(source[:from]), source[to:]...), nil
}

// Value gives a constant that a wp-config.php sets to a string, empty if it
// does not or computes it.
func Value(source []byte, name string) string {
	code := blanked(source, scan(source), true)
	found := regexp.MustCompile(`(?i)\bdefine\s*\(\s*['"]` + regexp.QuoteMeta(name) + `['"]\s*,\s*(?:'([^'\\$]*)'|"([^"\\$]*)")\s*\)`).FindSubmatch(code)
	if found == nil {
		return ""
	}
	return string(found[1]) + string(found[2])
}

func defines(source []byte, parts []part, name string) bool {
	code := blanked(source, parts, true)
	return regexp.MustCompile(`(?i)\bdefine\s*\(\s*['"]`+regexp.QuoteMeta(name)+`['"]`).Match(code) ||
		regexp.MustCompile(`(?i)\bconst\s+`+regexp.QuoteMeta(name)+`\b`).Match(code)
}

// blanked gives the source with blanks for what is no code, of the same
// length. Strings stay if wanted.
func blanked(source []byte, parts []part, strings bool) []byte {
	code := bytes.Clone(source)
	for _, p := range parts {
		if p.kind == kindCode || p.kind == kindString && strings {
			continue
		}
		for i := p.start; i < p.end; i++ {
			if code[i] != '\n' {
				code[i] = ' '
			}
		}
	}
	return code
}

var loads = regexp.MustCompile(`(?i)\b(?:require|include)(?:_once)?\b`)

// settingsLine gives where the line begins that loads WordPress: constants
// must stand before it.
func settingsLine(source []byte, parts []part) (int, error) {
	code, whole := blanked(source, parts, false), blanked(source, parts, true)
	at, places := -1, 0
	for _, p := range parts {
		if p.kind != kindString || !bytes.HasSuffix(bytes.Trim(source[p.start:p.end], `'"`), []byte("wp-settings.php")) {
			continue
		}
		statement := bytes.LastIndexAny(code[:p.start], ";{}") + 1
		if found := loads.FindIndex(code[statement:p.start]); found != nil {
			if at, places = statement+found[0], places+1; len(bytes.TrimSpace(whole[statement:at])) > 0 {
				return 0, fmt.Errorf("%w: wp-settings.php is loaded within a statement", ErrUnclear)
			}
		}
	}
	if places != 1 {
		return 0, fmt.Errorf("%w: wp-settings.php is loaded in %d places", ErrUnclear, places)
	}
	if bytes.Count(code[:at], []byte("{")) != bytes.Count(code[:at], []byte("}")) {
		return 0, fmt.Errorf("%w: wp-settings.php is loaded under a condition", ErrUnclear)
	}
	line := bytes.LastIndexByte(source[:at], '\n') + 1
	if len(bytes.TrimSpace(source[line:at])) > 0 { // not alone on its line
		line = at
	}
	return line, nil
}
