package plugin

import (
	"log/slog"
	"os"
	"strings"
)

// NewLogger makes a logger for a transport. Under the daemon its records
// become the daemon's, with their levels and the plugin's name; without the
// daemon they are lines of text on stderr. Make it before Serve. Records with
// secrets are the author's to avoid.
//
// Everything else that a plugin writes to stderr is a debug line of the
// daemon's log.
func NewLogger(level slog.Leveler) *slog.Logger {
	options := &slog.HandlerOptions{Level: level}
	if !launched() {
		return slog.New(slog.NewTextHandler(os.Stderr, options))
	}
	options.ReplaceAttr = hostKeys
	return slog.New(slog.NewJSONHandler(os.Stderr, options))
}

// logTime is the form of go-plugin's log lines.
const logTime = "2006-01-02T15:04:05.000000Z07:00"

// hostKeys gives the attributes of a record the names that go-plugin's log
// lines have.
func hostKeys(groups []string, a slog.Attr) slog.Attr {
	if len(groups) > 0 {
		return a
	}
	switch a.Key {
	case slog.TimeKey:
		if a.Value.Kind() == slog.KindTime {
			return slog.String("@timestamp", a.Value.Time().Format(logTime))
		}
	case slog.LevelKey:
		return slog.String("@level", strings.ToLower(a.Value.String()))
	case slog.MessageKey:
		a.Key = "@message"
	}
	return a
}
