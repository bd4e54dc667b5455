package smtp

import (
	"bytes"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
	"time"

	"github.com/postilion-mail/postilion/plugin"
)

// errPin and errWeakKey are faults of a certificate that crypto/tls does not
// find itself.
var (
	errPin     = errors.New("the server's public key is not the pinned one")
	errWeakKey = errors.New("the server's RSA key is shorter than 2048 bits")
)

// clientTLS makes the TLS configuration of a connection. The server's name is
// always set, and is sent (SNI) unless it is an IP address.
func (c *config) clientTLS() *tls.Config {
	verify := c.verifies()
	return &tls.Config{
		ServerName:         c.host,
		MinVersion:         c.minimumTLS,
		RootCAs:            c.roots,
		Certificates:       c.certificates,
		InsecureSkipVerify: !verify,
		ClientSessionCache: tls.NewLRUClientSessionCache(maxPoolSize),
		VerifyConnection: func(state tls.ConnectionState) error {
			leaf := state.PeerCertificates[0]
			if c.pin != nil {
				if sum := sha256.Sum256(leaf.RawSubjectPublicKeyInfo); !bytes.Equal(sum[:], c.pin) {
					return errPin
				}
			}
			if key, ok := leaf.PublicKey.(*rsa.PublicKey); ok && verify && key.N.BitLen() < 2048 {
				return errWeakKey
			}
			return nil
		},
	}
}

// verifies tells whether the certificate must be good. With opportunistic
// encryption anybody on the way could do away with TLS altogether, so that
// refusing a bad certificate protects nothing - unless a password depends on it.
func (c *config) verifies() bool {
	return !c.skipVerify && (c.security != securityOpportunistic || c.auth != authNone)
}

// handshake does the TLS handshake. The session then speaks TLS.
func (s *session) handshake(config *tls.Config) error {
	s.arm(plugin.PhaseTLS)
	conn := tls.Client(s.raw, config)
	if err := conn.Handshake(); err != nil {
		return s.tlsFault(err)
	}
	s.conn, s.secure, s.mechanism = conn, true, ""
	s.caps = capabilities{} // RFC 3207 section 4.2: forget what was said before
	s.in.Reset(conn)
	return nil
}

// tlsFault tells a bad certificate and a mismatch of settings from trouble on
// the network.
func (s *session) tlsFault(err error) error {
	s.broken = true
	if s.ctx.Err() != nil || errors.Is(err, net.ErrClosed) {
		return s.fault(plugin.PhaseTLS, err)
	}
	outcome := plugin.Outcome{Class: plugin.Temporary, Blame: plugin.BlameConnection, Phase: plugin.PhaseTLS, Inferred: true}
	var header tls.RecordHeaderError
	var alert tls.AlertError
	switch name, text := certificateFault(err); {
	case name != "":
		outcome.Reply = text
	case errors.As(err, &header):
		outcome.Reply = "the server does not speak TLS here; check port and security (465 is for tls, 587 for starttls)"
	case errors.As(err, &alert), strings.HasPrefix(err.Error(), "tls: "), strings.HasPrefix(err.Error(), "remote error: tls: "):
		outcome.Reply = "the TLS handshake failed: " + printable(err.Error(), maxReplyText)
	default:
		return s.fault(plugin.PhaseTLS, err)
	}
	return &plugin.DeliveryError{Outcome: outcome, Err: err}
}

