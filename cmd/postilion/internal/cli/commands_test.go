package cli

import (
	"encoding/json"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/testing/protocmp"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	postilionv1 "github.com/postilion-mail/postilion/proto/gen/postilion/v1"
)

func failedTest() *postilionv1.TestConnectionResponse {
	return &postilionv1.TestConnectionResponse{
		Stages: []*postilionv1.TestStage{
			{Name: "connect", Status: postilionv1.StageStatus_STAGE_STATUS_PASSED, Duration: durationpb.New(1500 * time.Microsecond), Detail: "192.0.2.1:587"},
			{Name: "greeting", Status: postilionv1.StageStatus_STAGE_STATUS_PASSED, Duration: durationpb.New(20 * time.Millisecond), Facts: map[string]string{"tls_version": "TLS 1.3", "certificate_names": "mx", "odd": "x"}, Server: "220-mx\r\n220 ready\x1b[2J"},
			{Name: "auth", Status: postilionv1.StageStatus_STAGE_STATUS_FAILED, Duration: durationpb.New(time.Second), Server: "535 5.7.8 no"},
			{Name: "mail", Status: postilionv1.StageStatus_STAGE_STATUS_SKIPPED, Detail: "not logged in"},
		},
		Diagnosis: &postilionv1.Diagnosis{Title: "The password is wrong", Explanation: "The server says so.", Remedies: []string{"Give another.", "Ask."}},
		Warnings:  []string{"the certificate ends soon"},
	}
}

func TestTestConnection(t *testing.T) {
	t.Parallel()
	d := start(t, map[string]any{"TestConnection": failedTest()})
	result := d.run(t, "test", "main", "--send-to", "me@example.com")
	want := "✓ connect    1.5 ms  192.0.2.1:587\n" +
		"✓ greeting    20 ms  TLS 1.3, certificate of mx\n" +
		"✗ auth      1000 ms\n" +
		"    < 535 5.7.8 no\n" +
		"– not tried: mail\n" +
		"\nThe password is wrong\nThe server says so.\n  1. Give another.\n  2. Ask.\n"
	if diff := cmp.Diff(want, result.out); diff != "" || result.code != exitFailed {
		t.Errorf("exit %d\n%s", result.code, diff)
	}
	wantRequest := &postilionv1.TestConnectionRequest{
		Target: &postilionv1.TestConnectionRequest_Name{Name: "main"}, SendTo: "me@example.com", Timeout: durationpb.New(maximumTest),
	}
	if diff := cmp.Diff(wantRequest, d.last(), protocmp.Transform()); diff != "" {
		t.Error(diff)
	}
	d.run(t, "test", "main", "--json").want(t, exitFailed, `"title":"The password is wrong"`)

	passed := start(t, map[string]any{"TestConnection": &postilionv1.TestConnectionResponse{Ok: true, Duration: durationpb.New(time.Second)}})
	passed.run(t, "test", "--host", "mx", "--port", "25").want(t, 0, "All stages passed")
	draft := passed.last().(*postilionv1.TestConnectionRequest).GetDraft()
	if draft.GetSmtp().GetHost() != "mx" || draft.GetSmtp().GetPort() != 25 {
		t.Errorf("draft %v", draft)
	}
	passed.run(t, "test").want(t, exitUsage, "name a connection")
}

