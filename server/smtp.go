package server

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"runtime/debug"
	"strings"
	"time"

	"github.com/postilion-mail/postilion/internal/config"
	"github.com/postilion-mail/postilion/internal/intake"
	"github.com/postilion-mail/postilion/internal/mail"
	"github.com/postilion-mail/postilion/internal/maildrop"
	"github.com/postilion-mail/postilion/internal/outbox"
	"github.com/postilion-mail/postilion/internal/registry"
	"github.com/postilion-mail/postilion/internal/smtpd"
	"github.com/postilion-mail/postilion/server/internal/auth"
	"github.com/postilion-mail/postilion/server/internal/face"
)

// The bounds of the SMTP port. All software on this machine comes from one
// address.
const (
	maxSMTPSessions   = 1000
	maxSMTPPerAddress = 500
	maxSMTPErrors     = 10
	maxHops           = 50 // Received fields; the same bound as Postfix's hopcount_limit
	smtpIdle          = 5 * time.Minute
)

// listenSMTP makes the submission port. The certificate may be nil.
func (d *daemon) listenSMTP(given map[string][]net.Listener, certificate *tls.Certificate) error {
	if err := d.checkSMTPLocalClient(); err != nil {
		return err
	}
	if d.cfg.SMTPListen == "" && len(given["smtp"]) == 0 {
		return nil
	}
	l, err := take(given, "smtp", func() (net.Listener, error) { return net.Listen("tcp", d.cfg.SMTPListen) })
	if err != nil {
		return err
	}
	if err := checkReach("smtp", l, certificate); err != nil {
		return err
	}
	d.smtp = smtpd.New(d.smtpOptions(certificate))
	d.addresses.SMTP = l.Addr().String()
	d.endpoints = append(d.endpoints, endpoint{name: "smtp", listener: &face.Listener{Listener: l, Kind: auth.DoorTCP}, smtp: d.smtp})
	return nil
}

func (d *daemon) smtpOptions(certificate *tls.Certificate) smtpd.Options {
	o := smtpd.Options{
		Name: d.domain, Domain: func() string { return d.domain },
		MaxSize: d.cfg.MaxMessageSize, MaxRecipients: maxRecipients, MaxErrors: maxSMTPErrors, MaxHops: maxHops,
		MaxSessions: maxSMTPSessions, MaxPerAddress: maxSMTPPerAddress, Idle: smtpIdle,
		Login: d.smtpLogin, Anonymous: d.smtpAnonymous,
		Reserve: d.intake.Reserve, Release: d.intake.Release,
		DSN: true, Chunking: true, Trace: true,
		Panicked: func(any) { d.panicked(context.Background(), debug.Stack()) },
	}
	if certificate != nil {
		settings := face.ServerTLS(*certificate)
		o.StartTLS = func(conn net.Conn) (net.Conn, error) {
			secure := tls.Server(conn, settings)
			err := secure.Handshake()
			if err != nil {
				d.log.Debug("no TLS with a client of the SMTP port", "address", conn.RemoteAddr().String(), "error", err)
			}
			return secure, err
		}
	}
	return o
}

// checkSMTPLocalClient holds the setting against the clients that there are.
func (d *daemon) checkSMTPLocalClient() error {
	name := d.cfg.SMTPLocalClient
	if name == "" {
		return nil
	}
	client, ok := d.registry.ClientNamed(name)
	switch {
	case !ok:
		return fmt.Errorf("smtp_local_client: there is no client %q; start without the setting and make it: postilion clients create %s", name, name)
	case client.Scopes.Has(registry.ScopeAdmin):
		return fmt.Errorf("smtp_local_client: the client %q is an administrator, which must not be had without a token; name one with the scope send", name)
	case !client.Scopes.Has(registry.ScopeSend):
		return fmt.Errorf("smtp_local_client: the client %q lacks the scope send; name another, or let it send: postilion clients update %s --scope send", name, name)
	case name == registry.LocalName && d.cfg.LocalUsers == config.LocalUsersDeny:
		return fmt.Errorf("smtp_local_client: %q is closed by local_users: deny; name another client", name)
	}
	d.log.Warn("unauthenticated mail from this machine is accepted on the SMTP port", "client", name)
	return nil
}

// smtpLogin lets a client in by its name and one of its tokens.
func (d *daemon) smtpLogin(remote net.Addr, user, password string) (smtpd.Account, bool) {
	account := smtpClient{daemon: d, name: user, token: password}
	if _, err := account.client(); err != nil {
		d.log.Warn("a client of the SMTP port was not let in", "address", remote.String(), "reason", err)
		return nil, false
	}
	return account, true
}

// smtpAnonymous gives what smtp_local_client says to whoever is on this
// machine.
func (d *daemon) smtpAnonymous(remote net.Addr) smtpd.Account {
	tcp, ok := remote.(*net.TCPAddr)
	if !ok || !tcp.IP.IsLoopback() || d.cfg.SMTPLocalClient == "" {
		return nil
	}
	return smtpClient{daemon: d, name: d.cfg.SMTPLocalClient, open: true}
}

