package registry_test

import (
	"errors"
	"maps"
	"math"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/postilion-mail/postilion/internal/registry"
)

func TestConfigureKeepsAll(t *testing.T) {
	t.Parallel()
	e := newEnv(t)
	admin := e.Admin().ID
	wanted := registry.Connection{
		Name: "relay", DisplayName: "Grüße", Transport: "smtp", Provider: "gmail",
		Settings: map[string]any{"host": "h.example", "port": 25, "skip_verify": true, "timeouts": map[string]any{"tls": "60s"}},
		Sender: registry.SenderPolicy{
			FromAddress: "a@example.com", FromName: "Ä", ForceFromAddress: true, ForceFromName: true,
			ForceExceptions: []string{"@example.org", "b@example.com"}, ReplyTo: []string{"r@example.com"}, ForceReplyTo: true,
			EnvelopeFrom: "bounce@example.com", Headers: []registry.Header{{Name: "X-A", Value: "b"}},
			AlwaysBcc: []string{"c@example.com"}, AllowedFromDomains: []string{"example.com"},
		},
		Limits:    registry.Limits{PerSecond: 1, PerMinute: 2, PerHour: 3, PerDay: 4, RecipientsPerMessage: 5, Concurrency: 6},
		Fallbacks: []string{"capture"}, AllowDestinations: []string{"10.1.2.3/8", "fd00::/8"}, Shared: true,
		ProbeInterval: new(time.Duration(0)),
		Retry:         registry.RetryPolicy{Schedule: []time.Duration{time.Minute, time.Hour}, ExpiresAfter: 48 * time.Hour},
		Isolation:     "process",
		// The registry's own, to be ignored.
		ID: "x", Owner: "y", OwnerName: "z", StoredSecrets: []string{"s"}, Default: true, ETag: "e", Generation: 77,
	}
	made, created, err := e.Configure(e.ctx(), changeOf(admin, wanted, asAdmin, password("p")))
	if err != nil || !created {
		t.Fatal(created, err)
	}
	if made.ID == "x" || made.Owner != admin || made.OwnerName != "admin" || made.Generation != 1 || !made.AdminConfigured ||
		!reflect.DeepEqual(made.StoredSecrets, []string{"password"}) || made.ETag == "e" || made.Created.IsZero() {
		t.Errorf("got %+v", made)
	}
	e.restart()
	got, err := e.Get(admin, "relay")
	if err != nil || !reflect.DeepEqual(got, made) {
		t.Errorf("after a restart:\n%+v\nbefore:\n%+v", got, made)
	}
	want := wanted
	want.AllowDestinations = []string{"10.0.0.0/8", "fd00::/8"}
	want.Settings = maps.Clone(wanted.Settings)
	want.Settings["port"] = float64(25)
	for _, c := range []*registry.Connection{&got, &want} {
		c.ID, c.Owner, c.OwnerName, c.ETag = "", "", "", ""
		c.StoredSecrets, c.Default, c.Generation, c.AdminConfigured = nil, false, 0, false
		c.Created, c.Updated = time.Time{}, time.Time{}
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got\n%+v\nwant\n%+v", got, want)
	}
	everyFieldSet(t, reflect.ValueOf(wanted), "Connection")
}

// everyFieldSet makes a new field of the types a failure here until the test
// knows it.
func everyFieldSet(t *testing.T, v reflect.Value, path string) {
	t.Helper()
	own := map[string]bool{"AdminConfigured": true, "Created": true, "Updated": true}
	for i := range v.NumField() {
		name := v.Type().Field(i).Name
		if v.Field(i).IsZero() && !own[name] {
			t.Errorf("%s.%s is not tested", path, name)
		}
		if v.Field(i).Kind() == reflect.Struct && !own[name] {
			everyFieldSet(t, v.Field(i), path+"."+name)
		}
	}
}

