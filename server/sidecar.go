package server

import (
	"context"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/types/known/emptypb"
)

// controller is the service by which a host of hashicorp/go-plugin ends what
// it has launched (grpc_controller.proto there). Its empty messages are on the
// wire as those of emptypb are. The gate lets only admins call it.
type controller interface{ shutdown() }

// shutdownFunc implements controller.
type shutdownFunc func()

func (f shutdownFunc) shutdown() { f() }

func registerController(registrar grpc.ServiceRegistrar, shutdown func()) {
	registrar.RegisterService(&grpc.ServiceDesc{
		ServiceName: "plugin.GRPCController",
		HandlerType: (*controller)(nil),
		Methods:     []grpc.MethodDesc{{MethodName: "Shutdown", Handler: handleShutdown}},
	}, shutdownFunc(shutdown))
}

// handleShutdown answers before the daemon begins to stop, or while it does.
func handleShutdown(service any, ctx context.Context, decode func(any) error, interceptor grpc.UnaryServerInterceptor) (any, error) {
	request := new(emptypb.Empty)
	if err := decode(request); err != nil {
		return nil, err
	}
	call := func(context.Context, any) (any, error) {
		service.(controller).shutdown()
		return new(emptypb.Empty), nil
	}
	if interceptor == nil {
		return call(ctx, request)
	}
	return interceptor(ctx, request, &grpc.UnaryServerInfo{Server: service, FullMethod: "/plugin.GRPCController/Shutdown"}, call)
}
