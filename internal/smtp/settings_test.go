package smtp

import (
	"context"
	"crypto/tls"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/postilion-mail/postilion/internal/smtptest"
	"github.com/postilion-mail/postilion/plugin"
)

func TestSettingsAreChecked(t *testing.T) {
	t.Parallel()
	ca := newCA(t)
	chain, _, err := smtptest.CertificatePEM(issue(t, ca, smtptest.Issue{Client: true}))
	if err != nil {
		t.Fatal(err)
	}
	_, otherKey, err := smtptest.CertificatePEM(issue(t, ca, smtptest.Issue{Client: true}))
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		values  map[string]any
		secrets map[string]string
		field   string
	}{
		{map[string]any{"host": ""}, nil, "host"},
		{map[string]any{"host": "smtp://x"}, nil, "host"},
		{map[string]any{"host": "x:25"}, nil, "host"},
		{map[string]any{"host": "a b"}, nil, "host"},
		{map[string]any{"host": "a\r\nb"}, nil, "host"},
		{map[string]any{"host": 5.0}, nil, "host"},
		{map[string]any{"port": 0.0}, nil, "port"},
		{map[string]any{"port": 65536.0}, nil, "port"},
		{map[string]any{"port": 25.5}, nil, "port"},
		{map[string]any{"port": "25"}, nil, "port"},
		{map[string]any{"security": "ssl"}, nil, "security"},
		{map[string]any{"auth": "ntlm"}, nil, "auth"},
		{map[string]any{"auth": "plain"}, nil, "username"},
		{map[string]any{"username": "u"}, nil, "password"},
		{map[string]any{"username": "u\x00"}, map[string]string{"password": "p"}, "username"},
		{map[string]any{"username": "u"}, map[string]string{"password": "p\r\n"}, "password"},
		{map[string]any{"password": "p"}, nil, "password"},
		{nil, map[string]string{"host": "p"}, "host"},
		{map[string]any{"hello_name": "a b"}, nil, "hello_name"},
		{map[string]any{"hello_name": "a\nb"}, nil, "hello_name"},
		{map[string]any{"source_address": "host"}, nil, "source_address"},
		{map[string]any{"ca_certificates": "/etc/ssl/ca.pem"}, nil, "ca_certificates"},
		{map[string]any{"pin_sha256": "abc"}, nil, "pin_sha256"},
		{map[string]any{"client_certificate": chain}, nil, "client_key"},
		{map[string]any{"client_certificate": chain}, map[string]string{"client_key": otherKey}, "client_key"},
		{map[string]any{"client_certificate": "x"}, map[string]string{"client_key": otherKey}, "client_certificate"},
		{nil, map[string]string{"client_key": otherKey}, "client_certificate"},
		{map[string]any{"minimum_tls": "0.9"}, nil, "minimum_tls"},
		{map[string]any{"skip_verify": "yes"}, nil, "skip_verify"},
		{map[string]any{"pool_size": 21.0}, nil, "pool_size"},
		{map[string]any{"mail_timeout": "5"}, nil, "mail_timeout"},
		{map[string]any{"mail_timeout": "-5s"}, nil, "mail_timeout"},
		{map[string]any{"idle_timeout": "2h"}, nil, "idle_timeout"},
		{map[string]any{"pasword": "x"}, nil, "pasword"},
	} {
		settings := plugin.Settings{Values: map[string]any{"host": "mail.example"}, Secrets: test.secrets}
		for name, value := range test.values {
			settings.Values[name] = value
		}
		_, err := New(Options{}).Open(context.Background(), settings)
		if bad := new(plugin.SettingError); !errors.As(err, &bad) || bad.Field != test.field || bad.Reason == "" {
			t.Errorf("%.60v: error %v, want one for %s", test.values, err, test.field)
		}
		for _, secret := range test.secrets {
			if len(secret) > 4 && strings.Contains(err.Error(), secret) {
				t.Errorf("the error %v holds a secret", err)
			}
		}
	}
}

func TestDefaults(t *testing.T) {
	t.Parallel()
	c, err := parseSettings(plugin.Settings{Values: map[string]any{"host": " B\u00dccher.example. "}})
	if err != nil {
		t.Fatal(err)
	}
	if c.host != "xn--bcher-kva.example" || c.port != 587 || c.security != "starttls" || c.auth != "none" || c.minimumTLS != tls.VersionTLS12 ||
		c.poolSize != 5 || c.idle != 30*time.Second || c.timeouts != defaultTimeouts() {
		t.Errorf("%+v", c)
	}
	for host, want := range map[string]string{"[::1]": "::1", "192.0.2.1": "192.0.2.1", "mail_relay": "mail_relay", "Mail.Example": "mail.example"} {
		c, err := parseSettings(plugin.Settings{Values: map[string]any{"host": host, "security": "tls"}})
		if err != nil || c.host != want || c.port != 465 {
			t.Errorf("%s: host %s, port %d, error %v", host, c.host, c.port, err)
		}
	}
}

func TestDescribe(t *testing.T) {
	t.Parallel()
	d := New(Options{}).Describe()
	if d.Name != "smtp" || !d.Capabilities.ReportsCommit || d.Capabilities.SendsNothing {
		t.Errorf("%+v", d)
	}
	seen := make(map[string]bool)
	for _, f := range d.Fields {
		if seen[f.Name] || f.Label == "" || f.Type == plugin.TypeEnum && len(f.Options) == 0 || f.Required && f.Default != "" {
			t.Errorf("field %+v", f)
		}
		seen[f.Name] = true
		if f.Secret != (f.Name == "password" || f.Name == "client_key") {
			t.Errorf("field %s: secret %v", f.Name, f.Secret)
		}
	}
}
