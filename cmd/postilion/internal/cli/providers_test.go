package cli

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/testing/protocmp"

	postilionv1 "github.com/postilion-mail/postilion/proto/gen/postilion/v1"
)

func TestProviders(t *testing.T) {
	t.Parallel()
	tls := postilionv1.Security_SECURITY_IMPLICIT_TLS
	d := start(t, map[string]any{
		"ListProviders": &postilionv1.ListProvidersResponse{Providers: []*postilionv1.Provider{
			{Id: "gmail", Title: "Gmail", Host: "smtp.gmail.com", Port: 465, Security: tls, UsernameHint: "the address", PasswordHint: "an app password",
				Link: "https://example.com/", Limits: &postilionv1.Limits{PerDay: 500, RecipientsPerMessage: 100}, MailDomains: []string{"googlemail.com"}},
			{Id: "zoho", Title: "Zoho", Host: "smtp.zoho.com", Port: 465, Security: tls},
			{Id: "zoho-eu", Title: "Zoho, EU", Host: "smtp.zoho.eu", Port: 465, Security: tls},
		}},
		"GetConnection": status.Error(codes.NotFound, "none"), "Configure": configured,
	})
	d.run(t, "providers").want(t, 0, "zoho-eu", "smtp.gmail.com:465 implicit-tls", "500 a day, 100 a message")
	if out := d.run(t, "providers", "Zoho").out; !strings.Contains(out, "smtp.zoho.com:465") || strings.Contains(out, "zoho-eu") {
		t.Errorf("a whole id: %s", out)
	}
	d.run(t, "providers", "googlemail").want(t, 0, "an app password", "--provider gmail", "https://example.com/")
	d.run(t, "providers", "zoho.", "--json").want(t, 0, `"id":"zoho-eu"`)
	d.run(t, "providers", "nobody").want(t, exitFailed, "--host")
	d.run(t, "configure", "main", "--provider", "gmail").want(t, 0)
	want := &postilionv1.ConfigureRequest{Connection: &connection{Name: "main", Transport: &postilionv1.Connection_Smtp{Smtp: &postilionv1.SmtpSettings{Provider: "gmail"}}}}
	if diff := cmp.Diff(want, d.last(), protocmp.Transform()); diff != "" {
		t.Error(diff)
	}
}
