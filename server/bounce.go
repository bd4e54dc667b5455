package server

import (
	"context"

	"github.com/postilion-mail/postilion/internal/bounce"
	"github.com/postilion-mail/postilion/internal/maildrop"
)

// openBounces makes the worker that tells senders what failed.
func (d *daemon) openBounces() {
	d.bounces = bounce.New(bounce.Options{
		Store: d.store, Intake: d.intake, Registry: d.registry, Domain: d.domain, Now: d.intake.Now, Log: d.log,
	})
}

// refusedDrop has the sender of a drop told that it was refused for good. A
// drop of nobody has no way by which he could be told.
func (d *daemon) refusedDrop(ctx context.Context, uid uint32, drop *maildrop.Drop, reason error) error {
	client, err := d.dropClient(uid, drop)
	if err != nil {
		return nil
	}
	if d.panics(ctx, func() { err = d.bounces.Refused(ctx, client.ID, drop, reason) }) {
		return nil // it is put aside all the same
	}
	return err
}
