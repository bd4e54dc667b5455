package host

import (
	"context"
	"errors"
	"fmt"

	goplugin "github.com/hashicorp/go-plugin"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/status"

	"github.com/postilion-mail/postilion/plugin"
)

// healthService is the name under which go-plugin's plugins tell their health.
const healthService = "plugin"

// Changed gives a channel that is closed when the status changes next. Take it
// before Status, so that no change is missed.
func (p *Plugin) Changed() <-chan struct{} {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.changed
}

// Ping asks the process that runs for its health (grpc.health.v1). One that
// does not answer before ctx ends, or is not well, is replaced by another, as
// after plugin.ErrHung: what it is delivering has the time of Policy.Drain. It
// is nil if no process is ready.
func (p *Plugin) Ping(ctx context.Context) error {
	p.mu.Lock()
	r := p.current
	p.mu.Unlock()
	if r == nil {
		return nil
	}
	err := r.ping(ctx)
	if status.Code(err) == codes.Unavailable { // it has ended, or is about to
		select {
		case <-r.Done():
		case <-ctx.Done():
		}
	}
	select {
	case <-r.Done():
		return nil // its end says all
	default:
	}
	if err == nil || errors.Is(ctx.Err(), context.Canceled) {
		return nil
	}
	return p.learn(r, unwell{err})
}

// unwell is an error of a process that has the consequences of
// plugin.ErrHung.
type unwell struct{ error }

func (u unwell) Error() string { return "it is not well: " + u.error.Error() }

func (u unwell) Unwrap() []error { return []error{u.error, plugin.ErrHung} }

func (p *Process) ping(ctx context.Context) error {
	protocol, err := p.client.Client()
	if err != nil {
		return err
	}
	client, ok := protocol.(*goplugin.GRPCClient)
	if !ok {
		return fmt.Errorf("it speaks %T instead of gRPC", protocol)
	}
	answer, err := grpc_health_v1.NewHealthClient(client.Conn).Check(ctx, &grpc_health_v1.HealthCheckRequest{Service: healthService})
	if err != nil {
		return err
	}
	if s := answer.GetStatus(); s != grpc_health_v1.HealthCheckResponse_SERVING {
		return fmt.Errorf("its health is %s", s)
	}
	return nil
}
