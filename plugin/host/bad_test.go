package host

import (
	"bytes"
	"context"
	"errors"
	"os"
	"strings"
	"testing"
	"time"

	goplugin "github.com/hashicorp/go-plugin"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"github.com/postilion-mail/postilion/plugin"
	pluginv1 "github.com/postilion-mail/postilion/proto/gen/postilion/plugin/v1"
)

// raw is a plugin that does not use our library and keeps to nothing.
type raw struct {
	goplugin.NetRPCUnsupportedPlugin
	pluginv1.UnimplementedTransportServiceServer
}

func serveRaw() {
	goplugin.Serve(&goplugin.ServeConfig{
		HandshakeConfig:  plugin.Handshake(),
		VersionedPlugins: map[int]goplugin.PluginSet{1: {plugin.Name: raw{}}},
		GRPCServer: func(options []grpc.ServerOption) *grpc.Server {
			return grpc.NewServer(append(options, grpc.ForceServerCodec(rawCodec{}), grpc.MaxSendMsgSize(64<<20))...)
		},
	})
	os.Exit(0)
}

// rawCodec makes a word that is no UTF-8 of another, which Go's protobuf would
// not send.
type rawCodec struct{}

func (rawCodec) Marshal(v any) ([]byte, error) {
	m, ok := v.(proto.Message)
	if !ok {
		return nil, errors.New("no message")
	}
	text, err := proto.Marshal(m)
	return bytes.ReplaceAll(text, []byte("noutf8"), []byte("\xff\xfe\xff\xfe\xff\xfe")), err
}

func (rawCodec) Unmarshal(text []byte, v any) error {
	m, ok := v.(proto.Message)
	if !ok {
		return errors.New("no message")
	}
	return proto.Unmarshal(text, m)
}

func (rawCodec) Name() string { return "proto" }

func (r raw) GRPCServer(_ *goplugin.GRPCBroker, server *grpc.Server) error {
	pluginv1.RegisterTransportServiceServer(server, r)
	return nil
}

func (raw) GRPCClient(context.Context, *goplugin.GRPCBroker, *grpc.ClientConn) (any, error) {
	return nil, errors.New("it is a plugin")
}

func (raw) Describe(context.Context, *pluginv1.DescribeRequest) (*pluginv1.DescribeResponse, error) {
	return &pluginv1.DescribeResponse{
		Name: "raw", Fields: []*pluginv1.Field{{Name: "port", Type: pluginv1.FieldType_FIELD_TYPE_INTEGER}},
		Capabilities: &pluginv1.Capabilities{ReportsCommit: true},
	}, nil
}

func (raw) Open(_ context.Context, r *pluginv1.OpenRequest) (*pluginv1.OpenResponse, error) {
	switch r.GetConnection() {
	case "schema":
		return &pluginv1.OpenResponse{Result: &pluginv1.OpenResponse_SettingError{SettingError: &pluginv1.SettingError{Field: "port", Reason: "must be a number"}}}, nil
	case "nothing":
		return &pluginv1.OpenResponse{}, nil
	}
	return &pluginv1.OpenResponse{Result: &pluginv1.OpenResponse_Instance{Instance: "i"}}, nil
}

func (raw) Check(_ *pluginv1.CheckRequest, stream grpc.ServerStreamingServer[pluginv1.CheckResponse]) error {
	for {
		if err := stream.Send(&pluginv1.CheckResponse{Step: &pluginv1.CheckResponse_Stage{Stage: &pluginv1.Stage{Name: "again"}}}); err != nil {
			return err
		}
	}
}

