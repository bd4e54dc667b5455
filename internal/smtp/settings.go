package smtp

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"fmt"
	"maps"
	"math"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/net/idna"

	"github.com/postilion-mail/postilion/plugin"
)

// The values of the setting security.
const (
	securityTLS           = "tls" // implicit TLS (RFC 8314 section 3.3)
	securityStartTLS      = "starttls"
	securityOpportunistic = "opportunistic"
	securityNone          = "none"
)

// The values of the setting auth that are no mechanisms.
const (
	authAuto = "auto"
	authNone = "none"
)

const (
	defaultPoolSize = 5
	maxPoolSize     = 20
)

// config are a connection's settings, checked.
type config struct {
	connection     string
	host           string // A-labels or an IP address, without brackets
	port           uint16
	security       string
	auth           string // auto, none or a mechanism in lower case
	username       string
	password       string
	helloName      string // empty for the default
	source         netip.Addr
	roots          *x509.CertPool // nil for the system's
	pin            []byte
	certificates   []tls.Certificate
	minimumTLS     uint16
	skipVerify     bool
	allowPlainAuth bool
	poolSize       int
	idle           time.Duration
	timeouts       timeouts
	redactor       *strings.Replacer // takes the password out of texts, nil for none
}

// fields describes the settings.
func fields() []plugin.Field {
	all := []plugin.Field{
		{Name: "host", Type: plugin.TypeString, Label: "Host", Required: true, Help: "Name or IP address of the SMTP server."},
		{Name: "port", Type: plugin.TypeInteger, Label: "Port", Help: "Default 465 with security tls, else 587."},
		{Name: "security", Type: plugin.TypeEnum, Label: "Encryption", Default: securityStartTLS,
			Options: []string{securityTLS, securityStartTLS, securityOpportunistic, securityNone},
			Help:    "tls from the first octet, STARTTLS required, STARTTLS if the server offers it, or none."},
		{Name: "auth", Type: plugin.TypeEnum, Label: "Authentication", Default: authAuto,
			Options: []string{authAuto, authNone, "plain", "login", "cram-md5", "scram-sha-1", "scram-sha-256", "xoauth2"},
			Help:    "auto takes the strongest that the server offers, if there is a user name."},
		{Name: "username", Type: plugin.TypeString, Label: "User name"},
		{Name: "password", Type: plugin.TypeString, Label: "Password", Secret: true, Help: "For xoauth2 the access token."},
		{Name: "hello_name", Type: plugin.TypeString, Label: "EHLO name", Help: "How we introduce ourselves; default this machine's name."},
		{Name: "source_address", Type: plugin.TypeString, Label: "Source address", Help: "Local IP address to connect from."},
		{Name: "ca_certificates", Type: plugin.TypeString, Label: "CA certificates", Help: "PEM; trusted in place of the system's."},
		{Name: "pin_sha256", Type: plugin.TypeString, Label: "Public key pin",
			Help: "Hexadecimal SHA-256 of the server's public key (SubjectPublicKeyInfo), checked in addition to the certificate."},
		{Name: "client_certificate", Type: plugin.TypeString, Label: "Client certificate", Help: "PEM, with intermediates."},
		{Name: "client_key", Type: plugin.TypeString, Label: "Client key", Secret: true, Help: "PEM, not encrypted."},
		{Name: "minimum_tls", Type: plugin.TypeEnum, Label: "Minimum TLS version", Default: "1.2", Options: []string{"1.0", "1.1", "1.2", "1.3"}},
		{Name: "skip_verify", Type: plugin.TypeBoolean, Label: "Skip verification", Default: "false", Help: "Do not verify the server's certificate. Anybody on the way can read the password."},
		{Name: "allow_plain_auth", Type: plugin.TypeBoolean, Label: "Allow login without TLS", Default: "false"},
		{Name: "pool_size", Type: plugin.TypeInteger, Label: "Connections", Default: strconv.Itoa(defaultPoolSize), Help: "Most connections at a time, up to 20."},
		{Name: "idle_timeout", Type: plugin.TypeDuration, Label: "Idle timeout", Default: "30s", Help: "How long an unused connection is kept."},
	}
	defaults := defaultTimeouts()
	for _, name := range slices.Sorted(maps.Keys(defaults.byName())) {
		all = append(all, plugin.Field{Name: name, Type: plugin.TypeDuration, Label: timeoutLabel(name), Default: defaults.byName()[name].String()})
	}
	return all
}

