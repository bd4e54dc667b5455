package plugins

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"sync"
)

const hookSecret = "not to be seen anywhere"

// post is what a webhook has brought.
type post struct {
	ID         string   `json:"id"`
	From       string   `json:"from"`
	Recipients []string `json:"recipients"`
	Content    []byte   `json:"-"`
}

// receiver takes webhooks: it verifies the signature as the README of the
// example says.
type receiver struct {
	mu  sync.Mutex
	all []post
}

func (r *receiver) ServeHTTP(w http.ResponseWriter, request *http.Request) {
	body, err := io.ReadAll(request.Body)
	if err != nil || request.Method != http.MethodPost {
		return
	}
	mac := hmac.New(sha256.New, []byte(hookSecret))
	_, _ = io.WriteString(mac, request.Header.Get("Webhook-Id")+"."+request.Header.Get("Webhook-Timestamp")+".")
	_, _ = mac.Write(body)
	if request.Header.Get("Webhook-Signature") != "v1,"+base64.StdEncoding.EncodeToString(mac.Sum(nil)) {
		http.Error(w, "the signature is wrong", http.StatusUnauthorized)
		return
	}
	p, err := parse(body)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	r.mu.Lock()
	r.all = append(r.all, p)
	r.mu.Unlock()
	_, _ = io.WriteString(w, `{"refused": [
		{"recipient": "later@b.example", "reason": "mailbox busy", "temporary": true},
		{"recipient": "never@b.example", "reason": "no such user"}
	]}`)
}

// parse reads a post. The content is taken out before, since package json
// takes very long for tens of megabytes under the race detector.
func parse(body []byte) (p post, err error) {
	head, encoded, found := bytes.Cut(body, []byte(`,"content":"`))
	encoded, end, closed := bytes.Cut(encoded, []byte(`"`))
	if !found || !closed || string(end) != "}" {
		return p, errors.New("content is not the last field")
	}
	if err := json.Unmarshal(append(head[:len(head):len(head)], '}'), &p); err != nil {
		return p, err
	}
	p.Content, err = base64.StdEncoding.AppendDecode(nil, encoded)
	return p, err
}

func (r *receiver) posts() []post {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]post(nil), r.all...)
}
