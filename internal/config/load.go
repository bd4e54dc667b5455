package config

import (
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/spf13/pflag"
	"go.yaml.in/yaml/v3"

	"github.com/postilion-mail/postilion/internal/spell"
)

const (
	prefix      = "POSTILION_"
	fileFlag    = "config"
	maxFileSize = 1 << 20
)

// Register adds a flag for every setting, and --config for the file, to a set
// of flags.
func Register(flags *pflag.FlagSet) {
	flags.String(fileFlag, "", "YAML file with settings ("+prefix+"CONFIG)")
	defaults := Default()
	for _, s := range settings(&defaults) {
		flags.Var(flagValue{s.value}, s.flag(), fmt.Sprintf("%s (%s)", s.usage, s.variable()))
	}
}

// flagValue makes the errors of a flag say what was expected.
type flagValue struct{ value }

// Set parses the argument of a flag.
func (f flagValue) Set(s string) error {
	if err := f.value.Set(s); err != nil {
		return errors.New("expected " + f.expected())
	}
	return nil
}

// Load puts the configuration together: defaults, the file, the environment
// (as os.Environ gives it), the flags that were set. It reports every mistake
// at once, each with its place, the setting and what was expected there.
// Warnings are for variables that look like settings and are none.
func Load(flags *pflag.FlagSet, environ []string) (c Config, warnings []string, err error) {
	c = Default()
	entries := settings(&c)
	values, warnings := environment(environ, entries)
	file := values[prefix+"CONFIG"]
	if flags.Changed(fileFlag) {
		file = flags.Lookup(fileFlag).Value.String()
	}
	var problems []error
	if file != "" {
		problems = append(problems, c.overlayFile(file, entries)...)
	}
	for _, s := range entries {
		if v, ok := values[s.variable()]; ok {
			problems = append(problems, c.set(s, v, s.variable()))
		}
		if flag := flags.Lookup(s.flag()); flag != nil && flag.Changed {
			problems = append(problems, c.set(s, flag.Value.String(), "--"+s.flag()))
		}
	}
	if err := errors.Join(problems...); err != nil {
		return c, warnings, err
	}
	if err := c.complete(); err != nil {
		return c, warnings, err
	}
	return c, warnings, c.Validate()
}

// set gives a setting its value from the place named by origin.
func (c *Config) set(s setting, v, origin string) error {
	if err := s.value.Set(v); err != nil {
		return fmt.Errorf("%s: %s: %q is not valid: expected %s", origin, s.key, shorten(v), s.value.expected())
	}
	c.origins[s.key] = origin
	return nil
}

// environment picks the settings out of the environment. An empty variable
// counts as not set, as in most programs. What starts with our prefix and
// belongs to no part of Postilion is likely a misspelling; it may also be set
// by an orchestrator (Kubernetes makes POSTILION_PORT for a service of that
// name), so it is only worth a warning. Values are not shown: POSTILION_TOKEN
// is one of these variables.
func environment(environ []string, entries []setting) (values map[string]string, warnings []string) {
	values = make(map[string]string)
	known := []string{"CONFIG", "KEY", "TOKEN", "TOKEN_FILE", "SOCKET", "ADDRESS", "SIDECAR", "HOST_PID"}
	for _, entry := range environ {
		name, v, _ := strings.Cut(entry, "=")
		rest, ours := strings.CutPrefix(name, prefix)
		if !ours || v == "" {
			continue
		}
		values[name] = v
		isSetting := slices.ContainsFunc(entries, func(s setting) bool { return s.variable() == name })
		if !isSetting && !slices.Contains(known, rest) && !strings.HasPrefix(rest, "SENDMAIL_") {
			warnings = append(warnings, fmt.Sprintf("the environment has %s, which is no setting%s", name, suggest(strings.ToLower(rest), entries)))
		}
	}
	slices.Sort(warnings)
	return values, warnings
}

