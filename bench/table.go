package main

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"time"
)

// table is the result of a benchmark.
type table struct {
	Title   string
	About   string // how it was measured
	columns []string
	rows    [][]string
	Targets []target
	Notes   []string
}

// target is what a figure should reach.
type target struct {
	What, Want, Got string
	Met             bool
}

func (t *table) row(cells ...string) { t.rows = append(t.rows, cells) }

func (t *table) note(format string, args ...any) {
	t.Notes = append(t.Notes, fmt.Sprintf(format, args...))
}

// atLeast and atMost hold a figure against a target.
func (t *table) atLeast(what string, got, want float64, unit string) {
	t.Targets = append(t.Targets, target{what, "at least " + figure(want) + unit, figure(got) + unit, got >= want})
}

func (t *table) atMost(what string, got, want float64, unit string) {
	t.Targets = append(t.Targets, target{what, "under " + figure(want) + unit, figure(got) + unit, got < want})
}

// String is the table in Markdown.
func (t *table) String() string {
	var out strings.Builder
	fmt.Fprintf(&out, "## %s\n\n%s\n\n", t.Title, t.About)
	out.WriteString(markdown(t.columns, t.rows))
	if len(t.Targets) > 0 {
		var rows [][]string
		for _, target := range t.Targets {
			verdict := "reached"
			if !target.Met {
				verdict = "**missed**"
			}
			rows = append(rows, []string{target.What, target.Want, target.Got, verdict})
		}
		out.WriteString("\n" + markdown([]string{"target", "wanted", "measured", ""}, rows))
	}
	for i, note := range t.Notes {
		if i == 0 {
			out.WriteString("\n")
		}
		fmt.Fprintf(&out, "- %s\n", note)
	}
	return out.String()
}

// markdown aligns the columns, so that the text can be read as it is.
func markdown(columns []string, rows [][]string) string {
	widths := make([]int, len(columns))
	lines := append([][]string{columns}, rows...)
	for _, line := range lines {
		for i, cell := range line {
			widths[i] = max(widths[i], len([]rune(cell)), 3)
		}
	}
	var out strings.Builder
	for n, line := range lines {
		for i, width := range widths {
			cell := ""
			if i < len(line) {
				cell = line[i]
			}
			fmt.Fprintf(&out, "| %-*s ", width, cell)
		}
		out.WriteString("|\n")
		if n == 0 {
			for i, width := range widths {
				dashes := strings.Repeat("-", width+1)
				if i == 0 {
					out.WriteString("|" + dashes + "-")
				} else {
					out.WriteString("|" + dashes + ":")
				}
			}
			out.WriteString("|\n")
		}
	}
	return out.String()
}

// series are the measurements of one figure.
type series []float64

// quantile is the value that the share q of the series does not exceed.
func (s series) quantile(q float64) float64 {
	if len(s) == 0 {
		return math.NaN()
	}
	sorted := slices.Sorted(slices.Values(s))
	return sorted[max(int(math.Ceil(q*float64(len(sorted))))-1, 0)]
}

// median is the middle one, or the mean of the middle two.
func (s series) median() float64 {
	if len(s) == 0 {
		return math.NaN()
	}
	sorted := slices.Sorted(slices.Values(s))
	return (sorted[(len(sorted)-1)/2] + sorted[len(sorted)/2]) / 2
}

// String is the median, and the range if there are several.
func (s series) String() string {
	if len(s) < 2 {
		return figure(s.median())
	}
	return fmt.Sprintf("%s (%s–%s)", figure(s.median()), figure(slices.Min(s)), figure(slices.Max(s)))
}

// figure writes a number with three significant digits, and thousands apart.
func figure(f float64) string {
	switch size := math.Abs(f); {
	case math.IsNaN(f) || math.IsInf(f, 0):
		return "–"
	case size >= 1000:
		text := fmt.Sprintf("%.0f", f)
		for i := len(text) - 3; i > 0 && text[i-1] != '-'; i -= 3 {
			text = text[:i] + "," + text[i:]
		}
		return text
	case size >= 100 || size == math.Trunc(size):
		return fmt.Sprintf("%.0f", f)
	case size >= 10:
		return fmt.Sprintf("%.1f", f)
	}
	return fmt.Sprintf("%.2f", f)
}

func milliseconds(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

// inMilliseconds are durations as a series.
func inMilliseconds(times []time.Duration) series {
	s := make(series, len(times))
	for i, d := range times {
		s[i] = milliseconds(d)
	}
	return s
}
