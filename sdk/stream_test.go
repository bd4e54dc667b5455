package sdk

import (
	"context"
	"errors"
	"io"
	"net"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	postilionv1 "github.com/postilion-mail/postilion/proto/gen/postilion/v1"
)

// streams is a daemon that serves what has streams as the test says.
type streams struct {
	postilionv1.UnimplementedMailerServiceServer
	postilionv1.UnimplementedMessageServiceServer
	batch func(call int, stream postilionv1.MailerService_SendBatchServer) error
	watch func(call int, request *postilionv1.WatchEventsRequest, stream postilionv1.MessageService_WatchEventsServer) error

	mu    sync.Mutex
	calls int
}

func (s *streams) next() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.calls++
	return s.calls
}

func (s *streams) SendBatch(stream postilionv1.MailerService_SendBatchServer) error {
	return s.batch(s.next(), stream)
}

func (s *streams) WatchEvents(request *postilionv1.WatchEventsRequest, stream postilionv1.MessageService_WatchEventsServer) error {
	return s.watch(s.next(), request, stream)
}

func (s *streams) serve(t *testing.T) *Client {
	t.Helper()
	socket := tempSocket(t)
	listener, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	server := grpc.NewServer()
	postilionv1.RegisterMailerServiceServer(server, s)
	postilionv1.RegisterMessageServiceServer(server, s)
	go func() { _ = server.Serve(listener) }()
	t.Cleanup(server.Stop)
	return dial(t, socket)
}

// The results are those of the messages, whatever the order of the answers. A
// stream that breaks is repeated for what has no answer, with the same keys.
func TestSendBatch(t *testing.T) {
	t.Parallel()
	const messages, broken = 100, 40
	var mu sync.Mutex
	keys := make(map[string][]string) // by correlation id
	s := &streams{batch: func(call int, stream postilionv1.MailerService_SendBatchServer) error {
		var all []*postilionv1.SendBatchRequest
		for {
			item, err := stream.Recv()
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				return err
			}
			all = append(all, item)
			mu.Lock()
			keys[item.GetCorrelationId()] = append(keys[item.GetCorrelationId()], item.GetSend().GetIdempotencyKey())
			mu.Unlock()
		}
		slices.SortFunc(all, func(a, b *postilionv1.SendBatchRequest) int {
			return -len(a.GetCorrelationId()) + len(b.GetCorrelationId())
		})
		for n, item := range all {
			if call == 1 && n == broken {
				return status.Error(codes.Unavailable, "stopping")
			}
			subject := item.GetSend().GetMessage().GetSubject()
			answer := &postilionv1.SendBatchResponse{CorrelationId: item.GetCorrelationId()}
			if subject == "7" {
				answer.Result = &postilionv1.SendBatchResponse_Error{Error: &postilionv1.BatchError{
					Code: int32(codes.InvalidArgument), Message: "no recipient", Detail: &postilionv1.ErrorDetail{Fields: []string{"message.to"}},
				}}
			} else {
				answer.Result = &postilionv1.SendBatchResponse_Accepted{Accepted: &postilionv1.SendResponse{Id: subject}}
			}
			if err := stream.Send(answer); err != nil {
				return err
			}
		}
		return nil
	}}
	var all []Sendable
	for n := range messages {
		all = append(all, &Message{Subject: strconv.Itoa(n)})
	}
	for n, r := range s.serve(t).SendBatch(t.Context(), all) {
		if n == 7 {
			if r.Err == nil || r.Err.Code != codes.InvalidArgument || !slices.Equal(r.Err.Fields, []string{"message.to"}) {
				t.Errorf("message 7: %+v", r)
			}
		} else if r.Err != nil || r.Receipt.GetId() != strconv.Itoa(n) {
			t.Errorf("message %d: %+v", n, r)
		}
	}
	repeated := 0
	for id, k := range keys {
		repeated += len(k) - 1
		if k[0] == "" || len(k) == 2 && k[0] != k[1] {
			t.Errorf("keys of %s: %q", id, k)
		}
	}
	if repeated != messages-broken {
		t.Errorf("%d messages were repeated, want %d", repeated, messages-broken)
	}
}

