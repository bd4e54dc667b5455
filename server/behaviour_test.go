package server

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"connectrpc.com/connect"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/fieldmaskpb"

	"github.com/postilion-mail/postilion/internal/smtptest"
	postilionv1 "github.com/postilion-mail/postilion/proto/gen/postilion/v1"
	"github.com/postilion-mail/postilion/proto/gen/postilion/v1/postilionv1connect"
	"github.com/postilion-mail/postilion/server/internal/fault"
)

func captureSettings() *postilionv1.Connection_Custom {
	return &postilionv1.Connection_Custom{Custom: &postilionv1.CustomSettings{Transport: "capture"}}
}

// Patches of different fields at the same time all come to hold.
func TestPatchesAtTheSameTime(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	configure(t, r.admin, &postilionv1.Connection{Name: "c", Transport: &postilionv1.Connection_Smtp{Smtp: &postilionv1.SmtpSettings{Host: "h.example"}}})
	patches := map[string]func(*postilionv1.Connection){
		"display_name":                  func(c *postilionv1.Connection) { c.DisplayName = "Name" },
		"smtp.hello_name":               func(c *postilionv1.Connection) { c.GetSmtp().HelloName = "u.example" },
		"smtp.pool_size":                func(c *postilionv1.Connection) { c.GetSmtp().PoolSize = 3 },
		"sender.from_name":              func(c *postilionv1.Connection) { c.Sender.FromName = "From" },
		"limits.per_hour":               func(c *postilionv1.Connection) { c.Limits.PerHour = 7 },
		"limits.recipients_per_message": func(c *postilionv1.Connection) { c.Limits.RecipientsPerMessage = 9 },
	}
	var calls sync.WaitGroup
	for path, change := range patches {
		calls.Go(func() {
			wanted := &postilionv1.Connection{
				Name: "c", Transport: &postilionv1.Connection_Smtp{Smtp: &postilionv1.SmtpSettings{}},
				Sender: &postilionv1.SenderPolicy{}, Limits: &postilionv1.Limits{},
			}
			change(wanted)
			_, err := r.admin.Configure(r.ctx(), &postilionv1.ConfigureRequest{Connection: wanted, UpdateMask: &fieldmaskpb.FieldMask{Paths: []string{path}}})
			if err != nil {
				t.Errorf("%s: %v", path, err)
			}
		})
	}
	calls.Wait()
	got, err := r.admin.GetConnection(r.ctx(), &postilionv1.GetConnectionRequest{Name: "c"})
	if err != nil {
		t.Fatal(err)
	}
	c := got.GetConnection()
	if c.GetDisplayName() != "Name" || c.GetSmtp().GetHost() != "h.example" || c.GetSmtp().GetHelloName() != "u.example" || c.GetSmtp().GetPoolSize() != 3 ||
		c.GetSender().GetFromName() != "From" || c.GetLimits().GetPerHour() != 7 || c.GetLimits().GetRecipientsPerMessage() != 9 {
		t.Errorf("in the end it is %v", c)
	}
	// Who gives an etag is told, and nothing is merged.
	_, err = r.admin.Configure(r.ctx(), &postilionv1.ConfigureRequest{
		Connection: &postilionv1.Connection{Name: "c", DisplayName: "x"}, UpdateMask: &fieldmaskpb.FieldMask{Paths: []string{"display_name"}}, Etag: "old",
	})
	if status.Code(err) != codes.Aborted {
		t.Errorf("an old etag gives %v", err)
	}
}

// What failed comes back with the life that its connection gives, or the one
// that is asked for.
func TestTheLifeOfWhatIsResent(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	provider := smtptest.Start(t, plain, func(c *smtptest.Config) {
		c.Recipient = func(string) error { return smtptest.Refuse(550, [3]int{5, 1, 1}, "no such user") }
	})
	c := connection("provider", provider)
	c.Retry = &postilionv1.RetryPolicy{ExpiresAfter: durationpb.New(3 * time.Hour)}
	configure(t, r.admin, c)
	req := letter("a@example.net")
	req.KeepContent = true
	res, err := r.admin.Send(r.ctx(), req)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		ask   *durationpb.Duration
		about time.Duration
	}{{nil, 3 * time.Hour}, {durationpb.New(30 * time.Hour), 30 * time.Hour}} {
		r.awaitState(res.GetId(), postilionv1.MessageState_MESSAGE_STATE_FAILED)
		again, err := r.admin.ResendMessage(r.ctx(), &postilionv1.ResendMessageRequest{Id: res.GetId(), ExpiresAfter: c.ask})
		if err != nil {
			t.Fatal(err)
		}
		if life := time.Until(again.GetMessage().GetExpireTime().AsTime()); life > c.about || life < c.about-time.Hour {
			t.Errorf("asked for %v it lives for %v", c.ask, life)
		}
	}
	_, err = r.admin.ResendMessage(r.ctx(), &postilionv1.ResendMessageRequest{Id: res.GetId(), ExpiresAfter: durationpb.New(31 * 24 * time.Hour)})
	if status.Code(err) != codes.InvalidArgument || len(fault.Detail(err).GetFields()) == 0 {
		t.Errorf("more than 30 days gives %v", err)
	}
}

