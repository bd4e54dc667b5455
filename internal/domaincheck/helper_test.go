package domaincheck

import (
	"context"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"fmt"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/postilion-mail/postilion/internal/dnstest"
	"github.com/postilion-mail/postilion/internal/smtptest"
)

// sound is a domain with nothing wrong; a test's records come in the place of
// those of the same name and type.
const sound = `example.org. TXT "v=spf1 include:_spf.provider.test -all"
_spf.provider.test. TXT "v=spf1 ip4:192.0.2.0/24 ip6:2001:db8::/32 -all"
example.org. MX 10 mx.example.org.
mx.example.org. A 192.0.2.7
_dmarc.example.org. TXT "v=DMARC1; p=reject; rua=mailto:reports@example.org"
s1._domainkey.example.org. TXT "v=DKIM1; k=rsa; p=KEY2048"
_mta-sts.example.org. TXT "v=STSv1; id=20260101"
_smtp._tls.example.org. TXT "v=TLSRPTv1; rua=mailto:tls@example.org"
default._bimi.example.org. TXT "v=BIMI1; l=https://example.org/logo.svg"
`

// zone replaces records of the sound domain; a line such as "-example.org. MX"
// takes one away.
func zone(changes string) string {
	lines := strings.Split(strings.TrimSpace(sound), "\n")
	key := func(line string) string { return strings.Join(strings.Fields(line)[:2], " ") }
	var added []string
	for change := range strings.Lines(changes) {
		change = strings.TrimSpace(change)
		if change == "" {
			continue
		}
		without, drop := strings.CutPrefix(change, "-")
		kept := lines[:0:0]
		for _, line := range lines {
			if key(line) != key(without) {
				kept = append(kept, line)
			}
		}
		lines = kept
		if !drop {
			added = append(added, change)
		}
	}
	return keys.Replace(strings.Join(append(lines, added...), "\n") + "\n")
}

// keys stand in records for public keys of that size.
var keys = strings.NewReplacer("KEY2048", rsaRecord(2048), "KEY1024", rsaRecord(1024), "KEY512", rsaRecord(512),
	"KEYED", base64.StdEncoding.EncodeToString(make([]byte, ed25519.PublicKeySize)))

// rsaRecord makes a public key that nobody has the private one of, in strings
// of a zone file.
func rsaRecord(bits int) string {
	n := new(big.Int).SetBit(big.NewInt(1), bits-1, 1)
	der, err := x509.MarshalPKIXPublicKey(&rsa.PublicKey{N: n, E: 65537})
	if err != nil {
		panic(err)
	}
	text := base64.StdEncoding.EncodeToString(der)
	if len(text) > 200 {
		text = text[:200] + `" "` + text[200:]
	}
	return text
}

var request = Request{Domain: "example.org", Sender: "Provider", Includes: []string{"_spf.provider.test"}, Selectors: []string{"s1"}}

const policy = "version: STSv1\nmode: enforce\nmx: mx.example.org\nmax_age: 1209600\n"

// web serves policy files to whoever asks for any host.
func web(t testing.TB, serve http.HandlerFunc) *http.Client {
	t.Helper()
	ca, err := smtptest.NewCA()
	if err != nil {
		t.Fatal(err)
	}
	certificate, err := ca.Issue(smtptest.Issue{Names: []string{"mta-sts.example.org"}})
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewUnstartedServer(serve)
	server.TLS = &tls.Config{Certificates: []tls.Certificate{certificate}}
	server.Config.ErrorLog = nil
	server.StartTLS()
	t.Cleanup(server.Close)
	transport := &http.Transport{
		TLSClientConfig: &tls.Config{RootCAs: ca.Pool()},
		DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, network, server.Listener.Addr().String())
		},
	}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport}
}

func serving(text string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if r.Host != "mta-sts.example.org" || r.URL.Path != policyPath {
			http.NotFound(w, r)
			return
		}
		_, _ = w.Write([]byte(text))
	}
}

// run checks the sound domain with changes.
func run(t testing.TB, changes string, change ...func(*Request, *Checker)) []Finding {
	t.Helper()
	c := &Checker{Resolver: dnstest.Start(t, zone(changes)).Resolver(), Client: web(t, serving(policy))}
	r := request
	for _, f := range change {
		f(&r, c)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	return c.Check(ctx, r)
}

// find gives the finding of a code.
func find(findings []Finding, code string) *Finding {
	for i := range findings {
		if findings[i].Code == code {
			return &findings[i]
		}
	}
	return nil
}

func codes(findings []Finding) string {
	var list []string
	for _, f := range findings {
		list = append(list, fmt.Sprintf("%s=%d", f.Code, f.Status))
	}
	return strings.Join(list, " ")
}
