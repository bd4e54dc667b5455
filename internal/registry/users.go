package registry

import (
	"fmt"
	"os/user"
	"slices"
	"strconv"
	"strings"
	"time"
)

// usersAge is how long the uids of names are remembered. A user who is created
// or removed is seen after this time.
const usersAge = 10 * time.Second

// userIndex holds the uids of the clients' Unix users.
type userIndex struct {
	of   *state
	made time.Time
	uids map[uint32]*clientRecord
}

// ByUID gives the client of a Unix user, as the kernel tells it for a socket's
// peer: the one that is bound to the user, else local. It is false if local
// users are denied.
func (r *Registry) ByUID(uid uint32) (*Client, bool) {
	if c := r.userIndex().uids[uid]; c != nil {
		return &c.Client, true
	}
	if r.options.DenyLocal {
		return nil, false
	}
	return r.ClientNamed(LocalName)
}

// userIndex resolves the names again when they may have changed. Two callers
// who do so at the same time do it twice, which does no harm.
func (r *Registry) userIndex() *userIndex {
	s, now := r.state.Load(), r.options.Now()
	known := r.users.Load()
	if known != nil && known.of == s && now.Sub(known.made).Abs() < usersAge {
		return known
	}
	index := &userIndex{of: s, made: now, uids: r.uids(s, "")}
	r.users.Store(index)
	return index
}

// uids gives the clients by the uids of their users, but for the client
// except. Users that do not exist now are left out. Should two names have one
// uid, the first client by name has it.
func (r *Registry) uids(s *state, except string) map[uint32]*clientRecord {
	uids := map[uint32]*clientRecord{}
	for _, c := range s.sortedClients() {
		if c.ID == except {
			continue
		}
		for _, name := range c.UnixUsers {
			uid, err := r.uid(name)
			if err == nil && uids[uid] == nil {
				uids[uid] = c
			}
		}
	}
	return uids
}

// uid takes a number or a name.
func (r *Registry) uid(name string) (uint32, error) {
	if n, err := strconv.ParseUint(name, 10, 32); err == nil {
		return uint32(n), nil
	}
	return r.options.LookupUser(name)
}

// lookupUser asks the system.
func lookupUser(name string) (uint32, error) {
	u, err := user.Lookup(name)
	if err != nil {
		return 0, err
	}
	n, err := strconv.ParseUint(u.Uid, 10, 32)
	return uint32(n), err
}

// checkUsers wants Unix users that exist and belong to no other client.
func (r *Registry) checkUsers(s *state, c *clientRecord) error {
	if len(c.UnixUsers) == 0 {
		return nil
	}
	if c.Scopes.Has(ScopeAdmin) {
		return malformed("client.unix_users", "a client with the scope admin cannot be bound to Unix users",
			"give it a token; on the public sockets nobody is admin")
	}
	if len(c.UnixUsers) > maxList {
		return tooMany("client.unix_users", maxList)
	}
	taken := r.uids(s, c.ID)
	for i, name := range c.UnixUsers {
		field := fmt.Sprintf("client.unix_users[%d]", i)
		if name == "" || len(name) > 256 || strings.ContainsFunc(name, isControl) {
			return malformed(field, "is no name of a Unix user", "give a name such as www-data, or a uid")
		}
		uid, err := r.uid(name)
		if err != nil {
			return malformed(field, fmt.Sprintf("there is no Unix user %q on this machine", name),
				"create the user first, or give its uid as a number")
		}
		if other := taken[uid]; other != nil {
			return &Error{Code: Exists, Reason: ReasonTaken, Field: field,
				Text:   fmt.Sprintf("the Unix user %q belongs to the client %q", name, other.Name),
				Remedy: "take it from that client first"}
		}
		if slices.Contains(c.UnixUsers[:i], name) {
			return malformed(field, fmt.Sprintf("the Unix user %q stands here twice", name), "give it once")
		}
	}
	return nil
}
