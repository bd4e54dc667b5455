package diagnose

import (
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/postilion-mail/postilion/plugin"
)

// Every entry can be read by a person and acted upon, tells where its meaning
// is documented, and has a code of its own.
func TestTheTableIsComplete(t *testing.T) {
	t.Parallel()
	form := regexp.MustCompile(`^[a-z]+(\.[a-z0-9_]+){1,2}$`)
	place := regexp.MustCompile(`\{([a-z_]+)(\|[^}]*)?\}`)
	seen := map[string]bool{}
	count := 0
	for _, family := range tables {
		for _, e := range family {
			count++
			if seen[e.code] {
				t.Errorf("%s is there twice", e.code)
			}
			seen[e.code] = true
			if !form.MatchString(e.code) || e.title == "" || e.explanation == "" || len(e.remedies) == 0 {
				t.Errorf("%s is incomplete", e.code)
			}
			if link, err := url.Parse(e.source); err != nil || link.Scheme != "https" && !strings.HasPrefix(e.source, "docs/") {
				t.Errorf("%s: source %q", e.code, e.source)
			}
			if link, err := url.Parse(e.link); e.link != "" && (err != nil || link.Scheme != "https") {
				t.Errorf("%s: link %q", e.code, e.link)
			}
			if len(e.phases)+len(e.blames)+len(e.replies)+len(e.enhanced)+len(e.says)+len(e.ours)+len(e.facts) == 0 {
				t.Errorf("%s matches everything", e.code)
			}
			for _, pattern := range slices.Concat(e.says, e.unless, e.ours) {
				if pattern != strings.ToLower(pattern) || strings.TrimSpace(pattern) == "" {
					t.Errorf("%s: pattern %q can never match", e.code, pattern)
				}
			}
			for _, text := range append([]string{e.title, e.explanation}, e.remedies...) {
				if utf8.RuneCountInString(text) > 330 || strings.Count(place.ReplaceAllString(text, ""), "{") > 0 {
					t.Errorf("%s: %q", e.code, text)
				}
			}
			if len(e.remedies) > 3 || strings.HasSuffix(e.title, ".") {
				t.Errorf("%s: a screen has no room for it", e.code)
			}
			for _, id := range e.providers {
				if !isKnown(id) {
					t.Errorf("%s: provider %q", e.code, id)
				}
			}
		}
	}
	if count < 80 {
		t.Errorf("%d entries", count)
	}
	t.Logf("%d entries", count)
}

func isKnown(id string) bool {
	for _, k := range knowns {
		if k.id == id {
			return true
		}
	}
	return false
}

// What is said to people holds no placeholder, whatever is known.
func TestNoPlaceholderIsLeft(t *testing.T) {
	t.Parallel()
	for _, c := range []Context{{}, {Host: "h", Port: 25, Security: "none", Username: "u"}} {
		s := newSubject(plugin.Outcome{}, c)
		for _, family := range tables {
			for _, e := range family {
				for _, text := range s.fillAll(append([]string{e.title, e.explanation}, e.remedies...)) {
					if strings.ContainsAny(text, "{}|") || strings.Contains(text, "  ") {
						t.Errorf("%s: %q", e.code, text)
					}
				}
			}
		}
	}
}

func TestProviderOf(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		c    Context
		want string
	}{
		{Context{Host: "smtp.gmail.com"}, "gmail"},
		{Context{Host: "SMTP-RELAY.gmail.com."}, "google_relay"},
		{Context{Host: "notgmail.com"}, ""},
		{Context{Host: "email-smtp.eu-west-1.amazonaws.com"}, "ses"},
		{Context{Host: "ec2-198-51-100-1.compute-1.amazonaws.com"}, ""},
		{Context{Host: "mail.example.com", Facts: map[string]string{"cname": "smtp.office365.com"}}, "microsoft"},
		{Context{Host: "192.0.2.1", Greeting: "220 smtp.fastmail.com ESMTP ready"}, "fastmail"},
		{Context{Host: "mail.example.com", Greeting: "220 mail.example.com we relay for gmail.com"}, ""},
	} {
		if got := providerOf(&test.c); got != test.want {
			t.Errorf("%+v: %q, want %q", test.c, got, test.want)
		}
	}
}

// A transport's own stages, whatever they are called, have codes that a
// program can keep.
func TestStagesOfPlugins(t *testing.T) {
	t.Parallel()
	for stage, want := range map[string]string{"": "delivery.unexplained", "directory": "directory.unexplained", "OAuth token\x1b[2J": "oauth_token__2j.unexplained"} {
		d := Explain(plugin.Outcome{Class: plugin.Temporary, Reply: "no room left"}, Context{Stage: stage})
		if d.Code != want || !strings.Contains(d.Explanation, "no room left") || len(d.Remedies) == 0 {
			t.Errorf("%q: %+v", stage, d)
		}
	}
}

func FuzzExplain(f *testing.F) {
	f.Add("smtp.gmail.com", "220 smtp.gmail.com ESMTP", "535 5.7.8 no {host}", "5.7.8", 535, byte(plugin.PhaseAuth), true)
	f.Add("{", "*", "* *", ".", 1, byte(200), false)
	f.Fuzz(func(t *testing.T, host, greeting, reply, enhanced string, code int, phase byte, inferred bool) {
		d := Explain(plugin.Outcome{Class: plugin.Permanent, Phase: plugin.Phase(phase), Code: code, Enhanced: enhanced, Reply: reply, Inferred: inferred},
			Context{Host: host, Greeting: greeting, Facts: map[string]string{host: reply}})
		if d.Code == "" || d.Title == "" || d.Explanation == "" || len(d.Remedies) == 0 {
			t.Errorf("%+v", d)
		}
	})
}
