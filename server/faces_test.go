package server

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"connectrpc.com/connect"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/dynamicpb"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/postilion-mail/postilion/internal/config"
	"github.com/postilion-mail/postilion/internal/dnstest"
	postilionv1 "github.com/postilion-mail/postilion/proto/gen/postilion/v1"
	"github.com/postilion-mail/postilion/proto/gen/postilion/v1/postilionv1connect"
	"github.com/postilion-mail/postilion/server/internal/fault"
)

// invoke calls a unary method over gRPC by its name.
func (a caller) invoke(ctx context.Context, method string, req proto.Message) error {
	d, err := protoregistry.GlobalFiles.FindDescriptorByName(protoreflect.FullName("postilion.v1." + strings.ReplaceAll(method, "/", ".")))
	if err != nil {
		return err
	}
	return a.conn.Invoke(ctx, "/postilion.v1."+method, req, dynamicpb.NewMessage(d.(protoreflect.MethodDescriptor).Output()))
}

// sendWith is a letter with something changed.
func sendWith(change func(*postilionv1.SendRequest)) *postilionv1.SendRequest {
	req := letter("a@example.net")
	change(req)
	return req
}

func inMessage(change func(*postilionv1.StructuredMessage)) *postilionv1.SendRequest {
	return sendWith(func(r *postilionv1.SendRequest) { change(r.GetMessage()) })
}

func smtpWith(change func(*postilionv1.Connection)) *postilionv1.ConfigureRequest {
	c := &postilionv1.Connection{Name: "new", Transport: &postilionv1.Connection_Smtp{Smtp: &postilionv1.SmtpSettings{Host: "smtp.example.com"}}}
	change(c)
	return &postilionv1.ConfigureRequest{Connection: c}
}

const noID = "00000000-0000-7000-8000-000000000000"

