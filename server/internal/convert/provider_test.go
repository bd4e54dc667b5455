package convert

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/testing/protocmp"

	"github.com/postilion-mail/postilion/internal/provider"
	postilionv1 "github.com/postilion-mail/postilion/proto/gen/postilion/v1"
)

// No field of the API's provider is left unset.
func TestFromProvider(t *testing.T) {
	t.Parallel()
	out := FromProvider(provider.Provider{
		ID: "id", Title: "title", Host: "host", Port: 465, Security: "tls", Auth: "xoauth2", Username: "user", Password: "password", Link: "link",
		Limits: provider.Limits{PerSecond: 1, PerMinute: 2, PerHour: 3, PerDay: 4, RecipientsPerMessage: 5}, Domains: []string{"domain"},
		PasswordLink: "password link", OAuth: "oauth", FromRule: "rule", Sources: []string{"source"},
	}).ProtoReflect()
	fields := out.Descriptor().Fields()
	for i := range fields.Len() {
		if !out.Has(fields.Get(i)) {
			t.Errorf("%s is not set", fields.Get(i).Name())
		}
	}
	for _, p := range provider.All() {
		if FromProvider(p).GetSecurity() == 0 {
			t.Errorf("%s: security %q is no word of the transport", p.ID, p.Security)
		}
	}
}

// smtpConnection makes a connection of a provider.
func smtpConnection(provider string, change func(*postilionv1.SmtpSettings, *postilionv1.Limits)) *postilionv1.Connection {
	s, l := &postilionv1.SmtpSettings{Provider: provider}, &postilionv1.Limits{}
	if change != nil {
		change(s, l)
	}
	return &postilionv1.Connection{Name: "c", Transport: &postilionv1.Connection_Smtp{Smtp: s}, Limits: l}
}

const (
	implicit = postilionv1.Security_SECURITY_IMPLICIT_TLS
	start    = postilionv1.Security_SECURITY_STARTTLS
)

func TestFill(t *testing.T) {
	t.Parallel()
	type settings = *postilionv1.SmtpSettings
	type limits = *postilionv1.Limits
	for name, test := range map[string]struct {
		given, want *postilionv1.Connection
	}{
		"nothing": {smtpConnection("", nil), smtpConnection("", nil)},
		"all": {smtpConnection("GMail", nil), smtpConnection("gmail", func(s settings, l limits) {
			s.Host, s.Port, s.Security, l.PerDay, l.RecipientsPerMessage = "smtp.gmail.com", 465, implicit, 500, 100
		})},
		"what is given stays": {
			smtpConnection("gmail", func(s settings, l limits) { s.Host, s.Port, s.Security, l.PerDay = "127.0.0.1", 2525, start, 7 }),
			smtpConnection("gmail", func(s settings, l limits) {
				s.Host, s.Port, s.Security, l.PerDay, l.RecipientsPerMessage = "127.0.0.1", 2525, start, 7, 100
			}),
		},
		"another port has another security": {
			smtpConnection("gmail", func(s settings, _ limits) { s.Port = 587 }),
			smtpConnection("gmail", func(s settings, l limits) {
				s.Host, s.Port, l.PerDay, l.RecipientsPerMessage = "smtp.gmail.com", 587, 500, 100
			}),
		},
		"another security has another port": {
			smtpConnection("gmail", func(s settings, _ limits) { s.Security = start }),
			smtpConnection("gmail", func(s settings, l limits) {
				s.Host, s.Security, l.PerDay, l.RecipientsPerMessage = "smtp.gmail.com", start, 500, 100
			}),
		},
		"the same port": {
			smtpConnection("gmail", func(s settings, _ limits) { s.Port = 465 }),
			smtpConnection("gmail", func(s settings, l limits) {
				s.Host, s.Port, s.Security, l.PerDay, l.RecipientsPerMessage = "smtp.gmail.com", 465, implicit, 500, 100
			}),
		},
		"port 465 of another": {
			smtpConnection("proton", func(s settings, _ limits) { s.Port = 465 }),
			smtpConnection("proton", func(s settings, _ limits) { s.Host, s.Port, s.Security = "smtp.protonmail.ch", 465, implicit }),
		},
		"authentication": {smtpConnection("outlook", nil), smtpConnection("outlook", func(s settings, _ limits) {
			s.Host, s.Port, s.Security, s.Authentication = "smtp-mail.outlook.com", 587, start, postilionv1.Authentication_AUTHENTICATION_XOAUTH2
		})},
	} {
		before := proto.CloneOf(test.given)
		got, err := Fill(test.given)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if diff := cmp.Diff(test.want, got, protocmp.Transform()); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
		if diff := cmp.Diff(before, test.given, protocmp.Transform()); diff != "" {
			t.Errorf("%s changed what it was given: %s", name, diff)
		}
	}
	if _, err := Fill(smtpConnection("gmial", nil)); err == nil || !strings.Contains(err.Error(), "did you mean gmail") {
		t.Errorf("%v", err)
	}
	if _, err := Fill(&postilionv1.Connection{Name: "c"}); err != nil {
		t.Error(err)
	}
}