// An admin who looks at a client's messages names the client's connections.
func TestAnAdminNamesAClientsConnection(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	site := r.dial(r.addr.GRPC, r.client("site", allScopes...))
	configure(t, site, &postilionv1.Connection{Name: "own", Transport: captureSettings()})
	req := letter("a@example.net")
	req.Connection = "own"
	res, err := site.Send(r.ctx(), req)
	if err != nil {
		t.Fatal(err)
	}
	list, err := r.admin.ListMessages(r.ctx(), &postilionv1.ListMessagesRequest{Client: "site", Connection: "own"})
	if err != nil || len(list.GetMessages()) != 1 || list.GetMessages()[0].GetId() != res.GetId() {
		t.Errorf("the admin finds %v, %v", list, err)
	}
	zero := int64(-1)
	watch, err := site.WatchEvents(r.ctx(), &postilionv1.WatchEventsRequest{AfterSequence: &zero})
	if err == nil {
		_, err = watch.Recv()
	}
	if status.Code(err) != codes.InvalidArgument {
		t.Errorf("watching from -1 on gives %v", err)
	}
}

// A draft without a name is nobody's, whatever the stored connections are
// called.
func TestADraftWithoutName(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	secret := "stored-secret"
	provider := smtptest.Start(t, plain)
	c := connection("draft", provider)
	c.GetSmtp().Username, c.GetSmtp().Password = "u", &secret
	c.GetSmtp().Host = "other.example"
	configure(t, r.admin, c)
	res, err := r.admin.TestConnection(r.ctx(), &postilionv1.TestConnectionRequest{Target: &postilionv1.TestConnectionRequest_Draft{Draft: connection("", provider)}})
	if err != nil || !res.GetOk() {
		t.Errorf("the test gives %v, %v", res, err)
	}
}

// A server that says nothing costs a test its time and no more, and is an
// answer.
func TestATarpitIsAnAnswer(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	tarpit := smtptest.StartScripted(t, smtptest.Script{Rules: []smtptest.Rule{{On: "CONNECT", Do: smtptest.Silence()}}})
	draft := &postilionv1.Connection{Name: "t", Transport: &postilionv1.Connection_Smtp{Smtp: &postilionv1.SmtpSettings{
		Host: "127.0.0.1", Port: uint32(tarpit.Port()), Security: postilionv1.Security_SECURITY_NONE,
	}}}
	res, err := r.admin.TestConnection(r.ctx(), &postilionv1.TestConnectionRequest{
		Target: &postilionv1.TestConnectionRequest_Draft{Draft: draft}, Timeout: durationpb.New(300 * time.Millisecond),
	})
	if err != nil || res.GetOk() || res.GetDiagnosis().GetCode() != "test.stopped" {
		t.Errorf("the test gives %v, %v", res, err)
	}
}

