// Package bounce tells senders by mail what became of messages that nobody
// watches: those of the sendmail command and the SMTP port, and those that ask
// for it. It makes delivery status notifications (RFC 3464) of the outbox's
// notices and submits them like other mail.
//
// A notice is due from the transaction on in which its message failed, and
// goes in the one in which the message that carries it is accepted. So there
// is one for each, whenever the daemon ends. It has the null reverse-path, and
// nothing is ever told about it in turn: no mail goes in circles.
package bounce

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/google/uuid"

	"github.com/postilion-mail/postilion/internal/intake"
	"github.com/postilion-mail/postilion/internal/mail"
	"github.com/postilion-mail/postilion/internal/outbox"
	"github.com/postilion-mail/postilion/internal/registry"
)

// Store is the part of an outbox that the worker uses.
type Store interface {
	outbox.Notices
	Raw(ctx context.Context, client string, id uuid.UUID) (outbox.Content, error)
}

// Intake accepts messages.
type Intake interface {
	Accept(ctx context.Context, s *intake.Submission, before func(uuid.UUID)) (intake.Accepted, error)
}

// Registry knows the clients and the connections.
type Registry interface {
	Client(id string) (*registry.Client, bool)
	Connection(id string) (registry.Connection, bool)
}

// Options are what a worker needs. All but Log and Interval must be given.
type Options struct {
	Store    Store
	Intake   Intake
	Registry Registry
	Domain   string // this host's, which reports
	Now      func() time.Time
	Log      *slog.Logger  // defaults to none
	Interval time.Duration // between two looks; 1 s if 0
}

const (
	// page is how many notices are read at a time.
	page = 100
	// patience is for how long a notice that cannot be accepted is tried, as
	// long as other mail.
	patience = 5 * 24 * time.Hour
	// The time to the next try is as long as it was tried already, within
	// these bounds.
	retryMin, retryMax = 10 * time.Second, 15 * time.Minute
)

// Worker makes messages of notices. Run it once.
type Worker struct{ Options }

// New makes a worker.
func New(o Options) *Worker {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Interval <= 0 {
		o.Interval = time.Second
	}
	return &Worker{o}
}

// Run works until the context ends.
func (w *Worker) Run(ctx context.Context) {
	ticker := time.NewTicker(w.Interval)
	defer ticker.Stop()
	for {
		for more := true; more && ctx.Err() == nil; {
			var err error
			if more, err = w.turn(ctx); err != nil && ctx.Err() == nil && !errors.Is(err, outbox.ErrUnavailable) {
				w.Log.Error("cannot work off the notices to senders", "error", err)
			}
		}
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}

// turn settles a page of what is due, and says whether there is more.
func (w *Worker) turn(ctx context.Context) (more bool, err error) {
	list, err := w.Store.Notices(ctx, page)
	if err != nil {
		return false, err
	}
	for i := range list {
		if err := w.settle(ctx, &list[i]); err != nil {
			return false, err
		}
	}
	return len(list) == page, nil
}

// settle makes a message of a notice, drops it or puts it off. The error is
// that of the store, which has not taken either.
func (w *Worker) settle(ctx context.Context, n *outbox.Notice) error {
	log := w.Log.With("notice", n.ID, "type", n.Type.String(), "message", n.Message)
	if n.Sender == "" || len(n.Recipients) == 0 {
		return w.Store.DropNotice(ctx, n.ID) // a delay that has ended
	}
	client, ok := w.Registry.Client(n.Client)
	if !ok {
		log.Warn("a sender is not told about a message: its client was deleted")
		return w.Store.DropNotice(ctx, n.ID)
	}
	accepted, err := w.submit(ctx, client, n)
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case err == nil && !accepted.Replayed:
		log.Info("told a sender about a message", "bounce", accepted.ID, "recipients", len(n.Recipients))
		return nil
	case err == nil, errors.Is(err, outbox.ErrKeyReused):
		// The sender was told under this key, for a drop that came up again.
		return w.Store.DropNotice(ctx, n.ID)
	case errors.Is(err, outbox.ErrNotFound):
		return nil // the notice is gone
	}
	age := w.Now().Sub(n.Created)
	if final(err) || age > patience {
		log.Error("a sender cannot be told about a message", "error", err)
		return w.Store.DropNotice(ctx, n.ID)
	}
	log.Warn("a sender cannot be told about a message yet", "error", err)
	return w.Store.PostponeNotice(ctx, n.ID, w.Now().Add(min(max(age, retryMin), retryMax)))
}

// final says that trying again is of no use.
func final(err error) bool {
	field, named := (*mail.FieldError)(nil), (*registry.Error)(nil)
	return errors.As(err, &field) || errors.As(err, &named) || errors.Is(err, intake.ErrTooLarge)
}

// submit composes and submits. What is too large with the whole original goes
// with its header only. A connection that does not let this host's domain send
// may let that of the sender.
func (w *Worker) submit(ctx context.Context, client *registry.Client, n *outbox.Notice) (intake.Accepted, error) {
	r := &report{notice: n, domain: w.Domain, from: w.Domain, now: w.Now(), host: w.host}
	if err := w.original(ctx, r); err != nil {
		return intake.Accepted{}, err
	}
	s := &intake.Submission{
		Client: client, Source: outbox.SourceBounce, FromGiven: true, Recipients: []outbox.Recipient{{Address: n.Sender}},
		Via: w.via(n), Key: key(n), Priority: outbox.PriorityNormal, Hold: n.Hold, Notice: n.ID,
	}
	if n.Message != uuid.Nil {
		s.Parent = n.Message.String()
	}
	for {
		s.Raw = r.compose()
		accepted, err := w.Intake.Accept(ctx, s, nil)
		field := (*mail.FieldError)(nil)
		switch {
		case errors.Is(err, intake.ErrTooLarge) && r.whole:
			r.whole, r.original = false, header(r.original)
		case errors.As(err, &field) && field.Code == mail.CodeSenderNotAllowed && r.from == w.Domain && n.SenderDomain() != w.Domain:
			r.from = n.SenderDomain()
		default:
			return accepted, err
		}
	}
}

func key(n *outbox.Notice) string {
	if n.Key != "" {
		return "dsn:" + n.Key
	}
	return fmt.Sprintf("dsn:%s:%d", n.Message, n.ID)
}

// via is the first connection of the message's chain that is still there;
// empty leaves it to the client's routes and default.
func (w *Worker) via(n *outbox.Notice) string {
	for _, hop := range n.Chain {
		if _, ok := w.Registry.Connection(hop.Connection); ok {
			return hop.Connection
		}
	}
	return ""
}

// host is the server that a connection leads to, empty if it has none.
func (w *Worker) host(connection string) string {
	c, _ := w.Registry.Connection(connection)
	host, _ := c.Settings["host"].(string)
	return host
}
