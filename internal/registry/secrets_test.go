package registry_test

import (
	"errors"
	"fmt"
	"maps"
	"strings"
	"testing"

	"github.com/postilion-mail/postilion/internal/registry"
)

// A stored secret is shown to nobody but the server it was given for.
func TestSecretRule(t *testing.T) {
	t.Parallel()
	base, all := smtp("relay"), newEnv(t)
	for i, c := range []struct {
		name   string
		change func(*registry.Connection)
		keeps  bool
	}{
		{"host", set("host", "evil.example.com"), false},
		{"host case", set("host", "MAIL.example.com"), false},
		{"port", set("port", 2525), false},
		{"security", set("security", "none"), false},
		{"username", set("username", "v"), false},
		{"ca", set("ca_certificates", "PEM"), false},
		{"pin", set("pin_sha256", "00"), false},
		{"certificate", set("client_certificate", "PEM"), false},
		{"skip_verify", set("skip_verify", true), false},
		{"transport", func(c *registry.Connection) { c.Transport = "capture" }, false},
		{"nothing", set("host", "mail.example.com"), true},
		{"same number", set("port", float64(587)), true},
		{"zero is absent", set("skip_verify", false), true},
		{"empty is absent", set("pin_sha256", ""), true},
		{"pool", set("pool_size", 3), true},
		{"display name", func(c *registry.Connection) { c.DisplayName = "d" }, true},
		{"policy", func(c *registry.Connection) { c.Sender.FromAddress = "a@example.com" }, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			e := all.with(t)
			shop := e.client(fmt.Sprintf("shop-%d", i))
			first := e.configure(shop, base, password("old"))
			wanted := base.Clone()
			c.change(&wanted)

			draft := changeOf(shop, wanted, asAdmin)
			_, _, err := e.Configure(e.ctx(), draft)
			_, secrets, draftErr := e.Draft(draft)
			if c.keeps {
				if err != nil || draftErr != nil || secrets["password"] != "old" {
					t.Fatalf("%v, %v", err, draftErr)
				}
				e.wantSecrets(first.ID, registry.Secrets{"password": "old"})
				return
			}
			field := "connection.smtp.password"
			if wanted.Transport != "smtp" {
				field = "connection.custom.secrets.password"
			}
			wantError(t, err, registry.Invalid, registry.ReasonSecretRequired, field)
			wantError(t, draftErr, registry.Invalid, registry.ReasonSecretRequired, field)
			e.wantSecrets(first.ID, registry.Secrets{"password": "old"})

			e.configure(shop, wanted, asAdmin, password("new"))
			e.wantSecrets(first.ID, registry.Secrets{"password": "new"})
			e.configure(shop, base, asAdmin, func(c *registry.Change) { c.Clear = []string{"password", "unknown"} })
			e.wantSecrets(first.ID, registry.Secrets{})
		})
	}
}

func (e *env) wantSecrets(id string, want registry.Secrets) {
	e.t.Helper()
	got, err := e.Secrets(e.ctx(), id)
	if err != nil || !maps.Equal(got, want) {
		e.t.Errorf("got %d secrets, %v; want %d others", len(got), err, len(want))
	}
}

// Of other transports every setting counts, and every secret by itself.
func TestSecretRuleOfOtherTransports(t *testing.T) {
	t.Parallel()
	e := newEnv(t)
	admin := e.Admin().ID
	wanted := registry.Connection{Name: "api", Transport: "api", Settings: map[string]any{"region": "eu", "tags": []any{"a"}}}
	give := func(s registry.Secrets) func(*registry.Change) {
		return func(c *registry.Change) { c.Secrets = s }
	}
	made := e.configure(admin, wanted, asAdmin, give(registry.Secrets{"key": "k", "extra": "x"}))
	e.configure(admin, wanted, asAdmin, give(registry.Secrets{"key": "k2"}))
	e.wantSecrets(made.ID, registry.Secrets{"key": "k2", "extra": "x"})
	wanted.Settings = map[string]any{"region": "us", "tags": []any{"a"}}
	_, _, err := e.Configure(e.ctx(), changeOf(admin, wanted, asAdmin, give(registry.Secrets{"key": "k3"})))
	wantError(t, err, registry.Invalid, registry.ReasonSecretRequired, "connection.custom.secrets.extra")
	e.configure(admin, wanted, asAdmin, give(registry.Secrets{"key": "k3"}), func(c *registry.Change) { c.Clear = []string{"extra"} })
	e.wantSecrets(made.ID, registry.Secrets{"key": "k3"})
}

func TestSecretsAreValidated(t *testing.T) {
	t.Parallel()
	e := newEnv(t)
	shop := e.client("shop")
	_, _, err := e.Configure(e.ctx(), changeOf(shop, smtp("relay"), password("")))
	wantError(t, err, registry.Invalid, registry.ReasonMalformed, "connection.smtp.password")
	_, _, err = e.Configure(e.ctx(), changeOf(shop, smtp("relay"), password(strings.Repeat("x", 64<<10+1))))
	wantError(t, err, registry.Invalid, registry.ReasonMalformed, "connection.smtp.password")
	_, _, err = e.Configure(e.ctx(), changeOf(shop, smtp("relay"), password("x"), func(c *registry.Change) { c.Clear = []string{"password"} }))
	wantError(t, err, registry.Invalid, registry.ReasonMalformed, "clear_secrets")
	_, _, err = e.Configure(e.ctx(), changeOf(shop, smtp("relay"), func(c *registry.Change) {
		c.Secrets = registry.Secrets{"p\nq": "canary-value"}
	}))
	wantError(t, err, registry.Invalid, registry.ReasonMalformed, "connection.custom.secrets")
	many := registry.Secrets{}
	for i := range 33 {
		many[fmt.Sprintf("s%d", i)] = "x"
	}
	_, _, err = e.Configure(e.ctx(), changeOf(shop, smtp("relay"), func(c *registry.Change) { c.Secrets = many }))
	if !errors.Is(err, registry.ErrInvalid) {
		t.Errorf("33 secrets: %v", err)
	}
	if _, err := e.Secrets(e.ctx(), "no-such-id"); !errors.Is(err, registry.ErrNotFound) {
		t.Errorf("secrets of nothing: %v", err)
	}
}
