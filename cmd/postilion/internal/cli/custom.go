package cli

import (
	"context"
	"maps"
	"strings"

	"google.golang.org/protobuf/types/known/structpb"

	postilionv1 "github.com/postilion-mail/postilion/proto/gen/postilion/v1"
	"github.com/postilion-mail/postilion/sdk"
)

// fitCustom gives settings of another transport than SMTP the type that the
// transport describes: --setting takes what looks like a number for one, and a
// name or token may look so.
func (s *settingFlags) fitCustom(ctx context.Context, client *sdk.Client, c *connection, transport string) {
	given := s.given["setting"].values
	if len(given) == 0 {
		return
	}
	answer, err := client.Admin.ListTransports(ctx, &postilionv1.ListTransportsRequest{})
	if err != nil {
		return // the daemon judges them as they are
	}
	texts := make(map[string]bool)
	for _, t := range answer.GetTransports() {
		for _, f := range t.GetFields() {
			if t.GetName() == transport && f.GetType() != "integer" && f.GetType() != "boolean" {
				texts[f.GetName()] = true
			}
		}
	}
	for _, value := range given {
		if name, content, _ := strings.Cut(value, "="); texts[name] {
			c.GetCustom().GetSettings().Fields[name] = structpb.NewStringValue(content)
		}
	}
}

// mergeCustom completes the given settings of another transport than SMTP by
// the stored ones: the API replaces all of them. The request is for what was
// stored here.
func (s *settingFlags) mergeCustom(ctx context.Context, client *sdk.Client, request *postilionv1.ConfigureRequest, stored *connection) {
	given, before := request.GetConnection().GetCustom(), stored.GetCustom()
	transport := given.GetTransport()
	if transport == "" {
		transport = before.GetTransport()
	}
	s.fitCustom(ctx, client, request.GetConnection(), transport)
	if given.GetSettings() == nil || before.GetSettings() == nil || transport != before.GetTransport() {
		return
	}
	merged := maps.Clone(before.GetSettings().GetFields())
	if merged == nil {
		return
	}
	maps.Copy(merged, given.GetSettings().GetFields())
	given.Settings = &structpb.Struct{Fields: merged}
	if request.Etag == "" {
		request.Etag = stored.GetEtag()
	}
}
