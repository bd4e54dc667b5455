// Package convert stands between the API's messages and the daemon's own
// types, so that neither has to know the other. A test of each conversion
// fails when a field of the API is not dealt with.
package convert

import (
	"fmt"
	"slices"
	"time"

	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/structpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/postilion-mail/postilion/internal/registry"
	postilionv1 "github.com/postilion-mail/postilion/proto/gen/postilion/v1"
	"github.com/postilion-mail/postilion/server/internal/fault"
)

// Connection takes what a client may set out of the API's connection, and the
// secrets that it gives. The error names the field.
func Connection(in *postilionv1.Connection) (registry.Connection, registry.Secrets, error) {
	c := registry.Connection{
		Name:              in.GetName(),
		DisplayName:       in.GetDisplayName(),
		Sender:            senderPolicy(in.GetSender()),
		Limits:            Limits(in.GetLimits()),
		Fallbacks:         in.GetFallbacks(),
		AllowDestinations: in.GetAllowDestinations(),
		Shared:            in.GetShared(),
	}
	var err error
	if c.Retry, err = retryPolicy(in.GetRetry()); err != nil {
		return c, nil, err
	}
	if c.ProbeInterval, err = probeInterval(in.GetProbeInterval()); err != nil {
		return c, nil, err
	}
	if c.Isolation, err = isolation(in.GetIsolation()); err != nil {
		return c, nil, err
	}
	secrets := registry.Secrets{}
	switch t := in.GetTransport().(type) {
	case *postilionv1.Connection_Smtp:
		c.Transport, c.Provider = "smtp", t.Smtp.GetProvider()
		c.Settings, err = smtpSettings(t.Smtp, secrets)
	case *postilionv1.Connection_Custom:
		c.Transport = t.Custom.GetTransport()
		c.Settings = t.Custom.GetSettings().AsMap()
		for name, value := range t.Custom.GetSecrets() {
			secrets[name] = value
		}
		if c.Transport == "" {
			err = fault.Invalid("connection.custom.transport", "is required", "name a transport of ListTransports")
		}
	default:
		err = fault.Invalid("connection.smtp", "no transport is given", "set smtp, or custom with another transport")
	}
	return c, secrets, err
}

// FromConnection gives the API's view of a connection, without its status. It
// has no secrets.
func FromConnection(c *registry.Connection) *postilionv1.Connection {
	out := &postilionv1.Connection{
		Name:              c.Name,
		DisplayName:       c.DisplayName,
		Sender:            fromSenderPolicy(&c.Sender),
		Limits:            FromLimits(c.Limits),
		Fallbacks:         c.Fallbacks,
		AllowDestinations: c.AllowDestinations,
		Shared:            c.Shared,
		Retry:             fromRetryPolicy(c.Retry),
		ProbeInterval:     fromProbeInterval(c.ProbeInterval),
		Isolation:         fromIsolation(c.Isolation),
		Default:           c.Default,
		Etag:              c.ETag,
		CreateTime:        timestamppb.New(c.Created),
		UpdateTime:        timestamppb.New(c.Updated),
		Owner:             c.OwnerName,
	}
	if c.Transport == "smtp" {
		out.Transport = &postilionv1.Connection_Smtp{Smtp: fromSMTPSettings(c)}
		return out
	}
	settings, err := structpb.NewStruct(c.Settings)
	if err != nil {
		settings = nil // the registry keeps JSON's types only
	}
	out.Transport = &postilionv1.Connection_Custom{Custom: &postilionv1.CustomSettings{
		Transport: c.Transport, Settings: settings, StoredSecrets: c.StoredSecrets,
	}}
	return out
}

func senderPolicy(in *postilionv1.SenderPolicy) registry.SenderPolicy {
	return registry.SenderPolicy{
		FromAddress:        in.GetFromAddress(),
		FromName:           in.GetFromName(),
		ForceFromAddress:   in.GetForceFromAddress(),
		ForceFromName:      in.GetForceFromName(),
		ForceExceptions:    in.GetForceExceptions(),
		ReplyTo:            in.GetReplyTo(),
		ForceReplyTo:       in.GetForceReplyTo(),
		EnvelopeFrom:       in.GetEnvelopeFrom(),
		Headers:            headers(in.GetHeaders()),
		AlwaysBcc:          in.GetAlwaysBcc(),
		AllowedFromDomains: in.GetAllowedFromDomains(),
	}
}

func fromSenderPolicy(p *registry.SenderPolicy) *postilionv1.SenderPolicy {
	return &postilionv1.SenderPolicy{
		FromAddress:        p.FromAddress,
		FromName:           p.FromName,
		ForceFromAddress:   p.ForceFromAddress,
		ForceFromName:      p.ForceFromName,
		ForceExceptions:    p.ForceExceptions,
		ReplyTo:            p.ReplyTo,
		ForceReplyTo:       p.ForceReplyTo,
		EnvelopeFrom:       p.EnvelopeFrom,
		Headers:            fromHeaders(p.Headers),
		AlwaysBcc:          p.AlwaysBcc,
		AllowedFromDomains: p.AllowedFromDomains,
	}
}