func TestConfigureReplaces(t *testing.T) {
	t.Parallel()
	e := newEnv(t)
	shop := e.client("shop")
	first := e.configure(shop, smtp("relay"))
	second := e.configure(shop, smtp("relay", func(c *registry.Connection) { c.DisplayName = "new" }))
	if second.ID != first.ID || !second.Created.Equal(first.Created) || second.Generation != 2 || second.ETag == first.ETag || second.DisplayName != "new" {
		t.Errorf("%+v became %+v", first, second)
	}
	_, _, err := e.Configure(e.ctx(), changeOf(shop, smtp("relay"), func(c *registry.Change) { c.ETag = first.ETag }))
	wantError(t, err, registry.Conflict, registry.ReasonEtagMismatch, "etag")
	if !errors.Is(err, registry.ErrConflict) {
		t.Error("not ErrConflict")
	}
	_, _, err = e.Configure(e.ctx(), changeOf(shop, smtp("fresh"), func(c *registry.Change) { c.ETag = first.ETag }))
	wantError(t, err, registry.Conflict, registry.ReasonEtagMismatch, "etag")
	third := e.configure(shop, smtp("relay"), func(c *registry.Change) { c.ETag = second.ETag })
	if third.Generation != 3 {
		t.Errorf("generation %d", third.Generation)
	}
	if _, err := e.Delete(e.ctx(), shop, "relay", first.ETag); !errors.Is(err, registry.ErrConflict) {
		t.Errorf("deleting with an old etag: %v", err)
	}
	if _, err := e.Delete(e.ctx(), shop, "relay", third.ETag); err != nil {
		t.Fatal(err)
	}
	if again := e.configure(shop, smtp("relay")); again.ID == first.ID {
		t.Error("an id came back")
	}
	_, _, err = e.Configure(e.ctx(), changeOf("no-such-id", smtp("relay")))
	wantError(t, err, registry.NotFound, registry.ReasonNoClient, "client")
}

func TestAnswersAreNotAliased(t *testing.T) {
	t.Parallel()
	e := newEnv(t)
	shop := e.client("shop")
	wanted := smtp("relay")
	wanted.Settings["list"] = []any{"a"}
	e.configure(shop, wanted)
	wanted.Settings["host"] = "changed"
	wanted.Settings["list"].([]any)[0] = "changed"
	stored, err := e.Get(shop, "relay")
	if err != nil {
		t.Fatal(err)
	}
	copied := stored.Clone()
	copied.Settings["host"] = "changed"
	copied.Settings["list"].([]any)[0] = "changed"
	again, err := e.Get(shop, "relay")
	if err != nil || again.Settings["host"] != "mail.example.com" || again.Settings["list"].([]any)[0] != "a" {
		t.Errorf("the stored settings changed: %v, %v", again.Settings, err)
	}
}

func TestValidateOnly(t *testing.T) {
	t.Parallel()
	e := newEnv(t)
	shop := e.client("shop")
	made, created, err := e.Configure(e.ctx(), changeOf(shop, smtp("relay"), dryRun, password("p")))
	if err != nil || !created || made.Name != "relay" || !made.Default || len(made.StoredSecrets) != 1 {
		t.Errorf("got %+v, %v, %v", made, created, err)
	}
	if _, err := e.Get(shop, "relay"); !errors.Is(err, registry.ErrNotFound) {
		t.Errorf("validate_only stored it: %v", err)
	}
	_, _, err = e.Configure(e.ctx(), changeOf(shop, smtp("relay", fallbacks("none")), dryRun))
	wantError(t, err, registry.Invalid, registry.ReasonNoConnection, "connection.fallbacks[0]")
}

func TestPrivileges(t *testing.T) {
	t.Parallel()
	ranges := func(list ...string) func(*registry.Connection) {
		return func(c *registry.Connection) { c.AllowDestinations = list }
	}
	all := newEnv(t)
	for _, c := range []struct {
		name  string
		grant func(*registry.Connection)
		field string
	}{
		{"shared", shared, "connection.shared"},
		{"ranges", ranges("10.0.0.0/8"), "connection.allow_destinations"},
		{"skip_verify", set("skip_verify", true), "connection.smtp.skip_verify"},
		{"source_address", set("source_address", "192.0.2.1"), "connection.smtp.source_address"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			e := all.with(t)
			shop := e.client(c.name)
			_, _, err := e.Configure(e.ctx(), changeOf(shop, smtp("relay", c.grant)))
			wantError(t, err, registry.Denied, registry.ReasonAdminRequired, c.field)

			e.configure(shop, smtp("relay"))
			_, _, err = e.Configure(e.ctx(), changeOf(shop, smtp("relay", c.grant)))
			wantError(t, err, registry.Denied, registry.ReasonAdminRequired, c.field)

			if made := e.configure(shop, smtp("relay", c.grant), asAdmin); !made.AdminConfigured {
				t.Error("not marked as configured by an admin")
			}
			made := e.configure(shop, smtp("relay", c.grant, set("pool_size", 2)))
			if !made.AdminConfigured {
				t.Error("the mark went with a change that leads nowhere else")
			}
			_, _, err = e.Configure(e.ctx(), changeOf(shop, smtp("relay", c.grant, set("host", "10.0.0.1"))))
			wantError(t, err, registry.Denied, registry.ReasonAdminRequired, c.field)
			made = e.configure(shop, smtp("relay", set("host", "10.0.0.1")))
			if made.AdminConfigured {
				t.Error("the mark stayed with another host: the dial guard would be open")
			}
		})
	}
}

