package mail

import (
	"bytes"
	"errors"
	netmail "net/mail"
	"strings"
	"testing"
)

func TestPolicyApply(t *testing.T) {
	t.Parallel()
	site := Address{"Site", "mail@site.example"}
	jane := Address{"Jane", "jane@example.com"}
	reply := []Address{{"", "help@site.example"}}
	author := Identity{From: []Address{jane}}
	with := func(change func(*Identity)) Identity {
		id := Identity{From: []Address{jane}}
		change(&id)
		return id
	}
	raw := func(s string) Identity {
		c, err := Canonicalize([]byte(s), testOptions)
		if err != nil {
			t.Fatal(err)
		}
		return c.Identity
	}
	for _, test := range []struct {
		name     string
		policy   Policy
		id       Identity
		header   string // with | for line ends
		envelope string
	}{
		{"nothing", Policy{}, author, "From: Jane <jane@example.com>|", "jane@example.com"},
		{"default of the connection", Policy{From: site}, Identity{}, "From: Site <mail@site.example>|", "mail@site.example"},
		{"before the machine's", Policy{From: site, AllowedFromDomains: []string{"other.example"}}, raw("A: b\n\n"), "From: Site <mail@site.example>|", "mail@site.example"},
		{"the machine's", Policy{}, raw("A: b\n\n"), "From: default@host.example|", "default@host.example"},
		{"name added", Policy{From: site}, Identity{From: []Address{{"", "a@x"}}}, "From: Site <a@x>|", "a@x"},
		{"forced", Policy{From: site, ForceFrom: true}, author, "From: Jane <mail@site.example>|Reply-To: Jane <jane@example.com>|", "mail@site.example"},
		{"forced with name", Policy{From: site, ForceFrom: true, ForceName: true}, author, "From: Site <mail@site.example>|Reply-To: Jane <jane@example.com>|", "mail@site.example"},
		{"forced name", Policy{From: site, ForceName: true}, author, "From: Site <jane@example.com>|", "jane@example.com"},
		{"forced to the same", Policy{From: site, ForceFrom: true}, raw("From: \"Me\"  <MAIL@site.example>\n\n"), "From: Me <MAIL@site.example>|", "MAIL@site.example"},
		{"forced, Reply-To there", Policy{From: site, ForceFrom: true}, with(func(id *Identity) { id.ReplyTo = reply }), "From: Jane <mail@site.example>|Reply-To: help@site.example|", "mail@site.example"},
		{"forced, Reply-To of the policy", Policy{From: site, ForceFrom: true, ReplyTo: reply}, author, "From: Jane <mail@site.example>|Reply-To: help@site.example|", "mail@site.example"},
		{"forced, Sender and envelope go", Policy{From: site, ForceFrom: true}, with(func(id *Identity) {
			id.Sender, id.EnvelopeFrom, id.EnvelopeGiven = Address{Addr: "s@x"}, "e@x", true
		}), "From: Jane <mail@site.example>|Reply-To: Jane <jane@example.com>|", "mail@site.example"},
		{"forced, several authors", Policy{From: site, ForceFrom: true}, raw("From: a@x, b@x\n\n"), "From: Site <mail@site.example>|Reply-To: a@x, b@x|", "mail@site.example"},
		{"forced, unreadable", Policy{From: site, ForceFrom: true}, raw("From: a <\n\n"), "From: Site <mail@site.example>|", "mail@site.example"},
		{"except an address", Policy{From: site, ForceFrom: true, ForceName: true, ExceptFrom: []string{"JANE@example.com"}}, author, "From: Jane <jane@example.com>|", "jane@example.com"},
		{"except a domain", Policy{From: site, ForceFrom: true, ExceptFrom: []string{"@example.com"}}, author, "From: Jane <jane@example.com>|", "jane@example.com"},
		{"except another", Policy{From: site, ForceFrom: true, ExceptFrom: []string{"joe@example.com", "ample.com"}}, author, "From: Jane <mail@site.example>|Reply-To: Jane <jane@example.com>|", "mail@site.example"},
		{"Reply-To default", Policy{ReplyTo: reply}, author, "From: Jane <jane@example.com>|Reply-To: help@site.example|", "jane@example.com"},
		{"Reply-To kept", Policy{ReplyTo: reply}, raw("From: a@x\nReply-To: (c) b@x\n\n"), "From: a@x|Reply-To: (c) b@x|", "a@x"},
		{"Reply-To forced", Policy{ReplyTo: reply, ForceReplyTo: true}, raw("From: a@x\nReply-To: b@x\n\n"), "From: a@x|Reply-To: help@site.example|", "a@x"},
		{"bytes kept", Policy{}, raw("from:  a@x (b)\nSENDER: s@x\n\n"), "from:  a@x (b)|SENDER: s@x|", "s@x"},
		{"envelope of the policy", Policy{EnvelopeFrom: "bounce@site.example"}, with(func(id *Identity) { id.EnvelopeFrom, id.EnvelopeGiven = "e@x", true }), "From: Jane <jane@example.com>|", "bounce@site.example"},
		{"envelope given", Policy{}, with(func(id *Identity) { id.EnvelopeFrom, id.EnvelopeGiven = "e@bücher.example", true }), "From: Jane <jane@example.com>|", "e@xn--bcher-kva.example"},
		{"null envelope", Policy{EnvelopeFrom: "bounce@site.example", From: site, ForceFrom: true}, with(func(id *Identity) { id.EnvelopeGiven = true }), "From: Jane <mail@site.example>|Reply-To: Jane <jane@example.com>|", ""},
		{"headers", Policy{Headers: []Header{{"X-A", "ä"}, {"x-b", "2"}}}, raw("From: a@x\nX-B: 1\n\n"), "From: a@x|X-A: =?utf-8?b?w6Q=?=|", "a@x"},
		{"allowed", Policy{AllowedFromDomains: []string{"*.example.org", "example.com"}}, author, "From: Jane <jane@example.com>|", "jane@example.com"},
		{"written anew", Policy{AllowedFromDomains: []string{"x"}}, raw("From: =?u?q?<e@evil>?= (c) <a@x>\nFrom: e@evil\nSender: (d) s@x\n\n"), "From: \"=?u?q?<e@evil>?=\" <a@x>|Sender: d <s@x>|", "s@x"},
		{"sealed", Policy{From: site, Headers: []Header{{"X", "y"}}, ReplyTo: reply}, raw("DKIM-Signature: x\nFrom: a@x\n\n"), "", "a@x"},
		{"sealed, forced to the same", Policy{From: site, ForceFrom: true}, raw("DKIM-Signature: x\nFrom: mail@site.example\n\n"), "", "mail@site.example"},
	} {
		o, err := test.policy.Apply(test.id)
		if err != nil {
			t.Errorf("%s: %v", test.name, err)
			continue
		}
		if got := strings.ReplaceAll(string(o.Header), "\r\n", "|"); got != test.header || o.EnvelopeFrom != test.envelope {
			t.Errorf("%s:\n got %q, envelope %q\nwant %q, envelope %q", test.name, got, o.EnvelopeFrom, test.header, test.envelope)
		}
	}
}

