package registry

import (
	"context"
	"fmt"
	"slices"
)

// maxChain bounds the ways that a message may take.
const maxChain = 20

// List gives a client's connections and those that others share with it, by
// name. Of the latter it sees no settings.
func (r *Registry) List(client string) []Connection {
	s := r.state.Load()
	var list []Connection
	for _, c := range s.sortedConnections() {
		if c.Owner == client || c.Shared {
			list = append(list, s.view(c, client))
		}
	}
	slices.SortStableFunc(list, func(a, b Connection) int { return compareNames(a, b, client) })
	return list
}

// compareNames orders by name, a client's own before a shared one.
func compareNames(a, b Connection, client string) int {
	switch {
	case a.Name < b.Name, a.Name == b.Name && a.Owner == client && b.Owner != client:
		return -1
	case a.Name > b.Name, a.Name == b.Name && b.Owner == client && a.Owner != client:
		return 1
	}
	return 0
}

// Get gives the connection that a client means by a name, as List shows it.
func (r *Registry) Get(client, name string) (Connection, error) {
	s := r.state.Load()
	c := s.resolve(client, name)
	if c == nil {
		return Connection{}, noConnection("name", name)
	}
	return s.view(c, client), nil
}

// view is what a client sees of a connection.
func (s *state) view(c *connectionRecord, client string) Connection {
	v := c.Connection
	if c.Owner != client {
		v = c.redacted()
	}
	d := s.defaultOf(client)
	v.Default = d != nil && d.ID == c.ID
	return v
}

// All gives the connections of all clients, in full, by owner and name.
func (r *Registry) All() []Connection {
	var all []Connection
	for _, c := range r.state.Load().sortedConnections() {
		all = append(all, c.Connection)
	}
	return all
}

// Connection gives a connection in full by its id.
func (r *Registry) Connection(id string) (Connection, bool) {
	c := r.state.Load().connections[id]
	if c == nil {
		return Connection{}, false
	}
	return c.Connection, true
}

// Resolve finds the connection that a client's message goes through, in full:
// its own of this name, else a shared one. The empty name stands for the
// default: the client's own, else the one of admin if that is shared.
func (r *Registry) Resolve(client, name string) (Connection, error) {
	s := r.state.Load()
	if name != "" {
		if c := s.resolve(client, name); c != nil {
			return c.Connection, nil
		}
		return Connection{}, noConnection("connection", name)
	}
	if c := s.defaultOf(client); c != nil {
		return c.Connection, nil
	}
	return Connection{}, &Error{Code: NotFound, Reason: ReasonNoDefault, Field: "connection",
		Text:   "no connection is named, and there is no default one",
		Remedy: "configure one, name one, or let an admin share the default connection of admin"}
}

// Chain gives a connection and its fallbacks, in the order in which they are
// tried: each is followed by its own fallbacks, and none occurs twice. It is
// empty for an unknown id.
func (r *Registry) Chain(id string) []Connection {
	s := r.state.Load()
	var chain []Connection
	var add func(c *connectionRecord)
	add = func(c *connectionRecord) {
		known := func(other Connection) bool { return other.ID == c.ID }
		if len(chain) == maxChain || slices.ContainsFunc(chain, known) {
			return
		}
		chain = append(chain, c.Connection)
		for _, name := range c.Fallbacks {
			if next := s.resolve(c.Owner, name); next != nil {
				add(next)
			}
		}
	}
	if c := s.connections[id]; c != nil {
		add(c)
	}
	return chain
}

// Capture gives the connection of the client admin that keeps mail on this
// machine, for what must not go out. There is one unless admin has deleted it.
func (r *Registry) Capture() (Connection, bool) {
	s := r.state.Load()
	for _, c := range s.owned[s.admin().ID] {
		if c.Transport == transportCapture {
			return c.Connection, true
		}
	}
	return Connection{}, false
}

