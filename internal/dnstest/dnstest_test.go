package dnstest

import (
	"errors"
	"net"
	"strings"
	"testing"

	"github.com/miekg/dns"
)

func TestServer(t *testing.T) {
	t.Parallel()
	resolver := Start(t, `
example.org.       MX 10 mail.example.org.
mail.example.org.  A 127.0.0.9
www.example.org.   CNAME mail.example.org.
`+many()).Resolver()
	if mx, err := resolver.LookupMX(t.Context(), "example.org"); err != nil || len(mx) != 1 || mx[0].Host != "mail.example.org." {
		t.Errorf("%v, %v", mx, err)
	}
	if a, err := resolver.LookupHost(t.Context(), "www.example.org"); err != nil || len(a) != 1 || a[0] != "127.0.0.9" {
		t.Errorf("%v, %v", a, err)
	}
	// Too large for UDP.
	if texts, err := resolver.LookupTXT(t.Context(), "many.example.org"); err != nil || len(texts) != 100 {
		t.Errorf("%d, %v", len(texts), err)
	}
	var failure *net.DNSError
	if _, err := resolver.LookupHost(t.Context(), "nobody.example.org"); !errors.As(err, &failure) || !failure.IsNotFound {
		t.Errorf("%v", err)
	}
}

func many() string {
	var b strings.Builder
	for i := range 100 {
		b.WriteString("many.example.org. TXT \"" + strings.Repeat("x", 50+i) + "\"\n")
	}
	return b.String()
}

func TestStartFunc(t *testing.T) {
	t.Parallel()
	resolver := StartFunc(t, func(question *dns.Msg) *dns.Msg {
		answer := new(dns.Msg)
		return answer.SetRcode(question, dns.RcodeServerFailure)
	}).Resolver()
	var failure *net.DNSError
	if _, err := resolver.LookupMX(t.Context(), "example.org"); !errors.As(err, &failure) || failure.IsNotFound {
		t.Errorf("%v", err)
	}
}
