package api

import (
	"context"
	"strings"

	"google.golang.org/grpc/codes"

	postilionv1 "github.com/postilion-mail/postilion/proto/gen/postilion/v1"
	"github.com/postilion-mail/postilion/server/internal/convert"
	"github.com/postilion-mail/postilion/server/internal/fault"
	"github.com/postilion-mail/postilion/server/internal/plugins"
)

// ListPlugins implements postilion.v1.PluginService.
func (a *API) ListPlugins(context.Context, *postilionv1.ListPluginsRequest) (*postilionv1.ListPluginsResponse, error) {
	out := &postilionv1.ListPluginsResponse{}
	for _, p := range a.Plugins.List() {
		out.Plugins = append(out.Plugins, a.plugin(p))
	}
	return out, nil
}

func (a *API) plugin(p plugins.Info) *postilionv1.Plugin {
	return convert.FromPlugin(p, a.users(p.Name))
}

// users gives the connections that use a transport, as client/name.
func (a *API) users(transport string) []string {
	var names []string
	for _, c := range a.Registry.All() {
		if c.Transport == transport {
			names = append(names, c.OwnerName+"/"+c.Name)
		}
	}
	return names
}

// AddPlugin implements postilion.v1.PluginService.
func (a *API) AddPlugin(ctx context.Context, req *postilionv1.AddPluginRequest) (*postilionv1.AddPluginResponse, error) {
	ctx, end := a.untilStop(ctx)
	defer end()
	added, replaced, err := a.Plugins.Add(ctx, plugins.Addition{
		Path: req.GetPath(), Name: req.GetPlugin().GetName(), SHA256: req.GetSha256(),
		Run: convert.PluginRun(req.GetPlugin()), Replace: req.GetReplace(),
	})
	if err != nil {
		return nil, err
	}
	return &postilionv1.AddPluginResponse{Plugin: a.plugin(added), Replaced: replaced}, nil
}

// VerifyPlugins implements postilion.v1.PluginService.
func (a *API) VerifyPlugins(_ context.Context, req *postilionv1.VerifyPluginsRequest) (*postilionv1.VerifyPluginsResponse, error) {
	all, err := a.Plugins.Verify(req.GetName())
	if err != nil {
		return nil, err
	}
	out := &postilionv1.VerifyPluginsResponse{Ok: true}
	for _, v := range all {
		out.Plugins = append(out.Plugins, convert.PluginVerification(v))
		out.Ok = out.Ok && v.Reason == ""
	}
	return out, nil
}

// EnablePlugin implements postilion.v1.PluginService.
func (a *API) EnablePlugin(ctx context.Context, req *postilionv1.EnablePluginRequest) (*postilionv1.EnablePluginResponse, error) {
	ctx, end := a.untilStop(ctx)
	defer end()
	p, err := a.Plugins.Enable(ctx, req.GetName())
	if err != nil {
		return nil, err
	}
	return &postilionv1.EnablePluginResponse{Plugin: a.plugin(p)}, nil
}

// DisablePlugin implements postilion.v1.PluginService.
func (a *API) DisablePlugin(ctx context.Context, req *postilionv1.DisablePluginRequest) (*postilionv1.DisablePluginResponse, error) {
	ctx, end := a.untilStop(ctx)
	defer end()
	p, err := a.Plugins.Disable(ctx, req.GetName())
	if err != nil {
		return nil, err
	}
	return &postilionv1.DisablePluginResponse{Plugin: a.plugin(p)}, nil
}

// RemovePlugin implements postilion.v1.PluginService.
func (a *API) RemovePlugin(ctx context.Context, req *postilionv1.RemovePluginRequest) (*postilionv1.RemovePluginResponse, error) {
	if users := a.users(req.GetName()); len(users) > 0 {
		return nil, fault.Fault{
			Code: codes.FailedPrecondition, Reason: "referenced", Resource: "transport/" + req.GetName(),
			Text:   "the plugin is used by " + strings.Join(users, ", "),
			Remedy: "delete these connections or give them another transport first; or disable the plugin",
		}.Err()
	}
	if err := a.Plugins.Remove(ctx, req.GetName()); err != nil {
		return nil, err
	}
	return &postilionv1.RemovePluginResponse{}, nil
}

// GetPluginLog implements postilion.v1.PluginService.
func (a *API) GetPluginLog(_ context.Context, req *postilionv1.GetPluginLogRequest) (*postilionv1.GetPluginLogResponse, error) {
	lines, err := a.Plugins.Log(req.GetName())
	if err != nil {
		return nil, err
	}
	return &postilionv1.GetPluginLogResponse{Lines: lines}, nil
}
