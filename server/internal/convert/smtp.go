package convert

import (
	"time"

	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/postilion-mail/postilion/internal/registry"
	postilionv1 "github.com/postilion-mail/postilion/proto/gen/postilion/v1"
	"github.com/postilion-mail/postilion/server/internal/fault"
)

// The transport's words for the API's enums. The unspecified value is absent:
// then the transport's default holds.
var (
	securities = words[postilionv1.Security]{
		postilionv1.Security_SECURITY_IMPLICIT_TLS:  "tls",
		postilionv1.Security_SECURITY_STARTTLS:      "starttls",
		postilionv1.Security_SECURITY_OPPORTUNISTIC: "opportunistic",
		postilionv1.Security_SECURITY_NONE:          "none",
	}
	authentications = words[postilionv1.Authentication]{
		postilionv1.Authentication_AUTHENTICATION_AUTO:          "auto",
		postilionv1.Authentication_AUTHENTICATION_NONE:          "none",
		postilionv1.Authentication_AUTHENTICATION_PLAIN:         "plain",
		postilionv1.Authentication_AUTHENTICATION_LOGIN:         "login",
		postilionv1.Authentication_AUTHENTICATION_CRAM_MD5:      "cram-md5",
		postilionv1.Authentication_AUTHENTICATION_SCRAM_SHA_1:   "scram-sha-1",
		postilionv1.Authentication_AUTHENTICATION_SCRAM_SHA_256: "scram-sha-256",
		postilionv1.Authentication_AUTHENTICATION_XOAUTH2:       "xoauth2",
	}
	tlsVersions = words[postilionv1.TlsVersion]{
		postilionv1.TlsVersion_TLS_VERSION_1_0: "1.0",
		postilionv1.TlsVersion_TLS_VERSION_1_1: "1.1",
		postilionv1.TlsVersion_TLS_VERSION_1_2: "1.2",
		postilionv1.TlsVersion_TLS_VERSION_1_3: "1.3",
	}
)

type words[E ~int32] map[E]string

// set puts the word for an enum's value into settings.
func (w words[E]) set(settings map[string]any, name, field string, value E) error {
	if value == 0 {
		return nil
	}
	word, ok := w[value]
	if !ok {
		return fault.Invalid(field, "has a value that this version does not know", "choose one of the API's values")
	}
	settings[name] = word
	return nil
}

// get is the inverse of set; 0 for a word that is not there.
func (w words[E]) get(settings map[string]any, name string) E {
	for value, word := range w {
		if settings[name] == word {
			return value
		}
	}
	return 0
}

// timeoutSettings are the transport's timeouts that a field of the API's
// SmtpTimeouts stands for.
var timeoutSettings = []struct {
	field    string
	settings []string
	of       func(*postilionv1.SmtpTimeouts) **durationpb.Duration
}{
	{"connect", []string{"connect_timeout"}, func(t *postilionv1.SmtpTimeouts) **durationpb.Duration { return &t.Connect }},
	{"tls", []string{"tls_timeout"}, func(t *postilionv1.SmtpTimeouts) **durationpb.Duration { return &t.Tls }},
	{"command", []string{"mail_timeout", "rcpt_timeout", "greeting_timeout", "ehlo_timeout", "starttls_timeout", "auth_timeout"},
		func(t *postilionv1.SmtpTimeouts) **durationpb.Duration { return &t.Command }},
	{"data", []string{"data_timeout"}, func(t *postilionv1.SmtpTimeouts) **durationpb.Duration { return &t.Data }},
	{"block", []string{"block_timeout"}, func(t *postilionv1.SmtpTimeouts) **durationpb.Duration { return &t.Block }},
	{"final", []string{"content_timeout"}, func(t *postilionv1.SmtpTimeouts) **durationpb.Duration { return &t.Final }},
}

