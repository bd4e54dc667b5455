package sdk

import (
	"slices"
	"strings"
	"testing"
)

// What a launched daemon does is tried in test/launch.

func TestSocketOf(t *testing.T) {
	t.Parallel()
	for line, want := range map[string]string{
		"1|1|unix|/data/admin.sock|grpc":      "/data/admin.sock",
		"1|1|unix|/data/admin.sock|grpc|more": "/data/admin.sock",
		"1|2|unix|/data/admin.sock|grpc":      "",
		"1|1|tcp|127.0.0.1:1|grpc":            "",
		"1|1|unix|data/admin.sock|grpc":       "",
		"1|1|unix|/data/admin.sock|netrpc":    "",
		"1|1|unix|/data/admin.sock":           "",
		"":                                    "",
	} {
		if got, err := socketOf(line); got != want || (err == nil) != (want != "") {
			t.Errorf("%q: %q, error %v", line, got, err)
		}
	}
}

func TestFirstLine(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		writes []string
		want   string
	}{
		"at once":     {[]string{"one\ntwo\n"}, "one"},
		"in parts":    {[]string{"o", "ne", "\n", "two\n"}, "one"},
		"never ended": {[]string{strings.Repeat("x", maxHandshake), "y"}, strings.Repeat("x", maxHandshake) + "y"},
	} {
		f := &firstLine{line: make(chan string, 1)}
		for _, w := range test.writes {
			if n, err := f.Write([]byte(w)); n != len(w) || err != nil {
				t.Errorf("%s: %d, %v", name, n, err)
			}
		}
		if got := <-f.line; got != test.want {
			t.Errorf("%s: %.20q, want %.20q", name, got, test.want)
		}
	}
}

func TestTail(t *testing.T) {
	t.Parallel()
	log := &tail{}
	if got := log.String(); got != "it has said nothing" {
		t.Error(got)
	}
	for range 1000 {
		_, _ = log.Write([]byte("a line of the log\n"))
	}
	_, _ = log.Write([]byte("the last one\n"))
	if got := log.String(); got != "the last one" || len(log.kept) > maxTail {
		t.Errorf("%q of %d octets", got, len(log.kept))
	}
}

func TestOurEnvironment(t *testing.T) {
	t.Parallel()
	got := ourEnvironment([]string{"PATH=/bin", "POSTILION_TOKEN=x", "NOTIFY_SOCKET=/run/x", "LISTEN_FDS=1", "WATCHDOG_USEC=1", "TZ=UTC"})
	if want := []string{"PATH=/bin", "TZ=UTC"}; !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}
