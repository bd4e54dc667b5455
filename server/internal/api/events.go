package api

import (
	"context"
	"time"

	"github.com/postilion-mail/postilion/internal/outbox"
	postilionv1 "github.com/postilion-mail/postilion/proto/gen/postilion/v1"
	"github.com/postilion-mail/postilion/server/internal/auth"
	"github.com/postilion-mail/postilion/server/internal/convert"
	"github.com/postilion-mail/postilion/server/internal/fault"
)

// ListEvents implements postilion.v1.MessageService.
func (a *API) ListEvents(ctx context.Context, req *postilionv1.ListEventsRequest) (*postilionv1.ListEventsResponse, error) {
	f, err := a.eventFilter(ctx, req.GetId(), req.GetTypes())
	if err != nil {
		return nil, err
	}
	if f.After, err = afterSequence(req.GetAfterSequence()); err != nil {
		return nil, err
	}
	if f.Limit, err = pageSize(req.GetPageSize()); err != nil {
		return nil, err
	}
	wait, err := convert.Duration(req.GetWait(), "wait")
	if err != nil {
		return nil, err
	}
	timeout := time.NewTimer(min(wait, maxWait))
	defer timeout.Stop()
	for {
		changed := a.Store.Changed() // before looking, so that nothing falls between
		events, err := a.Store.Events(ctx, f)
		if err != nil {
			return nil, err
		}
		if len(events) > 0 || wait == 0 {
			return a.events(events, f.After), nil
		}
		select {
		case <-changed:
		case <-timeout.C:
			return a.events(nil, f.After), nil
		case <-a.Stopping:
			return a.events(nil, f.After), nil
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

func afterSequence(n int64) (int64, error) {
	if n < 0 {
		return 0, fault.Invalid("after_sequence", "is negative", "give 0, or the sequence of an event that you have")
	}
	return n, nil
}

func (a *API) events(events []outbox.Event, after int64) *postilionv1.ListEventsResponse {
	out := &postilionv1.ListEventsResponse{LastSequence: after}
	for _, e := range events {
		out.Events = append(out.Events, convert.Event(e, a))
		out.LastSequence = e.Sequence
	}
	return out
}

func (a *API) eventFilter(ctx context.Context, id string, types []postilionv1.EventType) (outbox.EventFilter, error) {
	f := outbox.EventFilter{Client: auth.From(ctx).Sees()}
	var err error
	if f.Types, err = convert.EventTypes(types); err != nil {
		return f, err
	}
	if id == "" {
		return f, nil
	}
	if f.Message, err = messageID(id); err != nil {
		return f, err
	}
	_, err = a.Store.Get(ctx, f.Client, f.Message)
	return f, err
}

// watchEvents sends events as they happen until the caller goes away.
func (a *API) watchEvents(ctx context.Context, req *postilionv1.WatchEventsRequest, send func(*postilionv1.WatchEventsResponse) error) error {
	f, err := a.eventFilter(ctx, req.GetId(), req.GetTypes())
	if err != nil {
		return err
	}
	caller := auth.From(ctx)
	f.Limit = maxPage
	if req.AfterSequence != nil {
		f.After, err = afterSequence(req.GetAfterSequence())
	} else {
		f.After, err = a.Store.LastSequence(ctx)
	}
	if err != nil {
		return err
	}
	for {
		changed := a.Store.Changed()
		events, err := a.Store.Events(ctx, f)
		if err != nil {
			return err
		}
		if err := caller.Still(); err != nil {
			return err
		}
		for _, e := range events {
			if err := send(&postilionv1.WatchEventsResponse{Event: convert.Event(e, a)}); err != nil {
				return err
			}
			f.After = e.Sequence
		}
		if len(events) == f.Limit {
			continue
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return ctx.Err()
		case <-a.Stopping:
			return errStopping
		}
	}
}
