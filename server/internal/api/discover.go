package api

import (
	"context"

	postilionv1 "github.com/postilion-mail/postilion/proto/gen/postilion/v1"
	"github.com/postilion-mail/postilion/server/internal/fault"
)

// DiscoverSettings implements postilion.v1.ConnectionService.
func (a *API) DiscoverSettings(ctx context.Context, req *postilionv1.DiscoverSettingsRequest) (*postilionv1.DiscoverSettingsResponse, error) {
	return nil, fault.Unauthenticated("not built yet", "")
}
