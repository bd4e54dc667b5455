// Package server is the daemon: it puts the parts together, starts them in
// order, and stops them so that nothing that was accepted is lost and nobody
// is refused who could be served.
package server

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/health"

	"github.com/postilion-mail/postilion/internal/bounce"
	"github.com/postilion-mail/postilion/internal/clock"
	"github.com/postilion-mail/postilion/internal/config"
	"github.com/postilion-mail/postilion/internal/database"
	"github.com/postilion-mail/postilion/internal/dispatch"
	"github.com/postilion-mail/postilion/internal/intake"
	"github.com/postilion-mail/postilion/internal/maildrop"
	"github.com/postilion-mail/postilion/internal/outbox"
	"github.com/postilion-mail/postilion/internal/outbox/sqlite"
	"github.com/postilion-mail/postilion/internal/probe"
	"github.com/postilion-mail/postilion/internal/registry"
	"github.com/postilion-mail/postilion/internal/resolver"
	"github.com/postilion-mail/postilion/internal/secret"
	"github.com/postilion-mail/postilion/internal/smtpd"
	"github.com/postilion-mail/postilion/server/internal/api"
	"github.com/postilion-mail/postilion/server/internal/face"
	"github.com/postilion-mail/postilion/server/internal/metrics"
	"github.com/postilion-mail/postilion/server/internal/plugins"
	"github.com/postilion-mail/postilion/server/internal/transports"
)

// Options are what Run needs beside the configuration.
type Options struct {
	Version string
	Log     *slog.Logger // defaults to none
	// Ready, if set, is called once when the daemon serves.
	Ready func(Addresses)
	// Shutdown, if set, is called when an admin calls Shutdown of go-plugin's
	// service plugin.GRPCController. It is to end Run's context.
	Shutdown func()

	plugins func(*plugins.Options) // for tests; nil changes nothing
}

// Addresses are where the daemon serves; empty where it does not.
type Addresses struct {
	AdminSocket string // gRPC
	GRPCSocket  string
	HTTPSocket  string
	GRPC        string // host:port
	HTTP        string
	SMTP        string
	Metrics     string
}

// The bounds of what is being accepted at a time.
const (
	maxInFlight   = 128 << 20 // octets
	maxRecipients = 1000      // of a message
	expiry        = 5 * 24 * time.Hour
)

// Run runs the daemon until ctx ends, and then stops it in order: what is
// being delivered may finish for cfg.Drain. An error before Ready says why it
// could not start, in one line.
func Run(ctx context.Context, cfg *config.Config, o Options) error {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	d := &daemon{cfg: cfg, options: o, log: o.Log, started: time.Now(), stopping: make(chan struct{})}
	defer d.close()
	if err := d.open(ctx); err != nil {
		return err
	}
	if err := d.listen(); err != nil {
		return err
	}
	d.serve()
	o.Log.Info("ready", "version", o.Version, "admin_socket", d.addresses.AdminSocket, "grpc_socket", d.addresses.GRPCSocket,
		"http_socket", d.addresses.HTTPSocket, "grpc", d.addresses.GRPC, "http", d.addresses.HTTP, "smtp", d.addresses.SMTP,
		"metrics", d.addresses.Metrics)
	notify("READY=1")
	if o.Ready != nil {
		o.Ready(d.addresses)
	}
	select {
	case <-ctx.Done():
	case err := <-d.failed:
		d.stop()
		return err
	}
	return d.stop()
}

// daemon holds the parts.
type daemon struct {
	cfg     *config.Config
	options Options
	log     *slog.Logger
	started time.Time
	domain  string

	db         *database.DB
	store      outbox.Store
	backup     func(ctx context.Context, dir string) error
	registry   *registry.Registry
	dispatcher *dispatch.Dispatcher
	metrics    *metrics.Metrics
	api        *api.API
	intake     *intake.Intake
	pickup     *maildrop.Pickup
	bounces    *bounce.Worker
	probes     *probe.Prober
	plugins    *plugins.Manager

	addresses Addresses
	served    *x509.Certificate // by the TCP listeners; nil for none
	endpoints []endpoint
	grpc      *grpc.Server
	http      *face.HTTP
	admin     *face.HTTP // metrics
	smtp      *smtpd.Server
	health    *health.Server

	stopping chan struct{} // closed when waiting calls should end
	failed   chan error    // a part that must run has ended

	// The parts that run until they are told to end.
	running  sync.WaitGroup
	endParts context.CancelFunc
}

