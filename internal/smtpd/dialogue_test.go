package smtpd

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// TestDialogues plays the files of testdata/dialogues against a server on TCP.
// Each line has a letter and a colon in front:
//
//	O  options: auth (nobody has an account without AUTH), refuse=CODE (what
//	   Submit answers), trace
//	C  a line of the client, sent with CRLF; what stands together is sent in
//	   one write
//	R  octets of the client, quoted as in Go; (x*N) behind it repeats them
//	S  a line of the server; with * at its end, the beginning of one
//	E  the server hangs up
//	M  the next message: sender, recipients with their parameters, and its
//	   content, quoted as in Go
//
// At the end no message must be left.
func TestDialogues(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("testdata/dialogues/*.txt")
	if err != nil || len(files) < 10 {
		t.Fatal(files, err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			t.Parallel()
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			play(t, string(text))
		})
	}
}

func play(t *testing.T, text string) {
	b := &book{}
	o := options(b)
	var c *client
	var pending bytes.Buffer
	seen := 0
	for i, line := range strings.Split(text, "\n") {
		if line == "" || line[0] == '#' {
			continue
		}
		kind, rest, ok := strings.Cut(line, ": ")
		if !ok {
			kind = strings.TrimSuffix(line, ":")
		}
		if kind == "O" {
			setOptions(t, &o, b, rest)
			continue
		}
		if c == nil {
			c = dial(t, serve(t, New(o)))
		}
		switch kind {
		case "C":
			pending.WriteString(rest + "\r\n")
			continue
		case "R":
			pending.WriteString(raw(t, rest))
			continue
		}
		if pending.Len() > 0 {
			c.say(pending.String())
			pending.Reset()
		}
		switch kind {
		case "S":
			if got := c.line(); !matches(got, rest) {
				t.Fatalf("line %d: %q, not %q", i+1, got, rest)
			}
		case "E":
			if got := c.line(); got != "EOF" {
				t.Fatalf("line %d: %q, not the end", i+1, got)
			}
		case "M":
			list := b.list()
			if seen == len(list) {
				t.Fatalf("line %d: no message", i+1)
			}
			if got := describe(list[seen]); got != rest {
				t.Fatalf("line %d: message\n%s, not\n%s", i+1, got, rest)
			}
			seen++
		default:
			t.Fatalf("line %d: %s", i+1, line)
		}
	}
	if list := b.list(); len(list) != seen {
		t.Errorf("%d messages, not %d; the next is %s", len(list), seen, describe(list[seen]))
	}
}

func setOptions(t *testing.T, o *Options, b *book, words string) {
	for word := range strings.FieldsSeq(words) {
		switch name, value, _ := strings.Cut(word, "="); name {
		case "auth":
			o.Anonymous = nil
		case "trace":
			o.Trace = true
		case "refuse":
			code, err := strconv.Atoi(value)
			if err != nil {
				t.Fatal(err)
			}
			b.answer = func(*Message) error { return &Reply{code, "5.6.0", "Nö\r\n" + strings.Repeat("x", 600)} }
		case "fail":
			b.answer = func(*Message) error { return fmt.Errorf("secret path") }
		default:
			t.Fatal(word)
		}
	}
}

// raw reads octets quoted as in Go.
func raw(t *testing.T, s string) string {
	t.Helper()
	times := 1
	if quoted, n, ok := strings.Cut(s, " x"); ok {
		var err error
		if times, err = strconv.Atoi(n); err != nil {
			t.Fatal(err)
		}
		s = quoted
	}
	s, err := strconv.Unquote(s)
	if err != nil {
		t.Fatal(err)
	}
	return strings.Repeat(s, times)
}

func describe(m *Message) string {
	var b strings.Builder
	fmt.Fprintf(&b, "<%s>", m.From)
	if m.Return+m.EnvelopeID != "" {
		fmt.Fprintf(&b, " (%s, %s)", m.Return, m.EnvelopeID)
	}
	for _, r := range m.Recipients {
		fmt.Fprintf(&b, " <%s>", r.Address)
		if r.Notify+r.Original != "" {
			fmt.Fprintf(&b, " (%s, %s)", r.Notify, r.Original)
		}
	}
	content := m.Content
	if len(content) > 300 {
		content = fmt.Appendf(nil, "%d octets", len(content))
	}
	return b.String() + " " + strconv.Quote(string(content))
}