// What waits does not hold up a stop, and is told so: an idle batch, an idle
// watch, a test of a server that says nothing.
func TestNothingThatWaitsHoldsUpAStop(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	token := r.adminToken()
	tarpit := smtptest.StartScripted(t, smtptest.Script{Rules: []smtptest.Rule{{On: "CONNECT", Do: smtptest.Silence()}}})
	protocols := new(http.Protocols)
	protocols.SetUnencryptedHTTP2(true)
	web := postilionv1connect.NewMailerServiceClient(&http.Client{Transport: &http.Transport{Protocols: protocols}}, "http://"+r.addr.HTTP)

	ended := make(chan error, 3)
	item := func(i int) *postilionv1.SendBatchRequest {
		return &postilionv1.SendBatchRequest{CorrelationId: fmt.Sprint(i), Send: letter("a@example.net")}
	}
	batch, err := r.admin.SendBatch(r.ctx())
	if err != nil {
		t.Fatal(err)
	}
	ctx, call := connect.NewClientContext(r.ctx())
	call.RequestHeader().Set("Authorization", "Bearer "+token)
	overHTTP, err := web.SendBatch(ctx)
	if err != nil {
		t.Fatal(err)
	}
	for _, err := range []error{batch.Send(item(1)), overHTTP.Send(item(1))} {
		if err != nil {
			t.Fatal(err)
		}
	}
	if _, err := batch.Recv(); err != nil {
		t.Fatal(err)
	}
	if _, err := overHTTP.Receive(); err != nil {
		t.Fatal(err)
	}
	go func() { _, err := batch.Recv(); ended <- err }()
	go func() { _, err := overHTTP.Receive(); ended <- err }()
	go func() {
		_, err := r.admin.TestConnection(r.ctx(), &postilionv1.TestConnectionRequest{Target: &postilionv1.TestConnectionRequest_Draft{
			Draft: &postilionv1.Connection{Name: "t", Transport: &postilionv1.Connection_Smtp{Smtp: &postilionv1.SmtpSettings{
				Host: "127.0.0.1", Port: uint32(tarpit.Port()), Security: postilionv1.Security_SECURITY_NONE,
			}}},
		}})
		ended <- err
	}()
	await(t, "the test has connected", func() bool { return tarpit.Connections() > 0 })
	r.stop()
	for range 3 {
		err := <-ended
		text := fmt.Sprint(err)
		if !strings.Contains(text, "the daemon stops") {
			t.Errorf("a call ended with %v", err)
		}
	}
}

// A newer client's fields are not known, an older one's are missing: both send.
func TestClientsOfOtherVersions(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	newer := letter("a@example.net")
	unknown := protowire.AppendString(protowire.AppendTag(nil, 1000, protowire.BytesType), "something new")
	newer.ProtoReflect().SetUnknown(unknown)
	newer.GetMessage().ProtoReflect().SetUnknown(unknown)
	res, err := r.admin.Send(r.ctx(), newer)
	if err != nil || res.GetId() == "" {
		t.Errorf("a newer client gets %v, %v", res, err)
	}
	older := &postilionv1.SendRequest{Content: &postilionv1.SendRequest_Raw{Raw: &postilionv1.RawMessage{
		Content: []byte("From: a@b.example\nTo: c@d.example\n\nx"),
	}}}
	if res, err = r.admin.Send(r.ctx(), older); err != nil || res.GetId() == "" {
		t.Errorf("an older client gets %v, %v", res, err)
	}
}

// Connect's own errors name the field and have our details.
func TestMalformedJSONIsExplained(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	token := r.adminToken()
	got := r.post("MailerService/Send", token, `{"sendAtt":"2030-01-01T00:00:00Z"}`)
	for _, want := range []string{"postilion.v1.ErrorDetail", `"fields":["sendAtt"]`, "malformed_request", "google.rpc.ErrorInfo"} {
		contains(t, strings.ReplaceAll(string(got.body), `": `, `":`), want)
	}
	if got.status != http.StatusBadRequest || got.code() != "invalid_argument" || strings.Contains(string(got.body), "proto:") {
		t.Errorf("%d %s", got.status, got.body)
	}
}

// What the first connection takes is accepted, though a fallback's policy would
// refuse it; the message does not go through that one.
func TestAFallbackDoesNotRefuse(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	picky := &postilionv1.Connection{Name: "picky", Transport: captureSettings(), Sender: &postilionv1.SenderPolicy{AllowedFromDomains: []string{"other.example"}}}
	configure(t, r.admin, picky)
	configure(t, r.admin, &postilionv1.Connection{Name: "last", Transport: captureSettings()})
	configure(t, r.admin, &postilionv1.Connection{Name: "first", Transport: captureSettings(), Fallbacks: []string{"picky", "last"}})
	req := letter("a@example.net")
	req.Connection = "first"
	res, err := r.admin.Send(r.ctx(), req)
	if err != nil {
		t.Fatal(err)
	}
	m := r.awaitState(res.GetId(), sent)
	if got := strings.Join(m.GetConnections(), " "); got != "first last" {
		t.Errorf("its connections are %s", got)
	}
	req.Connection = "picky"
	if _, err := r.admin.Send(r.ctx(), req); status.Code(err) != codes.InvalidArgument {
		t.Errorf("through the picky one: %v", err)
	}
}