func TestTransportsOfAClient(t *testing.T) {
	t.Parallel()
	e := newEnv(t)
	shop := e.client("shop")
	api := registry.Connection{Name: "api", Transport: "api"}
	_, _, err := e.Configure(e.ctx(), changeOf(shop, api))
	wantError(t, err, registry.Denied, registry.ReasonAdminRequired, "connection.custom.transport")
	if _, err := e.UpdateClient(e.ctx(), registry.Client{Name: "shop", Scopes: registry.ScopeConfigure, Transports: []string{"api"}}); err != nil {
		t.Fatal(err)
	}
	e.configure(shop, api)
	_, _, err = e.Configure(e.ctx(), changeOf(shop, smtp("relay")))
	wantError(t, err, registry.Denied, registry.ReasonAdminRequired, "connection.custom.transport")
}

func TestDefaults(t *testing.T) {
	t.Parallel()
	e := newEnv(t)
	shop, admin := e.client("shop"), e.Admin().ID
	want := func(client, name string) {
		t.Helper()
		c, err := e.Resolve(client, "")
		if err != nil || c.Name != name {
			t.Errorf("the default is %q (%v), want %q", c.Name, err, name)
		}
		marked := ""
		for _, c := range e.List(client) {
			if c.Default {
				marked += c.Name
			}
		}
		if marked != name {
			t.Errorf("List marks %q as default, want %q", marked, name)
		}
	}
	capture := func(name string) registry.Connection { return registry.Connection{Name: name, Transport: "capture"} }
	want(shop, "capture")
	e.configure(shop, capture("mine"))
	want(shop, "capture") // a sink of its own delivers no more than the shared one
	e.configure(shop, smtp("a"))
	want(shop, "a")
	e.configure(shop, capture("mine"), setDefault)
	e.configure(shop, smtp("a", set("pool_size", 2)))
	want(shop, "mine") // changing what delivers does not undo a choice
	e.configure(shop, smtp("a"), setDefault)
	e.configure(shop, smtp("b"))
	want(shop, "a")
	e.configure(shop, smtp("b"), setDefault)
	want(shop, "b")
	e.configure(shop, capture("mine"), setDefault)
	e.configure(shop, smtp("a", set("pool_size", 2)))
	e.configure(shop, smtp("c"))
	want(shop, "mine") // a default that was chosen stays
	e.restart()
	want(shop, "mine")
	if _, err := e.Delete(e.ctx(), shop, "mine", ""); err != nil {
		t.Fatal(err)
	}
	want(shop, "capture")

	want(admin, "capture")
	e.configure(admin, smtp("out", shared), asAdmin)
	want(admin, "out")
	want(e.clientNamed("local").ID, "out")
	e.configure(admin, smtp("out"), asAdmin)
	want(admin, "out")
	// Nobody else configures for local users.
	if c, err := e.Resolve(e.clientNamed("local").ID, ""); err != nil || c.Name != "out" {
		t.Errorf("local sends through %q, %v", c.Name, err)
	}

	draft := e.client("draft")
	_, err := e.Resolve(draft, "")
	wantError(t, err, registry.NotFound, registry.ReasonNoDefault, "connection")
	e.configure(draft, capture("d"), setDefault)
	e.configure(draft, smtp("d")) // it begins to deliver
	want(draft, "d")
}

