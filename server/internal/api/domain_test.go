package api

import (
	"testing"

	"github.com/postilion-mail/postilion/internal/domaincheck"
	"github.com/postilion-mail/postilion/internal/provider"
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
		byProvider(&r, p)
		if r.Envelope != want || (want == "") != (len(r.Includes) > 0) {
			t.Errorf("%s: %+v", id, r)
		}
		r = domaincheck.Request{Domain: "shop.example", Envelope: "bounces.shop.example"}
		if byProvider(&r, p); r.Envelope != "bounces.shop.example" {
			t.Errorf("%s: the connection's own envelope sender became %q", id, r.Envelope)
		}
	}
}
