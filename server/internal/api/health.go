package api

import (
	"context"

	postilionv1 "github.com/postilion-mail/postilion/proto/gen/postilion/v1"
)

// GetHealth implements postilion.v1.AdminService.
func (a *API) GetHealth(ctx context.Context, _ *postilionv1.GetHealthRequest) (*postilionv1.GetHealthResponse, error) {
	return a.Health.Examine(ctx), nil
}
