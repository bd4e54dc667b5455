package api

import (
	"context"

	postilionv1 "github.com/postilion-mail/postilion/proto/gen/postilion/v1"
	"github.com/postilion-mail/postilion/server/internal/fault"
)

// CheckDomain implements postilion.v1.ConnectionService.
func (a *API) CheckDomain(ctx context.Context, req *postilionv1.CheckDomainRequest) (*postilionv1.CheckDomainResponse, error) {
	return nil, fault.Unauthenticated("not built yet", "")
}
