package sdk

import (
	"context"
	"errors"
	"io"
	"iter"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"

	postilionv1 "github.com/postilion-mail/postilion/proto/gen/postilion/v1"
)

// longestPause is between two attempts to reach the daemon again.
const longestPause = 2 * time.Second

// Watch gives events as they happen, until ctx ends or the loop is left. A
// daemon that is away for a while is waited for: Watch goes on after the last
// event that it gave. Other errors come once, as *Error, and end it; the end
// of ctx is none.
//
// Whoever must not miss any keeps the sequence number of the last event dealt
// with and sets AfterSequence to it. Without AfterSequence, what happens while
// the daemon is away is missed if no event came before.
func (c *Client) Watch(ctx context.Context, request *postilionv1.WatchEventsRequest) iter.Seq2[*postilionv1.Event, error] {
	return func(yield func(*postilionv1.Event, error) bool) {
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		request := proto.CloneOf(request)
		for pause := retryPause; ; pause = min(2*pause, longestPause) {
			before := request.AfterSequence
			left, err := c.watch(ctx, request, yield)
			if left || ctx.Err() != nil {
				return
			}
			if failure := AsError(err); failure.Code != codes.Unavailable && !errors.Is(err, io.EOF) {
				yield(nil, failure)
				return
			}
			if request.AfterSequence != before {
				pause = retryPause
			}
			select {
			case <-ctx.Done():
				return
			case <-time.After(pause):
			}
		}
	}
}

// watch gives the events of one stream, and notes the last one in the request.
// It tells whether the loop was left.
func (c *Client) watch(ctx context.Context, request *postilionv1.WatchEventsRequest, yield func(*postilionv1.Event, error) bool) (left bool, err error) {
	stream, err := c.Messages.WatchEvents(ctx, request)
	if err != nil {
		return false, err
	}
	for {
		answer, err := stream.Recv()
		if err != nil {
			return false, err
		}
		if !yield(answer.GetEvent(), nil) {
			return true, nil
		}
		request.AfterSequence = proto.Int64(answer.GetEvent().GetSequence())
	}
}
