package smtp

import (
	"encoding/base64"
	"errors"
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"

	sasl "github.com/wneessen/go-mail/smtp"

	"github.com/postilion-mail/postilion/plugin"
)

const (
	maxAuthRounds = 10
	// maxIterations bounds the work that a server can make us do for SCRAM.
	maxIterations = 1_000_000
)

// automatic are the mechanisms that auto takes, strongest first. CRAM-MD5 is
// not among them: it is weaker than SCRAM, and makes the server keep the
// password.
var automatic = []string{"SCRAM-SHA-256", "SCRAM-SHA-1", "PLAIN", "LOGIN"}

// errMechanism means that another mechanism may be tried.
var errMechanism = errors.New("the mechanism cannot be used")

// login authenticates the session as configured.
func (s *session) login() error {
	c := s.config
	if !s.mayLogIn() {
		return s.noLogin(plugin.BlameConnection, "the session is not encrypted, so the password is not sent; use security starttls or tls")
	}
	if len(s.caps.auth) == 0 {
		return s.noLogin(plugin.BlameAuth, "the server offers no authentication here; set auth to none, or check host, port and security")
	}
	wanted := automatic
	if c.auth != authAuto {
		wanted = []string{strings.ToUpper(c.auth)}
	}
	var err error = s.noLogin(plugin.BlameAuth, fmt.Sprintf("the server offers only the mechanisms %s, of which none can be used", printable(strings.Join(s.caps.auth, ", "), 200)))
	for _, name := range wanted {
		if !slices.Contains(s.caps.auth, name) {
			continue
		}
		if err = s.authenticate(name); err == nil {
			return nil
		}
		s.tried = append(s.tried, name+": "+strings.TrimPrefix(err.Error(), "auth: "))
		if !errors.Is(err, errMechanism) {
			return err
		}
	}
	return err
}

// mayLogIn: only under TLS, but for a server on this machine where encryption
// was switched off on purpose, or where that is allowed on purpose.
func (s *session) mayLogIn() bool {
	if s.secure || s.config.allowPlainAuth {
		return true
	}
	tcp, ok := s.raw.RemoteAddr().(*net.TCPAddr)
	return ok && tcp.IP.IsLoopback() && s.config.security == securityNone
}

func (s *session) noLogin(blame plugin.Blame, text string) *plugin.DeliveryError {
	return &plugin.DeliveryError{Outcome: plugin.Outcome{
		Class: plugin.Temporary, Blame: blame, Phase: plugin.PhaseAuth, Inferred: true, Reply: text,
	}}
}

// authenticate tries one mechanism (RFC 4954 section 4).
func (s *session) authenticate(name string) error {
	c := s.config
	client := newMechanism(name, c)
	_, initial, err := client.Start(&sasl.ServerInfo{Name: c.host, TLS: true, Auth: s.caps.auth})
	if err != nil {
		return s.authFault(err)
	}
	if initial == nil {
		s.queue("AUTH ", name)
	} else {
		s.queueSecret("AUTH "+name+" ", base64.StdEncoding.EncodeToString(initial))
	}
	proof := !strings.HasPrefix(name, "SCRAM-") // else the server has to prove that it knows the password
	for round := 0; ; round++ {
		r, err := s.exchange(plugin.PhaseAuth)
		switch {
		case err != nil:
			return err
		case r.ok() && !proof:
			return s.authFault(errors.New("the server did not prove that it knows the password"))
		case r.ok():
			s.mechanism = name
			return nil
		case r.code != 334:
			return s.authRefusal(r)
		case round == maxAuthRounds:
			return s.authFault(fmt.Errorf("the server asked more than %d times", maxAuthRounds))
		}
		challenge, err := base64.StdEncoding.DecodeString(string(r.text))
		if err != nil {
			return s.authFault(errors.New("the server's challenge is not in base64"))
		}
		if err := checkChallenge(challenge, proof); err != nil {
			return s.authFault(err)
		}
		answer, err := client.Next(challenge, true)
		switch {
		case err != nil && round == 0:
			return s.cancelAuth(err)
		case err != nil:
			return s.authFault(err)
		}
		proof = proof || strings.HasPrefix(string(challenge), "v=")
		s.queueSecret("", base64.StdEncoding.EncodeToString(answer))
	}
}

func newMechanism(name string, c *config) sasl.Auth {
	switch name {
	case "SCRAM-SHA-256":
		return sasl.ScramSHA256Auth(c.username, c.password)
	case "SCRAM-SHA-1":
		return sasl.ScramSHA1Auth(c.username, c.password)
	case "CRAM-MD5":
		return sasl.CRAMMD5Auth(c.username, c.password)
	case "XOAUTH2":
		return sasl.XOAuth2Auth(c.username, c.password)
	case "LOGIN":
		return sasl.LoginAuth(c.username, c.password, c.host, true)
	}
	return sasl.PlainAuth("", c.username, c.password, c.host, true)
}

// checkChallenge refuses a SCRAM challenge that would keep us busy. With the
// server's proof given, or none needed, there is nothing to compute.
func checkChallenge(challenge []byte, proof bool) error {
	if proof {
		return nil
	}
	for field := range strings.SplitSeq(string(challenge), ",") {
		count, ok := strings.CutPrefix(field, "i=")
		if !ok {
			continue
		}
		if n, err := strconv.Atoi(count); err != nil || n < 1 || n > maxIterations {
			return fmt.Errorf("the server asks for a key of %s iterations", printable(count, 20))
		}
	}
	return nil
}

// authRefusal: with the same password no other mechanism is tried, since the
// account might be locked, unless the server dislikes just the mechanism.
func (s *session) authRefusal(r reply) error {
	err := s.refusal(plugin.PhaseAuth, r)
	if !s.broken && (r.code == 504 || strings.Contains(strings.ToLower(string(r.text)), "mechanism")) {
		var refused *plugin.DeliveryError
		if errors.As(err, &refused) {
			refused.Err = errMechanism
		}
	}
	return err
}

// cancelAuth gives up a mechanism before anything secret was said.
func (s *session) cancelAuth(cause error) error {
	if _, err := s.command(plugin.PhaseAuth, "*"); err != nil {
		return err
	}
	err := s.noLogin(plugin.BlameAuth, "cannot log in: "+printable(s.redact(cause.Error()), maxReplyText))
	if !s.broken {
		err.Err = errMechanism
	}
	return err
}

// authFault ends an exchange that cannot go on, and the session with it.
func (s *session) authFault(cause error) error {
	s.broken = true
	return s.noLogin(plugin.BlameAuth, "cannot log in: "+printable(s.redact(cause.Error()), maxReplyText))
}
