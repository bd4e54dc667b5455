// Package smtptest provides SMTP servers to test against: Server is a real one
// that records what it takes, Scripted one that misbehaves as it is told. Both
// also serve outside of tests, in demonstrations.
package smtptest

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"strconv"
	"sync"
	"time"

	"github.com/emersion/go-sasl"
	"github.com/emersion/go-smtp"
)

// Security is how a Server uses TLS.
type Security string

// The ways of using TLS.
const (
	StartTLS Security = "starttls" // the default
	Implicit Security = "tls"
	Plain    Security = "none"
)

// Config says how a Server behaves. The zero value offers STARTTLS with a
// certificate for localhost and takes mail from everybody.
type Config struct {
	Address  string // to listen at; default 127.0.0.1:0
	Domain   string // the name in the greeting; default smtptest.example
	Security Security
	// CA issues the certificate; default one made for this server.
	CA *CA
	// Certificate is served in place of one issued by CA.
	Certificate *tls.Certificate
	// TLS, if set, is the whole TLS configuration.
	TLS *tls.Config
	// Accounts are passwords by user name. With any, mail is taken from users
	// that are logged in only, unless AnonymousMail.
	Accounts      map[string]string
	AnonymousMail bool
	// Mechanisms are the SASL mechanisms that are offered, of PLAIN, LOGIN,
	// CRAM-MD5, SCRAM-SHA-1, SCRAM-SHA-256, XOAUTH2. Default PLAIN, LOGIN and
	// SCRAM-SHA-256.
	Mechanisms []string
	// PlainAuth offers AUTH without TLS too.
	PlainAuth       bool
	MaxMessageBytes int64 // default no limit
	MaxRecipients   int   // default no limit
	NoSMTPUTF8      bool
	NoDSN           bool
	// Mail, Recipient and Content may refuse; a *smtp.SMTPError of go-smtp
	// chooses the reply (see Refuse). They are called concurrently.
	Mail      func(from string) error
	Recipient func(address string) error
	Content   func(Message) error
	// Discard counts messages in place of keeping them.
	Discard bool
}

// Refuse gives an error that makes a Server answer with that reply.
func Refuse(code int, enhanced [3]int, text string) error {
	return &smtp.SMTPError{Code: code, EnhancedCode: smtp.EnhancedCode(enhanced), Message: text}
}

// Message is what a Server took.
type Message struct {
	From    string
	To      []string
	Content []byte
	Hello   string // the client's name in EHLO
	Session int    // number of the connection, from 1
	TLS     bool
	// ServerName is the name that the client asked for by SNI.
	ServerName string
	AuthUser   string // empty for none
	Body       string // the BODY parameter
	UTF8       bool   // SMTPUTF8 was asked for
	Size       int64  // the SIZE parameter
	EnvelopeID string
	Return     string
	Notify     [][]string // by recipient
}

// Server is a real SMTP server. Its methods are safe for concurrent use.
type Server struct {
	config  Config
	tls     *tls.Config
	address string

	mu       sync.Mutex
	server   *smtp.Server
	listener net.Listener
	served   chan struct{} // closed when the running server has ended
	messages []Message
	taken    int
	sessions int
	changed  chan struct{} // closed and replaced at each message
	fail     func(format string, args ...any)
}

// New starts a server. The caller stops it with Stop.
func New(config Config) (*Server, error) {
	if config.Address == "" {
		config.Address = "127.0.0.1:0"
	}
	if config.Domain == "" {
		config.Domain = "smtptest.example"
	}
	if config.Security == "" {
		config.Security = StartTLS
	}
	if config.Mechanisms == nil {
		config.Mechanisms = []string{"PLAIN", "LOGIN", "SCRAM-SHA-256"}
	}
	s := &Server{config: config, address: config.Address, changed: make(chan struct{})}
	if err := s.prepareTLS(); err != nil {
		return nil, err
	}
	return s, s.Restart()
}

func (s *Server) prepareTLS() error {
	if s.config.CA == nil {
		ca, err := NewCA()
		if err != nil {
			return err
		}
		s.config.CA = ca
	}
	if s.tls = s.config.TLS; s.tls != nil {
		return nil
	}
	if s.config.Certificate == nil {
		certificate, err := s.config.CA.Issue(Issue{})
		if err != nil {
			return err
		}
		s.config.Certificate = &certificate
	}
	s.tls = &tls.Config{Certificates: []tls.Certificate{*s.config.Certificate}}
	return nil
}

// Restart starts a stopped server on the address it had, with what it has
// recorded kept.
func (s *Server) Restart() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.server != nil {
		return errors.New("smtptest: the server runs already")
	}
	listener, err := net.Listen("tcp", s.address)
	if err != nil {
		return fmt.Errorf("smtptest: %w", err)
	}
	s.address = listener.Addr().String()
	server := smtp.NewServer(smtp.BackendFunc(s.session))
	server.Domain = s.config.Domain
	server.ErrorLog = log.New(io.Discard, "", 0)
	server.AllowInsecureAuth = s.config.PlainAuth
	server.MaxMessageBytes = s.config.MaxMessageBytes
	server.MaxRecipients = s.config.MaxRecipients
	server.EnableSMTPUTF8 = !s.config.NoSMTPUTF8
	server.EnableDSN = !s.config.NoDSN
	switch s.config.Security {
	case StartTLS:
		server.TLSConfig = s.tls
	case Implicit:
		listener = tls.NewListener(listener, s.tls)
	}
	s.server, s.listener, s.served = server, listener, make(chan struct{})
	go func(served chan struct{}) {
		defer close(served)
		_ = server.Serve(listener) // ends with Stop
	}(s.served)
	return nil
}

