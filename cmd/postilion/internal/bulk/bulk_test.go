package bulk

import (
	"bufio"
	"errors"
	"fmt"
	"iter"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"

	postilionv1 "github.com/postilion-mail/postilion/proto/gen/postilion/v1"
)

func write(t *testing.T, name, content string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// all opens a source and reads it to its end.
func all(t *testing.T, o Options) []Item {
	t.Helper()
	source, err := Open(o)
	if err != nil {
		t.Fatal(err)
	}
	defer source.Close()
	return collect(t, source.Items)
}

func collect(t *testing.T, items iter.Seq2[Item, error]) (list []Item) {
	t.Helper()
	for item, err := range items {
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, item)
	}
	return list
}

// sketch tells of each item where it stands and what it is, in a few words.
func sketch(items []Item) string {
	var out strings.Builder
	for _, item := range items {
		switch {
		case item.Err != nil:
			fmt.Fprintf(&out, "%s: %v\n", item.Place(), item.Err)
		case item.Request.GetRaw() != nil:
			fmt.Fprintf(&out, "%s: raw %q\n", item.Place(), item.Request.GetRaw().GetContent())
		default:
			m := item.Request.GetMessage()
			to := m.GetTo()[0]
			fmt.Fprintf(&out, "%s: to %q %s: %q %q %q\n", item.Place(), to.GetName(), to.GetAddress(), m.GetSubject(), m.GetText(), m.GetHtml())
		}
	}
	return out.String()
}

func compare(t *testing.T, items []Item, want string) {
	t.Helper()
	if got := sketch(items); got != want {
		t.Errorf("got:\n%s\nwant:\n%s", got, want)
	}
}

func TestLines(t *testing.T) {
	t.Parallel()
	items := all(t, Options{
		Path: write(t, "m.jsonl", "\xef\xbb\xbf"+`{"message":{"to":[{"address":"a@x.example"}],"subject":"one"},"tags":["own"],"wait":"5s"}

{"message":{"to":[{"address":"b@x.example"}]},"sendAtt":"2030-01-01T00:00:00Z"}
no JSON
{"message":{"to":[{"address":"c@x.example"}]},"connection":"other","priority":"PRIORITY_HIGH","metadata":{"k":"own"}}`),
		Base: &postilionv1.SendRequest{Connection: "main", Priority: postilionv1.Priority_PRIORITY_BULK, Tags: []string{"all"}, Metadata: map[string]string{"k": "base", "l": "base"}},
	})
	if len(items) != 4 || items[0].Line != 1 || items[1].Line != 3 || items[2].Line != 4 || items[3].Line != 5 {
		t.Fatalf("%s", sketch(items))
	}
	if items[1].Err == nil || !strings.Contains(items[1].Err.Error(), "sendAtt") || items[2].Err == nil {
		t.Errorf("%s", sketch(items))
	}
	first, last := items[0].Request, items[3].Request
	if first.GetConnection() != "main" || fmt.Sprint(first.GetTags()) != "[own all]" || first.GetWait() != nil || first.GetMetadata()["k"] != "base" {
		t.Errorf("%v", first)
	}
	if last.GetConnection() != "other" || last.GetPriority() != postilionv1.Priority_PRIORITY_HIGH || last.GetMetadata()["k"] != "own" || last.GetMetadata()["l"] != "base" {
		t.Errorf("%v", last)
	}
}

func TestReadLine(t *testing.T) {
	t.Parallel()
	r := bufio.NewReaderSize(strings.NewReader("short\n"+strings.Repeat("x", 100)+"\n"+strings.Repeat("y", 30)), 16)
	for _, want := range []struct {
		line string
		n    int64
		err  error
	}{{"short\n", 6, nil}, {"", 101, errLong}, {strings.Repeat("y", 30), 30, nil}} {
		line, n, err := readLine(r, 40)
		if string(line) != want.line || n != want.n || want.err != nil && !errors.Is(err, want.err) {
			t.Errorf("%q, %d, %v; want %+v", line, n, err, want)
		}
	}
}

