package api

import (
	"context"

	postilionv1 "github.com/postilion-mail/postilion/proto/gen/postilion/v1"
	"github.com/postilion-mail/postilion/server/internal/fault"
)

// GetHealth implements postilion.v1.AdminService.
func (a *API) GetHealth(ctx context.Context, req *postilionv1.GetHealthRequest) (*postilionv1.GetHealthResponse, error) {
	return nil, fault.Unauthenticated("not built yet", "")
}
