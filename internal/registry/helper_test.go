package registry_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"log/slog"
	"maps"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/postilion-mail/postilion/internal/database"
	"github.com/postilion-mail/postilion/internal/registry"
	"github.com/postilion-mail/postilion/internal/secret"
)

// env is a registry on a database of its own.
type env struct {
	*registry.Registry
	t       *testing.T
	db      *database.DB
	data    database.Options
	options registry.Options
	log     *logBuffer
}

// keyOf gives a box of a key that is made of one octet.
func keyOf(t *testing.T, octet byte) *secret.Box {
	t.Helper()
	key := base64.StdEncoding.EncodeToString(bytes.Repeat([]byte{octet}, 32))
	box, err := secret.Load(secret.Source{Environment: key})
	if err != nil {
		t.Fatal(err)
	}
	return box
}

func newEnv(t *testing.T, change ...func(*env)) *env {
	t.Helper()
	e := &env{t: t, log: &logBuffer{}}
	e.data = database.Options{Dir: t.TempDir()}
	e.options = registry.Options{
		Box: keyOf(t, 1), Log: slog.New(slog.NewJSONHandler(e.log, nil)),
		LookupUser: users(map[string]uint32{"www-data": 33, "deploy": 1000, "alias": 33}),
	}
	for _, c := range change {
		c(e)
	}
	e.start()
	t.Cleanup(func() { e.db.Close() })
	return e
}

// start opens database and registry.
func (e *env) start() {
	e.t.Helper()
	if err := e.tryStart(); err != nil {
		e.t.Fatal(err)
	}
}

func (e *env) tryStart() error {
	e.t.Helper()
	db, err := database.Open(e.t.Context(), e.data)
	if err != nil {
		e.t.Fatal(err)
	}
	e.db, e.options.Database = db, db
	e.Registry, err = registry.Open(e.t.Context(), e.options)
	return err
}

// restart is a stop and a start.
func (e *env) restart() {
	e.t.Helper()
	e.db.Close()
	e.start()
}

// with is the same for a subtest, which shares the database.
func (e *env) with(t *testing.T) *env {
	d := *e
	d.t = t
	return &d
}

func (e *env) ctx() context.Context { return e.t.Context() }

// client makes a client that may configure, and gives its id.
func (e *env) client(name string) string {
	e.t.Helper()
	c, _, err := e.CreateClient(e.ctx(), registry.Client{
		Name: name, Scopes: registry.ScopeSend | registry.ScopeConfigure,
	}, false)
	if err != nil {
		e.t.Fatal(err)
	}
	return c.ID
}

// smtp is a wanted connection with host mail.example.com.
func smtp(name string, change ...func(*registry.Connection)) registry.Connection {
	c := registry.Connection{Name: name, Transport: "smtp", Settings: map[string]any{
		"host": "mail.example.com", "port": 587, "security": "starttls", "username": "u",
	}}
	for _, f := range change {
		f(&c)
	}
	return c
}

// set changes one setting.
func set(name string, value any) func(*registry.Connection) {
	return func(c *registry.Connection) {
		c.Settings = maps.Clone(c.Settings)
		c.Settings[name] = value
	}
}

func fallbacks(names ...string) func(*registry.Connection) {
	return func(c *registry.Connection) { c.Fallbacks = names }
}

func shared(c *registry.Connection) { c.Shared = true }

// configure wants a change to succeed.
func (e *env) configure(client string, c registry.Connection, change ...func(*registry.Change)) registry.Connection {
	e.t.Helper()
	made, _, err := e.Configure(e.ctx(), changeOf(client, c, change...))
	if err != nil {
		e.t.Fatalf("configure %s: %v", c.Name, err)
	}
	return made
}

func changeOf(client string, c registry.Connection, change ...func(*registry.Change)) registry.Change {
	w := registry.Change{Client: client, Connection: c}
	for _, f := range change {
		f(&w)
	}
	return w
}

func asAdmin(c *registry.Change)    { c.Admin = true }
func setDefault(c *registry.Change) { c.SetDefault = true }
func dryRun(c *registry.Change)     { c.ValidateOnly = true }

func password(text string) func(*registry.Change) {
	return func(c *registry.Change) { c.Secrets = registry.Secrets{"password": text} }
}

// wantError wants an *Error of a code, reason and field.
func wantError(t *testing.T, err error, code registry.Code, reason, field string) {
	t.Helper()
	var e *registry.Error
	if !errors.As(err, &e) {
		t.Fatalf("got %v, want an *Error %s of %s", err, reason, field)
	}
	if e.Code != code || e.Reason != reason || e.Field != field {
		t.Fatalf("got code %d, reason %q, field %q (%v), want %d, %q, %q", e.Code, e.Reason, e.Field, err, code, reason, field)
	}
	if e.Text == "" || e.Error() == "" {
		t.Errorf("%#v says nothing", e)
	}
}

// users is a user database.
func users(known map[string]uint32) func(string) (uint32, error) {
	return func(name string) (uint32, error) {
		if uid, ok := known[name]; ok {
			return uid, nil
		}
		return 0, errors.New("no such user")
	}
}

// logBuffer is a log that may be written and read at the same time.
type logBuffer struct {
	mu   sync.Mutex
	text strings.Builder
}

func (l *logBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *logBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// timeline is a clock that tests set.
type timeline struct {
	mu  sync.Mutex
	now time.Time
}

func (c *timeline) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *timeline) advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}
