package smtp

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/netip"
	"os"
	"strings"

	"github.com/postilion-mail/postilion/plugin"
)

// opening takes a session from nothing to where mail can be sent.
type opening struct {
	config    *config
	options   *Options
	tls       *tls.Config
	addresses []netip.Addr
	session   *session
}

// step is one stage of an opening. It may return a skipped error.
type step struct {
	phase plugin.Phase
	run   func(context.Context) error
}

// skipped tells why a step had nothing to do.
type skipped string

func (e skipped) Error() string { return string(e) }

// steps gives the stages in their order.
func (o *opening) steps() []step {
	begin := []step{{plugin.PhaseResolve, o.resolve}, {plugin.PhaseConnect, o.connect}}
	greet := []step{{plugin.PhaseGreeting, o.greet}, {plugin.PhaseHello, o.hello}, {plugin.PhaseStartTLS, o.startTLS}}
	handshake := step{plugin.PhaseTLS, o.handshake}
	if o.config.security == securityTLS {
		begin = append(append(begin, handshake), greet...)
	} else {
		begin = append(append(begin, greet...), handshake)
	}
	return append(begin, step{plugin.PhaseAuth, o.login})
}

// run goes through all steps. The error is a *plugin.DeliveryError; the session
// is closed then.
func (o *opening) run(ctx context.Context) (*session, error) {
	for _, step := range o.steps() {
		err := step.run(ctx)
		if errors.As(err, new(skipped)) {
			continue
		}
		if err != nil {
			o.abandon()
			return nil, err
		}
	}
	return o.session, nil
}

// abandon closes the session of an opening that has failed. If it can still
// talk it says goodbye, without waiting for an answer.
func (o *opening) abandon() {
	s := o.session
	if s == nil {
		return
	}
	if !s.broken {
		s.arm(plugin.PhaseQuit)
		s.queue("QUIT")
		_, _ = s.flush(plugin.PhaseQuit)
	}
	s.close()
}

func (o *opening) resolve(ctx context.Context) (err error) {
	o.addresses, err = resolve(ctx, o.config, o.options.Resolver)
	return err
}

func (o *opening) connect(ctx context.Context) error {
	conn, err := connect(ctx, o.config, o.options, o.addresses)
	if err != nil {
		return err
	}
	o.session = newSession(o.config, conn, o.options.Transcript)
	return nil
}

// within runs f with ctx reaching down to the socket.
func (o *opening) within(ctx context.Context, f func() error) error {
	release := o.session.bind(ctx)
	defer release()
	return f()
}

func (o *opening) greet(ctx context.Context) error {
	return o.within(ctx, func() error {
		s := o.session
		s.arm(plugin.PhaseGreeting)
		r, err := s.read(plugin.PhaseGreeting)
		if err != nil {
			return o.silence(err)
		}
		s.greeting = s.words(r)
		if !r.ok() {
			return s.refusal(plugin.PhaseGreeting, r)
		}
		return nil
	})
}

// silence adds what a missing greeting most often comes from.
func (o *opening) silence(err error) error {
	var fault *plugin.DeliveryError
	if errors.Is(err, os.ErrDeadlineExceeded) && errors.As(err, &fault) && !o.session.secure {
		fault.Outcome.Reply += "; perhaps it expects TLS from the start (security tls)"
	}
	return err
}

func (o *opening) hello(ctx context.Context) error {
	return o.within(ctx, o.ehlo)
}

// ehlo introduces us. To a server that knows only HELO we say that, if neither
// TLS nor authentication is needed, for which it would take EHLO.
func (o *opening) ehlo() error {
	s, name := o.session, o.helloName()
	r, err := s.command(plugin.PhaseHello, "EHLO ", name)
	if err != nil {
		return err
	}
	if r.ok() {
		s.caps = parseCapabilities(string(r.text))
		return nil
	}
	simple := o.config.auth == authNone && o.config.security != securityStartTLS
	if r.code/100 != 5 || !simple {
		return s.refusal(plugin.PhaseHello, r)
	}
	_, err = s.expect(plugin.PhaseHello, "HELO ", name)
	return err
}

// helloName gives a domain name, or an address literal (RFC 5321 section
// 4.1.4): a bare host name such as a container's id would be refused by many.
func (o *opening) helloName() string {
	if name := o.config.helloName; name != "" {
		return name
	}
	if name := o.options.HelloName; name != "" {
		return name
	}
	if name, err := os.Hostname(); err == nil && strings.Contains(name, ".") && plain(name) {
		return name
	}
	if local, ok := o.session.raw.LocalAddr().(*net.TCPAddr); ok {
		if ip := local.AddrPort().Addr().Unmap().WithZone(""); ip.Is6() {
			return "[IPv6:" + ip.String() + "]"
		} else if ip.IsValid() {
			return "[" + ip.String() + "]"
		}
	}
	return "localhost"
}

func (o *opening) startTLS(ctx context.Context) error {
	s := o.session
	switch o.config.security {
	case securityTLS:
		return skipped("the session is encrypted from the start")
	case securityNone:
		return skipped("security is none")
	}
	if !s.caps.startTLS {
		if o.config.security == securityOpportunistic {
			return skipped("the server does not offer STARTTLS")
		}
		return &plugin.DeliveryError{Outcome: plugin.Outcome{
			Class: plugin.Temporary, Blame: plugin.BlameConnection, Phase: plugin.PhaseStartTLS, Inferred: true,
			Reply: "the server does not offer STARTTLS, which the settings require; for port 465 use security tls",
		}}
	}
	return o.within(ctx, func() error {
		r, err := s.command(plugin.PhaseStartTLS, "STARTTLS")
		switch {
		case err != nil:
			return err
		case r.code != 220:
			s.broken = s.broken || r.code/100 < 4
			return s.refusal(plugin.PhaseStartTLS, r)
		case s.in.Buffered() > 0:
			// Somebody on the way has put replies of his own behind the
			// server's, to be read as if they came under TLS (RFC 3207
			// section 4.2).
			return s.fault(plugin.PhaseStartTLS, protocolError("there is data before TLS: somebody on the way may be tampering with the connection"))
		}
		return nil
	})
}

// handshake brings up TLS, and after STARTTLS asks anew what the server can do.
func (o *opening) handshake(ctx context.Context) error {
	s := o.session
	switch {
	case o.config.security == securityNone:
		return skipped("security is none")
	case o.config.security == securityOpportunistic && !s.caps.startTLS:
		return skipped("the server does not offer STARTTLS")
	}
	return o.within(ctx, func() error {
		if err := s.handshake(o.tls); err != nil {
			return err
		}
		if o.config.security == securityTLS {
			return nil
		}
		return o.ehlo()
	})
}

func (o *opening) login(ctx context.Context) error {
	if o.config.auth == authNone {
		return skipped("no authentication is configured")
	}
	return o.within(ctx, o.session.login)
}
