package cli

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"time"
	"unicode"

	"golang.org/x/term"
	"golang.org/x/text/width"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"
)

// style is how text looks where it goes to.
type style struct {
	width int // columns; 0 if it is no terminal: nothing is cut
	color bool
}

func styleOf(process Process) style {
	file, ok := process.Out.(*os.File)
	if !ok || !term.IsTerminal(int(file.Fd())) {
		return style{}
	}
	columns, _, err := term.GetSize(int(file.Fd()))
	if err != nil {
		columns = 80
	}
	return style{width: columns, color: process.Getenv("NO_COLOR") == "" && process.Getenv("TERM") != "dumb"}
}

const (
	red    = "31"
	green  = "32"
	yellow = "33"
	dim    = "2"
)

func (s style) paint(color, text string) string {
	if !s.color || color == "" || text == "" {
		return text
	}
	return "\x1b[" + color + "m" + text + "\x1b[0m"
}

// clean makes foreign text safe for a terminal: subjects and servers' replies
// could otherwise move the cursor or turn the writing direction.
func clean(text string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\n' || r == '\t':
			return ' '
		case r == '\r':
			return -1
		case unicode.IsControl(r), unicode.Is(unicode.Bidi_Control, r), r == '\u2028', r == '\u2029':
			return '\uFFFD'
		}
		return r
	}, text)
}

// columns is how wide text is on a terminal.
func columns(text string) int {
	total := 0
	for _, r := range text {
		switch kind := width.LookupRune(r).Kind(); {
		case unicode.Is(unicode.Mn, r):
		case kind == width.EastAsianWide || kind == width.EastAsianFullwidth:
			total += 2
		default:
			total++
		}
	}
	return total
}

// cut shortens text to a width, if there is one.
func cut(text string, limit int) string {
	if limit <= 0 || columns(text) <= limit {
		return text
	}
	used, end := 0, 0
	for i, r := range text {
		wide := columns(string(r))
		if used+wide > limit-1 {
			break
		}
		used += wide
		end = i + len(string(r))
	}
	return text[:end] + "…"
}

// table prints rows in columns. On a terminal the columns named in shrink give
// way, widest first, so that a row stays one line.
type table struct {
	head   []string
	shrink []int
	rows   [][]string
	notes  map[int][]string // lines under a row, indented
}

func (t *table) add(cells ...string) {
	for i := range cells {
		cells[i] = clean(cells[i])
	}
	t.rows = append(t.rows, cells)
}

func (t *table) note(text string) {
	if t.notes == nil {
		t.notes = map[int][]string{}
	}
	row := len(t.rows) - 1
	t.notes[row] = append(t.notes[row], clean(text))
}

func (t *table) print(out io.Writer, style style) {
	widths := t.widths(style.width)
	t.line(out, style, t.head, widths, dim)
	for i, row := range t.rows {
		t.line(out, style, row, widths, "")
		for _, note := range t.notes[i] {
			fmt.Fprintln(out, "  "+style.paint(yellow, cut(note, style.width-2)))
		}
	}
}

const minimumColumn = 8

func (t *table) widths(limit int) []int {
	widths := make([]int, len(t.head))
	total := 2 * (len(t.head) - 1)
	for i := range widths {
		widths[i] = columns(t.head[i])
		for _, row := range t.rows {
			widths[i] = max(widths[i], columns(row[i]))
		}
		total += widths[i]
	}
	for ; limit > 0 && total > limit; total-- {
		widest := -1
		for _, i := range t.shrink {
			if widths[i] > minimumColumn && (widest < 0 || widths[i] > widths[widest]) {
				widest = i
			}
		}
		if widest < 0 {
			break
		}
		widths[widest]--
	}
	return widths
}

func (t *table) line(out io.Writer, style style, cells []string, widths []int, color string) {
	var line strings.Builder
	for i, cell := range cells {
		cell = cut(cell, widths[i])
		line.WriteString(cell)
		if i < len(cells)-1 {
			line.WriteString(strings.Repeat(" ", widths[i]-columns(cell)+2))
		}
	}
	fmt.Fprintln(out, style.paint(color, strings.TrimRight(line.String(), " ")))
}

// object prints a message of the API as one line of JSON. protojson varies its
// spaces on purpose; compacting makes the output the same each time.
func (a *app) object(message proto.Message) error {
	text, err := protojson.Marshal(message)
	if err != nil {
		return err
	}
	var compact bytes.Buffer
	if err := json.Compact(&compact, text); err != nil {
		return err
	}
	_, err = fmt.Fprintln(a.Out, compact.String())
	return err
}

func (a *app) printf(format string, arguments ...any) {
	fmt.Fprintf(a.Out, format, arguments...)
}

// age is a time ago, or ahead, in its largest unit.
func age(d time.Duration) string {
	d = d.Abs()
	switch {
	case d < time.Minute:
		return strconv.Itoa(int(d.Seconds())) + "s"
	case d < time.Hour:
		return strconv.Itoa(int(d.Minutes())) + "m"
	case d < 48*time.Hour:
		return strconv.Itoa(int(d.Hours())) + "h"
	}
	return strconv.Itoa(int(d.Hours()/24)) + "d"
}

// when is a time with its distance from now; empty if there is none.
func (a *app) when(stamp *timestamppb.Timestamp) string {
	if stamp == nil {
		return ""
	}
	at := stamp.AsTime()
	text := at.Local().Format("2006-01-02 15:04:05")
	if distance := at.Sub(a.Now()); distance > 0 {
		return text + " (in " + age(distance) + ")"
	}
	return text + " (" + age(a.Now().Sub(at)) + " ago)"
}

func bytesText(n int64) string {
	switch {
	case n < 1<<10:
		return strconv.FormatInt(n, 10) + " B"
	case n < 1<<20:
		return fmt.Sprintf("%.1f KiB", float64(n)/(1<<10))
	case n < 1<<30:
		return fmt.Sprintf("%.1f MiB", float64(n)/(1<<20))
	}
	return fmt.Sprintf("%.1f GiB", float64(n)/(1<<30))
}

// word is an enum's value as people write it: MESSAGE_STATE_SENT is "sent".
func word(value fmt.Stringer, prefix string) string {
	return strings.ReplaceAll(strings.ToLower(strings.TrimPrefix(value.String(), prefix)), "_", "-")
}

// enum finds the value that word gave.
func enum(values map[string]int32, prefix, text, flag string) (int32, error) {
	name := prefix + strings.ToUpper(strings.NewReplacer("-", "_", ".", "_").Replace(text))
	if value, ok := values[name]; ok && value != 0 {
		return value, nil
	}
	var known []string
	for value := int32(1); value < int32(len(values)+1); value++ {
		for name, number := range values {
			if number == value {
				known = append(known, strings.ReplaceAll(strings.ToLower(strings.TrimPrefix(name, prefix)), "_", "-"))
			}
		}
	}
	return 0, usage("%s: %q is unknown; use one of %s", flag, text, strings.Join(known, ", "))
}