func TestTable(t *testing.T) {
	t.Parallel()
	base := request(&postilionv1.StructuredMessage{
		Subject: "Dear {{name}}", Text: `Hello {{.name}} of {{index . "Home town"}}{{if eq vip "yes"}}!{{end}}`, Html: "<b>{{name}}</b>",
		Headers: []*postilionv1.Header{{Name: "X-Town", Value: `{{index . "Home town"}}`}},
	})
	items := all(t, Options{Base: base, Path: write(t, "t.csv", "\xef\xbb\xbfto;name;Home town;vip\r\n"+
		"a@x.example;Jörg <Ö>;Berlin;yes\r\n"+
		"b@x.example;\"two\r\nlines\";Rome;\r\n"+
		"c@x.example;too few\r\n"+
		";;;\r\n"+
		";nobody;;\r\n"+
		"d@x.example;\xff;;\r\n"+
		"Jane <e@x.example>;other;Oslo;no\r\n")})
	compare(t, items, `line 2: to "Jörg <Ö>" a@x.example: "Dear Jörg <Ö>" "Hello Jörg <Ö> of Berlin!" "<b>Jörg &lt;Ö&gt;</b>"
line 3: to "two\nlines" b@x.example: "Dear two\nlines" "Hello two\nlines of Rome" "<b>two\nlines</b>"
line 5: wrong number of fields
line 7: the column "to" is empty
line 8: is not valid UTF-8; save the table as UTF-8
line 9: to "Jane" e@x.example: "Dear other" "Hello other of Oslo" "<b>other</b>"
`)
	if got := items[0].Request.GetMessage().GetHeaders()[0].GetValue(); got != "Berlin" {
		t.Errorf("header %q", got)
	}
	if base.GetMessage().GetSubject() != "Dear {{name}}" || base.GetMessage().GetHeaders()[0].GetValue() != `{{index . "Home town"}}` {
		t.Errorf("the template has changed: %v", base)
	}
	items = all(t, Options{Base: request(&postilionv1.StructuredMessage{Text: "x"}), Path: write(t, "t.tsv", "To\tsubject\tcc\tbcc\treply_to\tfrom\na@x\tHi\tb@x, C <c@x>\td@x\te@x\tf@x\n")})
	m := items[0].Request.GetMessage()
	if m.GetSubject() != "Hi" || len(m.GetCc()) != 2 || m.GetBcc()[0].GetAddress() != "d@x" || m.GetReplyTo()[0].GetAddress() != "e@x" || m.GetFrom().GetAddress() != "f@x" {
		t.Errorf("%v", m)
	}
}

