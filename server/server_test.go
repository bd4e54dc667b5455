package server

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/fieldmaskpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/postilion-mail/postilion/internal/config"
	"github.com/postilion-mail/postilion/internal/maildrop"
	"github.com/postilion-mail/postilion/internal/smtptest"
	postilionv1 "github.com/postilion-mail/postilion/proto/gen/postilion/v1"
	"github.com/postilion-mail/postilion/server/internal/fault"
)

const sent = postilionv1.MessageState_MESSAGE_STATE_SENT

// The whole way: configure with login and STARTTLS, send, and what arrives.
func TestAMessageArrives(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	provider := smtptest.Start(t, smtptest.Account("shop", "s3cret-password"))
	password := "s3cret-password"
	c := connection("provider", provider)
	smtp := c.GetSmtp()
	smtp.Host, smtp.Security, smtp.Authentication = "localhost", postilionv1.Security_SECURITY_STARTTLS, postilionv1.Authentication_AUTHENTICATION_AUTO
	smtp.Username, smtp.Password, smtp.CaCertificates = "shop", &password, []byte(provider.CA().PEM())
	stored := configure(t, r.admin, c)
	if !stored.GetSmtp().GetHasPassword() || stored.GetSmtp().Password != nil || !stored.GetDefault() {
		t.Errorf("the connection is answered as %v", stored)
	}

	req := letter("jane@example.net")
	m := req.GetMessage()
	m.Cc = []*postilionv1.Address{{Address: "cc@example.net"}}
	m.Bcc = []*postilionv1.Address{{Address: "hidden@example.net"}}
	m.Subject, m.Html = "Grüße", "<p>A text</p>"
	m.Attachments = []*postilionv1.Attachment{{Filename: "a.bin", Content: []byte{0, 1, 2, 255}}}
	req.Wait = durationpb.New(30 * time.Second)
	res, err := r.admin.Send(r.ctx(), req)
	if err != nil {
		t.Fatal(err)
	}
	if res.GetState() != sent || len(res.GetRecipients()) != 3 || res.GetConnection() != "provider" {
		t.Errorf("the answer is %v", res)
	}
	got := provider.Messages(1)[0]
	content := string(got.Content)
	if !got.TLS || got.AuthUser != "shop" || got.From != "shop@example.com" || len(got.To) != 3 {
		t.Errorf("it arrived as %+v", got)
	}
	if strings.Contains(content, "hidden@") || strings.Contains(content, "Bcc") {
		t.Error("the blind copy shows")
	}
	for _, want := range []string{"Message-ID: " + res.GetMessageId(), "Subject: =?", "multipart/mixed", "AAEC/w=="} {
		if !strings.Contains(strings.ReplaceAll(content, "Message-Id", "Message-ID"), want) {
			t.Errorf("%q is not in what arrived:\n%s", want, content)
		}
	}
	full := r.awaitState(res.GetId(), sent)
	if len(full.GetAttempts()) != 3 || full.GetContentAvailable() {
		t.Errorf("afterwards the message is %v", full)
	}
	if strings.Contains(r.log.String(), password) {
		t.Error("the password is in the log")
	}
}

func TestAKeySendsOnce(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	provider := smtptest.Start(t, plain)
	configure(t, r.admin, connection("provider", provider))
	req := letter("jane@example.net")
	req.IdempotencyKey = "order-1"
	ids := make([]string, 50)
	var calls sync.WaitGroup
	for i := range ids {
		calls.Go(func() {
			res, err := r.admin.Send(r.ctx(), req)
			if err != nil {
				t.Error(err)
				return
			}
			ids[i] = res.GetId()
		})
	}
	calls.Wait()
	for _, id := range ids {
		if id != ids[0] {
			t.Fatalf("two messages were made of one key: %s and %s", ids[0], id)
		}
	}
	r.awaitState(ids[0], sent)

	r.stop()
	r.start()
	res, err := r.admin.Send(r.ctx(), req)
	if err != nil || res.GetId() != ids[0] || !res.GetReplayed() || res.GetState() != sent {
		t.Errorf("after a restart the key gives %v, %v", res, err)
	}
	other := letter("other@example.net")
	other.IdempotencyKey = "order-1"
	_, err = r.admin.Send(r.ctx(), other)
	if status.Code(err) != codes.AlreadyExists || fault.Detail(err).GetReason() != "idempotency_key_reused" {
		t.Errorf("the key for another request gives %v", err)
	}
	if n := provider.Count(); n != 1 {
		t.Errorf("%d messages arrived", n)
	}
	// The answer stays the same when the request would be refused by now.
	req.Connection = "gone"
	req.IdempotencyKey = "order-2"
	gone := connection("gone", provider)
	configure(t, r.admin, gone)
	first, err := r.admin.Send(r.ctx(), req)
	if err != nil {
		t.Fatal(err)
	}
	r.awaitState(first.GetId(), sent)
	if _, err := r.admin.DeleteConnection(r.ctx(), &postilionv1.DeleteConnectionRequest{Name: "gone"}); err != nil {
		t.Fatal(err)
	}
	if res, err := r.admin.Send(r.ctx(), req); err != nil || res.GetId() != first.GetId() || !res.GetReplayed() {
		t.Errorf("after its connection is gone the key gives %v, %v", res, err)
	}
}

