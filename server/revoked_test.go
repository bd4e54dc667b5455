package server

import (
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/fieldmaskpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/postilion-mail/postilion/internal/smtptest"
	postilionv1 "github.com/postilion-mail/postilion/proto/gen/postilion/v1"
	"github.com/postilion-mail/postilion/server/internal/fault"
)

// A token that is revoked ends also the streams that it opened.
func TestARevokedTokenEndsItsStreams(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	token := r.client("site", allScopes...)
	site := r.dial(r.addr.GRPC, token)
	batch, err := site.SendBatch(r.ctx())
	if err != nil {
		t.Fatal(err)
	}
	zero := int64(0)
	watch, err := site.WatchEvents(r.ctx(), &postilionv1.WatchEventsRequest{AfterSequence: &zero})
	if err != nil {
		t.Fatal(err)
	}
	req := letter("a@example.net")
	req.SendAt = timestamppb.New(time.Now().Add(time.Hour))
	if err := batch.Send(&postilionv1.SendBatchRequest{CorrelationId: "1", Send: req}); err != nil {
		t.Fatal(err)
	}
	first, err := batch.Recv()
	if err != nil || first.GetAccepted() == nil {
		t.Fatalf("%v, %v", first, err)
	}
	if _, err := watch.Recv(); err != nil {
		t.Fatal(err)
	}
	clients, err := r.admin.ListClients(r.ctx(), &postilionv1.ListClientsRequest{})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range clients.GetClients() {
		if c.GetName() == "site" {
			if _, err := r.admin.RevokeToken(r.ctx(), &postilionv1.RevokeTokenRequest{Client: "site", TokenId: c.GetTokens()[0].GetId()}); err != nil {
				t.Fatal(err)
			}
		}
	}
	_ = batch.Send(&postilionv1.SendBatchRequest{CorrelationId: "2", Send: req})
	if answer, err := batch.Recv(); status.Code(err) != codes.Unauthenticated {
		t.Errorf("the batch goes on with %v, %v", answer, err)
	}
	if _, err := r.admin.CancelMessage(r.ctx(), &postilionv1.CancelMessageRequest{Id: first.GetAccepted().GetId()}); err != nil {
		t.Fatal(err)
	}
	if event, err := watch.Recv(); status.Code(err) != codes.Unauthenticated {
		t.Errorf("the watch goes on with %v, %v", event, err)
	}
}

// Of a client that is deleted nothing goes out any more, also not through
// connections of others.
func TestADeletedClientsMailIsHeld(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	configure(t, r.admin, &postilionv1.Connection{Name: "everyones", Shared: true, Transport: captureSettings()})
	site := r.dial(r.addr.GRPC, r.client("site", allScopes...))
	configure(t, site, &postilionv1.Connection{Name: "own", Transport: captureSettings()})
	var ids []string
	for _, name := range []string{"everyones", "own"} {
		req := letter("a@example.net")
		req.Connection, req.SendAt = name, timestamppb.New(time.Now().Add(time.Hour))
		res, err := site.Send(r.ctx(), req)
		if err != nil {
			t.Fatal(err)
		}
		ids = append(ids, res.GetId())
	}
	if _, err := r.admin.DeleteClient(r.ctx(), &postilionv1.DeleteClientRequest{Name: "site"}); status.Code(err) != codes.FailedPrecondition {
		t.Errorf("without force: %v", err)
	}
	gone, err := r.admin.DeleteClient(r.ctx(), &postilionv1.DeleteClientRequest{Name: "site", Force: true})
	if err != nil || gone.GetHeld() != 2 {
		t.Errorf("with force: %v, %v", gone, err)
	}
	for _, id := range ids {
		r.awaitState(id, postilionv1.MessageState_MESSAGE_STATE_HELD)
	}
}

// A connection that was deleted takes nothing any more, though it has a session
// open and stands in the chain of a message.
func TestADeletedConnectionTakesNothing(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	greylisting := smtptest.Start(t, plain, func(c *smtptest.Config) {
		c.Recipient = func(string) error { return smtptest.Refuse(450, [3]int{4, 2, 0}, "greylisted") }
	})
	second := smtptest.Start(t, plain)
	configure(t, r.admin, connection("second", second))
	first := connection("first", greylisting)
	first.Fallbacks = []string{"second"}
	configure(t, r.admin, first)
	warm := letter("warm@example.net")
	warm.Connection = "second"
	res, err := r.admin.Send(r.ctx(), warm)
	if err != nil {
		t.Fatal(err)
	}
	r.awaitState(res.GetId(), sent)
	req := letter("a@example.net")
	req.Connection, req.Wait = "first", durationpb.New(patience)
	if res, err = r.admin.Send(r.ctx(), req); err != nil {
		t.Fatal(err)
	}
	r.awaitState(res.GetId(), postilionv1.MessageState_MESSAGE_STATE_DEFERRED)

	if _, err := r.admin.Configure(r.ctx(), &postilionv1.ConfigureRequest{
		Connection: &postilionv1.Connection{Name: "first"}, UpdateMask: &fieldmaskpb.FieldMask{Paths: []string{"fallbacks"}},
	}); err != nil {
		t.Fatal(err)
	}
	if _, err := r.admin.DeleteConnection(r.ctx(), &postilionv1.DeleteConnectionRequest{Name: "second"}); err != nil {
		t.Fatal(err)
	}
	greylisting.Stop()
	if _, err := r.admin.ResendMessage(r.ctx(), &postilionv1.ResendMessageRequest{Id: res.GetId()}); err != nil {
		t.Fatal(err)
	}
	var m *postilionv1.StoredMessage
	await(t, "it was tried again", func() bool {
		got, err := r.admin.GetMessage(r.ctx(), &postilionv1.GetMessageRequest{Id: res.GetId(), View: postilionv1.MessageView_MESSAGE_VIEW_FULL})
		if err != nil {
			t.Fatal(err)
		}
		m = got.GetMessage()
		return len(m.GetAttempts()) > 1 && m.GetState() != postilionv1.MessageState_MESSAGE_STATE_SENDING && m.GetState() != postilionv1.MessageState_MESSAGE_STATE_QUEUED
	})
	if n := second.Count(); n != 1 {
		t.Errorf("the deleted connection has taken %d messages; the message is %v", n, m)
	}
}

// A client cannot scan hosts or guess passwords by tests without end; an admin
// may test as it likes.
func TestSoManyTestsAMinute(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	site := r.dial(r.addr.GRPC, r.client("site", allScopes...))
	req := &postilionv1.TestConnectionRequest{Target: &postilionv1.TestConnectionRequest_Draft{Draft: &postilionv1.Connection{Name: "d", Transport: captureSettings()}}}
	refused := false
	for range 200 { // the minute may end meanwhile
		if _, err := r.admin.TestConnection(r.ctx(), req); err != nil {
			t.Fatal(err)
		}
		_, err := site.TestConnection(r.ctx(), req)
		if refused = status.Code(err) == codes.ResourceExhausted; refused {
			if fault.Detail(err).GetRetryAfter().AsDuration() <= 0 {
				t.Errorf("no time to try again: %v", err)
			}
			break
		}
	}
	if !refused {
		t.Error("200 tests were made")
	}
}
