package sendmail

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"strings"
	"testing"
)

// codes are the replies of a dialogue, without the middle lines of long ones.
func codes(out string) string {
	var list []string
	for line := range strings.Lines(out) {
		if len(line) > 3 && line[3] == ' ' {
			list = append(list, line[:3])
		}
	}
	return strings.Join(list, " ")
}

func TestDialogue(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", 4096)
	for name, tt := range map[string]struct {
		in, codes string
		exit      int
	}{
		"one message":      {"EHLO [127.0.0.1]\r\nMAIL FROM:<a@x.example>\r\nRCPT TO:<b@x.example>\r\nDATA\r\nS: x\r\n\r\ny\r\n.\r\nQUIT\r\n", "220 250 250 250 354 250 221", 0},
		"HELO":             {"HELO me\r\nMAIL FROM:<a@x.example>\r\nRCPT TO:<b@x.example>\r\nDATA\r\ny\r\n.\r\nQUIT\r\n", "220 250 250 250 354 250 221", 0},
		"two messages":     {"EHLO me\r\nMAIL FROM:<>\r\nRCPT TO:<b@x.example>\r\nDATA\r\ny\r\n.\r\nMAIL FROM:<>\r\nRCPT TO:<b@x.example>\r\nDATA\r\ny\r\n.\r\nQUIT\r\n", "220 250 250 250 354 250 250 250 354 250 221", 0},
		"no QUIT":          {"EHLO me\r\n", "220 250", 0},
		"nothing":          {"", "220", 0},
		"parameters":       {"EHLO me\r\nmail from: <a@x.example> SIZE=1000 BODY=8BITMIME SMTPUTF8 AUTH=<>\r\nrcpt to: <b@x.example>\r\nRSET\r\nNOOP\r\nVRFY x\r\nHELP\r\nQUIT\r\n", "220 250 250 250 250 250 252 214 221", 0},
		"no greeting":      {"MAIL FROM:<a@x.example>\r\nQUIT\r\n", "220 503 221", 0},
		"no sender":        {"EHLO me\r\nRCPT TO:<b@x.example>\r\nDATA\r\nQUIT\r\n", "220 250 503 503 221", 0},
		"no recipient":     {"EHLO me\r\nMAIL FROM:<a@x.example>\r\nDATA\r\nQUIT\r\n", "220 250 250 503 221", 0},
		"second sender":    {"EHLO me\r\nMAIL FROM:<a@x.example>\r\nMAIL FROM:<a@x.example>\r\nQUIT\r\n", "220 250 250 503 221", 0},
		"EHLO resets":      {"EHLO me\r\nMAIL FROM:<a@x.example>\r\nEHLO me\r\nRCPT TO:<b@x.example>\r\nQUIT\r\n", "220 250 250 250 503 221", 0},
		"bad sender":       {"EHLO me\r\nMAIL FROM:<a@b@c>\r\nMAIL FROM:a b\r\nMAIL\r\nMAIL TO:<a@x.example>\r\nMAIL FROM:<a@x.example\r\nQUIT\r\n", "220 250 501 555 501 501 501 221", 0},
		"bad parameter":    {"EHLO me\r\nMAIL FROM:<a@x.example> RET=FULL\r\nMAIL FROM:<a@x.example> SIZE=x\r\nMAIL FROM:<a@x.example> SIZE=99999999999\r\nMAIL FROM:<a@x.example> BODY=z\r\nQUIT\r\n", "220 250 555 501 552 501 221", 0},
		"bad recipient":    {"EHLO me\r\nMAIL FROM:<a@x.example>\r\nRCPT TO:<>\r\nRCPT TO:<|/bin/sh>\r\nRCPT TO:<\"\\|id\"@x.example>\r\nRCPT TO:<-t@x.example>\r\nRCPT TO:<a@b@c>\r\nRCPT TO:<b@x.example> NOTIFY=NEVER\r\nRSET\r\nQUIT\r\n", "220 250 250 501 501 501 501 501 555 250 221", 0},
		"not here":         {"EHLO me\r\nAUTH PLAIN x\r\nSTARTTLS\r\nEXPN x\r\nBDAT 1 LAST\r\nGET / HTTP/1.1\r\n\r\nQUIT\r\n", "220 250 502 502 502 502 500 500 221", 0},
		"long line":        {"EHLO me\r\nNOOP " + long + "\r\nNOOP " + strings.Repeat(long, 40) + "\r\nNOOP\r\nQUIT\r\n", "220 250 500 500 250 221", 0},
		"empty message":    {"EHLO me\r\nMAIL FROM:<>\r\nRCPT TO:<b@x.example>\r\nDATA\r\n.\r\nQUIT\r\n", "220 250 250 250 354 554 221", 0},
		"cut in a message": {"EHLO me\r\nMAIL FROM:<>\r\nRCPT TO:<b@x.example>\r\nDATA\r\nS: x\r\n\r\ny\r\n", "220 250 250 250 354", exitData},
		"cut before DATA":  {"EHLO me\r\nMAIL FROM:<>\r\nRCPT TO:<b@x.example>\r\n", "220 250 250 250", exitData},
		"cut in the dot":   {"EHLO me\r\nMAIL FROM:<>\r\nRCPT TO:<b@x.example>\r\nDATA\r\ny\r\n.\r", "220 250 250 250 354", exitData},
		"garbage":          {strings.Repeat("x\r\n", 100), "220 " + strings.Repeat("500 ", maxErrors) + "421", exitData},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, accept)
			exit, out, stderr := w.run(tt.in, "-bs")
			if exit != tt.exit || codes(out) != tt.codes || (stderr != "") != (exit != 0) {
				t.Errorf("exit %d, replies %s, want %s; %s\n%s", exit, codes(out), tt.codes, stderr, out)
			}
			if want := strings.Count(tt.codes, "354 250"); want != len(w.requests) {
				t.Errorf("%d messages, want %d", len(w.requests), want)
			}
			for line := range strings.Lines(out) {
				if !strings.HasSuffix(line, "\r\n") {
					t.Errorf("line without CRLF: %q", line)
				}
			}
		})
	}
}

