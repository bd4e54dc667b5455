package bulk

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"net"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/durationpb"

	postilionv1 "github.com/postilion-mail/postilion/proto/gen/postilion/v1"
)

// mailer is a daemon that keeps its promise about keys, and has troubles that
// a test gives it.
type mailer struct {
	postilionv1.UnimplementedMailerServiceServer
	trouble func(n int, key string) *postilionv1.BatchError // of the nth item
	cut     func(n int) bool                                // ends the stream after the nth, accepted but not answered

	mu       sync.Mutex
	given    int
	accepted map[string]int
	messages int
}

func (m *mailer) SendBatch(stream grpc.BidiStreamingServer[postilionv1.SendBatchRequest, postilionv1.SendBatchResponse]) error {
	for {
		in, err := stream.Recv()
		if err != nil {
			return nil
		}
		out, cut := m.take(in)
		if cut {
			return status.Error(codes.Unavailable, "cut")
		}
		if err := stream.Send(out); err != nil {
			return err
		}
	}
}

func (m *mailer) take(in *postilionv1.SendBatchRequest) (out *postilionv1.SendBatchResponse, cut bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.given++
	key := in.GetSend().GetIdempotencyKey()
	out = &postilionv1.SendBatchResponse{CorrelationId: in.GetCorrelationId()}
	if m.trouble != nil {
		if err := m.trouble(m.given, key); err != nil {
			out.Result = &postilionv1.SendBatchResponse_Error{Error: err}
			return out, false
		}
	}
	m.accepted[key]++
	if m.accepted[key] == 1 {
		m.messages++
	}
	out.Result = &postilionv1.SendBatchResponse_Accepted{Accepted: &postilionv1.SendResponse{Id: key, Replayed: m.accepted[key] > 1}}
	return out, m.cut != nil && m.cut(m.given)
}

// counts gives how many items came and how many messages that made.
func (m *mailer) counts() (given, messages int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.given, m.messages
}

