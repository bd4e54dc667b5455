package discover

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/postilion-mail/postilion/internal/dnstest"
	"github.com/postilion-mail/postilion/internal/smtp"
	"github.com/postilion-mail/postilion/internal/smtptest"
	"github.com/postilion-mail/postilion/plugin"
)

// patience bounds what should not take long, for machines that are busy.
const patience = time.Minute

// world is a small Internet on loopback: names by a real DNS server, web and
// mail servers at the usual ports of addresses of their own, which dials find
// at whatever port they really have.
type world struct {
	t      *testing.T
	dns    *dnstest.Server
	ca     *smtptest.CA
	mu     sync.Mutex
	served map[string]string // "127.0.9.1:465" to where it really is
	dialed map[string]int
}

func newWorld(t *testing.T, records string) *world {
	t.Helper()
	ca, err := smtptest.NewCA()
	if err != nil {
		t.Fatal(err)
	}
	return &world{t: t, dns: dnstest.Start(t, records), ca: ca, served: map[string]string{}, dialed: map[string]int{}}
}

// serve says where an address is served.
func (w *world) serve(address, at string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.served[address] = at
}

// dial connects to an address of the world; nothing else is there.
func (w *world) dial(ctx context.Context, network, address string) (net.Conn, error) {
	w.mu.Lock()
	w.dialed[address]++
	at := w.served[address]
	w.mu.Unlock()
	if at == "" {
		return nil, &net.OpError{Op: "dial", Net: network, Err: syscall.ECONNREFUSED}
	}
	var d net.Dialer
	return d.DialContext(ctx, network, at)
}

func (w *world) dials(address string) int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.dialed[address]
}

// web serves HTTP, or HTTPS for port 443, with a certificate for the names.
func (w *world) web(address string, handler http.Handler, names ...string) {
	w.t.Helper()
	server := httptest.NewUnstartedServer(handler)
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	if strings.HasSuffix(address, ":443") {
		certificate, err := w.ca.Issue(smtptest.Issue{Names: names})
		if err != nil {
			w.t.Fatal(err)
		}
		server.TLS = &tls.Config{Certificates: []tls.Certificate{certificate}}
		server.StartTLS()
	} else {
		server.Start()
	}
	w.t.Cleanup(server.Close)
	w.serve(address, server.Listener.Addr().String())
}

// mail starts an SMTP server at an address, with a certificate for a name. On
// port 465 it speaks TLS from the first octet.
func (w *world) mail(address, name string, options ...smtptest.Option) *smtptest.Server {
	w.t.Helper()
	certificate, err := w.ca.Issue(smtptest.Issue{Names: []string{name}})
	if err != nil {
		w.t.Fatal(err)
	}
	options = append([]smtptest.Option{func(c *smtptest.Config) {
		c.CA, c.Certificate, c.Domain = w.ca, &certificate, name
		if strings.HasSuffix(address, ":465") {
			c.Security = smtptest.Implicit
		}
	}}, options...)
	server := smtptest.Start(w.t, options...)
	w.serve(address, server.Address())
	return server
}

func (w *world) client() *http.Client {
	resolver := w.dns.Resolver()
	return &http.Client{
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Transport: &http.Transport{
			DisableKeepAlives: true, DisableCompression: true, TLSClientConfig: &tls.Config{RootCAs: w.ca.Pool()},
			DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
				host, port, err := net.SplitHostPort(address)
				if err != nil {
					return nil, err
				}
				found, err := resolver.LookupHost(ctx, host)
				if err != nil {
					return nil, err
				}
				return w.dial(ctx, network, net.JoinHostPort(found[0], port))
			},
		},
	}
}

func (w *world) finder() *Finder {
	return &Finder{Resolver: w.dns.Resolver(), Web: w.client(), Elsewhere: w.client(), limit: patience}
}

func (w *world) find(address string) Findings {
	w.t.Helper()
	found, err := w.finder().Find(w.t.Context(), address)
	if err != nil {
		w.t.Fatal(err)
	}
	return found
}

// tryer opens the real transport, with the names and ways of the world.
func (w *world) tryer() *Tryer {
	transport := smtp.New(smtp.Options{Dial: w.dial, Resolver: w.dns.Resolver(), HelloName: "client.example"})
	return &Tryer{
		Open:     transport.Open,
		limit:    patience,
		Settings: plugin.Settings{Connection: "test", Values: map[string]any{"ca_certificates": w.ca.PEM()}},
	}
}

// files serves configuration files by the path.
func files(byPath map[string]string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		content, ok := byPath[r.URL.Path]
		if !ok {
			http.NotFound(w, r)
			return
		}
		w.Header().Set("Content-Type", "text/xml")
		_, _ = w.Write([]byte(content))
	})
}

const (
	atAutoconfig = "/mail/config-v1.1.xml"
	atWellKnown  = "/.well-known/autoconfig/mail/config-v1.1.xml"
)

// config makes a configuration file of servers.
func config(servers string) string {
	return `<?xml version="1.0" encoding="UTF-8"?>
<clientConfig version="1.1"><emailProvider id="example.org"><domain>example.org</domain>
<incomingServer type="imap"><hostname>imap.example.org</hostname><port>993</port><socketType>SSL</socketType></incomingServer>
` + servers + `</emailProvider></clientConfig>`
}

func outgoing(host, port, socket, username string) string {
	return `<outgoingServer type="smtp"><hostname>` + host + `</hostname><port>` + port + `</port><socketType>` + socket +
		`</socketType><username>` + username + `</username><authentication>password-cleartext</authentication></outgoingServer>`
}

// outline gives findings as text, one way a line.
func outline(found []Found) string {
	var lines []string
	for _, f := range found {
		vouched := ""
		if !f.Vouched {
			vouched = " not vouched for"
		}
		lines = append(lines, strings.Join([]string{f.key(), f.Username, [...]string{"", "provider", "mx", "srv", "autoconfig", "variation", "guess"}[f.Source],
			[...]string{"", "low", "medium", "high"}[f.Confidence] + vouched}, " "))
	}
	return strings.Join(lines, "\n")
}

var errNoWeb = errors.New("there is no web here")

// noWeb is a client that reaches nothing.
func noWeb() *http.Client {
	return &http.Client{Transport: &http.Transport{DialContext: func(context.Context, string, string) (net.Conn, error) { return nil, errNoWeb }}}
}

// logged tells of the first request's query.
func logged(queries chan<- string, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		select {
		case queries <- r.URL.RawQuery:
		default:
		}
		next.ServeHTTP(w, r)
	})
}

// scripted starts a scripted server at an address, with a certificate for a
// name; implicit TLS is for the caller to ask for.
func (w *world) scripted(address, name string, script smtptest.Script) *smtptest.Scripted {
	w.t.Helper()
	certificate, err := w.ca.Issue(smtptest.Issue{Names: []string{name}})
	if err != nil {
		w.t.Fatal(err)
	}
	script.TLS = &tls.Config{Certificates: []tls.Certificate{certificate}}
	server := smtptest.StartScripted(w.t, script)
	w.serve(address, server.Address())
	return server
}
