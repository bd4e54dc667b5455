package mail

import (
	"bytes"
	"errors"
	"strings"
	"testing"
	"time"
)

var testOptions = Options{
	Now:         time.Date(2026, 3, 1, 12, 30, 0, 0, time.FixedZone("", 3600)),
	Domain:      "host.example",
	ID:          "0001",
	DefaultFrom: Address{Addr: "default@host.example"},
}

const (
	addedDate = "Date: Sun, 01 Mar 2026 12:30:00 +0100\r\n"
	addedID   = "Message-ID: <0001@host.example>\r\n"
	added     = addedDate + addedID + "MIME-Version: 1.0\r\n"
	complete  = "Date: d\r\nMessage-ID: <m@x>\r\nMIME-Version: 1.0\r\n"
)

func TestCanonicalize(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("w ", 700)
	for _, test := range []struct{ name, in, want string }{
		{"complete", complete + "Subject: s\r\n\r\nb\r\n", complete + "Subject: s\r\n\r\nb\r\n"},
		{"LF", "Subject: s\n\nb\n.\nc", "Subject: s\r\n" + added + "\r\nb\r\n.\r\nc\r\n"},
		{"mixed", "To: a@x\r\nSubject: s\nX: y\r\r\n\r\nb\r\nc\n", "To: a@x\r\nSubject: s\r\nX: y\r\n" + added + "\r\nb\r\nc\r\n"},
		{"CR alone", "Subject: s\r\rb\rc", "Subject: s\r\n" + added + "\r\nb\r\nc\r\n"},
		{"NUL and stray CR", "Subject: a\x00b\rBcc: x@y\n\nb\r.\rc\x00\n", "Subject: abBcc: x@y\r\n" + added + "\r\nb.c\r\n"},
		{"mbox line", "From a@x Thu Jan  1 00:00:00 1970\nSubject: s\n\nb\n", "Subject: s\r\n" + added + "\r\nb\r\n"},
		{"byte order mark", "\xef\xbb\xbfBcc: a@x\nSubject: s\n\nb\n", "Subject: s\r\n" + added + "\r\nb\r\n"},
		{"From with white space", "From : a@x\nSubject: s\n\nb\n", "Subject: s\r\n" + added + "\r\nb\r\n"},
		{"no blank line", "Subject: s\nno header here\nX: y\n", "Subject: s\r\n" + added + "\r\nno header here\r\nX: y\r\n"},
		{"header only", "Subject: s", "Subject: s\r\n" + added + "\r\n"},
		{"body only", "\nb\n", added + "\r\nb\r\n"},
		{"Bcc", "Bcc: a@x,\n b@y\nSubject: s\nBCC : c@z\nResent-Bcc: d@z\n\nb\n", "Subject: s\r\n" + added + "\r\nb\r\n"},
		{"overlay fields", "From: a@x\nSubject: s\nSender: b@x\nReply-To: c@x\n\nb\n", "Subject: s\r\n" + added + "\r\nb\r\n"},
		{"empty ones", "Date:\nMessage-ID: \nSubject:\n\nb\n", "Subject:\r\n" + added + "\r\nb\r\n"},
		{"UTF-8 subject", "Subject: Grüße aus dem schönen Süden\n\nb\n", "Subject: =?utf-8?b?R3LDvMOfZSBhdXMgZGVtIHNjaMO2bmVuIFPDvGRlbg==?=\r\n" + added + "\r\nb\r\n"},
		{"Latin-1 subject", "Subject: Preis 30 \x80 f\xfcr ein Paar\n\nb\n", "Subject: =?utf-8?q?Preis_30_=E2=82=AC_f=C3=BCr_ein_Paar?=\r\n" + added + "\r\nb\r\n"},
		{"half encoded", "Subject: =?utf-8?q?a=C3=BC?= ß\n\nb\n", "Subject: =?utf-8?b?YcO8IMOf?=\r\n" + added + "\r\nb\r\n"},
		{"UTF-8 phrase", "To: Grüße <x@y>, \"ä, b\" <b@bücher.example>\n\nb\n", "To: =?utf-8?b?R3LDvMOfZQ==?= <x@y>, =?utf-8?b?w6QsIGI=?=\r\n <b@xn--bcher-kva.example>\r\n" + added + "\r\nb\r\n"},
		{"UTF-8 local part", "To: ä <jörg@x>\n\nb\n", "To: =?utf-8?b?w6Q=?= <jörg@x>\r\n" + added + "\r\nb\r\n"},
		{"UTF-8 file name", "Content-Type: image/png; name=\"ä b.png\"\nContent-Transfer-Encoding: base64\n\nAA==\n", "Content-Type: image/png;\r\n name*=utf-8''%C3%A4%20b.png\r\nContent-Transfer-Encoding: base64\r\n" + added + "\r\nAA==\r\n"},
		{"8-bit body", "Subject: s\n\nä\n", "Subject: s\r\n" + added + "Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\nä\r\n"},
		{"Latin-1 body", "Subject: s\n\n\xe4\n", "Subject: s\r\n" + added + "Content-Type: text/plain; charset=windows-1252\r\nContent-Transfer-Encoding: 8bit\r\n\r\n\xe4\r\n"},
		{"empty charset", "Content-Type: text/html; charset=\n\nb\n", "Content-Type: text/html; charset=utf-8\r\n" + added + "\r\nb\r\n"},
		{"empty charset before another", "Content-Type: text/plain; charset=; format=flowed\n\nä\n", "Content-Type: text/plain; format=flowed; charset=utf-8\r\n" + added + "Content-Transfer-Encoding: 8bit\r\n\r\nä\r\n"},
		{"charset kept", "Content-Type: text/plain; charset=ISO-8859-15\n\n\xe4\n", "Content-Type: text/plain; charset=ISO-8859-15\r\n" + added + "Content-Transfer-Encoding: 8bit\r\n\r\n\xe4\r\n"},
		{"long subject", "Subject: " + long + "\n\nb\n", string(AppendField(nil, "Subject", long)) + added + "\r\nb\r\n"},
		{"blank continuation", "Subject: a\n \n b\n\nb\n", "Subject: a  b\r\n" + added + "\r\nb\r\n"},
	} {
		c, err := Canonicalize([]byte(test.in), testOptions)
		if err != nil {
			t.Errorf("%s: %v", test.name, err)
		} else if got := string(c.Bytes); got != test.want {
			t.Errorf("%s:\n got %q\nwant %q", test.name, got, test.want)
		}
	}
}

