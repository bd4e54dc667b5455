package domaincheck

import (
	"context"
	"fmt"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/miekg/dns"

	"github.com/postilion-mail/postilion/internal/dnstest"
)

// A name server that is silent or refuses makes nothing a fault of the domain.
func TestNoAnswerIsUnknown(t *testing.T) {
	t.Parallel()
	for name, answer := range map[string]func(*dns.Msg) *dns.Msg{
		"silent": func(*dns.Msg) *dns.Msg { return nil },
		"SERVFAIL": func(question *dns.Msg) *dns.Msg {
			return new(dns.Msg).SetRcode(question, dns.RcodeServerFailure)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			server := dnstest.StartFunc(t, answer)
			findings := (&Checker{Resolver: server.Resolver()}).Check(ctx, request)
			if len(findings) < len(names) {
				t.Errorf("only %s", codes(findings))
			}
			for _, f := range findings {
				if f.Status != Unknown {
					t.Errorf("%s has the status %d: %s", f.Code, f.Status, f.Detail)
				}
				if host, _, _ := net.SplitHostPort(server.Address()); strings.Contains(f.Detail, host) {
					t.Errorf("it tells where our name server is: %s", f.Detail)
				}
			}
		})
	}
}

func replyTo(question *dns.Msg) *dns.Msg {
	answer := new(dns.Msg).SetReply(question)
	answer.Authoritative = true
	return answer
}

// A part that does not answer leaves the rest as it is.
func TestPartlyUnknown(t *testing.T) {
	t.Parallel()
	server := dnstest.StartFunc(t, func(question *dns.Msg) *dns.Msg {
		answer := replyTo(question)
		switch q := question.Question[0]; {
		case q.Name == "_spf.provider.test.":
			return new(dns.Msg).SetRcode(question, dns.RcodeServerFailure)
		case q.Name == "example.org." && q.Qtype == dns.TypeTXT:
			answer.Answer = []dns.RR{&dns.TXT{Hdr: dns.RR_Header{Name: q.Name, Rrtype: dns.TypeTXT, Class: dns.ClassINET}, Txt: []string{"v=spf1 include:_spf.provider.test -all"}}}
		}
		return answer
	})
	findings := (&Checker{Resolver: server.Resolver()}).Check(t.Context(), request)
	if f := find(findings, "spf.unknown"); f == nil || !strings.Contains(f.Detail, "_spf.provider.test") {
		t.Errorf("%s", codes(findings))
	}
	if find(findings, "dmarc.missing") == nil || find(findings, "dmarc.unaligned") != nil {
		t.Errorf("%s", codes(findings))
	}
}

// A selector that could not be looked up may have the key that another lacks,
// in whatever order they are.
func TestUnknownKeyLeavesDMARCOpen(t *testing.T) {
	t.Parallel()
	server := dnstest.StartFunc(t, func(question *dns.Msg) *dns.Msg {
		answer := replyTo(question)
		switch q := question.Question[0]; {
		case strings.HasPrefix(q.Name, "silent."):
			return new(dns.Msg).SetRcode(question, dns.RcodeServerFailure)
		case q.Qtype == dns.TypeTXT:
			text := map[string]string{"example.org.": "v=spf1 -all", "_dmarc.example.org.": "v=DMARC1; p=reject", "old._domainkey.example.org.": "v=DKIM1; p="}[q.Name]
			if text != "" {
				answer.Answer = []dns.RR{&dns.TXT{Hdr: dns.RR_Header{Name: q.Name, Rrtype: dns.TypeTXT, Class: dns.ClassINET}, Txt: []string{text}}}
			}
		}
		return answer
	})
	for _, selectors := range [][]string{{"old", "silent"}, {"silent", "old"}} {
		r := request
		r.Includes, r.Envelope, r.Selectors = nil, "elsewhere.test", selectors
		findings := (&Checker{Resolver: server.Resolver()}).Check(t.Context(), r)
		if find(findings, "dkim.revoked") == nil || find(findings, "dkim.unknown") == nil || find(findings, "dmarc.unaligned") != nil {
			t.Errorf("%s: %s", selectors, codes(findings))
		}
	}
}