func TestSendBatchFails(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		answer *postilionv1.SendBatchResponse
		err    error
		code   codes.Code
	}{
		"refused as a whole": {nil, status.Error(codes.PermissionDenied, "no scope"), codes.PermissionDenied},
		"no answer":          {nil, nil, codes.Internal},
		"another's answer":   {&postilionv1.SendBatchResponse{CorrelationId: "x"}, nil, codes.Internal},
		"always away":        {nil, status.Error(codes.Unavailable, "stopping"), codes.Unavailable},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := &streams{batch: func(_ int, stream postilionv1.MailerService_SendBatchServer) error {
				if test.answer != nil {
					return stream.Send(test.answer)
				}
				return test.err
			}}
			for n, r := range s.serve(t).SendBatch(t.Context(), []Sendable{&Message{}, &Raw{}}) {
				if r.Err == nil || r.Err.Code != test.code {
					t.Errorf("message %d: %+v", n, r)
				}
			}
		})
	}
}

// What a daemon that restarts has to tell is told once.
func TestWatchGoesOn(t *testing.T) {
	t.Parallel()
	s := &streams{watch: func(call int, request *postilionv1.WatchEventsRequest, stream postilionv1.MessageService_WatchEventsServer) error {
		if request.GetId() != "m1" {
			return status.Error(codes.InvalidArgument, "another request")
		}
		for n := request.GetAfterSequence() + 1; n <= int64(3*call); n++ {
			if err := stream.Send(&postilionv1.WatchEventsResponse{Event: &postilionv1.Event{Sequence: n}}); err != nil {
				return err
			}
		}
		if call == 2 {
			return nil // an end without a reason
		}
		return status.Error(codes.Unavailable, "stopping")
	}}
	request := &postilionv1.WatchEventsRequest{Id: "m1", AfterSequence: proto.Int64(1)}
	var got []int64
	for event, err := range s.serve(t).Watch(t.Context(), request) {
		if err != nil {
			t.Fatal(err)
		}
		if got = append(got, event.GetSequence()); event.GetSequence() == 8 {
			break
		}
	}
	if want := []int64{2, 3, 4, 5, 6, 7, 8}; !slices.Equal(got, want) || request.GetAfterSequence() != 1 {
		t.Errorf("events %v, want %v; request %v", got, want, request)
	}
}

func TestWatchEnds(t *testing.T) {
	t.Parallel()
	s := &streams{watch: func(call int, _ *postilionv1.WatchEventsRequest, stream postilionv1.MessageService_WatchEventsServer) error {
		if call == 1 {
			return status.Error(codes.PermissionDenied, "no scope")
		}
		<-stream.Context().Done()
		return nil
	}}
	client := s.serve(t)
	times := 0
	for event, err := range client.Watch(t.Context(), &postilionv1.WatchEventsRequest{}) {
		if times++; event != nil || AsError(err).Code != codes.PermissionDenied {
			t.Errorf("event %v, error %v", event, err)
		}
	}
	if times != 1 {
		t.Errorf("the error came %d times", times)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	for event, err := range client.Watch(ctx, &postilionv1.WatchEventsRequest{}) {
		t.Errorf("event %v, error %v", event, err)
	}
}

func TestSendMail(t *testing.T) {
	t.Parallel()
	m := &mailer{answer: accept}
	socket := tempSocket(t)
	serve(t, socket, m)
	for _, from := range []string{"a@example.com", ""} {
		if err := SendMail(socket, from, []string{"b@example.com"}, []byte("Subject: x\r\n\r\nHello.\r\n")); err != nil {
			t.Fatal(err)
		}
		raw := m.requests[len(m.requests)-1].GetRaw()
		if raw.GetEnvelope().From == nil || raw.GetEnvelope().GetFrom() != from ||
			raw.GetEnvelope().GetRecipients()[0].GetAddress() != "b@example.com" || string(raw.GetContent()) != "Subject: x\r\n\r\nHello.\r\n" {
			t.Errorf("request %v", raw)
		}
	}
	if err := SendMail("nonsense", "", nil, nil); err == nil {
		t.Error("a target that is none was taken")
	}
}