// smtpSettings makes the transport's settings, and puts the secrets that are
// given into secrets.
func smtpSettings(in *postilionv1.SmtpSettings, secrets registry.Secrets) (map[string]any, error) {
	s := map[string]any{}
	text := func(name, value string) {
		if value != "" {
			s[name] = value
		}
	}
	text("host", in.GetHost())
	text("username", in.GetUsername())
	text("hello_name", in.GetHelloName())
	text("source_address", in.GetSourceAddress())
	text("ca_certificates", string(in.GetCaCertificates()))
	text("pin_sha256", in.GetPinSha256())
	text("client_certificate", string(in.GetClientCertificate()))
	number := func(name string, value uint32) {
		if value != 0 {
			s[name] = float64(value)
		}
	}
	number("port", in.GetPort())
	number("pool_size", in.GetPoolSize())
	flag := func(name string, value bool) {
		if value {
			s[name] = true
		}
	}
	flag("skip_verify", in.GetSkipVerify())
	flag("allow_plain_auth", in.GetAllowPlainAuth())
	if err := securities.set(s, "security", "connection.smtp.security", in.GetSecurity()); err != nil {
		return nil, err
	}
	if err := authentications.set(s, "auth", "connection.smtp.authentication", in.GetAuthentication()); err != nil {
		return nil, err
	}
	if err := tlsVersions.set(s, "minimum_tls", "connection.smtp.minimum_tls", in.GetMinimumTls()); err != nil {
		return nil, err
	}
	if timeouts := in.GetTimeouts(); timeouts != nil {
		for _, t := range timeoutSettings {
			d, err := Duration(*t.of(timeouts), "connection.smtp.timeouts."+t.field)
			if err != nil {
				return nil, err
			}
			for _, name := range t.settings {
				if d > 0 {
					s[name] = d.String()
				}
			}
		}
	}
	if in != nil && in.Password != nil {
		secrets["password"] = in.GetPassword()
	}
	if in != nil && in.ClientKey != nil {
		secrets["client_key"] = string(in.GetClientKey())
	}
	return s, nil
}

func fromSMTPSettings(c *registry.Connection) *postilionv1.SmtpSettings {
	text := func(name string) string { s, _ := c.Settings[name].(string); return s }
	number := func(name string) uint32 { f, _ := c.Settings[name].(float64); return uint32(f) }
	flag := func(name string) bool { b, _ := c.Settings[name].(bool); return b }
	out := &postilionv1.SmtpSettings{
		Provider:          c.Provider,
		Host:              text("host"),
		Port:              number("port"),
		Security:          securities.get(c.Settings, "security"),
		Authentication:    authentications.get(c.Settings, "auth"),
		Username:          text("username"),
		HasPassword:       has(c.StoredSecrets, "password"),
		HelloName:         text("hello_name"),
		SourceAddress:     text("source_address"),
		CaCertificates:    []byte(text("ca_certificates")),
		PinSha256:         text("pin_sha256"),
		ClientCertificate: []byte(text("client_certificate")),
		HasClientKey:      has(c.StoredSecrets, "client_key"),
		MinimumTls:        tlsVersions.get(c.Settings, "minimum_tls"),
		SkipVerify:        flag("skip_verify"),
		PoolSize:          number("pool_size"),
		AllowPlainAuth:    flag("allow_plain_auth"),
	}
	timeouts, any := &postilionv1.SmtpTimeouts{}, false
	for _, t := range timeoutSettings {
		if d, err := time.ParseDuration(text(t.settings[0])); err == nil {
			*t.of(timeouts), any = durationpb.New(d), true
		}
	}
	if any {
		out.Timeouts = timeouts
	}
	return out
}

// smtpFields are the API's names for the transport's settings where they
// differ, for errors.
var smtpFields = map[string]string{
	"auth": "authentication", "connect_timeout": "timeouts.connect", "tls_timeout": "timeouts.tls",
	"mail_timeout": "timeouts.command", "rcpt_timeout": "timeouts.command", "greeting_timeout": "timeouts.command",
	"ehlo_timeout": "timeouts.command", "starttls_timeout": "timeouts.command", "auth_timeout": "timeouts.command",
	"data_timeout": "timeouts.data", "block_timeout": "timeouts.block", "content_timeout": "timeouts.final",
}

// SettingField gives the path in a request of a transport's setting.
func SettingField(transport, setting string, secret bool) string {
	if transport == "smtp" {
		if name, ok := smtpFields[setting]; ok {
			setting = name
		}
		return "connection.smtp." + setting
	}
	if secret {
		return "connection.custom.secrets." + setting
	}
	return "connection.custom.settings." + setting
}
