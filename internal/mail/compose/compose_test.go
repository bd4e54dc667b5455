package compose

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"runtime"
	"strings"
	"testing"
	"time"

	gomessage "github.com/emersion/go-message"
	_ "github.com/emersion/go-message/charset"
	"github.com/google/go-cmp/cmp"

	"github.com/postilion-mail/postilion/internal/mail"
)

var testOptions = Options{Now: time.Date(2026, 3, 1, 12, 30, 0, 0, time.UTC), Domain: "host.example", ID: "0001"}

func simple() *mail.Message {
	return &mail.Message{To: []mail.Address{{Addr: "a@x"}}, Subject: "s", Text: "t\n"}
}

func compose(t *testing.T, m *mail.Message) *mail.Content {
	t.Helper()
	c, err := Compose(m, testOptions)
	if err != nil {
		t.Fatal(err)
	}
	again, err := mail.Canonicalize(c.Bytes, mail.Options{})
	if err != nil || !bytes.Equal(again.Bytes, c.Bytes) {
		t.Errorf("not canonical (%v):\n%q", err, c.Bytes)
	}
	return c
}

// tree describes the structure of a message and collects what is in it.
func tree(t *testing.T, b []byte) (string, [][]byte) {
	t.Helper()
	e, err := gomessage.Read(bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	return walk(t, e)
}

func walk(t *testing.T, e *gomessage.Entity) (string, [][]byte) {
	t.Helper()
	mediaType, params, err := e.Header.ContentType()
	if err != nil {
		t.Errorf("content type: %v", err)
	}
	r := e.MultipartReader()
	if r == nil {
		body, err := io.ReadAll(e.Body)
		if err != nil {
			t.Errorf("%s: %v", mediaType, err)
		}
		disposition, dparams, _ := e.Header.ContentDisposition()
		if disposition != "" {
			mediaType += fmt.Sprintf("[%s %s %s]", disposition, dparams["filename"], e.Header.Get("Content-Id"))
		}
		if params["name"] != dparams["filename"] {
			t.Errorf("name %q, filename %q", params["name"], dparams["filename"])
		}
		return mediaType, [][]byte{body}
	}
	var names []string
	var bodies [][]byte
	for {
		part, err := r.NextPart()
		if err == io.EOF {
			return strings.TrimPrefix(mediaType, "multipart/") + "(" + strings.Join(names, " ") + ")", bodies
		}
		if err != nil {
			t.Fatal(err)
		}
		name, more := walk(t, part)
		names, bodies = append(names, name), append(bodies, more...)
	}
}

func TestCompose(t *testing.T) {
	t.Parallel()
	m := simple()
	m.From, m.Sender, m.ReplyTo = mail.Address{Name: "F", Addr: "f@x"}, mail.Address{Addr: "s@x"}, []mail.Address{{Addr: "r@x"}}
	m.To = append(m.To, mail.Address{Name: "Jörg", Addr: "j@bücher.example"})
	m.Cc, m.Bcc = []mail.Address{{Name: "C, D", Addr: "c@x"}}, []mail.Address{{Addr: "secret@x"}}
	m.Subject, m.Text = "Grüße", "schöne\n.\n"+strings.Repeat("long ", 500)
	m.Headers = []mail.Header{{Name: "X-A", Value: "1"}, {Name: "X-A", Value: "zwölf"}}
	m.ListUnsubscribe = mail.ListUnsubscribe{URLs: []string{"https://x/u", "mailto:u@x"}, OneClick: true}
	m.Importance, m.InReplyTo, m.References = mail.ImportanceHigh, "1@x", []string{"<1@x>", "2@x"}
	c := compose(t, m)
	head, body, _ := strings.Cut(string(c.Bytes), "\r\n\r\n")
	want := strings.Join([]string{
		"To: a@x, =?utf-8?b?SsO2cmc=?= <j@xn--bcher-kva.example>", `Cc: "C, D" <c@x>`, "Subject: =?utf-8?b?R3LDvMOfZQ==?=",
		"In-Reply-To: <1@x>", "References: <1@x> <2@x>", "Importance: high", "X-Priority: 1 (Highest)",
		"List-Unsubscribe: <https://x/u>, <mailto:u@x>", "List-Unsubscribe-Post: List-Unsubscribe=One-Click",
		"X-A: 1", "X-A: =?utf-8?b?enfDtmxm?=",
		"Date: Sun, 01 Mar 2026 12:30:00 +0000", "MIME-Version: 1.0", "Message-ID: <0001@host.example>",
		"Content-Transfer-Encoding: quoted-printable", "Content-Type: text/plain; charset=UTF-8",
	}, "\r\n")
	if diff := cmp.Diff(want, head); diff != "" {
		t.Error(diff)
	}
	if c.EightBit || c.UTF8Headers || c.Signed || c.MessageID != "<0001@host.example>" || c.Subject != "Grüße" || bytes.Contains(c.Bytes, []byte("secret")) {
		t.Errorf("%+v\n%s", c, body)
	}
	if id := c.Identity; id.From[0] != m.From || id.Sender != m.Sender || !cmp.Equal(id.ReplyTo, m.ReplyTo) {
		t.Errorf("%+v", id)
	}
	if _, parts := tree(t, c.Bytes); string(parts[0]) != strings.ReplaceAll(m.Text, "\n", "\r\n")+"\r\n" {
		t.Errorf("the text became %q", parts[0])
	}
}

func TestStructure(t *testing.T) {
	t.Parallel()
	file := mail.Attachment{Filename: "a.bin", ContentType: "application/x", Content: bytes.Repeat([]byte{0, '\n', 255}, 1000)}
	image := mail.Attachment{Filename: "grün \"b\";.png", Content: []byte("img"), ContentID: "<i@x>"}
	shown := mail.Attachment{Content: []byte("x"), Inline: true}
	long := mail.Attachment{Filename: strings.Repeat("ü", 120) + ".txt", ContentType: "text/plain; charset=utf-8"}
	for _, test := range []struct {
		text, html string
		files      []mail.Attachment
		want       string
	}{
		{"t", "", nil, "text/plain"},
		{"", "h", nil, "text/html"},
		{"t", "h", nil, "alternative(text/plain text/html)"},
		{"t", "", []mail.Attachment{file}, "mixed(text/plain application/x[attachment a.bin ])"},
		{"", "", []mail.Attachment{file, shown}, "mixed(text/plain application/x[attachment a.bin ] application/octet-stream[inline  ])"},
		{"", "h", []mail.Attachment{image}, "related(text/html image/png[inline grün \"b\";.png <i@x>])"},
		{"t", "h", []mail.Attachment{file, image, long}, "mixed(related(alternative(text/plain text/html) image/png[inline grün \"b\";.png <i@x>]) application/x[attachment a.bin ] text/plain[attachment " + long.Filename + " ])"},
	} {
		m := simple()
		m.Text, m.HTML, m.Attachments = test.text, test.html, test.files
		got, bodies := tree(t, compose(t, m).Bytes)
		if got != test.want {
			t.Errorf(" got %s\nwant %s", got, test.want)
		}
		for _, f := range test.files {
			found := false
			for _, body := range bodies {
				found = found || bytes.Equal(body, f.Content)
			}
			if !found {
				t.Errorf("%s: a file has changed", got)
			}
		}
	}
}

func TestComposeVariants(t *testing.T) {
	t.Parallel()
	m := simple()
	m.To, m.Bcc = nil, []mail.Address{{Addr: "secret@x"}}
	m.Date, m.MessageID = time.Date(2020, 1, 2, 3, 4, 5, 0, time.FixedZone("", -5*3600)), "mine@x"
	got := string(compose(t, m).Bytes)
	for _, want := range []string{"To: undisclosed-recipients:;\r\n", "Date: Thu, 02 Jan 2020 03:04:05 -0500\r\n", "Message-ID: <mine@x>\r\n"} {
		if !strings.Contains(got, want) {
			t.Errorf("no %q in %q", want, got)
		}
	}
	m = simple()
	m.To[0].Addr = "jörg@x"
	if c := compose(t, m); !c.UTF8Headers || !c.EightBit {
		t.Errorf("%+v", c)
	}
	m = simple()
	m.Text = "a\rb\x00\r\n\tc \n.\nFrom x"
	if _, bodies := tree(t, compose(t, m).Bytes); string(bodies[0]) != "a\r\nb\x00\r\n\tc \r\n.\r\nFrom x\r\n" {
		t.Errorf("%q", bodies[0])
	}
	m.Subject = "a\nb"
	if _, err := Compose(m, testOptions); !errors.As(err, new(*mail.FieldError)) {
		t.Errorf("not validated: %v", err)
	}
	if _, err := Compose(simple(), Options{}); err == nil {
		t.Error("a message id of nothing")
	}
}

// A big file is held once more, in the content, and not otherwise. The test is
// not parallel because it looks at all allocations.
func TestComposeMemory(t *testing.T) {
	m := simple()
	m.Attachments = []mail.Attachment{{Filename: "a", Content: make([]byte, 10<<20)}}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	c, err := Compose(m, testOptions)
	runtime.ReadMemStats(&after)
	if err != nil {
		t.Fatal(err)
	}
	if got, most := after.TotalAlloc-before.TotalAlloc, uint64(len(c.Bytes)*11/10); got > most {
		t.Errorf("%d octets are allocated, want at most %d", got, most)
	}
}

func FuzzCompose(f *testing.F) {
	f.Add("Jörg", "a@x", "Grüße", "text", "<p>", "ä.png", "image/png", "cid@x", "X-A", "b", []byte("x"))
	f.Add("", "a@x", "", "", "", "", "text/plain; charset=\"a\\\"b\"", "", "A", "\tb", []byte("\x00\r\n"))
	f.Fuzz(func(t *testing.T, name, addr, subject, text, html, filename, contentType, cid, header, value string, content []byte) {
		m := &mail.Message{
			To: []mail.Address{{Name: name, Addr: addr}}, Subject: subject, Text: text, HTML: html,
			Attachments: []mail.Attachment{{Filename: filename, ContentType: contentType, ContentID: cid, Content: content}},
			Headers:     []mail.Header{{Name: header, Value: value}},
		}
		c, err := Compose(m, testOptions)
		if err != nil {
			if !errors.As(err, new(*mail.FieldError)) {
				t.Fatal(err)
			}
			return
		}
		again, err := mail.Canonicalize(c.Bytes, mail.Options{})
		if err != nil || !bytes.Equal(again.Bytes, c.Bytes) {
			t.Fatalf("not canonical (%v):\n%q\n%q", err, c.Bytes, again.Bytes)
		}
		names := 0
		head, _, _ := strings.Cut(string(c.Bytes), "\r\n\r\n")
		for line := range strings.SplitSeq(head, "\r\n") {
			if !strings.HasPrefix(line, " ") && !strings.HasPrefix(line, "\t") {
				names++
			}
		}
		if names != 7 {
			t.Fatalf("%d fields in %q", names, head)
		}
		if c.EightBit != c.UTF8Headers {
			t.Fatalf("the body is 8-bit: %q", c.Bytes)
		}
	})
}

func BenchmarkCompose2KiB(b *testing.B) {
	m := simple()
	m.From, m.Subject, m.Text = mail.Address{Name: "Jane", Addr: "jane@example.com"}, "An order", strings.Repeat("Some words of a message.\n", 80)
	b.ReportAllocs()
	b.SetBytes(int64(len(m.Text)))
	for b.Loop() {
		if _, err := Compose(m, testOptions); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkCompose10MiB(b *testing.B) {
	m := simple()
	m.Attachments = []mail.Attachment{{Filename: "a.bin", Content: make([]byte, 10<<20)}}
	b.ReportAllocs()
	b.SetBytes(10 << 20)
	for b.Loop() {
		if _, err := Compose(m, testOptions); err != nil {
			b.Fatal(err)
		}
	}
}
