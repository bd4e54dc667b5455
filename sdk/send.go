package sdk

import (
	"context"
	"crypto/rand"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/connectivity"

	postilionv1 "github.com/postilion-mail/postilion/proto/gen/postilion/v1"
)

const (
	retryPause    = 100 * time.Millisecond
	retryPatience = 2 * time.Second
)

// Send hands over a message. When it returns without an error, the message is
// on stable storage and will be delivered, or fail visibly. The error is an
// *Error; then the message was not accepted, unless the answer was lost, which
// a repetition with the same Options.Key makes sure of.
func (c *Client) Send(ctx context.Context, message *Message) (*Receipt, error) {
	return c.send(ctx, message.Request())
}

// SendRaw hands over a message that is composed already, as Send does.
func (c *Client) SendRaw(ctx context.Context, raw *Raw) (*Receipt, error) {
	return c.send(ctx, raw.Request())
}

// send makes the call, and once more if the daemon was away: the key makes
// that safe whatever became of the first.
func (c *Client) send(ctx context.Context, request *postilionv1.SendRequest) (*Receipt, error) {
	if request.IdempotencyKey == "" {
		request.IdempotencyKey = rand.Text()
	}
	receipt, err := c.Mailer.Send(ctx, request)
	if err == nil {
		return receipt, nil
	}
	failure := AsError(err)
	if failure.Code != codes.Unavailable || !c.ready(ctx, failure.RetryAfter) {
		return nil, failure
	}
	receipt, err = c.Mailer.Send(ctx, request)
	if err != nil {
		return nil, AsError(err)
	}
	return receipt, nil
}

// ready waits a moment until the daemon can be asked again; false if that
// takes too long.
func (c *Client) ready(ctx context.Context, pause time.Duration) bool {
	pause = max(pause, retryPause)
	if pause > retryPatience {
		return false
	}
	ctx, cancel := context.WithTimeout(ctx, retryPatience)
	defer cancel()
	select {
	case <-time.After(pause):
	case <-ctx.Done():
		return false
	}
	for state := c.conn.GetState(); state != connectivity.Ready; state = c.conn.GetState() {
		if state == connectivity.Shutdown {
			return false
		}
		c.conn.Connect()
		if !c.conn.WaitForStateChange(ctx, state) {
			return false
		}
	}
	return true
}
