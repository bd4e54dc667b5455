package registry_test

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/postilion-mail/postilion/internal/registry"
)

func TestFirstStart(t *testing.T) {
	t.Parallel()
	e := newEnv(t)
	admin, local := e.Admin(), e.clientNamed("local")
	if admin.Scopes != registry.ScopeAdmin || local.Scopes != registry.ScopeSend {
		t.Errorf("admin has %v, local has %v", admin.Scopes, local.Scopes)
	}
	c, err := e.Resolve(local.ID, "")
	if err != nil || c.Name != "capture" || c.Transport != "capture" || !c.Shared || c.Owner != admin.ID {
		t.Errorf("the default of local is %+v, %v; want the shared capture", c, err)
	}
	e.restart()
	if e.Admin().ID != admin.ID || len(e.Clients()) != 2 || len(e.All()) != 1 {
		t.Errorf("after a restart there are %d clients and %d connections", len(e.Clients()), len(e.All()))
	}
	if _, err := e.Delete(e.ctx(), admin.ID, "capture", ""); err != nil {
		t.Fatal(err)
	}
	e.restart()
	if len(e.All()) != 0 {
		t.Error("a deleted capture came back")
	}
	_, err = e.Resolve(local.ID, "")
	wantError(t, err, registry.NotFound, registry.ReasonNoDefault, "connection")
}

func (e *env) clientNamed(name string) *registry.Client {
	e.t.Helper()
	c, ok := e.ClientNamed(name)
	if !ok {
		e.t.Fatalf("no client %q", name)
	}
	return c
}

// T118: nothing but the token itself passes.
func TestAuthenticate(t *testing.T) {
	t.Parallel()
	e := newEnv(t)
	c, token, err := e.CreateClient(e.ctx(), registry.Client{Name: "shop"}, false)
	if err != nil {
		t.Fatal(err)
	}
	if got, ok := e.Authenticate(token); !ok || got.ID != c.ID || got.Scopes != registry.ScopeSend {
		t.Fatalf("the token gives %+v, %v", got, ok)
	}
	if !strings.HasPrefix(token, "pst_") || len(token) != 47 {
		t.Errorf("the token has %d characters and begins with %q", len(token), token[:4])
	}
	flipped := []byte(token)
	flipped[20] ^= 1
	for _, wrong := range []string{
		"", "0", "null", "pst_", "true", "[]", " ", "Bearer " + token,
		token[:len(token)-1], token[:20], token + "A", " " + token, token + "\n", token + "\x00",
		strings.ToUpper(token), string(flipped), strings.TrimPrefix(token, "pst_"),
		strings.Repeat("A", 1<<20), token + strings.Repeat("A", 1<<20), c.Tokens[0].Hint, c.Tokens[0].ID,
		"pst_" + strings.Repeat("A", 43),
	} {
		if _, ok := e.Authenticate(wrong); ok {
			t.Errorf("%.60q passes", wrong)
		}
	}
	e.restart()
	if _, ok := e.Authenticate(token); !ok {
		t.Error("the token does not outlive a restart")
	}
}

func FuzzAuthenticate(f *testing.F) {
	for _, seed := range []string{"", "0", "null", "pst_", "pst_" + strings.Repeat("A", 43), "\x00"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, token string) {
		r := &registry.Registry{}
		if len(token) == 47 && strings.HasPrefix(token, "pst_") {
			return // would look into the empty registry
		}
		if c, ok := r.Authenticate(token); ok || c != nil {
			t.Errorf("%q passes", token)
		}
	})
}

func TestTokensComeAndGo(t *testing.T) {
	t.Parallel()
	e := newEnv(t)
	_, first, err := e.CreateClient(e.ctx(), registry.Client{Name: "shop"}, false)
	if err != nil {
		t.Fatal(err)
	}
	made, second, err := e.CreateToken(e.ctx(), "shop")
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(second, made.Hint) || len(made.Hint) != 8 {
		t.Errorf("the hint is %q", made.Hint)
	}
	old := e.clientNamed("shop").Tokens[0].ID
	if err := e.RevokeToken(e.ctx(), "shop", old); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if _, ok := e.Authenticate(first); ok {
			t.Error("a revoked token passes")
		}
		if _, ok := e.Authenticate(second); !ok {
			t.Error("the other token does not pass")
		}
		e.restart()
	}
	wantError(t, e.RevokeToken(e.ctx(), "shop", old), registry.NotFound, registry.ReasonNoToken, "token_id")
	wantError(t, e.RevokeToken(e.ctx(), "nobody", old), registry.NotFound, registry.ReasonNoClient, "client")
	_, _, err = e.CreateToken(e.ctx(), "local")
	wantError(t, err, registry.Invalid, registry.ReasonBuiltIn, "client")
	if err := e.DeleteClient(e.ctx(), "shop"); err != nil {
		t.Fatal(err)
	}
	if _, ok := e.Authenticate(second); ok {
		t.Error("a token of a deleted client passes")
	}
}

