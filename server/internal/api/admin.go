package api

import (
	"context"
	"errors"
	"strings"

	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/postilion-mail/postilion/internal/outbox"
	"github.com/postilion-mail/postilion/internal/registry"
	postilionv1 "github.com/postilion-mail/postilion/proto/gen/postilion/v1"
	"github.com/postilion-mail/postilion/server/internal/auth"
	"github.com/postilion-mail/postilion/server/internal/convert"
	"github.com/postilion-mail/postilion/server/internal/fault"
)

// CreateClient implements postilion.v1.AdminService.
func (a *API) CreateClient(ctx context.Context, req *postilionv1.CreateClientRequest) (*postilionv1.CreateClientResponse, error) {
	wanted, err := convert.Client(req.GetClient())
	if err != nil {
		return nil, err
	}
	client, token, err := a.Registry.CreateClient(ctx, wanted, req.GetWithToken())
	if err != nil {
		return nil, err
	}
	if client.Limits != (registry.Limits{}) {
		a.limitsChanged()
	}
	return &postilionv1.CreateClientResponse{Client: convert.FromClient(client), Token: token}, nil
}

// limitsChanged has a client's limits hold in all lanes at once.
func (a *API) limitsChanged() {
	for _, c := range a.Registry.All() {
		a.Dispatcher.Configure(c.ID)
	}
}

// ListClients implements postilion.v1.AdminService.
func (a *API) ListClients(context.Context, *postilionv1.ListClientsRequest) (*postilionv1.ListClientsResponse, error) {
	out := &postilionv1.ListClientsResponse{}
	for _, c := range a.Registry.Clients() {
		out.Clients = append(out.Clients, convert.FromClient(&c))
	}
	return out, nil
}

// UpdateClient implements postilion.v1.AdminService.
func (a *API) UpdateClient(ctx context.Context, req *postilionv1.UpdateClientRequest) (*postilionv1.UpdateClientResponse, error) {
	wanted, err := convert.Client(req.GetClient())
	if err != nil {
		return nil, err
	}
	client, err := a.Registry.UpdateClient(ctx, wanted)
	if err != nil {
		return nil, err
	}
	a.limitsChanged()
	return &postilionv1.UpdateClientResponse{Client: convert.FromClient(client)}, nil
}

// DeleteClient implements postilion.v1.AdminService.
func (a *API) DeleteClient(ctx context.Context, req *postilionv1.DeleteClientRequest) (*postilionv1.DeleteClientResponse, error) {
	client, ok := a.Registry.ClientNamed(req.GetName())
	if !ok {
		return nil, fault.NotFound("client", req.GetName())
	}
	var lanes []string
	waiting, _, err := a.Store.Usage(ctx, client.ID)
	if err != nil {
		return nil, err
	}
	for _, c := range a.Registry.All() {
		if c.Owner == client.ID {
			lanes = append(lanes, c.ID)
		}
	}
	if waiting > 0 && !req.GetForce() {
		return nil, fault.Fault{
			Code: codes.FailedPrecondition, Reason: "mail_waits", Resource: "client/" + client.Name, Text: "mail of this client waits",
			Remedy: "wait until it has gone out, or delete with force, which holds what waits",
		}.Err()
	}
	if err := a.Registry.DeleteClient(ctx, req.GetName()); err != nil {
		return nil, err
	}
	out := &postilionv1.DeleteClientResponse{}
	ctx = context.WithoutCancel(ctx) // to the end, now that it has begun
	why := "the client " + client.Name + " was deleted"
	for _, lane := range lanes {
		a.Dispatcher.Configure(lane) // lest its open sessions take more
		held, err := a.Store.HoldLane(ctx, lane, why)
		if err != nil {
			return nil, err
		}
		out.Held += int64(held)
	}
	shared, err := a.holdAll(ctx, client.ID, why)
	out.Held += shared
	return out, err
}