// open opens everything that needs no listener.
func (d *daemon) open(ctx context.Context) error {
	cfg := d.cfg
	d.domain = domain(cfg.Hostname)
	if err := os.MkdirAll(cfg.DataDir, 0o700); err != nil {
		return fmt.Errorf("data_dir: %w", err)
	}
	_, err := os.Stat(filepath.Join(cfg.DataDir, database.Name))
	first := errors.Is(err, os.ErrNotExist)
	// The key comes first: with a database and without its key the daemon would
	// never start again.
	box, err := secret.Load(secret.Source{
		KeyFile: cfg.KeyFile, Environment: os.Getenv("POSTILION_KEY"),
		Credentials: os.Getenv("CREDENTIALS_DIRECTORY"), DataDir: cfg.DataDir, Create: first,
	})
	if err != nil {
		return err
	}
	if d.db, err = database.Open(ctx, database.Options{Dir: cfg.DataDir, Log: d.log}); err != nil {
		return err
	}
	d.registry, err = registry.Open(ctx, registry.Options{
		Database: d.db, Box: box, Log: d.log, DenyLocal: cfg.LocalUsers == config.LocalUsersDeny,
		SendsNothing: d.sendsNothing,
	})
	if err != nil {
		return err
	}
	if err := d.adminToken(ctx); err != nil {
		return err
	}
	d.warnUnverified(ctx)
	now := clock.New(clock.System())
	if err := d.openStore(ctx, now); err != nil {
		return err
	}
	d.metrics = metrics.New(d.options.Version)
	d.metrics.Watch(d.store, d.store.Health)
	if err := d.openPlugins(ctx); err != nil {
		return err
	}
	lookups := resolver.New(cfg.DNSServer)
	catalog := transports.New(transports.Options{
		Registry: d.registry, Log: d.log, HelloName: cfg.Hostname, Allowed: cfg.AllowDestinations,
		CaptureDir: filepath.Join(cfg.DataDir, "capture"), Now: now.Now, DNSServer: cfg.DNSServer,
		Plugins: d.plugins,
	})
	d.dispatcher = dispatch.New(dispatch.Options{
		Store: d.store, Connections: catalog, Log: d.log, Metrics: d.metrics, Now: now.Now, Drain: cfg.Drain,
	})
	limits := intake.Limits{ContentBytes: cfg.MaxMessageSize, Recipients: maxRecipients, InFlight: maxInFlight}
	d.intake = intake.New(intake.Options{
		Registry: d.registry, Store: d.store, Limits: limits, Domain: d.domain, Now: now.Now, Expiry: expiry,
		Accepted: d.metrics.Accepted,
	})
	d.api = &api.API{
		Registry: d.registry, Store: d.store, Intake: d.intake, Dispatcher: d.dispatcher, Transports: catalog, Plugins: d.plugins,
		Version: d.options.Version, Started: d.started, Domain: d.domain, Resolver: lookups, Limits: limits, Expiry: expiry,
		HTTPSocket: filepath.Join(cfg.RunDir, httpSocket), MaildropDir: cfg.MaildropDir,
		Archive: d.backup, DataDir: cfg.DataDir, Panicked: d.panicked, Stopping: d.stopping,
	}
	if err := d.openProbes(ctx, now); err != nil {
		return err
	}
	d.openBounces()
	if err := d.openMaildrop(); err != nil {
		return err
	}
	return settle(cfg.DataDir, cfg.MaildropDir)
}

func (d *daemon) openStore(ctx context.Context, now *clock.Clock) error {
	store, err := sqlite.Open(ctx, sqlite.Options{
		DB: d.db, Clock: now, Log: d.log, Retention: d.cfg.Retention, DelayNotice: d.cfg.DelayNotice, MinFree: d.minFree(),
		Limits: func(client string) (messages, bytes int64) {
			if c, ok := d.registry.Client(client); ok {
				return c.QueueCaps()
			}
			return registry.DefaultQueuedMessages, registry.DefaultQueuedBytes
		},
	})
	if err != nil {
		return err
	}
	d.store = store
	d.backup = func(ctx context.Context, dir string) error {
		defer d.plugins.Hold()() // what the copy names is to be in it
		return store.Backup(ctx, dir)
	}
	return nil
}

// adminToken keeps the admin's token in a file that only the daemon's user can
// read.
func (d *daemon) adminToken(ctx context.Context) error {
	path := filepath.Join(d.cfg.DataDir, "admin.token")
	current, err := readToken(path)
	if err != nil {
		return err
	}
	token, err := d.registry.EnsureAdminToken(ctx, current)
	if err != nil || token == current {
		return err
	}
	return writeToken(path, token)
}

// warnUnverified reminds, at each start, of what is easily switched off for a
// test and forgotten.
func (d *daemon) warnUnverified(ctx context.Context) {
	for _, c := range d.registry.All() {
		if skip, _ := c.Settings["skip_verify"].(bool); skip {
			d.log.WarnContext(ctx, "certificates are not verified; switch skip_verify off", "connection", c.OwnerName+"/"+c.Name)
		}
	}
}

func (d *daemon) panicked(ctx context.Context, stack []byte) {
	d.log.ErrorContext(ctx, "a call panicked", "stack", string(stack))
	d.metrics.Panicked()
}

// close releases what was opened, in reverse order.
func (d *daemon) close() {
	if d.pickup != nil {
		_ = d.pickup.Close()
	}
	for _, e := range d.endpoints {
		_ = e.listener.Close()
	}
	if d.plugins != nil {
		d.closePlugins()
	}
	if d.store != nil {
		if err := d.store.Close(); err != nil {
			d.log.Error("closing the outbox", "error", err)
		}
	}
	if d.db != nil {
		if err := d.db.Close(); err != nil {
			d.log.Error("closing the database", "error", err)
		}
	}
}