// badInput is what must be refused: with which code, and naming which field.
var badInput = []struct {
	about, method string
	req           proto.Message
	code          codes.Code
	field         string
}{
	{"nothing", "MailerService/Send", &postilionv1.SendRequest{}, codes.InvalidArgument, "message"},
	{"an empty message", "MailerService/Send", &postilionv1.SendRequest{Content: &postilionv1.SendRequest_Message{Message: &postilionv1.StructuredMessage{}}}, codes.InvalidArgument, "message.to"},
	{"an empty raw message", "MailerService/Send", &postilionv1.SendRequest{Content: &postilionv1.SendRequest_Raw{Raw: &postilionv1.RawMessage{}}}, codes.InvalidArgument, "message"},
	{"CR LF in the subject", "MailerService/Send", inMessage(func(m *postilionv1.StructuredMessage) { m.Subject = "a\r\nBcc: x@y.example" }), codes.InvalidArgument, "message.subject"},
	{"NUL in the subject", "MailerService/Send", inMessage(func(m *postilionv1.StructuredMessage) { m.Subject = "a\x00" }), codes.InvalidArgument, "message.subject"},
	{"LF in a name", "MailerService/Send", inMessage(func(m *postilionv1.StructuredMessage) { m.From.Name = "a\nb" }), codes.InvalidArgument, "message.from.name"},
	{"LF in an address", "MailerService/Send", inMessage(func(m *postilionv1.StructuredMessage) { m.To[0].Address = "a@b.example\nRCPT TO:<x@y>" }), codes.InvalidArgument, "message.to[0].address"},
	{"no address", "MailerService/Send", inMessage(func(m *postilionv1.StructuredMessage) { m.To[0].Address = "nobody" }), codes.InvalidArgument, "message.to[0].address"},
	{"a header that is not the caller's", "MailerService/Send", inMessage(func(m *postilionv1.StructuredMessage) {
		m.Headers = []*postilionv1.Header{{Name: "Bcc", Value: "x@y.example"}}
	}), codes.InvalidArgument, "message.headers[0].name"},
	{"a colon in a header's name", "MailerService/Send", inMessage(func(m *postilionv1.StructuredMessage) { m.Headers = []*postilionv1.Header{{Name: "X:a", Value: "x"}} }), codes.InvalidArgument, "message.headers[0].name"},
	{"LF in a file name", "MailerService/Send", inMessage(func(m *postilionv1.StructuredMessage) {
		m.Attachments = []*postilionv1.Attachment{{Filename: "a\nb", Content: []byte("x")}}
	}), codes.InvalidArgument, "message.attachments[0].filename"},
	{"LF in a type", "MailerService/Send", inMessage(func(m *postilionv1.StructuredMessage) {
		m.Attachments = []*postilionv1.Attachment{{Filename: "a", ContentType: "text/plain\nX: y", Content: []byte("x")}}
	}), codes.InvalidArgument, "message.attachments[0].content_type"},
	{"a blank in the key", "MailerService/Send", sendWith(func(r *postilionv1.SendRequest) { r.IdempotencyKey = "a b" }), codes.InvalidArgument, "idempotency_key"},
	{"an empty tag", "MailerService/Send", sendWith(func(r *postilionv1.SendRequest) { r.Tags = []string{""} }), codes.InvalidArgument, "tags[0]"},
	{"21 tags", "MailerService/Send", sendWith(func(r *postilionv1.SendRequest) { r.Tags = strings.Split(strings.Repeat("t,", 20)+"t", ",") }), codes.InvalidArgument, "tags"},
	{"a long value", "MailerService/Send", sendWith(func(r *postilionv1.SendRequest) { r.Metadata = map[string]string{"k": strings.Repeat("v", 513)} }), codes.InvalidArgument, "metadata"},
	{"a time too far ahead", "MailerService/Send", sendWith(func(r *postilionv1.SendRequest) { r.SendAt = timestamppb.New(time.Now().Add(31 * 24 * time.Hour)) }), codes.InvalidArgument, "send_at"},
	{"a negative life", "MailerService/Send", sendWith(func(r *postilionv1.SendRequest) { r.ExpiresAfter = durationpb.New(-1) }), codes.InvalidArgument, "expires_after"},
	{"a negative wait", "MailerService/Send", sendWith(func(r *postilionv1.SendRequest) { r.Wait = durationpb.New(-1) }), codes.InvalidArgument, "wait"},
	{"an unknown priority", "MailerService/Send", sendWith(func(r *postilionv1.SendRequest) { r.Priority = 99 }), codes.InvalidArgument, "priority"},
	{"an unknown connection", "MailerService/Send", sendWith(func(r *postilionv1.SendRequest) { r.Connection = "nowhere" }), codes.NotFound, "connection"},
	{"a raw message with a bad sender", "MailerService/Send", &postilionv1.SendRequest{Content: &postilionv1.SendRequest_Raw{Raw: &postilionv1.RawMessage{
		Content: []byte("To: a@b.example\n\nx"), Envelope: &postilionv1.Envelope{From: proto.String("a b")},
	}}}, codes.InvalidArgument, "raw.envelope.from"},
	{"a raw message with a bad recipient", "MailerService/Send", &postilionv1.SendRequest{Content: &postilionv1.SendRequest_Raw{Raw: &postilionv1.RawMessage{
		Content: []byte("From: a@b.example\n\nx"), Envelope: &postilionv1.Envelope{Recipients: []*postilionv1.EnvelopeRecipient{{Address: "a@b.example> NOTIFY=x"}}},
	}}}, codes.InvalidArgument, "raw.envelope.recipients[0].address"},
	{"a raw message for nobody", "MailerService/Send", &postilionv1.SendRequest{Content: &postilionv1.SendRequest_Raw{Raw: &postilionv1.RawMessage{
		Content: []byte("From: a@b.example\n\nx"),
	}}}, codes.InvalidArgument, "raw.envelope.recipients"},
	{"no connection", "MailerService/Configure", &postilionv1.ConfigureRequest{}, codes.InvalidArgument, "connection"},
	{"no transport", "MailerService/Configure", &postilionv1.ConfigureRequest{Connection: &postilionv1.Connection{Name: "new"}}, codes.InvalidArgument, "connection.smtp"},
	{"a bad name", "MailerService/Configure", smtpWith(func(c *postilionv1.Connection) { c.Name = "../x" }), codes.InvalidArgument, "connection.name"},
	{"no host", "MailerService/Configure", smtpWith(func(c *postilionv1.Connection) { c.GetSmtp().Host = "" }), codes.InvalidArgument, "connection.smtp.host"},
	{"a host with LF", "MailerService/Configure", smtpWith(func(c *postilionv1.Connection) { c.GetSmtp().Host = "a\nb" }), codes.InvalidArgument, "connection.smtp.host"},
	{"an unknown provider", "MailerService/Configure", smtpWith(func(c *postilionv1.Connection) { c.GetSmtp().Provider = "gmial" }), codes.InvalidArgument, "connection.smtp.provider"},
	{"an unknown provider to test", "MailerService/TestConnection", &postilionv1.TestConnectionRequest{Target: &postilionv1.TestConnectionRequest_Draft{Draft: smtpWith(func(c *postilionv1.Connection) { c.GetSmtp().Provider = "gmial" }).GetConnection()}}, codes.InvalidArgument, "connection.smtp.provider"},
	{"a port too large", "MailerService/Configure", smtpWith(func(c *postilionv1.Connection) { c.GetSmtp().Port = 70000 }), codes.InvalidArgument, "connection.smtp.port"},
	{"a bad authority", "MailerService/Configure", smtpWith(func(c *postilionv1.Connection) { c.GetSmtp().CaCertificates = []byte("x") }), codes.InvalidArgument, "connection.smtp.ca_certificates"},
	{"an unknown security", "MailerService/Configure", smtpWith(func(c *postilionv1.Connection) { c.GetSmtp().Security = 77 }), codes.InvalidArgument, "connection.smtp.security"},
	{"an unknown transport", "MailerService/Configure", &postilionv1.ConfigureRequest{Connection: &postilionv1.Connection{Name: "new", Transport: &postilionv1.Connection_Custom{Custom: &postilionv1.CustomSettings{Transport: "pigeon"}}}}, codes.InvalidArgument, "connection.custom.transport"},
	{"a bad sender", "MailerService/Configure", smtpWith(func(c *postilionv1.Connection) {
		c.Sender = &postilionv1.SenderPolicy{FromAddress: "x"}
	}), codes.InvalidArgument, "connection.sender.from_address"},
	{"an unknown fallback", "MailerService/Configure", smtpWith(func(c *postilionv1.Connection) { c.Fallbacks = []string{"nowhere"} }), codes.InvalidArgument, "connection.fallbacks[0]"},
	{"a bad range", "MailerService/Configure", smtpWith(func(c *postilionv1.Connection) { c.AllowDestinations = []string{"10.0.0.0/99"} }), codes.InvalidArgument, "connection.allow_destinations[0]"},
	{"nothing to test", "MailerService/TestConnection", &postilionv1.TestConnectionRequest{}, codes.InvalidArgument, "name"},
	{"a bad recipient of a test", "MailerService/TestConnection", &postilionv1.TestConnectionRequest{Target: &postilionv1.TestConnectionRequest_Name{Name: "capture"}, SendTo: "x"}, codes.InvalidArgument, "send_to"},
	{"an unknown connection to test", "MailerService/TestConnection", &postilionv1.TestConnectionRequest{Target: &postilionv1.TestConnectionRequest_Name{Name: "nowhere"}}, codes.NotFound, ""},
	{"an unknown connection to see", "ConnectionService/GetConnection", &postilionv1.GetConnectionRequest{Name: "nowhere"}, codes.NotFound, ""},
	{"an unknown connection to delete", "ConnectionService/DeleteConnection", &postilionv1.DeleteConnectionRequest{Name: "nowhere"}, codes.NotFound, ""},
	{"a route to nowhere", "ConnectionService/SetRoutes", &postilionv1.SetRoutesRequest{Routes: []*postilionv1.Route{{Connection: "nowhere"}}}, codes.InvalidArgument, "routes[0].connection"},
	{"no id", "MessageService/GetMessage", &postilionv1.GetMessageRequest{}, codes.InvalidArgument, "id"},
	{"an id that is none", "MessageService/GetMessage", &postilionv1.GetMessageRequest{Id: "' OR 1=1"}, codes.NotFound, ""},
	{"an unknown id", "MessageService/GetMessage", &postilionv1.GetMessageRequest{Id: noID}, codes.NotFound, ""},
	{"an unknown id to cancel", "MessageService/CancelMessage", &postilionv1.CancelMessageRequest{Id: noID}, codes.NotFound, ""},
	{"an unknown id to resend", "MessageService/ResendMessage", &postilionv1.ResendMessageRequest{Id: noID}, codes.NotFound, ""},
	{"an unknown id to hold", "MessageService/HoldMessage", &postilionv1.HoldMessageRequest{Id: noID}, codes.NotFound, ""},
	{"a line break in a reason", "MessageService/HoldMessage", &postilionv1.HoldMessageRequest{Id: noID, Reason: "a\r\nb"}, codes.InvalidArgument, "reason"},
	{"an unknown id to release", "MessageService/ReleaseMessage", &postilionv1.ReleaseMessageRequest{Id: noID}, codes.NotFound, ""},
	{"a huge page", "MessageService/ListMessages", &postilionv1.ListMessagesRequest{PageSize: 100000}, codes.InvalidArgument, "page_size"},
	{"a made up page token", "MessageService/ListMessages", &postilionv1.ListMessagesRequest{PageToken: "x"}, codes.InvalidArgument, "page_token"},
	{"an unknown state", "MessageService/ListMessages", &postilionv1.ListMessagesRequest{States: []postilionv1.MessageState{99}}, codes.InvalidArgument, "states"},
	{"events before the first", "MessageService/ListEvents", &postilionv1.ListEventsRequest{AfterSequence: -1}, codes.InvalidArgument, "after_sequence"},
	{"events of an unknown message", "MessageService/ListEvents", &postilionv1.ListEventsRequest{Id: noID}, codes.NotFound, ""},
	{"a client without name", "AdminService/CreateClient", &postilionv1.CreateClientRequest{}, codes.InvalidArgument, "client.name"},
	{"a client that is there", "AdminService/CreateClient", &postilionv1.CreateClientRequest{Client: &postilionv1.Client{Name: "admin"}}, codes.AlreadyExists, "client.name"},
	{"an unknown client to change", "AdminService/UpdateClient", &postilionv1.UpdateClientRequest{Client: &postilionv1.Client{Name: "nobody"}}, codes.NotFound, ""},
	{"an unknown client to delete", "AdminService/DeleteClient", &postilionv1.DeleteClientRequest{Name: "nobody"}, codes.NotFound, ""},
	{"a token for nobody", "AdminService/CreateToken", &postilionv1.CreateTokenRequest{Client: "nobody"}, codes.NotFound, ""},
	{"a backup to nowhere", "AdminService/Backup", &postilionv1.BackupRequest{}, codes.InvalidArgument, "directory"},
	{"a backup to some place", "AdminService/Backup", &postilionv1.BackupRequest{Directory: "backup"}, codes.InvalidArgument, "directory"},
	{"a backup into a full directory", "AdminService/Backup", &postilionv1.BackupRequest{Directory: "/usr"}, codes.FailedPrecondition, "directory"},
	{"a backup to where nothing can be", "AdminService/Backup", &postilionv1.BackupRequest{Directory: "/dev/null/backup"}, codes.FailedPrecondition, "directory"},
	{"an unknown token", "AdminService/RevokeToken", &postilionv1.RevokeTokenRequest{Client: "admin", TokenId: noID}, codes.NotFound, ""},
}