// Records that lead ever further end in a bounded number of lookups.
func TestEndlessIncludes(t *testing.T) {
	t.Parallel()
	var asked, names atomic.Int32
	server := dnstest.StartFunc(t, func(question *dns.Msg) *dns.Msg {
		answer := replyTo(question)
		q := question.Question[0]
		asked.Add(1)
		if q.Qtype != dns.TypeTXT {
			return answer
		}
		text := "v=spf1"
		for range 40 {
			text += fmt.Sprintf(" include:%d.test", names.Add(1))
		}
		record := &dns.TXT{Hdr: dns.RR_Header{Name: q.Name, Rrtype: dns.TypeTXT, Class: dns.ClassINET}}
		for ; len(text) > 200; text = text[200:] {
			record.Txt = append(record.Txt, text[:200])
		}
		record.Txt = append(record.Txt, text)
		answer.Answer = []dns.RR{record}
		return answer
	})
	findings := (&Checker{Resolver: server.Resolver()}).Check(t.Context(), request)
	if find(findings, "spf.too_many_lookups") == nil {
		t.Errorf("%s", codes(findings))
	}
	// A question may be asked twice (UDP, then TCP), and hosts by A and AAAA.
	if n := asked.Load(); n > 2*maxLookups {
		t.Errorf("%d questions were asked", n)
	}
}

// Whatever records hold, what is shown of them is bounded and printable.
func TestHostileRecords(t *testing.T) {
	t.Parallel()
	nasty := "\x1b[2J\x1b]0;owned\x07\u202e" + strings.Repeat("x", 20000) + "\xff"
	server := dnstest.StartFunc(t, func(question *dns.Msg) *dns.Msg {
		answer := replyTo(question)
		q := question.Question[0]
		if q.Qtype != dns.TypeTXT {
			return answer
		}
		for _, version := range []string{"v=spf1 ", "v=DMARC1; ", "v=DKIM1; ", "v=STSv1; ", "v=TLSRPTv1; ", "v=BIMI1; "} {
			record := &dns.TXT{Hdr: dns.RR_Header{Name: q.Name, Rrtype: dns.TypeTXT, Class: dns.ClassINET}, Txt: []string{version}}
			for rest := nasty; rest != ""; rest = rest[min(200, len(rest)):] {
				record.Txt = append(record.Txt, rest[:min(200, len(rest))])
			}
			answer.Answer = append(answer.Answer, record)
		}
		answer.Answer = answer.Answer[:2] // a message has 64 KiB
		return answer
	})
	for _, f := range (&Checker{Resolver: server.Resolver()}).Check(t.Context(), request) {
		shown := append(append([]string{f.Detail, f.Publish, f.Record}, f.Found...), f.Remedies...)
		for _, text := range shown {
			if len(text) > 5*maxShown || strings.ContainsFunc(text, func(r rune) bool { return r < ' ' || r == 0x7f || r == '\u202e' || r == utf8.RuneError }) {
				t.Errorf("%s shows %.80q (%d octets)", f.Code, text, len(text))
			}
		}
		if len(f.Found) > maxFound {
			t.Errorf("%s shows %d records", f.Code, len(f.Found))
		}
	}
}

// FuzzRecords: no record makes a check panic, or show what it must not.
func FuzzRecords(f *testing.F) {
	for _, seed := range []string{
		"v=spf1 include:a.test ip4:1.2.3.4/33 -all", "v=spf1 redirect=", "v=spf1 +", "v=spf1 a:/24 mx//64 ptr: exists:%{i}", "v=spf1 include:example.org",
		"v=DMARC1; p=none; rua=mailto:@", "v=DMARC1; p", "v=DKIM1; k=rsa; p=AAAA", "v=DKIM1; h=; s=; t=y; p=====", "v=STSv1; id=;", "v=TLSRPTv1;", "v=BIMI1; l=", "=;=", "\x1b[31m",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		c := &Checker{Resolver: everywhere(text)}
		for _, finding := range c.Check(t.Context(), Request{Domain: "example.org", Includes: []string{"a.test"}, Selectors: []string{"s"}}) {
			for _, shown := range append(finding.Found, finding.Detail, finding.Publish) {
				if !utf8.ValidString(shown) || strings.ContainsAny(shown, "\x1b\r\n\x00") {
					t.Errorf("%s shows %q", finding.Code, shown)
				}
			}
		}
		_, _ = parsePolicy(text)
	})
}

// everywhere is a resolver that knows one text, at each name.
type everywhere string

func (e everywhere) LookupTXT(context.Context, string) ([]string, error) {
	return []string{string(e)}, nil
}

func (e everywhere) LookupMX(context.Context, string) ([]*net.MX, error) {
	return []*net.MX{{Host: string(e)}}, nil
}

func (e everywhere) LookupCNAME(context.Context, string) (string, error) { return string(e), nil }

func (e everywhere) LookupIPAddr(context.Context, string) ([]net.IPAddr, error) {
	return []net.IPAddr{{IP: net.IPv4(192, 0, 2, 1)}}, nil
}

func (e everywhere) LookupAddr(context.Context, string) ([]string, error) { return []string{"a."}, nil }
