package sendmail

import (
	"bytes"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"testing/iotest"
)

func TestRecipientsFromHeader(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		header string
		to     []string
	}{
		"all fields":     {"To: a@x.example\nCC: b@x.example\nbcc: c@x.example\n", []string{"a@x.example", "b@x.example", "c@x.example"}},
		"repetitions":    {"To: a@x.example, A <a@x.example>\nCc: a@X.example\n", []string{"a@x.example"}},
		"folded":         {"To: a@x.example,\r\n b@x.example\r\n", []string{"a@x.example", "b@x.example"}},
		"Resent":         {"To: a@x.example\nResent-To: r@x.example\nResent-Bcc: s@x.example\nBcc: c@x.example\n", []string{"r@x.example", "s@x.example"}},
		"mbox line":      {"From root@vm Thu Jan  1 00:00:00 1970\nTo: a@x.example\n", []string{"a@x.example"}},
		"local":          {"To: root\n", []string{"root@home.example"}},
		"8-bit name":     {"To: Gr\xc3\xbc\xc3\x9fe <a@x.example>\n", []string{"a@x.example"}},
		"Latin-1 name":   {"To: Gr\xfc\xdfe <a@x.example>\n", []string{"a@x.example"}},
		"comma in name":  {"To: \"Doe, Jane\" <a@x.example>\n", []string{"a@x.example"}},
		"group and name": {"To: undisclosed-recipients:;\nBcc: b@x.example\n", []string{"b@x.example"}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, accept)
			if exit, _, stderr := w.run(tt.header+"Subject: x\n\ny\n", "-t", "-i"); exit != 0 {
				t.Fatal(exit, stderr)
			}
			if got := w.one().to(); !reflect.DeepEqual(got, tt.to) {
				t.Errorf("got %q, want %q", got, tt.to)
			}
		})
	}
}

func TestBadHeaderRecipients(t *testing.T) {
	t.Parallel()
	for header, want := range map[string]int{
		"Subject: x\n":                     exitUsage,
		"To:\nCc: undisclosed:;\n":         exitUsage,
		"To: a@x.example, b@@x.example\n":  exitData,
		"To: |/bin/sh\n":                   exitData,
		"Bcc: \"|id\"@x.example\n":         exitData,
		"To: -oQ/tmp@x.example\n":          exitData,
		"Cc: /var/www/x.php@x.example\n":   exitData,
		"To: :include:/etc/x@x.example\n":  exitData,
		"To: a@x.example <b@x.example> x<": exitData,
	} {
		w := newWorld(t, accept)
		if exit, _, stderr := w.run(header+"\n\ny\n", "-t", "-i"); exit != want {
			t.Errorf("%q: exit %d, want %d: %s", header, exit, want, stderr)
		}
		w.nothing()
	}
}

func TestThousandRecipients(t *testing.T) {
	t.Parallel()
	var b strings.Builder
	b.WriteString("To: u0@x.example")
	for i := 1; i < 1000; i++ {
		fmt.Fprintf(&b, ",\n u%d@x.example", i)
	}
	w := newWorld(t, accept)
	if exit, _, stderr := w.run(b.String()+"\n\ny\n", "-ti"); exit != 0 {
		t.Fatal(exit, stderr)
	}
	if to := w.one().to(); len(to) != 1000 || to[999] != "u999@x.example" {
		t.Error(len(to))
	}
}

func TestDots(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", 100_000)
	tests := []struct {
		ignore   bool
		in, want string
	}{
		{false, "S: x\n\na\n.\nb\n", "S: x\n\na\n"},
		{false, "S: x\r\n\r\na\r\n.\r\nb\r\n", "S: x\r\n\r\na\r\n"},
		{false, "S: x\n\n..\n...\n.a\na.b\n", "S: x\n\n.\n..\na\na.b\n"},
		{false, "S: x\n\na\n.", "S: x\n\na\n"},
		{false, "S: x\n\n" + long + "\n.\nb", "S: x\n\n" + long + "\n"},
		{false, "S: x\n\n." + long + ".\nb", "S: x\n\n" + long + ".\nb"},
		{true, "S: x\n\na\n.\n..b\n", "S: x\n\na\n.\n..b\n"},
	}
	for _, tt := range tests {
		got, err := readMessage(iotest.OneByteReader(strings.NewReader(tt.in)), tt.ignore, 1<<20)
		if err != nil || string(got) != tt.want {
			t.Errorf("%.40q, -i %v: %.60q, %v", tt.in, tt.ignore, got, err)
		}
	}
}

