package main

import (
	"crypto/tls"
	"net"
	"strings"
	"sync"
	"time"

	"github.com/postilion-mail/postilion/internal/smtpd"
	"github.com/postilion-mail/postilion/internal/smtptest"
)

// The login at the receiver.
const (
	account  = "shop@provider.example"
	password = "correct-horse-battery-staple"
)

// receiver is a server of our own, which has what smtp-sink lacks: STARTTLS,
// AUTH and CHUNKING, and it notes when each message arrived. It runs in this
// process and forgets the contents.
type receiver struct {
	server *smtpd.Server
	port   int
	ca     string // in PEM
	called func() // at each message, before the answer

	mu      sync.Mutex
	taken   int
	arrived map[string]time.Time // by recipient
}

// receiverOptions say what a receiver offers.
type receiverOptions struct {
	login, tls, chunking bool
	called               func()
}

func (b *bench) startReceiver(o receiverOptions) *receiver {
	r := &receiver{called: o.called, arrived: make(map[string]time.Time)}
	options := smtpd.Options{
		Name: "localhost", Domain: func() string { return "localhost" }, MaxSize: 64 << 20, MaxRecipients: 1000, MaxErrors: 10,
		Login: func(_ net.Addr, user, secret string) (smtpd.Account, bool) {
			return r, user == account && secret == password
		},
		Chunking: o.chunking, DSN: true,
	}
	if !o.login {
		options.Anonymous = func(net.Addr) smtpd.Account { return r }
	}
	if o.tls {
		options.StartTLS = b.certify(r)
	}
	r.server = smtpd.New(options)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	b.fail(err)
	r.port = listener.Addr().(*net.TCPAddr).Port
	go func() { _ = r.server.Serve(listener) }()
	b.cleanup(func() { _ = listener.Close() })
	return r
}

// certify gives the receiver a certificate for localhost.
func (b *bench) certify(r *receiver) func(net.Conn) (net.Conn, error) {
	ca, err := smtptest.NewCA()
	b.fail(err)
	certificate, err := ca.Issue(smtptest.Issue{})
	b.fail(err)
	r.ca = ca.PEM()
	settings := &tls.Config{Certificates: []tls.Certificate{certificate}}
	return func(conn net.Conn) (net.Conn, error) {
		secure := tls.Server(conn, settings)
		return secure, secure.Handshake()
	}
}

// Name implements smtpd.Account.
func (r *receiver) Name() string { return "bench" }

// Submit implements smtpd.Account.
func (r *receiver) Submit(m *smtpd.Message) (string, error) {
	now := time.Now()
	if r.called != nil {
		r.called()
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.taken++
	for _, recipient := range m.Recipients {
		r.arrived[recipient.Address] = now
	}
	return "Ok", nil
}

// count is how many messages have arrived.
func (r *receiver) count() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.taken
}

// arrival waits until so many have arrived.
func (b *bench) arrival(r *receiver, n int) {
	b.await("all messages arrived", func() bool { return r.count() >= n })
}

// arrivals gives the times of the recipients whose address begins so.
func (r *receiver) arrivals(prefix string) map[string]time.Time {
	r.mu.Lock()
	defer r.mu.Unlock()
	found := make(map[string]time.Time)
	for recipient, at := range r.arrived {
		if strings.HasPrefix(recipient, prefix) {
			found[recipient] = at
		}
	}
	return found
}
