package api

import (
	"context"
	"errors"
	"time"

	"github.com/google/uuid"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/postilion-mail/postilion/internal/intake"
	"github.com/postilion-mail/postilion/internal/outbox"
	"github.com/postilion-mail/postilion/internal/registry"
	postilionv1 "github.com/postilion-mail/postilion/proto/gen/postilion/v1"
	"github.com/postilion-mail/postilion/server/internal/convert"
	"github.com/postilion-mail/postilion/server/internal/fault"
)

// maxWait is the longest time that Send and ListEvents wait.
const maxWait = time.Minute

// maxAccept is the longest time that storing a message may take, for callers
// without a deadline: PHP's own ends a page after 30 s.
const maxAccept = 20 * time.Second

// Send implements postilion.v1.MailerService.
func (a *API) Send(ctx context.Context, req *postilionv1.SendRequest) (*postilionv1.SendResponse, error) {
	id, client, err := a.caller(ctx)
	if err != nil {
		return nil, err
	}
	return a.send(ctx, req, client, id.Face, outbox.PriorityNormal)
}

func (a *API) send(ctx context.Context, req *postilionv1.SendRequest, client *registry.Client, source string, priority outbox.Priority) (*postilionv1.SendResponse, error) {
	s, err := Submission(req, priority)
	if err != nil {
		return nil, err
	}
	field := contentField(req)
	req.Content = nil // the submission has it, and lets go of it when it is composed
	s.Client, s.Source = client, source
	wait, err := convert.Duration(req.GetWait(), "wait")
	if err != nil {
		return nil, err
	}
	var outcome <-chan struct{}
	stop := func() {}
	var before func(uuid.UUID)
	if wait > 0 {
		before = func(id uuid.UUID) { outcome, stop = a.Dispatcher.Watch(id) }
	}
	// What has not been stored by then is withdrawn, so that the error is true.
	limited, cancel := context.WithTimeout(ctx, maxAccept)
	accepted, err := a.Intake.Accept(limited, s, before)
	cancel()
	defer func() { stop() }()
	switch {
	case errors.Is(err, intake.ErrTooLarge):
		return nil, fault.TooLarge(field, a.Limits.ContentBytes)
	case errors.Is(err, intake.ErrBusy):
		return nil, busy()
	case err != nil:
		return nil, err
	}
	if outcome != nil && !accepted.Replayed {
		a.await(ctx, outcome, min(wait, maxWait))
	}
	return a.answer(ctx, accepted, client, wait > 0)
}

// await waits for an outcome. That the caller goes away does not matter: the
// message is accepted.
func (a *API) await(ctx context.Context, outcome <-chan struct{}, wait time.Duration) {
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-outcome:
	case <-timer.C:
	case <-ctx.Done():
	case <-a.Stopping:
	}
}

// answer says what became of a submission: of a new one that nobody waited
// for, what Accept has just made true; else what the store has.
func (a *API) answer(ctx context.Context, accepted intake.Accepted, client *registry.Client, waited bool) (*postilionv1.SendResponse, error) {
	out := &postilionv1.SendResponse{
		Id: accepted.ID.String(), MessageId: accepted.MessageID, Replayed: accepted.Replayed,
		AcceptTime: timestamppb.New(accepted.Accepted), Connection: accepted.Connection,
		State: postilionv1.MessageState_MESSAGE_STATE_QUEUED,
	}
	if accepted.Held {
		out.State = postilionv1.MessageState_MESSAGE_STATE_HELD
	}
	if accepted.Replayed || waited {
		// Not bound to the caller's deadline: the answer to "accepted" must not
		// turn into an error because a view could not be read in time.
		view, err := a.Store.Get(context.WithoutCancel(ctx), client.ID, accepted.ID)
		if err == nil {
			out.State, out.Recipients = convert.State(view.Summary()), convert.Recipients(view, a)
			if len(view.Chain) > 0 {
				out.Connection = a.ConnectionName(view.Chain[0].Connection)
			}
			return out, nil
		}
	}
	for _, r := range accepted.Recipients {
		out.Recipients = append(out.Recipients, &postilionv1.RecipientStatus{
			Address: r.Address, State: out.State, Connection: accepted.Connection,
		})
	}
	return out, nil
}

func contentField(req *postilionv1.SendRequest) string {
	if req.GetRaw() != nil {
		return "raw.content"
	}
	return "message"
}

// Submission takes a request apart. The priority is that of one which has
// none.
func Submission(req *postilionv1.SendRequest, priority outbox.Priority) (*intake.Submission, error) {
	s := &intake.Submission{
		Connection: req.GetConnection(), Key: req.GetIdempotencyKey(), Tags: req.GetTags(), Metadata: req.GetMetadata(),
		KeepContent: req.GetKeepContent(), Notify: req.GetNotifySender(), Origin: req.GetOrigin(),
	}
	var err error
	switch c := req.GetContent().(type) {
	case *postilionv1.SendRequest_Message:
		s.Message, err = convert.Message(c.Message)
	case *postilionv1.SendRequest_Raw:
		var e convert.Envelope
		e, err = convert.EnvelopeFrom(c.Raw.GetEnvelope())
		s.Raw, s.From, s.FromGiven, s.Recipients = c.Raw.GetContent(), e.From, e.FromGiven, e.Recipients
		s.EnvelopeID, s.Return = e.EnvelopeID, e.Return
	}
	if err != nil {
		return nil, err
	}
	if s.Priority, err = convert.Priority(req.GetPriority(), priority); err != nil {
		return nil, err
	}
	if at := req.GetSendAt(); at != nil {
		if err := at.CheckValid(); err != nil {
			return nil, fault.Invalid("send_at", "is not a time", "give one such as \"2026-01-31T12:00:00Z\"")
		}
		s.SendAt = at.AsTime()
	}
	if req.GetExpiresAfter() != nil {
		life, err := convert.Duration(req.GetExpiresAfter(), "expires_after")
		if err != nil {
			return nil, err
		}
		s.ExpiresAfter = &life
	}
	return s, nil
}