func TestPolicyRefuses(t *testing.T) {
	t.Parallel()
	site := Address{"Site", "mail@site.example"}
	only := Policy{AllowedFromDomains: []string{"*.site.example", "x"}}
	from := func(addr string) Identity { return Identity{From: []Address{{"", addr}}} }
	raw := func(s string) Identity {
		c, err := Canonicalize([]byte(s), testOptions)
		if err != nil {
			t.Fatal(err)
		}
		return c.Identity
	}
	sealed := Identity{From: []Address{{"", "a@x"}}, Sealed: true}
	for _, test := range []struct {
		name        string
		policy      Policy
		id          Identity
		field, code string
	}{
		{"other domain", only, from("a@evil.example"), "message.from", CodeSenderNotAllowed},
		{"parent domain", only, from("a@site.example"), "message.from", CodeSenderNotAllowed},
		{"suffix", only, from("a@evilsite.example"), "message.from", CodeSenderNotAllowed},
		{"quoted domain", only, from(`"a@x"@evil.example`), "message.from", CodeSenderNotAllowed},
		{"second author", only, Identity{From: []Address{{"", "a@x"}, {"", "b@y"}}}, "message.from", CodeSenderNotAllowed},
		{"unreadable", only, Identity{fromField: []byte("From: <\r\n")}, "message.from", CodeSenderNotAllowed},
		{"excepted but not allowed", Policy{From: site, ForceFrom: true, ExceptFrom: []string{"y"}, AllowedFromDomains: []string{"x"}}, from("a@y"), "message.from", CodeSenderNotAllowed},
		{"sender", only, Identity{From: []Address{{"", "a@x"}}, Sender: Address{"", "b@y"}}, "message.sender", CodeSenderNotAllowed},
		{"envelope", only, Identity{From: []Address{{"", "a@x"}}, EnvelopeFrom: "b@y", EnvelopeGiven: true}, "envelope.from", CodeSenderNotAllowed},
		{"sealed, allowed", only, Identity{From: []Address{{"", "a@y"}}, Sealed: true}, "message.from", CodeSenderNotAllowed},
		{"sealed, second From", only, raw("DKIM-Signature: x\nFrom: a@x\nFrom: e@evil\n\n"), "message.from", CodeSenderNotAllowed},
		{"sealed, second From unreadable", only, raw("DKIM-Signature: x\nFrom: a@x\nFrom: <\n\n"), "message.from", CodeSenderNotAllowed},
		{"sealed, second From forced", Policy{From: Address{"", "a@x"}, ForceFrom: true}, raw("DKIM-Signature: x\nFrom: a@x\nFrom: e@evil\n\n"), "raw.content", CodeSignedContent},
		{"sealed, ambiguous", only, raw("DKIM-Signature: x\nFrom: =?u?q?<e@evil>?= <a@x>\n\n"), "message.from", CodeSenderNotAllowed},
		{"sealed, second Sender", only, raw("DKIM-Signature: x\nFrom: a@x\nSender: a@x\nSender: e@evil\n\n"), "message.sender", CodeSenderNotAllowed},
		{"two senders", only, raw("From: a@x\nSender: a@x, e@evil\n\n"), "message.sender", CodeSenderNotAllowed},
		{"no sender", Policy{}, Identity{}, "message.from", CodeSenderRequired},
		{"no envelope", Policy{}, Identity{fromField: []byte("From: <\r\n")}, "envelope.from", CodeSenderRequired},
		{"bad envelope", Policy{}, Identity{From: []Address{{"", "a@x"}}, EnvelopeFrom: "b", EnvelopeGiven: true}, "envelope.from", ""},
		{"sealed, From", Policy{From: site, ForceFrom: true}, sealed, "raw.content", CodeSignedContent},
		{"sealed, name", Policy{From: site, ForceName: true}, sealed, "raw.content", CodeSignedContent},
		{"sealed, Reply-To", Policy{ReplyTo: []Address{site}, ForceReplyTo: true}, sealed, "raw.content", CodeSignedContent},
	} {
		_, err := test.policy.Apply(test.id)
		if fe := (*FieldError)(nil); !errors.As(err, &fe) || fe.Field != test.field || fe.Code != test.code {
			t.Errorf("%s: %v; want %s, %s", test.name, err, test.field, test.code)
		}
	}
}

