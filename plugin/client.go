package plugin

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	pluginv1 "github.com/postilion-mail/postilion/proto/gen/postilion/plugin/v1"
)

// grace is how long a plugin has to answer after it was told to end a call.
const grace = 3 * time.Second

// maxStages is how many stages a test may have.
const maxStages = 100

// Connect gives the transport that a plugin's process serves over a
// connection. It is for those who run plugins, not for their authors. Its
// error tells that the plugin cannot be used.
//
// An error of the transport's methods has ErrCrashed in its chain if the
// process ended during the call. The transport does not start it again.
func Connect(ctx context.Context, conn grpc.ClientConnInterface) (Transport, error) {
	client := pluginv1.NewTransportServiceClient(conn)
	response, err := client.Describe(ctx, &pluginv1.DescribeRequest{})
	if err != nil {
		return nil, fmt.Errorf("describe: %w", callError(ctx, err))
	}
	r := &remote{client: client, description: descriptionFrom(response), grace: grace}
	if err := r.description.Validate(); err != nil {
		return nil, fmt.Errorf("describe: %w", err)
	}
	return r, nil
}

// remote is a transport in another process.
type remote struct {
	client      pluginv1.TransportServiceClient
	description Description
	grace       time.Duration
}

// Describe implements Transport.
func (r *remote) Describe() Description { return r.description }

// Open implements Transport.
func (r *remote) Open(ctx context.Context, s Settings) (Instance, error) {
	request, err := settingsTo(s)
	if err != nil {
		return nil, err
	}
	response, err := r.client.Open(ctx, request)
	if err != nil {
		return nil, callError(ctx, err)
	}
	switch result := response.GetResult().(type) {
	case *pluginv1.OpenResponse_Instance:
		return &remoteInstance{remote: r, id: result.Instance}, nil
	case *pluginv1.OpenResponse_SettingError:
		return nil, &SettingError{Field: clean(result.SettingError.GetField()), Reason: clean(result.SettingError.GetReason())}
	case *pluginv1.OpenResponse_Failure:
		return nil, failureFrom(result.Failure)
	}
	return nil, broken("open has no result")
}

// remoteInstance is an instance in another process.
type remoteInstance struct {
	*remote
	id string
}

// Check implements Instance.
func (i *remoteInstance) Check(ctx context.Context, r CheckRequest, report func(Stage)) error {
	request := &pluginv1.CheckRequest{Instance: i.id, Sender: r.Sender, Recipient: r.Recipient, LoginOnly: r.LoginOnly, Timeout: durationTo(timeLeft(ctx))}
	if r.Message != nil {
		request.Message = deliveryTo(i.id, 0, r.Message)
		request.Content = make([]byte, r.Message.Size)
		if err := readAll(r.Message.Content, request.Content, 0); err != nil {
			return err
		}
	}
	call, hangUp := i.lingering(ctx)
	defer hangUp()
	stream, err := i.client.Check(call, request)
	if err != nil {
		return callError(call, err)
	}
	for stages := 0; ; stages++ {
		m, err := stream.Recv()
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case err == nil && stages == maxStages:
			return broken("the test has too many stages")
		case err != nil && call.Err() != nil:
			return late(ctx)
		case err != nil:
			return callError(call, err)
		}
		switch step := m.GetStep().(type) {
		case *pluginv1.CheckResponse_Stage:
			report(stageFrom(step.Stage))
		case *pluginv1.CheckResponse_Failure:
			return failureFrom(step.Failure)
		}
	}
}

// Close implements Instance. An instance whose process has ended is closed.
func (i *remoteInstance) Close() error {
	ctx, cancel := context.WithTimeout(context.Background(), i.grace)
	defer cancel()
	response, err := i.client.Close(ctx, &pluginv1.CloseRequest{Instance: i.id})
	switch status.Code(err) {
	case codes.OK:
		return failureFrom(response.GetFailure())
	case codes.Unavailable, codes.NotFound, codes.Canceled:
		return nil
	}
	return callError(ctx, err)
}

// lingering gives the context of a call that the plugin may end by itself
// when ctx ends, before it is cut off.
func (r *remote) lingering(ctx context.Context) (context.Context, context.CancelFunc) {
	call, cancel := context.WithCancel(context.WithoutCancel(ctx))
	stop := context.AfterFunc(ctx, func() {
		timer := time.AfterFunc(r.grace, cancel)
		context.AfterFunc(call, func() { timer.Stop() })
	})
	return call, func() { stop(); cancel() }
}

// ErrHung in an error's chain says that the plugin did not end a call that it
// was told to end.
var ErrHung = errors.New("the plugin did not end the call in time")

// late is the error of a call that the plugin did not end.
func late(ctx context.Context) error { return fmt.Errorf("%w: %w", ErrHung, context.Cause(ctx)) }

// callError tells what an error of gRPC means for a call with a context. A
// call that was cancelled though its context was not has lost its connection:
// whoever runs the plugin has seen its end before the call did.
func callError(ctx context.Context, err error) error {
	s := status.Convert(err)
	ended := s.Code() == codes.Unavailable || s.Code() == codes.Canceled && ctx.Err() == nil
	if ended {
		return fmt.Errorf("%w: its process has ended", ErrCrashed)
	}
	switch text := clean(s.Message()); s.Code() {
	case codes.Canceled, codes.DeadlineExceeded:
		return fmt.Errorf("the plugin did not answer in time: %w", err)
	case codes.Unimplemented:
		return errors.New("the plugin does not serve postilion.plugin.v1: " + text)
	case codes.NotFound:
		return fmt.Errorf("%w: %s", ErrNoInstance, text)
	default:
		return broken(s.Code().String() + ": " + text)
	}
}

// ErrNoInstance in an error's chain says that the plugin does not know the
// instance: it was closed, or its process is another one by now. Opening it
// again helps.
var ErrNoInstance = errors.New("the plugin has no such instance")

// broken is the error of a plugin that does not keep to the protocol.
type broken string

func (e broken) Error() string { return "the plugin breaks the protocol: " + string(e) }

// readAll fills p from an offset; a content that is shorter is an error.
func readAll(content io.ReaderAt, p []byte, offset int64) error {
	n, err := content.ReadAt(p, offset)
	if n == len(p) {
		return nil
	}
	if err == nil || errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	return fmt.Errorf("content: %w", err)
}
