package cli

import (
	"fmt"
	"strings"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	postilionv1 "github.com/postilion-mail/postilion/proto/gen/postilion/v1"
)

// TestReleaseAll goes through all pages, releases what fits the reason, and
// tells of what cannot be released without stopping at it.
func TestReleaseAll(t *testing.T) {
	t.Parallel()
	held := func(id, reason string) *postilionv1.StoredMessage {
		return &postilionv1.StoredMessage{Id: id, Recipients: []*postilionv1.RecipientStatus{
			{State: postilionv1.MessageState_MESSAGE_STATE_SENT}, {State: postilionv1.MessageState_MESSAGE_STATE_HELD, Reason: reason},
		}}
	}
	pages := map[string]*postilionv1.ListMessagesResponse{
		"":  {NextPageToken: "2", Messages: []*postilionv1.StoredMessage{held("m4", "restored from a backup"), held("m3", "odd")}},
		"2": {Messages: []*postilionv1.StoredMessage{held("m2", "restored from a backup"), held("m1", "restored from a backup")}},
	}
	refuse := map[string]codes.Code{}
	d := start(t, map[string]any{
		"ListMessages": func(request proto.Message) (proto.Message, error) {
			return pages[request.(*postilionv1.ListMessagesRequest).GetPageToken()], nil
		},
		"ReleaseMessage": func(request proto.Message) (proto.Message, error) {
			id := request.(*postilionv1.ReleaseMessageRequest).GetId()
			if code, ok := refuse[id]; ok {
				return nil, status.Error(code, "no way for "+id)
			}
			return &postilionv1.ReleaseMessageResponse{Message: &postilionv1.StoredMessage{Id: id}}, nil
		},
	})
	d.run(t, "messages", "release", "--all").want(t, 0, "4 of 4 messages are released")
	d.run(t, "messages", "release", "--all", "--reason", "restored").want(t, 0, "3 of 3")
	if out := d.run(t, "messages", "release", "--all", "--json").out; strings.Count(out, "\n") != 4 {
		t.Errorf("%s", out)
	}
	refuse["m2"] = codes.FailedPrecondition
	d.run(t, "messages", "release", "--all").want(t, exitFailed, "3 of 4", "m2 no way for m2")
	for n := range 4 {
		refuse[fmt.Sprint("m", n+1)] = codes.Unavailable
	}
	d.run(t, "messages", "release", "--all").want(t, exitUnavailable)
	d.run(t, "messages", "release", "--all", "m1").want(t, exitUsage)
	d.run(t, "messages", "release").want(t, exitUsage)
}
