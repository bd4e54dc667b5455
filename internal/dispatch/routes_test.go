package dispatch

import (
	"regexp"
	"strings"
	"testing"
	"unicode/utf8"
)

func TestResolve(t *testing.T) {
	t.Parallel()
	headers := map[string][]string{"X-Mailer": {"Shop 3.1"}, "List-Id": {"<news.example.org>"}}
	mail := func() *Routed {
		return &Routed{
			Client: "shop", From: "Ann@Example.org", Tags: []string{"order", "vip"},
			Recipients: []string{"a@one.example", "b@ONE.example"},
			Header:     func(name string) []string { return headers[name] },
		}
	}
	for name, test := range map[string]struct {
		rule Rule
		want bool
	}{
		"no condition":       {Rule{}, true},
		"client":             {Rule{Clients: []string{"blog", "shop"}}, true},
		"another client":     {Rule{Clients: []string{"blog"}}, false},
		"from address":       {Rule{From: []string{"ann@example.org"}}, true},
		"another address":    {Rule{From: []string{"bob@example.org"}}, false},
		"from domain":        {Rule{From: []string{"example.ORG"}}, true},
		"from @domain":       {Rule{From: []string{"@example.org"}}, true},
		"part of a domain":   {Rule{From: []string{"ample.org"}}, false},
		"domains below":      {Rule{From: []string{"*.org"}}, true},
		"below, not itself":  {Rule{From: []string{"*.example.org"}}, false},
		"recipients":         {Rule{RecipientDomains: []string{"one.example"}}, true},
		"not all recipients": {Rule{RecipientDomains: []string{"two.example"}}, false},
		"header":             {Rule{Headers: []HeaderMatch{{Name: "list-id"}}}, true},
		"no such header":     {Rule{Headers: []HeaderMatch{{Name: "X-No"}}}, false},
		"header value":       {Rule{Headers: []HeaderMatch{{Name: "X-Mailer", Value: "shop *"}}}, true},
		"other header value": {Rule{Headers: []HeaderMatch{{Name: "X-Mailer", Value: "shop"}}}, false},
		"tag":                {Rule{Tags: []string{"x", "vip"}}, true},
		"another tag":        {Rule{Tags: []string{"x"}}, false},
		"all":                {Rule{Clients: []string{"shop"}, Tags: []string{"vip"}, From: []string{"example.org"}}, true},
		"all but one":        {Rule{Clients: []string{"shop"}, Tags: []string{"vip"}, From: []string{"example.net"}}, false},
	} {
		test.rule.Connections = []string{"there"}
		got, index := Resolve([]Rule{test.rule}, mail())
		if (index == 0) != test.want || (len(got) == 1) != test.want {
			t.Errorf("%s: %v, %d; want a match: %v", name, got, index, test.want)
		}
	}
	rules := []Rule{{Tags: []string{"x"}, Connections: []string{"1"}}, {Connections: []string{"2", "3"}}, {Connections: []string{"4"}}}
	if got, index := Resolve(rules, mail()); index != 1 || strings.Join(got, " ") != "2 3" {
		t.Errorf("the first that applies: %v, %d", got, index)
	}
	mixed := mail()
	mixed.Recipients = append(mixed.Recipients, `"x@one.example"@two.example`)
	if _, index := Resolve([]Rule{{RecipientDomains: []string{"one.example"}}}, mixed); index != -1 {
		t.Error("a message with a recipient elsewhere was routed by recipient domain")
	}
	if _, index := Resolve([]Rule{{RecipientDomains: []string{"*.x"}}, {Tags: []string{"a"}}, {Headers: []HeaderMatch{{Name: "A"}}}, {From: []string{"a.b"}}}, &Routed{}); index != -1 {
		t.Error("an empty message matched a condition")
	}
}

func TestValidateRules(t *testing.T) {
	t.Parallel()
	for want, rule := range map[string]Rule{
		"":                     {From: []string{"a@b.c", "b.c", "*.b.c", "@b.c"}, RecipientDomains: []string{"*.d"}, Headers: []HeaderMatch{{Name: "X-A"}}, Connections: []string{"a"}},
		"connections:":         {},
		"connections[1]:":      {Connections: []string{"a", ""}},
		"from[1]:":             {From: []string{"b.c", "a@"}, Connections: []string{"a"}},
		"from[0]:":             {From: []string{""}, Connections: []string{"a"}},
		"recipient_domains[0]": {RecipientDomains: []string{"a@b.c"}, Connections: []string{"a"}},
		"headers[0].name:":     {Headers: []HeaderMatch{{Name: "Subject:"}}, Connections: []string{"a"}},
	} {
		err := Validate([]Rule{rule})
		if (err == nil) != (want == "") || err != nil && !strings.HasPrefix(err.Error(), "rules[0]."+want) {
			t.Errorf("got %v, want rules[0].%s", err, want)
		}
	}
}

func FuzzGlob(f *testing.F) {
	for _, seed := range [][2]string{{"a*b", "axxb"}, {"*", ""}, {"**", "x"}, {"a*a", "a"}, {"*a*b*", "xaxbx"}, {"ab", "ab"}, {"a*bc*d", "abcbcd"}} {
		f.Add(seed[0], seed[1])
	}
	f.Fuzz(func(t *testing.T, pattern, s string) {
		if len(pattern) > 50 || !utf8.ValidString(pattern) || !utf8.ValidString(s) {
			return
		}
		quoted := strings.ReplaceAll(regexp.QuoteMeta(pattern), `\*`, `(?s:.*)`)
		want := regexp.MustCompile(`\A` + quoted + `\z`).MatchString(s)
		if got := matchGlob(pattern, s); got != want {
			t.Errorf("matchGlob(%q, %q) is %v", pattern, s, got)
		}
	})
}
