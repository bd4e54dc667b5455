package mail

import (
	"errors"
	"strings"
	"testing"
)

func TestParsePath(t *testing.T) {
	t.Parallel()
	l64 := strings.Repeat("l", 64)
	for _, test := range []struct{ in, want string }{
		{"jane@example.com", "jane@example.com"},
		{"<jane@Example.COM>", "jane@example.com"},
		{`"odd user"@example.com`, `"odd user"@example.com`},
		{`"jane"@example.com`, "jane@example.com"},
		{`"j\ane"@example.com`, "jane@example.com"},
		{`"a\"b\\c"@example.com`, `"a\"b\\c"@example.com`},
		{"a+b@example.com", "a+b@example.com"},
		{"_@example.com", "_@example.com"},
		{"!#$%@example.com", "!#$%@example.com"},
		{l64 + "@example.com", l64 + "@example.com"},
		{`"x@evil.com x"@internal.domain`, `"x@evil.com x"@internal.domain`},
		{`"a> SIZE=1"@example.com`, `"a> SIZE=1"@example.com`},
		{"jörg@bücher.example", "jörg@xn--bcher-kva.example"},
		{"a@ｅxample.org", "a@example.org"},
		{"a@XN--bcher-KVA.example", "a@xn--bcher-kva.example"},
		{"root@localhost", "root@localhost"},
		{"root@my_box.docker", "root@my_box.docker"},
	} {
		p, err := ParsePath(test.in)
		if err != nil || p.String() != test.want {
			t.Errorf("ParsePath(%q) = %q, %v; want %q", test.in, p, err, test.want)
		}
	}
}

func TestParsePathRefuses(t *testing.T) {
	t.Parallel()
	label := strings.Repeat("d", 60) + "."
	for _, test := range []struct{ in, reason string }{
		{"", "empty"}, {"<>", "empty"}, {"root", "no domain"}, {"@example.com", "nothing before"}, {"a@", "nothing after"},
		{`""@example.com`, "nothing before"},
		{"a@b@c", "more than one @"},
		{"a@[127.0.0.1]", "IP address"}, {"a@[IPv6:::1]", "IP address"}, {"a@127.0.0.1", "IP address"},
		{"a@example.com.", "ends in a dot"}, {"a@example..com", "host name"}, {"a@-example.com", "host name"},
		{".a@example.com", "dot"}, {"a.@example.com", "dot"}, {"a..b@example.com", "dot"},
		{strings.Repeat("l", 65) + "@example.com", "64 octets"},
		{"a@" + label + label + label + label + label + "com", "255 octets"},
		{strings.Repeat("l", 64) + "@" + label + label + label + "example.com", "254 octets"},
		{"a@exa\u200cmple.org", "international"}, {"a@xn--example-.com", "international"},
		{"a b@example.com", "' '"}, {"a>b@example.com", "'>'"}, {"a@example.com SIZE=1", "host name"}, {"a@example.com> SIZE=1", "host name"},
		{"@relay:a@example.com", "nothing before"},
		{"\"a\"b@example.com", "between"}, {`"a@example.com`, "not closed"}, {`"a\`, "backslash"},
		{"a\u202e@example.com", "invisible"}, {"a\u0085b@example.com", "invisible"}, {"\"a\u2028b\"@example.com", "invisible"},
		{"a\xff@example.com", "UTF-8"},
	} {
		_, err := ParsePath(test.in)
		var fe *FieldError
		if !errors.As(err, &fe) || fe.Field != "address" || !strings.Contains(fe.Reason, test.reason) {
			t.Errorf("ParsePath(%q): %v; want a reason with %q", test.in, err, test.reason)
		}
	}
	for c := byte(0); c < 0x20; c++ {
		for _, form := range []string{"a%b@example.com", `"a%b"@example.com`, `"a\%b"@example.com`, "a@exam%ple.com", "a@example.com%"} {
			if s := strings.ReplaceAll(form, "%", string(rune(c))); !refused(ParsePath(s)) {
				t.Errorf("ParsePath(%q) is accepted", s)
			}
		}
	}
}

func refused[T any](_ T, err error) bool { return err != nil }

func TestPathProperties(t *testing.T) {
	t.Parallel()
	p, _ := ParsePath("jörg@example.com")
	q, _ := ParsePath("joerg@bücher.example")
	if !p.NeedsUTF8() || q.NeedsUTF8() || q.ASCIIDomain() != "xn--bcher-kva.example" {
		t.Errorf("NeedsUTF8 is %v and %v for %q, %q", p.NeedsUTF8(), q.NeedsUTF8(), p, q)
	}
	if null, err := ParseReversePath("<>"); err != nil || !null.IsNull() || null.String() != "" {
		t.Errorf("null reverse-path: %q, %v", null, err)
	}
	for in, want := range map[string]string{"root": "root@example.com", "a@b": "a@b", "": "", `"x@y"`: `"x@y"@example.com`, "a b": "a b"} {
		if got := Complete(in, "example.com"); got != want {
			t.Errorf("Complete(%q) = %q, want %q", in, got, want)
		}
	}
}

func FuzzParsePath(f *testing.F) {
	for _, s := range []string{"jane@example.com", `"a b"@x.y`, "jörg@bücher.example", "a@b@c", "<a@b>", "a@[1.2.3.4]", "\"\\\"\"@x"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		p, err := ParsePath(s)
		if err != nil {
			return
		}
		out := p.String()
		if again, err := ParsePath(out); err != nil || again != p {
			t.Fatalf("%q became %q, which is read as %q, %v", s, out, again, err)
		}
		if hasControl(out) || !isASCII(p.Domain) || len(out) > maxPath || strings.ContainsAny(p.Domain, "@<> ") {
			t.Fatalf("%q became %q", s, out)
		}
		if !strings.HasPrefix(out, `"`) && strings.ContainsAny(out, " <>") {
			t.Fatalf("%q became %q, which is not one path", s, out)
		}
	})
}