func TestCanonicalizeFacts(t *testing.T) {
	t.Parallel()
	c, err := Canonicalize([]byte("From: Jörg <j@x>\nFrom: evil@y\nSender: root\nSubject: Grüße\nMessage-ID: <1@x>\nTo: ö@x\n\nb\n"), testOptions)
	if err != nil {
		t.Fatal(err)
	}
	if c.MessageID != "<1@x>" || c.Subject != "Grüße" || !c.EightBit || !c.UTF8Headers || c.Signed || c.Sealed {
		t.Errorf("%+v", c)
	}
	if id := c.Identity; len(id.From) != 1 || id.From[0] != (Address{"Jörg", "j@x"}) || id.Sender.Addr != "root@host.example" || id.FromDefaulted {
		t.Errorf("%+v", id)
	}
	c, err = Canonicalize([]byte("\nb\n"), testOptions)
	if err != nil || !c.Identity.FromDefaulted || c.Identity.From[0] != testOptions.DefaultFrom || c.EightBit {
		t.Errorf("%+v, %v", c, err)
	}
	c, err = Canonicalize([]byte("Bcc: a@x\n\nb"), Options{KeepBcc: true})
	if err != nil || !bytes.HasPrefix(c.Bytes, []byte("Bcc: a@x\r\n")) {
		t.Errorf("KeepBcc: %q, %v", c.Bytes, err)
	}
}

// Nothing to change means no copy.
func TestCanonicalizeInPlace(t *testing.T) {
	t.Parallel()
	for _, in := range []string{
		complete + "\r\nb\r\n",
		"From: a@x\r\nSender: b@x\r\n" + complete + "\r\nb\r\n",
		"DKIM-Signature: h=from\r\nFrom: a@x\r\n\r\nb\r\n",
	} {
		raw := []byte(in)
		c, err := Canonicalize(raw, testOptions)
		if err != nil || &c.Bytes[len(c.Bytes)-1] != &raw[len(raw)-1] {
			t.Errorf("%q is copied (%v)", in, err)
		}
	}
}

