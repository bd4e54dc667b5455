package registry

import (
	"context"
	"fmt"
	"slices"
)

// Client gives a client by its id.
func (r *Registry) Client(id string) (*Client, bool) {
	return found(r.state.Load().clients[id])
}

// ClientNamed gives a client by its name.
func (r *Registry) ClientNamed(name string) (*Client, bool) {
	return found(r.state.Load().clientNames[name])
}

// Admin is the built-in client of the admin socket.
func (r *Registry) Admin() *Client { return &r.state.Load().admin().Client }

func found(c *clientRecord) (*Client, bool) {
	if c == nil {
		return nil, false
	}
	return &c.Client, true
}

// Clients gives all clients by name.
func (r *Registry) Clients() []Client {
	var all []Client
	for _, c := range r.state.Load().sortedClients() {
		all = append(all, c.Client)
	}
	return all
}

// CreateClient makes a client of c's name, scopes (send if none), Unix users,
// limits, caps, transports, origin and guard. It gets a token if withToken is set or it is
// bound to no Unix user; the token is the second result and cannot be had
// again.
func (r *Registry) CreateClient(ctx context.Context, c Client, withToken bool) (*Client, string, error) {
	if c.Scopes == 0 {
		c.Scopes = ScopeSend
	}
	var made *clientRecord
	var token string
	err := r.edit(ctx, func(s *state) error {
		if err := checkClientName(c.Name); err != nil {
			return err
		}
		if s.clientNames[c.Name] != nil {
			return &Error{Code: Exists, Reason: ReasonTaken, Field: "client.name",
				Text: fmt.Sprintf("there is a client %q already", c.Name), Remedy: "choose another name"}
		}
		record := &clientRecord{Client: wantedClient(c)}
		record.ID, record.Name, record.Created = newID(), c.Name, r.now()
		if err := r.checkClient(s, record); err != nil {
			return err
		}
		if withToken || len(c.UnixUsers) == 0 {
			_, token = record.addToken(r.now())
		}
		var err error
		if made, err = record.settled(); err != nil {
			return err
		}
		s.putClient(made)
		return nil
	})
	if err != nil {
		return nil, "", err
	}
	r.options.Log.Info("client created", "client", made.Name, "scopes", made.Scopes.String())
	return &made.Client, token, nil
}

// UpdateClient gives the client of c's name the scopes, Unix users, limits,
// caps, transports, origin and guard of c, all of them. Of admin and local
// scopes, users and transports cannot be changed.
func (r *Registry) UpdateClient(ctx context.Context, c Client) (*Client, error) {
	var made *clientRecord
	err := r.edit(ctx, func(s *state) error {
		stored := s.clientNames[c.Name]
		if stored == nil {
			return noClient("client.name", c.Name)
		}
		record := stored.copy()
		if stored.BuiltIn() {
			if err := checkBuiltIn(&stored.Client, &c); err != nil {
				return err
			}
			c.Scopes, c.UnixUsers, c.Transports = stored.Scopes, stored.UnixUsers, stored.Transports
		}
		wanted := wantedClient(c)
		wanted.ID, wanted.Name, wanted.Created = stored.ID, stored.Name, stored.Created
		wanted.Tokens, wanted.Default = record.Tokens, record.Default
		record.Client = wanted
		if err := r.checkClient(s, record); err != nil {
			return err
		}
		var err error
		if made, err = record.settled(); err != nil {
			return err
		}
		s.putClient(made)
		return nil
	})
	if err != nil {
		return nil, err
	}
	r.options.Log.Info("client updated", "client", made.Name, "scopes", made.Scopes.String())
	return &made.Client, nil
}

