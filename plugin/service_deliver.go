package plugin

import (
	"context"
	"errors"
	"sync"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	pluginv1 "github.com/postilion-mail/postilion/proto/gen/postilion/plugin/v1"
)

type deliverServer = grpc.BidiStreamingServer[pluginv1.DeliverRequest, pluginv1.DeliverResponse]

var errCutShort = errors.New("the delivery was ended before its content was there")

// Deliver implements TransportService.
func (s *service) Deliver(stream deliverServer) error {
	first, err := stream.Recv()
	if err != nil {
		return err
	}
	if first.GetDelivery() == nil {
		return status.Error(codes.InvalidArgument, "delivery: is missing in the first message")
	}
	i, err := s.instance(first.GetDelivery().GetInstance())
	if err != nil {
		return err
	}
	kept, err := newSpool(first.GetDelivery().GetSize())
	if err != nil {
		return answer(stream, nil, err)
	}
	defer kept.close()
	if err := collect(kept, first, stream); err != nil {
		if _, broken := status.FromError(err); broken {
			return err
		}
		return answer(stream, nil, err)
	}
	delivery := deliveryFrom(first.GetDelivery())
	delivery.Content = kept.content()

	ctx, cancel := within(stream.Context(), first.GetDelivery().GetTimeout())
	defer cancel()
	p := &permission{stream: stream, ctx: ctx, answers: make(chan *pluginv1.CommitAnswer, 1)}
	go p.listen(cancel)
	var outcomes []Outcome
	err = protect(func() (err error) {
		outcomes, err = i.Deliver(ctx, delivery, p.ask)
		return err
	})
	return answer(stream, outcomes, err)
}

// collect takes the content. Errors of the call are gRPC's.
func collect(kept *spool, m *pluginv1.DeliverRequest, stream deliverServer) error {
	for {
		if m.GetCancel() != nil {
			return errCutShort
		}
		if err := kept.add(m.GetContent()); err != nil {
			return err
		}
		if kept.whole() {
			return nil
		}
		var err error
		if m, err = stream.Recv(); err != nil {
			return status.Error(codes.Aborted, "content: ended before the size was reached")
		}
	}
}

func answer(stream deliverServer, outcomes []Outcome, err error) error {
	result := &pluginv1.DeliverResult{Failure: failureTo(err)}
	for n := range outcomes {
		result.Outcomes = append(result.Outcomes, outcomeTo(&outcomes[n]))
	}
	return stream.Send(&pluginv1.DeliverResponse{Step: &pluginv1.DeliverResponse_Result{Result: result}})
}

// permission is asked of the daemon before the point of no return.
type permission struct {
	stream  deliverServer
	ctx     context.Context // of the delivery
	answers chan *pluginv1.CommitAnswer

	once sync.Once
	err  error
}

// listen takes what the daemon says during the delivery. It ends with the call.
func (p *permission) listen(cancel context.CancelFunc) {
	defer close(p.answers)
	answered := false
	for {
		m, err := p.stream.Recv()
		if err != nil {
			return
		}
		if m.GetCommitAnswer() != nil && !answered {
			answered = true
			p.answers <- m.GetCommitAnswer()
		}
		if m.GetCancel() != nil {
			cancel()
		}
	}
}

// ask is what the transport calls committing.
func (p *permission) ask() error {
	p.once.Do(func() { p.err = p.request() })
	return p.err
}

func (p *permission) request() error {
	if err := p.ctx.Err(); err != nil {
		return err
	}
	err := p.stream.Send(&pluginv1.DeliverResponse{Step: &pluginv1.DeliverResponse_Committing{Committing: &pluginv1.Committing{}}})
	if err != nil {
		return err
	}
	select {
	case a, ok := <-p.answers:
		switch {
		case !ok:
			return errors.New("the daemon gave no answer to committing")
		case !a.GetGo():
			return told(a.GetReason())
		}
		return nil
	case <-p.ctx.Done():
		return p.ctx.Err()
	}
}