// certificateFault names what is wrong with a certificate, and says it in a
// sentence. Both are empty if the error is about something else.
func certificateFault(err error) (name, text string) {
	var (
		invalid   x509.CertificateInvalidError
		hostname  x509.HostnameError
		authority x509.UnknownAuthorityError
		algorithm x509.InsecureAlgorithmError
		verify    *tls.CertificateVerificationError
	)
	switch {
	case errors.Is(err, errPin):
		return "pin_mismatch", errPin.Error()
	case errors.Is(err, errWeakKey):
		return "weak_key", errWeakKey.Error()
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		if time.Now().Before(invalid.Cert.NotBefore) {
			return "not_yet_valid", fmt.Sprintf("the server's certificate is not valid before %s", invalid.Cert.NotBefore.UTC().Format(time.DateTime))
		}
		return "expired", fmt.Sprintf("the server's certificate expired on %s", invalid.Cert.NotAfter.UTC().Format(time.DateTime))
	case errors.As(err, &hostname):
		return "wrong_name", fmt.Sprintf("the server's certificate is not for %s but for %s", hostname.Host, certificateNames(hostname.Certificate))
	case errors.As(err, &algorithm), errors.As(err, &authority) && insecureSignature(authority.Cert):
		return "insecure_signature", "the server's certificate is signed with an algorithm that is no longer safe"
	case errors.As(err, &authority):
		return unknownAuthority(authority.Cert, err)
	case errors.As(err, &invalid), errors.As(err, &verify):
		return "invalid", "the server's certificate is not valid: " + printable(err.Error(), maxReplyText)
	}
	return "", ""
}

// insecureSignature tells whether x509 refuses the signature for its hash; it
// then reports the authority as unknown.
func insecureSignature(c *x509.Certificate) bool {
	switch c.SignatureAlgorithm {
	case x509.MD5WithRSA, x509.SHA1WithRSA, x509.ECDSAWithSHA1:
		return true
	}
	return false
}

func unknownAuthority(c *x509.Certificate, err error) (name, text string) {
	var verify *tls.CertificateVerificationError
	leaf := c
	sent := 0
	if errors.As(err, &verify) && len(verify.UnverifiedCertificates) > 0 {
		leaf, sent = verify.UnverifiedCertificates[0], len(verify.UnverifiedCertificates)
	}
	if bytes.Equal(leaf.RawSubject, leaf.RawIssuer) {
		return "self_signed", "the server's certificate is signed by itself; give it as a CA certificate if it is the right one"
	}
	issuer := printable(leaf.Issuer.String(), 200)
	if sent == 1 && len(leaf.IssuingCertificateURL) > 0 {
		// It tells where its issuer's certificate is, as those of public
		// authorities do.
		return "missing_intermediate", "the server does not send the intermediate certificate of " + issuer
	}
	text = "the server's certificate comes from an authority that is not trusted here: " + issuer
	if sent == 1 {
		text += " (or the server leaves out the intermediate certificate)"
	}
	return "unknown_authority", text
}

func certificateNames(c *x509.Certificate) string {
	names := append([]string(nil), c.DNSNames...)
	for _, ip := range c.IPAddresses {
		names = append(names, ip.String())
	}
	if len(names) == 0 {
		return "no host at all"
	}
	return printable(strings.Join(names, ", "), 200)
}

// tlsFacts describes the encryption for a connection test, and tells when the
// certificate expires.
func (s *session) tlsFacts() (map[string]string, time.Time) {
	state := s.conn.(*tls.Conn).ConnectionState()
	leaf := state.PeerCertificates[0]
	facts := certificateFacts(leaf)
	var chain []string
	for _, c := range state.PeerCertificates {
		chain = append(chain, c.Subject.String())
	}
	facts["certificate_chain"] = printable(strings.Join(chain, " < "), 500) // as the server sent it
	facts["tls_version"] = tls.VersionName(state.Version)
	facts["cipher"] = tls.CipherSuiteName(state.CipherSuite)
	return facts, leaf.NotAfter
}

func certificateFacts(c *x509.Certificate) map[string]string {
	return map[string]string{
		"certificate_names":        certificateNames(c),
		"certificate_issuer":       printable(c.Issuer.String(), 200),
		"certificate_expires":      c.NotAfter.UTC().Format(time.RFC3339),
		"certificate_expires_days": strconv.Itoa(int(time.Until(c.NotAfter).Hours() / 24)),
		"certificate_pin":          fmt.Sprintf("%x", sha256.Sum256(c.RawSubjectPublicKeyInfo)),
		"certificate_revocation":   "not checked",
	}
}

// refusedCertificate describes the certificate that an error is about.
func refusedCertificate(err error) map[string]string {
	var verify *tls.CertificateVerificationError
	if errors.As(err, &verify) && len(verify.UnverifiedCertificates) > 0 {
		return certificateFacts(verify.UnverifiedCertificates[0])
	}
	return nil
}
