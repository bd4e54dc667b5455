package registry

import (
	"context"
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
)

// Change is what Configure shall make true.
type Change struct {
	Client string // id of the owner
	// Admin says whether the caller acts with the scope admin.
	Admin bool
	// Connection is the whole wanted connection. Who patches one merges the
	// patch into a Clone of the stored one, and gives its etag as ETag if the
	// caller gave none, so that ErrConflict tells to merge again.
	Connection Connection
	// Secrets are those that are given. Of the others, those in Clear go and
	// the rest stays, if it may.
	Secrets Secrets
	Clear   []string
	// ETag, if not empty, must be that of the stored connection.
	ETag string
	// ValidateOnly answers as if, and changes nothing.
	ValidateOnly bool
	// SetDefault makes it the client's default connection.
	SetDefault bool
}

// Configure creates or replaces the connection of the change's name. created
// says whether it is new. Errors are *Error, save those of the database:
//
//   - Conflict: the etag is not the current one, or there is no connection any more.
//   - Invalid with ReasonSecretRequired: a stored secret would be shown to
//     another server than the one it was given for.
//   - Denied: shared, allow_destinations or an admin's setting without the scope.
//   - InUse: it would be shared no longer, and others refer to it.
//
// The first connection of a client that delivers becomes its default, if it
// has none or one that sends nothing.
func (r *Registry) Configure(ctx context.Context, c Change) (connection Connection, created bool, err error) {
	if c.ValidateOnly {
		s, made, created, err := r.try(&c)
		if err != nil {
			return Connection{}, false, err
		}
		return s.view(made, c.Client), created, nil
	}
	var after *state
	var made *connectionRecord
	err = r.edit(ctx, func(s *state) (err error) {
		after = s
		made, created, err = r.apply(s, &c)
		return err
	})
	if err != nil {
		return Connection{}, false, err
	}
	r.options.Log.Info("connection configured", "client", made.OwnerName, "connection", made.Name,
		"transport", made.Transport, "admin", c.Admin, "created", created, "generation", made.Generation)
	return after.view(made, c.Client), created, nil
}

// Draft gives what Configure would store, with its secrets open: those given
// and those kept. Nothing is changed. It is for testing what is not stored.
func (r *Registry) Draft(c Change) (Connection, Secrets, error) {
	s, made, _, err := r.try(&c)
	if err != nil {
		return Connection{}, nil, err
	}
	secrets, err := r.unseal(made)
	if err != nil {
		return Connection{}, nil, err
	}
	return s.view(made, c.Client), secrets, nil
}

// try applies a change to a copy that is thrown away.
func (r *Registry) try(c *Change) (*state, *connectionRecord, bool, error) {
	s := r.state.Load().clone()
	made, created, err := r.apply(s, c)
	return s, made, created, err
}

// apply is the whole set of rules.
func (r *Registry) apply(s *state, c *Change) (*connectionRecord, bool, error) {
	owner := s.clients[c.Client]
	if owner == nil {
		return nil, false, noClient("client", c.Client)
	}
	wanted := c.Connection.Clone()
	if err := checkConnection(&wanted); err != nil {
		return nil, false, err
	}
	stored := s.owned[owner.ID][wanted.Name]
	if err := checkETag("etag", c.ETag, stored); err != nil {
		return nil, false, err
	}
	if !c.Admin && !owner.MayUse(wanted.Transport) {
		return nil, false, &Error{Code: Denied, Reason: ReasonAdminRequired, Field: "connection.custom.transport",
			Text:   fmt.Sprintf("the client may not use the transport %q", wanted.Transport),
			Remedy: "use another, or let an admin allow it for the client"}
	}
	if stored == nil && len(s.owned[owner.ID]) >= maxConnections {
		return nil, false, tooMany("connection.name", maxConnections)
	}
	made, err := r.build(owner, stored, &wanted, c)
	if err != nil {
		return nil, false, err
	}
	if err := s.checkShare(stored, made); err != nil {
		return nil, false, err
	}
	s.putConnection(made)
	if err := s.checkFallbacks(made); err != nil {
		return nil, false, err
	}
	becomes := stored == nil || stored.Transport != made.Transport
	if c.SetDefault || becomes && r.firstToDeliver(s, made) {
		s.setDefault(owner.ID, made.ID)
	}
	return made, stored == nil, nil
}