// overlayFile reads the settings of a YAML file: one mapping, each key once.
func (c *Config) overlayFile(name string, entries []setting) []error {
	content, err := readFile(name)
	if err != nil {
		return []error{err}
	}
	decoder := yaml.NewDecoder(strings.NewReader(content))
	var document, more yaml.Node
	if err := decoder.Decode(&document); errors.Is(err, io.EOF) {
		return nil // empty
	} else if err != nil {
		return []error{fmt.Errorf("%s: %s", name, strings.TrimPrefix(err.Error(), "yaml: "))}
	}
	if err := decoder.Decode(&more); !errors.Is(err, io.EOF) {
		return []error{fmt.Errorf("%s: expected one YAML document", name)}
	}
	root := document.Content[0]
	if root.Kind == yaml.ScalarNode && root.Tag == "!!null" {
		return nil // nothing but comments
	}
	if root.Kind != yaml.MappingNode {
		return []error{fmt.Errorf("%s:%d: expected lines such as data_dir: /var/lib/postilion", name, root.Line)}
	}
	var problems []error
	seen := make(map[string]bool)
	for i := 0; i+1 < len(root.Content); i += 2 {
		key, node := root.Content[i], root.Content[i+1]
		origin := fmt.Sprintf("%s:%d", name, key.Line)
		index := slices.IndexFunc(entries, func(s setting) bool { return s.key == key.Value })
		switch {
		case index < 0:
			problems = append(problems, fmt.Errorf("%s: %s: no such setting%s", origin, shorten(key.Value), suggest(key.Value, entries)))
		case seen[key.Value]:
			problems = append(problems, fmt.Errorf("%s: %s: set twice", origin, key.Value))
		default:
			problems = append(problems, c.overlayNode(entries[index], node, origin))
		}
		seen[key.Value] = true
	}
	return problems
}

// overlayNode gives a setting its value from a scalar, or, if it is a list,
// from a sequence of scalars.
func (c *Config) overlayNode(s setting, node *yaml.Node, origin string) error {
	scalar := func(n *yaml.Node) bool { return n.Kind == yaml.ScalarNode && n.Tag != "!!null" }
	if scalar(node) {
		return c.set(s, node.Value, origin)
	}
	if _, list := s.value.(*prefixes); !list || node.Kind != yaml.SequenceNode || !all(node.Content, scalar) {
		return fmt.Errorf("%s: %s: expected %s", origin, s.key, s.value.expected())
	}
	parts := make([]string, len(node.Content))
	for i, part := range node.Content {
		parts[i] = part.Value
	}
	return c.set(s, strings.Join(parts, ","), origin)
}

func all[T any](list []T, holds func(T) bool) bool {
	return !slices.ContainsFunc(list, func(v T) bool { return !holds(v) })
}

func readFile(name string) (string, error) {
	file, err := os.Open(name)
	if err != nil {
		return "", fmt.Errorf("configuration file: %w", err)
	}
	defer file.Close()
	content, err := io.ReadAll(io.LimitReader(file, maxFileSize+1))
	if err != nil {
		return "", fmt.Errorf("configuration file: %w", err)
	}
	if len(content) > maxFileSize {
		return "", fmt.Errorf("configuration file %s: larger than 1 MiB", name)
	}
	return string(content), nil
}

// suggest names the setting that was likely meant, or all of them.
func suggest(key string, entries []setting) string {
	key = strings.ReplaceAll(strings.ToLower(key), "-", "_")
	names := make([]string, len(entries))
	for i, s := range entries {
		names[i] = s.key
	}
	nearest := slices.MinFunc(names, func(a, b string) int { return distance(key, a) - distance(key, b) })
	if distance(key, nearest) <= 3 {
		return fmt.Sprintf("; did you mean %s?", nearest)
	}
	return "; expected one of " + strings.Join(names, ", ")
}

// distance is that of spelling. Long texts are far from everything.
func distance(a, b string) int {
	if len(a) > 64 {
		return len(a)
	}
	return spell.Distance(a, b)
}

// shorten keeps what someone wrote from filling the terminal.
func shorten(s string) string {
	if len(s) > 80 {
		return s[:80] + "..."
	}
	return s
}
