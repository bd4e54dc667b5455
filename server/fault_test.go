package server

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/base64"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus/testutil/promlint"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/postilion-mail/postilion/internal/config"
	"github.com/postilion-mail/postilion/internal/smtptest"
	postilionv1 "github.com/postilion-mail/postilion/proto/gen/postilion/v1"
)

// fuse is a context whose deadline comes when blown is closed.
type fuse struct {
	context.Context
	blown chan struct{}
}

func (f fuse) Done() <-chan struct{} { return f.blown }

func (f fuse) Err() error {
	select {
	case <-f.blown:
		return context.DeadlineExceeded
	default:
		return nil
	}
}

// T29: who gives up after the message was stored has sent it, and learns so
// with the key.
func TestTheCallersDeadline(t *testing.T) {
	t.Parallel()
	arrived, proceed := make(chan struct{}), make(chan struct{})
	provider := smtptest.Start(t, plain, func(c *smtptest.Config) {
		c.Content = func(smtptest.Message) error {
			close(arrived)
			<-proceed
			return nil
		}
	})
	r := newRig(t)
	configure(t, r.admin, connection("provider", provider))
	request := letter("a@example.net")
	request.IdempotencyKey, request.Wait = "once", durationpb.New(patience)
	deadline := fuse{t.Context(), make(chan struct{})}
	answered := make(chan error, 1)
	go func() {
		_, err := r.admin.Send(deadline, request)
		answered <- err
	}()
	<-arrived
	close(deadline.blown)
	if err := <-answered; status.Code(err) != codes.DeadlineExceeded {
		t.Errorf("the caller gets %v", err)
	}
	request.Wait = nil
	again, err := r.admin.Send(r.ctx(), request)
	if err != nil || !again.GetReplayed() {
		t.Fatalf("the key gives %v, %v", again, err)
	}
	close(proceed)
	r.awaitState(again.GetId(), sent)
	if n := provider.Count(); n != 1 {
		t.Errorf("%d messages arrived", n)
	}
}

// T59: a session that was opened with one password carries no mail after
// Configure has given another.
func TestTheNextMessageHasTheNewPassword(t *testing.T) {
	t.Parallel()
	ca, err := smtptest.NewCA()
	if err != nil {
		t.Fatal(err)
	}
	certificate, err := ca.Issue(smtptest.Issue{})
	if err != nil {
		t.Fatal(err)
	}
	provider := smtptest.StartScripted(t, smtptest.Script{
		Implicit: true, TLS: &tls.Config{Certificates: []tls.Certificate{certificate}}, Capabilities: []string{"AUTH PLAIN"},
	})
	r := newRig(t)
	for i, password := range []string{"old", "new"} {
		configure(t, r.admin, &postilionv1.Connection{Name: "provider", Transport: &postilionv1.Connection_Smtp{Smtp: &postilionv1.SmtpSettings{
			Host: "127.0.0.1", Port: uint32(provider.Port()), Security: postilionv1.Security_SECURITY_IMPLICIT_TLS, CaCertificates: []byte(ca.PEM()),
			Username: "user", Password: &password,
		}}})
		for range 2 { // the second of each finds an open session
			receipt, err := r.admin.Send(r.ctx(), letter("a@example.net"))
			if err != nil {
				t.Fatal(err)
			}
			r.awaitState(receipt.GetId(), sent)
		}
		received := provider.Peer(i + 1).Received()
		contains(t, received, base64.StdEncoding.EncodeToString([]byte("\x00user\x00"+password)))
		if n := strings.Count(received, "RCPT TO:"); n != 2 {
			t.Errorf("the session with the password %q carried %d messages", password, n)
		}
	}
	if n := provider.Connections(); n != 2 {
		t.Errorf("%d sessions", n)
	}
}

// T71: a connection that verifies nothing is named at each start.
func TestUnverifiedConnectionsAreNamed(t *testing.T) {
	t.Parallel()
	const warning = "certificates are not verified"
	provider := smtptest.Start(t)
	r := newRig(t)
	c := connection("careless", provider)
	c.GetSmtp().Security, c.GetSmtp().SkipVerify = postilionv1.Security_SECURITY_STARTTLS, true
	configure(t, r.admin, c)
	test, err := r.admin.TestConnection(r.ctx(), &postilionv1.TestConnectionRequest{Target: &postilionv1.TestConnectionRequest_Name{Name: "careless"}})
	if err != nil || !strings.Contains(fmt.Sprint(test.GetWarnings()), "not verified") {
		t.Errorf("a test warns of %v, %v", test.GetWarnings(), err)
	}
	for starts := 1; starts <= 2; starts++ {
		r.stop()
		r.start()
		if n := strings.Count(r.log.String(), warning); n != starts {
			t.Errorf("after %d starts there are %d warnings", starts, n)
		}
	}
	contains(t, r.log.String(), "connection=admin/careless")
}

