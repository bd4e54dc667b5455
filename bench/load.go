package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os/exec"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/types/known/timestamppb"

	postilionv1 "github.com/postilion-mail/postilion/proto/gen/postilion/v1"
	"github.com/postilion-mail/postilion/sdk"
)

// smallSize is that of the text of nearly all messages.
const smallSize = 2048

// text is a plain text of that many octets.
func text(size int) string {
	const line = "All happy families are alike; every mail queue is unhappy in its own way.\n"
	return strings.Repeat(line, size/len(line)+1)[:size-1] + "\n"
}

// letter is the request that most tables send. The recipient is numbered.
func letter(n int, later bool) *postilionv1.SendRequest {
	r := &postilionv1.SendRequest{Content: &postilionv1.SendRequest_Message{Message: &postilionv1.StructuredMessage{
		From:    &postilionv1.Address{Address: "from@example.com", Name: "The Shop"},
		To:      []*postilionv1.Address{{Address: fmt.Sprintf("to%d@example.net", n)}},
		Subject: "Your order", Text: text(smallSize),
	}}}
	if later {
		r.SendAt = timestamppb.New(time.Now().Add(24 * time.Hour))
	}
	return r
}

// sender hands over one message and returns when it was accepted.
type sender func(ctx context.Context, r *postilionv1.SendRequest) error

// byGRPC sends with the Go client.
func byGRPC(client *sdk.Client) sender {
	return func(ctx context.Context, r *postilionv1.SendRequest) error {
		_, err := client.Mailer.Send(ctx, r)
		return err
	}
}

// byJSON sends over HTTP.
func byJSON(client *http.Client, token string) sender {
	return func(ctx context.Context, r *postilionv1.SendRequest) error {
		body, err := protojson.Marshal(r)
		if err != nil {
			return err
		}
		return postJSON(ctx, client, token, body)
	}
}

func postJSON(ctx context.Context, client *http.Client, token string, body []byte) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://postilion/postilion.v1.MailerService/Send", bytes.NewReader(body))
	if err != nil {
		return err
	}
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("Authorization", "Bearer "+token)
	answer, err := client.Do(request)
	if err != nil {
		return err
	}
	defer func() { _ = answer.Body.Close() }()
	said, err := io.ReadAll(answer.Body)
	if err == nil && answer.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %s", answer.Status, said)
	}
	if !json.Valid(said) {
		err = errors.Join(err, errors.New("the answer is not JSON"))
	}
	return err
}

// each calls send for the numbers below n, from a number of goroutines, and
// gives the duration of each call.
func each(ctx context.Context, n, callers int, send func(ctx context.Context, i int) error) ([]time.Duration, error) {
	times := make([]time.Duration, n)
	var next atomic.Int64
	group, ctx := errgroup.WithContext(ctx)
	for range callers {
		group.Go(func() error {
			for i := int(next.Add(1)) - 1; i < n; i = int(next.Add(1)) - 1 {
				began := time.Now()
				if err := send(ctx, i); err != nil {
					return err
				}
				times[i] = time.Since(began)
			}
			return nil
		})
	}
	return times, group.Wait()
}

// batch sends over one SendBatch stream with so many messages under way.
func batch(ctx context.Context, client *sdk.Client, n, underWay int, request func(i int) *postilionv1.SendRequest) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	stream, err := client.Mailer.SendBatch(ctx)
	if err != nil {
		return err
	}
	room := make(chan struct{}, underWay)
	sent := make(chan error, 1)
	go func() {
		for i := range n {
			select {
			case room <- struct{}{}:
			case <-ctx.Done():
				sent <- ctx.Err()
				return
			}
			if err := stream.Send(&postilionv1.SendBatchRequest{CorrelationId: strconv.Itoa(i), Send: request(i)}); err != nil {
				sent <- err
				return
			}
		}
		sent <- stream.CloseSend()
	}()
	for range n {
		answer, err := stream.Recv()
		if err != nil {
			return err
		}
		if failed := answer.GetError(); failed != nil {
			return fmt.Errorf("item %s: %s", answer.GetCorrelationId(), failed.GetMessage())
		}
		<-room
	}
	return <-sent
}

// smtpSource runs Postfix's smtp-source: a new connection for each message, or
// with keep one connection for each session.
func smtpSource(ctx context.Context, address string, n, sessions int, keep bool) error {
	args := []string{"-s", strconv.Itoa(sessions), "-m", strconv.Itoa(n), "-l", strconv.Itoa(smallSize), "-f", "from@example.com", "-t", "to@example.net"}
	if keep {
		args = append(args, "-d")
	}
	_, err := run(ctx, exec.Command("/usr/sbin/smtp-source", append(args, address)...))
	return err
}
