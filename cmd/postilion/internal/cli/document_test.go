package cli

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

var update = flag.Bool("update", false, "write the commands into docs/cli.md")

const (
	document = "../../../../docs/cli.md"
	marker   = "<!-- The rest is made from the program: go test ./cmd/postilion/internal/cli -run TestDocument -update -->\n"
)

// TestDocument fails if docs/cli.md does not describe the commands and flags
// as they are.
func TestDocument(t *testing.T) {
	t.Parallel()
	content, err := os.ReadFile(document)
	if err != nil {
		t.Fatal(err)
	}
	head, got, found := strings.Cut(string(content), marker)
	if !found {
		t.Fatalf("%s has no line %s", document, marker)
	}
	var text strings.Builder
	root := Commands()
	root.InitDefaultCompletionCmd()
	describe(&text, root)
	if *update {
		if err := os.WriteFile(document, []byte(head+marker+text.String()), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if diff := cmp.Diff(text.String(), got); diff != "" {
		t.Errorf("docs/cli.md is not what the program says; run this test with -update\n%s", diff)
	}
}

func describe(out *strings.Builder, command *cobra.Command) {
	if command.HasParent() && command.Parent().Name() == "completion" {
		return // cobra's own, a command for each shell
	}
	fmt.Fprintf(out, "\n## %s\n\n", command.CommandPath())
	long := command.Long
	if long == "" || command.Name() == "completion" {
		long = command.Short + "."
	}
	fmt.Fprintf(out, "%s\n", strings.ReplaceAll(indentExamples(long), "\n\n\n", "\n\n"))
	if command.Runnable() && (!command.HasSubCommands() || command.Name() == "doctor") {
		fmt.Fprintf(out, "\n    %s\n", command.UseLine())
	}
	if command.Example != "" {
		fmt.Fprintf(out, "\nExamples:\n\n%s\n", indentExamples(command.Example))
	}
	flags := command.LocalFlags()
	if command.Name() == "serve" { // package config checks its own document
		fmt.Fprintf(out, "\nThe flags are the settings in [configuration.md](configuration.md), and `--check`: %s.\n", flags.Lookup("check").Usage)
		return
	}
	if flags.HasAvailableFlags() {
		fmt.Fprintf(out, "\n| flag | meaning |\n|---|---|\n")
		flags.VisitAll(func(flag *pflag.Flag) {
			if !flag.Hidden && flag.Name != "help" && flag.Name != "version" {
				fmt.Fprintf(out, "| %s | %s |\n", flagText(flag), usageText(flag))
			}
		})
	}
	for _, child := range command.Commands() {
		if child.IsAvailableCommand() && child.Name() != "help" {
			describe(out, child)
		}
	}
}

// indentExamples makes code blocks of the lines that the help indents.
func indentExamples(text string) string {
	lines := strings.Split(text, "\n")
	for i, line := range lines {
		if strings.HasPrefix(line, "  ") {
			lines[i] = "  " + line
		}
	}
	return strings.Join(lines, "\n")
}

func flagText(flag *pflag.Flag) string {
	name, _ := pflag.UnquoteUsage(flag)
	if flag.NoOptDefVal != "" || name == "" {
		return "`--" + flag.Name + "`"
	}
	switch name {
	case "int", "uint32":
		name = "number"
	case "string", "strings":
		name = "text"
	}
	return "`--" + flag.Name + " " + name + "`"
}

func usageText(flag *pflag.Flag) string {
	_, usage := pflag.UnquoteUsage(flag)
	usage = strings.NewReplacer("|", `\|`, "<", "&lt;").Replace(usage)
	switch flag.DefValue {
	case "", "false", "0", "[]", "0s":
		return usage
	}
	return usage + " (default " + flag.DefValue + ")"
}
