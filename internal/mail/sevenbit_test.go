package mail

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"mime/quotedprintable"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func crlf(s string) []byte { return []byte(strings.ReplaceAll(s, "\n", "\r\n")) }

func TestSevenBit(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ name, in, want string }{
		{"ASCII", "A: b\n\nc\n", "A: b\n\nc\n"},
		{"text", "A: ä\nContent-Transfer-Encoding: 8bit\n\nä=\n.\n", "A: =?utf-8?b?w6Q=?=\nContent-Transfer-Encoding: quoted-printable\n\n=C3=A4=3D\n.\n"},
		{"other", "Content-Type: image/png\n\nä\n", "Content-Type: image/png\nContent-Transfer-Encoding: base64\n\nw6QNCg==\n"},
		{"header only", "A: ä\n\nc\n", "A: =?utf-8?b?w6Q=?=\n\nc\n"},
		{"address", "To: A <ä@x>, b@y\n\nc\n", "To: =?utf-8?b?QSDDpEB4?= :;, b@y\n\nc\n"},
		{"base64 with dirt", "Content-Transfer-Encoding: base64\n\nAAäAA\n", "Content-Transfer-Encoding: base64\n\nAAAA\n"},
		{"quoted-printable with dirt", "Content-Transfer-Encoding: Quoted-Printable (so)\n\n=41ä=\nb\n", "Content-Transfer-Encoding: Quoted-Printable (so)\n\n=41=C3=A4=\nb\n"},
		{
			"parts", "Content-Type: multipart/mixed; boundary=\"b b\"\nContent-Transfer-Encoding: 8bit\n\nprä\n--b b\n\nä\n--b b--x\n--b b \nContent-Type: text/html; name=ö\n\nc\n--b b\nContent-Type: message/rfc822\n\nSubject: ü\n\nü\n--b b--\népi\n",
			"Content-Type: multipart/mixed; boundary=\"b b\"\nContent-Transfer-Encoding: 7bit\n\n--b b\nContent-Transfer-Encoding: quoted-printable\n\n=C3=A4\n--b b--x\n--b b \nContent-Type: text/html;\n name*=utf-8''%C3%B6\n\nc\n--b b\nContent-Type: message/rfc822\n\nSubject: =?utf-8?b?w7w=?=\nContent-Transfer-Encoding: quoted-printable\n\n=C3=BC\n--b b--\n",
		},
		{"nested", "Content-Type: multipart/mixed; boundary=a\n\n--a\nContent-Type: multipart/mixed; boundary=ab\n\n--ab\n\nä\n--ab--\n--a--\n", "Content-Type: multipart/mixed; boundary=a\n\n--a\nContent-Type: multipart/mixed; boundary=ab\n\n--ab\nContent-Transfer-Encoding: quoted-printable\n\n=C3=A4\n--ab--\n--a--\n"},
		{"empty parts", "Content-Type: multipart/mixed; boundary=a\n\n--a\n--a\n\n--a\nä\n", "Content-Type: multipart/mixed; boundary=a\n\n--a\n--a\n\n--a\nContent-Transfer-Encoding: quoted-printable\n\n=C3=A4\n"},
		{"digest", "Content-Type: multipart/digest; boundary=a\n\n--a\n\nA: b\n\nä\n--a--\n", "Content-Type: multipart/digest; boundary=a\n\n--a\n\nA: b\nContent-Transfer-Encoding: quoted-printable\n\n=C3=A4\n--a--\n"},
		{"no boundary", "Content-Type: multipart/mixed\n\nä\n", "Content-Type: multipart/mixed\nContent-Transfer-Encoding: quoted-printable\n\n=C3=A4\n"},
	} {
		got, err := SevenBit(crlf(test.in))
		if err != nil {
			t.Errorf("%s: %v", test.name, err)
		} else if diff := cmp.Diff(string(crlf(test.want)), string(got)); diff != "" {
			t.Errorf("%s:\n%s", test.name, diff)
		}
	}
}

func TestSevenBitRefuses(t *testing.T) {
	t.Parallel()
	deep, tail := "", "\n\nä\n"
	for i := range 150 {
		deep += fmt.Sprintf("Content-Type: multipart/mixed; boundary=b%d\n\n--b%d\n", i, i)
	}
	for _, test := range []struct{ name, in, code string }{
		{"DKIM", "DKIM-Signature: h=from\n\nä\n", CodeSignedContent},
		{"PGP", "Content-Type: multipart/signed; boundary=b\n\n--b\n\nä\n--b--\n", CodeSignedContent},
		{"a signed part", "Content-Type: multipart/mixed; boundary=a\n\n--a\nContent-Type: multipart/signed; boundary=b\n\n--b\n\nä\n--b--\n--a--\n", CodeSignedContent},
		{"depth", deep + tail, CodeTooLarge},
		{"parts", "Content-Type: multipart/mixed; boundary=b\n\n" + strings.Repeat("--b\n\nx\n", 100000) + "--b" + tail, CodeTooLarge},
	} {
		_, err := SevenBit(crlf(test.in))
		if fe := (*FieldError)(nil); !errors.As(err, &fe) || fe.Code != test.code {
			t.Errorf("%s: %v", test.name, err)
		}
	}
	out, err := SevenBit(crlf("Content-Type: multipart/mixed; boundary=" + strings.Repeat("b", 3000) + "\n\n--" + strings.Repeat("b", 3000) + "\n\nä\n"))
	if err != nil || !isASCII(out) || hasLongLine(out) {
		t.Errorf("a boundary of 3 KB: %v", err)
	}
}

