package smtp

import (
	"bufio"
	"errors"
	"io"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"
)

func TestReadReply(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		in   string
		code int
		text string // what is read, or a part of the error
	}{
		{"250 ok\r\n", 250, "ok"},
		{"250\r\n", 250, ""},
		{"250 \r\n", 250, ""},
		{"250-a\r\n250-\r\n250 b\r\n", 250, "a\n\nb"},
		{"250-a\r\n250\r\n", 250, "a\n"},
		{"250 bare\n", 250, "bare"},
		{"354 go\r\n", 354, "go"},
		{"299 odd\r\n", 299, "odd"},
		{"599 odd\r\n", 599, "odd"},
		{"250 " + strings.Repeat("x", 2042) + "\r\n", 250, strings.Repeat("x", 2042)},
		{"250 " + strings.Repeat("x", 2043) + "\r\n", 0, "longer than"},
		{strings.Repeat("x", 100_000), 0, "longer than"},
		{strings.Repeat("250-a\r\n", 99) + "250 b\r\n", 250, strings.Repeat("a\n", 99) + "b"},
		{strings.Repeat("250-a\r\n", 100) + "250 b\r\n", 0, "over 100 lines"},
		{strings.Repeat("250-"+strings.Repeat("x", 2000)+"\r\n", 40), 0, "over 65536 octets"},
		{"250-a\r\n550 b\r\n", 0, "mixes the codes 250 and 550"},
		{"100 a\r\n", 0, "did not answer in SMTP"},
		{"600 a\r\n", 0, "did not answer in SMTP"},
		{"abc\r\n", 0, "did not answer in SMTP"},
		{"25\r\n", 0, "did not answer in SMTP"},
		{"2500 a\r\n", 0, "did not answer in SMTP"},
		{"25a a\r\n", 0, "did not answer in SMTP"},
		{" 250 a\r\n", 0, "did not answer in SMTP"},
		{"\r\n", 0, "did not answer in SMTP"},
		{"HTTP/1.1 400 Bad Request\r\n", 0, "HTTP/1.1 400 Bad Request"},
		{"SSH-2.0-OpenSSH_9.2\r\n", 0, "SSH-2.0"},
		{"", 0, "EOF"},
		{"250 a", 0, "unexpected EOF"},
		{"250-a\r\n", 0, "unexpected EOF"},
	} {
		r, err := readReply(bufio.NewReader(strings.NewReader(test.in)), nil)
		if test.code == 0 {
			if err == nil || !strings.Contains(err.Error(), test.text) {
				t.Errorf("%.40q: error %v, want %q", test.in, err, test.text)
			}
			continue
		}
		if err != nil || r.code != test.code || string(r.text) != test.text {
			t.Errorf("%.40q: %d %.40q, error %v", test.in, r.code, r.text, err)
		}
	}
}

// endless gives the same text for ever and counts what was read of it.
type endless struct {
	text string
	n    int
}

func (e *endless) Read(b []byte) (int, error) {
	n := 0
	for n < len(b) {
		n += copy(b[n:], e.text[(e.n+n)%len(e.text):])
	}
	e.n += n
	return n, nil
}

// T44, T45: what a hostile server sends is read up to the bounds and no further.
func TestEndlessReply(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"250-and so on\r\n", "x", "250-" + strings.Repeat("y", 1900) + "\r\n", "\x00"} {
		source := &endless{text: text}
		_, err := readReply(bufio.NewReader(source), nil)
		if breach := protocolError(""); !errors.As(err, &breach) {
			t.Errorf("%.20q: error %v", text, err)
		}
		if limit := maxReplyBytes + maxReplyLine + 4096; source.n > limit {
			t.Errorf("%.20q: %d octets were read", text, source.n)
		}
	}
}

// T48: what a server says is shown without its tricks.
func TestPrintable(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"plain text":              "plain text",
		"gr\u00fc\u00dfe":         "gr\u00fc\u00dfe",
		"\x1b[31mred\x07":         `\x1b[31mred\x07`,
		"a\rb\nc\x00":             `a\x0db\x0ac\x00`,
		"a\u2028b\u202ec":         `a\u2028b\u202ec`,
		"\xff\xfe":                `\xff\xfe`,
		"\xc2\x85":                `\u0085`,
		strings.Repeat("x", 50):   strings.Repeat("x", 50),
		strings.Repeat("x", 51):   strings.Repeat("x", 47) + "...",
		strings.Repeat("\x01", 9): strings.Repeat(`\x01`, 9),
	} {
		if got := printable(in, 50); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
}

func FuzzReadReply(f *testing.F) {
	for _, seed := range []string{"250 ok\r\n", "250-a\r\n250 b\r\n", "421 \x1b[0m\r\n", "250-a\n550 b\n", "2\r\n", "250-\xff\r\n250 \u2028\r\n"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, in string) {
		source := strings.NewReader(in)
		r, err := readReply(bufio.NewReader(source), make([]byte, 0, 16))
		if err != nil {
			if breach := protocolError(""); !errors.As(err, &breach) && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
				t.Errorf("error %v", err)
			}
			return
		}
		if r.code < 200 || r.code > 599 || len(r.text) > maxReplyBytes {
			t.Errorf("code %d, text of %d octets", r.code, len(r.text))
		}
		shown := r.String()
		if len(shown) > maxReplyText || !utf8.ValidString(shown) || strings.ContainsFunc(shown, func(c rune) bool { return !unicode.IsPrint(c) }) {
			t.Errorf("shown as %q", shown)
		}
	})
}

func TestParseCapabilities(t *testing.T) {
	t.Parallel()
	c := parseCapabilities("mail.example at your service\nSIZE 35882577\n8bitmime\n\nAUTH LOGIN plain\nAUTH=LOGIN XOAUTH2\nPIPELINING\nSTARTTLS\nLIMITS MAILMAX=5 RCPTMAX=20\nX-NEW thing\nCHUNKING\nSMTPUTF8\nDSN")
	if c.size != 35882577 || !c.hasSize || !c.eightBit || !c.pipelining || !c.startTLS || !c.chunking || !c.utf8 || !c.dsn || c.recipients != 20 {
		t.Errorf("%+v", c)
	}
	if got := strings.Join(c.auth, " "); got != "LOGIN PLAIN XOAUTH2" {
		t.Errorf("mechanisms %s", got)
	}
	for text, want := range map[string]int64{"a\nSIZE": 0, "a\nSIZE 0": 0, "a\nSIZE -5": 0, "a\nSIZE 99999999999999999999": 0, "a\nSIZE x": 0, "SIZE 5": 0, "a\nSIZE 5 6": 5} {
		if got := parseCapabilities(text).size; got != want {
			t.Errorf("%q: size %d, want %d", text, got, want)
		}
	}
}

func FuzzParseCapabilities(f *testing.F) {
	for _, seed := range []string{"a\nSIZE 1\nAUTH=PLAIN", "\n\n \nAUTH\nLIMITS RCPTMAX=0", "a\n\x00\xff AUTH", "a\nAUTH=\nSIZE -1"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		c := parseCapabilities(text)
		if c.size < 0 || c.recipients < 0 {
			t.Errorf("%+v", c)
		}
		for _, line := range c.lines {
			if strings.ContainsFunc(line, func(r rune) bool { return !unicode.IsPrint(r) }) {
				t.Errorf("line %q", line)
			}
		}
	})
}