// build makes the record of a change.
func (r *Registry) build(owner *clientRecord, stored *connectionRecord, wanted *Connection, c *Change) (*connectionRecord, error) {
	record := &connectionRecord{Connection: *wanted}
	now := r.now()
	record.ID, record.Created, record.Generation = newID(), now, 1
	if stored != nil {
		record.ID, record.Created, record.Generation = stored.ID, stored.Created, stored.Generation+1
	}
	record.Owner, record.OwnerName = owner.ID, owner.Name
	record.ETag, record.Updated = newETag(), now
	var err error
	// Values are compared as they are stored.
	if record.Settings, err = settleSettings(wanted); err != nil {
		return nil, err
	}
	same := stored != nil && r.sameIdentity(&stored.Connection, &record.Connection)
	if !c.Admin {
		if err := r.checkPrivileges(stored, &record.Connection, same); err != nil {
			return nil, err
		}
	}
	record.AdminConfigured = c.Admin || same && stored.AdminConfigured
	if record.Sealed, err = r.seal(record, stored, same, c); err != nil {
		return nil, err
	}
	return record.settled()
}

// settleSettings gives settings with JSON's types only.
func settleSettings(c *Connection) (map[string]any, error) {
	field := "connection.custom.settings"
	if c.Transport == transportSMTP {
		field = "connection.smtp"
	}
	data, err := json.Marshal(c.Settings)
	if err != nil {
		return nil, malformed(field, "hold something that JSON has not", "give texts, numbers, booleans, lists and objects")
	}
	if len(data) > maxSettings {
		return nil, malformed(field, "are too large", fmt.Sprintf("give at most %d KiB", maxSettings>>10))
	}
	var settings map[string]any
	return settings, json.Unmarshal(data, &settings)
}

// sameIdentity says whether two connections show their secrets to the same
// server in the same way.
func (r *Registry) sameIdentity(a, b *Connection) bool {
	if a.Transport != b.Transport {
		return false
	}
	names := r.options.Identity(a.Transport)
	if names == nil {
		for _, settings := range []map[string]any{a.Settings, b.Settings} {
			for name := range settings {
				names = append(names, name)
			}
		}
	}
	return !slices.ContainsFunc(names, func(name string) bool { return !sameSetting(a, b, name) })
}

// sameSetting compares a setting. One that is absent equals a zero one: which
// of them a caller sends makes no difference to the transport.
func sameSetting(a, b *Connection, name string) bool {
	x, y := a.Settings[name], b.Settings[name]
	return isZero(x) && isZero(y) || reflect.DeepEqual(x, y)
}

func isZero(v any) bool {
	switch v := v.(type) {
	case nil:
		return true
	case string:
		return v == ""
	case float64:
		return v == 0
	case bool:
		return !v
	case []any:
		return len(v) == 0
	case map[string]any:
		return len(v) == 0
	}
	return false
}

// checkPrivileges refuses to a caller without the scope admin what only an
// admin may set. What an admin has set stays allowed while the connection
// leads where it led.
func (r *Registry) checkPrivileges(stored *connectionRecord, wanted *Connection, same bool) error {
	before := &Connection{} // what may stay
	if same {
		before = &stored.Connection
	}
	if wanted.Shared && !before.Shared {
		return needsAdmin("connection.shared")
	}
	if len(wanted.AllowDestinations) > 0 && !slices.Equal(before.AllowDestinations, wanted.AllowDestinations) {
		return needsAdmin("connection.allow_destinations")
	}
	for _, name := range r.options.AdminSettings(wanted.Transport) {
		if !isZero(wanted.Settings[name]) && !sameSetting(before, wanted, name) {
			return needsAdmin(settingField(wanted.Transport, name))
		}
	}
	return nil
}

// checkETag compares an etag, if one is given.
func checkETag(field, etag string, stored *connectionRecord) error {
	if etag == "" || stored != nil && stored.ETag == etag {
		return nil
	}
	text := "the connection was changed in the meantime"
	if stored == nil {
		text = "there is no such connection any more"
	}
	return &Error{Code: Conflict, Reason: ReasonEtagMismatch, Field: field, Text: text,
		Remedy: "get it again, look at what changed, and repeat"}
}

// firstToDeliver says whether a connection is the only one of its client that
// delivers. It then takes the place of a default that sends nothing.
func (r *Registry) firstToDeliver(s *state, made *connectionRecord) bool {
	for _, other := range s.owned[made.Owner] {
		if other.ID != made.ID && !r.options.SendsNothing(other.Transport) {
			return false
		}
	}
	return !r.options.SendsNothing(made.Transport)
}

// setDefault sets the default connection of a client; empty for none.
func (s *state) setDefault(client, connection string) {
	if s.clients[client].Default == connection {
		return
	}
	c := *s.clients[client]
	c.Default = connection
	s.putClient(&c)
}

// settingField is the path of a setting in a request.
func settingField(transport, name string) string {
	if transport == transportSMTP {
		return "connection.smtp." + name
	}
	return "connection.custom.settings." + name
}

// secretField is the path of a secret in a request.
func secretField(transport, name string) string {
	if transport == transportSMTP {
		return "connection.smtp." + name
	}
	return "connection.custom.secrets." + name
}
