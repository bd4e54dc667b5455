package plugin

import (
	"context"
	"errors"
	"io"
	"sync"

	"google.golang.org/grpc"

	pluginv1 "github.com/postilion-mail/postilion/proto/gen/postilion/plugin/v1"
)

// partSize is how much content one message carries, in octets.
const partSize = 128 << 10

// Deliver implements Instance.
func (i *remoteInstance) Deliver(ctx context.Context, d *Delivery, committing func() error) ([]Outcome, error) {
	call, hangUp := i.lingering(ctx)
	defer hangUp()
	stream, err := i.client.Deliver(call)
	if err != nil {
		return nil, callError(call, err)
	}
	s := &sending{stream: stream, content: d.Content, size: d.Size, hangUp: hangUp, sent: make(chan struct{})}
	s.begin(deliveryTo(i.id, timeLeft(ctx), d))
	defer context.AfterFunc(ctx, func() { _ = s.say(&pluginv1.DeliverRequest{Cancel: &pluginv1.Cancel{}}) })()
	outcomes, err := s.receive(call, committing)
	if err == nil && len(outcomes) > len(d.Envelope.Recipients) {
		outcomes, err = nil, broken("it has outcomes for recipients that it was not given")
	}
	cut := call.Err() != nil
	hangUp()
	<-s.sent // the content is valid until we return
	switch {
	case s.err != nil:
		return nil, s.err
	case err != nil && cut && ctx.Err() != nil && errors.As(err, new(streamError)):
		return nil, late(ctx)
	case err != nil && s.refused != nil:
		err = refusedError{err, s.refused}
	}
	return outcomes, err
}

// refusedError has in its chain why the daemon did not let the message go.
type refusedError struct {
	error
	cause error
}

func (e refusedError) Unwrap() []error { return []error{e.error, e.cause} }

// streamError is an error of the call, not of the delivery.
type streamError struct{ error }

func (e streamError) Unwrap() error { return e.error }

// sending is the daemon's side of a delivery.
type sending struct {
	stream  grpc.BidiStreamingClient[pluginv1.DeliverRequest, pluginv1.DeliverResponse]
	content io.ReaderAt
	size    int64
	hangUp  context.CancelFunc
	sent    chan struct{} // closed when no more content is sent
	err     error         // of the content; to be read after sent
	refused error         // what committing returned

	mu sync.Mutex // for sending
}

// say sends one message. Errors of the stream are seen by receive.
func (s *sending) say(m *pluginv1.DeliverRequest) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.stream.Send(m)
}

// begin sends the delivery with the first part of its content, and has the
// rest sent by a goroutine, if there is any: most messages have none.
func (s *sending) begin(d *pluginv1.Delivery) {
	part := make([]byte, min(partSize, s.size))
	if !s.part(&pluginv1.DeliverRequest{Delivery: d}, part, 0) || s.size <= int64(len(part)) {
		close(s.sent)
		return
	}
	go func() {
		defer close(s.sent)
		for offset := int64(len(part)); offset < s.size; offset += int64(len(part)) {
			if !s.part(&pluginv1.DeliverRequest{}, part[:min(int64(len(part)), s.size-offset)], offset) {
				return
			}
		}
	}()
}

// part sends content from an offset.
func (s *sending) part(m *pluginv1.DeliverRequest, part []byte, offset int64) bool {
	if err := readAll(s.content, part, offset); err != nil {
		s.err = err
		s.hangUp()
		return false
	}
	m.Content = part
	return s.say(m) == nil
}

// receive takes what the plugin says until the result.
func (s *sending) receive(call context.Context, committing func() error) ([]Outcome, error) {
	asked := false
	for {
		m, err := s.stream.Recv()
		if errors.Is(err, io.EOF) {
			return nil, broken("the delivery ended without a result")
		}
		if err != nil {
			return nil, streamError{callError(call, err)}
		}
		switch step := m.GetStep().(type) {
		case *pluginv1.DeliverResponse_Result:
			return results(step.Result)
		case *pluginv1.DeliverResponse_Committing:
			if asked {
				return nil, broken("committing came twice")
			}
			asked = true
			answer := &pluginv1.CommitAnswer{Go: true}
			if s.refused = committing(); s.refused != nil {
				answer = &pluginv1.CommitAnswer{Reason: clean(s.refused.Error())}
			}
			select {
			case <-s.sent: // not before the whole content
				_ = s.say(&pluginv1.DeliverRequest{CommitAnswer: answer})
			case <-call.Done():
			}
		default:
			return nil, broken("a step of the delivery is empty")
		}
	}
}

func results(r *pluginv1.DeliverResult) ([]Outcome, error) {
	outcomes := make([]Outcome, len(r.GetOutcomes()))
	for n, o := range r.GetOutcomes() {
		outcomes[n] = outcomeFrom(o)
	}
	return outcomes, failureFrom(r.GetFailure())
}