func TestDialogueMessage(t *testing.T) {
	t.Parallel()
	w := newWorld(t, accept)
	exit, out, stderr := w.run("EHLO me\r\nMAIL FROM:<App@X.example> BODY=8BITMIME\r\nRCPT TO:<\"a >b\"@x.example>\r\nRCPT TO:<root>\r\nRCPT TO:<root>\r\nDATA\r\n"+
		"From: a@x.example\r\n\r\n..dot\r\n.\n.\r\nMAIL FROM:<evil@x.example>\r\n\n.\n\r.\r\r\nend\r\n.\r\nQUIT\r\n", "-bs", "-i")
	if exit != 0 || !strings.Contains(out, "250 2.0.0 accepted as 0193") {
		t.Fatal(exit, out, stderr)
	}
	got := w.one()
	if got.from() != "<App@x.example>" || strings.Join(got.to(), " ") != `"a >b"@x.example root@home.example` {
		t.Error(got.from(), got.to())
	}
	// Only CRLF "." CRLF ends the message; one leading dot goes.
	if want := "From: a@x.example\r\n\r\n.dot\r\n\n.\r\nMAIL FROM:<evil@x.example>\r\n\n.\n\r.\r\r\nend\r\n"; string(got.Raw.Content) != want {
		t.Errorf("content %q, want %q", got.Raw.Content, want)
	}
}