// Deliver does what the recipient says.
func (raw) Deliver(stream grpc.BidiStreamingServer[pluginv1.DeliverRequest, pluginv1.DeliverResponse]) error {
	m, err := stream.Recv()
	if err != nil {
		return err
	}
	how, _, _ := strings.Cut(m.GetDelivery().GetEnvelope().GetRecipients()[0].GetAddress(), "@")
	how, late := strings.CutPrefix(how, "late-")
	committing := &pluginv1.DeliverResponse{Step: &pluginv1.DeliverResponse_Committing{Committing: &pluginv1.Committing{}}}
	if late || how == "twice" {
		if err := stream.Send(committing); err != nil {
			return err
		}
		if _, err := stream.Recv(); err != nil {
			return err
		}
	}
	accepted := &pluginv1.Outcome{Class: pluginv1.OutcomeClass_OUTCOME_CLASS_ACCEPTED}
	result := &pluginv1.DeliverResult{Outcomes: []*pluginv1.Outcome{accepted}}
	switch how {
	case "extra":
		result.Outcomes = append(result.Outcomes, accepted)
	case "long":
		accepted.Reply = strings.Repeat("x", 10<<20)
	case "noutf8":
		accepted.Reply = "noutf8"
	case "class":
		accepted.Class = 99
	case "twice":
		return stream.Send(committing)
	case "empty":
		return stream.Send(&pluginv1.DeliverResponse{})
	case "ends":
		return nil
	}
	return stream.Send(&pluginv1.DeliverResponse{Step: &pluginv1.DeliverResponse_Result{Result: result}})
}

// One clear line says what a plugin did wrong, and mail for it waits. What is
// said after the point of no return counts for nothing: the mail may have gone.
func TestAnswersThatBreakTheProtocol(t *testing.T) {
	t.Parallel()
	p := start(t, options(t, "raw"))
	i := open1(t, p.Transport())
	for how, want := range map[string]string{
		"extra": "recipients that it was not given", "long": "larger than max", "noutf8": "UTF-8", "twice": "committing came twice",
		"empty": "a step of the delivery is empty", "ends": "without a result", "class": "",
	} {
		for _, late := range []bool{false, true} {
			if how == "twice" && late {
				continue // it was late already
			}
			to, class := how+"@x", plugin.Temporary
			if late {
				to = "late-" + to
			}
			if late || how == "twice" {
				class = plugin.Unknown
			}
			o, err := deliver(t, i, to)
			if o.Class != class {
				t.Errorf("%s: %+.200v", to, o)
			}
			if want != "" {
				oneLine(t, to, err, want)
			}
		}
	}
	if o, err := deliver(t, i, "well@x"); err != nil || o.Class != plugin.Accepted {
		t.Errorf("after all that: %+v, error %v", o, err)
	}
	for connection, want := range map[string]string{"schema": "port: must be a number", "nothing": "open has no result"} {
		_, err := p.Transport().Open(t.Context(), plugin.Settings{Connection: connection, Values: map[string]any{"port": "abc"}})
		oneLine(t, connection, err, want)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	stages := 0
	oneLine(t, "stages", i.Check(ctx, plugin.CheckRequest{}, func(plugin.Stage) { stages++ }), "stages")
	if stages > 1000 {
		t.Errorf("%d stages", stages)
	}
}

// What go-plugin would take from a plugin beside its answers, without end, is
// not even asked for.
func TestNoBroker(t *testing.T) {
	t.Parallel()
	p := start(t, options(t, "raw"))
	protocol, err := p.client.Client()
	if err != nil {
		t.Fatal(err)
	}
	conn := protocol.(*goplugin.GRPCClient).Conn
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	both := &grpc.StreamDesc{StreamName: "StartStream", ServerStreams: true, ClientStreams: true}
	if _, err := conn.NewStream(ctx, both, brokerStream); status.Code(err) != codes.Unimplemented {
		t.Errorf("the broker's stream gives %v", err)
	}
	if o, err := deliver(t, open1(t, p.Transport()), "well@x"); err != nil || o.Class != plugin.Accepted {
		t.Errorf("a delivery gives %+v, error %v", o, err)
	}
}

func oneLine(t *testing.T, what string, err error, want string) {
	t.Helper()
	if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "\n") || len(err.Error()) > 1000 {
		t.Errorf("%s: error %.2000v, want %q", what, err, want)
		return
	}
	t.Logf("%s: %v", what, err)
}
