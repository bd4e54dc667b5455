package face

import (
	"context"
	"crypto/tls"
	"errors"
	"math"
	"net"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/keepalive"
	"google.golang.org/grpc/peer"
	"google.golang.org/grpc/tap"

	"github.com/postilion-mail/postilion/server/internal/auth"
)

// Options are common to both faces.
type Options struct {
	Gate *auth.Gate
	// MaxMessage bounds a request, in octets of its binary form.
	MaxMessage int
	// Observe is told of every call that passed the gate.
	Observe Observer
}

// NewGRPC makes the gRPC face. It serves on Listeners of this package only.
func NewGRPC(o Options, more ...grpc.ServerOption) *grpc.Server {
	options := []grpc.ServerOption{
		grpc.Creds(peerCredentials{}),
		grpc.InTapHandle(func(ctx context.Context, info *tap.Info) (context.Context, error) {
			return o.Gate.Enter(ctx, peerOf(ctx), "grpc", info.FullMethodName, first(info.Header.Get("authorization")))
		}),
		grpc.MaxRecvMsgSize(o.MaxMessage),
		grpc.MaxSendMsgSize(math.MaxInt32),
		grpc.MaxConcurrentStreams(128),
		grpc.MaxHeaderListSize(16 << 10),
		grpc.ConnectionTimeout(10 * time.Second),
		grpc.KeepaliveEnforcementPolicy(keepalive.EnforcementPolicy{MinTime: 30 * time.Second, PermitWithoutStream: true}),
		grpc.KeepaliveParams(keepalive.ServerParameters{Time: 2 * time.Minute}),
		grpc.ChainUnaryInterceptor(o.unary),
		grpc.ChainStreamInterceptor(o.stream),
	}
	return grpc.NewServer(append(options, more...)...)
}

func first(values []string) string {
	if len(values) == 0 {
		return ""
	}
	return values[0]
}

func (o Options) unary(ctx context.Context, req any, info *grpc.UnaryServerInfo, handler grpc.UnaryHandler) (answer any, err error) {
	defer o.Observe.call(ctx, info.FullMethod, time.Now(), &err)
	return handler(ctx, req)
}

func (o Options) stream(srv any, stream grpc.ServerStream, info *grpc.StreamServerInfo, handler grpc.StreamHandler) (err error) {
	defer o.Observe.call(stream.Context(), info.FullMethod, time.Now(), &err)
	return handler(srv, stream)
}

// peerOf finds the peer that the handshake left.
func peerOf(ctx context.Context) auth.Peer {
	if p, ok := peer.FromContext(ctx); ok {
		if info, ok := p.AuthInfo.(peerInfo); ok {
			return info.peer
		}
	}
	return auth.Peer{UID: -1}
}

// peerCredentials carries the peer of a Conn into gRPC, after a TLS handshake
// where the listener asks for one.
type peerCredentials struct{}

type peerInfo struct {
	credentials.CommonAuthInfo
	peer auth.Peer
}

func (peerInfo) AuthType() string { return "postilion" }

func (peerCredentials) ServerHandshake(raw net.Conn) (net.Conn, credentials.AuthInfo, error) {
	conn, ok := raw.(*Conn)
	if !ok {
		return nil, nil, errors.New("a connection of another listener")
	}
	info := peerInfo{CommonAuthInfo: credentials.CommonAuthInfo{SecurityLevel: credentials.PrivacyAndIntegrity}, peer: conn.Peer}
	if conn.tls == nil {
		return conn, info, nil
	}
	secure, _, err := credentials.NewTLS(conn.tls).ServerHandshake(conn)
	return secure, info, err
}

func (peerCredentials) ClientHandshake(context.Context, string, net.Conn) (net.Conn, credentials.AuthInfo, error) {
	return nil, nil, errors.New("for servers only")
}

func (peerCredentials) Info() credentials.ProtocolInfo {
	return credentials.ProtocolInfo{SecurityProtocol: "tls"}
}
func (c peerCredentials) Clone() credentials.TransportCredentials { return c }
func (peerCredentials) OverrideServerName(string) error           { return nil }

// ServerTLS makes the TLS settings of a TCP listener from a certificate.
func ServerTLS(certificate tls.Certificate, protocols ...string) *tls.Config {
	return &tls.Config{
		Certificates: []tls.Certificate{certificate},
		MinVersion:   tls.VersionTLS12,
		NextProtos:   protocols,
	}
}