// Whoever speaks with bare LF ends the message so, too.
func TestDialogueInLF(t *testing.T) {
	t.Parallel()
	w := newWorld(t, accept)
	exit, out, stderr := w.run("EHLO me\nMAIL FROM:<a@x.example>\nRCPT TO:<b@x.example>\nDATA\nFrom: a@x.example\n\n..y\n.\nQUIT\n", "-bs")
	if exit != 0 || codes(out) != "220 250 250 250 354 250 221" {
		t.Fatal(exit, out, stderr)
	}
	if got := string(w.one().Raw.Content); got != "From: a@x.example\n\n.y\n" {
		t.Errorf("%q", got)
	}
}

func TestDialogueReplies(t *testing.T) {
	t.Parallel()
	const in = "EHLO me\r\nMAIL FROM:<a@x.example>\r\nRCPT TO:<b@x.example>\r\nDATA\r\nFrom: a@x.example\r\n\r\ny\r\n.\r\nNOOP\r\nQUIT\r\n"
	for want, answer := range map[string]func(http.ResponseWriter, sent){
		`554 5\.6\.0 words`:             reject("invalid_argument", "words", ""),
		`550 5\.7\.1 words`:             reject("permission_denied", "words", "sender_not_allowed"),
		`550 5\.7\.1 words, two\?lines`: reject("not_found", "words, two\nlines", ""),
		`451 4\.3\.0 words`:             reject("already_exists", "words", ""),
		`250 2\.0\.0 left`:              reject("unavailable", "words", ""),
	} {
		w := newWorld(t, answer)
		exit, out, _ := w.run(in, "-bs")
		if exit != 0 || !regexp.MustCompile(want).MatchString(out) || !strings.HasSuffix(codes(out), "250 221") {
			t.Errorf("%s: exit %d\n%s", want, exit, out)
		}
	}
	w := down(t)
	w.vars["POSTILION_MAILDROP_DIR"] = "/nonexistent"
	if exit, out, _ := w.run(in, "-bs"); exit != 0 || !strings.Contains(out, "451 4.3.0") {
		t.Error(exit, out)
	}
}

func TestDialogueLimits(t *testing.T) {
	t.Parallel()
	w := newWorld(t, accept)
	var b strings.Builder
	b.WriteString("EHLO me\r\nMAIL FROM:<a@x.example>\r\n")
	for i := range maxRecipients + 1 {
		fmt.Fprintf(&b, "RCPT TO:<u%d@x.example>\r\n", i)
	}
	b.WriteString("DATA\r\nFrom: a@x.example\r\n\r\ny\r\n.\r\nQUIT\r\n")
	exit, out, _ := w.run(b.String(), "-bs")
	if exit != 0 || !strings.HasSuffix(codes(out), "250 452 354 250 221") || len(w.one().to()) != maxRecipients {
		t.Error(exit, len(w.one().to()))
	}
}

// A client that waits for each reply gets it.
func TestDialogueInLockstep(t *testing.T) {
	t.Parallel()
	w := newWorld(t, accept)
	inR, inW := io.Pipe()
	outR, outW := io.Pipe()
	done := make(chan int)
	go func() {
		var errs bytes.Buffer
		done <- Main([]string{"sendmail", "-bs"}, inR, outW, &errs, func(k string) string { return w.vars[k] })
		outW.Close()
	}()
	replies := bufio.NewReader(outR)
	expect := func(code string) {
		t.Helper()
		for {
			line, err := replies.ReadString('\n')
			if err != nil || line[:3] != code {
				t.Fatalf("%q, %v, want %s", line, err, code)
			}
			if line[3] == ' ' {
				return
			}
		}
	}
	expect("220")
	for _, step := range [][2]string{{"EHLO me", "250"}, {"MAIL FROM:<a@x.example>", "250"}, {"RCPT TO:<b@x.example>", "250"}, {"DATA", "354"}, {"x: y\r\n.", "250"}, {"QUIT", "221"}} {
		io.WriteString(inW, step[0]+"\r\n")
		expect(step[1])
	}
	if exit := <-done; exit != 0 {
		t.Error(exit)
	}
	w.one()
}
