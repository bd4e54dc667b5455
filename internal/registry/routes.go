package registry

import (
	"context"
	"fmt"
	"slices"
)

// Rule is a route with the connection that it leads to.
type Rule struct {
	Route
	ConnectionID string
}

// Routes gives a client's own routes and their etag, which is never empty.
func (r *Registry) Routes(client string) ([]Route, string) {
	s := r.state.Load()
	return s.routesOf(client), s.routesETag(client)
}

// Rules gives the routes that hold for a client's messages, in the order in
// which they are asked: its own, then those of admin that name the client or
// no client. A route whose connection is gone is left out.
func (r *Registry) Rules(client string) []Rule {
	s := r.state.Load()
	c := s.clients[client]
	if c == nil {
		return nil
	}
	var rules []Rule
	add := func(owner string) {
		for _, route := range s.routesOf(owner) {
			target := s.resolve(owner, route.Connection)
			if target != nil && (len(route.Clients) == 0 || slices.Contains(route.Clients, c.Name)) {
				rules = append(rules, Rule{Route: route, ConnectionID: target.ID})
			}
		}
	}
	add(client)
	if admin := s.admin().ID; admin != client {
		add(admin)
	}
	return rules
}

// SetRoutes replaces a client's routes; etag, if not empty, must be the
// current one. The routes of admin hold for all clients.
func (r *Registry) SetRoutes(ctx context.Context, client string, routes []Route, etag string) (string, error) {
	made := &routeRecord{ETag: newETag()}
	err := r.edit(ctx, func(s *state) error {
		if s.clients[client] == nil {
			return noClient("client", client)
		}
		if etag != "" && etag != s.routesETag(client) {
			return &Error{Code: Conflict, Reason: ReasonEtagMismatch, Field: "etag",
				Text: "the routes were changed in the meantime", Remedy: "get them again, look at what changed, and repeat"}
		}
		if len(routes) > maxRoutes {
			return tooMany("routes", maxRoutes)
		}
		for i := range routes {
			if err := s.checkRoute(fmt.Sprintf("routes[%d].", i), client, &routes[i]); err != nil {
				return err
			}
		}
		record, err := settle(&routeRecord{Routes: routes, ETag: made.ETag})
		if err != nil {
			return err
		}
		s.routes[client] = record
		return nil
	})
	if err != nil {
		return "", err
	}
	r.options.Log.Info("routes set", "client", client, "routes", len(routes))
	return made.ETag, nil
}

func (s *state) checkRoute(at, client string, route *Route) error {
	if len(route.Clients) > 0 && client != s.admin().ID {
		return malformed(at+"clients", "stands only in routes of the client admin", "leave it empty")
	}
	err := checkList(at+"clients", route.Clients, func(field, name string) error {
		if s.clientNames[name] == nil {
			e := noClient(field, name)
			e.Code = Invalid
			return e
		}
		return nil
	})
	if err == nil {
		err = checkList(at+"from", route.From, checkPattern)
	}
	if err == nil {
		err = checkList(at+"recipient_domains", route.RecipientDomains, checkDomain)
	}
	if err == nil {
		err = checkHeaders(at+"headers", route.Headers)
	}
	if err == nil {
		err = checkList(at+"tags", route.Tags, checkTag)
	}
	if err == nil && s.resolve(client, route.Connection) == nil {
		e := noConnection(at+"connection", route.Connection)
		e.Code = Invalid
		return e
	}
	return err
}

func (s *state) routesOf(client string) []Route {
	if r := s.routes[client]; r != nil {
		return r.Routes
	}
	return nil
}

// routesETag is that of the routes; "0" while none were ever set.
func (s *state) routesETag(client string) string {
	if r := s.routes[client]; r != nil {
		return r.ETag
	}
	return "0"
}
