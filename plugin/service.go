package plugin

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"runtime/debug"
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	pluginv1 "github.com/postilion-mail/postilion/proto/gen/postilion/plugin/v1"
)

// service serves a transport to the daemon.
type service struct {
	pluginv1.UnimplementedTransportServiceServer
	transport Transport

	mu        sync.Mutex
	instances map[string]Instance
}

func newService(t Transport) *service {
	return &service{transport: t, instances: make(map[string]Instance)}
}

// protect turns a panic of the transport into ErrCrashed, so that the other
// deliveries go on.
func protect(call func() error) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("%w: %v\n%s", ErrCrashed, r, debug.Stack())
		}
	}()
	return call()
}

func (s *service) instance(id string) (Instance, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if i := s.instances[id]; i != nil {
		return i, nil
	}
	return nil, status.Error(codes.NotFound, "instance: there is none of this name; open it")
}

// Describe implements TransportService.
func (s *service) Describe(context.Context, *pluginv1.DescribeRequest) (*pluginv1.DescribeResponse, error) {
	var d Description
	if err := protect(func() error { d = s.transport.Describe(); return nil }); err != nil {
		return nil, status.Error(codes.Internal, clean(err.Error()))
	}
	return descriptionTo(d), nil
}

// Open implements TransportService.
func (s *service) Open(ctx context.Context, r *pluginv1.OpenRequest) (*pluginv1.OpenResponse, error) {
	var opened Instance
	err := protect(func() (err error) {
		opened, err = s.transport.Open(ctx, settingsFrom(r))
		return err
	})
	if err == nil && opened == nil {
		err = errors.New("the transport opened nothing")
	}
	if setting := (*SettingError)(nil); errors.As(err, &setting) {
		return &pluginv1.OpenResponse{Result: &pluginv1.OpenResponse_SettingError{
			SettingError: &pluginv1.SettingError{Field: clean(setting.Field), Reason: clean(setting.Reason)},
		}}, nil
	}
	if err != nil {
		return &pluginv1.OpenResponse{Result: &pluginv1.OpenResponse_Failure{Failure: failureTo(err)}}, nil
	}
	id := rand.Text()
	s.mu.Lock()
	s.instances[id] = opened
	s.mu.Unlock()
	return &pluginv1.OpenResponse{Result: &pluginv1.OpenResponse_Instance{Instance: id}}, nil
}

// Check implements TransportService.
func (s *service) Check(r *pluginv1.CheckRequest, stream grpc.ServerStreamingServer[pluginv1.CheckResponse]) error {
	i, err := s.instance(r.GetInstance())
	if err != nil {
		return err
	}
	request := CheckRequest{Sender: r.GetSender(), Recipient: r.GetRecipient(), LoginOnly: r.GetLoginOnly()}
	if r.GetMessage() != nil {
		kept := &spool{size: r.GetMessage().GetSize(), memory: r.GetContent(), have: int64(len(r.GetContent()))}
		if !kept.whole() {
			return status.Error(codes.InvalidArgument, "content: has not the size that the message names")
		}
		request.Message = deliveryFrom(r.GetMessage())
		request.Message.Content = kept.content()
	}
	ctx, cancel := within(stream.Context(), r.GetTimeout())
	defer cancel()
	var mu sync.Mutex
	report := func(stage Stage) {
		mu.Lock()
		defer mu.Unlock()
		_ = stream.Send(&pluginv1.CheckResponse{Step: &pluginv1.CheckResponse_Stage{Stage: stageTo(stage)}}) // ends ctx if it fails
	}
	if err := protect(func() error { return i.Check(ctx, request, report) }); err != nil {
		mu.Lock()
		defer mu.Unlock()
		return stream.Send(&pluginv1.CheckResponse{Step: &pluginv1.CheckResponse_Failure{Failure: failureTo(err)}})
	}
	return nil
}

// Close implements TransportService.
func (s *service) Close(_ context.Context, r *pluginv1.CloseRequest) (*pluginv1.CloseResponse, error) {
	i, err := s.instance(r.GetInstance())
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	delete(s.instances, r.GetInstance())
	s.mu.Unlock()
	return &pluginv1.CloseResponse{Failure: failureTo(protect(i.Close))}, nil
}

// end closes what is still open, and waits for it no longer than patience.
func (s *service) end(patience time.Duration) {
	s.mu.Lock()
	open := s.instances
	s.instances = make(map[string]Instance)
	s.mu.Unlock()
	done := make(chan struct{})
	go func() {
		defer close(done)
		var all sync.WaitGroup
		for _, i := range open {
			all.Go(func() { _ = protect(i.Close) })
		}
		all.Wait()
	}()
	select {
	case <-done:
	case <-time.After(patience):
	}
}