func headers(in []*postilionv1.Header) []registry.Header {
	return mapSlice(in, func(h *postilionv1.Header) registry.Header {
		return registry.Header{Name: h.GetName(), Value: h.GetValue()}
	})
}

func fromHeaders(in []registry.Header) []*postilionv1.Header {
	return mapSlice(in, func(h registry.Header) *postilionv1.Header {
		return &postilionv1.Header{Name: h.Name, Value: h.Value}
	})
}

// Limits takes the API's limits.
func Limits(in *postilionv1.Limits) registry.Limits {
	return registry.Limits{
		PerSecond: in.GetPerSecond(), PerMinute: in.GetPerMinute(), PerHour: in.GetPerHour(), PerDay: in.GetPerDay(),
		RecipientsPerMessage: in.GetRecipientsPerMessage(), Concurrency: in.GetConcurrency(),
	}
}

// FromLimits gives the API's limits.
func FromLimits(l registry.Limits) *postilionv1.Limits {
	return &postilionv1.Limits{
		PerSecond: l.PerSecond, PerMinute: l.PerMinute, PerHour: l.PerHour, PerDay: l.PerDay,
		RecipientsPerMessage: l.RecipientsPerMessage, Concurrency: l.Concurrency,
	}
}

func retryPolicy(in *postilionv1.RetryPolicy) (registry.RetryPolicy, error) {
	var p registry.RetryPolicy
	for i, d := range in.GetSchedule() {
		wait, err := Duration(d, fmt.Sprintf("connection.retry.schedule[%d]", i))
		if err != nil {
			return p, err
		}
		p.Schedule = append(p.Schedule, wait)
	}
	var err error
	p.ExpiresAfter, err = Duration(in.GetExpiresAfter(), "connection.retry.expires_after")
	return p, err
}

// probeInterval tells "not given" from never.
func probeInterval(in *durationpb.Duration) (*time.Duration, error) {
	if in == nil {
		return nil, nil
	}
	every, err := Duration(in, "connection.probe_interval")
	return &every, err
}

func fromProbeInterval(every *time.Duration) *durationpb.Duration {
	if every == nil {
		return nil
	}
	return durationpb.New(*every)
}

func fromRetryPolicy(p registry.RetryPolicy) *postilionv1.RetryPolicy {
	return &postilionv1.RetryPolicy{
		Schedule:     mapSlice(p.Schedule, durationpb.New),
		ExpiresAfter: duration(p.ExpiresAfter),
	}
}

var isolations = map[postilionv1.Isolation]string{
	postilionv1.Isolation_ISOLATION_UNSPECIFIED: "",
	postilionv1.Isolation_ISOLATION_IN_PROCESS:  registry.InProcess,
	postilionv1.Isolation_ISOLATION_PROCESS:     registry.OwnProcess,
}

func isolation(in postilionv1.Isolation) (string, error) {
	word, ok := isolations[in]
	if !ok {
		return "", fault.Invalid("connection.isolation", "has a value that this version does not know", "choose one of the API's values")
	}
	return word, nil
}

func fromIsolation(word string) postilionv1.Isolation {
	for value, known := range isolations {
		if known == word {
			return value
		}
	}
	return postilionv1.Isolation_ISOLATION_UNSPECIFIED
}

// Route takes a route; field is its path in the request.
func Route(in *postilionv1.Route) registry.Route {
	return registry.Route{
		Clients: in.GetClients(), From: in.GetFrom(), RecipientDomains: in.GetRecipientDomains(),
		Headers: headers(in.GetHeaders()), Tags: in.GetTags(), Connection: in.GetConnection(),
	}
}

// FromRoute gives the API's view of a route.
func FromRoute(r registry.Route) *postilionv1.Route {
	return &postilionv1.Route{
		Clients: r.Clients, From: r.From, RecipientDomains: r.RecipientDomains,
		Headers: fromHeaders(r.Headers), Tags: r.Tags, Connection: r.Connection,
	}
}

// Duration takes a duration that must not be negative; 0 if absent.
func Duration(d *durationpb.Duration, field string) (time.Duration, error) {
	if d == nil {
		return 0, nil
	}
	if err := d.CheckValid(); err != nil {
		return 0, fault.Invalid(field, "is not a duration", "give seconds such as \"90s\"")
	}
	if d.AsDuration() < 0 {
		return 0, fault.Invalid(field, "is negative", "give 0 or more")
	}
	return d.AsDuration(), nil
}

// duration leaves a field of value 0 unset.
func duration(d time.Duration) *durationpb.Duration {
	if d == 0 {
		return nil
	}
	return durationpb.New(d)
}

// timestamp leaves a field without time unset.
func timestamp(t time.Time) *timestamppb.Timestamp {
	if t.IsZero() {
		return nil
	}
	return timestamppb.New(t)
}

// mapSlice gives nil for an empty slice.
func mapSlice[A, B any](in []A, f func(A) B) []B {
	if len(in) == 0 {
		return nil
	}
	out := make([]B, len(in))
	for i, a := range in {
		out[i] = f(a)
	}
	return out
}

func has(names []string, name string) bool { return slices.Contains(names, name) }
