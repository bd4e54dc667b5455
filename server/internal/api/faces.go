package api

import (
	"context"
	"errors"
	"io"
	"net/http"

	"connectrpc.com/connect"
	"google.golang.org/grpc"

	postilionv1 "github.com/postilion-mail/postilion/proto/gen/postilion/v1"
	"github.com/postilion-mail/postilion/proto/gen/postilion/v1/postilionv1connect"
)

// RegisterGRPC puts the services on a gRPC server.
func (a *API) RegisterGRPC(s grpc.ServiceRegistrar) {
	g := grpcAPI{API: a}
	postilionv1.RegisterMailerServiceServer(s, g)
	postilionv1.RegisterConnectionServiceServer(s, g)
	postilionv1.RegisterMessageServiceServer(s, g)
	postilionv1.RegisterAdminServiceServer(s, g)
	postilionv1.RegisterPluginServiceServer(s, g)
}

// Handle puts the services on a mux. MailerService takes the strict options,
// under which unknown JSON fields are refused.
func (a *API) Handle(mux *http.ServeMux, strict, lenient []connect.HandlerOption) {
	c := connectAPI{API: a}
	mux.Handle(postilionv1connect.NewMailerServiceHandler(c, strict...))
	mux.Handle(postilionv1connect.NewConnectionServiceHandler(c, lenient...))
	mux.Handle(postilionv1connect.NewMessageServiceHandler(c, lenient...))
	mux.Handle(postilionv1connect.NewAdminServiceHandler(c, lenient...))
	mux.Handle(postilionv1connect.NewPluginServiceHandler(c, lenient...))
}

// grpcAPI adapts the streams to gRPC.
type grpcAPI struct {
	*API
	postilionv1.UnsafeMailerServiceServer
	postilionv1.UnsafeConnectionServiceServer
	postilionv1.UnsafeMessageServiceServer
	postilionv1.UnsafeAdminServiceServer
	postilionv1.UnsafePluginServiceServer
}

func (g grpcAPI) SendBatch(s grpc.BidiStreamingServer[postilionv1.SendBatchRequest, postilionv1.SendBatchResponse]) error {
	return g.sendBatch(s.Context(), s)
}

func (g grpcAPI) WatchEvents(req *postilionv1.WatchEventsRequest, s grpc.ServerStreamingServer[postilionv1.WatchEventsResponse]) error {
	return g.watchEvents(s.Context(), req, s.Send)
}

// connectAPI adapts the streams to Connect.
type connectAPI struct{ *API }

func (c connectAPI) SendBatch(ctx context.Context, s *connect.BidiStream[postilionv1.SendBatchRequest, postilionv1.SendBatchResponse]) error {
	return c.sendBatch(ctx, connectStream{s})
}

func (c connectAPI) WatchEvents(ctx context.Context, req *postilionv1.WatchEventsRequest, s *connect.ServerStream[postilionv1.WatchEventsResponse]) error {
	return c.watchEvents(ctx, req, s.Send)
}

type connectStream struct {
	*connect.BidiStream[postilionv1.SendBatchRequest, postilionv1.SendBatchResponse]
}

func (s connectStream) Recv() (*postilionv1.SendBatchRequest, error) {
	m, err := s.Receive()
	if errors.Is(err, io.EOF) {
		return nil, io.EOF
	}
	return m, err
}
