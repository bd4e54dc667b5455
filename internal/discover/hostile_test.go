package discover

import (
	"bytes"
	"compress/gzip"
	"context"
	"fmt"
	"net/http"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"

	"github.com/postilion-mail/postilion/internal/dnstest"
	"github.com/postilion-mail/postilion/internal/guard"
)

// Whatever a configuration file's server does, it costs a note at most.
func TestHostileFiles(t *testing.T) {
	t.Parallel()
	good := config(outgoing("smtp.bad.example", "465", "SSL", ""))
	redirect := func(to string) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, to, http.StatusFound) })
	}
	for name, test := range map[string]struct {
		handler http.Handler
		note    string // empty: as if there were no file
	}{
		"billion laughs": {answering("text/xml", `<?xml version="1.0"?><!DOCTYPE lolz [<!ENTITY a "lol"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;"><!ENTITY c "&b;&b;&b;&b;&b;&b;&b;&b;">]>
<clientConfig version="1.1"><emailProvider><outgoingServer type="smtp"><hostname>&c;</hostname><port>465</port><socketType>SSL</socketType></outgoingServer></emailProvider></clientConfig>`), "no configuration file"},
		"a file of the machine": {answering("text/xml", `<!DOCTYPE c [<!ENTITY x SYSTEM "file:///etc/passwd">]><clientConfig><emailProvider><outgoingServer type="smtp"><hostname>&x;</hostname><port>465</port><socketType>SSL</socketType></outgoingServer></emailProvider></clientConfig>`), "no configuration file"},
		"100 MB":                {endless(100 << 20), "more than 64 KiB"},
		"a bomb of gzip":        {bomb(), "no configuration file"},
		"deep":                  {answering("text/xml", strings.Repeat("<a>", maxFile/3)), "no configuration file"},
		"not XML":               {answering("text/plain", "hello"), "no configuration file"},
		"another charset":       {answering("text/xml", `<?xml version="1.0" encoding="UTF-7"?>`+good), "no configuration file"},
		"empty":                 {answering("text/xml", ""), "no configuration file"},
		"no server":             {answering("text/xml", config("")), "names no server"},
		"a web page":            {answering("text/html; charset=utf-8", good), ""},
		"an error":              {http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(500); fmt.Fprint(w, good) }), ""},
		"control characters":    {answering("text/xml", config(outgoing("smtp.bad.example", "465", "SSL", "a&#13;&#10;RCPT TO:x"))), "a user name that is none"},
		"a port beyond all":     {answering("text/xml", config(outgoing("smtp.bad.example", "70000", "SSL", ""))), "no configuration file"},
		"out of HTTPS":          {redirect("http://elsewhere.example/"), "not of HTTPS"},
		"to a file":             {redirect("file:///etc/passwd"), "not of HTTPS"},
		"to another port":       {redirect("https://elsewhere.example:22/"), "not for the public"},
		"to an account":         {redirect("https://user:secret@elsewhere.example/"), "not for the public"},
		"round and round":       {redirect("https://autoconfig.bad.example/mail/config-v1.1.xml"), "too many redirects"},
		"hangs up":              {http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }), ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, "autoconfig.bad.example. A 127.0.9.1\nelsewhere.example. A 127.0.9.2\n")
			w.web("127.0.9.1:443", test.handler, "autoconfig.bad.example")
			found := w.find("jane@bad.example")
			notes := strings.Join(found.Notes, "\n")
			if len(found.Found) != 0 || test.note != "" && !strings.Contains(notes, test.note) || test.note == "" && strings.Contains(notes, "autoconfig") {
				t.Errorf("%s\n%s", outline(found.Found), notes)
			}
			if strings.ContainsAny(notes, "\r\x1b") || strings.Contains(notes, "secret") {
				t.Errorf("%q", notes)
			}
			if n := w.dials("127.0.9.2:80") + w.dials("127.0.9.2:22"); n != 0 {
				t.Errorf("elsewhere was dialed %d times", n)
			}
		})
	}
}

