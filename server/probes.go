package server

import (
	"context"
	"errors"

	"github.com/postilion-mail/postilion/internal/clock"
	"github.com/postilion-mail/postilion/internal/diagnose"
	"github.com/postilion-mail/postilion/internal/probe"
	"github.com/postilion-mail/postilion/plugin"
)

// openProbes opens what logs into the connections from time to time.
func (d *daemon) openProbes(ctx context.Context, now *clock.Clock) (err error) {
	d.probes, err = probe.Open(ctx, probe.Options{
		Database: d.db, Targets: d.probeTargets, Open: d.openForProbe, Paused: d.paused,
		Probed: d.metrics.Probed, Now: now.Now, Log: d.log,
	})
	if err != nil {
		return err
	}
	d.metrics.WatchProbes(d.probes.Failing)
	d.api.Probes, d.api.Health = d.probes, d.examiner(now)
	return nil
}

// probeTargets are all connections; those that keep the mail here have nothing
// to log into.
func (d *daemon) probeTargets() []probe.Target {
	var targets []probe.Target
	for _, c := range d.registry.All() {
		t := probe.Target{ID: c.ID, Name: c.OwnerName + "/" + c.Name, Generation: c.Generation, Updated: c.Updated, Every: c.ProbeEvery()}
		if d.sendsNothing(c.Transport) {
			t.Every = 0
		}
		targets = append(targets, t)
	}
	return targets
}

func (d *daemon) openForProbe(ctx context.Context, id string) (plugin.Instance, diagnose.Context, error) {
	c, ok := d.registry.Connection(id)
	if !ok {
		return nil, diagnose.Context{}, errors.New("the connection was deleted")
	}
	secrets, err := d.registry.Secrets(ctx, id)
	if err != nil {
		return nil, diagnose.Context{}, err
	}
	instance, err := d.api.Transports.Open(ctx, &c, secrets)
	return instance, diagnose.ContextOf(c.Settings), err
}

func (d *daemon) paused(id string) bool {
	for _, alarm := range d.dispatcher.Alarms() {
		if alarm.Connection == id {
			return true
		}
	}
	return false
}