func TestRefill(t *testing.T) {
	t.Parallel()
	stored, err := Fill(smtpConnection("icloud", func(_ *postilionv1.SmtpSettings, l *postilionv1.Limits) { l.PerHour = 50 }))
	if err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct {
		paths  []string
		change *postilionv1.Connection
		want   func(*postilionv1.SmtpSettings, *postilionv1.Limits) // of stored
	}{
		"a limit is lifted": {[]string{"limits.per_day"}, smtpConnection("", nil), func(_ *postilionv1.SmtpSettings, l *postilionv1.Limits) { l.PerDay = 0 }},
		"another provider": {[]string{"connection.smtp.provider"}, smtpConnection("gmail", nil), func(s *postilionv1.SmtpSettings, l *postilionv1.Limits) {
			s.Provider, s.Host, s.Port, s.Security, l.PerDay, l.RecipientsPerMessage = "gmail", "smtp.gmail.com", 465, implicit, 500, 100
		}},
		"another provider at a host": {[]string{"smtp.provider", "smtp.host"}, smtpConnection("gmail", func(s *postilionv1.SmtpSettings, _ *postilionv1.Limits) { s.Host = "relay" }),
			func(s *postilionv1.SmtpSettings, l *postilionv1.Limits) {
				s.Provider, s.Host, s.Port, s.Security, l.PerDay, l.RecipientsPerMessage = "gmail", "relay", 465, implicit, 500, 100
			}},
		"none": {[]string{"smtp.provider"}, smtpConnection("", nil), func(s *postilionv1.SmtpSettings, l *postilionv1.Limits) {
			s.Provider, s.Host, s.Port, s.Security, l.PerDay, l.RecipientsPerMessage = "", "", 0, 0, 0, 0
		}},
		"all of smtp": {[]string{"smtp"}, smtpConnection("proton", nil), func(s *postilionv1.SmtpSettings, l *postilionv1.Limits) {
			s.Provider, s.Host, s.Port, s.Security, l.PerDay, l.RecipientsPerMessage = "proton", "smtp.protonmail.ch", 587, start, 0, 0
		}},
		"the same again": {[]string{"smtp.provider"}, smtpConnection("icloud", nil), func(*postilionv1.SmtpSettings, *postilionv1.Limits) {}},
	} {
		patched, err := Patch(stored, test.change, test.paths)
		if err != nil {
			t.Fatal(err)
		}
		got, err := Refill(patched, stored, test.paths)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		want := proto.CloneOf(stored)
		test.want(want.GetSmtp(), want.Limits)
		if diff := cmp.Diff(want, got, protocmp.Transform()); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
}
