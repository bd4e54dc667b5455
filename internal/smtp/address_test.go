package smtp

import (
	"strings"
	"testing"
)

func TestWirePath(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		in, out string
		utf8    bool
	}{
		{"a@b.example", "a@b.example", false},
		{"a+b@b.example", "a+b@b.example", false},
		{"!#$%@b.example", "!#$%@b.example", false},
		{`"odd user"@b.example`, `"odd user"@b.example`, false},
		{`"x@evil.example x"@b.example`, `"x@evil.example x"@b.example`, false},
		{`"a\"b"@b.example`, `"a\"b"@b.example`, false},
		{"a@b\u00fccher.example", "a@xn--bcher-kva.example", false},
		{"\u00fc@b\u00fccher.example", "\u00fc@xn--bcher-kva.example", true},
		{"a@[192.0.2.1]", "a@[192.0.2.1]", false},
		{"a@[IPv6:2001:db8::1]", "a@[IPv6:2001:db8::1]", false},
		{"a@under_score.example", "a@under_score.example", false},
		{"Postmaster", "Postmaster", false},
		{"", "", false}, {"a", "", false}, {"@b.example", "", false}, {"a@", "", false},
		{"a b@b.example", "", false}, {"a>b@b.example", "", false}, {"<a@b.example>", "", false},
		{"a@b.example> SIZE=1", "", false}, {"a@b.example SIZE=1", "", false}, {"a@b@c.example", "", false},
		{"a\r\n@b.example", "", false}, {"a@b.example\r\nRSET", "", false}, {"\"a\r\nb\"@b.example", "", false}, {"\"a\x00\"@b.example", "", false},
		{`"a"b"@b.example`, "", false}, {`"a\"@b.example`, "", false}, {`"@b.example`, "", false},
		{"\xff@b.example", "", false}, {"a@\xff.example", "", false},
		{strings.Repeat("a", 244) + "@b.example", strings.Repeat("a", 244) + "@b.example", false},
		{strings.Repeat("a", 245) + "@b.example", "", false},
	} {
		path, utf8, err := wirePath(test.in)
		if path != test.out || utf8 != test.utf8 || (err == nil) != (test.out != "") {
			t.Errorf("%q: %q %v, error %v", test.in, path, utf8, err)
		}
	}
}

func TestXtext(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{"a@b": "a@b", "a+b=c": "a+2Bb+3Dc", "a b\r\n": "a+20b+0D+0A", "\u00fc": "+C3+BC", "": ""} {
		if got := xtext(in); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
}

func FuzzWirePath(f *testing.F) {
	for _, seed := range []string{"a@b.example", `"a b"@c`, "\u00fc@\u00fc.example", "a\r\n@b", `"\\"@b`, "a@[::1]", "a@b>c"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, address string) {
		path, utf8, err := wirePath(address)
		if err != nil {
			return
		}
		if strings.ContainsFunc(path, func(r rune) bool { return r < ' ' || r == 0x7f }) || len(path) > maxPath {
			t.Errorf("path %q", path)
		}
		bare := path
		if strings.HasPrefix(path, `"`) {
			bare = path[strings.LastIndex(path, `"`):]
		}
		if strings.ContainsAny(bare, "<> ") {
			t.Errorf("path %q could end the command's argument", path)
		}
		if !utf8 && strings.ContainsFunc(path, func(r rune) bool { return r > 127 }) {
			t.Errorf("path %q is not ASCII", path)
		}
	})
}
