package api

import (
	"context"
	"encoding/base64"
	"encoding/binary"
	"io"
	"strings"
	"time"
	"unicode"

	"github.com/google/uuid"
	"google.golang.org/grpc/codes"

	"github.com/postilion-mail/postilion/internal/intake"
	"github.com/postilion-mail/postilion/internal/outbox"
	"github.com/postilion-mail/postilion/internal/registry"
	postilionv1 "github.com/postilion-mail/postilion/proto/gen/postilion/v1"
	"github.com/postilion-mail/postilion/server/internal/auth"
	"github.com/postilion-mail/postilion/server/internal/convert"
	"github.com/postilion-mail/postilion/server/internal/fault"
)

const (
	defaultPage = 100
	maxPage     = 1000
)

// GetMessage implements postilion.v1.MessageService.
func (a *API) GetMessage(ctx context.Context, req *postilionv1.GetMessageRequest) (*postilionv1.GetMessageResponse, error) {
	caller := auth.From(ctx)
	id, err := messageID(req.GetId())
	if err != nil {
		return nil, err
	}
	view := req.GetView()
	if view == postilionv1.MessageView_MESSAGE_VIEW_CONTENT && !caller.Scopes.Has(registry.ScopeContent) {
		return nil, fault.Denied("the content of messages needs the scope content", "ask for another view, or let an administrator add the scope")
	}
	v, err := a.Store.Get(ctx, caller.Sees(), id)
	if err != nil {
		return nil, err
	}
	out := convert.StoredMessage(v, a)
	switch view {
	case postilionv1.MessageView_MESSAGE_VIEW_UNSPECIFIED, postilionv1.MessageView_MESSAGE_VIEW_BASIC:
		return &postilionv1.GetMessageResponse{Message: out}, nil
	case postilionv1.MessageView_MESSAGE_VIEW_FULL, postilionv1.MessageView_MESSAGE_VIEW_CONTENT:
	default:
		return nil, fault.Invalid("view", "has a value that this version does not know", "choose one of the API's values")
	}
	attempts, err := a.Store.Attempts(ctx, id)
	if err != nil {
		return nil, err
	}
	out.Attempts = convert.Attempts(attempts, a)
	if view == postilionv1.MessageView_MESSAGE_VIEW_CONTENT && v.ContentKept {
		if out.Content, err = a.raw(ctx, caller.Sees(), id); err != nil {
			return nil, err
		}
	}
	return &postilionv1.GetMessageResponse{Message: out}, nil
}

func (a *API) raw(ctx context.Context, client string, id uuid.UUID) ([]byte, error) {
	content, err := a.Store.Raw(ctx, client, id)
	if err != nil {
		return nil, err
	}
	defer content.Close()
	return io.ReadAll(io.NewSectionReader(content, 0, content.Size()))
}

// ListMessages implements postilion.v1.MessageService.
func (a *API) ListMessages(ctx context.Context, req *postilionv1.ListMessagesRequest) (*postilionv1.ListMessagesResponse, error) {
	f, err := a.filter(ctx, req)
	if err != nil {
		return nil, err
	}
	views, next, err := a.Store.List(ctx, f)
	if err != nil {
		return nil, err
	}
	out := &postilionv1.ListMessagesResponse{NextPageToken: pageToken(next)}
	for i := range views {
		out.Messages = append(out.Messages, convert.StoredMessage(&views[i], a))
	}
	return out, nil
}

func (a *API) filter(ctx context.Context, req *postilionv1.ListMessagesRequest) (outbox.Filter, error) {
	caller := auth.From(ctx)
	owner := caller.Client // who means a connection by its name
	f := outbox.Filter{
		Client: caller.Sees(), Recipient: req.GetRecipient(), Tag: req.GetTag(), MessageID: req.GetMessageId(),
	}
	if name := req.GetClient(); name != "" {
		client, ok := a.Registry.ClientNamed(name)
		if !ok || !caller.Admin() && client.ID != caller.Client {
			return f, fault.NotFound("client", name)
		}
		f.Client, owner = client.ID, client.ID
	}
	if name := req.GetConnection(); name != "" {
		connection, err := a.Registry.Get(owner, name)
		if err != nil {
			return f, err
		}
		f.Connection = connection.ID
	}
	for i, s := range req.GetStates() {
		if s <= 0 || s > postilionv1.MessageState_MESSAGE_STATE_SUPPRESSED {
			return f, fault.Invalid("states", "has a value that this version does not know", "choose one of the API's values")
		}
		f.States = append(f.States, outbox.State(req.GetStates()[i]))
	}
	if t := req.GetSince(); t != nil {
		f.Since = t.AsTime()
	}
	if t := req.GetUntil(); t != nil {
		f.Until = t.AsTime()
	}
	var err error
	if f.Limit, err = pageSize(req.GetPageSize()); err != nil {
		return f, err
	}
	f.Before, err = parsePageToken(req.GetPageToken())
	return f, err
}

