// Package registry keeps who may use the daemon, and the connections and
// routes of each. What it knows is durable in the daemon's database; reads are
// answered from memory, by one atomic load, so that the way of a message never
// waits for a query.
//
// Whatever belongs to one client does not exist for another: it is answered
// with NotFound. Secrets are sealed one by one, each bound to its client, its
// connection and its field, and only Secrets and Draft open them.
package registry

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/uuid"

	"github.com/postilion-mail/postilion/internal/database"
	"github.com/postilion-mail/postilion/internal/secret"
)

// Options are what a registry needs. Database and Box are required.
type Options struct {
	Database *database.DB
	Box      *secret.Box // seals the secrets
	// Log gets who changed what, without values. Defaults to nowhere.
	Log *slog.Logger
	// DenyLocal refuses Unix users without a client of their own
	// (local_users: deny).
	DenyLocal bool
	// SendsNothing says whether a transport keeps the mail on this machine.
	// Defaults to capture alone.
	SendsNothing func(transport string) bool
	// Identity names the settings that say to whom a transport's secrets are
	// shown: a stored secret survives only while none of them changes. nil
	// stands for all settings. Defaults to DefaultIdentity.
	Identity func(transport string) []string
	// AdminSettings names the settings of a transport that only an admin may
	// set. Defaults to DefaultAdminSettings.
	AdminSettings func(transport string) []string
	// LookupUser gives the uid of a Unix user by its name. Defaults to the
	// system's user database.
	LookupUser func(name string) (uint32, error)
	// Now defaults to time.Now.
	Now func() time.Time
}

// DefaultIdentity is the identity of the settings: host, port, security, user
// name, certificates, pin and skip_verify for smtp, and all for the others.
func DefaultIdentity(transport string) []string {
	if transport != transportSMTP {
		return nil
	}
	return []string{
		"host", "port", "security", "username",
		"ca_certificates", "pin_sha256", "client_certificate", "skip_verify",
	}
}

// DefaultAdminSettings are skip_verify and source_address, of every transport.
func DefaultAdminSettings(string) []string { return []string{"skip_verify", "source_address"} }

func (o Options) withDefaults() Options {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.SendsNothing == nil {
		o.SendsNothing = func(transport string) bool { return transport == transportCapture }
	}
	if o.Identity == nil {
		o.Identity = DefaultIdentity
	}
	if o.AdminSettings == nil {
		o.AdminSettings = DefaultAdminSettings
	}
	if o.LookupUser == nil {
		o.LookupUser = lookupUser
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	return o
}

// Registry is safe for concurrent use.
type Registry struct {
	options Options
	state   atomic.Pointer[state]
	users   atomic.Pointer[userIndex]

	mu    sync.Mutex // held while something changes
	stale bool       // a write failed, so that the database may be ahead of state
}

// ErrWrongKey is in the chain of Open's error when the key does not fit the
// database. Nothing was changed.
var ErrWrongKey = errors.New("the key does not fit the database: its secrets were sealed with another one; " +
	"give the key that belongs to this data directory (by default DATA/key), from a backup if it is lost")

// Open reads the registry from the database, and at the first start of all
// creates the clients admin and local and the connection capture. A record
// that cannot be read is left as it is, logged and not used.
func Open(ctx context.Context, options Options) (*Registry, error) {
	r := &Registry{options: options.withDefaults()}
	if err := r.checkKey(ctx); err != nil {
		return nil, fmt.Errorf("open the registry: %w", err)
	}
	s, err := r.load(ctx)
	if err != nil {
		return nil, fmt.Errorf("open the registry: %w", err)
	}
	r.state.Store(s)
	if s.admin() != nil && s.clientNames[LocalName] != nil {
		return r, nil
	}
	if err := r.edit(ctx, r.begin); err != nil {
		return nil, fmt.Errorf("prepare the registry: %w", err)
	}
	return r, nil
}

// begin fills an empty registry.
func (r *Registry) begin(s *state) error {
	now := r.now()
	for name, scopes := range map[string]Scopes{AdminName: ScopeAdmin, LocalName: ScopeSend} {
		if s.clientNames[name] == nil {
			s.putClient(&clientRecord{Client: Client{ID: newID(), Name: name, Scopes: scopes, Created: now}})
		}
	}
	admin := *s.admin()
	capture := &connectionRecord{Connection: Connection{
		DisplayName: "Capture: keeps mail for looking at, sends nothing",
		Transport:   transportCapture, Shared: true, AdminConfigured: true,
		ETag: newETag(), Created: now, Updated: now, Generation: 1,
	}}
	capture.adopt(newID(), admin.ID, admin.Name, "capture")
	s.putConnection(capture)
	admin.Default = capture.ID
	s.putClient(&admin)
	return nil
}

// edit changes the registry: change gets a copy of the state, which becomes
// the state once it is stored. An error of change changes nothing.
//
// The write does not end with ctx: whoever gives up waiting must not leave
// memory behind the database.
func (r *Registry) edit(ctx context.Context, change func(*state) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	ctx = context.WithoutCancel(ctx)
	r.mu.Lock()
	defer r.mu.Unlock()
	if err := r.refresh(ctx); err != nil {
		return err
	}
	before := r.state.Load()
	after := before.clone()
	if err := change(after); err != nil {
		return err
	}
	if err := r.persist(ctx, before, after); err != nil {
		r.stale = true
		// If this fails as well, the next change tries again.
		if err := r.refresh(ctx); err != nil {
			r.options.Log.Warn("the registry is not read again yet", "error", err)
		}
		return fmt.Errorf("store the change: %w", err)
	}
	r.state.Store(after)
	return nil
}

// refresh reads the state again after a failed write, of which nobody knows
// whether it came to the disk.
func (r *Registry) refresh(ctx context.Context) error {
	if !r.stale {
		return nil
	}
	s, err := r.load(ctx)
	if err != nil {
		return fmt.Errorf("read the registry again after a failed write: %w", err)
	}
	r.state.Store(s)
	r.stale = false
	return nil
}

// now is the time as it is stored.
func (r *Registry) now() time.Time { return r.options.Now().UTC().Round(0) }

func newID() string   { return uuid.Must(uuid.NewV7()).String() }
func newETag() string { return uuid.NewString() }
