package convert

import (
	"slices"
	"strings"

	"google.golang.org/protobuf/proto"

	"github.com/postilion-mail/postilion/internal/provider"
	postilionv1 "github.com/postilion-mail/postilion/proto/gen/postilion/v1"
	"github.com/postilion-mail/postilion/server/internal/fault"
)

const providerField = "connection.smtp.provider"

// FromProvider gives the API's view of a provider.
func FromProvider(p provider.Provider) *postilionv1.Provider {
	preset := map[string]any{"security": p.Security, "auth": p.Auth}
	return &postilionv1.Provider{
		Id: p.ID, Title: p.Title, Host: p.Host, Port: uint32(p.Port),
		Security: securities.get(preset, "security"), Authentication: authentications.get(preset, "auth"),
		UsernameHint: p.Username, PasswordHint: p.Password, Link: p.Link, MailDomains: p.Domains,
		PasswordLink: p.PasswordLink, OauthNote: p.OAuth, FromRule: p.FromRule, Sources: p.Sources,
		Limits: &postilionv1.Limits{
			PerSecond: p.Limits.PerSecond, PerMinute: p.Limits.PerMinute, PerHour: p.Limits.PerHour, PerDay: p.Limits.PerDay,
			RecipientsPerMessage: p.Limits.RecipientsPerMessage,
		},
	}
}

// Fill puts what is known of the provider that a connection names into those
// of its fields that are not set. The connection is not changed.
func Fill(in *postilionv1.Connection) (*postilionv1.Connection, error) {
	id := in.GetSmtp().GetProvider()
	if id == "" {
		return in, nil
	}
	known, ok := provider.Get(id)
	if !ok {
		text := "there is no preset for this provider"
		if near := provider.Near(id); len(near) > 0 {
			text += " (did you mean " + strings.Join(near, ", ") + "?)"
		}
		return nil, fault.Invalid(providerField, text, "see ListProviders (postilion providers), or leave it away and give host, port and security")
	}
	preset := FromProvider(known)
	c := proto.CloneOf(in)
	smtp := c.GetSmtp()
	smtp.Provider = preset.GetId()
	fillServer(smtp, preset)
	if c.Limits == nil {
		c.Limits = &postilionv1.Limits{}
	}
	for _, l := range limitFields(c.Limits, preset.GetLimits()) {
		if *l.to == 0 {
			*l.to = *l.from
		}
	}
	return c, nil
}

// fillServer keeps port and security together: who gives another one of them
// does not want the preset's other.
func fillServer(s *postilionv1.SmtpSettings, preset *postilionv1.Provider) {
	if s.GetHost() == "" {
		s.Host = preset.GetHost()
	}
	if s.GetAuthentication() == 0 {
		s.Authentication = preset.GetAuthentication()
	}
	const submissions = 465 // TLS from the first octet, RFC 8314
	switch {
	case s.GetPort() == 0 && s.GetSecurity() == 0:
		s.Port, s.Security = preset.GetPort(), preset.GetSecurity()
	case s.GetPort() == 0 && s.GetSecurity() == preset.GetSecurity():
		s.Port = preset.GetPort()
	case s.GetSecurity() == 0 && s.GetPort() == preset.GetPort():
		s.Security = preset.GetSecurity()
	case s.GetSecurity() == 0 && s.GetPort() == submissions:
		s.Security = postilionv1.Security_SECURITY_IMPLICIT_TLS
	}
}

type limitField struct{ to, from *uint32 }

func limitFields(to, from *postilionv1.Limits) []limitField {
	return []limitField{
		{&to.PerSecond, &from.PerSecond}, {&to.PerMinute, &from.PerMinute}, {&to.PerHour, &from.PerHour}, {&to.PerDay, &from.PerDay},
		{&to.RecipientsPerMessage, &from.RecipientsPerMessage},
	}
}

// Refill is Fill for a connection that was patched: only if the paths name the
// provider. What the stored connection had of its earlier provider, and the
// paths do not set, goes before. The patched connection may be changed.
func Refill(patched, stored *postilionv1.Connection, paths []string) (*postilionv1.Connection, error) {
	names := func(path string) bool {
		return slices.ContainsFunc(paths, func(p string) bool {
			p = strings.TrimPrefix(p, "connection.")
			return p == path || strings.HasPrefix(path, p+".")
		})
	}
	if !names("smtp.provider") || patched.GetSmtp() == nil {
		return patched, nil
	}
	earlier, ok := provider.Get(stored.GetSmtp().GetProvider())
	if ok && !strings.EqualFold(earlier.ID, patched.GetSmtp().GetProvider()) {
		drop(patched, FromProvider(earlier), names)
	}
	return Fill(patched)
}

// drop unsets what stands as the preset has it and is not named.
func drop(c *postilionv1.Connection, preset *postilionv1.Provider, named func(path string) bool) {
	s := c.GetSmtp()
	if s.GetHost() == preset.GetHost() && !named("smtp.host") {
		s.Host = ""
	}
	if s.GetAuthentication() == preset.GetAuthentication() && !named("smtp.authentication") {
		s.Authentication = 0
	}
	if s.GetPort() == preset.GetPort() && s.GetSecurity() == preset.GetSecurity() && !named("smtp.port") && !named("smtp.security") {
		s.Port, s.Security = 0, 0
	}
	if c.GetLimits() == nil || named("limits") {
		return
	}
	fields := []string{"per_second", "per_minute", "per_hour", "per_day", "recipients_per_message"}
	for i, l := range limitFields(c.Limits, preset.GetLimits()) {
		if *l.to == *l.from && !named("limits."+fields[i]) {
			*l.to = 0
		}
	}
}
