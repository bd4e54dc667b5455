package main

import (
	_ "embed"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"text/template"
	"time"
)

// report is docs/benchmarks.md. What is said there about figures that missed
// their targets is written by hand, in the template.
//
//go:embed files/report.md.tmpl
var report string

// write writes the tables with what they were measured on.
func (s *suite) write(path string) error {
	parsed, err := template.New("report").Parse(report)
	if err != nil {
		return err
	}
	var text strings.Builder
	err = parsed.Execute(&text, map[string]any{
		"Date": time.Now().UTC().Format("2 January 2006"), "Machine": machine(), "Software": s.software(),
		"Runs": s.runs, "Quick": s.quick, "Tables": s.tables, "Load": s.load, "Missing": strings.Join(s.missing, ", "),
	})
	if err != nil {
		return err
	}
	return os.WriteFile(path, []byte(text.String()), 0o644)
}

// machine says what all was measured on.
func machine() string {
	model := field("/proc/cpuinfo", "model name")
	if model == "" {
		model = runtime.GOARCH
	}
	memory := strings.TrimSuffix(field("/proc/meminfo", "MemTotal"), " kB")
	var kibibytes float64
	_, _ = fmt.Sscan(memory, &kibibytes)
	kernel, _ := os.ReadFile("/proc/sys/kernel/osrelease")
	return fmt.Sprintf("%d cores of %s, %.0f GiB of memory, Linux %s, %s", runtime.NumCPU(), model, kibibytes/(1<<20), strings.TrimSpace(string(kernel)), fileSystem())
}

// field finds a line such as "name : value".
func field(path, name string) string {
	content, _ := os.ReadFile(path)
	for line := range strings.Lines(string(content)) {
		if key, value, found := strings.Cut(line, ":"); found && strings.TrimSpace(key) == name {
			return strings.TrimSpace(value)
		}
	}
	return ""
}

// fileSystem is that of the directory in which all contenders have their files.
func fileSystem() string {
	out, err := exec.Command("stat", "-f", "-c", "%T", os.TempDir()).Output()
	if err != nil {
		return "an unknown file system"
	}
	return strings.TrimSpace(string(out))
}

// software lists the versions.
func (s *suite) software() string {
	revision := "unknown"
	command := exec.Command("git", "-C", s.root, "describe", "--always", "--dirty")
	if out, err := command.Output(); err == nil {
		revision = strings.TrimSpace(string(out))
	}
	list := []string{"Postilion " + revision, runtime.Version(), "Postfix " + postfixVersion()}
	for _, program := range [][]string{{"php", "-r", "echo PHP_VERSION;"}, {"msmtp", "--version"}} {
		if out, err := exec.Command(program[0], program[1:]...).Output(); err == nil {
			line, _, _ := strings.Cut(string(out), "\n")
			list = append(list, strings.TrimPrefix(filepath.Base(program[0])+" "+line, "msmtp "))
		}
	}
	for _, name := range []string{"libphp-phpmailer", "php-symfony-mailer"} {
		if out, err := exec.Command("dpkg-query", "-W", "-f", "${Version}", name).Output(); err == nil {
			list = append(list, name+" "+string(out))
		}
	}
	if out, err := exec.Command("go", "list", "-m", "-f", "{{.Version}}", "github.com/wneessen/go-mail").Output(); err == nil {
		list = append(list, "go-mail "+strings.TrimSpace(string(out)))
	}
	return strings.Join(list, ", ")
}