func TestSend(t *testing.T) {
	t.Parallel()
	answer := &postilionv1.SendResponse{Id: "m1", State: postilionv1.MessageState_MESSAGE_STATE_QUEUED, Connection: "main",
		Recipients: []*postilionv1.RecipientStatus{{Address: "a@example.com", State: postilionv1.MessageState_MESSAGE_STATE_QUEUED}}}
	d := start(t, map[string]any{"Send": answer})
	file := write(t, "report.txt", "figures")
	result := invocation{stdin: "the text"}.run(t, "--data-dir", d.data, "send", "--from", "Me <me@example.com>", "--to", "a@example.com", "--to", "Doe, J <b@example.com>",
		"--cc", "c@example.com", "--bcc", "d@example.com", "--subject", "Grüße", "--text", "-", "--html", "<p>", "--attach", file,
		"--header", "X-A: b", "--tag", "t", "--metadata", "k=v", "--wait", "2s", "--connection", "main", "--key", "k1", "--priority", "high",
		"--send-at", "+2h", "--expires-after", "0s")
	result.want(t, 0, "m1 accepted, queued, through main")
	request := d.last().(*postilionv1.SendRequest)
	message := request.GetMessage()
	if message.GetText() != "the text" || message.GetHtml() != "<p>" || message.GetFrom().GetName() != "Me" || len(message.GetTo()) != 2 || message.GetTo()[1].GetAddress() != "Doe, J <b@example.com>" ||
		message.GetCc()[0].GetAddress() != "c@example.com" || message.GetBcc()[0].GetAddress() != "d@example.com" || message.GetSubject() != "Grüße" ||
		message.GetAttachments()[0].GetFilename() != "report.txt" || string(message.GetAttachments()[0].GetContent()) != "figures" || message.GetHeaders()[0].GetValue() != "b" {
		t.Errorf("message %v", message)
	}
	if request.GetIdempotencyKey() != "k1" || request.GetWait().AsDuration() != 2*time.Second || request.GetPriority() != postilionv1.Priority_PRIORITY_HIGH ||
		!request.GetSendAt().AsTime().Equal(testTime.Add(2*time.Hour)) || request.GetExpiresAfter() == nil || request.GetExpiresAfter().AsDuration() != 0 ||
		request.GetTags()[0] != "t" || request.GetMetadata()["k"] != "v" || request.GetConnection() != "main" {
		t.Errorf("request %v", request)
	}
}

func TestSendRaw(t *testing.T) {
	t.Parallel()
	d := start(t, map[string]any{"Send": &postilionv1.SendResponse{Id: "m1"}})
	content := "Subject: x\r\n\r\n\xff"
	invocation{stdin: content}.run(t, "--data-dir", d.data, "send", "--raw", "-", "--to", "A <a@example.com>", "--bcc", "b@example.com", "--envelope-from", "<>").want(t, 0)
	null := ""
	want := &postilionv1.RawMessage{Content: []byte(content), Envelope: &postilionv1.Envelope{From: &null, Recipients: []*postilionv1.EnvelopeRecipient{
		{Address: "a@example.com"}, {Address: "b@example.com"},
	}}}
	if diff := cmp.Diff(want, d.last().(*postilionv1.SendRequest).GetRaw(), protocmp.Transform()); diff != "" {
		t.Error(diff)
	}
	d.run(t, "send", "--raw", "-", "--subject", "x").want(t, exitUsage, "whole message")
	d.run(t, "send", "--raw", "/nowhere/x.eml").want(t, exitNoInput, "/nowhere/x.eml")
	d.run(t, "send", "--to", "a@example.com", "--attach", "/nowhere/x").want(t, exitNoInput)
	d.run(t, "send", "--send-at", "tomorrow").want(t, exitUsage, "+2h")
}

func TestSendReportsRefusal(t *testing.T) {
	t.Parallel()
	d := start(t, map[string]any{"Send": &postilionv1.SendResponse{Id: "m1", State: postilionv1.MessageState_MESSAGE_STATE_FAILED, Recipients: []*postilionv1.RecipientStatus{{
		Address: "a@example.com", State: postilionv1.MessageState_MESSAGE_STATE_FAILED,
		Outcome: &postilionv1.Outcome{Class: postilionv1.OutcomeClass_OUTCOME_CLASS_PERMANENT, Code: 550, EnhancedCode: "5.1.1", Reply: "no such user", Phase: "rcpt"},
	}}}})
	d.run(t, "send", "--to", "a@example.com", "--wait", "1s").want(t, exitFailed, "a@example.com failed: 550 5.1.1 no such user (at rcpt)")
	d.run(t, "send", "--to", "a@example.com", "--json").want(t, exitFailed, `"reply":"no such user"`)
}

