package convert

import (
	"fmt"

	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/postilion-mail/postilion/internal/registry"
	"github.com/postilion-mail/postilion/plugin"
	postilionv1 "github.com/postilion-mail/postilion/proto/gen/postilion/v1"
)

var scopes = map[postilionv1.Scope]registry.Scopes{
	postilionv1.Scope_SCOPE_SEND:      registry.ScopeSend,
	postilionv1.Scope_SCOPE_READ:      registry.ScopeRead,
	postilionv1.Scope_SCOPE_CONTENT:   registry.ScopeContent,
	postilionv1.Scope_SCOPE_CONFIGURE: registry.ScopeConfigure,
	postilionv1.Scope_SCOPE_ADMIN:     registry.ScopeAdmin,
}

// Client takes what an admin may set of a client.
func Client(in *postilionv1.Client) (registry.Client, error) {
	c := registry.Client{
		Name: in.GetName(), UnixUsers: in.GetUnixUsers(), Limits: Limits(in.GetLimits()),
		MaxQueuedMessages: in.GetMaxQueuedMessages(), MaxQueuedBytes: in.GetMaxQueuedBytes(),
		Transports: in.GetTransports(), Origin: in.GetOrigin(), Guard: guard(in.GetGuard()),
	}
	for i, s := range in.GetScopes() {
		bit, ok := scopes[s]
		if !ok {
			return c, unknownValue(fmt.Sprintf("client.scopes[%d]", i))
		}
		c.Scopes |= bit
	}
	return c, nil
}

// Scopes gives the API's list of scopes.
func Scopes(have registry.Scopes) []postilionv1.Scope {
	var out []postilionv1.Scope
	for s := postilionv1.Scope_SCOPE_SEND; s <= postilionv1.Scope_SCOPE_ADMIN; s++ {
		if have&scopes[s] != 0 {
			out = append(out, s)
		}
	}
	return out
}

// FromClient gives the API's view of a client.
func FromClient(c *registry.Client) *postilionv1.Client {
	return &postilionv1.Client{
		Name: c.Name, Scopes: Scopes(c.Scopes), UnixUsers: c.UnixUsers, Limits: FromLimits(c.Limits),
		MaxQueuedMessages: c.MaxQueuedMessages, MaxQueuedBytes: c.MaxQueuedBytes, Transports: c.Transports,
		Tokens: mapSlice(c.Tokens, FromToken), CreateTime: timestamppb.New(c.Created),
		Origin: c.Origin, Guard: fromGuard(&c.Guard),
	}
}

func guard(in *postilionv1.DeliveryGuard) registry.Guard {
	return registry.Guard{
		Hold: in.GetHold(), Capture: in.GetCapture(), RedirectTo: in.GetRedirectTo(), Allowed: in.GetAllowedRecipients(),
	}
}

func fromGuard(g *registry.Guard) *postilionv1.DeliveryGuard {
	if !g.Active() {
		return nil
	}
	out := &postilionv1.DeliveryGuard{AllowedRecipients: g.Allowed}
	switch {
	case g.Hold:
		out.Action = &postilionv1.DeliveryGuard_Hold{Hold: true}
	case g.Capture:
		out.Action = &postilionv1.DeliveryGuard_Capture{Capture: true}
	case g.RedirectTo != "":
		out.Action = &postilionv1.DeliveryGuard_RedirectTo{RedirectTo: g.RedirectTo}
	}
	return out
}

// FromToken gives the API's view of a token.
func FromToken(t registry.Token) *postilionv1.Token {
	return &postilionv1.Token{Id: t.ID, CreateTime: timestamppb.New(t.Created), Hint: t.Hint}
}

// Transport gives the API's view of a transport.
func Transport(d plugin.Description) *postilionv1.Transport {
	return &postilionv1.Transport{
		Name: d.Name, Version: d.Version, Title: d.Title, SendsNothing: d.Capabilities.SendsNothing,
		Fields: mapSlice(d.Fields, func(f plugin.Field) *postilionv1.TransportField {
			return &postilionv1.TransportField{
				Name: f.Name, Type: string(f.Type), Label: f.Label, Help: f.Help, DefaultValue: f.Default,
				Required: f.Required, Secret: f.Secret, Options: f.Options,
			}
		}),
	}
}