// Delete removes a client's own connection; etag, if not empty, must be its
// current one. It is InUse while fallbacks or routes refer to it. What waits
// for it in the outbox is not the registry's matter. A client whose default it
// was has none of its own then.
func (r *Registry) Delete(ctx context.Context, client, name, etag string) (Connection, error) {
	var gone *connectionRecord
	err := r.edit(ctx, func(s *state) error {
		gone = s.owned[client][name]
		if gone == nil {
			return noConnection("name", name)
		}
		if err := checkETag("etag", etag, gone); err != nil {
			return err
		}
		if users := s.users(gone, ""); len(users) > 0 {
			return inUse("name", fmt.Sprintf("connection %q", name), users)
		}
		s.dropConnection(gone.ID)
		if s.clients[client].Default == gone.ID {
			s.setDefault(client, "")
		}
		return nil
	})
	if err != nil {
		return Connection{}, err
	}
	r.options.Log.Info("connection deleted", "client", gone.OwnerName, "connection", name)
	return gone.Connection, nil
}

// users names the fallbacks and routes that lead to a connection, but for
// those of the client except.
func (s *state) users(c *connectionRecord, except string) []string {
	var users []string
	leads := func(owner, name string) bool {
		target := s.resolve(owner, name)
		return target != nil && target.ID == c.ID
	}
	for _, other := range s.connections {
		if other.Owner == except {
			continue
		}
		for _, name := range other.Fallbacks {
			if leads(other.Owner, name) {
				users = append(users, fmt.Sprintf("the fallbacks of connection %q%s", other.Name, s.of(other.Owner, c.Owner)))
			}
		}
	}
	for client := range s.routes {
		if client == except {
			continue
		}
		for i, route := range s.routesOf(client) {
			if leads(client, route.Connection) {
				users = append(users, fmt.Sprintf("route %d%s", i+1, s.of(client, c.Owner)))
			}
		}
	}
	return users
}

// of names the owner of something, unless it is the one who is spoken to.
func (s *state) of(owner, to string) string {
	if owner == to {
		return ""
	}
	return fmt.Sprintf(" of client %q", s.clients[owner].Name)
}

// checkShare keeps names of shared connections unique, and connections shared
// while others refer to them.
func (s *state) checkShare(stored, made *connectionRecord) error {
	other := s.shared[made.Name]
	if made.Shared && other != nil && other.ID != made.ID {
		return &Error{Code: Exists, Reason: ReasonTaken, Field: "connection.name",
			Text:   fmt.Sprintf("client %q shares a connection of this name", other.OwnerName),
			Remedy: "choose another name"}
	}
	if stored != nil && stored.Shared && !made.Shared {
		if users := s.users(stored, made.Owner); len(users) > 0 {
			return inUse("connection.shared", fmt.Sprintf("connection %q", made.Name), users)
		}
	}
	return nil
}

// checkFallbacks wants fallbacks that exist and do not lead back. The
// connection is part of the state already, so that a name which it takes away
// from a shared one counts.
func (s *state) checkFallbacks(made *connectionRecord) error {
	if len(made.Fallbacks) > maxFallbacks {
		return tooMany("connection.fallbacks", maxFallbacks)
	}
	for i, name := range made.Fallbacks {
		field := fmt.Sprintf("connection.fallbacks[%d]", i)
		target := s.resolve(made.Owner, name)
		switch {
		case target == nil:
			e := noConnection(field, name)
			e.Code = Invalid // the fallback is wrong, what is configured is there
			return e
		case slices.Contains(made.Fallbacks[:i], name):
			return malformed(field, fmt.Sprintf("%q stands there twice", name), "name it once")
		case s.reaches(target, made.ID, map[string]bool{}):
			return &Error{Code: Invalid, Reason: ReasonFallbackCycle, Field: field,
				Text:   fmt.Sprintf("%q leads back to %q", name, made.Name),
				Remedy: "remove it here, or from the fallbacks of the others"}
		}
	}
	return nil
}

// reaches says whether a connection is the one with the id, or falls back to
// it over any number of others.
func (s *state) reaches(c *connectionRecord, id string, seen map[string]bool) bool {
	if c.ID == id {
		return true
	}
	if seen[c.ID] {
		return false
	}
	seen[c.ID] = true
	for _, name := range c.Fallbacks {
		if next := s.resolve(c.Owner, name); next != nil && s.reaches(next, id, seen) {
			return true
		}
	}
	return false
}

func noConnection(field, name string) *Error {
	return &Error{Code: NotFound, Reason: ReasonNoConnection, Field: field,
		Text: fmt.Sprintf("there is no connection %.80q", name), Remedy: "see the list of connections for the names"}
}