func TestCanonicalizeSealed(t *testing.T) {
	t.Parallel()
	const signed = "DKIM-Signature: v=1; h=from:to:\r\n bcc; b=x\r\n"
	long := strings.Repeat("x", 2000)
	for _, test := range []struct{ in, want string }{
		{"From: ä@x\nDKIM-Signature: h=from\nSubject: ö\n\n" + long, "From: ä@x\r\nDKIM-Signature: h=from\r\nSubject: ö\r\n\r\n" + long + "\r\n"},
		{"From a@x\n" + signed + "Content-Type: text/plain; charset=\n\nb\n", signed + "Content-Type: text/plain; charset=\r\n\r\nb\r\n"},
		{"ARC-Seal: i=1\nBcc: a@x\nFrom: b@x\n\nb\n", "ARC-Seal: i=1\r\nFrom: b@x\r\n\r\nb\r\n"},
	} {
		c, err := Canonicalize([]byte(test.in), testOptions)
		if err != nil || string(c.Bytes) != test.want || !c.Sealed || !c.Signed || !c.Identity.Sealed {
			t.Errorf("%q became %q, %v", test.in, c.Bytes, err)
		}
	}
	_, err := Canonicalize([]byte(signed+"Bcc: a@x\n\nb\n"), testOptions)
	if fe := (*FieldError)(nil); !errors.As(err, &fe) || fe.Code != CodeSignedContent {
		t.Errorf("signed Bcc: %v", err)
	}
	pgp := "Content-Type: multipart/signed; boundary=b\n\n--b\n\n" + long + "\n--b--\n"
	c, err := Canonicalize([]byte(pgp), testOptions)
	if err != nil || !c.Signed || c.Sealed || !strings.Contains(string(c.Bytes), long) || !strings.Contains(string(c.Bytes), addedID) {
		t.Errorf("multipart/signed: %v", err)
	}
}

// Fake ends of data, by which one message becomes two (SMTP smuggling).
func TestCanonicalizeSmuggling(t *testing.T) {
	t.Parallel()
	for _, end := range []string{
		"\n.\n", "\n.\r\n", "\r.\r", "\r.\n", "\r.\r\n", "\n.\r", "\r\n.\n", "\r\n.\r", "\r\n\x00.\r\n", "\r\n.\x00\r\n",
		"\r\n.\r\r\n", "\r\r\n.\r\r\n", "\r\n.\r\x00\n",
	} {
		c, err := Canonicalize([]byte("Subject: s\r\n\r\nbody"+end+"MAIL FROM:<evil@x>\r\n"), testOptions)
		if err != nil {
			t.Errorf("%q: %v", end, err)
			continue
		}
		checkCanonical(t, c.Bytes)
	}
}

// checkCanonical checks what holds for all content.
func checkCanonical(t *testing.T, b []byte) {
	t.Helper()
	rest := bytes.ReplaceAll(b, []byte("\r\n"), nil)
	if bytes.ContainsAny(rest, "\r\n\x00") {
		t.Errorf("stray CR, LF or NUL in %q", b)
	}
	if !bytes.HasSuffix(b, []byte("\r\n")) {
		t.Errorf("no line end at the end of %q", b)
	}
	h := scanHeader(b)
	for _, f := range h.fields {
		if f.is("Bcc") || f.is("Resent-Bcc") {
			t.Errorf("Bcc in %q", b)
		}
	}
}

