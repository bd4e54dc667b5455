// Package sdk is the Go client of Postilion: it hands mail over to the daemon
// and looks after it.
//
// Dial gives a Client. Its Send and SendRaw methods are for the common case:
// they make an idempotency key and repeat a call once if the daemon was away
// for a moment, so that an answer that was lost never sends twice. All other
// methods of the API stand in the fields Mailer, Connections, Messages and
// Admin, as they were generated. AsError reads what an error says.
package sdk

import (
	"context"
	"crypto/tls"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/protobuf/types/known/durationpb"

	postilionv1 "github.com/postilion-mail/postilion/proto/gen/postilion/v1"
)

// DefaultSocket is where the daemon of a system service takes gRPC calls.
const DefaultSocket = "/run/postilion/postilion.sock"

const (
	defaultTimeout = time.Minute
	// Above the largest content that a daemon can be configured for (50 MiB).
	maxAnswer = 64 << 20
)

// Client talks to one daemon over one connection, which is made when it is
// needed and again when it is lost. It is safe for concurrent use; an
// application needs one.
type Client struct {
	// Mailer configures and tests connections, and sends.
	Mailer postilionv1.MailerServiceClient
	// Connections shows and removes connections and keeps the routes.
	Connections postilionv1.ConnectionServiceClient
	// Messages shows what became of messages, and steps in.
	Messages postilionv1.MessageServiceClient
	// Admin manages who may use the daemon.
	Admin postilionv1.AdminServiceClient
	// Plugins manages the transports that run as programs of their own.
	Plugins postilionv1.PluginServiceClient

	conn *grpc.ClientConn
}

// Dial prepares a client for the daemon at target: "unix:///path/of/socket",
// "/path/of/socket" or "host:port". It does not connect yet, so that it
// succeeds while the daemon is down.
//
// An empty target stands for the environment's POSTILION_ADDRESS, else its
// POSTILION_SOCKET, else DefaultSocket. POSTILION_SOCKET may name the socket
// for JSON too, as sendmail needs it: "x-http.sock" stands for "x.sock" beside
// it. Without WithToken and WithTokenFile the token is that of
// POSTILION_TOKEN, else of the file POSTILION_TOKEN_FILE; on a Unix socket none
// is needed where the daemon knows the process's user.
//
// Dial refuses to send a token in the clear to another machine: see WithTLS.
func Dial(target string, options ...Option) (*Client, error) {
	settings := settings{timeout: defaultTimeout}
	for _, option := range options {
		option(&settings)
	}
	if target == "" {
		target = defaultTarget(os.Getenv)
	}
	address, err := resolve(target)
	if err != nil {
		return nil, err
	}
	token, err := settings.token(os.Getenv)
	if err != nil {
		return nil, err
	}
	if token != nil && settings.tls == nil && !address.local {
		return nil, fmt.Errorf("sdk: token: %s is not on this machine and the token would travel in the clear; use WithTLS", target)
	}
	conn, err := grpc.NewClient(address.target, dialOptions(settings, token)...)
	if err != nil {
		return nil, fmt.Errorf("sdk: target %q: %w", target, err)
	}
	return &Client{
		Mailer:      postilionv1.NewMailerServiceClient(conn),
		Connections: postilionv1.NewConnectionServiceClient(conn),
		Messages:    postilionv1.NewMessageServiceClient(conn),
		Admin:       postilionv1.NewAdminServiceClient(conn),
		Plugins:     postilionv1.NewPluginServiceClient(conn),
		conn:        conn,
	}, nil
}

// Close ends the client. Calls under way fail.
func (c *Client) Close() error { return c.conn.Close() }

// Target is the daemon's address as gRPC writes it.
func (c *Client) Target() string { return c.conn.Target() }

func dialOptions(settings settings, token tokenSource) []grpc.DialOption {
	transport := insecure.NewCredentials()
	if settings.tls != nil {
		transport = credentials.NewTLS(settings.tls)
	}
	options := []grpc.DialOption{
		grpc.WithTransportCredentials(transport),
		grpc.WithUserAgent("postilion-sdk-go"),
		// Mail stays between application and daemon: no proxy of the
		// environment comes between.
		grpc.WithNoProxy(),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(maxAnswer)),
		// A daemon that restarts is back within the second.
		grpc.WithConnectParams(grpc.ConnectParams{
			Backoff:           backoff.Config{BaseDelay: 50 * time.Millisecond, Multiplier: 2, Jitter: 0.2, MaxDelay: 2 * time.Second},
			MinConnectTimeout: 5 * time.Second,
		}),
		grpc.WithChainUnaryInterceptor(deadline(settings.timeout)),
	}
	if token != nil {
		options = append(options, grpc.WithPerRPCCredentials(token))
	}
	return append(options, settings.dial...)
}