// smtpClient is the account of a session.
type smtpClient struct {
	daemon *daemon
	name   string
	token  string
	open   bool // smtp_local_client: there is no token, and none is asked for
}

// Name is the client's.
func (c smtpClient) Name() string { return c.name }

// client finds the registry's, anew for each message: the token may have been
// revoked while the session went on.
func (c smtpClient) client() (*registry.Client, error) {
	client, ok := c.daemon.registry.Authenticate(c.token)
	if c.open {
		client, ok = c.daemon.registry.ClientNamed(c.name)
	}
	switch {
	case !ok:
		return nil, errors.New("there is no such client and token")
	case c.open && client.Scopes.Has(registry.ScopeAdmin):
		return nil, fmt.Errorf("the client %s has become an administrator, which must not be had without a token", client.Name)
	case client.Name != c.name:
		return nil, errors.New("the token is another client's")
	case !client.Scopes.Has(registry.ScopeSend) && !client.Scopes.Has(registry.ScopeAdmin):
		return nil, fmt.Errorf("the client %s lacks the scope send", client.Name)
	}
	return client, nil
}

// Submit accepts a message. A client that goes away in the meantime does not
// matter: what is accepted is sent.
func (c smtpClient) Submit(m *smtpd.Message) (string, error) {
	client, err := c.client()
	if err != nil {
		return "", &smtpd.Reply{Code: 535, Enhanced: "5.7.8", Text: err.Error()}
	}
	s := &intake.Submission{
		Client: client, Source: "smtp", Raw: m.Content, Trace: m.Trace, Reserved: true, Priority: outbox.PriorityNormal,
		From: m.From, FromGiven: true, EnvelopeID: m.EnvelopeID, Return: m.Return, Notify: true,
		Recipients: make([]outbox.Recipient, len(m.Recipients)),
	}
	for i, r := range m.Recipients {
		s.Recipients[i] = outbox.Recipient{Address: r.Address, Notify: r.Notify}
	}
	accepted, err := c.daemon.intake.Accept(context.Background(), s, nil)
	if as := (*mail.FieldError)(nil); errors.As(err, &as) && as.Code == mail.CodeSenderRequired && m.From != "" {
		// As Postfix and our sendmail do it: who sends is the author.
		drop := maildrop.Drop{Content: m.Content, Author: (&mail.Address{Addr: m.From}).String()}
		s.Raw = drop.WithAuthor()
		accepted, err = c.daemon.intake.Accept(context.Background(), s, nil)
	}
	if err != nil {
		return "", c.daemon.smtpReply(err)
	}
	return "Accepted as " + accepted.ID.String(), nil
}

// smtpReply is what SMTP has for the errors of an intake.
func (d *daemon) smtpReply(err error) error {
	if as := (*mail.FieldError)(nil); errors.As(err, &as) {
		return fieldReply(as)
	}
	if as := (*registry.Error)(nil); errors.As(err, &as) {
		if as.Code == registry.Denied {
			return &smtpd.Reply{Code: 550, Enhanced: "5.7.1", Text: as.Error()}
		}
		// No connection is there: an administrator's matter, which the
		// client's own queue may outwait.
		return &smtpd.Reply{Code: 451, Enhanced: "4.3.5", Text: as.Error()}
	}
	switch {
	case errors.Is(err, intake.ErrTooLarge):
		return &smtpd.Reply{Code: 552, Enhanced: "5.3.4", Text: err.Error()}
	case errors.Is(err, intake.ErrBusy), errors.Is(err, outbox.ErrFull):
		return &smtpd.Reply{Code: 452, Enhanced: "4.3.1", Text: err.Error() + "; try again later"}
	case errors.Is(err, outbox.ErrUnavailable):
		return &smtpd.Reply{Code: 451, Enhanced: "4.3.0", Text: "the message could not be stored; try again later"}
	}
	d.log.Error("a message of the SMTP port could not be accepted", "error", err)
	return err
}

// fieldReply says what is wrong with a message or its envelope, without the
// API's names of fields.
func fieldReply(f *mail.FieldError) error {
	r := &smtpd.Reply{Code: 550, Enhanced: "5.6.0", Text: "the message " + f.Reason}
	switch {
	case f.Code == mail.CodeSenderNotAllowed, f.Code == mail.CodeSignedContent:
		r.Enhanced, r.Text = "5.7.1", f.Reason
	case f.Code == mail.CodeTooLarge && f.Field == "message.to":
		r.Code, r.Enhanced, r.Text = 554, "5.5.3", f.Reason
	case f.Code == mail.CodeTooLarge:
		r.Code, r.Enhanced = 552, "5.3.4"
	case strings.HasPrefix(f.Field, "raw.envelope.recipients"):
		r.Code, r.Enhanced, r.Text = 553, "5.1.3", "a recipient "+f.Reason
	case f.Field == "raw.envelope.from", f.Field == "envelope.from":
		r.Code, r.Enhanced, r.Text = 553, "5.1.7", "the sender "+f.Reason
	case !strings.HasPrefix(f.Field, "raw.content"):
		r.Text = f.Error() // a field of the header
	}
	return r
}
