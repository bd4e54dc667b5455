package api

import (
	"testing"

	"github.com/postilion-mail/postilion/internal/domaincheck"
	"github.com/postilion-mail/postilion/internal/provider"
	"github.com/postilion-mail/postilion/internal/registry"
)

// A provider that puts an envelope sender of its own into mail is not one that
// the domain's SPF record must name.
func TestWhoseSPFCounts(t *testing.T) {
	t.Parallel()
	for id, want := range map[string]string{"postmark": "pm.mtasv.net", "sendgrid": "sendgrid.net", "mailgun": ""} {
		p, ok := provider.Get(id)
		if !ok {
			t.Fatalf("there is no provider %s", id)
		}
		r := domaincheck.Request{Domain: "shop.example"}
		byProvider(&r, p, "apikey")
		if r.Envelope != want || (want == "") != (len(r.Includes) > 0) {
			t.Errorf("%s: %+v", id, r)
		}
		r = domaincheck.Request{Domain: "shop.example", Envelope: "bounces.shop.example"}
		if byProvider(&r, p, "site@mg.shop.example"); r.Envelope != "bounces.shop.example" {
			t.Errorf("%s: the connection's own envelope sender became %q", id, r.Envelope)
		}
	}
}

// The connection tells the domain of the envelope sender where that is the user
// name's, and the preset whether the provider may choose another.
func TestWhoseEnvelopeItIs(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		provider, username, envelope string
		own                          bool
	}{
		{"mailgun", "postmaster@mg.shop.example", "mg.shop.example", false},
		{"mailgun-eu", "postmaster@mg.shop.example", "mg.shop.example", false},
		{"mailgun", "postmaster", "", false},
		{"brevo", "a1b2@smtp-brevo.com", "", true},
		{"sparkpost", "SMTP_Injection", "", true},
		{"sparkpost-eu", "SMTP_Injection", "", true},
		{"smtp2go", "site@shop.example", "", true},
		{"mailersend", "MS_1@shop.example", "", true},
		{"google-workspace", "jane@other.example", "", false},
	} {
		r := domainRequest("shop.example", &registry.Connection{Transport: "smtp", Provider: test.provider, Settings: map[string]any{"username": test.username}})
		if r.Envelope != test.envelope || r.OwnEnvelope != test.own {
			t.Errorf("%s: %+v", test.provider, r)
		}
	}
}