func TestPolicyValidate(t *testing.T) {
	t.Parallel()
	good := Policy{
		From: Address{"Site", "a@x"}, ForceFrom: true, ForceName: true, ExceptFrom: []string{"x.example", "@y.example", "a@z"},
		ReplyTo: []Address{{"", "r@x"}}, ForceReplyTo: true, EnvelopeFrom: "b@x", Headers: []Header{{"X-A", "b"}},
		AlwaysBcc: []string{"c@x"}, AllowedFromDomains: []string{"x", "*.y.example"},
	}
	if err := good.Validate(); err != nil {
		t.Fatal(err)
	}
	if err := (&Policy{}).Validate(); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		field  string
		policy Policy
	}{
		{"from_address", Policy{ForceFrom: true}},
		{"from_address", Policy{From: Address{Addr: "a\nb@x"}}},
		{"from_name", Policy{ForceName: true}},
		{"from_name", Policy{From: Address{Name: "a\nb"}}},
		{"reply_to", Policy{ForceReplyTo: true}},
		{"reply_to[0].address", Policy{ReplyTo: []Address{{"", "x"}}}},
		{"envelope_from", Policy{EnvelopeFrom: "x"}},
		{"headers[0].name", Policy{Headers: []Header{{"Bcc", "x"}}}},
		{"headers[0].value", Policy{Headers: []Header{{"X", "x\ny"}}}},
		{"always_bcc[0]", Policy{AlwaysBcc: []string{"x"}}},
		{"force_exceptions[1]", Policy{ExceptFrom: []string{"x", "@"}}},
		{"allowed_from_domains[0]", Policy{AllowedFromDomains: []string{"*.*.x"}}},
	} {
		wantField(t, test.policy.Validate(), "connection.sender."+test.field)
	}
}

// Whatever is in a raw message, another parser sees no sender that the policy
// does not allow.
func FuzzPolicy(f *testing.F) {
	for _, s := range []string{
		"a@x", "a@x, b@y", "=?u?q?<e@evil>?= <a@x>", "\"a@x\" <b@y>", "a@x\nFrom: b@y", "g: a@x;, b@y", "a (<b@y>) <a@x>", "<a@x> b@y",
		"a@x\nDKIM-Signature: x\nFrom: e@evil", "a@x\nFrom : b@y\nARC-Seal: y", "ä@x", "a@x\n\tb@y", "@x:b@y", "a@x;b@y",
	} {
		f.Add(s)
	}
	policy := Policy{AllowedFromDomains: []string{"x"}}
	f.Fuzz(func(t *testing.T, s string) {
		c, err := Canonicalize([]byte("From: "+s+"\n\nb"), testOptions)
		if err != nil {
			return
		}
		o, err := policy.Apply(c.Identity)
		if err != nil {
			return
		}
		sent := append(o.Header, c.Bytes...)
		m, err := netmail.ReadMessage(bytes.NewReader(sent))
		if err != nil {
			return
		}
		for _, from := range append(m.Header["From"], m.Header["Sender"]...) {
			list, _ := netmail.ParseAddressList(from)
			for _, a := range list {
				if !strings.HasSuffix(strings.ToLower(a.Address), "@x") {
					t.Fatalf("%q lets %q through:\n%q", s, a.Address, sent)
				}
			}
		}
	})
}