func timeoutLabel(name string) string {
	phase, _, _ := strings.Cut(name, "_")
	return "Timeout: " + phase
}

func settingError(field, format string, args ...any) error {
	return &plugin.SettingError{Field: field, Reason: fmt.Sprintf(format, args...)}
}

// parseSettings checks the settings; errors are *plugin.SettingError.
func parseSettings(settings plugin.Settings) (config, error) {
	v := &values{settings: settings}
	v.known(fields())
	c := config{
		connection:     settings.Connection,
		host:           parseHost(v),
		security:       v.enum("security", securityStartTLS),
		auth:           v.enum("auth", authAuto),
		username:       v.text("username"),
		password:       v.secret("password"),
		helloName:      v.text("hello_name"),
		skipVerify:     v.boolean("skip_verify"),
		allowPlainAuth: v.boolean("allow_plain_auth"),
		poolSize:       v.integer("pool_size", defaultPoolSize, 1, maxPoolSize),
		idle:           v.duration("idle_timeout", 30*time.Second),
		timeouts:       defaultTimeouts(),
	}
	port := 587
	if c.security == securityTLS {
		port = 465
	}
	c.port = uint16(v.integer("port", port, 1, math.MaxUint16))
	if c.username == "" && c.auth == authAuto {
		c.auth = authNone
	}
	if c.auth != authNone && c.username == "" {
		v.fail("username", "is needed with auth %s", c.auth)
	}
	if c.auth != authNone && c.password == "" {
		v.fail("password", "is needed with a user name; set auth to none for a server that needs no login")
	}
	if strings.ContainsAny(c.helloName, " <>()") {
		v.fail("hello_name", "must be a host name or an address literal such as [192.0.2.1]")
	}
	if source := v.text("source_address"); source != "" {
		var err error
		if c.source, err = netip.ParseAddr(source); err != nil {
			v.fail("source_address", "must be an IP address of this machine, without port")
		}
	}
	c.parseTLS(v)
	for name, timeout := range c.timeouts.byName() {
		*timeout = v.duration(name, *timeout)
	}
	c.redactor = newRedactor(c.username, c.password)
	return c, v.err
}

func parseHost(v *values) string {
	host := strings.TrimSpace(v.text("host"))
	if host == "" {
		v.fail("host", "is required: the name or IP address of the SMTP server")
		return ""
	}
	bare := strings.TrimSuffix(strings.TrimPrefix(host, "["), "]")
	if ip, err := netip.ParseAddr(bare); err == nil {
		return ip.String()
	}
	ascii, err := idna.Lookup.ToASCII(strings.TrimSuffix(host, "."))
	if err != nil && plain(host) && !strings.ContainsAny(host, " /@:[]<>\"'\\") {
		ascii, err = host, nil // such as a name with an underscore in a container network
	}
	if err != nil || ascii == "" || len(ascii) > 253 {
		v.fail("host", "must be a host name or IP address, without port or scheme")
	}
	return ascii
}

func (c *config) parseTLS(v *values) {
	c.minimumTLS = map[string]uint16{"1.0": tls.VersionTLS10, "1.1": tls.VersionTLS11, "1.2": tls.VersionTLS12, "1.3": tls.VersionTLS13}[v.enum("minimum_tls", "1.2")]
	if text := v.multiline("ca_certificates"); text != "" {
		c.roots = x509.NewCertPool()
		if !c.roots.AppendCertsFromPEM([]byte(text)) {
			v.fail("ca_certificates", "holds no certificate in PEM")
		}
	}
	if text := v.text("pin_sha256"); text != "" {
		clean := strings.NewReplacer(":", "", " ", "").Replace(text)
		var err error
		if c.pin, err = hex.DecodeString(clean); err != nil || len(c.pin) != 32 {
			v.fail("pin_sha256", "must be 64 hexadecimal digits")
		}
	}
	certificate, key := v.multiline("client_certificate"), v.secretPEM("client_key")
	switch {
	case certificate == "" && key == "":
		return
	case certificate == "":
		v.fail("client_certificate", "is needed with client_key")
	case key == "":
		v.fail("client_key", "is needed with client_certificate")
	}
	if block, _ := pem.Decode([]byte(certificate)); block == nil {
		v.fail("client_certificate", "holds no certificate in PEM")
		return
	}
	pair, err := tls.X509KeyPair([]byte(certificate), []byte(key))
	if err != nil {
		v.fail("client_key", "is no private key in PEM that fits the certificate")
	}
	c.certificates = []tls.Certificate{pair}
}