func TestEnsureAdminToken(t *testing.T) {
	t.Parallel()
	e := newEnv(t)
	ensure := func(current string) string {
		t.Helper()
		token, err := e.EnsureAdminToken(e.ctx(), current)
		if err != nil {
			t.Fatal(err)
		}
		c, ok := e.Authenticate(token)
		if !ok || c.Name != "admin" || !c.Scopes.Has(registry.ScopeConfigure) {
			t.Fatalf("the token is one of %+v", c)
		}
		return token
	}
	first := ensure("")
	if again := ensure(first + "\n"); again != first {
		t.Error("a good token was replaced")
	}
	_, own, err := e.CreateToken(e.ctx(), "admin")
	if err != nil {
		t.Fatal(err)
	}
	e.restart()
	second := ensure("")
	if _, ok := e.Authenticate(first); ok || second == first {
		t.Error("the token whose file is gone still passes")
	}
	if _, ok := e.Authenticate(own); !ok {
		t.Error("another token of admin was revoked")
	}
	_, foreign, err := e.CreateClient(e.ctx(), registry.Client{Name: "shop"}, true)
	if err != nil {
		t.Fatal(err)
	}
	if ensure(foreign) == foreign {
		t.Error("another client's token was taken for admin's")
	}
	if n := len(e.Admin().Tokens); n != 2 {
		t.Errorf("admin has %d tokens, want 2", n)
	}
}

func TestScopes(t *testing.T) {
	t.Parallel()
	all := []registry.Scopes{
		registry.ScopeSend, registry.ScopeRead, registry.ScopeContent, registry.ScopeConfigure, registry.ScopeAdmin,
	}
	for i, s := range all {
		for j, want := range all {
			if got := s.Has(want); got != (i == j || s == registry.ScopeAdmin) {
				t.Errorf("%v.Has(%v) = %v", s, want, got)
			}
		}
		if s.Has(0) {
			t.Errorf("%v has the empty scope", s)
		}
		back, err := registry.ParseScopes(s.Names()...)
		if err != nil || back != s {
			t.Errorf("%v becomes %v, %v", s, back, err)
		}
	}
	if registry.Scopes(0).Has(registry.ScopeSend) || (registry.ScopeSend).Has(registry.ScopeSend|registry.ScopeRead) {
		t.Error("a scope comes from nothing")
	}
	_, err := registry.ParseScopes("send", "Admin")
	wantError(t, err, registry.Invalid, registry.ReasonMalformed, "client.scopes[1]")
}