// Every error looks the same on both faces: code, text, reason and fields. And
// nothing was queued by any.
func TestBadInputOnBothFaces(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	token := r.adminToken()
	for _, c := range badInput {
		err := r.admin.invoke(r.ctx(), c.method, c.req)
		if status.Code(err) != c.code {
			t.Errorf("%s: %v, not %v", c.about, err, c.code)
			continue
		}
		detail := fault.Detail(err)
		if c.field != "" && (len(detail.GetFields()) == 0 || detail.GetFields()[0] != c.field) {
			t.Errorf("%s: the fields are %v, not %s (%v)", c.about, detail.GetFields(), c.field, err)
		}
		over := r.post(c.method, token, c.req)
		if want := connect.Code(c.code).String(); over.code() != want {
			t.Errorf("%s: over HTTP %s, not %s", c.about, over.code(), want)
		}
		if text := status.Convert(err).Message(); !strings.Contains(string(over.body), strings.Trim(fmt.Sprintf("%q", text), `"`)[:min(20, len(text))]) {
			t.Errorf("%s: over HTTP the text differs: %s", c.about, over.body)
		}
		if detail != nil && !strings.Contains(string(over.body), "postilion.v1.ErrorDetail") {
			t.Errorf("%s: over HTTP the detail is missing: %s", c.about, over.body)
		}
	}
	list, err := r.admin.ListMessages(r.ctx(), &postilionv1.ListMessagesRequest{})
	if err != nil || len(list.GetMessages()) != 0 {
		t.Errorf("after all this there are messages: %v, %v", list, err)
	}
}

