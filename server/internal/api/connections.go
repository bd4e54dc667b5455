package api

import (
	"context"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/postilion-mail/postilion/internal/diagnose"
	"github.com/postilion-mail/postilion/internal/provider"
	"github.com/postilion-mail/postilion/internal/registry"
	postilionv1 "github.com/postilion-mail/postilion/proto/gen/postilion/v1"
	"github.com/postilion-mail/postilion/server/internal/auth"
	"github.com/postilion-mail/postilion/server/internal/convert"
	"github.com/postilion-mail/postilion/server/internal/fault"
)

// ListConnections implements postilion.v1.ConnectionService.
func (a *API) ListConnections(ctx context.Context, _ *postilionv1.ListConnectionsRequest) (*postilionv1.ListConnectionsResponse, error) {
	out := &postilionv1.ListConnectionsResponse{}
	id := auth.From(ctx)
	for _, c := range a.Registry.List(id.Client) {
		view, err := a.connection(ctx, &c, id)
		if err != nil {
			return nil, err
		}
		out.Connections = append(out.Connections, view)
	}
	return out, nil
}

// GetConnection implements postilion.v1.ConnectionService.
func (a *API) GetConnection(ctx context.Context, req *postilionv1.GetConnectionRequest) (*postilionv1.GetConnectionResponse, error) {
	id := auth.From(ctx)
	c, err := a.Registry.Get(id.Client, req.GetName())
	if err != nil {
		return nil, err
	}
	view, err := a.connection(ctx, &c, id)
	if err != nil {
		return nil, err
	}
	return &postilionv1.GetConnectionResponse{Connection: view}, nil
}

// connection gives the view of a connection with its status, which of a
// connection of another client is not for the caller.
func (a *API) connection(ctx context.Context, c *registry.Connection, id auth.Identity) (*postilionv1.Connection, error) {
	out := convert.FromConnection(c)
	if c.Owner != id.Client && !id.Admin() {
		out.Transport = nil
		return out, nil
	}
	waiting, err := a.Store.Waiting(ctx, c.ID)
	if err != nil {
		return nil, err
	}
	out.Status = &postilionv1.ConnectionStatus{Waiting: int64(waiting)}
	for _, alarm := range a.Dispatcher.Alarms() {
		if alarm.Connection != c.ID {
			continue
		}
		out.Status.Paused = true
		out.Status.PausedUntil = timestamppb.New(alarm.Until)
		out.Status.FailingSince = timestamppb.New(alarm.Since)
		out.Status.Outcome = convert.Outcome(alarm.Outcome)
		diagnosis := diagnose.Explain(alarm.Outcome, diagnose.ContextOf(c.Settings))
		out.Status.Diagnosis = convert.Diagnosis(diagnosis)
		out.Status.Alarms = append(out.Status.Alarms, "Paused: "+diagnosis.Title+".")
		if alarm.Late > 0 {
			out.Status.Alarms = append(out.Status.Alarms, "Messages that wait have used half of their life; the first will expire soon.")
		}
	}
	a.probeStatus(out.Status, c)
	return out, nil
}

// probeStatus adds what the last login without mail has found.
func (a *API) probeStatus(status *postilionv1.ConnectionStatus, c *registry.Connection) {
	r, ok := a.Probes.Result(c.ID, c.Generation)
	if !ok {
		return
	}
	status.ProbeTime = timestamppb.New(r.Time)
	if r.Failures > 0 && r.Diagnosis != nil {
		status.ProbeDiagnosis = convert.Diagnosis(*r.Diagnosis)
	}
	status.Alarms = append(status.Alarms, r.Alarms(time.Now())...)
}

// DeleteConnection implements postilion.v1.ConnectionService.
func (a *API) DeleteConnection(ctx context.Context, req *postilionv1.DeleteConnectionRequest) (*postilionv1.DeleteConnectionResponse, error) {
	id := auth.From(ctx)
	c, err := a.Registry.Get(id.Client, req.GetName())
	if err != nil {
		return nil, err
	}
	if c.Owner != id.Client {
		return nil, fault.NotFound("connection", req.GetName())
	}
	waiting, err := a.Store.Waiting(ctx, c.ID)
	if err != nil {
		return nil, err
	}
	if waiting > 0 && !req.GetForce() {
		return nil, fault.Fault{
			Code: codes.FailedPrecondition, Reason: "mail_waits", Resource: "connection/" + c.Name,
			Text:   "mail waits for this connection",
			Remedy: "wait until it has gone out, or delete with force, which holds that mail",
		}.Err()
	}
	if _, err := a.Registry.Delete(ctx, id.Client, req.GetName(), req.GetEtag()); err != nil {
		return nil, err
	}
	a.Dispatcher.Configure(c.ID) // lest its open sessions take more
	held, err := a.Store.HoldLane(context.WithoutCancel(ctx), c.ID, "the connection "+c.Name+" was deleted")
	if err != nil {
		return nil, err
	}
	return &postilionv1.DeleteConnectionResponse{Held: int64(held)}, nil
}

// ListProviders implements postilion.v1.ConnectionService.
func (a *API) ListProviders(context.Context, *postilionv1.ListProvidersRequest) (*postilionv1.ListProvidersResponse, error) {
	out := &postilionv1.ListProvidersResponse{}
	for _, p := range provider.All() {
		out.Providers = append(out.Providers, convert.FromProvider(p))
	}
	return out, nil
}

// GetRoutes implements postilion.v1.ConnectionService.
func (a *API) GetRoutes(ctx context.Context, _ *postilionv1.GetRoutesRequest) (*postilionv1.GetRoutesResponse, error) {
	routes, etag := a.Registry.Routes(auth.From(ctx).Client)
	out := &postilionv1.GetRoutesResponse{Etag: etag}
	for _, r := range routes {
		out.Routes = append(out.Routes, convert.FromRoute(r))
	}
	return out, nil
}

// SetRoutes implements postilion.v1.ConnectionService.
func (a *API) SetRoutes(ctx context.Context, req *postilionv1.SetRoutesRequest) (*postilionv1.SetRoutesResponse, error) {
	var routes []registry.Route
	for _, r := range req.GetRoutes() {
		routes = append(routes, convert.Route(r))
	}
	etag, err := a.Registry.SetRoutes(ctx, auth.From(ctx).Client, routes, req.GetEtag())
	if err != nil {
		return nil, err
	}
	return &postilionv1.SetRoutesResponse{Etag: etag}, nil
}
