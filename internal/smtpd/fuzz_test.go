package smtpd

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

var wellFormed = regexp.MustCompile(`^[2-5][0-9]{2}([- ][ -~]*)?\r\n$`)

// FuzzSession: whatever a client says, it gets proper replies; and it is told
// of a message just when one was taken, with recipients and content.
func FuzzSession(f *testing.F) {
	files, _ := filepath.Glob("testdata/dialogues/*.txt")
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(script(string(text)))
	}
	f.Add([]byte("EHLO me\nMAIL FROM:<> SIZE=1\nRCPT TO:<\"a>\\\"\"@x.example>\nDATA\n..\n.\nRSET\n"))
	f.Add([]byte("HELO x\r\nMAIL FROM:<>\r\nRCPT TO:<a@b.example>\r\nBDAT 4611686018427387903\r\nx"))
	f.Add([]byte("AUTH PLAIN\r\n\x00\r\nAUTH LOGIN =\r\n=\r\n"))
	f.Fuzz(func(t *testing.T, in []byte) {
		b := &book{}
		calls := 0
		b.answer = func(m *Message) error {
			if len(m.Recipients) == 0 || len(m.Content) == 0 || int64(len(m.Content)) > 1000 {
				t.Errorf("message %s", describe(m))
			}
			if calls++; calls%2 == 0 {
				return errors.New("not now")
			}
			return nil
		}
		var reserved int64
		o := options(b)
		o.Trace = true
		o.Reserve = func(n int64) bool { reserved += n; return true }
		o.Release = func(n int64) { reserved -= n }
		var out bytes.Buffer
		err := New(o).Converse(bytes.NewReader(in), &out, account{"fuzz", b})
		if err != nil && !errors.Is(err, ErrUnfinished) && !errors.Is(err, ErrTooManyErrors) {
			t.Fatal(err)
		}
		taken := 0
		for line := range strings.Lines(out.String()) {
			if !wellFormed.MatchString(line) || len(line) > 512 {
				t.Fatalf("reply %q", line)
			}
			if strings.HasPrefix(line, "250 2.0.0 Message ") {
				taken++
			}
		}
		if taken != len(b.list()) || reserved != 0 {
			t.Fatalf("%d messages, %d told of; %d octets reserved", len(b.list()), taken, reserved)
		}
	})
}

// script is what the client of a dialogue file says.
func script(text string) []byte {
	var b bytes.Buffer
	for line := range strings.Lines(text) {
		line = strings.TrimSuffix(line, "\n")
		if rest, ok := strings.CutPrefix(line, "C: "); ok {
			b.WriteString(rest + "\r\n")
		} else if line == "C:" {
			b.WriteString("\r\n")
		} else if rest, ok := strings.CutPrefix(line, "R: "); ok {
			quoted, _, _ := strings.Cut(rest, " x") // once is enough
			if s, err := strconv.Unquote(quoted); err == nil {
				b.WriteString(s)
			}
		}
	}
	return b.Bytes()
}

func FuzzXtext(f *testing.F) {
	for _, s := range []string{"", "a", "+2B", "+2b", "+", "+4", "a=b", "+00+FF", "+G0", "++4"} {
		f.Add(s)
	}
	hex := regexp.MustCompile(`^([^+=]|\+[0-9A-F]{2})*$`)
	f.Fuzz(func(t *testing.T, s string) {
		if strings.ContainsRune(s, '\n') {
			return
		}
		got, ok := fromXtext(s)
		if ok != hex.MatchString(s) || ok && len(got) != len(s)-2*strings.Count(s, "+") {
			t.Fatalf("%q: %q, %v", s, got, ok)
		}
	})
}

func FuzzPath(f *testing.F) {
	for _, s := range []string{"FROM:<a@b> X", "FROM:<\"a>\\\"\"@b>", "FROM: a b", "FROM:<", "FROM:<>x", "FROM:"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		path, params, ok := cutPath(s, "FROM:")
		if ok && len(path)+len(params) > len(s) {
			t.Fatalf("%q: %q, %q", s, path, params)
		}
	})
}