// A wrong password pauses the connection and bounces nothing; the right one
// lets everything go.
func TestAWrongPasswordPausesAndBouncesNothing(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	provider := smtptest.Start(t, smtptest.Account("shop", "right"))
	wrong, right := "wrong-password", "right"
	c := connection("provider", provider)
	smtp := c.GetSmtp()
	smtp.Host, smtp.Security, smtp.Authentication = "localhost", postilionv1.Security_SECURITY_STARTTLS, postilionv1.Authentication_AUTHENTICATION_AUTO
	smtp.Username, smtp.Password, smtp.CaCertificates = "shop", &wrong, []byte(provider.CA().PEM())
	configure(t, r.admin, c)
	var ids []string
	for i := range 5 {
		res, err := r.admin.Send(r.ctx(), letter(fmt.Sprintf("p%d@example.net", i)))
		if err != nil {
			t.Fatal(err)
		}
		ids = append(ids, res.GetId())
	}
	var state *postilionv1.ConnectionStatus
	await(t, "the connection is paused", func() bool {
		got, err := r.admin.GetConnection(r.ctx(), &postilionv1.GetConnectionRequest{Name: "provider"})
		if err != nil {
			t.Fatal(err)
		}
		state = got.GetConnection().GetStatus()
		return state.GetPaused()
	})
	if state.GetOutcome().GetBlame() != postilionv1.Blame_BLAME_AUTH || state.GetDiagnosis().GetCode() != "auth.rejected" || len(state.GetAlarms()) == 0 {
		t.Errorf("the status is %v", state)
	}
	for _, id := range ids {
		r.awaitState(id, postilionv1.MessageState_MESSAGE_STATE_DEFERRED)
	}
	shown, err := r.admin.GetMessage(r.ctx(), &postilionv1.GetMessageRequest{Id: ids[0]})
	if to := shown.GetMessage().GetRecipients(); err != nil || len(to) != 1 || to[0].GetDiagnosis().GetCode() != "auth.rejected" || len(to[0].GetDiagnosis().GetRemedies()) == 0 {
		t.Errorf("the message is explained by %v, %v", to, err)
	}
	if !strings.Contains(r.log.String(), "cause=auth.rejected") && !strings.Contains(r.log.String(), `"cause":"auth.rejected"`) {
		t.Error("the log does not name the cause")
	}
	_, err = r.admin.Configure(r.ctx(), &postilionv1.ConfigureRequest{
		Connection: &postilionv1.Connection{Name: "provider", Transport: &postilionv1.Connection_Smtp{Smtp: &postilionv1.SmtpSettings{Password: &right}}},
		UpdateMask: &fieldmaskpb.FieldMask{Paths: []string{"smtp.password"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, id := range ids {
		r.awaitState(id, sent)
	}
	if log := r.log.String(); strings.Contains(log, wrong) {
		t.Error("the password is in the log")
	}
}

func TestTestConnection(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	provider := smtptest.Start(t, smtptest.Account("shop", "right"))
	draft := connection("", provider)
	smtp := draft.GetSmtp()
	password := "right"
	smtp.Host, smtp.Security, smtp.Authentication = "localhost", postilionv1.Security_SECURITY_STARTTLS, postilionv1.Authentication_AUTHENTICATION_AUTO
	smtp.Username, smtp.Password, smtp.CaCertificates = "shop", &password, []byte(provider.CA().PEM())
	test := func() *postilionv1.TestConnectionResponse {
		res, err := r.admin.TestConnection(r.ctx(), &postilionv1.TestConnectionRequest{
			Target: &postilionv1.TestConnectionRequest_Draft{Draft: draft}, SendTo: "jane@example.net",
		})
		if err != nil {
			t.Fatal(err)
		}
		return res
	}
	res := test()
	var names []string
	for _, s := range res.GetStages() {
		names = append(names, s.GetName())
	}
	if got := strings.Join(names, " "); !res.GetOk() || !strings.HasPrefix(got, "resolve connect greeting ehlo starttls tls") {
		t.Errorf("ok is %v and the stages are %s", res.GetOk(), got)
	}
	contains(t, string(provider.Messages(1)[0].Content), "test mail")

	wrong := "wrong-password"
	smtp.Password = &wrong
	res = test()
	if res.GetOk() || res.GetDiagnosis().GetCode() != "auth.rejected" || strings.Contains(res.String(), wrong) {
		t.Errorf("a wrong password gives %v", res)
	}
}

func TestASecretStaysWithItsServer(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	site := r.dial(r.addr.GRPC, r.client("site", allScopes...))
	password := "canary-password"
	c := &postilionv1.Connection{Name: "own", Transport: &postilionv1.Connection_Smtp{Smtp: &postilionv1.SmtpSettings{
		Host: "smtp.example.com", Username: "u", Password: &password,
	}}}
	stored := configure(t, site, c)
	moved := &postilionv1.ConfigureRequest{
		Connection: &postilionv1.Connection{Name: "own", Transport: &postilionv1.Connection_Smtp{Smtp: &postilionv1.SmtpSettings{Host: "evil.example.com"}}},
		UpdateMask: &fieldmaskpb.FieldMask{Paths: []string{"smtp.host"}},
	}
	_, err := site.Configure(r.ctx(), moved)
	if status.Code(err) != codes.InvalidArgument || fault.Detail(err).GetReason() != "secret_required" {
		t.Errorf("moving a connection without its secret gives %v", err)
	}
	_, err = site.TestConnection(r.ctx(), &postilionv1.TestConnectionRequest{Target: &postilionv1.TestConnectionRequest_Draft{Draft: &postilionv1.Connection{
		Name: "own", Transport: &postilionv1.Connection_Smtp{Smtp: &postilionv1.SmtpSettings{Host: "evil.example.com", Username: "u"}},
	}}})
	if fault.Detail(err).GetReason() != "secret_required" {
		t.Errorf("testing a draft with a stored secret at another host gives %v", err)
	}
	_, err = site.Configure(r.ctx(), &postilionv1.ConfigureRequest{Connection: c, Etag: "old"})
	if status.Code(err) != codes.Aborted {
		t.Errorf("another etag gives %v", err)
	}
	c.GetSmtp().Password = nil
	c.DisplayName = "Own"
	if again := configure(t, site, c); !again.GetSmtp().GetHasPassword() || again.GetEtag() == stored.GetEtag() {
		t.Errorf("a change of the name gives %v", again)
	}
	var files []byte
	for _, name := range []string{"postilion.db", "postilion.db-wal"} {
		b, _ := os.ReadFile(filepath.Join(r.cfg.DataDir, name))
		files = append(files, b...)
	}
	if len(files) == 0 || bytes.Contains(files, []byte(password)) {
		t.Errorf("the password stands in the database's %d octets", len(files))
	}
}

// A connection that no admin configured reaches nothing on this machine.
func TestAClientDoesNotReachLoopback(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	provider := smtptest.Start(t, plain)
	site := r.dial(r.addr.GRPC, r.client("site", allScopes...))
	c := connection("own", provider)
	configure(t, site, c)
	res, err := site.TestConnection(r.ctx(), &postilionv1.TestConnectionRequest{Target: &postilionv1.TestConnectionRequest_Name{Name: "own"}})
	if err != nil {
		t.Fatal(err)
	}
	if res.GetOk() || res.GetDiagnosis().GetCode() != "connect.refused_by_policy" {
		t.Errorf("the test gives %v", res)
	}
	if _, err := site.Send(r.ctx(), letter("a@example.net")); err != nil {
		t.Fatal(err)
	}
	await(t, "the connection is paused", func() bool {
		got, err := site.GetConnection(r.ctx(), &postilionv1.GetConnectionRequest{Name: "own"})
		return err == nil && got.GetConnection().GetStatus().GetPaused()
	})
	if n := provider.Sessions(); n != 0 {
		t.Errorf("there were %d sessions", n)
	}
	c.AllowDestinations = []string{"127.0.0.0/8"}
	if _, err := site.Configure(r.ctx(), &postilionv1.ConfigureRequest{Connection: c}); status.Code(err) != codes.PermissionDenied {
		t.Errorf("allow_destinations by a client gives %v", err)
	}
}

// What was accepted before a stop is delivered after the next start.
func TestWhatWaitsOutlivesARestart(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	provider := smtptest.Start(t, plain)
	c := connection("provider", provider)
	c.Retry = &postilionv1.RetryPolicy{Schedule: []*durationpb.Duration{durationpb.New(time.Second)}}
	configure(t, r.admin, c)
	provider.Stop()
	res, err := r.admin.Send(r.ctx(), letter("a@example.net"))
	if err != nil {
		t.Fatal(err)
	}
	m := r.awaitState(res.GetId(), postilionv1.MessageState_MESSAGE_STATE_DEFERRED)
	if one := m.GetRecipients()[0]; one.GetNextAttempt() == nil || one.GetOutcome().GetPhase() != "connect" {
		t.Errorf("it waits as %v", one)
	}
	later, err := r.admin.Send(r.ctx(), &postilionv1.SendRequest{Content: letter("later@example.net").Content, SendAt: timestamppb.New(time.Now().Add(time.Hour))})
	if err != nil {
		t.Fatal(err)
	}
	r.stop()
	if err := provider.Restart(); err != nil {
		t.Fatal(err)
	}
	r.start()
	r.awaitState(res.GetId(), sent)
	if n := provider.Count(); n != 1 {
		t.Errorf("%d messages arrived", n)
	}
	if _, err := r.admin.CancelMessage(r.ctx(), &postilionv1.CancelMessageRequest{Id: later.GetId()}); err != nil {
		t.Error(err)
	}
	_, err = r.admin.CancelMessage(r.ctx(), &postilionv1.CancelMessageRequest{Id: res.GetId()})
	if status.Code(err) != codes.FailedPrecondition || fault.Detail(err).GetReason() != "too_late" {
		t.Errorf("cancelling what was sent gives %v", err)
	}
}

// While the daemon stops it accepts: the delivery that holds up the stop is
// let through only after another message was accepted.
func TestItAcceptsWhileItStops(t *testing.T) {
	t.Parallel()
	arrived, proceed := make(chan struct{}), make(chan struct{})
	var once sync.Once
	provider := smtptest.Start(t, plain, func(c *smtptest.Config) {
		c.Content = func(smtptest.Message) error {
			once.Do(func() { close(arrived); <-proceed })
			return nil
		}
	})
	r := newRig(t, func(c *config.Config) { c.Drain = patience })
	configure(t, r.admin, connection("provider", provider))
	first, err := r.admin.Send(r.ctx(), letter("first@example.net"))
	if err != nil {
		t.Fatal(err)
	}
	<-arrived
	health := grpc_health_v1.NewHealthClient(r.admin.conn)
	r.cancel()
	await(t, "it is not ready any more", func() bool {
		h, err := health.Check(r.ctx(), &grpc_health_v1.HealthCheckRequest{})
		return err == nil && h.GetStatus() == grpc_health_v1.HealthCheckResponse_NOT_SERVING
	})
	second, err := r.admin.Send(r.ctx(), letter("second@example.net"))
	if err != nil {
		t.Errorf("sending while it stops gives %v", err)
	}
	close(proceed)
	if err := <-r.done; err != nil {
		t.Error(err)
	}
	r.start()
	r.awaitState(first.GetId(), sent)
	r.awaitState(second.GetId(), sent)
	if n := provider.Count(); n != 2 {
		t.Errorf("%d messages arrived", n)
	}
}

func (r *rig) drop(d *maildrop.Drop, token string) {
	r.t.Helper()
	if err := maildrop.Write(r.cfg.MaildropDir, d, token); err != nil {
		r.t.Fatal(err)
	}
	await(r.t, "the maildrop is empty", func() bool {
		names, err := filepath.Glob(filepath.Join(r.cfg.MaildropDir, d.Key+"*"))
		return err == nil && len(names) == 0
	})
}

// What was dropped is accepted once, also when the daemon had accepted it and
// only its answer was lost.
func TestTheMaildropIsPickedUpOnce(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	provider := smtptest.Start(t, plain)
	c := connection("provider", provider)
	c.Shared = true
	configure(t, r.admin, c)
	from := "me@example.com"
	drop := &maildrop.Drop{
		Key: maildrop.NewKey(), Created: time.Now(), From: &from, Recipients: []string{"you@example.net"}, NotifySender: true,
		Content: []byte("From: me@example.com\nTo: you@example.net\nSubject: dropped\n\ntext\n"),
	}
	r.drop(drop, "")
	r.drop(drop, "")
	contains(t, string(provider.Messages(1)[0].Content), "Subject: dropped")
	list, err := r.admin.ListMessages(r.ctx(), &postilionv1.ListMessagesRequest{})
	if err != nil || len(list.GetMessages()) != 1 || list.GetMessages()[0].GetSource() != "maildrop" || list.GetMessages()[0].GetClient() != "local" {
		t.Fatalf("the outbox has %v, %v", list, err)
	}

	// The same by the API first, by a client with a token.
	token := r.client("site", allScopes...)
	drop.Key = maildrop.NewKey()
	res, err := r.dial(r.addr.GRPC, token).Send(r.ctx(), &postilionv1.SendRequest{
		IdempotencyKey: drop.Key, NotifySender: true,
		Content: &postilionv1.SendRequest_Raw{Raw: &postilionv1.RawMessage{
			Content: drop.Content, Envelope: &postilionv1.Envelope{From: &from, Recipients: []*postilionv1.EnvelopeRecipient{{Address: "you@example.net"}}},
		}},
	})
	if err != nil {
		t.Fatal(err)
	}
	r.drop(drop, token)
	again, err := r.admin.ListMessages(r.ctx(), &postilionv1.ListMessagesRequest{})
	if err != nil || len(again.GetMessages()) != 2 || again.GetMessages()[0].GetId() != res.GetId() {
		t.Errorf("the outbox has %v, %v", again, err)
	}
}

// A client of the API leaves its request as it is: with what a drop of its own
// could not say, and once if the daemon had accepted it already.
func TestARequestInTheMaildrop(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	provider := smtptest.Start(t, plain)
	c := connection("provider", provider)
	c.Shared = true
	configure(t, r.admin, c)
	token := r.client("site", allScopes...)
	site := r.dial(r.addr.GRPC, token)
	req := letter("you@example.net")
	req.IdempotencyKey, req.Tags = "order-1", []string{"order"}
	res, err := site.Send(r.ctx(), req)
	if err != nil {
		t.Fatal(err)
	}
	for _, key := range []string{"order-1", "order-2", ""} {
		req.IdempotencyKey = key
		r.drop(requestDrop(t, req), token)
	}
	list, err := site.ListMessages(r.ctx(), &postilionv1.ListMessagesRequest{Tag: "order"})
	if err != nil || len(list.GetMessages()) != 3 || list.GetMessages()[2].GetId() != res.GetId() {
		t.Fatalf("the outbox has %v, %v", list, err)
	}
	provider.Messages(3)

	// What cannot be accepted is kept, and its sender told.
	req.IdempotencyKey = "order-1"
	req.GetMessage().Subject = "another"
	broken := requestDrop(t, req)
	broken.Content = []byte(`{"nosuch": 1}`)
	for i, d := range []*maildrop.Drop{requestDrop(t, req), broken} {
		r.drop(d, token)
		await(t, "the drop is moved away", func() bool {
			found, err := filepath.Glob(filepath.Join(r.cfg.MaildropDir, "bad", d.Key))
			return err == nil && len(found) == 1
		})
		report := provider.Messages(4 + i)[3+i]
		if report.From != "" || report.To[0] != "shop@example.com" {
			t.Errorf("the report went from %q to %v", report.From, report.To)
		}
	}
}

// requestDrop is a request as a client of the API leaves it.
func requestDrop(t *testing.T, req *postilionv1.SendRequest) *maildrop.Drop {
	t.Helper()
	content, err := protojson.Marshal(req)
	if err != nil {
		t.Fatal(err)
	}
	from := "shop@example.com"
	return &maildrop.Drop{
		Key: maildrop.NewKey(), Created: time.Now(), Request: true, Content: content,
		From: &from, Recipients: []string{"you@example.net"}, NotifySender: true,
	}
}

// A drop without From gets its author where no policy names a sender.
func TestADropWithoutSender(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	provider := smtptest.Start(t, plain)
	configure(t, r.admin, connection("provider", provider))
	r.drop(&maildrop.Drop{
		Key: maildrop.NewKey(), Created: time.Now(), Recipients: []string{"you@example.net"}, Author: "Jane <jane@example.com>",
		Content: []byte("Subject: no sender\n\ntext\n"),
	}, "")
	got := provider.Messages(1)[0]
	if got.From != "jane@example.com" {
		t.Errorf("it came from %q", got.From)
	}
	contains(t, string(got.Content), "From: Jane <jane@example.com>")
}

func TestEventsAreToldInOrder(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	provider := smtptest.Start(t, plain)
	configure(t, r.admin, connection("provider", provider))
	zero := int64(0)
	watch, err := r.admin.WatchEvents(r.ctx(), &postilionv1.WatchEventsRequest{AfterSequence: &zero})
	if err != nil {
		t.Fatal(err)
	}
	poll := make(chan *postilionv1.ListEventsResponse, 1)
	go func() {
		res, err := r.admin.ListEvents(r.ctx(), &postilionv1.ListEventsRequest{Wait: durationpb.New(patience)})
		if err != nil {
			t.Error(err)
		}
		poll <- res
	}()
	res, err := r.admin.Send(r.ctx(), letter("a@example.net"))
	if err != nil {
		t.Fatal(err)
	}
	var types []string
	for range 2 {
		e, err := watch.Recv()
		if err != nil {
			t.Fatal(err)
		}
		if e.GetEvent().GetId() != res.GetId() {
			t.Errorf("an event of %s", e.GetEvent().GetId())
		}
		types = append(types, e.GetEvent().GetType().String())
	}
	if got := strings.Join(types, " "); got != "EVENT_TYPE_ACCEPTED EVENT_TYPE_SENT" {
		t.Errorf("the events are %s", got)
	}
	if first := <-poll; len(first.GetEvents()) == 0 || first.GetEvents()[0].GetType() != postilionv1.EventType_EVENT_TYPE_ACCEPTED {
		t.Errorf("the poll gave %v", first)
	}
}

func TestHealthz(t *testing.T) {
	t.Parallel()
	r := newRig(t, func(c *config.Config) { c.MetricsListen = "127.0.0.1:0" })
	get := func(url string) (int, string) {
		req, _ := http.NewRequestWithContext(r.ctx(), http.MethodGet, url, nil)
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		var b bytes.Buffer
		_, _ = b.ReadFrom(res.Body)
		return res.StatusCode, b.String()
	}
	await(t, "it is healthy", func() bool { code, _ := get("http://" + r.addr.HTTP + "/healthz"); return code == 200 })
	if _, err := r.admin.Send(r.ctx(), letter("canary@example.net")); err != nil {
		t.Fatal(err)
	}
	code, text := get("http://" + r.addr.Metrics + "/metrics")
	for _, want := range []string{`postilion_messages_accepted_total{source="grpc"} 1`, "postilion_store_healthy 1", "postilion_build_info"} {
		contains(t, text, want)
	}
	if code != 200 || strings.Contains(text, "canary") {
		t.Errorf("the metrics answer %d and name a recipient", code)
	}
}

func TestSecondDaemonIsRefused(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	cfg := r.cfg
	err := Run(ctx, &cfg, Options{})
	if err == nil || ctx.Err() != nil {
		t.Fatalf("a second daemon on the same store ran: %v", err)
	}
	contains(t, err.Error(), "another")
}
