package main

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/postilion-mail/postilion/plugin"
)

// maxAnswer is how much of the receiver's answer is read, in octets.
const maxAnswer = 1 << 20

// message is what is posted.
type message struct {
	ID         string   `json:"id"`
	Attempt    int      `json:"attempt"`
	From       string   `json:"from"` // of the envelope
	Recipients []string `json:"recipients"`
	Content    []byte   `json:"content"` // RFC 5322, in base64
}

// verdict is what the receiver may answer about single recipients, beside 200.
type verdict struct {
	Refused []struct {
		Recipient string `json:"recipient"`
		Reason    string `json:"reason"`
		Temporary bool   `json:"temporary"`
	} `json:"refused"`
}

// Deliver implements plugin.Instance.
func (i *instance) Deliver(ctx context.Context, d *plugin.Delivery, committing func() error) ([]plugin.Outcome, error) {
	m := message{ID: d.ID, Attempt: d.Attempt, From: d.Envelope.From, Content: make([]byte, d.Size)}
	for _, r := range d.Envelope.Recipients {
		m.Recipients = append(m.Recipients, r.Address)
	}
	if n, err := d.Content.ReadAt(m.Content, 0); int64(n) < d.Size {
		return nil, fmt.Errorf("content: %w", err)
	}
	body, err := json.Marshal(m)
	if err != nil {
		return nil, err
	}
	ctx, cancel := i.call(ctx)
	defer cancel()
	commit := &commitReader{Reader: bytes.NewReader(body), committing: committing}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, i.URL, commit)
	if err != nil {
		return nil, err
	}
	request.ContentLength = int64(len(body))
	request.Header.Set("Content-Type", "application/json")
	i.sign(request.Header, deliveryID(&m), time.Now(), body)
	response, err := i.client.Do(request)
	asked, refused := commit.finish()
	switch {
	case refused != nil:
		return nil, refused
	case err != nil && !asked:
		return nil, &plugin.DeliveryError{Outcome: unreachable(err), Err: err}
	case err != nil:
		return nil, lost(err)
	}
	defer response.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(response.Body, maxAnswer))
	if response.StatusCode/100 != 2 {
		return plugin.ForAll(d, refusal(response, answer)), nil
	}
	if err != nil {
		return nil, lost(err) // what it says of single recipients is not known
	}
	return accepted(d, response, answer), nil
}

// commitReader asks for permission before the first octet of the message
// leaves. The HTTP client reads it when the connection is there, and may do so
// while it gives up.
type commitReader struct {
	io.Reader
	committing func() error

	mu      sync.Mutex
	asked   bool
	refused error
}

func (r *commitReader) Read(p []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.asked {
		r.asked = true
		r.refused = r.committing()
	}
	if r.refused != nil {
		return 0, r.refused
	}
	return r.Reader.Read(p)
}

// finish says how it went. Nothing is asked afterwards.
func (r *commitReader) finish() (asked bool, refused error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	asked, refused = r.asked, r.refused
	r.asked, r.refused = true, errFinished
	return asked, refused
}

var errFinished = errors.New("the delivery is over")

// deliveryID tells a receiver what it has had already. It is not the message's
// id alone: a later attempt may be for some of the recipients only.
func deliveryID(m *message) string {
	recipients := slices.Sorted(slices.Values(m.Recipients))
	sum := sha256.Sum256([]byte(strings.Join(recipients, "\n")))
	return fmt.Sprintf("%s.%x", m.ID, sum[:8])
}

// sign puts the headers of Standard Webhooks on a request.
func (i *instance) sign(h http.Header, id string, now time.Time, body []byte) {
	stamp := strconv.FormatInt(now.Unix(), 10)
	h.Set("Webhook-Id", id)
	h.Set("Webhook-Timestamp", stamp)
	h.Set("Webhook-Signature", "v1,"+signature(i.Secret, id, stamp, body))
}