// Stop closes the listener and all connections. It does nothing to a stopped
// server.
func (s *Server) Stop() {
	s.mu.Lock()
	server, listener, served := s.server, s.listener, s.served
	s.server = nil
	s.mu.Unlock()
	if server == nil {
		return
	}
	_ = server.Close()
	_ = listener.Close() // the server does not know it before Serve has begun
	<-served
}

// Address gives host and port.
func (s *Server) Address() string { return s.address }

// Port gives the port.
func (s *Server) Port() int {
	_, port, _ := net.SplitHostPort(s.address)
	n, _ := strconv.Atoi(port)
	return n
}

// CA gives the authority of the server's certificate.
func (s *Server) CA() *CA { return s.config.CA }

// Certificate gives the certificate that the server shows; nil when Config.TLS
// was given.
func (s *Server) Certificate() *tls.Certificate { return s.config.Certificate }

// Sessions tells how many connections have said EHLO.
func (s *Server) Sessions() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.sessions
}

// Count tells how many messages were taken.
func (s *Server) Count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.taken
}

// Messages waits up to 60 s until at least n messages were taken and gives all
// that are kept, in their order. If there are fewer by then, the test fails, or
// outside of tests it gives what there is.
func (s *Server) Messages(n int) []Message {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	messages, err := s.Wait(ctx, n)
	if err != nil && s.fail != nil {
		s.fail("%v", err)
	}
	return messages
}

// Wait is Messages with a limit of the caller's choice.
func (s *Server) Wait(ctx context.Context, n int) ([]Message, error) {
	for {
		s.mu.Lock()
		messages, taken, changed := s.messages[:len(s.messages):len(s.messages)], s.taken, s.changed
		s.mu.Unlock()
		if taken >= n {
			return messages, nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return messages, fmt.Errorf("smtptest: %d messages arrived, want %d: %w", taken, n, ctx.Err())
		}
	}
}

func (s *Server) take(message Message) error {
	if s.config.Content != nil {
		if err := s.config.Content(message); err != nil {
			return err
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.taken++
	if !s.config.Discard {
		s.messages = append(s.messages, message)
	}
	close(s.changed)
	s.changed = make(chan struct{})
	return nil
}

func (s *Server) session(conn *smtp.Conn) (smtp.Session, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sessions++
	return &session{server: s, conn: conn, number: s.sessions}, nil
}

// session is one client's connection.
type session struct {
	server  *Server
	conn    *smtp.Conn
	number  int
	user    string
	message Message
}

func (c *session) Reset() { c.message = Message{} }

func (c *session) Logout() error { return nil }

func (c *session) AuthMechanisms() []string {
	if len(c.server.config.Accounts) == 0 {
		return nil
	}
	return c.server.config.Mechanisms
}

func (c *session) Auth(name string) (sasl.Server, error) {
	for _, offered := range c.AuthMechanisms() {
		if offered != name {
			continue
		}
		if m := mechanism(name, c.server.config.Accounts, func(user string) { c.user = user }); m != nil {
			return m, nil
		}
	}
	return nil, smtp.ErrAuthUnknownMechanism
}

func (c *session) Mail(from string, options *smtp.MailOptions) error {
	config := &c.server.config
	if len(config.Accounts) > 0 && c.user == "" && !config.AnonymousMail {
		return Refuse(530, [3]int{5, 7, 0}, "Authentication required")
	}
	if config.Mail != nil {
		if err := config.Mail(from); err != nil {
			return err
		}
	}
	c.message = Message{
		From: from, Hello: c.conn.Hostname(), Session: c.number, AuthUser: c.user,
		Body: string(options.Body), UTF8: options.UTF8, Size: options.Size,
		EnvelopeID: options.EnvelopeID, Return: string(options.Return),
	}
	if state, ok := c.conn.TLSConnectionState(); ok {
		c.message.TLS, c.message.ServerName = true, state.ServerName
	}
	return nil
}

func (c *session) Rcpt(to string, options *smtp.RcptOptions) error {
	if check := c.server.config.Recipient; check != nil {
		if err := check(to); err != nil {
			return err
		}
	}
	var notify []string
	for _, n := range options.Notify {
		notify = append(notify, string(n))
	}
	c.message.To = append(c.message.To, to)
	c.message.Notify = append(c.message.Notify, notify)
	return nil
}

func (c *session) Data(r io.Reader) error {
	message := c.message
	if c.server.config.Discard {
		if _, err := io.Copy(io.Discard, r); err != nil {
			return err
		}
		return c.server.take(message)
	}
	content, err := io.ReadAll(r)
	if err != nil {
		return err
	}
	message.Content = content
	return c.server.take(message)
}
