package registry_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/postilion-mail/postilion/internal/registry"
)

// What belongs to another client is not there.
func TestOwnership(t *testing.T) {
	t.Parallel()
	e := newEnv(t)
	a, b := e.client("a"), e.client("b")
	e.configure(a, smtp("relay"), password("x"))
	_, err := e.Get(b, "relay")
	wantError(t, err, registry.NotFound, registry.ReasonNoConnection, "name")
	_, err = e.Delete(e.ctx(), b, "relay", "")
	wantError(t, err, registry.NotFound, registry.ReasonNoConnection, "name")
	_, err = e.Resolve(b, "relay")
	wantError(t, err, registry.NotFound, registry.ReasonNoConnection, "connection")
	_, _, err = e.Configure(e.ctx(), changeOf(b, smtp("own", fallbacks("relay"))))
	wantError(t, err, registry.Invalid, registry.ReasonNoConnection, "connection.fallbacks[0]")
	_, err = e.SetRoutes(e.ctx(), b, []registry.Route{{Connection: "relay"}}, "")
	wantError(t, err, registry.Invalid, registry.ReasonNoConnection, "routes[0].connection")
	if names := names(e.List(b)); !slices.Equal(names, []string{"capture"}) {
		t.Errorf("b sees %v", names)
	}
	// The same name makes another connection, which takes over nothing.
	made := e.configure(b, smtp("relay"))
	if len(made.StoredSecrets) != 0 || made.Generation != 1 {
		t.Errorf("b got %+v", made)
	}
}

func names(list []registry.Connection) []string {
	var names []string
	for _, c := range list {
		names = append(names, c.Name)
	}
	return names
}

func TestSharedConnections(t *testing.T) {
	t.Parallel()
	e := newEnv(t)
	admin, b := e.Admin().ID, e.client("b")
	relay := e.configure(admin, smtp("relay", shared, func(c *registry.Connection) {
		c.DisplayName = "Relay"
		c.Sender.FromAddress = "x@example.com"
		c.AllowDestinations = []string{"10.0.0.0/8"}
	}), asAdmin, password("x"))

	seen, err := e.Get(b, "relay")
	if err != nil || seen.ID != relay.ID || seen.DisplayName != "Relay" || seen.OwnerName != "admin" {
		t.Fatalf("b sees %+v, %v", seen, err)
	}
	if seen.Settings != nil || seen.StoredSecrets != nil || seen.Sender.FromAddress != "" || seen.AllowDestinations != nil {
		t.Errorf("b sees the settings of a shared connection: %+v", seen)
	}
	used, err := e.Resolve(b, "relay")
	if err != nil || used.ID != relay.ID || used.Settings["host"] != "mail.example.com" {
		t.Errorf("b uses %+v, %v", used, err)
	}
	if _, err := e.Delete(e.ctx(), b, "relay", ""); !errors.Is(err, registry.ErrNotFound) {
		t.Errorf("b deletes it: %v", err)
	}
	own := e.configure(b, smtp("relay"))
	if used, _ := e.Resolve(b, "relay"); used.ID != own.ID {
		t.Error("a shared connection goes before an own one")
	}
	if list := e.List(b); !slices.Equal(names(list), []string{"capture", "relay", "relay"}) || list[1].ID != own.ID {
		t.Errorf("b's list is %v", names(list))
	}
	other := e.client("other")
	_, _, err = e.Configure(e.ctx(), changeOf(other, smtp("relay", shared), asAdmin))
	wantError(t, err, registry.Exists, registry.ReasonTaken, "connection.name")

	e.configure(other, smtp("own", fallbacks("relay")))
	_, _, err = e.Configure(e.ctx(), changeOf(admin, smtp("relay"), asAdmin))
	wantError(t, err, registry.InUse, registry.ReasonReferenced, "connection.shared")
}

func TestFallbacks(t *testing.T) {
	t.Parallel()
	e := newEnv(t)
	shop, admin := e.client("shop"), e.Admin().ID
	c := e.configure(shop, smtp("c"))
	b := e.configure(shop, smtp("b", fallbacks("c", "capture")))
	a := e.configure(shop, smtp("a", fallbacks("b", "c")))
	if chain := names(e.Chain(a.ID)); !slices.Equal(chain, []string{"a", "b", "c", "capture"}) {
		t.Errorf("the chain of a is %v", chain)
	}
	if len(e.Chain("no-such-id")) != 0 {
		t.Error("nothing has a chain")
	}
	cycle := func(wanted registry.Connection) {
		t.Helper()
		_, _, err := e.Configure(e.ctx(), changeOf(shop, wanted))
		wantError(t, err, registry.Invalid, registry.ReasonFallbackCycle, "connection.fallbacks[0]")
	}
	cycle(smtp("new", fallbacks("new")))
	_, _, err := e.Configure(e.ctx(), changeOf(shop, smtp("c", fallbacks("c"))))
	wantError(t, err, registry.Invalid, registry.ReasonFallbackCycle, "connection.fallbacks[0]")
	cycle(smtp("c", fallbacks("b")))
	cycle(smtp("c", fallbacks("a")))

	// An own connection takes a shared one's name, and with it a place in the
	// fallbacks.
	e.configure(admin, smtp("spare", shared), asAdmin)
	e.configure(shop, smtp("c", fallbacks("spare")))
	cycle(smtp("spare", fallbacks("a")))

	for _, gone := range []struct {
		name  string
		users []string
	}{
		{"c", []string{`connection "a"`, `connection "b"`}},
		{"b", []string{`connection "a"`}},
	} {
		_, err := e.Delete(e.ctx(), shop, gone.name, "")
		wantError(t, err, registry.InUse, registry.ReasonReferenced, "name")
		for _, user := range gone.users {
			if !strings.Contains(err.Error(), user) {
				t.Errorf("%q does not name %s", err, user)
			}
		}
	}
	_, err = e.Delete(e.ctx(), admin, "spare", "")
	wantError(t, err, registry.InUse, registry.ReasonReferenced, "name")
	if !strings.Contains(err.Error(), `of client "shop"`) {
		t.Errorf("%q does not name the client", err)
	}
	for _, c := range []registry.Connection{a, b, c} {
		if _, err := e.Delete(e.ctx(), shop, c.Name, ""); err != nil {
			t.Error(err)
		}
	}
}

