package server

import (
	"errors"
	"fmt"
	"io"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/postilion-mail/postilion/internal/smtptest"
	postilionv1 "github.com/postilion-mail/postilion/proto/gen/postilion/v1"
)

// A preset fills in what is not given, and the answer shows it.
func TestProvider(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	list, err := r.admin.ListProviders(r.ctx(), &postilionv1.ListProvidersRequest{})
	if err != nil || len(list.GetProviders()) < 60 {
		t.Fatalf("%d providers, %v", len(list.GetProviders()), err)
	}
	c := configure(t, r.admin, &postilionv1.Connection{Name: "g", Transport: &postilionv1.Connection_Smtp{Smtp: &postilionv1.SmtpSettings{Provider: "gmail"}}})
	if s := c.GetSmtp(); s.GetHost() != "smtp.gmail.com" || s.GetPort() != 465 || s.GetProvider() != "gmail" || c.GetLimits().GetPerDay() != 500 {
		t.Errorf("%v", c)
	}
	r.stop()
	r.start()
	got, err := r.admin.GetConnection(r.ctx(), &postilionv1.GetConnectionRequest{Name: "g"})
	if err != nil || got.GetConnection().GetSmtp().GetProvider() != "gmail" {
		t.Errorf("after a restart: %v, %v", got, err)
	}
	req := letter()
	for n := range 101 {
		req.GetMessage().To = append(req.GetMessage().To, &postilionv1.Address{Address: fmt.Sprintf("p%d@example.net", n)})
	}
	req.Connection = "g"
	if _, err := r.admin.Send(r.ctx(), req); status.Code(err) != codes.InvalidArgument {
		t.Errorf("101 recipients: %v", err)
	}
}

// Message 501 of a day waits for the next one, also after a restart.
func TestGmailQuota(t *testing.T) {
	t.Parallel()
	// The day is the machine's. If it ends meanwhile, the second try has a
	// whole one.
	for range 2 {
		if tryQuota(t) {
			return
		}
	}
	t.Error("the day ended twice")
}

func tryQuota(t *testing.T) (sameDay bool) {
	r := newRig(t)
	provider := smtptest.Start(t, plain)
	c := connection("g", provider)
	c.GetSmtp().Provider = "gmail"
	configure(t, r.admin, c)
	midnight := time.Now().UTC().Truncate(24 * time.Hour).Add(24 * time.Hour)
	sendMany(r, 500)
	provider.Messages(500)
	over := []*postilionv1.StoredMessage{r.sendDeferred()}
	r.stop()
	r.start()
	over = append(over, r.message(over[0].GetId()), r.sendDeferred())
	if !time.Now().Before(midnight) {
		return false
	}
	for _, m := range over {
		if next := m.GetRecipients()[0].GetNextAttempt().AsTime(); !next.Equal(midnight) {
			t.Errorf("the next attempt is due %v, not %v", next, midnight)
		}
		contains(t, m.GetRecipients()[0].GetReason(), "500 recipients a day")
	}
	if n := provider.Count(); n != 500 {
		t.Errorf("%d messages went out", n)
	}
	return true
}

const deferred = postilionv1.MessageState_MESSAGE_STATE_DEFERRED

// message gives a message as it is.
func (r *rig) message(id string) *postilionv1.StoredMessage {
	r.t.Helper()
	got, err := r.admin.GetMessage(r.ctx(), &postilionv1.GetMessageRequest{Id: id})
	if err != nil {
		r.t.Fatal(err)
	}
	return got.GetMessage()
}

// sendDeferred sends one message over the limit. When the day has just ended
// it is sent, which the caller finds out.
func (r *rig) sendDeferred() *postilionv1.StoredMessage {
	r.t.Helper()
	answer, err := r.admin.Send(r.ctx(), letter("late@example.net"))
	if err != nil {
		r.t.Fatal(err)
	}
	var m *postilionv1.StoredMessage
	await(r.t, "a message over the limit is deferred", func() bool {
		m = r.message(answer.GetId())
		return m.GetState() == deferred || m.GetState() == sent
	})
	return m
}

func sendMany(r *rig, n int) {
	r.t.Helper()
	stream, err := r.admin.SendBatch(r.ctx())
	if err != nil {
		r.t.Fatal(err)
	}
	go func() {
		for i := range n {
			if stream.Send(&postilionv1.SendBatchRequest{CorrelationId: fmt.Sprint(i), Send: letter("a@example.net")}) != nil {
				return // Recv tells why
			}
		}
		_ = stream.CloseSend()
	}()
	for i := 0; ; i++ {
		answer, err := stream.Recv()
		if errors.Is(err, io.EOF) && i == n {
			return
		}
		if err != nil || answer.GetAccepted() == nil {
			r.t.Fatalf("answer %d: %v, %v", i, answer, err)
		}
	}
}