func stored() *postilionv1.StoredMessage {
	return &postilionv1.StoredMessage{
		Id: "m1", State: postilionv1.MessageState_MESSAGE_STATE_DEFERRED, From: "me@example.com", Subject: "evil\x1b[2J\u202e日本語の件名",
		AcceptTime: timestamppb.New(testTime.Add(-5 * time.Minute)), Connections: []string{"main", "spare"}, Tags: []string{"t"}, Size: 2048,
		Recipients: []*postilionv1.RecipientStatus{
			{Address: "a@example.com", State: postilionv1.MessageState_MESSAGE_STATE_DEFERRED, NextAttempt: timestamppb.New(testTime.Add(4 * time.Minute)), Attempts: 2, PossibleDuplicate: true,
				Outcome: &postilionv1.Outcome{Class: postilionv1.OutcomeClass_OUTCOME_CLASS_TEMPORARY, Code: 451, EnhancedCode: "4.3.0", Reply: "451 4.3.0 try later", Phase: "connect"}},
			{Address: "b@example.com", State: postilionv1.MessageState_MESSAGE_STATE_SENT},
		},
		Attempts: []*postilionv1.Attempt{{Number: 1, Address: "a@example.com", Connection: "main", StartTime: timestamppb.New(testTime), Outcome: &postilionv1.Outcome{Reply: "451 4.3.0 try later"}}},
	}
}

func TestMessagesList(t *testing.T) {
	t.Parallel()
	d := start(t, map[string]any{"ListMessages": func(request proto.Message) (proto.Message, error) {
		if request.(*postilionv1.ListMessagesRequest).GetPageToken() == "" {
			return &postilionv1.ListMessagesResponse{Messages: []*postilionv1.StoredMessage{stored()}, NextPageToken: "p2"}, nil
		}
		return &postilionv1.ListMessagesResponse{Messages: []*postilionv1.StoredMessage{{Id: "m2"}, {Id: "m3"}}, NextPageToken: "p3"}, nil
	}})
	result := d.run(t, "messages", "list", "--state", "deferred,held", "--recipient", "a@example.com", "--tag", "t", "--limit", "3", "--since", "-24h")
	result.want(t, 0, "deferred", "5m", "me@example.com", "evil\uFFFD[2J\uFFFD日本語の件名",
		"a@example.com: next attempt in 4m; 451 4.3.0 try later (at connect); possible duplicate", "m3", "and more")
	want := &postilionv1.ListMessagesRequest{
		States:    []postilionv1.MessageState{postilionv1.MessageState_MESSAGE_STATE_DEFERRED, postilionv1.MessageState_MESSAGE_STATE_HELD},
		Recipient: "a@example.com", Tag: "t", PageSize: 2, PageToken: "p2", Since: timestamppb.New(testTime.Add(-24 * time.Hour)),
	}
	if diff := cmp.Diff(want, d.last(), protocmp.Transform()); diff != "" {
		t.Error(diff)
	}
	lines := strings.Split(strings.TrimSpace(d.run(t, "messages", "list", "--json", "--limit", "3").out), "\n")
	if len(lines) != 3 {
		t.Errorf("%d lines, want 3", len(lines))
	}
	for _, line := range lines {
		if !json.Valid([]byte(line)) {
			t.Errorf("no JSON: %s", line)
		}
	}
	d.run(t, "messages", "list", "--state", "lost").want(t, exitUsage, "queued, sending")
	d.run(t, "messages", "list", "--limit", "0").want(t, exitUsage)
}

