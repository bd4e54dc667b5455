package server

import (
	"os"
	"strings"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/postilion-mail/postilion/internal/smtptest"
	postilionv1 "github.com/postilion-mail/postilion/proto/gen/postilion/v1"
)

// codesOf gives the codes of the checks that are not as they should be.
func codesOf(h *postilionv1.GetHealthResponse) string {
	var list []string
	for _, c := range h.GetChecks() {
		if c.GetStatus() != postilionv1.CheckStatus_CHECK_STATUS_OK {
			list = append(list, c.GetCode())
		}
	}
	return strings.Join(list, " ")
}

func (r *rig) health() *postilionv1.GetHealthResponse {
	r.t.Helper()
	h, err := r.admin.GetHealth(r.ctx(), &postilionv1.GetHealthRequest{})
	if err != nil {
		r.t.Fatal(err)
	}
	return h
}

func TestHealth(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	h := r.health()
	contains(t, codesOf(h), "connection.none")
	if !h.GetOk() {
		t.Errorf("%v", h)
	}
	for _, area := range []string{"daemon", "store", "disk", "clock", "queue", "connection", "certificate", "socket"} {
		contains(t, h.String(), area)
	}
	contains(t, h.String(), r.addr.AdminSocket)

	server := smtptest.Start(t, plain, func(c *smtptest.Config) { c.Accounts, c.PlainAuth = map[string]string{"shop": "right"}, true })
	c, password := connection("main", server), "wrong"
	c.GetSmtp().Username, c.GetSmtp().Password, c.GetSmtp().Authentication = "shop", &password, postilionv1.Authentication_AUTHENTICATION_AUTO
	c.GetSmtp().AllowPlainAuth = true
	configure(t, r.admin, c)
	if err := os.Chmod(r.addr.AdminSocket, 0o666); err != nil {
		t.Fatal(err)
	}
	sent, err := r.admin.Send(r.ctx(), letter("a@example.net"))
	if err != nil {
		t.Fatal(err)
	}
	r.awaitState(sent.GetId(), postilionv1.MessageState_MESSAGE_STATE_DEFERRED)
	await(t, "all is told", func() bool {
		h = r.health()
		got := codesOf(h)
		return strings.Contains(got, "connection.paused") && strings.Contains(got, "queue.deferred") && strings.Contains(got, "socket.admin_open")
	})
	if h.GetOk() {
		t.Errorf("%v", h)
	}

	shop := r.dial(r.addr.GRPC, r.client("shop", allScopes...))
	if _, err := shop.GetHealth(r.ctx(), &postilionv1.GetHealthRequest{}); status.Code(err) != codes.PermissionDenied {
		t.Errorf("a client's: %v", err)
	}
}
