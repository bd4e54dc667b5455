package smtptest

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"time"
)

// CA is a certificate authority made for one test or one demo. Its methods are
// safe for concurrent use.
type CA struct {
	certificate *x509.Certificate
	key         crypto.Signer
}

// NewCA makes an authority with a key of its own. It is valid from 1990 to
// 2090, so that it also serves within a testing/synctest bubble, where it is
// the year 2000.
func NewCA() (*CA, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	template := template("smtptest CA")
	template.IsCA = true
	template.BasicConstraintsValid = true
	template.KeyUsage = x509.KeyUsageCertSign
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return nil, err
	}
	certificate, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, err
	}
	return &CA{certificate: certificate, key: key}, nil
}

// PEM gives the authority's certificate.
func (ca *CA) PEM() string { return encodePEM("CERTIFICATE", ca.certificate.Raw) }

// Pool gives a pool that trusts the authority alone.
func (ca *CA) Pool() *x509.CertPool {
	pool := x509.NewCertPool()
	pool.AddCert(ca.certificate)
	return pool
}

// Issue says what a certificate looks like. The zero value is a good one for
// localhost, 127.0.0.1 and ::1.
type Issue struct {
	// Names are host names and IP addresses; default localhost and loopback.
	Names []string
	// CommonNameOnly leaves the names out of the certificate but for the first
	// one as the common name.
	CommonNameOnly bool
	NotBefore      time.Time // default 1990
	NotAfter       time.Time // default 2090
	SelfSigned     bool      // by its own key in place of the authority's
	RSABits        int       // an RSA key of that size; default ECDSA P-256
	Client         bool      // for client authentication
	// Intermediate puts an intermediate authority between, which the server
	// sends along unless OmitIntermediate.
	Intermediate     bool
	OmitIntermediate bool
}

// Issue makes a certificate with its key, ready for a tls.Config.
func (ca *CA) Issue(is Issue) (tls.Certificate, error) {
	names := is.Names
	if len(names) == 0 {
		names = []string{"localhost", "127.0.0.1", "::1"}
	}
	template := template(names[0])
	setNames(template, is, names)
	template.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
	if is.Client {
		template.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}
	}
	if !is.NotBefore.IsZero() {
		template.NotBefore = is.NotBefore
	}
	if !is.NotAfter.IsZero() {
		template.NotAfter = is.NotAfter
	}
	key, err := newKey(is.RSABits)
	if err != nil {
		return tls.Certificate{}, err
	}
	parent, signer, chain := ca.certificate, ca.key, [][]byte(nil)
	switch {
	case is.SelfSigned:
		parent, signer = template, key
	case is.Intermediate:
		between, err := ca.intermediate()
		if err != nil {
			return tls.Certificate{}, err
		}
		parent, signer, chain = between.certificate, between.key, [][]byte{between.certificate.Raw}
	}
	if is.OmitIntermediate {
		chain = nil
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, key.Public(), signer)
	if err != nil {
		return tls.Certificate{}, err
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		return tls.Certificate{}, err
	}
	return tls.Certificate{Certificate: append([][]byte{der}, chain...), PrivateKey: key, Leaf: leaf}, nil
}

func (ca *CA) intermediate() (*CA, error) {
	key, err := newKey(0)
	if err != nil {
		return nil, err
	}
	template := template("smtptest intermediate")
	template.IsCA = true
	template.BasicConstraintsValid = true
	template.KeyUsage = x509.KeyUsageCertSign
	der, err := x509.CreateCertificate(rand.Reader, template, ca.certificate, key.Public(), ca.key)
	if err != nil {
		return nil, err
	}
	certificate, err := x509.ParseCertificate(der)
	return &CA{certificate: certificate, key: key}, err
}

// CertificatePEM gives the certificate and its private key in PEM.
func CertificatePEM(certificate tls.Certificate) (chain, key string, err error) {
	for _, der := range certificate.Certificate {
		chain += encodePEM("CERTIFICATE", der)
	}
	der, err := x509.MarshalPKCS8PrivateKey(certificate.PrivateKey)
	return chain, encodePEM("PRIVATE KEY", der), err
}

// Pin gives the hexadecimal SHA-256 of the certificate's public key
// (SubjectPublicKeyInfo).
func Pin(certificate tls.Certificate) string {
	sum := sha256.Sum256(certificate.Leaf.RawSubjectPublicKeyInfo)
	return hex.EncodeToString(sum[:])
}

func template(name string) *x509.Certificate {
	serial, _ := rand.Int(rand.Reader, big.NewInt(1<<62)) // rand.Reader never fails
	return &x509.Certificate{
		SerialNumber: serial,
		Subject:      pkix.Name{CommonName: name},
		NotBefore:    time.Date(1990, 1, 1, 0, 0, 0, 0, time.UTC),
		NotAfter:     time.Date(2090, 1, 1, 0, 0, 0, 0, time.UTC),
		KeyUsage:     x509.KeyUsageDigitalSignature,
	}
}

func setNames(template *x509.Certificate, is Issue, names []string) {
	if is.CommonNameOnly {
		return
	}
	for _, name := range names {
		if ip := net.ParseIP(name); ip != nil {
			template.IPAddresses = append(template.IPAddresses, ip)
		} else {
			template.DNSNames = append(template.DNSNames, name)
		}
	}
}

func newKey(bits int) (crypto.Signer, error) {
	if bits == 0 {
		return ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	}
	key, err := rsa.GenerateKey(rand.Reader, bits)
	if err != nil {
		return nil, fmt.Errorf("RSA key of %d bits: %w", bits, err)
	}
	return key, nil
}

func encodePEM(kind string, der []byte) string {
	return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
}