func TestClientIsValidated(t *testing.T) {
	t.Parallel()
	e := newEnv(t)
	e.client("taken")
	malformed := registry.ReasonMalformed
	for _, c := range []struct {
		client registry.Client
		code   registry.Code
		reason string
		field  string
	}{
		{registry.Client{Name: ""}, registry.Invalid, malformed, "client.name"},
		{registry.Client{Name: "-a"}, registry.Invalid, malformed, "client.name"},
		{registry.Client{Name: "Shop"}, registry.Invalid, malformed, "client.name"},
		{registry.Client{Name: "a b"}, registry.Invalid, malformed, "client.name"},
		{registry.Client{Name: "a\n"}, registry.Invalid, malformed, "client.name"},
		{registry.Client{Name: "ä"}, registry.Invalid, malformed, "client.name"},
		{registry.Client{Name: "\xff"}, registry.Invalid, malformed, "client.name"},
		{registry.Client{Name: strings.Repeat("a", 64)}, registry.Invalid, malformed, "client.name"},
		{registry.Client{Name: "taken"}, registry.Exists, registry.ReasonTaken, "client.name"},
		{registry.Client{Name: "admin"}, registry.Exists, registry.ReasonTaken, "client.name"},
		{registry.Client{Name: "a", Scopes: 1 << 6}, registry.Invalid, malformed, "client.scopes"},
		{registry.Client{Name: "a", MaxQueuedBytes: -1}, registry.Invalid, malformed, "client.max_queued_bytes"},
		{registry.Client{Name: "a", MaxQueuedMessages: -1}, registry.Invalid, malformed, "client.max_queued_messages"},
		{registry.Client{Name: "a", Transports: []string{"smtp", "S"}}, registry.Invalid, malformed, "client.transports[1]"},
		{registry.Client{Name: "a", UnixUsers: []string{"nobody-here"}}, registry.Invalid, malformed, "client.unix_users[0]"},
		{registry.Client{Name: "a", UnixUsers: []string{"deploy", "deploy"}}, registry.Invalid, malformed, "client.unix_users[1]"},
		{registry.Client{Name: "a", UnixUsers: []string{"a\n"}}, registry.Invalid, malformed, "client.unix_users[0]"},
		{registry.Client{Name: "a", UnixUsers: []string{"deploy"}, Scopes: registry.ScopeAdmin}, registry.Invalid, malformed, "client.unix_users"},
	} {
		_, _, err := e.CreateClient(e.ctx(), c.client, false)
		wantError(t, err, c.code, c.reason, c.field)
	}
	for _, name := range []string{"a", "0", "shop.example.com", "a_b-c", strings.Repeat("a", 63)} {
		if _, _, err := e.CreateClient(e.ctx(), registry.Client{Name: name}, false); err != nil {
			t.Error(err)
		}
	}
}

func TestUnixUsers(t *testing.T) {
	t.Parallel()
	known := map[string]uint32{"www-data": 33, "alias": 33}
	clock := &timeline{now: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)}
	e := newEnv(t, func(e *env) {
		e.options.LookupUser, e.options.Now = users(known), clock.Now
	})
	site, token, err := e.CreateClient(e.ctx(), registry.Client{Name: "site", UnixUsers: []string{"www-data", "1234"}}, false)
	if err != nil {
		t.Fatal(err)
	}
	if token != "" || len(site.Tokens) != 0 {
		t.Error("a client of Unix users got a token unasked")
	}
	want := func(uid uint32, name string) {
		t.Helper()
		if c, ok := e.ByUID(uid); !ok || c.Name != name {
			t.Errorf("uid %d is %+v, want %s", uid, c, name)
		}
	}
	want(33, "site")
	want(1234, "site")
	want(0, "local")
	want(1<<32-1, "local")
	if _, _, err := e.CreateClient(e.ctx(), registry.Client{Name: "root", UnixUsers: []string{"0"}}, false); err != nil {
		t.Fatal(err)
	}
	want(0, "root")
	if err := e.DeleteClient(e.ctx(), "root"); err != nil {
		t.Fatal(err)
	}
	want(0, "local")
	_, _, err = e.CreateClient(e.ctx(), registry.Client{Name: "b", UnixUsers: []string{"alias"}}, false)
	wantError(t, err, registry.Exists, registry.ReasonTaken, "client.unix_users[0]")
	e.restart()
	want(33, "site")

	known["www-data"] = 82 // as after moving to another system
	clock.advance(time.Minute)
	want(82, "site")
	want(33, "local")
	delete(known, "www-data")
	clock.advance(time.Minute)
	want(82, "local")
	want(1234, "site")

	e.options.DenyLocal = true
	e.restart()
	if c, ok := e.ByUID(0); ok {
		t.Errorf("a denied local user is %+v", c)
	}
	want(1234, "site")
}

