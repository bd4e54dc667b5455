package sendmail

import (
	"bufio"
	"bytes"
	"strings"
	"testing"

	"github.com/postilion-mail/postilion/internal/mail"
)

func FuzzArgs(f *testing.F) {
	for _, s := range []string{"-t -i", "-oi -fa@b.example -t", "-f a@b.example -- -x", "-b", "-bs", "-ti -Nnever", "-X/tmp/x.php -OQueueDirectory=/tmp -oQ/tmp -C/etc/passwd -be -bd -q", "a -f", "-F\x00", "--", "-", "\v-"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		o, err := parseArgs("sendmail", strings.Split(s, " "))
		if err != nil {
			if _, ok := err.(*failure); !ok {
				t.Fatalf("an error without exit code: %v", err)
			}
			return
		}
		a := &agent{options: o, config: config{domain: "home.example"}}
		if from, err := a.sender(); err == nil && from != nil && *from != "" {
			checkPath(t, *from)
		}
		list, err := a.operands()
		if err != nil {
			return
		}
		for _, r := range list {
			checkPath(t, r)
			if strings.ContainsAny(r[:1], "-|/") {
				t.Fatalf("recipient %q", r)
			}
		}
	})
}

func checkPath(t *testing.T, s string) {
	t.Helper()
	p, err := mail.ParsePath(s)
	if err != nil || p.String() != s || strings.ContainsAny(s, "\r\n\x00") {
		t.Fatalf("%q went through: %v", s, err)
	}
}

func FuzzDialogue(f *testing.F) {
	f.Add("EHLO me\r\nMAIL FROM:<a@x.example>\r\nRCPT TO:<b@x.example>\r\nDATA\r\nS: x\r\n\r\ny\r\n.\r\nQUIT\r\n")
	f.Add("HELO me\nMAIL FROM:<> SIZE=1\nRCPT TO:<\"a>\\\"\"@x.example>\nDATA\n..\n.\nRSET\n")
	f.Add("MAIL FROM:<\\\"\r\nDATA\r\n\x00\r\n" + strings.Repeat("x", 5000))
	f.Fuzz(func(t *testing.T, in string) {
		// Whatever is accepted goes into a maildrop that does not exist.
		a := &agent{config: config{domain: "home.example", socket: "/nonexistent", maildrop: "/nonexistent", timeout: 1}}
		var out bytes.Buffer
		a.serve(strings.NewReader(in), &out)
		for line := range strings.Lines(out.String()) {
			if !strings.HasSuffix(line, "\r\n") || len(line) < 6 || line[0] < '2' || line[0] > '5' || strings.ContainsAny(line[:len(line)-2], "\r\n\x00") {
				t.Fatalf("reply %q", line)
			}
		}
	})
}

func FuzzAnswer(f *testing.F) {
	f.Add("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")
	f.Add("HTTP/1.1 400 x\r\nTransfer-Encoding: chunked\r\n\r\n2;x\r\n{}\r\n0\r\n\r\n")
	f.Add("HTTP/1.0 2")
	f.Fuzz(func(t *testing.T, in string) {
		status, body, err := readAnswer(bufio.NewReader(strings.NewReader(in)))
		if err == nil && (status < 200 || len(body) > len(in)) {
			t.Fatalf("status %d, %d octets", status, len(body))
		}
		if err == nil && readRejection(status, body) == nil {
			t.Fatal("no error")
		}
	})
}

func FuzzMessage(f *testing.F) {
	f.Add([]byte("Subject: x\n\n.\n"), true)
	f.Add([]byte("From x\nFrom : y\n\n..a\n.\n"), false)
	f.Fuzz(func(t *testing.T, in []byte, ignoreDots bool) {
		got, err := readMessage(bytes.NewReader(in), ignoreDots, 1000)
		if err == nil && (len(got) == 0 || len(got) > 1000 || ignoreDots && !bytes.Equal(got, in)) {
			t.Fatalf("%q", got)
		}
		hasFrom(in)
	})
}
