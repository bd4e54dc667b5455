package plugin

import (
	"context"
	"errors"
	"os"
	"os/signal"
	"runtime/debug"
	"strconv"
	"syscall"
	"time"

	"github.com/hashicorp/go-hclog"
	goplugin "github.com/hashicorp/go-plugin"
	"google.golang.org/grpc"

	pluginv1 "github.com/postilion-mail/postilion/proto/gen/postilion/plugin/v1"
)

const (
	// MaxMessage is the largest message that a plugin takes, in octets: above
	// the largest content that the daemon can be set to.
	MaxMessage = 64 << 20
	// HostPID is the environment variable that has the daemon's process id,
	// so that a plugin notices when the daemon is gone.
	HostPID = "POSTILION_HOST_PID"
	// Name is what transports are called in go-plugin's sets.
	Name = "transport"

	cookieKey   = "POSTILION_PLUGIN"
	cookieValue = "transport"
	// describeTimeout bounds the first call after the start.
	describeTimeout = 10 * time.Second
	// closeTimeout is less than the time after which go-plugin kills.
	closeTimeout = time.Second
	watchEvery   = time.Second
	// gcPercent lets the small heap of a transport grow to some more megabytes
	// between collections, which would take a third of its time otherwise.
	gcPercent = 400
)

// ErrHostGone is what Serve returns when the daemon has ended without having
// ended the plugin.
var ErrHostGone = errors.New("the daemon is gone")

// Handshake is what daemon and plugin agree upon before they talk. It is for
// those who run plugins, and for plugins in other languages: they find the
// cookie in their environment.
func Handshake() goplugin.HandshakeConfig {
	return goplugin.HandshakeConfig{MagicCookieKey: cookieKey, MagicCookieValue: cookieValue}
}

// Protocols are the versions of the protocol that there are, for a client of
// go-plugin. Dispensing Name gives a Transport.
func Protocols() map[int]goplugin.PluginSet { return protocols(nil) }

func protocols(s *service) map[int]goplugin.PluginSet {
	return map[int]goplugin.PluginSet{1: {Name: bridge{service: s}}}
}

// bridge makes go-plugin serve and dispense transports.
type bridge struct {
	goplugin.NetRPCUnsupportedPlugin
	service *service
}

// GRPCServer implements goplugin.GRPCPlugin.
func (b bridge) GRPCServer(_ *goplugin.GRPCBroker, server *grpc.Server) error {
	pluginv1.RegisterTransportServiceServer(server, b.service)
	return nil
}

// GRPCClient implements goplugin.GRPCPlugin.
func (bridge) GRPCClient(ctx context.Context, _ *goplugin.GRPCBroker, conn *grpc.ClientConn) (any, error) {
	ctx, cancel := context.WithTimeout(ctx, describeTimeout)
	defer cancel()
	return Connect(ctx, conn)
}

// launched tells whether a daemon has started this process.
func launched() bool { return os.Getenv(cookieKey) == cookieValue }

// Serve makes the program a plugin. It is what main calls, and returns when
// the daemon has ended the plugin, or ErrHostGone when the daemon is no more;
// main is to return then. A panic in a call of the transport fails that call
// only.
//
// Without the daemon, the program's arguments say what to do, for trying a
// transport out; without arguments Serve tells which there are.
func Serve(t Transport) error {
	if !launched() {
		return debugMode(context.Background(), t, os.Args[1:], os.Stdin, os.Stdout)
	}
	// A terminal's Ctrl-C and a service manager's stop signal reach the whole
	// process group. The daemon lets deliveries finish and ends us then.
	signal.Notify(make(chan os.Signal, 1), syscall.SIGTERM)

	if os.Getenv("GOGC") == "" && os.Getenv("GOMEMLIMIT") == "" {
		debug.SetGCPercent(gcPercent)
	}
	s := newService(t)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		goplugin.Serve(&goplugin.ServeConfig{
			HandshakeConfig:  Handshake(),
			VersionedPlugins: protocols(s),
			GRPCServer:       newServer,
			Logger:           hclog.New(&hclog.LoggerOptions{Name: "go-plugin", Level: hclog.Warn, Output: os.Stderr, JSONFormat: true}),
		})
	}()
	err := wait(ended, parent())
	s.end(closeTimeout)
	return err
}

// newServer makes the gRPC server of a plugin. Large windows let content flow
// without waiting for the other side, which is near.
func newServer(options []grpc.ServerOption) *grpc.Server {
	return grpc.NewServer(append(options,
		grpc.MaxRecvMsgSize(MaxMessage), grpc.InitialWindowSize(1<<20), grpc.InitialConnWindowSize(16<<20), grpc.ReadBufferSize(128<<10))...)
}

// parent is the process whose end is ours.
func parent() int {
	if pid, err := strconv.Atoi(os.Getenv(HostPID)); err == nil {
		return pid // also if it was gone before we came here
	}
	return os.Getppid()
}

// wait returns when the server has ended, or when our parent is another one:
// the daemon was killed.
func wait(ended <-chan struct{}, host int) error {
	ticker := time.NewTicker(watchEvery)
	defer ticker.Stop()
	for {
		if os.Getppid() != host {
			return ErrHostGone
		}
		select {
		case <-ended:
			return nil
		case <-ticker.C:
		}
	}
}