// A good redirect is followed.
func TestRedirect(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "autoconfig.good.example. A 127.0.9.1\nautoconfig.hoster.example. A 127.0.9.2\n")
	w.web("127.0.9.1:443", http.RedirectHandler("https://autoconfig.hoster.example"+atAutoconfig, http.StatusMovedPermanently), "autoconfig.good.example")
	w.web("127.0.9.2:443", files(map[string]string{atAutoconfig: config(outgoing("smtp.hoster.example", "465", "SSL", ""))}), "autoconfig.hoster.example")
	if got := outline(w.find("jane@good.example").Found); got != "smtp.hoster.example:465 tls jane@good.example autoconfig high" {
		t.Error(got)
	}
}

// A certificate that nobody vouches for makes the file worth nothing.
func TestFileOfAnotherCertificate(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "autoconfig.bad.example. A 127.0.9.1\n")
	w.web("127.0.9.1:443", files(map[string]string{atAutoconfig: config(outgoing("smtp.thief.example", "465", "SSL", ""))}), "other.example")
	if got := outline(w.find("jane@bad.example").Found); got != "" {
		t.Error(got)
	}
}

// A file that trickles ends with the time for it.
func TestSlowFile(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "autoconfig.bad.example. A 127.0.9.1\n")
	w.web("127.0.9.1:443", http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		for r.Context().Err() == nil {
			if _, err := rw.Write([]byte(" ")); err != nil || http.NewResponseController(rw).Flush() != nil {
				return
			}
			select {
			case <-time.After(10 * time.Millisecond): // the trickle
			case <-r.Context().Done():
			}
		}
	}), "autoconfig.bad.example")
	ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
	defer cancel()
	found, err := w.finder().Find(ctx, "jane@bad.example")
	if err != nil || len(found.Found) != 0 {
		t.Errorf("%+v, %v", found, err)
	}
}

// Under the guard a name that leads into this machine or to the cloud's
// metadata is not fetched from, by whatever way it leads there.
func TestGuardedFiles(t *testing.T) {
	t.Parallel()
	w := newWorld(t, `
autoconfig.inside.example. A 127.0.0.1
autoconfig.meta.example.   A 169.254.169.254
autoconfig.first.example.  A 127.0.9.1
`)
	w.web("127.0.9.1:443", http.RedirectHandler("https://169.254.169.254/latest/meta-data/", http.StatusFound), "autoconfig.first.example")
	strict := Client(&guard.Guard{Ports: guard.WebPorts(), Resolver: w.dns.Resolver()})
	f := w.finder()
	f.Elsewhere = strict
	if _, err := f.fetch(t.Context(), "https://autoconfig.first.example"+atAutoconfig); err == nil || !strings.Contains(err.Error(), "metadata") {
		t.Errorf("redirect: %v", err)
	}
	f.Web = strict
	for _, address := range []string{"http://autoconfig.inside.example/", "https://autoconfig.inside.example/", "http://autoconfig.meta.example/", "http://127.0.0.1/", "http://[::1]/", "http://2130706433/"} {
		if _, err := f.fetch(t.Context(), address); err == nil || !strings.Contains(err.Error(), "refused") {
			t.Errorf("%s: %v", address, err)
		}
	}
	if _, err := f.fetch(t.Context(), "http://192.88.99.1:8080/"); err == nil {
		t.Error("a port that is none of the web was dialed")
	}
	open := Client(&guard.Guard{Ports: guard.WebPorts(), Allowed: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}, Resolver: w.dns.Resolver()})
	if _, err := get(t.Context(), open, "http://autoconfig.meta.example/"); err == nil || !strings.Contains(err.Error(), "metadata") {
		t.Errorf("an opened range opens another: %v", err)
	}
}

