package host

import (
	"bytes"
	"context"
	"encoding/json"
	"log/slog"
	"strings"
	"sync"
	"time"
	"unicode"
)

const (
	maxLine   = 8 << 10 // octets of a line that are kept
	keptLines = 100     // for whoever asks what the plugin said last
	lineRate  = 100     // lines a second that are logged; more are counted
	lineBurst = 500
)

// output takes what a plugin writes. Nothing of it is trusted: lines are cut,
// control characters are taken out, at most so many are logged, and what a
// line claims stands in values of the record, never in its keys.
type output struct {
	log    *slog.Logger
	plugin string

	mu      sync.Mutex
	lines   []string // the last ones, as they came
	fresh   int      // how many of them are of the last process
	tokens  float64
	filled  time.Time
	dropped int
	panics  bool // a stack trace has begun
}

func newOutput(log *slog.Logger, plugin string) *output {
	return &output{log: log, plugin: plugin, tokens: lineBurst, filled: time.Now()}
}

// begin tells that what comes now is of another process.
func (o *output) begin() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.fresh, o.panics = 0, false
}

// last gives the newest lines, oldest first.
func (o *output) last() []string {
	o.mu.Lock()
	defer o.mu.Unlock()
	texts := make([]string, len(o.lines))
	for n, raw := range o.lines {
		_, texts[n], _ = parseLine([]byte(raw))
	}
	return texts
}

// said is the newest line of the last process; empty if there is none.
func (o *output) said() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.fresh == 0 {
		return ""
	}
	_, text, _ := parseLine([]byte(o.lines[len(o.lines)-1]))
	return text
}

// line takes one line. One that is too many costs little: it is read only if
// somebody asks for it.
func (o *output) line(raw []byte) {
	raw = bytes.TrimSpace(raw)
	if len(raw) == 0 {
		return
	}
	o.mu.Lock()
	o.panics = o.panics || bytes.HasPrefix(raw, []byte("panic: ")) || bytes.HasPrefix(raw, []byte("fatal error: "))
	panics := o.panics
	if len(o.lines) == keptLines {
		o.lines = o.lines[1:]
	}
	o.lines = append(o.lines, string(raw))
	o.fresh = min(o.fresh+1, keptLines)
	dropped, ok := o.take()
	o.mu.Unlock()
	ctx := context.Background()
	if dropped > 0 {
		o.log.WarnContext(ctx, "a plugin writes too much, lines are left out", "plugin", o.plugin, "lines", dropped)
	}
	if !ok {
		return
	}
	level, text, fields := parseLine(raw)
	if panics && fields == "" {
		level = slog.LevelError
	}
	attributes := []slog.Attr{slog.String("plugin", o.plugin), slog.String("text", text)}
	if fields != "" {
		attributes = append(attributes, slog.String("fields", fields))
	}
	o.log.LogAttrs(ctx, level, "from a plugin", attributes...)
}

// take says whether one more line may be logged, and how many were not before
// it.
func (o *output) take() (dropped int, ok bool) {
	now := time.Now()
	o.tokens = min(lineBurst, o.tokens+now.Sub(o.filled).Seconds()*lineRate)
	o.filled = now
	if o.tokens < 1 {
		o.dropped++
		return 0, false
	}
	o.tokens--
	dropped, o.dropped = o.dropped, 0
	return dropped, true
}

// parseLine reads a line that go-hclog or plugin.NewLogger has written; all
// others are debug lines as they are.
func parseLine(raw []byte) (level slog.Level, text, fields string) {
	raw = bytes.TrimSpace(raw)
	var entry map[string]any
	if len(raw) == 0 || raw[0] != '{' || json.Unmarshal(raw, &entry) != nil {
		return slog.LevelDebug, printable(string(raw)), ""
	}
	message, isText := entry["@message"].(string)
	name, _ := entry["@level"].(string)
	if !isText {
		return slog.LevelDebug, printable(string(raw)), ""
	}
	for _, known := range []string{"@message", "@level", "@timestamp"} {
		delete(entry, known)
	}
	rest, err := json.Marshal(entry)
	if err != nil {
		rest = nil
	}
	return levelOf(name), printable(message), printable(string(rest))
}

func levelOf(name string) slog.Level {
	switch name {
	case "info":
		return slog.LevelInfo
	case "warn":
		return slog.LevelWarn
	case "error":
		return slog.LevelError
	}
	return slog.LevelDebug
}

// printable takes out what could act on a terminal or break a line.
func printable(text string) string {
	return strings.Map(func(r rune) rune {
		if !unicode.IsGraphic(r) && r != '\t' {
			return unicode.ReplacementChar
		}
		return r
	}, strings.ToValidUTF8(text, "\uFFFD"))
}

// stream is one of the ways on which a plugin writes. It cuts what comes into
// lines and takes everything, so that the plugin never waits for us. Its
// methods are for one goroutine.
type stream struct {
	out  *output
	rest []byte
}

// Write implements io.Writer.
func (s *stream) Write(p []byte) (int, error) {
	n := len(p)
	for len(p) > 0 {
		part, after, whole := bytes.Cut(p, []byte("\n"))
		s.rest = append(s.rest, part[:min(len(part), maxLine-len(s.rest))]...)
		if whole {
			s.end()
		}
		p = after
	}
	return n, nil
}

// end takes what has come as a line.
func (s *stream) end() {
	s.out.line(s.rest)
	s.rest = s.rest[:0]
}
