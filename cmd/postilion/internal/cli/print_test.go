package cli

import (
	"strings"
	"testing"
	"time"
	"unicode/utf8"
)

func TestTableFitsTheTerminal(t *testing.T) {
	t.Parallel()
	list := table{head: []string{"ID", "SUBJECT", "TO"}, shrink: []int{1, 2}}
	list.add("0192f3a4", strings.Repeat("日本", 40), strings.Repeat("recipient", 8))
	list.note(strings.Repeat("reason ", 30))
	var out strings.Builder
	list.print(&out, style{width: 60})
	for line := range strings.Lines(out.String()) {
		if width := columns(strings.TrimSuffix(line, "\n")); width > 60 {
			t.Errorf("%d columns: %s", width, line)
		}
	}
	if !strings.Contains(out.String(), "0192f3a4") || !strings.Contains(out.String(), "…") {
		t.Errorf("%s", out.String())
	}
	out.Reset()
	list.print(&out, style{})
	if strings.Contains(out.String(), "…") || strings.Contains(out.String(), "\x1b") {
		t.Errorf("without a terminal nothing is cut or coloured: %s", out.String())
	}
	out.Reset()
	list.print(&out, style{width: 200, color: true})
	if !strings.Contains(out.String(), "\x1b[2m") || strings.Contains(out.String(), "\x1b[m") {
		t.Errorf("no colour: %q", out.String())
	}
}

func TestAge(t *testing.T) {
	t.Parallel()
	for want, d := range map[string]time.Duration{
		"0s": 0, "59s": 59 * time.Second, "1m": time.Minute, "47h": 47*time.Hour + time.Minute, "2d": 48 * time.Hour, "5m": -5 * time.Minute,
	} {
		if got := age(d); got != want {
			t.Errorf("%v: %s, want %s", d, got, want)
		}
	}
}

func FuzzCleanAndCut(f *testing.F) {
	for _, seed := range []string{"", "plain", "\x1b[2J", "a\r\nb", "\u202eright to left", "日本語", "\xff\xfe", "e\u0301", "\u2028"} {
		f.Add(seed, 10)
	}
	f.Fuzz(func(t *testing.T, text string, limit int) {
		cleaned := clean(text)
		if strings.ContainsAny(cleaned, "\x1b\r\n\x00\u009b\u202e") {
			t.Errorf("clean(%q) = %q", text, cleaned)
		}
		limit = min(max(limit, 1), 100)
		if got := cut(cleaned, limit); columns(got) > limit || !utf8.ValidString(got) {
			t.Errorf("cut(%q, %d) = %q", cleaned, limit, got)
		}
	})
}