// signature is the HMAC of a request in base64. Octets of the secret are the
// key; the standard's form "whsec_..." has them in base64.
func signature(secret, id, stamp string, body []byte) string {
	key := []byte(secret)
	if text, ok := strings.CutPrefix(secret, "whsec_"); ok {
		if decoded, err := base64.StdEncoding.DecodeString(text); err == nil {
			key = decoded
		}
	}
	mac := hmac.New(sha256.New, key)
	fmt.Fprintf(mac, "%s.%s.", id, stamp)
	mac.Write(body)
	return base64.StdEncoding.EncodeToString(mac.Sum(nil))
}

// accepted gives the outcomes of an answer with a status of 200 to 299.
func accepted(d *plugin.Delivery, response *http.Response, answer []byte) []plugin.Outcome {
	outcomes := plugin.ForAll(d, plugin.AcceptedOutcome(response.Status))
	var v verdict
	if json.Unmarshal(answer, &v) != nil {
		return outcomes // it is free to say anything
	}
	for n, r := range d.Envelope.Recipients {
		for _, refused := range v.Refused {
			switch {
			case refused.Recipient != r.Address:
			case refused.Temporary:
				outcomes[n] = plugin.TemporaryOutcome(plugin.BlameRecipient, plugin.PhaseRecipient, refused.Reason)
			default:
				outcomes[n] = plugin.PermanentOutcome(plugin.BlameRecipient, plugin.PhaseRecipient, refused.Reason)
			}
		}
	}
	return outcomes
}

// refusal tells what another status means. What has to do with the URL and the
// secret is the connection's trouble and never a message's end.
func refusal(response *http.Response, answer []byte) plugin.Outcome {
	line, _, _ := strings.Cut(strings.TrimSpace(string(answer)), "\n")
	text := strings.TrimSpace(fmt.Sprintf("%s %.500s", response.Status, line))
	o := plugin.TemporaryOutcome(plugin.BlameServer, plugin.PhaseContent, text)
	switch status := response.StatusCode; {
	case status == http.StatusUnauthorized || status == http.StatusForbidden:
		o.Blame = plugin.BlameAuth
	case status == http.StatusTooManyRequests:
		o.Blame = plugin.BlameLimit
	case status == http.StatusRequestTimeout || status == http.StatusTooEarly:
	case status < 400:
		o.Blame, o.Reply = plugin.BlameConnection, text+": redirects are not followed, set url to where the receiver is"
	case status == http.StatusNotFound || status == http.StatusMethodNotAllowed || status == http.StatusGone:
		o.Blame = plugin.BlameConnection
	case status < 500:
		o = plugin.PermanentOutcome(plugin.BlameContent, plugin.PhaseContent, text)
	}
	o.RetryAfter = retryAfter(response.Header.Get("Retry-After"), time.Now())
	return o
}

// retryAfter reads seconds or a date (RFC 9110 section 10.2.3); 0 if there is
// neither.
func retryAfter(text string, now time.Time) time.Duration {
	if seconds, err := strconv.ParseUint(text, 10, 31); err == nil {
		return time.Duration(seconds) * time.Second
	}
	if date, err := http.ParseTime(text); err == nil {
		return max(0, date.Sub(now))
	}
	return 0
}

// unreachable is the outcome when the receiver was not reached.
func unreachable(err error) plugin.Outcome {
	o := plugin.TemporaryOutcome(plugin.BlameNetwork, plugin.PhaseConnect, "the receiver cannot be reached: "+cause(err))
	o.Inferred = true
	return o
}

// lost is the error when the message has left and no whole answer came. The
// webhook-id makes a repetition harmless.
func lost(err error) error {
	return &plugin.DeliveryError{Err: err, Outcome: plugin.Outcome{
		Class: plugin.Unknown, Blame: plugin.BlameNetwork, Phase: plugin.PhaseContent, Inferred: true,
		Reply: "the receiver did not answer: " + cause(err),
	}}
}

// cause is an error without the URL, which may hold what is not to be shown.
func cause(err error) string {
	if u := (*url.Error)(nil); errors.As(err, &u) {
		err = u.Err
	}
	return err.Error()
}
