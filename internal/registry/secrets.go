package registry

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/postilion-mail/postilion/internal/secret"
)

// Secrets opens the secrets of a connection, for whoever delivers or tests
// through it.
func (r *Registry) Secrets(_ context.Context, connection string) (Secrets, error) {
	c := r.state.Load().connections[connection]
	if c == nil {
		return nil, noConnection("connection", connection)
	}
	return r.unseal(c)
}

func (r *Registry) unseal(c *connectionRecord) (Secrets, error) {
	secrets := make(Secrets, len(c.Sealed))
	for field, sealed := range c.Sealed {
		text, err := r.options.Box.Open(sealed, place(c, field))
		if err != nil {
			return nil, fmt.Errorf("connection %q of client %q: %w", c.Name, c.OwnerName, err)
		}
		secrets[field] = string(text)
	}
	return secrets, nil
}

// place binds a secret to its client, connection and field.
func place(c *connectionRecord, field string) secret.Place {
	return secret.Place{Client: c.Owner, Connection: c.ID, Field: field}
}

// seal gives the sealed secrets of a connection after a change: those given,
// and the stored ones that are neither given nor cleared. The latter may stay
// only if they are shown to nobody else than before.
func (r *Registry) seal(c, stored *connectionRecord, same bool, change *Change) (map[string][]byte, error) {
	sealed := map[string][]byte{}
	if stored != nil {
		maps.Copy(sealed, stored.Sealed)
	}
	for _, field := range change.Clear {
		if _, given := change.Secrets[field]; given {
			return nil, malformed("clear_secrets", fmt.Sprintf("%.80q is given and cleared at once", field), "do one of the two")
		}
		delete(sealed, field)
	}
	for _, field := range slices.Sorted(maps.Keys(sealed)) {
		if _, given := change.Secrets[field]; !given && !same {
			return nil, &Error{Code: Invalid, Reason: ReasonSecretRequired,
				Field:  secretField(c.Transport, field),
				Text:   fmt.Sprintf("the stored %s is not carried over to other settings", field),
				Remedy: fmt.Sprintf("give it again, or name %q in clear_secrets", field)}
		}
	}
	for _, field := range slices.Sorted(maps.Keys(change.Secrets)) {
		text := change.Secrets[field]
		if err := checkSecret(c.Transport, field, text); err != nil {
			return nil, err
		}
		var err error
		if sealed[field], err = r.options.Box.Seal([]byte(text), place(c, field)); err != nil {
			return nil, err
		}
	}
	if len(sealed) > maxSecrets {
		return nil, tooMany(secretField(c.Transport, ""), maxSecrets)
	}
	return sealed, nil
}

func checkSecret(transport, field, text string) error {
	if err := checkName(secretField(transport, field), field, "-_"); err != nil {
		return malformed("connection.custom.secrets", "has an entry whose name is not valid", "give the names that the transport describes")
	}
	switch {
	case text == "":
		return malformed(secretField(transport, field), "is empty",
			fmt.Sprintf("leave it out to keep the stored one, or name %q in clear_secrets", field))
	case len(text) > maxSecretLength:
		return malformed(secretField(transport, field), "is too long", fmt.Sprintf("give at most %d KiB", maxSecretLength>>10))
	}
	return nil
}
