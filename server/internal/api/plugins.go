package api

import (
	"context"

	postilionv1 "github.com/postilion-mail/postilion/proto/gen/postilion/v1"
	"github.com/postilion-mail/postilion/server/internal/fault"
)

// ListPlugins implements postilion.v1.PluginService.
func (a *API) ListPlugins(ctx context.Context, req *postilionv1.ListPluginsRequest) (*postilionv1.ListPluginsResponse, error) {
	return nil, fault.Unauthenticated("not built yet", "")
}

// AddPlugin implements postilion.v1.PluginService.
func (a *API) AddPlugin(ctx context.Context, req *postilionv1.AddPluginRequest) (*postilionv1.AddPluginResponse, error) {
	return nil, fault.Unauthenticated("not built yet", "")
}

// VerifyPlugins implements postilion.v1.PluginService.
func (a *API) VerifyPlugins(ctx context.Context, req *postilionv1.VerifyPluginsRequest) (*postilionv1.VerifyPluginsResponse, error) {
	return nil, fault.Unauthenticated("not built yet", "")
}

// EnablePlugin implements postilion.v1.PluginService.
func (a *API) EnablePlugin(ctx context.Context, req *postilionv1.EnablePluginRequest) (*postilionv1.EnablePluginResponse, error) {
	return nil, fault.Unauthenticated("not built yet", "")
}

// DisablePlugin implements postilion.v1.PluginService.
func (a *API) DisablePlugin(ctx context.Context, req *postilionv1.DisablePluginRequest) (*postilionv1.DisablePluginResponse, error) {
	return nil, fault.Unauthenticated("not built yet", "")
}

// RemovePlugin implements postilion.v1.PluginService.
func (a *API) RemovePlugin(ctx context.Context, req *postilionv1.RemovePluginRequest) (*postilionv1.RemovePluginResponse, error) {
	return nil, fault.Unauthenticated("not built yet", "")
}

// GetPluginLog implements postilion.v1.PluginService.
func (a *API) GetPluginLog(ctx context.Context, req *postilionv1.GetPluginLogRequest) (*postilionv1.GetPluginLogResponse, error) {
	return nil, fault.Unauthenticated("not built yet", "")
}
