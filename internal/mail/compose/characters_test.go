package compose

import (
	"bytes"
	"strings"
	"testing"

	gomessage "github.com/emersion/go-message"
	gomail "github.com/emersion/go-message/mail"

	"github.com/postilion-mail/postilion/internal/mail"
)

// Characters that a careless program cuts to a control character, by taking
// their low octet: NUL, LF, CR, and the octets of an end of data.
const lowControls = "\u0100\u010a\u010d\u0a0d\u0d0a\u4e0a\u560a\u560d\u2a00\U0001000a\U0001f40d\U0001f30a"

// What is shown as something else than it is: written from right to left,
// joined, of full width.
const deceptive = "moc.elgoog\u202e a\u200db \uff41\uff44\uff4d\uff49\uff4e\uff20example.org \u2066x\u2069"

// T85 and T95: such characters travel encoded, and arrive as they were.
func TestDeceptiveCharacters(t *testing.T) {
	t.Parallel()
	for name, text := range map[string]string{
		"low controls": lowControls, "attack": "x\u560d\u560aBcc: victim@example.net\u560d\u560a\u560d\u560a.\u560d\u560a", "deceptive": deceptive,
	} {
		m := simple()
		m.To[0].Name, m.Subject, m.Text = text, text, text+"\n"
		m.Headers = []mail.Header{{Name: "X-Text", Value: text}}
		m.Attachments = []mail.Attachment{{Filename: text + ".txt", ContentType: "text/plain", Content: []byte("a")}}
		c := compose(t, m)
		for _, line := range bytes.SplitAfter(bytes.TrimSuffix(c.Bytes, []byte("\r\n")), []byte("\n")) {
			if bytes.ContainsAny(bytes.TrimSuffix(line, []byte("\r\n")), "\r\n\x00") {
				t.Errorf("%s: a stray control in %q", name, line)
			}
		}
		head, _, _ := bytes.Cut(c.Bytes, []byte("\r\n\r\n"))
		for _, b := range head {
			if b >= 0x80 || b < ' ' && b != '\r' && b != '\n' && b != '\t' {
				t.Fatalf("%s: the header has %#x:\n%s", name, b, head)
			}
		}
		e, err := gomessage.Read(bytes.NewReader(c.Bytes))
		if err != nil {
			t.Fatal(err)
		}
		header := gomail.Header{Header: e.Header}
		to, err := header.AddressList("To")
		if err != nil || len(to) != 1 || to[0].Name != text {
			t.Errorf("%s: To is %v, %v", name, to, err)
		}
		if subject, err := header.Subject(); err != nil || subject != text {
			t.Errorf("%s: the subject is %q, %v", name, subject, err)
		}
		if value, err := header.Text("X-Text"); err != nil || value != text {
			t.Errorf("%s: the further field is %q, %v", name, value, err)
		}
		if header.Has("Bcc") {
			t.Errorf("%s: a field was added", name)
		}
		structure, parts := tree(t, c.Bytes)
		if !strings.Contains(structure, text+".txt") {
			t.Errorf("%s: the file name is lost: %s", name, structure)
		}
		if string(parts[0]) != text+"\r\n" {
			t.Errorf("%s: the text is %q", name, parts[0])
		}
	}
}

// T85: an address keeps such characters too, or is refused; none is cut to a
// line end.
func TestLowControlsInAddresses(t *testing.T) {
	t.Parallel()
	for _, r := range lowControls {
		address := "a" + string(r) + "b@example.com"
		if path, err := mail.ParsePath(address); err == nil && path.String() != address {
			t.Errorf("%q became %q", address, path.String())
		}
		path, err := mail.ParsePath("a@" + string(r) + "b.example")
		if err == nil && strings.ContainsAny(path.String(), "\r\n\x00") {
			t.Errorf("the domain with %U became %q", r, path.String())
		}
	}
}
