package registry

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// A token is the prefix, by which secret scanners and people know it, and 256
// random bits. That much cannot be guessed, so a plain hash of it is enough to
// keep: a slow one would protect passwords that people chose.
const (
	tokenPrefix = "pst_"
	tokenBytes  = 32
	hintLength  = len(tokenPrefix) + 4
	maxTokens   = 50 // of a client
)

var tokenLength = len(tokenPrefix) + base64.RawURLEncoding.EncodedLen(tokenBytes)

// Authenticate gives the client of a token. Only the token's hash is looked up
// and compared, so that its time tells nothing about the tokens that exist.
func (r *Registry) Authenticate(token string) (*Client, bool) {
	if len(token) != tokenLength || !strings.HasPrefix(token, tokenPrefix) {
		return nil, false
	}
	h := hash(sha256.Sum256([]byte(token)))
	c := r.state.Load().tokens[h]
	if c == nil {
		return nil, false
	}
	// The map's comparison of hashes is not constant in time; this one is.
	for _, known := range c.Hashes {
		if subtle.ConstantTimeCompare(known, h[:]) == 1 {
			return &c.Client, true
		}
	}
	return nil, false
}

// Proven gives the client that has a token whose SHA-256 holds, for whoever
// proved to know a token without showing it.
func (r *Registry) Proven(holds func(tokenHash []byte) bool) (*Client, bool) {
	for h, c := range r.state.Load().tokens {
		if holds(h[:]) {
			return &c.Client, true
		}
	}
	return nil, false
}

// CreateToken makes a further token of a client. The second result is the
// token itself, which cannot be had again.
func (r *Registry) CreateToken(ctx context.Context, client string) (Token, string, error) {
	var made Token
	var secret string
	err := r.edit(ctx, func(s *state) error {
		stored := s.clientNames[client]
		switch {
		case stored == nil:
			return noClient("client", client)
		case stored.Name == LocalName:
			return &Error{Code: Invalid, Reason: ReasonBuiltIn, Field: "client",
				Text:   fmt.Sprintf("the client %q is for Unix users, it has no tokens", LocalName),
				Remedy: "create a client of your own for that"}
		case len(stored.Tokens) >= maxTokens:
			return &Error{Code: Invalid, Reason: ReasonTooMany, Field: "client",
				Text: fmt.Sprintf("the client has %d tokens", maxTokens), Remedy: "revoke one that is no longer used"}
		}
		c := stored.copy()
		made, secret = c.addToken(r.now())
		s.putClient(c)
		return nil
	})
	if err != nil {
		return Token{}, "", err
	}
	r.options.Log.Info("token created", "client", client, "token", made.ID)
	return made, secret, nil
}

// RevokeToken ends a token: from its return on it authenticates nobody.
func (r *Registry) RevokeToken(ctx context.Context, client, id string) error {
	err := r.edit(ctx, func(s *state) error {
		stored := s.clientNames[client]
		if stored == nil {
			return noClient("client", client)
		}
		if stored.Hashes[id] == nil {
			return &Error{Code: NotFound, Reason: ReasonNoToken, Field: "token_id",
				Text: "the client has no token of this id", Remedy: "see the list of clients for the ids"}
		}
		c := stored.copy()
		c.dropToken(id)
		s.putClient(c)
		return nil
	})
	if err == nil {
		r.options.Log.Info("token revoked", "client", client, "token", id)
	}
	return err
}

// EnsureAdminToken gives the token that belongs into DATA/admin.token, whose
// present content (empty if there is no such file) is current. If that is a
// token of admin, it is the answer. Else a new one is made, and the one that
// was made here before ends: a crash between storing the token and writing the
// file is healed at the next start.
func (r *Registry) EnsureAdminToken(ctx context.Context, current string) (string, error) {
	current = strings.TrimSpace(current)
	if c, ok := r.Authenticate(current); ok && c.Name == AdminName {
		return current, nil
	}
	var secret string
	err := r.edit(ctx, func(s *state) error {
		c := s.admin().copy()
		c.dropToken(c.FileToken)
		var token Token
		token, secret = c.addToken(r.now())
		c.FileToken = token.ID
		s.putClient(c)
		return nil
	})
	if err != nil {
		return "", err
	}
	r.options.Log.Info("token for the admin's file created")
	return secret, nil
}

// copy gives a record whose tokens may be changed.
func (c *clientRecord) copy() *clientRecord {
	d := *c
	d.Tokens = slices.Clone(c.Tokens)
	d.Hashes = maps.Clone(c.Hashes)
	return &d
}

// addToken makes a token.
func (c *clientRecord) addToken(now time.Time) (Token, string) {
	random := make([]byte, tokenBytes)
	rand.Read(random) // never fails, as its documentation says
	secret := tokenPrefix + base64.RawURLEncoding.EncodeToString(random)
	token := Token{ID: newID(), Hint: secret[:hintLength], Created: now}
	h := sha256.Sum256([]byte(secret))
	c.Tokens = append(c.Tokens, token)
	if c.Hashes == nil {
		c.Hashes = map[string][]byte{}
	}
	c.Hashes[token.ID] = h[:]
	return token, secret
}

func (c *clientRecord) dropToken(id string) {
	c.Tokens = slices.DeleteFunc(c.Tokens, func(t Token) bool { return t.ID == id })
	delete(c.Hashes, id)
}
