package server

import (
	"strings"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/postilion-mail/postilion/internal/smtptest"
	postilionv1 "github.com/postilion-mail/postilion/proto/gen/postilion/v1"
)

// guarded changes the guard of a client.
func (r *rig) guarded(name string, g *postilionv1.DeliveryGuard) {
	r.t.Helper()
	_, err := r.admin.UpdateClient(r.ctx(), &postilionv1.UpdateClientRequest{Client: &postilionv1.Client{
		Name: name, Scopes: allScopes, Origin: "https://shop.example/blog", Guard: g,
	}})
	if err != nil {
		r.t.Fatal(err)
	}
}

// A guard keeps the mail of a test installation from real recipients.
func TestAGuardKeepsMailFromRecipients(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	provider := smtptest.Start(t, plain)
	shared := connection("relay", provider)
	shared.Shared = true
	if _, err := r.admin.Configure(r.ctx(), &postilionv1.ConfigureRequest{Connection: shared, SetDefault: true}); err != nil {
		t.Fatal(err)
	}
	shop := r.dial(r.addr.GRPC, r.client("shop", allScopes...))
	allowed := []string{"@test.example", "dev@shop.example"}
	hold := &postilionv1.DeliveryGuard{Action: &postilionv1.DeliveryGuard_Hold{Hold: true}, AllowedRecipients: allowed}
	redirect := &postilionv1.DeliveryGuard{Action: &postilionv1.DeliveryGuard_RedirectTo{RedirectTo: "dev@shop.example"}, AllowedRecipients: allowed}
	capture := &postilionv1.DeliveryGuard{Action: &postilionv1.DeliveryGuard_Capture{Capture: true}, AllowedRecipients: allowed}
	only := &postilionv1.DeliveryGuard{AllowedRecipients: allowed}
	arrived := 0
	for _, c := range []struct {
		about string
		guard *postilionv1.DeliveryGuard
		to    []string
		state postilionv1.MessageState
		via   string
		sent  string // recipients
	}{
		{"none", nil, []string{"jane@example.org"}, postilionv1.MessageState_MESSAGE_STATE_QUEUED, "relay", "jane@example.org"},
		{"held", hold, []string{"jane@example.org"}, postilionv1.MessageState_MESSAGE_STATE_HELD, "relay", ""},
		{"held for one of two", hold, []string{"a@TEST.example", "jane@example.org"}, postilionv1.MessageState_MESSAGE_STATE_HELD, "relay", ""},
		{"allowed", hold, []string{"a@TEST.example"}, postilionv1.MessageState_MESSAGE_STATE_QUEUED, "relay", "a@test.example"},
		{"not on the list", only, []string{"jane@example.org"}, postilionv1.MessageState_MESSAGE_STATE_HELD, "relay", ""},
		{"redirected", redirect, []string{"jane@example.org", "a@test.example", "joe@example.org"}, postilionv1.MessageState_MESSAGE_STATE_QUEUED, "relay", "a@test.example dev@shop.example"},
		{"captured", capture, []string{"jane@example.org"}, postilionv1.MessageState_MESSAGE_STATE_QUEUED, "capture", ""},
	} {
		r.guarded("shop", c.guard)
		req := letter(c.to...)
		req.GetMessage().Subject = c.about
		got, err := shop.Send(r.ctx(), req)
		if err != nil {
			t.Fatalf("%s: %v", c.about, err)
		}
		if got.GetState() != c.state || got.GetConnection() != c.via {
			t.Errorf("%s: it is %v through %q", c.about, got.GetState(), got.GetConnection())
		}
		if c.state == postilionv1.MessageState_MESSAGE_STATE_HELD {
			view, err := shop.GetMessage(r.ctx(), &postilionv1.GetMessageRequest{Id: got.GetId()})
			if err != nil || !strings.Contains(view.String(), "guard") {
				t.Errorf("%s: nobody is told why: %v, %v", c.about, view, err)
			}
		}
		if c.sent == "" {
			continue
		}
		arrived++
		all, err := provider.Wait(r.ctx(), arrived)
		if err != nil {
			t.Fatalf("%s: %v", c.about, err)
		}
		last := all[arrived-1]
		if to := strings.ToLower(strings.Join(last.To, " ")); to != c.sent {
			t.Errorf("%s: it went to %q", c.about, to)
		}
		named := strings.Contains(string(last.Content), "X-Original-To: jane@example.org,\r\n\tjoe@example.org\r\n")
		if named != (c.guard == redirect) {
			t.Errorf("%s: the header is\n%.500s", c.about, last.Content)
		}
	}
	info, err := shop.GetServerInfo(r.ctx(), &postilionv1.GetServerInfoRequest{})
	if err != nil || len(info.GetNotices()) != 1 || !strings.Contains(info.GetNotices()[0], "captured") || info.GetOrigin() != "https://shop.example/blog" {
		t.Errorf("the client is told %v, %v", info, err)
	}
	for _, g := range []*postilionv1.DeliveryGuard{
		{Action: &postilionv1.DeliveryGuard_RedirectTo{RedirectTo: "nobody"}}, {AllowedRecipients: []string{"not an address"}},
	} {
		_, err := r.admin.UpdateClient(r.ctx(), &postilionv1.UpdateClientRequest{Client: &postilionv1.Client{Name: "shop", Scopes: allScopes, Guard: g}})
		if status.Code(err) != codes.InvalidArgument {
			t.Errorf("%v is taken: %v", g, err)
		}
	}
}

// Mail of a copy of the site, which has the site's credentials, is held.
func TestACopyOfTheSite(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	shop := r.dial(r.addr.GRPC, r.client("shop", allScopes...))
	r.guarded("shop", nil)
	for origin, held := range map[string]bool{
		"": false, "https://shop.example/blog": false, "http://SHOP.example/blog/": false,
		"https://staging.shop.example/blog": true, "https://shop.example": true, "shop": true,
	} {
		req := letter("jane@example.org")
		req.Origin = origin
		got, err := shop.Send(r.ctx(), req)
		if err != nil {
			t.Fatal(err)
		}
		if (got.GetState() == postilionv1.MessageState_MESSAGE_STATE_HELD) != held {
			t.Errorf("from %q: %v", origin, got.GetState())
		}
	}
}