// T129: what one client sends beyond its rate waits, and holds up nobody.
func TestABurstBeyondTheRate(t *testing.T) {
	t.Parallel()
	const burst, rate = 60, 5
	provider := smtptest.Start(t, plain)
	r := newRig(t)
	shared := connection("provider", provider)
	shared.Shared = true
	if _, err := r.admin.Configure(r.ctx(), &postilionv1.ConfigureRequest{Connection: shared, SetDefault: true}); err != nil {
		t.Fatal(err)
	}
	callers := make(map[string]caller)
	for name, limits := range map[string]*postilionv1.Limits{"noisy": {PerDay: rate}, "quiet": nil} {
		made, err := r.admin.CreateClient(r.ctx(), &postilionv1.CreateClientRequest{Client: &postilionv1.Client{Name: name, Scopes: allScopes, Limits: limits}})
		if err != nil {
			t.Fatal(err)
		}
		callers[name] = r.dial(r.addr.GRPC, made.GetToken())
	}
	send := func(name string) string {
		t.Helper()
		request := letter("a@example.net")
		request.Connection = "provider"
		receipt, err := callers[name].Send(r.ctx(), request)
		if err != nil {
			t.Fatal(err)
		}
		return receipt.GetId()
	}
	for range burst {
		send("noisy")
	}
	for range 10 {
		r.awaitState(send("quiet"), sent)
	}
	counts := make(map[postilionv1.MessageState]int)
	await(t, "the noisy client's rate is used up", func() bool {
		list, err := callers["noisy"].ListMessages(r.ctx(), &postilionv1.ListMessagesRequest{PageSize: 1000})
		if err != nil {
			t.Fatal(err)
		}
		clear(counts)
		for _, m := range list.GetMessages() {
			counts[m.GetState()]++
		}
		return counts[sent] >= rate && counts[postilionv1.MessageState_MESSAGE_STATE_SENDING] == 0
	})
	// A day may have begun meanwhile.
	if n := counts[sent]; n != rate && n != 2*rate {
		t.Errorf("with a rate of %d a day: %v", rate, counts)
	}
	if waiting := counts[postilionv1.MessageState_MESSAGE_STATE_QUEUED] + counts[postilionv1.MessageState_MESSAGE_STATE_DEFERRED]; waiting+counts[sent] != burst {
		t.Errorf("of %d messages: %v", burst, counts)
	}
}

// T151: what is searched for is never part of a statement.
func TestSearchesAreNoSQL(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	mine, others := r.dial(r.addr.GRPC, r.client("mine", allScopes...)), r.dial(r.addr.GRPC, r.client("others", allScopes...))
	for _, c := range []caller{mine, others} {
		request := letter("a@example.net")
		request.Tags, request.Connection = []string{"news"}, "capture"
		if _, err := c.Send(r.ctx(), request); err != nil {
			t.Fatal(err)
		}
	}
	for _, text := range []string{
		`' OR 1=1 --`, `" OR ""="`, `') OR ('a'='a`, `x'; DROP TABLE messages; --`, `' UNION SELECT * FROM connections --`, `%`, `_%`, `*`, `news' --`,
		`' OR client IS NOT NULL --`, `a@example.net' OR '1'='1`, "news\x00' OR 1=1",
	} {
		for field, request := range map[string]*postilionv1.ListMessagesRequest{
			"recipient": {Recipient: text}, "tag": {Tag: text}, "connection": {Connection: text}, "message_id": {MessageId: text},
			"page_token": {PageToken: text}, "client": {Client: text},
		} {
			for _, c := range []caller{mine, r.admin} {
				list, err := c.ListMessages(r.ctx(), request)
				switch status.Code(err) {
				case codes.OK, codes.InvalidArgument, codes.NotFound, codes.PermissionDenied:
				default:
					t.Errorf("%s %q gives %v", field, text, err)
				}
				if n := len(list.GetMessages()); n != 0 {
					t.Errorf("%s %q gives %d messages", field, text, n)
				}
			}
		}
		if _, err := mine.GetMessage(r.ctx(), &postilionv1.GetMessageRequest{Id: text}); status.Code(err) != codes.NotFound {
			t.Errorf("the message %q gives %v", text, err)
		}
		if _, err := mine.GetConnection(r.ctx(), &postilionv1.GetConnectionRequest{Name: text}); status.Code(err) != codes.NotFound {
			t.Errorf("the connection %q gives %v", text, err)
		}
	}
	list, err := mine.ListMessages(r.ctx(), &postilionv1.ListMessagesRequest{Tag: "news", Recipient: "a@example.net"})
	if err != nil || len(list.GetMessages()) != 1 {
		t.Errorf("afterwards there are %v, %v", list, err)
	}
}

// T167: the metrics are as Prometheus wants them.
func TestMetricsAreClean(t *testing.T) {
	t.Parallel()
	provider := smtptest.Start(t, plain)
	r := newRig(t, func(c *config.Config) { c.MetricsListen = "127.0.0.1:0" })
	configure(t, r.admin, connection("provider", provider))
	receipt, err := r.admin.Send(r.ctx(), letter("a@example.net"))
	if err != nil {
		t.Fatal(err)
	}
	r.awaitState(receipt.GetId(), sent)
	answer, err := http.Get("http://" + r.addr.Metrics + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	page, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	contains(t, string(page), "postilion_messages_accepted_total")
	problems, err := promlint.New(bytes.NewReader(page)).Lint()
	if err != nil {
		t.Fatal(err)
	}
	for _, problem := range problems {
		t.Errorf("%s: %s", problem.Metric, problem.Text)
	}
}
