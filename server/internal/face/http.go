package face

import (
	"context"
	"crypto/tls"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"time"

	"connectrpc.com/connect"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/protoadapt"

	"github.com/postilion-mail/postilion/server/internal/auth"
)

// HandlerOptions are those of every Connect handler: the gate, the limits,
// and errors that look as they do over gRPC. With strict, a JSON field that
// the API does not have is refused: a misspelt sendAt must not send now.
func (o Options) HandlerOptions(strict bool) []connect.HandlerOption {
	options := []connect.HandlerOption{
		connect.WithRequestGate(o.gate),
		connect.WithReadMaxBytes(o.maxBody()),
		connect.WithInterceptors(interceptor{o.Observe}),
		// Most answers are small, and most callers are on this machine.
		connect.WithCompressMinBytes(16 << 10),
	}
	if strict {
		options = append(options, connect.WithCodec(strictJSON{}))
	}
	return options
}

// maxBody bounds a body: JSON holds bytes in base64, a third longer.
func (o Options) maxBody() int { return o.MaxMessage / 3 * 4 }

func (o Options) gate(ctx context.Context, spec connect.Spec, _ connect.Peer, header http.Header) (context.Context, error) {
	p, ok := ctx.Value(peerKey{}).(auth.Peer)
	if !ok {
		p.UID = -1
	}
	ctx, err := o.Gate.Enter(ctx, p, "json", spec.Procedure, header.Get("Authorization"))
	return ctx, connectError(err)
}

type peerKey struct{}

// NewHTTP makes the HTTP face. It serves on Listeners of this package, also
// HTTP/2 without TLS, which streams in both directions need.
func NewHTTP(handler http.Handler, log *slog.Logger) *HTTP {
	protocols := new(http.Protocols)
	protocols.SetHTTP1(true)
	protocols.SetHTTP2(true)
	protocols.SetUnencryptedHTTP2(true)
	h := &HTTP{unheard: make(map[net.Conn]time.Time)}
	h.server = http.Server{
		Handler:           h.hearing(handler),
		Protocols:         protocols,
		HTTP2:             &http.HTTP2Config{MaxConcurrentStreams: 128},
		ReadHeaderTimeout: 10 * time.Second,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    16 << 10,
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelDebug),
		ConnContext: func(ctx context.Context, c net.Conn) context.Context {
			ctx = h.accepted(ctx, c)
			if t, ok := c.(*tls.Conn); ok {
				c = t.NetConn()
			}
			if conn, ok := c.(*Conn); ok {
				ctx = context.WithValue(ctx, peerKey{}, conn.Peer)
			}
			return ctx
		},
		ConnState: func(c net.Conn, state http.ConnState) {
			if state == http.StateClosed || state == http.StateHijacked {
				h.heard(c)
			}
		},
	}
	return h
}

// interceptor turns gRPC status errors into Connect errors with the same code,
// text and details, and observes the calls.
type interceptor struct{ observe Observer }

func (i interceptor) WrapUnary(next connect.UnaryFunc) connect.UnaryFunc {
	return func(ctx context.Context, req connect.AnyRequest) (answer connect.AnyResponse, err error) {
		decoded(ctx)
		func() {
			defer i.observe.call(ctx, req.Spec().Procedure, time.Now(), &err)
			answer, err = next(ctx, req)
		}()
		return answer, connectError(err)
	}
}

func (i interceptor) WrapStreamingHandler(next connect.StreamingHandlerFunc) connect.StreamingHandlerFunc {
	return func(ctx context.Context, conn connect.StreamingHandlerConn) (err error) {
		func() {
			defer i.observe.call(ctx, conn.Spec().Procedure, time.Now(), &err)
			err = next(ctx, decoding{conn, ctx})
		}()
		return connectError(err)
	}
}

func (i interceptor) WrapStreamingClient(next connect.StreamingClientFunc) connect.StreamingClientFunc {
	return next
}

func connectError(err error) error {
	if err == nil {
		return nil
	}
	if as := (*connect.Error)(nil); errors.As(err, &as) {
		return err
	}
	st := status.Convert(err)
	if st.Code() == codes.OK {
		return nil
	}
	out := connect.NewError(connect.Code(st.Code()), errors.New(st.Message()))
	for _, d := range st.Details() {
		if m, ok := d.(protoadapt.MessageV1); ok {
			if detail, err := connect.NewErrorDetail(protoadapt.MessageV2Of(m)); err == nil {
				out.AddDetail(detail)
			}
		}
	}
	return out
}

// strictJSON is Connect's JSON codec, except that it refuses unknown fields.
type strictJSON struct{}

func (strictJSON) Name() string { return "json" }

func (strictJSON) Marshal(m any) ([]byte, error) {
	return protojson.Marshal(m.(proto.Message))
}

func (strictJSON) Unmarshal(data []byte, m any) error {
	if len(data) == 0 {
		return errors.New("the body is empty; send a JSON object, at least {}")
	}
	return protojson.Unmarshal(data, m.(proto.Message))
}
