// Package api has the services of postilion.v1. Handlers have the signatures
// of gRPC, which Connect's simple handlers share; streams come through a small
// interface that both faces provide. A handler finds the caller in its context
// and gives errors of the daemon's packages, or of package fault; the faces
// give them their form.
package api

import (
	"context"
	"log/slog"
	"net"
	"time"

	"github.com/google/uuid"
	"google.golang.org/grpc/codes"

	"github.com/postilion-mail/postilion/internal/diagnose"
	"github.com/postilion-mail/postilion/internal/dispatch"
	"github.com/postilion-mail/postilion/internal/intake"
	"github.com/postilion-mail/postilion/internal/outbox"
	"github.com/postilion-mail/postilion/internal/probe"
	"github.com/postilion-mail/postilion/internal/registry"
	"github.com/postilion-mail/postilion/server/internal/auth"
	"github.com/postilion-mail/postilion/server/internal/fault"
	"github.com/postilion-mail/postilion/server/internal/health"
	"github.com/postilion-mail/postilion/server/internal/plugins"
	"github.com/postilion-mail/postilion/server/internal/transports"
)

// API is what the services stand on. It is safe for concurrent use.
type API struct {
	Registry   *registry.Registry
	Store      outbox.Store
	Intake     *intake.Intake
	Dispatcher *dispatch.Dispatcher
	Transports *transports.Catalog
	Probes     *probe.Prober
	Health     *health.Examiner
	Plugins    *plugins.Manager
	Version    string
	Started    time.Time
	// Domain is this host's, for the sender of test mails without another.
	Domain string
	// Resolver looks up what domains publish.
	Resolver *net.Resolver
	Limits   intake.Limits
	// Expiry is how long a message is tried if nobody says.
	Expiry time.Duration
	// Archive writes a backup into a directory, which is outside of DataDir or
	// in its place for backups.
	Archive func(ctx context.Context, dir string) error
	DataDir string
	// HTTPSocket is the path of the socket for JSON, and MaildropDir where mail
	// is put while the daemon is away.
	HTTPSocket, MaildropDir string
	Log                     *slog.Logger
	// Panicked is told of panics that were caught, with their stack.
	Panicked func(ctx context.Context, stack []byte)
	// Stopping is closed when calls that wait should come to an end.
	Stopping <-chan struct{}

	tests quota
}

// Known implements convert.Names. The login of a connection is its owner's
// matter.
func (a *API) Known(connection, client string) diagnose.Context {
	c, _ := a.Registry.Connection(connection)
	known := diagnose.ContextOf(c.Settings)
	if c.Owner != client {
		known.Username = ""
	}
	return known
}

// ConnectionName implements convert.Names.
func (a *API) ConnectionName(id string) string {
	if c, ok := a.Registry.Connection(id); ok {
		return c.Name
	}
	return id
}

// ClientName implements convert.Names.
func (a *API) ClientName(id string) string {
	if c, ok := a.Registry.Client(id); ok {
		return c.Name
	}
	return id
}

// caller gives the calling client.
func (a *API) caller(ctx context.Context) (auth.Identity, *registry.Client, error) {
	id := auth.From(ctx)
	client, ok := a.Registry.Client(id.Client)
	if !ok { // it was deleted after the call came through the gate
		return id, nil, fault.Unauthenticated("the client no longer exists", "ask an administrator for another")
	}
	return id, client, nil
}

// untilStop gives a context that ends with the daemon's, too, for calls that
// would hold up its stop.
func (a *API) untilStop(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancelCause(ctx)
	go func() {
		select {
		case <-a.Stopping:
			cancel(errStopping)
		case <-ctx.Done():
		}
	}()
	return ctx, func() { cancel(nil) }
}

// messageID takes the id of a message.
func messageID(text string) (uuid.UUID, error) {
	if text == "" {
		return uuid.UUID{}, fault.Invalid("id", "is missing", "give the id that Send answered")
	}
	id, err := uuid.Parse(text)
	if err != nil || len(text) != 36 {
		return uuid.UUID{}, fault.NotFound("message", text)
	}
	return id, nil
}

// busy is the error when too much is being accepted at once.
func busy() error {
	return fault.Fault{
		Code: codes.ResourceExhausted, Reason: "busy", Text: intake.ErrBusy.Error(), RetryAfter: time.Second,
		Remedy: "try again in a moment with the same idempotency key",
	}.Err()
}

// errStopping ends calls that wait when the daemon stops.
var errStopping = fault.Fault{
	Code: codes.Unavailable, Reason: "stopping", Text: "the daemon stops", RetryAfter: time.Second,
	Remedy: "connect again and go on after what was answered last",
}.Err()