func TestRoutes(t *testing.T) {
	t.Parallel()
	e := newEnv(t)
	admin, shop, other := e.Admin().ID, e.client("shop"), e.client("other")
	relay := e.configure(shop, smtp("relay"))
	bulk := e.configure(admin, smtp("bulk"), asAdmin)

	own := []registry.Route{
		{From: []string{"@example.com", "a@example.org"}, RecipientDomains: []string{"example.net"}, Tags: []string{"news"},
			Headers: []registry.Header{{Name: "X-A", Value: ""}}, Connection: "relay"},
		{Connection: "capture"},
	}
	_, none := e.Routes(shop)
	etag, err := e.SetRoutes(e.ctx(), shop, own, none)
	if err != nil || etag == none {
		t.Fatal(etag, err)
	}
	_, err = e.SetRoutes(e.ctx(), shop, nil, none)
	wantError(t, err, registry.Conflict, registry.ReasonEtagMismatch, "etag")
	global := []registry.Route{{Clients: []string{"shop"}, Connection: "bulk"}, {Tags: []string{"t"}, Connection: "bulk"}}
	if _, err := e.SetRoutes(e.ctx(), admin, global, ""); err != nil {
		t.Fatal(err)
	}
	e.restart()
	if got, now := e.Routes(shop); len(got) != 2 || now != etag || got[0].From[1] != "a@example.org" {
		t.Errorf("after a restart: %+v, %s", got, now)
	}
	leads := func(client string) (ids []string) {
		for _, rule := range e.Rules(client) {
			ids = append(ids, rule.ConnectionID)
		}
		return ids
	}
	capture, _ := e.Resolve(shop, "capture")
	if got := leads(shop); !slices.Equal(got, []string{relay.ID, capture.ID, bulk.ID, bulk.ID}) {
		t.Errorf("shop's rules lead to %v", got)
	}
	if got := leads(other); !slices.Equal(got, []string{bulk.ID}) {
		t.Errorf("other's rules lead to %v", got)
	}
	if got := leads(admin); !slices.Equal(got, []string{bulk.ID}) {
		t.Errorf("admin's rules lead to %v", got)
	}
	if leads("no-such-id") != nil {
		t.Error("nobody has rules")
	}
	_, err = e.Delete(e.ctx(), shop, "relay", "")
	wantError(t, err, registry.InUse, registry.ReasonReferenced, "name")
	if !strings.Contains(err.Error(), "route 1") {
		t.Errorf("%q does not name the route", err)
	}
}

func TestRoutesAreValidated(t *testing.T) {
	t.Parallel()
	e := newEnv(t)
	admin, shop := e.Admin().ID, e.client("shop")
	good := registry.Route{Connection: "capture"}
	if _, err := e.SetRoutes(e.ctx(), shop, []registry.Route{good}, ""); err != nil {
		t.Fatal(err)
	}
	_, etag := e.Routes(shop)
	for _, c := range []struct {
		field  string
		client string
		route  registry.Route
	}{
		{"routes[2].connection", shop, registry.Route{}},
		{"routes[2].connection", shop, registry.Route{Connection: "none"}},
		{"routes[2].clients", shop, registry.Route{Connection: "capture", Clients: []string{"shop"}}},
		{"routes[2].clients[1]", admin, registry.Route{Connection: "capture", Clients: []string{"shop", "none"}}},
		{"routes[2].from[0]", shop, registry.Route{Connection: "capture", From: []string{"example.com"}}},
		{"routes[2].from[1]", shop, registry.Route{Connection: "capture", From: []string{"@example.com", "@"}}},
		{"routes[2].recipient_domains[0]", shop, registry.Route{Connection: "capture", RecipientDomains: []string{"a b"}}},
		{"routes[2].headers[0].name", shop, registry.Route{Connection: "capture", Headers: []registry.Header{{}}}},
		{"routes[2].headers[0].value", shop, registry.Route{Connection: "capture", Headers: []registry.Header{{Name: "A", Value: "\n"}}}},
		{"routes[2].tags[0]", shop, registry.Route{Connection: "capture", Tags: []string{""}}},
		{"routes[2].tags[0]", shop, registry.Route{Connection: "capture", Tags: []string{strings.Repeat("a", 65)}}},
		{"routes[2].tags", shop, registry.Route{Connection: "capture", Tags: make([]string, 101)}},
	} {
		_, err := e.SetRoutes(e.ctx(), c.client, []registry.Route{good, good, c.route}, "")
		var got *registry.Error
		if !errors.As(err, &got) || got.Code != registry.Invalid || got.Field != c.field {
			t.Errorf("%s: got %v", c.field, err)
		}
	}
	_, err := e.SetRoutes(e.ctx(), shop, make([]registry.Route, 501), "")
	wantError(t, err, registry.Invalid, registry.ReasonTooMany, "routes")
	_, err = e.SetRoutes(e.ctx(), "no-such-id", nil, "")
	wantError(t, err, registry.NotFound, registry.ReasonNoClient, "client")
	if routes, now := e.Routes(shop); now != etag || len(routes) != 1 {
		t.Error("a refused change changed the routes")
	}
}