func TestCanonicalizeLimits(t *testing.T) {
	t.Parallel()
	for name, in := range map[string]string{
		"bytes":  "X: " + strings.Repeat("word ", 40000) + "\n\nb\n",
		"fields": strings.Repeat("X: y\n", 10000) + "\nb\n",
		"name":   strings.Repeat("X", 1200) + ": y\n\nb\n",
	} {
		_, err := Canonicalize([]byte(in), testOptions)
		if fe := (*FieldError)(nil); !errors.As(err, &fe) || fe.Code != CodeTooLarge || fe.Field != "raw.content" {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := Canonicalize(nil, testOptions); err == nil {
		t.Error("empty content is accepted")
	}
	folded := "X: a\n" + strings.Repeat(" b\n", 1000) + "\nb\n"
	if _, err := Canonicalize([]byte(folded), testOptions); err != nil {
		t.Errorf("a thousand folds: %v", err)
	}
}

func TestRecipients(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ in, to, cc, bcc string }{
		{"To: a@x, B <b@y>\nCc: c@z\nBcc: d@z\nbcc : e@z\n\nTo: no@x\n", "a@x b@y", "c@z", "d@z e@z"},
		{"From x\nTo: root,\n  a@x\r\n\r\n", "root@host.example a@x", "", ""},
		{"To: a@x\nResent-To: r@x\nResent-Bcc: s@x\n", "r@x", "", "s@x"},
		{"To: undisclosed-recipients:;\rBcc: b@x", "", "", "b@x"},
		{"B\rcc: b@x\n", "", "", "b@x"},
		{"\nTo: a@x\n", "", "", ""},
	} {
		to, cc, bcc, err := Recipients([]byte(test.in), "host.example")
		if err != nil || joined(to) != test.to || joined(cc) != test.cc || joined(bcc) != test.bcc {
			t.Errorf("%q: %q, %q, %q, %v", test.in, to, cc, bcc, err)
		}
	}
	_, _, _, err := Recipients([]byte("To: a@x\nCc: b@y, c d <>\n"), "host.example")
	if fe := (*FieldError)(nil); !errors.As(err, &fe) || fe.Field != "raw.content.cc[1]" {
		t.Errorf("bad Cc: %v", err)
	}
}

func joined(list []Address) string {
	var all []string
	for _, a := range list {
		all = append(all, a.Addr)
	}
	return strings.Join(all, " ")
}

func FuzzCanonicalize(f *testing.F) {
	for _, s := range []string{
		"\xef\xbb\xbf\xef\xbb\xbfA: b\n\n",
		"Subject: s\n\nb\n", "From a\nTo: Grüße <x@y>\nBcc: b@y\n\nä\n", "\r\r", "A:\n \n\n", "DKIM-Signature: h=bcc\nBcc: x\n",
		"Content-Type: multipart/mixed; boundary=b\n\n--b\n\nx\n--b--\n", "Content-Type: text/plain; charset=\n\n\xff",
		"To: \xff <\xfc@y>\n\n" + strings.Repeat("x", 1200), "Content-Type: text/plain; name=\"ä\"; charset\n\n",
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		before := bytes.Clone(raw)
		c, err := Canonicalize(raw, testOptions)
		if !bytes.Equal(before, raw) {
			t.Fatal("the input was changed")
		}
		if err != nil {
			return
		}
		checkCanonical(t, c.Bytes)
		if !c.Signed && hasLongLine(c.Bytes) && !bytes.Contains(c.Bytes, []byte("signed")) {
			t.Fatalf("long line in %q", c.Bytes)
		}
		again, err := Canonicalize(c.Bytes, testOptions)
		if err != nil || !bytes.Equal(again.Bytes, c.Bytes) {
			t.Fatalf("not stable (%v):\n%q\n%q\n%q", err, raw, c.Bytes, again.Bytes)
		}
	})
}

// A trace stands in front of everything, and changes nothing of what is sealed.
func TestCanonicalizeTrace(t *testing.T) {
	t.Parallel()
	const trace = "Received: from a by b;\r\n\tThu, 26 Nov 2026 12:00:00 +0000\r\n"
	for _, header := range []string{"Subject: s\r\n", "DKIM-Signature: v=1; h=subject\r\nFrom: a@x.example\r\nSubject: s\r\n"} {
		for _, prefix := range []string{"", "From x\n", "\xef\xbb\xbf"} {
			o := testOptions
			o.Trace = []byte(trace)
			with, err := Canonicalize([]byte(prefix+header+"\r\nbody\r\n"), o)
			if err != nil {
				t.Fatal(err)
			}
			without, err := Canonicalize([]byte(prefix+header+"\r\nbody\r\n"), testOptions)
			if err != nil {
				t.Fatal(err)
			}
			if got, want := string(with.Bytes), trace+string(without.Bytes); got != want || with.Sealed != without.Sealed {
				t.Errorf("%q, not %q", got, want)
			}
		}
	}
}