// deadline bounds calls whose context has no deadline. The time that a Send is
// asked to wait for an outcome comes on top.
func deadline(timeout time.Duration) grpc.UnaryClientInterceptor {
	return func(ctx context.Context, method string, req, reply any, conn *grpc.ClientConn, invoke grpc.UnaryInvoker, options ...grpc.CallOption) error {
		if _, has := ctx.Deadline(); !has && timeout > 0 {
			bound := timeout
			if waiter, ok := req.(interface{ GetWait() *durationpb.Duration }); ok {
				bound += waiter.GetWait().AsDuration()
			}
			var cancel context.CancelFunc
			ctx, cancel = context.WithTimeout(ctx, bound)
			defer cancel()
		}
		return invoke(ctx, method, req, reply, conn, options...)
	}
}

// Option changes how Dial connects.
type Option func(*settings)

type settings struct {
	tokenGiven bool // the environment is not asked
	tokenText  string
	tokenFile  string
	tls        *tls.Config
	timeout    time.Duration
	dial       []grpc.DialOption
}

// WithToken gives the client's token, as `postilion clients create` showed it.
// An empty one sends none, whatever the environment says.
func WithToken(token string) Option {
	return func(s *settings) { s.tokenGiven, s.tokenText, s.tokenFile = true, token, "" }
}

// WithTokenFile names a file with the client's token. It is read for every
// call, so that the token can be changed without a restart.
func WithTokenFile(path string) Option {
	return func(s *settings) { s.tokenGiven, s.tokenText, s.tokenFile = true, "", path }
}

// WithTLS connects by TLS, as a daemon demands it that listens beyond
// loopback. A nil config trusts the system's certificate authorities.
func WithTLS(config *tls.Config) Option {
	return func(s *settings) {
		if config == nil {
			config = &tls.Config{MinVersion: tls.VersionTLS12}
		}
		s.tls = config
	}
}

// WithTimeout bounds every unary call whose context has no deadline; without
// this option it is one minute. 0 sets no bound.
func WithTimeout(timeout time.Duration) Option {
	return func(s *settings) { s.timeout = timeout }
}

// WithDialOptions gives further options to gRPC, such as interceptors for
// tracing.
func WithDialOptions(options ...grpc.DialOption) Option {
	return func(s *settings) { s.dial = append(s.dial, options...) }
}

// token says where the token comes from; nil if there is none.
func (s settings) token(getenv func(string) string) (tokenSource, error) {
	text, file := s.tokenText, s.tokenFile
	if !s.tokenGiven {
		text, file = getenv("POSTILION_TOKEN"), getenv("POSTILION_TOKEN_FILE")
	}
	switch {
	case text != "":
		return func() (string, error) { return text, nil }, nil
	case file != "":
		source := tokenSource(func() (string, error) { return readToken(file) })
		_, err := source()
		return source, err
	}
	return nil, nil
}

func readToken(path string) (string, error) {
	content, err := os.ReadFile(path)
	if err != nil {
		return "", fmt.Errorf("sdk: token file: %w", err)
	}
	token := strings.TrimSpace(string(content))
	if token == "" {
		return "", fmt.Errorf("sdk: token file: %s is empty; write the token of `postilion clients create` into it", path)
	}
	return token, nil
}

// tokenSource sends a token with every call. It does not demand transport
// security of gRPC because Unix sockets and loopback have none; Dial has looked
// at the address.
type tokenSource func() (string, error)

// GetRequestMetadata implements credentials.PerRPCCredentials.
func (t tokenSource) GetRequestMetadata(context.Context, ...string) (map[string]string, error) {
	token, err := t()
	if err != nil {
		return nil, err
	}
	return map[string]string{"authorization": "Bearer " + token}, nil
}

// RequireTransportSecurity implements credentials.PerRPCCredentials.
func (t tokenSource) RequireTransportSecurity() bool { return false }

func defaultTarget(getenv func(string) string) string {
	if address := getenv("POSTILION_ADDRESS"); address != "" {
		return address
	}
	socket := getenv("POSTILION_SOCKET")
	if socket == "" {
		return DefaultSocket
	}
	directory, file := filepath.Split(socket)
	if name, found := strings.CutSuffix(file, "-http.sock"); found {
		return directory + name + ".sock"
	}
	return socket
}
