package auth

import (
	"strings"

	"github.com/postilion-mail/postilion/internal/registry"
)

// rule says who may call a method: a client with any of the scopes; with no
// scope, any client; if open, anybody at all.
type rule struct {
	open  bool
	anyOf []registry.Scopes
}

func (r rule) allows(have registry.Scopes) bool {
	if len(r.anyOf) == 0 || have.Has(registry.ScopeAdmin) {
		return true
	}
	for _, s := range r.anyOf {
		if have.Has(s) {
			return true
		}
	}
	return false
}

// String names the scopes.
func (r rule) String() string {
	names := make([]string, len(r.anyOf))
	for i, s := range r.anyOf {
		names[i] = s.String()
	}
	return strings.Join(names, " or ")
}

func scope(anyOf ...registry.Scopes) rule { return rule{anyOf: anyOf} }

// rules has every method that may be called; a test walks the descriptors and
// fails for one that is missing.
var rules = map[string]rule{
	"/grpc.health.v1.Health/Check": {open: true},
	"/grpc.health.v1.Health/List":  {open: true},
	"/grpc.health.v1.Health/Watch": {open: true},

	// Of go-plugin: there only when a host has launched the daemon.
	"/plugin.GRPCController/Shutdown": scope(registry.ScopeAdmin),

	"/postilion.v1.MailerService/Configure":      scope(registry.ScopeConfigure),
	"/postilion.v1.MailerService/TestConnection": scope(registry.ScopeConfigure),
	"/postilion.v1.MailerService/Send":           scope(registry.ScopeSend),
	"/postilion.v1.MailerService/SendBatch":      scope(registry.ScopeSend),

	"/postilion.v1.ConnectionService/ListConnections":  scope(registry.ScopeConfigure, registry.ScopeRead),
	"/postilion.v1.ConnectionService/GetConnection":    scope(registry.ScopeConfigure, registry.ScopeRead),
	"/postilion.v1.ConnectionService/DeleteConnection": scope(registry.ScopeConfigure),
	"/postilion.v1.ConnectionService/ListProviders":    {},
	"/postilion.v1.ConnectionService/DiscoverSettings": scope(registry.ScopeConfigure),
	"/postilion.v1.ConnectionService/CheckDomain":      scope(registry.ScopeConfigure),
	"/postilion.v1.ConnectionService/GetRoutes":        scope(registry.ScopeConfigure, registry.ScopeRead),
	"/postilion.v1.ConnectionService/SetRoutes":        scope(registry.ScopeConfigure),

	"/postilion.v1.MessageService/GetMessage":     scope(registry.ScopeRead),
	"/postilion.v1.MessageService/ListMessages":   scope(registry.ScopeRead),
	"/postilion.v1.MessageService/WatchEvents":    scope(registry.ScopeRead),
	"/postilion.v1.MessageService/ListEvents":     scope(registry.ScopeRead),
	"/postilion.v1.MessageService/ResendMessage":  scope(registry.ScopeSend),
	"/postilion.v1.MessageService/CancelMessage":  scope(registry.ScopeSend),
	"/postilion.v1.MessageService/HoldMessage":    scope(registry.ScopeSend),
	"/postilion.v1.MessageService/ReleaseMessage": scope(registry.ScopeSend),

	"/postilion.v1.AdminService/CreateClient":   scope(registry.ScopeAdmin),
	"/postilion.v1.AdminService/ListClients":    scope(registry.ScopeAdmin),
	"/postilion.v1.AdminService/UpdateClient":   scope(registry.ScopeAdmin),
	"/postilion.v1.AdminService/DeleteClient":   scope(registry.ScopeAdmin),
	"/postilion.v1.AdminService/CreateToken":    scope(registry.ScopeAdmin),
	"/postilion.v1.AdminService/RevokeToken":    scope(registry.ScopeAdmin),
	"/postilion.v1.AdminService/Backup":         scope(registry.ScopeAdmin),
	"/postilion.v1.AdminService/ListTransports": {},
	"/postilion.v1.AdminService/GetServerInfo":  {},
	"/postilion.v1.AdminService/GetHealth":      scope(registry.ScopeAdmin),

	"/postilion.v1.PluginService/ListPlugins":   scope(registry.ScopeAdmin),
	"/postilion.v1.PluginService/AddPlugin":     scope(registry.ScopeAdmin),
	"/postilion.v1.PluginService/VerifyPlugins": scope(registry.ScopeAdmin),
	"/postilion.v1.PluginService/EnablePlugin":  scope(registry.ScopeAdmin),
	"/postilion.v1.PluginService/DisablePlugin": scope(registry.ScopeAdmin),
	"/postilion.v1.PluginService/RemovePlugin":  scope(registry.ScopeAdmin),
	"/postilion.v1.PluginService/GetPluginLog":  scope(registry.ScopeAdmin),
}
