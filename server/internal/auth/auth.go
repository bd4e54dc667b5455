// Package auth decides who a caller is and what it may call. Each face asks
// the Gate before it reads a request; handlers find the Identity in their
// context and never look at peers or headers themselves.
package auth

import (
	"context"
	"strings"

	"google.golang.org/grpc/codes"

	"github.com/postilion-mail/postilion/internal/registry"
	"github.com/postilion-mail/postilion/server/internal/fault"
)

// Door is the kind of listener that a caller came through.
type Door uint8

// The doors.
const (
	DoorUnknown Door = iota
	DoorAdmin        // the admin socket: whoever may open it is an admin
	DoorPublic       // a public Unix socket: never admin without a token
	DoorTCP          // TCP: a token is needed
)

// Peer is what is known of a caller before it says who it is.
type Peer struct {
	Door Door
	UID  int // of the process at the other end of a Unix socket; -1 if not known
	Addr string
}

// Identity is who a caller is.
type Identity struct {
	Client string // id
	Name   string
	Scopes registry.Scopes
	Face   string // "grpc", "json", or how else the call came in

	still func() error
}

// Still is nil while the caller would be let in again: for calls that last,
// since a token that is revoked ends at once.
func (i Identity) Still() error {
	if i.still == nil {
		return nil
	}
	return i.still()
}

// Admin says whether the caller may do everything.
func (i Identity) Admin() bool { return i.Scopes.Has(registry.ScopeAdmin) }

// Sees is the client whose messages the caller sees: its own, or with the
// empty string everybody's.
func (i Identity) Sees() string {
	if i.Admin() {
		return ""
	}
	return i.Client
}

type identityKey struct{}

// With puts an identity into a context.
func With(ctx context.Context, i Identity) context.Context {
	return context.WithValue(ctx, identityKey{}, i)
}

// From gives the identity of a context; the zero one, which may nothing, if
// there is none.
func From(ctx context.Context) Identity {
	i, _ := ctx.Value(identityKey{}).(Identity)
	return i
}

// Directory knows the clients.
type Directory interface {
	// Authenticate finds the client of a token.
	Authenticate(token string) (*registry.Client, bool)
	// ByUID finds the client of a Unix user.
	ByUID(uid uint32) (*registry.Client, bool)
	// Admin is the client that the admin socket stands for.
	Admin() *registry.Client
}

// Gate lets calls in. It is safe for concurrent use and does not block.
type Gate struct {
	Directory Directory
	// AdminUIDs may use the admin socket: root and the daemon's own user.
	AdminUIDs []int
}

// Enter checks a call of a method ("/package.Service/Method") with the value
// of its Authorization header. It gives a context with the caller's identity,
// or UNAUTHENTICATED or PERMISSION_DENIED. A method without a rule does not
// pass.
func (g *Gate) Enter(ctx context.Context, p Peer, face, method, authorization string) (context.Context, error) {
	r, ok := rules[method]
	if !ok {
		return ctx, fault.Fault{Code: codes.Unimplemented, Reason: "unknown_method", Text: "there is no method " + printable(method)}.Err()
	}
	if r.open {
		return ctx, nil
	}
	client, err := g.admit(p, r, authorization)
	if err != nil {
		return ctx, err
	}
	still := func() error { _, err := g.admit(p, r, authorization); return err }
	return With(ctx, Identity{Client: client.ID, Name: client.Name, Scopes: client.Scopes, Face: face, still: still}), nil
}

// admit finds the client that calls, if it may.
func (g *Gate) admit(p Peer, r rule, authorization string) (*registry.Client, error) {
	client, err := g.who(p, authorization)
	if err != nil {
		return nil, err
	}
	if !r.allows(client.Scopes) {
		return nil, fault.Denied("the client "+client.Name+" lacks the scope "+r.String(),
			"let an administrator add it: postilion clients update "+client.Name+" --scope "+r.String())
	}
	return client, nil
}

func (g *Gate) who(p Peer, authorization string) (*registry.Client, error) {
	if authorization != "" {
		token, ok := bearer(authorization)
		if !ok {
			return nil, fault.Unauthenticated("the Authorization header is not of the form \"Bearer <token>\"", "send the client's token in it")
		}
		client, ok := g.Directory.Authenticate(token)
		if !ok {
			return nil, fault.Unauthenticated("the token is not valid", "make a new one: postilion clients token create NAME")
		}
		return client, nil
	}
	switch p.Door {
	case DoorAdmin:
		for _, uid := range g.AdminUIDs {
			if p.UID == uid {
				return g.Directory.Admin(), nil
			}
		}
		return nil, fault.Unauthenticated("the admin socket is for root and the daemon's own user", "use the public socket")
	case DoorPublic:
		if p.UID >= 0 {
			if client, ok := g.Directory.ByUID(uint32(p.UID)); ok {
				return client, nil
			}
		}
		return nil, fault.Unauthenticated("no client is bound to your Unix user, and a token is missing",
			"send \"Authorization: Bearer <token>\", or let an administrator bind one: postilion clients create NAME --uid USER")
	}
	return nil, fault.Unauthenticated("a token is missing", "send \"Authorization: Bearer <token>\"; an administrator makes one: postilion clients create NAME")
}

// bearer takes the token out of a header (RFC 6750 section 2.1); the scheme's
// case does not matter (RFC 9110 section 11.1).
func bearer(header string) (string, bool) {
	scheme, token, ok := strings.Cut(header, " ")
	token = strings.TrimSpace(token)
	return token, ok && strings.EqualFold(scheme, "Bearer") && token != ""
}

func printable(method string) string {
	const most = 100
	if len(method) > most {
		method = method[:most]
	}
	return strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' {
			return '?'
		}
		return r
	}, method)
}
