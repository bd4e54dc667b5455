package plugin

import (
	"context"
	"errors"
	"strings"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	pluginv1 "github.com/postilion-mail/postilion/proto/gen/postilion/plugin/v1"
)

// liar is a plugin that answers what it likes.
type liar struct {
	pluginv1.UnimplementedTransportServiceServer
	description *pluginv1.DescribeResponse
	deliver     func(deliverServer) error
}

func (l *liar) Describe(context.Context, *pluginv1.DescribeRequest) (*pluginv1.DescribeResponse, error) {
	return l.description, nil
}

func (l *liar) Open(context.Context, *pluginv1.OpenRequest) (*pluginv1.OpenResponse, error) {
	return &pluginv1.OpenResponse{Result: &pluginv1.OpenResponse_Instance{Instance: "i"}}, nil
}

func (l *liar) Deliver(stream deliverServer) error {
	if _, err := stream.Recv(); err != nil { // the content is in it
		return err
	}
	return l.deliver(stream)
}

func committingStep() *pluginv1.DeliverResponse {
	return &pluginv1.DeliverResponse{Step: &pluginv1.DeliverResponse_Committing{Committing: &pluginv1.Committing{}}}
}

func resultStep(outcomes ...*pluginv1.Outcome) *pluginv1.DeliverResponse {
	return &pluginv1.DeliverResponse{Step: &pluginv1.DeliverResponse_Result{Result: &pluginv1.DeliverResult{Outcomes: outcomes}}}
}

// Whatever a plugin does, a delivery has an error that says so, and the
// outcome of one that was let go is unknown.
func TestPluginsThatLie(t *testing.T) {
	t.Parallel()
	accepted := &pluginv1.Outcome{Class: pluginv1.OutcomeClass_OUTCOME_CLASS_ACCEPTED}
	for _, c := range []struct {
		name    string
		deliver func(deliverServer) error
		want    string
	}{
		{"no result", func(deliverServer) error { return nil }, "without a result"},
		{"an empty step", func(s deliverServer) error { return s.Send(&pluginv1.DeliverResponse{}) }, "empty"},
		{"recipients it was not given", func(s deliverServer) error { return s.Send(resultStep(accepted, accepted)) }, "recipients that it was not given"},
		{"committing twice", func(s deliverServer) error {
			_ = s.Send(committingStep())
			_ = s.Send(committingStep())
			<-s.Context().Done()
			return nil
		}, "twice"},
		{"an odd error", func(deliverServer) error { return status.Error(codes.DataLoss, "whatever") }, "breaks the protocol"},
		{"not UTF-8", func(s deliverServer) error { return s.Send(resultStep(&pluginv1.Outcome{Reply: "\xff"})) }, "breaks the protocol"},
		{"10 MB of text", func(s deliverServer) error {
			return s.Send(resultStep(&pluginv1.Outcome{Reply: strings.Repeat("x", 10<<20)}))
		}, "breaks the protocol"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			i := opened(t, &liar{description: &pluginv1.DescribeResponse{Name: "liar"}, deliver: c.deliver})
			committed := false
			outcomes, err := i.Deliver(t.Context(), message("x", "a@x"), func() error { committed = true; return nil })
			if err == nil || !strings.Contains(err.Error(), c.want) || len(err.Error()) > 500 || len(outcomes) > 0 {
				t.Errorf("%d outcomes, error %.500v, want %q", len(outcomes), err, c.want)
			}
			want := Temporary
			if committed {
				want = Unknown
			}
			if got := Settle(outcomes, err, 1, committed)[0].Class; got != want {
				t.Errorf("class %s, want %s", got, want)
			}
		})
	}
}

func TestDescriptionsThatAreRefused(t *testing.T) {
	t.Parallel()
	field := func(name string, kind pluginv1.FieldType) *pluginv1.Field {
		return &pluginv1.Field{Name: name, Type: kind}
	}
	for want, d := range map[string]*pluginv1.DescribeResponse{
		"name:":                     {Name: "../smtp"},
		"name: \"\"":                {},
		"the name \"Host\"":         {Name: "x", Fields: []*pluginv1.Field{field("Host", 1)}},
		"host is there twice":       {Name: "x", Fields: []*pluginv1.Field{field("host", 1), field("host", 1)}},
		"host has no type":          {Name: "x", Fields: []*pluginv1.Field{field("host", 0)}},
		"mode is an enum without":   {Name: "x", Fields: []*pluginv1.Field{field("mode", 5)}},
		"the default of port: must": {Name: "x", Fields: []*pluginv1.Field{{Name: "port", Type: 2, Default: "many"}}},
		"key is a secret":           {Name: "x", Fields: []*pluginv1.Field{{Name: "key", Type: 2, Secret: true}}},
	} {
		_, err := Connect(t.Context(), link(t, &liar{description: d}))
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want %q", err, want)
		}
	}
}

func TestProcessThatEnds(t *testing.T) {
	t.Parallel()
	for _, late := range []bool{false, true} {
		l := &liar{description: &pluginv1.DescribeResponse{Name: "liar"}}
		conn := link(t, l)
		l.deliver = func(s deliverServer) error {
			if late {
				_ = s.Send(committingStep())
				_, _ = s.Recv()
			}
			return status.Error(codes.Unavailable, "the connection is lost") // what gRPC says then
		}
		transport, err := Connect(t.Context(), conn)
		if err != nil {
			t.Fatal(err)
		}
		i, _ := transport.Open(t.Context(), Settings{})
		committed := false
		_, err = i.Deliver(t.Context(), message("x", "a@x"), func() error { committed = true; return nil })
		if !errors.Is(err, ErrCrashed) || committed != late {
			t.Errorf("error %v, committed %v", err, committed)
		}
	}
}

func TestNotOurService(t *testing.T) {
	t.Parallel()
	_, err := Connect(t.Context(), link(t, pluginv1.UnimplementedTransportServiceServer{}))
	if err == nil || !strings.Contains(err.Error(), "does not serve postilion.plugin.v1") {
		t.Errorf("error %v", err)
	}
}

// Whoever runs the plugin may close the connection before the call has seen
// its end.
func TestConnectionThatIsClosedDuringACall(t *testing.T) {
	t.Parallel()
	conn := link(t, &liar{description: &pluginv1.DescribeResponse{Name: "liar"}, deliver: func(s deliverServer) error {
		_ = s.Send(committingStep())
		<-s.Context().Done()
		return nil
	}})
	transport, err := Connect(t.Context(), conn)
	if err != nil {
		t.Fatal(err)
	}
	i, err := transport.Open(t.Context(), Settings{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := i.Deliver(t.Context(), message("x", "a@x"), conn.Close); !errors.Is(err, ErrCrashed) {
		t.Errorf("error %v", err)
	}
}
