package registry

import (
	"encoding/json"
	"fmt"
	"strings"
)

// Scopes is a set of rights. The zero set allows nothing.
type Scopes uint8

// The rights of a client.
const (
	ScopeSend      Scopes = 1 << iota // send, and resend, cancel, hold and release its own messages
	ScopeRead                         // see its messages and events, without content
	ScopeContent                      // see the content of its messages
	ScopeConfigure                    // configure and test its connections and routes
	ScopeAdmin                        // everything, of all clients
)

var scopeNames = [...]string{"send", "read", "content", "configure", "admin"}

// Has says whether all of want are allowed. The scope admin allows everything.
// The empty set is never allowed: whoever asks for nothing forgot the rule.
func (s Scopes) Has(want Scopes) bool {
	return want != 0 && (s&ScopeAdmin != 0 || s&want == want)
}

// Names gives the names of the scopes in the set, in the order send, read,
// content, configure, admin.
func (s Scopes) Names() []string {
	names := []string{}
	for i, name := range scopeNames {
		if s&(1<<i) != 0 {
			names = append(names, name)
		}
	}
	return names
}

// String gives the names with commas between.
func (s Scopes) String() string { return strings.Join(s.Names(), ",") }

// ParseScopes makes a set of names.
func ParseScopes(names ...string) (Scopes, error) {
	var s Scopes
next:
	for i, name := range names {
		for bit, known := range scopeNames {
			if name == known {
				s |= 1 << bit
				continue next
			}
		}
		return 0, malformed(fmt.Sprintf("client.scopes[%d]", i), fmt.Sprintf("%.40q is no scope", name),
			"give any of "+strings.Join(scopeNames[:], ", "))
	}
	return s, nil
}

// MarshalJSON gives the list of names.
func (s Scopes) MarshalJSON() ([]byte, error) { return json.Marshal(s.Names()) }

// UnmarshalJSON takes a list of names.
func (s *Scopes) UnmarshalJSON(data []byte) error {
	var names []string
	if err := json.Unmarshal(data, &names); err != nil {
		return err
	}
	var err error
	*s, err = ParseScopes(names...)
	return err
}
