package sdk

import (
	"context"
	"crypto/rand"
	"errors"
	"io"
	"strconv"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	postilionv1 "github.com/postilion-mail/postilion/proto/gen/postilion/v1"
)

// Sendable is a *Message or a *Raw.
type Sendable interface {
	// Request gives the message as the API has it.
	Request() *postilionv1.SendRequest
}

// BatchResult is what became of one message of a batch: it has a receipt, or
// an error as Send gives it.
type BatchResult struct {
	Receipt *Receipt
	Err     *Error
}

// SendBatch hands over many messages over one stream, which takes a fraction
// of the time of as many calls of Send. Each is accepted, or not, by itself;
// the results are in the order of the messages. Like Send it makes keys, and
// repeats once what was not answered because the daemon was away. Priority is
// bulk unless a message says otherwise. Options.Wait is not for batches.
func (c *Client) SendBatch(ctx context.Context, messages []Sendable) []BatchResult {
	results := make([]BatchResult, len(messages))
	requests := make(map[int]*postilionv1.SendRequest, len(messages))
	for n, m := range messages {
		requests[n] = m.Request()
		if requests[n].IdempotencyKey == "" {
			requests[n].IdempotencyKey = rand.Text()
		}
	}
	c.batch(ctx, requests, results)
	for n := range results {
		if failure := results[n].Err; failure == nil || failure.Code != codes.Unavailable {
			delete(requests, n)
		}
	}
	if len(requests) > 0 && c.ready(ctx, 0) {
		c.batch(ctx, requests, results)
	}
	return results
}

// batch sends requests over a stream and puts down their results.
func (c *Client) batch(ctx context.Context, requests map[int]*postilionv1.SendRequest, results []BatchResult) {
	open := make(map[int]bool, len(requests))
	for n := range requests {
		open[n] = true
	}
	err := c.stream(ctx, requests, func(n int, r BatchResult) {
		if open[n] {
			delete(open, n)
			results[n] = r
		}
	})
	if err == nil {
		err = status.Error(codes.Internal, "the daemon did not answer for this message")
	}
	for n := range open {
		results[n] = BatchResult{Err: AsError(err)}
	}
}

// stream sends requests, and gives each answer, until all are there.
func (c *Client) stream(ctx context.Context, requests map[int]*postilionv1.SendRequest, answered func(int, BatchResult)) error {
	ctx, cancel := context.WithCancel(ctx)
	sent := make(chan struct{})
	defer func() { cancel(); <-sent }()
	stream, err := c.Mailer.SendBatch(ctx)
	if err != nil {
		close(sent)
		return err
	}
	go func() {
		defer close(sent)
		for n, request := range requests {
			item := &postilionv1.SendBatchRequest{CorrelationId: strconv.Itoa(n), Send: request}
			if stream.Send(item) != nil {
				return // Recv says why
			}
		}
		_ = stream.CloseSend()
	}()
	for {
		answer, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		n, err := strconv.Atoi(answer.GetCorrelationId())
		if err != nil {
			return status.Errorf(codes.Internal, "the daemon answers for %.100q, which was not sent", answer.GetCorrelationId())
		}
		if failure := answer.GetError(); failure != nil {
			answered(n, BatchResult{Err: batchError(failure)})
		} else {
			answered(n, BatchResult{Receipt: answer.GetAccepted()})
		}
	}
}

func batchError(e *postilionv1.BatchError) *Error {
	code := codes.Code(e.GetCode())
	result := &Error{Code: code, Message: e.GetMessage(), cause: status.Error(code, e.GetMessage())}
	result.take(e.GetDetail())
	return result
}