func (r *rig) adminToken() string {
	r.t.Helper()
	token, err := readToken(r.cfg.DataDir + "/admin.token")
	if err != nil || token == "" {
		r.t.Fatalf("no admin token: %v", err)
	}
	return token
}

// All unary methods answer on both faces.
func TestEveryMethodOnBothFaces(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	token := r.adminToken()
	seen := 0
	eachMethod(func(service, method string, d protoreflect.MethodDescriptor) {
		if d.IsStreamingClient() || d.IsStreamingServer() {
			return
		}
		seen++
		name := service + "/" + method
		req := dynamicpb.NewMessage(d.Input())
		over := r.post(name, token, "{}")
		got := status.Code(r.admin.invoke(r.ctx(), name, req))
		if want := connect.Code(got).String(); got != codes.OK && over.code() != want || got == codes.OK && over.code() != "ok" {
			t.Errorf("%s gives %v over gRPC and %s over HTTP", name, got, over.code())
		}
		if got == codes.Unimplemented || got == codes.Internal || got == codes.Unknown {
			t.Errorf("%s gives %v", name, got)
		}
		if over := r.post(name, "", "{}"); over.status != http.StatusUnauthorized {
			t.Errorf("%s without token gives %d", name, over.status)
		}
		if err := r.dial(r.addr.GRPC, "").invoke(r.ctx(), name, req); status.Code(err) != codes.Unauthenticated {
			t.Errorf("%s without token gives %v", name, err)
		}
	})
	if seen < 20 {
		t.Errorf("only %d methods were tried", seen)
	}
}

