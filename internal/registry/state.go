package registry

import (
	"cmp"
	"crypto/sha256"
	"encoding/json"
	"maps"
	"slices"
)

// clientRecord is a client as it is stored. Records never change once they
// are part of a state.
type clientRecord struct {
	Client
	// Hashes are the SHA-256 hashes of the tokens, by their ids.
	Hashes map[string][]byte `json:"hashes,omitempty"`
	// FileToken is the id of the token that stands in DATA/admin.token.
	FileToken string `json:"file_token,omitempty"`
}

// connectionRecord is a connection as it is stored, with its sealed secrets.
type connectionRecord struct {
	Connection
	Sealed map[string][]byte `json:"secrets,omitempty"`
}

// routeRecord holds the routes of a client.
type routeRecord struct {
	Routes []Route `json:"routes"`
	ETag   string  `json:"etag"`
}

type hash [sha256.Size]byte

// state is all that the registry knows at one moment. The first three maps are
// what is stored; the others are made of them by index. A state that readers
// can see does not change any more.
type state struct {
	clients     map[string]*clientRecord     // by id
	connections map[string]*connectionRecord // by id
	routes      map[string]*routeRecord      // by the client's id

	clientNames map[string]*clientRecord
	tokens      map[hash]*clientRecord
	owned       map[string]map[string]*connectionRecord // by the client's id and the name
	shared      map[string]*connectionRecord            // by name
}

func newState() *state {
	return &state{
		clients:     map[string]*clientRecord{},
		connections: map[string]*connectionRecord{},
		routes:      map[string]*routeRecord{},
	}
}

// clone gives a state that may be changed by its put and drop methods.
func (s *state) clone() *state {
	d := *s
	d.clients = maps.Clone(s.clients)
	d.connections = maps.Clone(s.connections)
	d.routes = maps.Clone(s.routes)
	return &d
}

// index makes the derived maps anew.
func (s *state) index() {
	s.clientNames = make(map[string]*clientRecord, len(s.clients))
	s.tokens = map[hash]*clientRecord{}
	s.owned = make(map[string]map[string]*connectionRecord, len(s.clients))
	s.shared = map[string]*connectionRecord{}
	for _, c := range s.clients {
		s.clientNames[c.Name] = c
		for _, h := range c.Hashes {
			if len(h) == len(hash{}) {
				s.tokens[hash(h)] = c
			}
		}
	}
	for _, c := range s.connections {
		if s.owned[c.Owner] == nil {
			s.owned[c.Owner] = map[string]*connectionRecord{}
		}
		s.owned[c.Owner][c.Name] = c
		if c.Shared {
			s.shared[c.Name] = c
		}
	}
}

func (s *state) putClient(c *clientRecord) {
	s.clients[c.ID] = c
	s.index()
}

func (s *state) putConnection(c *connectionRecord) {
	s.connections[c.ID] = c
	s.index()
}

func (s *state) dropConnection(id string) {
	delete(s.connections, id)
	s.index()
}

// dropClient removes a client with all that belongs to it.
func (s *state) dropClient(id string) {
	delete(s.clients, id)
	delete(s.routes, id)
	maps.DeleteFunc(s.connections, func(_ string, c *connectionRecord) bool { return c.Owner == id })
	s.index()
}

// admin is the built-in client, which always exists.
func (s *state) admin() *clientRecord { return s.clientNames[AdminName] }

// resolve finds the connection that a client means by a name.
func (s *state) resolve(client, name string) *connectionRecord {
	if c := s.owned[client][name]; c != nil {
		return c
	}
	return s.shared[name]
}

// defaultOf gives the connection for a client's messages that name none: its
// own default, else the one of admin if that is shared; nil for none. The
// client local has nobody else to configure for it, so it uses admin's default
// also unshared: sendmail works for every local user as with any MTA.
func (s *state) defaultOf(client string) *connectionRecord {
	if c := s.clients[client]; c != nil && s.connections[c.Default] != nil {
		return s.connections[c.Default]
	}
	local := client == s.clientNames[LocalName].ID
	if c := s.connections[s.admin().Default]; c != nil && (c.Shared || c.Owner == client || local) {
		return c
	}
	return nil
}

// sortedClients gives the clients by name.
func (s *state) sortedClients() []*clientRecord {
	return slices.SortedFunc(maps.Values(s.clients), func(a, b *clientRecord) int {
		return cmp.Compare(a.Name, b.Name)
	})
}

// sortedConnections gives the connections by the owner's name and their own.
func (s *state) sortedConnections() []*connectionRecord {
	return slices.SortedFunc(maps.Values(s.connections), func(a, b *connectionRecord) int {
		return cmp.Or(cmp.Compare(a.OwnerName, b.OwnerName), cmp.Compare(a.Name, b.Name))
	})
}

// settle gives a deep copy of a record as it will be when it is read again
// from the database, so that memory and disk cannot differ. Fields that JSON
// leaves out are the caller's to fill in again.
func settle[T any](v *T) (*T, error) {
	data, err := json.Marshal(v)
	if err != nil {
		return nil, err
	}
	d := new(T)
	return d, json.Unmarshal(data, d)
}

// settled gives the client's record, ready to be part of a state.
func (c *clientRecord) settled() (*clientRecord, error) {
	d, err := settle(c)
	if err == nil {
		d.ID, d.Name = c.ID, c.Name
	}
	return d, err
}

// settled gives the connection's record, ready to be part of a state.
func (c *connectionRecord) settled() (*connectionRecord, error) {
	d, err := settle(c)
	if err == nil {
		d.adopt(c.ID, c.Owner, c.OwnerName, c.Name)
	}
	return d, err
}

// adopt fills in what the document of a connection does not hold.
func (c *connectionRecord) adopt(id, owner, ownerName, name string) {
	c.ID, c.Owner, c.OwnerName, c.Name = id, owner, ownerName, name
	c.StoredSecrets = slices.Sorted(maps.Keys(c.Sealed))
}
