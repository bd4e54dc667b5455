package server

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"sync"
	"time"

	systemd "github.com/coreos/go-systemd/v22/daemon"
	"google.golang.org/grpc/health/grpc_health_v1"

	"github.com/postilion-mail/postilion/server/internal/face"
)

// notify tells systemd, if it listens (sd_notify(3)).
func notify(state string) { _, _ = systemd.SdNotify(false, state) }

// finishAccepts is how long calls may take to end when the daemon stops.
// Accepting takes milliseconds; waiting calls are ended by the channel
// stopping.
const finishAccepts = 10 * time.Second

// serve starts what runs.
func (d *daemon) serve() {
	d.failed = make(chan error, len(d.endpoints)+2)
	parts, cancel := context.WithCancel(context.Background())
	d.endParts = cancel
	d.running.Go(func() {
		if err := d.dispatcher.Run(context.WithoutCancel(parts)); err != nil {
			d.failed <- fmt.Errorf("dispatch: %w", err)
		}
	})
	d.plugins.Start()
	for _, e := range d.endpoints {
		d.running.Go(func() {
			if err := d.serveOn(e); err != nil {
				d.failed <- fmt.Errorf("%s: %w", e.name, err)
			}
		})
	}
	d.running.Go(func() {
		d.survive(parts, func() {
			if err := d.pickup.Run(parts); err != nil && parts.Err() == nil {
				d.failed <- fmt.Errorf("maildrop: %w", err)
			}
		})
	})
	d.running.Go(func() { d.survive(parts, func() { d.bounces.Run(parts) }) })
	d.running.Go(func() { d.survive(parts, func() { d.probes.Run(parts) }) })
	d.running.Go(func() { d.watchHealth(parts) })
}

// afterPanic is how long a part rests that has panicked.
const afterPanic = time.Minute

// survive runs a part that works through what lies in files or in the store,
// and runs it again when it panics: one bad record must not end the daemon
// after each start.
func (d *daemon) survive(ctx context.Context, part func()) {
	for d.panics(ctx, part) {
		select {
		case <-ctx.Done():
			return
		case <-time.After(afterPanic):
		}
	}
}

func (d *daemon) panics(ctx context.Context, part func()) (panicked bool) {
	defer func() {
		if recover() != nil {
			panicked = true
			d.panicked(ctx, debug.Stack())
		}
	}()
	part()
	return false
}

func (d *daemon) serveOn(e endpoint) error {
	if e.http != nil {
		return face.ServeHTTP(e.http, e.listener)
	}
	if e.smtp != nil {
		return e.smtp.Serve(e.listener.Listener)
	}
	return d.grpc.Serve(e.listener)
}

// watchHealth keeps the health service and systemd's watchdog told.
func (d *daemon) watchHealth(ctx context.Context) {
	interval := time.Second
	if watchdog, err := systemd.SdWatchdogEnabled(false); err == nil && watchdog > 0 {
		interval = min(interval, watchdog/3)
	}
	ticker := time.NewTicker(interval)
	defer ticker.Stop()
	var last error
	for first := true; ; first = false {
		err := d.store.Health()
		if first || (err == nil) != (last == nil) {
			status := grpc_health_v1.HealthCheckResponse_SERVING
			if err != nil {
				status = grpc_health_v1.HealthCheckResponse_NOT_SERVING
				d.log.Error("the outbox cannot promise anything at the moment; nothing is accepted", "error", err)
			} else if !first {
				d.log.Info("the outbox works again")
			}
			d.health.SetServingStatus("", status)
		}
		last = err
		notify("WATCHDOG=1")
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}

// stop ends the daemon in order: not ready any more, no new attempts; then,
// accepting all the while, it lets deliveries finish; then it finishes what is
// being accepted. The store is closed after that.
func (d *daemon) stop() error {
	d.log.Info("stopping")
	notify("STOPPING=1")
	d.health.Shutdown()
	err := d.dispatcher.Stop(context.Background())

	d.endParts()
	close(d.stopping)
	ctx, cancel := context.WithTimeout(context.Background(), finishAccepts)
	defer cancel()
	var ends sync.WaitGroup
	for _, s := range []*face.HTTP{d.http, d.admin} {
		if s != nil {
			ends.Go(func() { s.Shutdown(ctx) })
		}
	}
	if d.smtp != nil {
		ends.Go(func() { d.smtp.Shutdown(ctx) })
	}
	ends.Go(func() {
		done := make(chan struct{})
		go func() { d.grpc.GracefulStop(); close(done) }()
		select {
		case <-done:
		case <-ctx.Done():
			d.grpc.Stop()
			<-done
		}
	})
	ends.Wait()
	d.running.Wait()
	d.log.Info("stopped")
	return errors.Join(err)
}