// serve starts a mailer and gives a client of it.
func serve(t *testing.T, m *mailer) postilionv1.MailerServiceClient {
	t.Helper()
	m.accepted = map[string]int{}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := grpc.NewServer()
	postilionv1.RegisterMailerServiceServer(server, m)
	go func() { _ = server.Serve(listener) }()
	t.Cleanup(server.Stop)
	conn, err := grpc.NewClient(listener.Addr().String(), grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return postilionv1.NewMailerServiceClient(conn)
}

// numbered gives n messages with their number as key, or an error as item
// where bad says so.
func numbered(n int, bad func(int) bool) iter.Seq2[Item, error] {
	return func(yield func(Item, error) bool) {
		for i := range n {
			item := Item{Line: i + 1, Request: &postilionv1.SendRequest{IdempotencyKey: fmt.Sprint(i)}}
			if bad != nil && bad(i) {
				item = Item{Line: i + 1, Err: errors.New("bad")}
			}
			if !yield(item, nil) {
				return
			}
		}
	}
}

// ends notes what became of each line.
type ends struct {
	t                *testing.T
	accepted, failed map[int]error
	replayed         int
	stop             bool // at the first failure
}

func newEnds(t *testing.T) *ends {
	return &ends{t: t, accepted: map[int]error{}, failed: map[int]error{}}
}

func (e *ends) done(item Item, response *postilionv1.SendResponse, err error) bool {
	if _, twice := e.accepted[item.Line]; twice {
		e.t.Errorf("line %d ended twice", item.Line)
	}
	if _, twice := e.failed[item.Line]; twice {
		e.t.Errorf("line %d ended twice", item.Line)
	}
	if err != nil {
		e.failed[item.Line] = err
		return !e.stop
	}
	e.accepted[item.Line] = nil
	if response.GetReplayed() {
		e.replayed++
	}
	return true
}

// A batch goes through refusals, a full outbox and broken connections: each
// message ends once, and none is accepted twice.
func TestSend(t *testing.T) {
	t.Parallel()
	const n = 3000
	m := &mailer{cut: func(n int) bool { return n%700 == 699 }}
	m.trouble = func(n int, key string) *postilionv1.BatchError {
		switch {
		case len(key) == 2 && key[1] == '7':
			return &postilionv1.BatchError{Code: int32(codes.InvalidArgument), Message: "message.to[0]: no address"}
		case n%50 == 0:
			return &postilionv1.BatchError{Code: int32(codes.ResourceExhausted), Message: "full", Detail: &postilionv1.ErrorDetail{RetryAfter: durationpb.New(time.Millisecond)}}
		case n%333 == 0:
			return &postilionv1.BatchError{Code: int32(codes.Unavailable), Message: "cannot store", Detail: &postilionv1.ErrorDetail{RetryAfter: durationpb.New(time.Millisecond)}}
		}
		return nil
	}
	client := serve(t, m)
	e := newEnds(t)
	waited := 0
	sender := Sender{Mailer: client, Patience: time.Minute, Done: e.done, Waiting: func(error, time.Duration) { waited++ }}
	if err := sender.Send(t.Context(), numbered(n, func(i int) bool { return i%1000 == 500 })); err != nil {
		t.Fatal(err)
	}
	if len(e.failed) != 9+3 || len(e.accepted) != n-12 || waited == 0 {
		t.Errorf("%d accepted, %d failed: %v; waited %d times", len(e.accepted), len(e.failed), e.failed, waited)
	}
	if _, messages := m.counts(); messages != n-12 || e.replayed == 0 {
		t.Errorf("%d messages were accepted, %d answers were of earlier ones", messages, e.replayed)
	}
}

// A message that is too large for the stream is not put on it.
func TestSendTooLarge(t *testing.T) {
	t.Parallel()
	m := &mailer{}
	e := newEnds(t)
	sender := Sender{Mailer: serve(t, m), MaxBytes: 1000, Patience: time.Minute, Done: e.done}
	large := func(yield func(Item, error) bool) {
		_ = yield(Item{Line: 1, Request: request(&postilionv1.StructuredMessage{Text: string(make([]byte, 1<<20))})}, nil) &&
			yield(Item{Line: 2, Request: &postilionv1.SendRequest{IdempotencyKey: "k"}}, nil)
	}
	err := sender.Send(t.Context(), large)
	if given, _ := m.counts(); err != nil || len(e.failed) != 1 || len(e.accepted) != 1 || given != 1 {
		t.Errorf("%v, %+v, %d given", err, e, given)
	}
}

// An interrupted batch ends with what was on its way, and goes on from there
// when it is run again.
func TestSendInterrupted(t *testing.T) {
	t.Parallel()
	const n = 2000
	m := &mailer{}
	client := serve(t, m)
	ctx, cancel := context.WithCancel(t.Context())
	e := newEnds(t)
	sender := Sender{Mailer: client, Patience: time.Minute, Done: func(item Item, response *postilionv1.SendResponse, err error) bool {
		if len(e.accepted) == 500 {
			cancel()
		}
		return e.done(item, response, err)
	}}
	if err := sender.Send(ctx, numbered(n, nil)); !errors.Is(err, ErrInterrupted) {
		t.Fatal(err)
	}
	_, taken := m.counts()
	if taken != len(e.accepted) || taken < 500 || taken == n {
		t.Errorf("the daemon has %d, %d were answered", taken, len(e.accepted))
	}
	again := newEnds(t)
	sender.Done = again.done
	err := sender.Send(t.Context(), numbered(n, nil))
	if _, messages := m.counts(); err != nil || len(again.accepted) != n || again.replayed != taken || messages != n {
		t.Errorf("%v: %d answered, %d of them before; the daemon has %d", err, len(again.accepted), again.replayed, messages)
	}
}

// Done can end it.
func TestSendStops(t *testing.T) {
	t.Parallel()
	m := &mailer{trouble: func(_ int, key string) *postilionv1.BatchError {
		if key == "10" {
			return &postilionv1.BatchError{Code: int32(codes.NotFound), Message: "no such connection"}
		}
		return nil
	}}
	e := newEnds(t)
	e.stop = true
	sender := Sender{Mailer: serve(t, m), Patience: time.Minute, Done: e.done}
	err := sender.Send(t.Context(), numbered(100000, nil))
	if given, _ := m.counts(); !errors.Is(err, ErrInterrupted) || len(e.failed) != 1 || given > 2000 {
		t.Errorf("%v; %d failed, %d given", err, len(e.failed), given)
	}
}

// A daemon that stays away, and one that refuses the caller, end it.
func TestSendGivesUp(t *testing.T) {
	t.Parallel()
	conn, err := grpc.NewClient("unix:///nowhere/postilion.sock", grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	sender := Sender{Mailer: postilionv1.NewMailerServiceClient(conn), Patience: 50 * time.Millisecond, Done: newEnds(t).done}
	if err := sender.Send(t.Context(), numbered(10, nil)); status.Code(err) != codes.Unavailable {
		t.Errorf("%v", err)
	}
	broken := func(yield func(Item, error) bool) { yield(Item{}, errors.New("the disk")) }
	sender.Mailer = serve(t, &mailer{})
	if err := sender.Send(t.Context(), broken); err == nil || err.Error() != "the disk" {
		t.Errorf("%v", err)
	}
}