// Huge answers, loops and names that are none.
func TestHostileRecords(t *testing.T) {
	t.Parallel()
	server := dnstest.StartFunc(t, func(question *dns.Msg) *dns.Msg {
		answer := new(dns.Msg).SetReply(question)
		q := question.Question[0]
		for i := range 400 {
			header := dns.RR_Header{Name: q.Name, Rrtype: q.Qtype, Class: dns.ClassINET, Ttl: 60}
			switch q.Qtype {
			case dns.TypeSRV:
				target := fmt.Sprintf("s%d.bad.example.", i)
				if i%2 == 0 {
					target = fmt.Sprintf("s%d\\013\\010x.bad.example.", i)
				}
				answer.Answer = append(answer.Answer, &dns.SRV{Hdr: header, Priority: 1, Port: uint16(i % 70), Target: target})
			case dns.TypeMX:
				answer.Answer = append(answer.Answer, &dns.MX{Hdr: header, Preference: uint16(i), Mx: fmt.Sprintf("m%d.bad.example.", i)})
			default:
				header.Rrtype = dns.TypeCNAME
				answer.Answer = append(answer.Answer, &dns.CNAME{Hdr: header, Target: q.Name})
			}
		}
		return answer
	})
	f := Finder{Resolver: server.Resolver(), Web: noWeb(), Elsewhere: noWeb()}
	found, err := f.Find(t.Context(), "jane@bad.example")
	if err != nil || len(found.Found) == 0 || len(found.Found) > maxFound || len(found.Guesses) > 8 {
		t.Errorf("%d found, %d guesses, %v", len(found.Found), len(found.Guesses), err)
	}
	for _, way := range found.Found {
		if strings.ContainsFunc(way.Host+way.Detail, control) || way.Port == 0 {
			t.Errorf("%+v", way)
		}
	}
}

// Aliases that lead to themselves lead nowhere.
func TestLoopsOfRecords(t *testing.T) {
	t.Parallel()
	server := dnstest.StartFunc(t, func(question *dns.Msg) *dns.Msg {
		answer := new(dns.Msg).SetReply(question)
		name := question.Question[0].Name
		answer.Answer = []dns.RR{&dns.CNAME{Hdr: dns.RR_Header{Name: name, Rrtype: dns.TypeCNAME, Class: dns.ClassINET, Ttl: 60}, Target: name}}
		return answer
	})
	f := Finder{Resolver: server.Resolver(), Web: noWeb(), Elsewhere: noWeb(), limit: patience}
	found, err := f.Find(t.Context(), "jane@loop.example")
	if err != nil || len(found.Found) != 0 || len(found.Guesses) == 0 {
		t.Errorf("%+v, %v", found, err)
	}
}

func answering(kind, content string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", kind)
		_, _ = w.Write([]byte(content))
	})
}

func endless(size int) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/xml")
		block := bytes.Repeat([]byte("<a>aaaa</a>"), 4096)
		for sent := 0; sent < size; sent += len(block) {
			if _, err := w.Write(block); err != nil {
				return
			}
		}
	})
}

// bomb sends 4 MiB of blanks as some KiB of gzip, asked for or not.
func bomb() http.Handler {
	var packed bytes.Buffer
	z := gzip.NewWriter(&packed)
	for range 64 {
		_, _ = z.Write(bytes.Repeat([]byte(" "), 64<<10))
	}
	_ = z.Close()
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/xml")
		w.Header().Set("Content-Encoding", "gzip")
		_, _ = w.Write(packed.Bytes()[:min(packed.Len(), maxFile)])
	})
}

// FuzzParseFile: whatever a file has, what is made of it can be a setting.
func FuzzParseFile(f *testing.F) {
	f.Add([]byte(config(outgoing("smtp.%EMAILDOMAIN%", "465", "SSL", "%EMAILADDRESS%"))))
	f.Add([]byte(config(outgoing("%EMAILLOCALPART%", "1", "STARTTLS", "%EMAILLOCALPART%@%EMAILDOMAIN%"))))
	f.Add([]byte(`<clientConfig><emailProvider><outgoingServer type="smtp"><hostname>x</hostname><port>1</port><socketType>TLS</socketType><authentication>OAuth2</authentication></outgoingServer></emailProvider></clientConfig>`))
	f.Add([]byte("<clientConfig>&lol;"))
	f.Fuzz(func(t *testing.T, content []byte) {
		found, notes, err := parseFile(content, &Findings{Address: "jane@example.org", Domain: "example.org"})
		if err == nil && len(found)+len(notes) == 0 {
			t.Error("neither a server nor a note")
		}
		for _, way := range found {
			if way.Host == "" || way.Port == 0 || way.Security != implicitTLS && way.Security != startTLS || strings.ContainsFunc(way.Host+way.Username, control) {
				t.Errorf("%+v", way)
			}
		}
	})
}