func eachMethod(f func(service, method string, d protoreflect.MethodDescriptor)) {
	for _, file := range []protoreflect.FileDescriptor{
		postilionv1.File_postilion_v1_mailer_proto, postilionv1.File_postilion_v1_connection_proto,
		postilionv1.File_postilion_v1_message_proto, postilionv1.File_postilion_v1_admin_proto,
	} {
		for i := range file.Services().Len() {
			s := file.Services().Get(i)
			for j := range s.Methods().Len() {
				f(string(s.Name()), string(s.Methods().Get(j).Name()), s.Methods().Get(j))
			}
		}
	}
}

func TestJSONIsStrictWhereItMatters(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	token := r.adminToken()
	const good = `{"message":{"from":{"address":"a@b.example"},"to":[{"address":"c@d.example"}],"subject":"x","text":"y"}`
	for _, c := range []struct {
		about, method, body, code string
	}{
		{"a misspelt field", "MailerService/Send", good + `,"sendAtt":"2030-01-01T00:00:00Z"}`, "invalid_argument"},
		{"a misspelt field of a message", "MailerService/Send", strings.Replace(good, "subject", "subjekt", 1) + "}", "invalid_argument"},
		{"invalid UTF-8", "MailerService/Send", strings.Replace(good, `"x"`, "\"\xff\"", 1) + "}", "invalid_argument"},
		{"no JSON", "MailerService/Send", "hello", "invalid_argument"},
		{"no body", "MailerService/Send", "", "invalid_argument"},
		{"a time that is none", "MailerService/Send", good + `,"sendAt":"tomorrow"}`, "invalid_argument"},
		{"names as in the proto file", "MailerService/Send", good + `,"idempotency_key":"k"}`, "ok"},
		{"an unknown field of a query", "MessageService/ListMessages", `{"newer":1}`, "ok"},
	} {
		if got := r.post(c.method, token, c.body); got.code() != c.code {
			t.Errorf("%s gives %s: %s", c.about, got.code(), got.body)
		}
	}
}