func TestUpdateClient(t *testing.T) {
	t.Parallel()
	e := newEnv(t)
	id := e.client("shop")
	e.configure(id, smtp("relay"), password("s3cret"))
	token := e.clientNamed("shop").Tokens[0]
	wanted := registry.Client{
		Name: "shop", Scopes: registry.ScopeSend | registry.ScopeRead, UnixUsers: []string{"deploy"},
		Limits: registry.Limits{PerDay: 500}, MaxQueuedMessages: 7, MaxQueuedBytes: 8, Transports: []string{"smtp", "ses"},
	}
	if _, err := e.UpdateClient(e.ctx(), wanted); err != nil {
		t.Fatal(err)
	}
	e.restart()
	got := e.clientNamed("shop")
	if got.ID != id || got.Scopes != wanted.Scopes || !slices.Equal(got.UnixUsers, wanted.UnixUsers) ||
		got.Limits != wanted.Limits || !got.MayUse("ses") || got.MayUse("capture") {
		t.Errorf("got %+v", got)
	}
	if messages, bytes := got.QueueCaps(); messages != 7 || bytes != 8 {
		t.Errorf("caps %d, %d", messages, bytes)
	}
	if len(got.Tokens) != 1 || got.Tokens[0] != token {
		t.Errorf("tokens changed: %+v", got.Tokens)
	}
	if c, err := e.Resolve(id, ""); err != nil || c.Name != "relay" {
		t.Errorf("the default changed: %+v, %v", c, err)
	}

	_, err := e.UpdateClient(e.ctx(), registry.Client{Name: "shop"})
	wantError(t, err, registry.Invalid, registry.ReasonMalformed, "client.scopes")
	_, err = e.UpdateClient(e.ctx(), registry.Client{Name: "shop", Scopes: registry.ScopeSend, Transports: []string{"ses"}})
	wantError(t, err, registry.InUse, registry.ReasonReferenced, "client.transports")
	_, err = e.UpdateClient(e.ctx(), registry.Client{Name: "nobody", Scopes: registry.ScopeSend})
	wantError(t, err, registry.NotFound, registry.ReasonNoClient, "client.name")
}

func TestBuiltInClients(t *testing.T) {
	t.Parallel()
	e := newEnv(t)
	for _, name := range []string{"admin", "local"} {
		before := *e.clientNamed(name)
		_, err := e.UpdateClient(e.ctx(), registry.Client{Name: name, Scopes: registry.ScopeSend | registry.ScopeRead})
		wantError(t, err, registry.Invalid, registry.ReasonBuiltIn, "client.scopes")
		_, err = e.UpdateClient(e.ctx(), registry.Client{Name: name, UnixUsers: []string{"deploy"}})
		wantError(t, err, registry.Invalid, registry.ReasonBuiltIn, "client.unix_users")
		_, err = e.UpdateClient(e.ctx(), registry.Client{Name: name, Transports: []string{"ses"}})
		wantError(t, err, registry.Invalid, registry.ReasonBuiltIn, "client.transports")
		wantError(t, e.DeleteClient(e.ctx(), name), registry.Invalid, registry.ReasonBuiltIn, "name")

		after, err := e.UpdateClient(e.ctx(), registry.Client{Name: name, Limits: registry.Limits{PerHour: 9}})
		if err != nil || after.Limits.PerHour != 9 || after.Scopes != before.Scopes || after.Default != before.Default {
			t.Errorf("%+v became %+v, %v", before, after, err)
		}
	}
	if messages, bytes := e.Admin().QueueCaps(); messages != 100_000 || bytes != 2<<30 {
		t.Errorf("default caps are %d, %d", messages, bytes)
	}
}

func TestDeleteClient(t *testing.T) {
	t.Parallel()
	e := newEnv(t)
	admin := e.Admin().ID
	shop, other := e.client("shop"), e.client("other")
	relay := e.configure(shop, smtp("relay", shared), asAdmin, password("x"))
	e.configure(other, smtp("own", fallbacks("relay")))
	if _, err := e.SetRoutes(e.ctx(), shop, []registry.Route{{Connection: "relay"}}, ""); err != nil {
		t.Fatal(err)
	}
	err := e.DeleteClient(e.ctx(), "shop")
	wantError(t, err, registry.InUse, registry.ReasonReferenced, "name")
	if !strings.Contains(err.Error(), `connection "own" of client "other"`) {
		t.Errorf("%q does not name the user", err)
	}
	e.configure(other, smtp("own"))
	if _, err := e.SetRoutes(e.ctx(), admin, []registry.Route{{Clients: []string{"shop"}, Connection: "capture"}}, ""); err != nil {
		t.Fatal(err)
	}
	wantError(t, e.DeleteClient(e.ctx(), "shop"), registry.InUse, registry.ReasonReferenced, "name")
	if _, err := e.SetRoutes(e.ctx(), admin, nil, ""); err != nil {
		t.Fatal(err)
	}
	if err := e.DeleteClient(e.ctx(), "shop"); err != nil {
		t.Fatal(err)
	}
	if !errors.Is(e.DeleteClient(e.ctx(), "shop"), registry.ErrNotFound) {
		t.Error("deleted twice")
	}
	e.restart()
	if _, ok := e.Connection(relay.ID); ok {
		t.Error("the connection of a deleted client is there")
	}
	if e.client("shop") == shop {
		t.Error("an id came back")
	}
}