func pageSize(n int32) (int, error) {
	switch {
	case n == 0:
		return defaultPage, nil
	case n < 0 || n > maxPage:
		return 0, fault.Invalid("page_size", "must be from 1 to 1000", "ask for the rest with page_token")
	}
	return int(n), nil
}

// pageToken hides the cursor, so that nobody does arithmetic with it.
func pageToken(cursor int64) string {
	if cursor == 0 {
		return ""
	}
	return base64.RawURLEncoding.EncodeToString(binary.BigEndian.AppendUint64(nil, uint64(cursor)))
}

func parsePageToken(token string) (int64, error) {
	if token == "" {
		return 0, nil
	}
	b, err := base64.RawURLEncoding.DecodeString(token)
	if err != nil || len(b) != 8 {
		return 0, fault.Invalid("page_token", "is none that this daemon has given", "begin again without it")
	}
	return int64(binary.BigEndian.Uint64(b)), nil
}

// ResendMessage implements postilion.v1.MessageService.
func (a *API) ResendMessage(ctx context.Context, req *postilionv1.ResendMessageRequest) (*postilionv1.ResendMessageResponse, error) {
	given, err := convert.Duration(req.GetExpiresAfter(), "expires_after")
	if err != nil {
		return nil, err
	}
	if given > intake.MaxLife {
		return nil, fault.Invalid("expires_after", "is more than 30 days", "give less")
	}
	m, err := a.operate(ctx, req.GetId(), func(client string, id uuid.UUID) (*outbox.View, error) {
		life := max(given, intake.OneAttempt)
		if req.GetExpiresAfter() == nil {
			view, err := a.Store.Get(ctx, client, id)
			if err != nil {
				return nil, err
			}
			life = a.life(view)
		}
		return a.Store.Retry(ctx, client, id, life)
	})
	return &postilionv1.ResendMessageResponse{Message: m}, err
}

// life is how long a message is tried if nobody says: as long as its
// connection wants, if that still is there.
func (a *API) life(v *outbox.View) time.Duration {
	if len(v.Chain) > 0 {
		if c, ok := a.Registry.Connection(v.Chain[0].Connection); ok && c.Retry.ExpiresAfter > 0 {
			return c.Retry.ExpiresAfter
		}
	}
	return a.Expiry
}

// CancelMessage implements postilion.v1.MessageService.
func (a *API) CancelMessage(ctx context.Context, req *postilionv1.CancelMessageRequest) (*postilionv1.CancelMessageResponse, error) {
	m, err := a.operate(ctx, req.GetId(), func(client string, id uuid.UUID) (*outbox.View, error) {
		return a.Store.Cancel(ctx, client, id)
	})
	return &postilionv1.CancelMessageResponse{Message: m}, err
}

// HoldMessage implements postilion.v1.MessageService.
func (a *API) HoldMessage(ctx context.Context, req *postilionv1.HoldMessageRequest) (*postilionv1.HoldMessageResponse, error) {
	reason := req.GetReason()
	if reason == "" {
		reason = "held by " + auth.From(ctx).Name
	}
	if len(reason) > 500 {
		return nil, fault.Invalid("reason", "is longer than 500 octets", "shorten it")
	}
	if strings.ContainsFunc(reason, unicode.IsControl) {
		return nil, fault.Invalid("reason", "has control characters", "give one line of text")
	}
	m, err := a.operate(ctx, req.GetId(), func(client string, id uuid.UUID) (*outbox.View, error) {
		return a.Store.Hold(ctx, client, id, reason)
	})
	return &postilionv1.HoldMessageResponse{Message: m}, err
}

// ReleaseMessage implements postilion.v1.MessageService. A message that is
// held because its connection was deleted has nowhere to go.
func (a *API) ReleaseMessage(ctx context.Context, req *postilionv1.ReleaseMessageRequest) (*postilionv1.ReleaseMessageResponse, error) {
	m, err := a.operate(ctx, req.GetId(), func(client string, id uuid.UUID) (*outbox.View, error) {
		view, err := a.Store.Get(ctx, client, id)
		if err != nil {
			return nil, err
		}
		if !a.leadsSomewhere(view) {
			return nil, fault.Fault{
				Code: codes.FailedPrecondition, Reason: "connection_deleted", Text: "the connections that the message would go through were deleted",
				Remedy: "send it anew through another connection, and cancel this one",
			}.Err()
		}
		return a.Store.ReleaseHeld(ctx, client, id)
	})
	return &postilionv1.ReleaseMessageResponse{Message: m}, err
}

func (a *API) leadsSomewhere(v *outbox.View) bool {
	for _, hop := range v.Chain {
		if _, ok := a.Registry.Connection(hop.Connection); ok {
			return true
		}
	}
	return false
}

// operate changes a message that the caller sees.
func (a *API) operate(ctx context.Context, text string, change func(client string, id uuid.UUID) (*outbox.View, error)) (*postilionv1.StoredMessage, error) {
	id, err := messageID(text)
	if err != nil {
		return nil, err
	}
	v, err := change(auth.From(ctx).Sees(), id)
	if err != nil {
		return nil, err
	}
	return convert.StoredMessage(v, a), nil
}