func TestTableMistakes(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct{ table, text, want string }{
		"no address":     {"name,mail\n", "", `"to"`},
		"nothing":        {"", "", `"to"`},
		"twice":          {"to,to\n", "", "twice"},
		"no name":        {"to,\n", "", "no name"},
		"unknown column": {"to,name\n", "{{nmae}}", "the columns are to, name"},
		"bad template":   {"to,name\n", "{{if}}", "text:1"},
	} {
		_, err := Open(Options{Path: write(t, "t.csv", test.table), Base: request(&postilionv1.StructuredMessage{Text: test.text})})
		if as := (*UsageError)(nil); !errors.As(err, &as) || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
	items := all(t, Options{Path: write(t, "t.csv", "to\na@x\n"), Base: request(&postilionv1.StructuredMessage{Text: "{{.name}}"})})
	if items[0].Err == nil || !strings.Contains(items[0].Err.Error(), "name") {
		t.Errorf("%s", sketch(items))
	}
}

func TestFolder(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for name, content := range map[string]string{"b.eml": "To: b@x\n\nb", "a.EML": "To: a@x\n\na", "notes.txt": "x"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink("nowhere", filepath.Join(dir, "c.eml")); err != nil {
		t.Fatal(err)
	}
	envelope := &postilionv1.Envelope{From: proto.String("bounce@x")}
	items := all(t, Options{Path: dir, Base: &postilionv1.SendRequest{Content: &postilionv1.SendRequest_Raw{Raw: &postilionv1.RawMessage{Envelope: envelope}}}})
	if len(items) != 3 || items[2].Err == nil {
		t.Fatalf("%s", sketch(items))
	}
	compare(t, items[:2], "a.EML: raw \"To: a@x\\n\\na\"\nb.eml: raw \"To: b@x\\n\\nb\"\n")
	if items[1].Request.GetRaw().GetEnvelope().GetFrom() != "bounce@x" || items[1].Read != 2 {
		t.Errorf("%v", items[1])
	}
	if _, err := Open(Options{Path: dir, Format: Lines}); err == nil {
		t.Error("a directory of lines")
	}
}

// Keys survive that a bad line is mended, and tell repeated lines apart.
func TestKeys(t *testing.T) {
	t.Parallel()
	keys := func(text, run string) (list []string) {
		for _, item := range all(t, Options{Path: write(t, "m.jsonl", text), Run: run}) {
			if item.Err == nil {
				list = append(list, item.Request.GetIdempotencyKey())
			}
		}
		return list
	}
	a, b, own := `{"connection":"a"}`+"\n", `{"connection":"b"}`+"\n", `{"connection":"b","idempotencyKey":"own"}`+"\n"
	before := keys(a+"bad\n"+a+b+own, "")
	after := keys(a+`{"connection":"mended"}`+"\n"+a+b+own, "")
	if len(before) != 4 || len(after) != 5 || before[0] != after[0] || before[1] != after[2] || before[2] != after[3] || before[3] != "own" {
		t.Errorf("%v\n%v", before, after)
	}
	seen := map[string]bool{}
	for _, key := range append(after[:4], keys(a+b, "again")...) {
		if seen[key] || len(key) != 45 {
			t.Errorf("key %q", key)
		}
		seen[key] = true
	}
}

func TestCheck(t *testing.T) {
	t.Parallel()
	good := func(change func(*postilionv1.StructuredMessage)) *postilionv1.SendRequest {
		m := &postilionv1.StructuredMessage{To: []*postilionv1.Address{{Address: "a@x.example"}}, Text: "x"}
		change(m)
		return request(m)
	}
	raw := func(content string, envelope *postilionv1.Envelope) *postilionv1.SendRequest {
		return &postilionv1.SendRequest{Content: &postilionv1.SendRequest_Raw{Raw: &postilionv1.RawMessage{Content: []byte(content), Envelope: envelope}}}
	}
	for name, test := range map[string]struct {
		request *postilionv1.SendRequest
		want    string // empty if it is fine
	}{
		"good":           {good(func(*postilionv1.StructuredMessage) {}), ""},
		"nothing":        {&postilionv1.SendRequest{}, "message: is missing"},
		"nobody":         {good(func(m *postilionv1.StructuredMessage) { m.To = nil }), "message.to"},
		"a bad address":  {good(func(m *postilionv1.StructuredMessage) { m.Cc = []*postilionv1.Address{{Address: "x"}} }), "message.cc[0].address"},
		"a bad subject":  {good(func(m *postilionv1.StructuredMessage) { m.Subject = "a\nb" }), "message.subject"},
		"a bad file":     {good(func(m *postilionv1.StructuredMessage) { m.Attachments = []*postilionv1.Attachment{{Filename: "a\nb"}} }), "message.attachments[0]"},
		"a bad header":   {good(func(m *postilionv1.StructuredMessage) { m.Headers = []*postilionv1.Header{{Name: "Bcc"}} }), "message.headers[0]"},
		"too large":      {good(func(m *postilionv1.StructuredMessage) { m.Text = strings.Repeat("x", 2<<20) }), "limit is 1048576"},
		"raw":            {raw("From: a@x\nTo: b@x\n\nx", nil), ""},
		"raw to nobody":  {raw("From: a@x\n\nx", nil), "raw.envelope.recipients"},
		"raw envelope":   {raw("From: a@x\n\nx", &postilionv1.Envelope{Recipients: []*postilionv1.EnvelopeRecipient{{Address: "b@x"}}}), ""},
		"raw bad rcpt":   {raw("From: a@x\n\nx", &postilionv1.Envelope{Recipients: []*postilionv1.EnvelopeRecipient{{Address: "a b@x"}}}), "raw.envelope.recipients[0]"},
		"raw bad sender": {raw("To: a@x\n\nx", &postilionv1.Envelope{From: proto.String("a b")}), "raw.envelope.from"},
		"raw nothing":    {raw("", nil), "raw.content"},
	} {
		err := Check(test.request, 1<<20)
		if (err == nil) != (test.want == "") || err != nil && !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// Whatever a file holds, each item is a request or an error, in order.
func FuzzLines(f *testing.F) {
	f.Add([]byte("{}\n\n{\"raw\":{\"content\":\"eA==\"}}\nx"))
	f.Add([]byte("\xef\xbb\xbf\x00\n{"))
	f.Fuzz(func(t *testing.T, data []byte) {
		sound(t, lines(strings.NewReader(string(data)), &postilionv1.SendRequest{}))
	})
}

func FuzzTable(f *testing.F) {
	f.Add([]byte("to,name\na@x,b\n\"a\nb\",c\n"), "{{name}}")
	f.Add([]byte("to;html;a b\n;;\n\"x;\n"), `{{.html}}{{index . "a b"}}`)
	f.Fuzz(func(t *testing.T, data []byte, text string) {
		if strings.Contains(text, "{{") && len(text) > 40 {
			return // a template may loop for long; it is its user's own
		}
		items, err := table(strings.NewReader(string(data)), request(&postilionv1.StructuredMessage{Text: text, Html: text}))
		if err == nil {
			sound(t, items)
		}
	})
}

func sound(t *testing.T, items iter.Seq2[Item, error]) {
	line := 0
	for item, err := range items {
		if err != nil {
			t.Fatal(err)
		}
		if (item.Request == nil) == (item.Err == nil) || item.Line <= line {
			t.Fatalf("%+v after line %d", item, line)
		}
		line = item.Line
	}
}