// holdAll holds what waits of a client, through whatever connections, and
// gives the number of messages.
func (a *API) holdAll(ctx context.Context, client, why string) (int64, error) {
	f := outbox.Filter{Client: client, States: []outbox.State{outbox.Queued, outbox.Deferred}, Limit: maxPage}
	var held int64
	for {
		views, next, err := a.Store.List(ctx, f)
		if err != nil {
			return held, err
		}
		for i := range views {
			switch _, err := a.Store.Hold(ctx, client, views[i].ID, why); {
			case err == nil:
				held++
			case !errors.Is(err, outbox.ErrTooLate): // it has gone out meanwhile
				return held, err
			}
		}
		if next == 0 {
			return held, nil
		}
		f.Before = next
	}
}

// CreateToken implements postilion.v1.AdminService.
func (a *API) CreateToken(ctx context.Context, req *postilionv1.CreateTokenRequest) (*postilionv1.CreateTokenResponse, error) {
	token, secret, err := a.Registry.CreateToken(ctx, req.GetClient())
	if err != nil {
		return nil, err
	}
	return &postilionv1.CreateTokenResponse{Token: convert.FromToken(token), Secret: secret}, nil
}

// RevokeToken implements postilion.v1.AdminService.
func (a *API) RevokeToken(ctx context.Context, req *postilionv1.RevokeTokenRequest) (*postilionv1.RevokeTokenResponse, error) {
	if err := a.Registry.RevokeToken(ctx, req.GetClient(), req.GetTokenId()); err != nil {
		return nil, err
	}
	return &postilionv1.RevokeTokenResponse{}, nil
}

// ListTransports implements postilion.v1.AdminService.
func (a *API) ListTransports(context.Context, *postilionv1.ListTransportsRequest) (*postilionv1.ListTransportsResponse, error) {
	out := &postilionv1.ListTransportsResponse{}
	for _, d := range a.Transports.Descriptions() {
		out.Transports = append(out.Transports, convert.Transport(d))
	}
	return out, nil
}

// features are what a client of another version may ask for.
var features = []string{"send", "send_batch", "wait", "idempotency", "events", "watch", "routes", "fallback", "hold", "backup", "providers", "plugins", "isolation", "check_domain", "health", "probe"}

// GetServerInfo implements postilion.v1.AdminService.
func (a *API) GetServerInfo(ctx context.Context, _ *postilionv1.GetServerInfoRequest) (*postilionv1.GetServerInfoResponse, error) {
	caller := auth.From(ctx)
	out := &postilionv1.GetServerInfoResponse{
		Version: a.Version, Features: features, StartTime: timestamppb.New(a.Started),
		MaxContentBytes: a.Limits.ContentBytes, MaxRecipients: int32(a.Limits.Recipients),
		Client: caller.Name, Scopes: convert.Scopes(caller.Scopes),
		HttpSocket: a.HTTPSocket, MaildropDir: a.MaildropDir,
	}
	if client, ok := a.Registry.Client(caller.Client); ok {
		out.Origin, out.Notices = client.Origin, notices(client)
	}
	if caller.Admin() {
		stats, err := a.Store.Stats(ctx)
		if err != nil {
			return nil, err
		}
		out.Recipients = map[string]int64{}
		for state, n := range stats.Recipients {
			out.Recipients[strings.ToLower(state.String())] = n
		}
	}
	return out, nil
}

// notices are what a client should be told about itself.
func notices(c *registry.Client) []string {
	g := &c.Guard
	but := ""
	if g.Active() && len(g.Allowed) > 0 {
		but = ", save to " + strings.Join(g.Allowed, ", ")
	}
	switch {
	case g.RedirectTo != "":
		return []string{"All mail goes to " + g.RedirectTo + but + ": a guard is set for this client."}
	case g.Capture:
		return []string{"All mail is captured instead of sent" + but + ": a guard is set for this client."}
	case g.Active():
		return []string{"All mail is held" + but + ": a guard is set for this client."}
	}
	return nil
}