func TestMessages(t *testing.T) {
	t.Parallel()
	message := stored()
	d := start(t, map[string]any{
		"GetMessage": func(request proto.Message) (proto.Message, error) {
			if request.(*postilionv1.GetMessageRequest).GetId() == "gone" {
				return &postilionv1.GetMessageResponse{Message: &postilionv1.StoredMessage{}}, nil
			}
			return &postilionv1.GetMessageResponse{Message: &postilionv1.StoredMessage{Content: []byte("raw\r\n"), ContentAvailable: true}}, nil
		},
		"ResendMessage": &postilionv1.ResendMessageResponse{Message: message}, "CancelMessage": refusal(codes.FailedPrecondition, "it is being delivered", &postilionv1.ErrorDetail{Reason: "too_late"}),
		"HoldMessage": &postilionv1.HoldMessageResponse{Message: message}, "ReleaseMessage": &postilionv1.ReleaseMessageResponse{Message: message},
		"ListEvents": &postilionv1.ListEventsResponse{Events: []*postilionv1.Event{{Sequence: 7, Id: "m1", Type: postilionv1.EventType_EVENT_TYPE_DEFERRED, Address: "a@example.com", Connection: "main", Outcome: &postilionv1.Outcome{Code: 421, Reply: "busy"}}}},
	})
	if result := d.run(t, "messages", "raw", "m1"); result.out != "raw\r\n" {
		t.Errorf("raw: %+v", result)
	}
	d.run(t, "messages", "raw", "gone").want(t, exitFailed, "purged")
	d.run(t, "messages", "resend", "m1", "m2", "--expires-after", "2h").want(t, 0, "m1 deferred")
	if request := d.last().(*postilionv1.ResendMessageRequest); request.GetId() != "m2" || request.GetExpiresAfter().AsDuration() != 2*time.Hour {
		t.Errorf("%v", request)
	}
	d.run(t, "messages", "cancel", "m1").want(t, exitFailed, "it is being delivered")
	d.run(t, "messages", "hold", "m1", "--reason", "odd").want(t, 0)
	if got := d.last().(*postilionv1.HoldMessageRequest).GetReason(); got != "odd" {
		t.Errorf("reason %q", got)
	}
	d.run(t, "messages", "release", "m1").want(t, 0)
	d.run(t, "messages", "events", "m1", "--after", "3", "--type", "deferred").want(t, 0, "7  ", "deferred  m1  a@example.com  through main: 421 busy")
	if request := d.last().(*postilionv1.ListEventsRequest); request.GetAfterSequence() != 3 || request.GetId() != "m1" || len(request.GetTypes()) != 1 {
		t.Errorf("%v", request)
	}
	d.events = []*postilionv1.Event{{Sequence: 9}, {Sequence: 10}}
	if out := d.run(t, "messages", "events", "--follow", "--json").out; !strings.Contains(out, `"sequence":"10"`) || strings.Count(out, "\n") != 2 {
		t.Errorf("follow: %s", out)
	}
	message.Recipients[0].Diagnosis = &postilionv1.Diagnosis{Code: "server.trouble", Title: "The server is in trouble", Remedies: []string{"Wait a little."}}
	d.answers["GetMessage"] = &postilionv1.GetMessageResponse{Message: message}
	d.run(t, "messages", "show", "m1").want(t, 0, "2.0 KiB", "main, then spare", "RECIPIENT", "451 4.3.0 try later", "The server is in trouble", "1. Wait a little.")
}