// A message at the limit passes on both faces, one above on none.
func TestSizeLimit(t *testing.T) {
	t.Parallel()
	const limit = 1 << 20
	r := newRig(t, func(c *config.Config) { c.MaxMessageSize = limit })
	token := r.adminToken()
	head := "From: a@b.example\r\nTo: c@d.example\r\nDate: Thu, 26 Nov 2026 12:00:00 +0000\r\nMessage-ID: <a@b>\r\nMIME-Version: 1.0\r\nSubject: x\r\n\r\n"
	raw := func(size int) *postilionv1.SendRequest {
		line := strings.Repeat("x", 76) + "\r\n"
		body := strings.Repeat(line, size/len(line))
		body += strings.Repeat("y", size-len(head)-len(body)+len(line)*3)
		content := (head + body)[:size-2] + "\r\n"
		return &postilionv1.SendRequest{Content: &postilionv1.SendRequest_Raw{Raw: &postilionv1.RawMessage{Content: []byte(content)}}}
	}
	if _, err := r.admin.Send(r.ctx(), raw(limit-200)); err != nil {
		t.Errorf("below the limit: %v", err)
	}
	if got := r.post("MailerService/Send", token, raw(limit-200)); got.code() != "ok" {
		t.Errorf("below the limit over HTTP: %s %.200s", got.code(), got.body)
	}
	_, err := r.admin.Send(r.ctx(), raw(limit+1))
	if status.Code(err) != codes.ResourceExhausted || !strings.Contains(err.Error(), fmt.Sprint(limit)) {
		t.Errorf("above the limit: %v", err)
	}
	for _, size := range []int{limit + 1, 12 << 20} {
		if got := r.post("MailerService/Send", token, raw(size)); got.code() != "resource_exhausted" {
			t.Errorf("%d octets over HTTP: %s %.200s", size, got.code(), got.body)
		}
	}
}

