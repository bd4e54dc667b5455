package api

import (
	"context"
	"errors"
	"io"
	"runtime/debug"
	"sync"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/postilion-mail/postilion/internal/outbox"
	"github.com/postilion-mail/postilion/internal/registry"
	postilionv1 "github.com/postilion-mail/postilion/proto/gen/postilion/v1"
	"github.com/postilion-mail/postilion/server/internal/fault"
)

// batchParallel is how many items of one batch are accepted at a time: enough
// to share commits, few enough to leave room for others.
const batchParallel = 64

// stream is a stream in both directions, as both faces have it.
type stream[Req, Res any] interface {
	Recv() (*Req, error)
	Send(*Res) error
}

// sendBatch accepts the items of a stream. What comes faster than it can be
// accepted waits in the stream's flow control.
func (a *API) sendBatch(ctx context.Context, s stream[postilionv1.SendBatchRequest, postilionv1.SendBatchResponse]) error {
	id, client, err := a.caller(ctx)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	received := receive(ctx, s)
	var (
		items   sync.WaitGroup
		sending sync.Mutex // a stream takes one Send at a time
		slots   = make(chan struct{}, batchParallel)
		seen    = make(map[string]struct{})
	)
	defer items.Wait()
	for {
		var next item
		select {
		case next = <-received:
		case <-a.Stopping:
			return errStopping // after the answers to what is being accepted
		case <-ctx.Done():
			return context.Cause(ctx)
		}
		if errors.Is(next.err, io.EOF) {
			items.Wait()
			return context.Cause(ctx)
		}
		if next.err != nil {
			return next.err
		}
		if err := id.Still(); err != nil {
			return err
		}
		req := next.req
		if err := checkCorrelation(req.GetCorrelationId(), seen); err != nil {
			return err
		}
		select {
		case slots <- struct{}{}:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
		items.Go(func() {
			defer func() { <-slots }()
			accepted, err := a.sendItem(ctx, req.GetSend(), client, id.Face)
			answer, err := a.batchAnswer(ctx, req.GetCorrelationId(), accepted, err)
			if err == nil {
				sending.Lock()
				err = s.Send(answer)
				sending.Unlock()
			}
			if err != nil {
				cancel(err)
			}
		})
	}
}

// item is what a stream gave.
type item struct {
	req *postilionv1.SendBatchRequest
	err error
}

// receive reads a stream, so that somebody who waits for it can wait for
// something else, too. It ends with ctx or the stream, whose handler's return
// ends a read.
func receive(ctx context.Context, s stream[postilionv1.SendBatchRequest, postilionv1.SendBatchResponse]) <-chan item {
	items := make(chan item)
	go func() {
		for {
			req, err := s.Recv()
			select {
			case items <- item{req, err}:
			case <-ctx.Done():
				return
			}
			if err != nil {
				return
			}
		}
	}()
	return items
}

// sendItem is send for a goroutine that the face does not watch over: a panic
// is the item's own failure.
func (a *API) sendItem(ctx context.Context, req *postilionv1.SendRequest, client *registry.Client, face string) (answer *postilionv1.SendResponse, err error) {
	defer func() {
		if p := recover(); p != nil {
			a.Panicked(ctx, debug.Stack())
			answer, err = nil, errPanicked
		}
	}()
	return a.send(ctx, req, client, face, outbox.PriorityBulk)
}

var errPanicked = errors.New("an item of a batch panicked")

// batchAnswer makes the answer to one item. Its error ends the batch.
func (a *API) batchAnswer(ctx context.Context, id string, accepted *postilionv1.SendResponse, err error) (*postilionv1.SendBatchResponse, error) {
	answer := &postilionv1.SendBatchResponse{CorrelationId: id}
	if err == nil {
		answer.Result = &postilionv1.SendBatchResponse_Accepted{Accepted: accepted}
		return answer, nil
	}
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	err = fault.From(err)
	if status.Code(err) == codes.Internal {
		a.Log.ErrorContext(ctx, "an item of a batch failed", "error", err)
	}
	answer.Result = &postilionv1.SendBatchResponse_Error{Error: &postilionv1.BatchError{
		Code: int32(status.Code(err)), Message: status.Convert(err).Message(), Detail: fault.Detail(err),
	}}
	return answer, nil
}

func checkCorrelation(id string, seen map[string]struct{}) error {
	const most = 255
	if id == "" || len(id) > most {
		return fault.Invalid("correlation_id", "must be 1 to 255 octets", "number the items")
	}
	if _, ok := seen[id]; ok {
		return fault.Invalid("correlation_id", "occurs twice in the stream", "give each item its own")
	}
	seen[id] = struct{}{}
	return nil
}