func TestConnections(t *testing.T) {
	t.Parallel()
	paused := &postilionv1.Connection{Name: "main", Default: true, Etag: "e", Transport: &postilionv1.Connection_Smtp{Smtp: &postilionv1.SmtpSettings{Host: "mx", Username: "u"}},
		Status: &postilionv1.ConnectionStatus{Paused: true, PausedUntil: timestamppb.New(testTime.Add(time.Minute)), Waiting: 3, Alarms: []string{"half its life"},
			Outcome: &postilionv1.Outcome{Code: 535, Reply: "535 wrong"}, Diagnosis: &postilionv1.Diagnosis{Title: "Wrong password", Remedies: []string{"Give another"}}}}
	d := start(t, map[string]any{
		"ListConnections":  &postilionv1.ListConnectionsResponse{Connections: []*postilionv1.Connection{paused, {Name: "capture", Transport: &postilionv1.Connection_Custom{Custom: &postilionv1.CustomSettings{Transport: "capture"}}}}},
		"GetConnection":    &postilionv1.GetConnectionResponse{Connection: paused},
		"DeleteConnection": &postilionv1.DeleteConnectionResponse{Held: 2}, "Configure": configured,
		"GetRoutes": &postilionv1.GetRoutesResponse{Routes: []*postilionv1.Route{{From: []string{"@a.example", "b@c.example"}, Tags: []string{"t"}, Connection: "main"}, {Connection: "rest"}}},
		"SetRoutes": &postilionv1.SetRoutesResponse{Etag: "r2"},
	})
	d.run(t, "connections", "list").want(t, 0, "main (default)", "smtp mx:587 starttls as u", "paused for 1m", "535 wrong", "Wrong password: Give another", "alarm: half its life", "capture")
	d.run(t, "connections", "show", "main").want(t, 0, "# main:", "\n    \"host\": \"mx\"")
	d.run(t, "connections", "delete", "main", "--force", "--etag", "e").want(t, 0, "2 messages are held now")
	want := &postilionv1.DeleteConnectionRequest{Name: "main", Force: true, Etag: "e"}
	if diff := cmp.Diff(want, d.last(), protocmp.Transform()); diff != "" {
		t.Error(diff)
	}
	d.run(t, "connections", "default", "main").want(t, 0)
	if request := d.last().(*postilionv1.ConfigureRequest); !request.GetSetDefault() || len(request.GetUpdateMask().GetPaths()) != 1 || request.GetEtag() != "e" {
		t.Errorf("%v", request)
	}
	d.run(t, "routes", "list").want(t, 0, "from @a.example or b@c.example, and tag t", "always")
	d.run(t, "routes", "set", "--file", write(t, "r.yaml", "routes:\n- recipientDomains: [example.com]\n  connection: main\n"), "--etag", "r1").want(t, 0, "1 routes are set")
	if request := d.last().(*postilionv1.SetRoutesRequest); request.GetEtag() != "r1" || request.GetRoutes()[0].GetRecipientDomains()[0] != "example.com" {
		t.Errorf("%v", request)
	}
	d.run(t, "routes", "set").want(t, exitUsage, "--file")
}

func TestClients(t *testing.T) {
	t.Parallel()
	shop := &postilionv1.Client{Name: "shop", Scopes: []postilionv1.Scope{postilionv1.Scope_SCOPE_SEND}, UnixUsers: []string{"www-data"},
		Limits: &postilionv1.Limits{PerDay: 5}, Tokens: []*postilionv1.Token{{Id: "t1", Hint: "pst_ab"}}}
	d := start(t, map[string]any{
		"CreateClient": &postilionv1.CreateClientResponse{Client: shop, Token: "pst_secret"}, "ListClients": &postilionv1.ListClientsResponse{Clients: []*postilionv1.Client{shop}},
		"UpdateClient": &postilionv1.UpdateClientResponse{Client: shop}, "DeleteClient": &postilionv1.DeleteClientResponse{},
		"CreateToken": &postilionv1.CreateTokenResponse{Token: &postilionv1.Token{Id: "t2"}, Secret: "pst_other"}, "RevokeToken": &postilionv1.RevokeTokenResponse{},
	})
	d.run(t, "clients", "create", "shop", "--uid", "www-data", "--scope", "send,read", "--per-day", "5", "--with-token").want(t, 0, "client shop", "pst_secret", "not shown again")
	want := &postilionv1.CreateClientRequest{WithToken: true, Client: &postilionv1.Client{Name: "shop", UnixUsers: []string{"www-data"},
		Scopes: []postilionv1.Scope{postilionv1.Scope_SCOPE_SEND, postilionv1.Scope_SCOPE_READ}, Limits: &postilionv1.Limits{PerDay: 5}}}
	if diff := cmp.Diff(want, d.last(), protocmp.Transform()); diff != "" {
		t.Error(diff)
	}
	d.run(t, "clients", "list").want(t, 0, "shop", "www-data")
	d.run(t, "clients", "update", "shop", "--uid", "", "--max-queued-messages", "9").want(t, 0)
	changed := d.last().(*postilionv1.UpdateClientRequest).GetClient()
	if len(changed.GetUnixUsers()) != 0 || changed.GetMaxQueuedMessages() != 9 || changed.GetLimits().GetPerDay() != 5 || len(changed.GetScopes()) != 1 {
		t.Errorf("%v", changed)
	}
	d.run(t, "clients", "update", "none").want(t, exitFailed, "no client")
	d.run(t, "clients", "delete", "shop").want(t, 0, "deleted")
	d.run(t, "clients", "token", "create", "shop").want(t, 0, "t2", "pst_other")
	d.run(t, "clients", "token", "list", "shop").want(t, 0, "t1", "pst_ab")
	d.run(t, "clients", "token", "revoke", "shop", "t1").want(t, 0, "revoked")
	d.run(t, "clients", "create", "x", "--scope", "all").want(t, exitUsage, "send, read, content, configure, admin")
	d.run(t, "clients").want(t, exitUsage, "create")
}

