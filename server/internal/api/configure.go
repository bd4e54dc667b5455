package api

import (
	"context"
	"errors"
	"time"

	"google.golang.org/grpc/codes"

	postilionv1 "github.com/postilion-mail/postilion/proto/gen/postilion/v1"

	"github.com/postilion-mail/postilion/internal/intake"
	"github.com/postilion-mail/postilion/internal/registry"
	"github.com/postilion-mail/postilion/plugin"
	"github.com/postilion-mail/postilion/server/internal/auth"
	"github.com/postilion-mail/postilion/server/internal/convert"
	"github.com/postilion-mail/postilion/server/internal/fault"
)

// maxMerges is how often a patch is made anew because somebody else was faster.
const maxMerges = 20

// Configure implements postilion.v1.MailerService.
func (a *API) Configure(ctx context.Context, req *postilionv1.ConfigureRequest) (*postilionv1.ConfigureResponse, error) {
	c, created, err := a.configure(ctx, req)
	for i := 0; i < maxMerges && errors.Is(err, registry.ErrConflict) && req.GetUpdateMask() != nil && req.GetEtag() == ""; i++ {
		c, created, err = a.configure(ctx, req)
	}
	if err != nil {
		return nil, err
	}
	out := &postilionv1.ConfigureResponse{Created: created, Warnings: warnings(&c)}
	if req.GetValidateOnly() {
		out.Connection = convert.FromConnection(&c)
		return out, nil
	}
	// At once, so that who configured and then looks or sends sees the lane
	// without its old pause.
	a.Dispatcher.Configure(c.ID)
	out.Connection, err = a.connection(context.WithoutCancel(ctx), &c, auth.From(ctx))
	return out, err
}

// configure merges a patch with what is stored, and configures that. The error
// is ErrConflict if that has changed in the meantime.
func (a *API) configure(ctx context.Context, req *postilionv1.ConfigureRequest) (registry.Connection, bool, error) {
	change, err := a.change(ctx, req)
	if err != nil {
		return registry.Connection{}, false, err
	}
	change.ValidateOnly = req.GetValidateOnly()
	change.SetDefault = req.GetSetDefault()
	if err := a.checkChange(ctx, change); err != nil {
		return registry.Connection{}, false, err
	}
	return a.Registry.Configure(ctx, change)
}

// change makes of a request the whole connection that is wanted.
func (a *API) change(ctx context.Context, req *postilionv1.ConfigureRequest) (registry.Change, error) {
	id := auth.From(ctx)
	change := registry.Change{Client: id.Client, Admin: id.Admin(), ETag: req.GetEtag(), Clear: req.GetClearSecrets()}
	wanted := req.GetConnection()
	if wanted == nil {
		return change, fault.Invalid("connection", "is missing", "give at least its name and transport")
	}
	var err error
	if req.GetUpdateMask() == nil {
		wanted, err = convert.Fill(wanted)
	} else {
		var etag string
		if wanted, etag, err = a.patch(id, req); change.ETag == "" {
			change.ETag = etag // the patch is for what was read here
		}
	}
	if err != nil {
		return change, err
	}
	change.Connection, change.Secrets, err = convert.Connection(wanted)
	return change, err
}

// patch gives the stored connection with the fields of the mask as the request
// has them, and the stored one's etag.
func (a *API) patch(id auth.Identity, req *postilionv1.ConfigureRequest) (*postilionv1.Connection, string, error) {
	wanted, paths := req.GetConnection(), req.GetUpdateMask().GetPaths()
	stored, err := a.Registry.Get(id.Client, wanted.GetName())
	if err != nil {
		return nil, "", err
	}
	if stored.Owner != id.Client {
		return nil, "", fault.NotFound("connection", wanted.GetName())
	}
	before := convert.FromConnection(&stored)
	if wanted, err = convert.Patch(before, wanted, paths); err != nil {
		return nil, "", err
	}
	wanted, err = convert.Refill(wanted, before, paths)
	return wanted, stored.ETag, err
}

// checkChange judges what the registry does not know: the transport's
// settings and the sender policy.
func (a *API) checkChange(ctx context.Context, change registry.Change) error {
	if err := intake.CheckPolicy(&change.Connection.Sender); err != nil {
		return err
	}
	c, secrets, err := a.Registry.Draft(change)
	if err != nil {
		return err
	}
	if c.Isolation == registry.OwnProcess {
		c.Isolation = "" // settings are judged here, wherever they are used
	}
	instance, err := a.open(ctx, &c, secrets)
	if err != nil {
		return err
	}
	return instance.Close()
}

// open opens an instance; a bad setting becomes an error with its field in
// the request.
func (a *API) open(ctx context.Context, c *registry.Connection, secrets registry.Secrets) (plugin.Instance, error) {
	instance, err := a.Transports.Open(ctx, c, secrets)
	if as := (*plugin.SettingError)(nil); errors.As(err, &as) {
		return nil, &plugin.SettingError{Field: a.settingField(c.Transport, as.Field), Reason: as.Reason}
	}
	if as := (*plugin.DeliveryError)(nil); errors.As(err, &as) {
		return nil, fault.Fault{
			Code: codes.FailedPrecondition, Reason: "transport_unavailable", Resource: "transport/" + c.Transport, Text: as.Error(),
			Remedy: "let an administrator see ListPlugins (postilion plugins list)",
		}.Err()
	}
	return instance, err
}

func (a *API) settingField(transport, setting string) string {
	switch setting {
	case "transport":
		return "connection.custom.transport"
	case "isolation":
		return "connection.isolation"
	}
	description, _ := a.Transports.Describe(transport)
	for _, f := range description.Fields {
		if f.Name == setting {
			return convert.SettingField(transport, setting, f.Secret)
		}
	}
	return convert.SettingField(transport, setting, false)
}

// warnings are for what is allowed but unwise.
func warnings(c *registry.Connection) []string {
	var out []string
	if c.Transport != "smtp" {
		return nil
	}
	text := func(name string) string { s, _ := c.Settings[name].(string); return s }
	if skip, _ := c.Settings["skip_verify"].(bool); skip {
		out = append(out, "The server's certificate is not verified: whoever sits on the way can read mail and password.")
	}
	switch text("security") {
	case "none":
		out = append(out, "The session is not encrypted.")
	case "opportunistic":
		out = append(out, "The session is encrypted only if the server offers it; whoever sits on the way can remove the offer.")
	}
	switch text("minimum_tls") {
	case "1.0", "1.1":
		out = append(out, "TLS 1.0 and 1.1 are no longer secure (RFC 8996).")
	}
	if d, err := time.ParseDuration(text("content_timeout")); err == nil && d < time.Minute {
		out = append(out, "A short limit for the final answer can cause duplicates.")
	}
	return out
}