// What belongs to a client does not exist for another.
func TestNobodyTouchesWhatIsAnothers(t *testing.T) {
	t.Parallel()
	dns := dnstest.Start(t, "")
	r := newRig(t, func(c *config.Config) { c.DNSServer = dns.Address() })
	a := r.dial(r.addr.GRPC, r.client("a", allScopes...))
	b := r.dial(r.addr.GRPC, r.client("b", allScopes...))
	configure(t, a, &postilionv1.Connection{Name: "own", Transport: &postilionv1.Connection_Custom{Custom: &postilionv1.CustomSettings{Transport: "capture"}}})
	req := letter("x@example.net")
	req.Connection, req.IdempotencyKey, req.KeepContent = "own", "same-key", true
	req.Tags = []string{"secret-tag"}
	sentByA, err := a.Send(r.ctx(), req)
	if err != nil {
		t.Fatal(err)
	}
	id := sentByA.GetId()
	r.awaitState(id, sent)
	if _, err := a.SetRoutes(r.ctx(), &postilionv1.SetRoutesRequest{Routes: []*postilionv1.Route{{Connection: "own"}}}); err != nil {
		t.Fatal(err)
	}
	named := &postilionv1.SendRequest{Content: req.Content, Connection: "own"}
	// Each of A's objects by each method of B; what stands here is what B gets.
	tries := map[string]struct {
		req  proto.Message
		code codes.Code
	}{
		"MailerService/Send":                 {named, codes.NotFound},
		"MailerService/TestConnection":       {&postilionv1.TestConnectionRequest{Target: &postilionv1.TestConnectionRequest_Name{Name: "own"}}, codes.NotFound},
		"MailerService/Configure":            {&postilionv1.ConfigureRequest{Connection: &postilionv1.Connection{Name: "new", Fallbacks: []string{"own"}, Transport: &postilionv1.Connection_Smtp{Smtp: &postilionv1.SmtpSettings{Host: "h.example"}}}}, codes.InvalidArgument},
		"ConnectionService/GetConnection":    {&postilionv1.GetConnectionRequest{Name: "own"}, codes.NotFound},
		"ConnectionService/DeleteConnection": {&postilionv1.DeleteConnectionRequest{Name: "own", Force: true}, codes.NotFound},
		"ConnectionService/SetRoutes":        {&postilionv1.SetRoutesRequest{Routes: []*postilionv1.Route{{Connection: "own"}}}, codes.InvalidArgument},
		"MessageService/GetMessage":          {&postilionv1.GetMessageRequest{Id: id}, codes.NotFound},
		"MessageService/ListEvents":          {&postilionv1.ListEventsRequest{Id: id}, codes.NotFound},
		"MessageService/ResendMessage":       {&postilionv1.ResendMessageRequest{Id: id}, codes.NotFound},
		"MessageService/CancelMessage":       {&postilionv1.CancelMessageRequest{Id: id}, codes.NotFound},
		"MessageService/HoldMessage":         {&postilionv1.HoldMessageRequest{Id: id}, codes.NotFound},
		"MessageService/ReleaseMessage":      {&postilionv1.ReleaseMessageRequest{Id: id}, codes.NotFound},
		"ConnectionService/ListConnections":  {&postilionv1.ListConnectionsRequest{}, codes.OK},
		"ConnectionService/GetRoutes":        {&postilionv1.GetRoutesRequest{}, codes.OK},
		"ConnectionService/DiscoverSettings": {&postilionv1.DiscoverSettingsRequest{Address: "gmail.com", LookupOnly: true}, codes.OK},
		"ConnectionService/CheckDomain":      {&postilionv1.CheckDomainRequest{Domain: "shop.test", Connection: "own"}, codes.NotFound},
		"ConnectionService/ListProviders":    {&postilionv1.ListProvidersRequest{}, codes.OK},
		"MessageService/ListMessages":        {&postilionv1.ListMessagesRequest{}, codes.OK},
		"AdminService/GetServerInfo":         {&postilionv1.GetServerInfoRequest{}, codes.OK},
		"AdminService/ListTransports":        {&postilionv1.ListTransportsRequest{}, codes.OK},
	}
	eachMethod(func(service, method string, d protoreflect.MethodDescriptor) {
		name := service + "/" + method
		if d.IsStreamingClient() || d.IsStreamingServer() {
			return
		}
		try, ok := tries[name]
		if !ok {
			try.req, try.code = dynamicpb.NewMessage(d.Input()), codes.PermissionDenied // admin's
		}
		if got := b.invoke(r.ctx(), name, try.req); status.Code(got) != try.code {
			t.Errorf("%s: B gets %v, not %v", name, got, try.code)
		}
	})
	list, err := b.ListMessages(r.ctx(), &postilionv1.ListMessagesRequest{Tag: "secret-tag"})
	if err != nil || len(list.GetMessages()) != 0 {
		t.Errorf("B lists %v, %v", list, err)
	}
	if _, err := b.ListMessages(r.ctx(), &postilionv1.ListMessagesRequest{Client: "a"}); status.Code(err) != codes.NotFound {
		t.Errorf("B lists A's messages by name: %v", err)
	}
	connections, err := b.ListConnections(r.ctx(), &postilionv1.ListConnectionsRequest{})
	if err != nil || strings.Contains(connections.String(), `"own"`) {
		t.Errorf("B lists %v, %v", connections, err)
	}
	events, err := b.ListEvents(r.ctx(), &postilionv1.ListEventsRequest{})
	if err != nil || len(events.GetEvents()) != 0 {
		t.Errorf("B sees %v, %v", events, err)
	}
	// A key is the client's own.
	other := letter("y@example.net")
	other.IdempotencyKey = "same-key"
	sentByB, err := b.Send(r.ctx(), other)
	if err != nil || sentByB.GetId() == id || sentByB.GetReplayed() {
		t.Errorf("B with A's key gets %v, %v", sentByB, err)
	}
}