func TestVersionAndAbsence(t *testing.T) {
	t.Parallel()
	d := start(t, map[string]any{"GetServerInfo": &postilionv1.GetServerInfoResponse{Version: "1.2.3", Client: "admin", Scopes: []postilionv1.Scope{postilionv1.Scope_SCOPE_ADMIN}}})
	d.run(t, "version").want(t, 0, "1.2.3", "client admin with scopes admin")
	nowhere := t.TempDir()
	run := invocation{version: "9"}
	run.run(t, "--data-dir", nowhere, "version").want(t, 0, "postilion 9", "does not answer")
	run.run(t, "--data-dir", nowhere, "messages", "list").want(t, exitUnavailable, "does not answer at "+nowhere, "postilion serve")
	run.run(t, "nonsense").want(t, exitUsage, "nonsense")
	run.run(t, "messages", "show").want(t, exitUsage)
	run.run(t, "--token-file", "/nowhere/token", "messages", "list").want(t, exitUsage, "/nowhere/token")
	run.run(t, "completion", "bash").want(t, 0, "postilion")
	run.run(t, "--help").want(t, 0, "Start with:")
}

func TestExitCodes(t *testing.T) {
	t.Parallel()
	for code, want := range map[codes.Code]int{
		codes.InvalidArgument: exitData, codes.AlreadyExists: exitData, codes.PermissionDenied: exitPermission, codes.Unauthenticated: exitPermission,
		codes.ResourceExhausted: exitUnavailable, codes.NotFound: exitFailed, codes.Aborted: exitFailed, codes.Internal: exitInternal, codes.DeadlineExceeded: exitUnavailable,
	} {
		d := start(t, map[string]any{"Send": status.Error(code, "words of the daemon")})
		d.run(t, "send", "--to", "a@example.com").want(t, want, "words of the daemon")
	}
}

func TestLocate(t *testing.T) {
	t.Parallel()
	data := t.TempDir()
	admin := filepath.Join(data, "admin.sock")
	listener, err := net.Listen("unix", admin)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	uid := os.Geteuid()
	if uid == 0 { // then root is another user than the owner
		uid = 4242
		if err := os.Chown(admin, uid, -1); err != nil {
			t.Fatal(err)
		}
	}
	for name, test := range map[string]struct {
		app  app
		env  map[string]string
		uid  int
		want place
	}{
		"owner":              {app{dataDir: data}, nil, uid, place{target: admin, admin: true}},
		"root":               {app{dataDir: data}, nil, 0, place{target: admin, admin: true}},
		"another user":       {app{dataDir: data}, nil, uid + 1, place{target: data + "/run/postilion.sock"}},
		"environment":        {app{}, map[string]string{"POSTILION_DATA_DIR": data}, uid, place{target: admin, admin: true}},
		"socket first":       {app{dataDir: data, socket: "/s"}, nil, uid, place{target: "/s"}},
		"flag first":         {app{dataDir: data}, map[string]string{"POSTILION_SOCKET": "/s"}, uid, place{target: admin, admin: true}},
		"address by TLS":     {app{address: "mail.example.com:9125"}, nil, uid, place{target: "mail.example.com:9125", tls: true}},
		"loopback":           {app{address: "127.0.0.1:9125"}, nil, uid, place{target: "127.0.0.1:9125"}},
		"IPv6 loopback":      {app{address: "[::1]:9125"}, nil, uid, place{target: "[::1]:9125"}},
		"nothing, no socket": {app{}, nil, uid + 1, place{target: "/run/postilion/postilion.sock"}},
	} {
		test.app.UID = test.uid
		test.app.Getenv = func(name string) string { return test.env[name] }
		if got := test.app.locate(); got != test.want {
			t.Errorf("%s: %+v, want %+v", name, got, test.want)
		}
	}
}