func TestIgnoreDots(t *testing.T) {
	t.Parallel()
	const text = "From: a@x.example\n\nbefore\n.\nafter\n"
	for _, args := range [][]string{{"-i"}, {"-oi"}, {"-o", "i"}, {"-vi"}, {"-oem", "-oi"}} {
		w := newWorld(t, accept)
		if exit, _, stderr := w.run(text, append(args, "b@x.example")...); exit != 0 || string(w.one().Raw.Content) != text {
			t.Error(args, exit, stderr, string(w.one().Raw.Content))
		}
	}
	w := newWorld(t, accept)
	if w.run(text, "-oe", "b@x.example"); string(w.one().Raw.Content) != "From: a@x.example\n\nbefore\n" {
		t.Errorf("%q", w.one().Raw.Content)
	}
}

func TestBrokenInputQueuesNothing(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{{"b@example.com"}, {"-i", "b@example.com"}, {"-t"}} {
		w := newWorld(t, accept)
		if exit, _, stderr := w.run("", args...); exit != exitData || !strings.Contains(stderr, "empty") {
			t.Error(args, exit, stderr)
		}
		var errs bytes.Buffer
		r := iotest.TimeoutReader(iotest.OneByteReader(strings.NewReader(letter)))
		if exit := Main(append([]string{"sendmail"}, args...), r, nil, &errs, func(k string) string { return w.vars[k] }); exit != exitData {
			t.Error(args, exit, errs.String())
		}
		w.nothing()
	}
}

func TestTooLarge(t *testing.T) {
	t.Parallel()
	for _, ignore := range []bool{true, false} {
		for size, ok := range map[int]bool{1000: true, 1001: false} {
			in := strings.Repeat("x", size)
			got, err := readMessage(strings.NewReader(in), ignore, 1000)
			if ok != (err == nil) || ok && len(got) != size {
				t.Errorf("-i %v, %d octets: %d, %v", ignore, size, len(got), err)
			}
		}
	}
}

func TestAuthor(t *testing.T) {
	t.Parallel()
	local := login() + "@home.example"
	tests := map[string]struct {
		header string
		args   []string
		first  string // what is put in front for the first call
		second string // and after the daemon asked for a sender
	}{
		"there":                   {"From: a@x.example\n", nil, "", ""},
		"there, later":            {"Subject: x\nX-A: b\n c\nFROM : a@x.example\n", nil, "", ""},
		"none":                    {"Subject: x\n", nil, "", "From: " + local + "\r\n"},
		"none, name":              {"Subject: x\n", []string{"-FCron Daemon"}, "", "From: Cron Daemon <" + local + ">\r\n"},
		"none, name beyond ASCII": {"Subject: x\n", []string{"-F", "Grüße"}, "", "From: =?utf-8?b?R3LDvMOfZQ==?= <" + local + ">\r\n"},
		"none, sender":            {"Subject: x\n", []string{"-f", "a@x.example"}, "From: a@x.example\r\n", "From: a@x.example\r\n"},
		"none, both":              {"Subject: x\n", []string{"-fa@x.example", "-F", "A, B"}, "From: \"A, B\" <a@x.example>\r\n", "From: \"A, B\" <a@x.example>\r\n"},
		"none, null sender":       {"Subject: x\n", []string{"-f", "<>"}, "", "From: " + local + "\r\n"},
		"only in the body":        {"Subject: x\n\nFrom: a@x.example\n", nil, "", "From: " + local + "\r\n"},
		"no header":               {"hello: you are\nthere\nFrom: x\n", nil, "", "From: " + local + "\r\n"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, reject("invalid_argument", "who sends?", "sender_required"))
			text := tt.header + "\nbody\n"
			if exit, _, stderr := w.run(text, append(tt.args, "b@example.com")...); exit != exitData || !strings.Contains(stderr, "who sends?") {
				t.Fatal(exit, stderr)
			}
			if got := string(w.requests[0].Raw.Content); got != tt.first+text {
				t.Errorf("first %q", got)
			}
			last := w.requests[len(w.requests)-1]
			if got := string(last.Raw.Content); got != tt.second+text {
				t.Errorf("then %q", got)
			}
			if last.IdempotencyKey != w.requests[0].IdempotencyKey {
				t.Error("the key changed")
			}
			if (tt.first == tt.second) != (len(w.requests) == 1) {
				t.Errorf("%d calls", len(w.requests))
			}
			if d := w.drops(); len(d) > 0 {
				t.Error("a rejected message is in the maildrop")
			}
		})
	}
}

func TestAuthorWaitsInMaildrop(t *testing.T) {
	t.Parallel()
	w := down(t)
	if exit, _, stderr := w.run("Subject: x\n\ny\n", "b@example.com"); exit != 0 {
		t.Fatal(exit, stderr)
	}
	d := w.drops()[0]
	if d.Author != login()+"@home.example" || d.From != nil || string(d.Content) != "Subject: x\n\ny\n" {
		t.Errorf("%+v", d)
	}
}
