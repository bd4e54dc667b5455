// Package secret encrypts what the daemon stores of its clients' passwords and
// keys, with a key that is not in the database: a copy of the database alone
// gives nothing away.
package secret

import (
	"errors"
	"fmt"
	"strconv"

	"github.com/tink-crypto/tink-go/v2/aead"
	"github.com/tink-crypto/tink-go/v2/keyset"
	"github.com/tink-crypto/tink-go/v2/tink"
)

// ErrUnreadable: a stored secret could not be decrypted: the key is another
// one, or the secret was changed or moved.
var ErrUnreadable = errors.New("the stored secret cannot be decrypted with this key: " +
	"start the daemon with the key that it was stored with, or set the secret again")

// Place is where a secret belongs. A secret that was sealed for one place does
// not open at another, so that nobody who can write to the database can move
// a password to a connection of his own.
type Place struct {
	Client     string // id of the client that owns the connection
	Connection string // id or name of the connection
	Field      string // such as "password"
}

// associated gives the place as associated data, no two places alike.
func (p Place) associated() []byte {
	data := strconv.AppendQuote(nil, p.Client)
	data = strconv.AppendQuote(append(data, '/'), p.Connection)
	return strconv.AppendQuote(append(data, '/'), p.Field)
}

// Box seals and opens secrets. It is safe for concurrent use. There is no way
// to get the key out of it.
type Box struct {
	aead tink.AEAD
	id   uint32
}

// newBox makes a box of a keyset: it seals with the primary key and opens with
// all that the keyset has, which is how keys are changed over.
func newBox(handle *keyset.Handle) (*Box, error) {
	primitive, err := aead.New(handle)
	if err != nil {
		return nil, err
	}
	primary, err := handle.Primary()
	if err != nil {
		return nil, err
	}
	return &Box{aead: primitive, id: primary.KeyID()}, nil
}

// KeyID names the key in use without telling anything of it. Stored beside the
// data, it lets a start with the wrong key be noticed at once.
func (b *Box) KeyID() string { return fmt.Sprintf("%08x", b.id) }

// Seal encrypts a secret for its place.
func (b *Box) Seal(plaintext []byte, place Place) ([]byte, error) {
	sealed, err := b.aead.Encrypt(plaintext, place.associated())
	if err != nil {
		return nil, fmt.Errorf("encrypting the secret %s: %w", place.Field, err)
	}
	return sealed, nil
}

// Open decrypts what Seal gave for the same place. The error is
// ErrUnreadable.
func (b *Box) Open(sealed []byte, place Place) ([]byte, error) {
	plaintext, err := b.aead.Decrypt(sealed, place.associated())
	if err != nil {
		return nil, fmt.Errorf("%s of connection %s: %w", place.Field, place.Connection, ErrUnreadable)
	}
	return plaintext, nil
}

// String hides the box in logs.
func (b *Box) String() string { return "secret.Box(" + b.KeyID() + ")" }
