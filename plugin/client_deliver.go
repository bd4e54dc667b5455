package plugin

import (
	"context"
	"errors"
	"io"

	"google.golang.org/grpc"

	pluginv1 "github.com/postilion-mail/postilion/proto/gen/postilion/plugin/v1"
)

// partSize is how much content one message carries, in octets.
const partSize = 128 << 10

// Deliver implements Instance.
func (i *remoteInstance) Deliver(ctx context.Context, d *Delivery, committing func() error) ([]Outcome, error) {
	call, hangUp := i.lingering(ctx)
	stream, err := i.client.Deliver(call)
	if err != nil {
		hangUp()
		return nil, callError(err)
	}
	s := &sending{
		stream: stream, content: d.Content, size: d.Size, hangUp: hangUp,
		answers: make(chan *pluginv1.CommitAnswer, 1), done: make(chan struct{}),
	}
	go s.run(ctx, call, deliveryTo(i.id, timeLeft(ctx), d))
	outcomes, err := s.receive(committing)
	if err == nil && len(outcomes) > len(d.Envelope.Recipients) {
		outcomes, err = nil, broken("it has outcomes for recipients that it was not given")
	}
	cut := call.Err() != nil
	hangUp()
	<-s.done // the content is valid until we return
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

// sending is the daemon's side of a delivery. One goroutine sends, as gRPC
// wants it.
type sending struct {
	stream  grpc.BidiStreamingClient[pluginv1.DeliverRequest, pluginv1.DeliverResponse]
	content io.ReaderAt
	size    int64
	hangUp  context.CancelFunc
	answers chan *pluginv1.CommitAnswer
	done    chan struct{} // closed when nothing is sent any more
	err     error         // of the content; to be read after done
	refused error         // what committing returned
}

// run sends the delivery, its content, and what is to be said later. Errors of
// the stream are seen by receive.
func (s *sending) run(ctx, call context.Context, d *pluginv1.Delivery) {
	defer close(s.done)
	m := &pluginv1.DeliverRequest{Delivery: d}
	part := make([]byte, min(partSize, s.size))
	for offset := int64(0); ; {
		m.Content = part[:min(int64(len(part)), s.size-offset)]
		if err := readAll(s.content, m.Content, offset); err != nil {
			s.err = err
			s.hangUp()
			return
		}
		if s.stream.Send(m) != nil {
			return
		}
		offset += int64(len(m.Content))
		if offset >= s.size || ctx.Err() != nil {
			break
		}
		m = &pluginv1.DeliverRequest{}
	}
	answers, ended := s.answers, ctx.Done()
	for {
		select {
		case a := <-answers:
			m, answers = &pluginv1.DeliverRequest{CommitAnswer: a}, nil
		case <-ended:
			m, ended = &pluginv1.DeliverRequest{Cancel: &pluginv1.Cancel{}}, nil
		case <-call.Done():
			return
		}
		if s.stream.Send(m) != nil {
			return
		}
	}
}

// receive takes what the plugin says until the result.
func (s *sending) receive(committing func() error) ([]Outcome, error) {
	asked := false
	for {
		m, err := s.stream.Recv()
		if errors.Is(err, io.EOF) {
			return nil, broken("the delivery ended without a result")
		}
		if err != nil {
			return nil, streamError{callError(err)}
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
			s.answers <- answer
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
