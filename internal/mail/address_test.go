package mail

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestParseAddressList(t *testing.T) {
	t.Parallel()
	one := func(name, addr string) []Address { return []Address{{name, addr}} }
	for _, test := range []struct {
		in   string
		want []Address
	}{
		{"", []Address{}},
		{"jane@example.com", one("", "jane@example.com")},
		{"Jane Doe <jane@example.com>", one("Jane Doe", "jane@example.com")},
		{`"Doe, Jane" <jane@example.com>`, one("Doe, Jane", "jane@example.com")},
		{`"a \"b\" c" <jane@example.com>`, one(`a "b" c`, "jane@example.com")},
		{"jane@example.com (Jane Doe)", one("Jane Doe", "jane@example.com")},
		{"a(b)<x@y>", one("a", "x@y")},
		{"(c (d) \\) e) <x@y>", one("c (d) ) e", "x@y")},
		{"bob@evil.com <x@y>", one("bob@evil.com", "x@y")},
		{"jane @ example . com", one("", "jane@example.com")},
		{"< jane@example.com >", one("", "jane@example.com")},
		{"=?utf-8?q?J=C3=B6rg?= =?utf-8?q?_M?= <x@y>", one("Jörg M", "x@y")},
		{`"=?iso-8859-1?Q?J=F6rg?=" <x@y>`, one("Jörg", "x@y")},
		{"=?utf-8?q?a=0D=0ABcc:_b?= <x@y>", one("a  Bcc: b", "x@y")},
		{"=?utf-8?Q?Foo,_Inc.?= <x@y>", one("Foo, Inc.", "x@y")},
		{"Grüße <x@y>", one("Grüße", "x@y")},
		{"J. Doe <x@y>", one("J. Doe", "x@y")},
		{"a@x, b@y;c@z,", []Address{{"", "a@x"}, {"", "b@y"}, {"", "c@z"}}},
		{"Team: a@x, B <b@y>; c@z", []Address{{"", "a@x"}, {"B", "b@y"}, {"", "c@z"}}},
		{"undisclosed-recipients:;", []Address{}},
		{`"x@evil.com x"@internal.domain`, one("", `"x@evil.com x"@internal.domain`)},
		{"x <y@bücher.example>", one("x", "y@xn--bcher-kva.example")},
	} {
		got, err := ParseAddressList(test.in)
		if err != nil {
			t.Errorf("ParseAddressList(%q): %v", test.in, err)
		} else if diff := cmp.Diff(test.want, got); diff != "" {
			t.Errorf("ParseAddressList(%q):\n%s", test.in, diff)
		}
	}
}

func TestParseAddressRefuses(t *testing.T) {
	t.Parallel()
	for _, in := range []string{
		"", "root", "a@x, b@y", "Foo, Inc. <a@x>", "<a@x> <b@y>", "a@x b@y", "<a@x", `"a <a@x>`, "a (b <a@x>",
		"a: b: c@x", "a@x: b@y", "a@[1.2.3.4]", "a\r\nBcc: b@y <a@x>", "a\x00 <a@x>", "<a@b@c>", "<a@x\u2028>", "\xff <a@x>",
	} {
		if a, err := ParseAddress(in); err == nil {
			t.Errorf("ParseAddress(%q) = %q", in, a)
		}
	}
}

func TestAddressString(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		in   Address
		want string
	}{
		{Address{"", "a@x"}, "a@x"},
		{Address{"Jane Doe", "a@x"}, "Jane Doe <a@x>"},
		{Address{"Doe, Jane", "a@x"}, `"Doe, Jane" <a@x>`},
		{Address{`a"\b`, "a@x"}, `"a\"\\b" <a@x>`},
		{Address{"Grüße", "a@x"}, "=?utf-8?b?R3LDvMOfZQ==?= <a@x>"},
		{Address{"Jörg Schneider", "a@x"}, "=?utf-8?q?J=C3=B6rg_Schneider?= <a@x>"},
		{Address{"evil\u202eexe", "a@x"}, "=?utf-8?q?evil=E2=80=AEexe?= <a@x>"},
		{Address{"x", "a@bücher.example"}, "x <a@xn--bcher-kva.example>"},
	} {
		got := test.in.String()
		if got != test.want {
			t.Errorf("%+v is %q, want %q", test.in, got, test.want)
		}
		if back, err := ParseAddress(got); err != nil || back.Name != test.in.Name {
			t.Errorf("%q is read as %+v, %v", got, back, err)
		}
	}
}

func FuzzParseAddressList(f *testing.F) {
	for _, s := range []string{"Jane <a@x>", `"a, b" <c@d>, e@f (g)`, "g: a@x, b@y;", "=?utf-8?q?=00?= <a@b>", "a@b.c;", "a(\\)<", "\"\" <a@x>"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		list, err := ParseAddressList(s)
		if err != nil {
			return
		}
		field := string(AppendAddresses(nil, "To", list))
		for line := range strings.SplitSeq(strings.TrimSuffix(field, "\r\n"), "\r\n") {
			if len(line) > maxLine || hasControl(line) || strings.TrimSpace(line) == "" {
				t.Fatalf("%q is written with the line %q", s, line)
			}
		}
		h := scanHeader([]byte(field))
		if len(h.fields) != 1 || h.end != len(field) {
			t.Fatalf("%q is written as %q", s, field)
		}
		again, err := ParseAddressList(h.fields[0].value())
		if err != nil || !cmp.Equal(again, list) {
			t.Fatalf("%q became %q, read as %q, %v", s, list, again, err)
		}
	})
}