// Lines that are too long go out in lines that are not, and mean the same.
func TestLongLines(t *testing.T) {
	t.Parallel()
	for _, n := range []int{998, 999, 5000, 1_000_000} {
		text := strings.Repeat("x", n)
		for _, head := range []string{"", "Content-Type: text/html; charset=utf-8\n", "Content-Type: application/x\n"} {
			c, err := Canonicalize([]byte("Subject: "+text[:min(n, 50000)]+"\n"+head+"\n"+text+"\n"), testOptions)
			if err != nil {
				t.Fatal(err)
			}
			if hasLongLine(c.Bytes) || c.Subject != text[:min(n, 50000)] {
				t.Errorf("%d: long line, or another subject", n)
			}
			if got := leaves(c.Bytes, ""); len(got) != 1 || got[0] != text+"\r\n" {
				t.Errorf("%d, %q: the text has changed", n, head)
			}
		}
		encoded := base64.StdEncoding.EncodeToString([]byte(text))
		for _, in := range []string{
			"Content-Transfer-Encoding: base64\n\n" + encoded + "\n",
			"Content-Transfer-Encoding: quoted-printable\n\n" + strings.ReplaceAll(text, "xxx", "=78=78=78"),
		} {
			c, err := Canonicalize([]byte(in), testOptions)
			if err != nil || hasLongLine(c.Bytes) {
				t.Fatalf("%d: long line, or %v", n, err)
			}
			if got := leaves(c.Bytes, ""); strings.TrimSpace(got[0]) != text {
				t.Errorf("%d: the encoded text has changed", n)
			}
		}
	}
}

// leaves decodes all leaf parts.
func leaves(b []byte, defaultType string) []string {
	p := readPart(b, defaultType)
	var all []string
	switch {
	case len(p.delimiters) > 0:
		childType := ""
		if p.mediaType == "multipart/digest" {
			childType = "message/rfc822"
		}
		for i, d := range p.delimiters {
			if !d.closing {
				content, _ := p.between(i)
				all = append(all, leaves(content, childType)...)
			}
		}
		return all
	case p.isMessage():
		return leaves(p.body, "")
	}
	switch p.encoding {
	case "quoted-printable":
		decoded, err := io.ReadAll(quotedprintable.NewReader(bytes.NewReader(p.body)))
		if err != nil {
			return []string{"undecodable"}
		}
		return []string{string(decoded)}
	case "base64":
		clean := bytes.Map(func(r rune) rune {
			if r <= ' ' || r >= 0x7f {
				return -1
			}
			return r
		}, p.body)
		decoded, err := base64.StdEncoding.DecodeString(string(clean))
		if err != nil {
			return []string{"undecodable"}
		}
		return []string{string(decoded)}
	}
	return []string{string(p.body)}
}

func FuzzSevenBit(f *testing.F) {
	for _, s := range []string{
		"A: ä\n\nä\n", "Content-Type: multipart/mixed; boundary=b\n\nx\n--b\n\nä\n--b\nContent-Type: message/rfc822\n\nA: b\n\nü\n--b--\n",
		"Content-Transfer-Encoding: base64\n\näAAA\n", "Content-Transfer-Encoding: quoted-printable\n\nä=\n=4", "Content-Type: multipart/digest; boundary=\"\"\n\n--\nä",
		"Content-Type: image/x; name=\"ä\xff\\\n\n\xff",
	} {
		f.Add(crlf(s))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		content := canonicalLines(raw)
		out, err := SevenBit(content)
		if err != nil {
			return
		}
		if !isASCII(out) {
			t.Fatalf("not 7-bit: %q became %q", content, out)
		}
		if isASCII(content) {
			return
		}
		checkLines(t, out)
		want, got := leaves(content, ""), leaves(out, "")
		for i := range want {
			if want[i] == "undecodable" || i >= len(got) {
				return
			}
		}
		if !cmp.Equal(want, got) {
			t.Fatalf("%q\nbecame %q:\n%s", content, out, cmp.Diff(want, got))
		}
	})
}

func checkLines(t *testing.T, b []byte) {
	t.Helper()
	if bytes.ContainsAny(bytes.ReplaceAll(b, []byte("\r\n"), nil), "\r\n\x00") || hasLongLine(b) {
		t.Errorf("a line that cannot be sent in %q", b)
	}
}