func TestTokens(t *testing.T) {
	t.Parallel()
	d := start(t, map[string]any{"GetServerInfo": &postilionv1.GetServerInfoResponse{}})
	run := invocation{environment: map[string]string{"POSTILION_TOKEN_FILE": write(t, "token", "of the environment")}}
	run.run(t, "--data-dir", d.data, "version").want(t, 0)
	if len(d.tokens) != 0 {
		t.Errorf("the admin socket got a token: %v", d.tokens)
	}
	run.run(t, "--socket", d.data+"/run/postilion-http.sock", "--token-file", write(t, "token", "given"), "version").want(t, 0)
	run.environment["POSTILION_SOCKET"] = d.data + "/run/postilion.sock"
	run.run(t, "version").want(t, 0)
	if diff := cmp.Diff([]string{"Bearer given", "Bearer of the environment"}, d.tokens); diff != "" {
		t.Error(diff)
	}
}

// The worst that a test can print fits a terminal of 80 columns and 24 lines.
func TestAFailedTestFitsAScreen(t *testing.T) {
	t.Parallel()
	answer := &postilionv1.TestConnectionResponse{
		Diagnosis: &postilionv1.Diagnosis{
			Title: "SMTP login is switched off for the whole organisation", Explanation: strings.Repeat("explains ", 25),
			Remedies: []string{strings.Repeat("remedy ", 19), strings.Repeat("remedy ", 19), strings.Repeat("remedy ", 9)}, Link: "https://aka.ms/smtp_auth_disabled",
		},
		Proposals: []*postilionv1.Proposal{
			{Smtp: &postilionv1.SmtpSettings{Port: 465, Security: postilionv1.Security_SECURITY_IMPLICIT_TLS}, Trial: postilionv1.Trial_TRIAL_LOGIN},
			{Smtp: &postilionv1.SmtpSettings{Port: 2525, Security: postilionv1.Security_SECURITY_STARTTLS}, Trial: postilionv1.Trial_TRIAL_SESSION},
		},
		Warnings: []string{"the certificate ends soon"},
	}
	for _, name := range []string{"resolve", "connect", "greeting", "ehlo", "starttls", "tls", "auth", "mail", "rcpt", "rset", "quit"} {
		stage := &postilionv1.TestStage{Name: name, Status: postilionv1.StageStatus_STAGE_STATUS_PASSED, Duration: durationpb.New(time.Second), Server: strings.Repeat("250 words ", 20)}
		switch name {
		case "auth":
			stage.Status, stage.Server = postilionv1.StageStatus_STAGE_STATUS_FAILED, "535 5.7.139 Authentication unsuccessful, SmtpClientAuthentication is disabled for the Tenant. Visit https://aka.ms/smtp_auth_disabled for more information. [FR0P281CA0042.DEUP281.PROD.OUTLOOK.COM]"
			stage.Detail = "the server refused"
		case "mail", "rcpt", "rset":
			stage.Status, stage.Detail = postilionv1.StageStatus_STAGE_STATUS_SKIPPED, "not reached"
		}
		answer.Stages = append(answer.Stages, stage)
	}
	result := start(t, map[string]any{"TestConnection": answer}).run(t, "test", "main")
	lines := strings.Split(strings.TrimSuffix(result.out, "\n"), "\n")
	if len(lines) > 24 {
		t.Errorf("%d lines", len(lines))
	}
	for _, line := range lines {
		if columns(line) > 80 {
			t.Errorf("%d columns: %s", columns(line), line)
		}
	}
	result.want(t, exitFailed, "✗ auth", "[FR0P281CA0042", "This works: --port 465 --security tls (the login was accepted)", "– not tried: mail, rcpt, rset", "more: https://aka.ms")
	if strings.Contains(result.out, "2525") {
		t.Error("more than one proposal")
	}
}
