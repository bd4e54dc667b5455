// Package resolver makes the resolver that the whole daemon looks up names
// with, so that its administrator can choose the DNS server in one place.
package resolver

import (
	"context"
	"net"
)

// New gives a resolver that asks one server, an IP address with a port, or
// those of the system for the empty one. It is safe for concurrent use.
func New(server string) *net.Resolver {
	if server == "" {
		return net.DefaultResolver
	}
	return &net.Resolver{
		PreferGo: true,
		Dial: func(ctx context.Context, network, _ string) (net.Conn, error) {
			var d net.Dialer
			return d.DialContext(ctx, network, server)
		},
	}
}