// DeleteClient removes a client with its tokens, connections and routes. That
// of its mail which waits is not the registry's matter. Clients that others
// depend on, by a shared connection or by a route of admin, are InUse.
func (r *Registry) DeleteClient(ctx context.Context, name string) error {
	err := r.edit(ctx, func(s *state) error {
		c := s.clientNames[name]
		switch {
		case c == nil:
			return noClient("name", name)
		case c.BuiltIn():
			return &Error{Code: Invalid, Reason: ReasonBuiltIn, Field: "name",
				Text: fmt.Sprintf("the client %q is built in", name), Remedy: "it cannot be deleted"}
		}
		var users []string
		for i, route := range s.routesOf(s.admin().ID) {
			if slices.Contains(route.Clients, name) {
				users = append(users, fmt.Sprintf("route %d of client %q", i+1, AdminName))
			}
		}
		for _, connection := range s.owned[c.ID] {
			users = append(users, s.users(connection, c.ID)...)
		}
		if len(users) > 0 {
			return inUse("name", fmt.Sprintf("client %q", name), users)
		}
		s.dropClient(c.ID)
		return nil
	})
	if err == nil {
		r.options.Log.Info("client deleted", "client", name)
	}
	return err
}

// wantedClient are the fields that a caller chooses.
func wantedClient(c Client) Client {
	return Client{
		Scopes: c.Scopes, UnixUsers: c.UnixUsers, Limits: c.Limits, Transports: c.Transports,
		MaxQueuedMessages: c.MaxQueuedMessages, MaxQueuedBytes: c.MaxQueuedBytes,
		Origin: c.Origin, Guard: c.Guard,
	}
}

// checkBuiltIn lets a change of admin or local be one that needs no scopes.
// What is left empty counts as unchanged.
func checkBuiltIn(stored, c *Client) error {
	field := ""
	switch {
	case c.Scopes != 0 && c.Scopes != stored.Scopes:
		field = "client.scopes"
	case len(c.UnixUsers) > 0:
		field = "client.unix_users"
	case len(c.Transports) > 0:
		field = "client.transports"
	default:
		return nil
	}
	return &Error{Code: Invalid, Reason: ReasonBuiltIn, Field: field,
		Text:   fmt.Sprintf("the client %q is built in, only its limits, origin and guard can be changed", stored.Name),
		Remedy: "create a client of your own for that"}
}

// checkClient judges all but the name.
func (r *Registry) checkClient(s *state, c *clientRecord) error {
	if c.Scopes == 0 || c.Scopes >= ScopeAdmin<<1 {
		return malformed("client.scopes", "no valid scope is given", "give at least one, such as send")
	}
	if c.MaxQueuedMessages < 0 {
		return malformed("client.max_queued_messages", "is negative", "give 0 for the default")
	}
	if c.MaxQueuedBytes < 0 {
		return malformed("client.max_queued_bytes", "is negative", "give 0 for the default")
	}
	if err := checkGuard(c); err != nil {
		return err
	}
	if len(c.Transports) > maxList {
		return tooMany("client.transports", maxList)
	}
	for i, transport := range c.Transports {
		if err := checkName(fmt.Sprintf("client.transports[%d]", i), transport, "-_"); err != nil {
			return err
		}
	}
	for _, connection := range s.owned[c.ID] {
		if !c.MayUse(connection.Transport) {
			return &Error{Code: InUse, Reason: ReasonReferenced, Field: "client.transports",
				Text:   fmt.Sprintf("the client's connection %q uses the transport %q", connection.Name, connection.Transport),
				Remedy: "allow it, or delete the connection first"}
		}
	}
	return r.checkUsers(s, c)
}

func checkGuard(c *clientRecord) error {
	if err := checkText("client.origin", c.Origin, maxText); err != nil {
		return err
	}
	if to := c.Guard.RedirectTo; to != "" {
		if err := checkAddress("client.guard.redirect_to", to); err != nil {
			return err
		}
	}
	return checkList("client.guard.allowed_recipients", c.Guard.Allowed, checkPattern)
}

func noClient(field, name string) *Error {
	return &Error{Code: NotFound, Reason: ReasonNoClient, Field: field,
		Text: fmt.Sprintf("there is no client %.80q", name), Remedy: "see the list of clients for the names"}
}