// A batch answers each item by itself, on both faces.
func TestBatchOnBothFaces(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	token := r.adminToken()
	protocols := new(http.Protocols)
	protocols.SetUnencryptedHTTP2(true)
	web := postilionv1connect.NewMailerServiceClient(&http.Client{Transport: &http.Transport{Protocols: protocols}}, "http://"+r.addr.HTTP)
	for face, open := range map[string]func() (send func(*postilionv1.SendBatchRequest) error, end func() error, recv func() (*postilionv1.SendBatchResponse, error)){
		"grpc": func() (func(*postilionv1.SendBatchRequest) error, func() error, func() (*postilionv1.SendBatchResponse, error)) {
			s, err := r.admin.SendBatch(r.ctx())
			if err != nil {
				t.Fatal(err)
			}
			return s.Send, s.CloseSend, s.Recv
		},
		"http": func() (func(*postilionv1.SendBatchRequest) error, func() error, func() (*postilionv1.SendBatchResponse, error)) {
			ctx, call := connect.NewClientContext(r.ctx())
			call.RequestHeader().Set("Authorization", "Bearer "+token)
			s, err := web.SendBatch(ctx)
			if err != nil {
				t.Fatal(err)
			}
			return s.Send, s.CloseRequest, s.Receive
		},
	} {
		send, end, recv := open()
		const n = 200
		go func() {
			for i := range n {
				req := letter(fmt.Sprintf("p%d@example.net", i))
				if i%10 == 3 {
					req.GetMessage().Subject = "a\nb"
				}
				if err := send(&postilionv1.SendBatchRequest{CorrelationId: fmt.Sprint(i), Send: req}); err != nil {
					t.Error(err)
				}
			}
			if err := end(); err != nil {
				t.Error(err)
			}
		}()
		seen := map[string]bool{}
		for {
			res, err := recv()
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				t.Fatalf("%s: %v", face, err)
			}
			var i int
			_, _ = fmt.Sscan(res.GetCorrelationId(), &i)
			bad := i%10 == 3
			if bad != (res.GetError().GetCode() == int32(codes.InvalidArgument)) || bad != (res.GetAccepted() == nil) {
				t.Errorf("%s: item %d: %v", face, i, res)
			}
			seen[res.GetCorrelationId()] = true
		}
		if len(seen) != n {
			t.Errorf("%s: %d of %d items were answered", face, len(seen), n)
		}
	}
}

// Queue caps of a client refuse what is above them, with a time to try again.
func TestQueueCaps(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	made, err := r.admin.CreateClient(r.ctx(), &postilionv1.CreateClientRequest{Client: &postilionv1.Client{Name: "small", Scopes: allScopes, MaxQueuedMessages: 2}})
	if err != nil {
		t.Fatal(err)
	}
	small := r.dial(r.addr.GRPC, made.GetToken())
	req := letter("x@example.net")
	req.SendAt = timestamppb.New(time.Now().Add(time.Hour))
	for range 2 {
		if _, err := small.Send(r.ctx(), req); err != nil {
			t.Fatal(err)
		}
	}
	_, err = small.Send(r.ctx(), req)
	if status.Code(err) != codes.ResourceExhausted || fault.Detail(err).GetRetryAfter() == nil {
		t.Errorf("above the cap: %v", err)
	}
}