func TestConnectionIsValidated(t *testing.T) {
	t.Parallel()
	e := newEnv(t)
	shop := e.client("shop")
	sender := func(change func(*registry.SenderPolicy)) func(*registry.Connection) {
		return func(c *registry.Connection) { change(&c.Sender) }
	}
	many := make([]string, 101)
	for _, c := range []struct {
		field  string
		change func(*registry.Connection)
	}{
		{"connection.name", func(c *registry.Connection) { c.Name = "" }},
		{"connection.name", func(c *registry.Connection) { c.Name = "A" }},
		{"connection.name", func(c *registry.Connection) { c.Name = "a.b" }},
		{"connection.name", func(c *registry.Connection) { c.Name = "_a" }},
		{"connection.name", func(c *registry.Connection) { c.Name = "a\r\nb" }},
		{"connection.name", func(c *registry.Connection) { c.Name = strings.Repeat("a", 64) }},
		{"connection.display_name", func(c *registry.Connection) { c.DisplayName = strings.Repeat("ä", 101) }},
		{"connection.display_name", func(c *registry.Connection) { c.DisplayName = "a\x00" }},
		{"connection.display_name", func(c *registry.Connection) { c.DisplayName = "a\xff" }},
		{"connection.custom.transport", func(c *registry.Connection) { c.Transport = "" }},
		{"connection.isolation", func(c *registry.Connection) { c.Isolation = "vm" }},
		{"connection.allow_destinations[1]", func(c *registry.Connection) { c.AllowDestinations = []string{"10.0.0.0/8", "10.0.0.1"} }},
		{"connection.allow_destinations", func(c *registry.Connection) { c.AllowDestinations = many }},
		{"connection.retry.schedule[0]", func(c *registry.Connection) { c.Retry.Schedule = []time.Duration{time.Millisecond} }},
		{"connection.probe_interval", func(c *registry.Connection) { c.ProbeInterval = new(time.Minute) }},
		{"connection.probe_interval", func(c *registry.Connection) { c.ProbeInterval = new(-time.Minute) }},
		{"connection.retry.expires_after", func(c *registry.Connection) { c.Retry.ExpiresAfter = -1 }},
		{"connection.smtp", set("x", math.Inf(1))},
		{"connection.smtp", set("x", make(chan int))},
		{"connection.smtp", set("x", strings.Repeat("x", 256<<10))},
		{"connection.fallbacks[1]", fallbacks("capture", "capture")},
		{"connection.sender.from_address", sender(func(p *registry.SenderPolicy) { p.FromAddress = "a@b\r\nBcc: c@d" })},
		{"connection.sender.from_address", sender(func(p *registry.SenderPolicy) { p.ForceFromAddress = true })},
		{"connection.sender.from_name", sender(func(p *registry.SenderPolicy) { p.FromName = "a\nb" })},
		{"connection.sender.from_name", sender(func(p *registry.SenderPolicy) { p.ForceFromName = true })},
		{"connection.sender.force_exceptions[0]", sender(func(p *registry.SenderPolicy) { p.ForceExceptions = []string{"example.com"} })},
		{"connection.sender.reply_to[1]", sender(func(p *registry.SenderPolicy) { p.ReplyTo = []string{"a@example.com", ""} })},
		{"connection.sender.reply_to", sender(func(p *registry.SenderPolicy) { p.ForceReplyTo = true })},
		{"connection.sender.envelope_from", sender(func(p *registry.SenderPolicy) { p.EnvelopeFrom = "x" })},
		{"connection.sender.headers[0].name", sender(func(p *registry.SenderPolicy) { p.Headers = []registry.Header{{Name: "A:"}} })},
		{"connection.sender.headers[0].value", sender(func(p *registry.SenderPolicy) {
			p.Headers = []registry.Header{{Name: "A", Value: "b\nC: d"}}
		})},
		{"connection.sender.always_bcc[0]", sender(func(p *registry.SenderPolicy) { p.AlwaysBcc = []string{"x y"} })},
		{"connection.sender.allowed_from_domains[0]", sender(func(p *registry.SenderPolicy) { p.AllowedFromDomains = []string{"@x"} })},
	} {
		wanted := smtp("relay", c.change)
		_, _, err := e.Configure(e.ctx(), changeOf(shop, wanted, asAdmin))
		var got *registry.Error
		if !errors.As(err, &got) || got.Code != registry.Invalid || got.Field != c.field {
			t.Errorf("%s: got %v", c.field, err)
		}
	}
	if n := len(e.List(shop)); n != 1 {
		t.Errorf("%d connections are listed, want only the shared capture", n)
	}
}

func TestConfigureAtTheSameTime(t *testing.T) {
	t.Parallel()
	e := newEnv(t)
	shop := e.client("shop")
	first := e.configure(shop, smtp("relay"))
	var group sync.WaitGroup
	var won, lost sync.Map
	for i := range 8 {
		group.Go(func() {
			_, _, err := e.Configure(e.ctx(), changeOf(shop, smtp("relay"), func(c *registry.Change) { c.ETag = first.ETag }))
			switch {
			case err == nil:
				won.Store(i, true)
			case errors.Is(err, registry.ErrConflict):
				lost.Store(i, true)
			default:
				t.Error(err)
			}
			for _, c := range e.List(shop) { // readers beside
				_ = c.Settings["host"]
			}
		})
	}
	group.Wait()
	count := func(m *sync.Map) (n int) {
		m.Range(func(any, any) bool { n++; return true })
		return n
	}
	if count(&won) != 1 || count(&lost) != 7 {
		t.Errorf("%d won and %d lost, want 1 and 7", count(&won), count(&lost))
	}
	if c, _ := e.Connection(first.ID); c.Generation != 2 {
		t.Errorf("generation %d", c.Generation)
	}
}
