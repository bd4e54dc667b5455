package main

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/postilion-mail/postilion/plugin"
	"github.com/postilion-mail/postilion/plugin/plugintest"
)

const testSecret = "not to be seen anywhere"

// TestMain serves as the plugin in TestConformance.
func TestMain(m *testing.M) {
	plugintest.Main(m, func() plugin.Transport { return transport{allowLocal: true} })
}

// What is demanded of all transports, in this process and in another.
func TestConformance(t *testing.T) {
	t.Parallel()
	for name, make := range map[string]func(*testing.T) plugin.Transport{
		"in process": func(*testing.T) plugin.Transport { return transport{allowLocal: true} },
		"process":    func(t *testing.T) plugin.Transport { return plugintest.Process(t) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := receive(t)
			stalled := with("url", silent(t))
			plugintest.Run(t, plugintest.Subject{
				Transport: make(t),
				Settings:  with("url", r.URL),
				Recipient: "jane@b.example",
				Mixed: map[string]plugin.Class{
					"jane@b.example": plugin.Accepted, "later@b.example": plugin.Temporary, "never@b.example": plugin.Permanent,
				},
				Bad: map[string]plugin.Settings{
					"url":     with("url", "ftp://b.example"),
					"secret":  {Values: map[string]any{"url": r.URL}, Secrets: map[string]string{"secret": "short"}},
					"timeout": {Values: map[string]any{"url": r.URL, "timeout": "0s"}, Secrets: map[string]string{"secret": testSecret}},
				},
				Arrived: r.contents,
				Stalled: &stalled,
			})
		})
	}
}

func with(name string, value any) plugin.Settings {
	return plugin.Settings{Connection: "test", Values: map[string]any{"timeout": "5m", name: value}, Secrets: map[string]string{"secret": testSecret}}
}

// receiver is what a receiver of webhooks should be: it verifies signatures
// and takes each webhook-id once.
type receiver struct {
	*httptest.Server
	answer http.HandlerFunc // instead, if set

	mu       sync.Mutex
	messages map[string]message // by webhook-id
}

func receive(t *testing.T) *receiver {
	r := &receiver{messages: make(map[string]message)}
	r.Server = httptest.NewServer(r)
	t.Cleanup(r.Close)
	return r
}

func (r *receiver) ServeHTTP(w http.ResponseWriter, request *http.Request) {
	if request.Method != http.MethodPost {
		http.Error(w, "post", http.StatusMethodNotAllowed)
		return
	}
	body, err := io.ReadAll(request.Body)
	if err != nil {
		return
	}
	id, stamp := request.Header.Get("Webhook-Id"), request.Header.Get("Webhook-Timestamp")
	if request.Header.Get("Webhook-Signature") != "v1,"+signature(testSecret, id, stamp, body) {
		http.Error(w, "the signature is wrong", http.StatusUnauthorized)
		return
	}
	if r.answer != nil {
		r.answer(w, request)
		return
	}
	m, err := parse(body)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	r.mu.Lock()
	r.messages[id] = m
	r.mu.Unlock()
	_, _ = io.WriteString(w, `{"refused": [
		{"recipient": "later@b.example", "reason": "mailbox busy", "temporary": true},
		{"recipient": "never@b.example", "reason": "no such user"}
	]}`)
}

// parse reads a message. The content is taken out before, since package json
// takes very long for tens of megabytes under the race detector.
func parse(body []byte) (m message, err error) {
	head, encoded, found := bytes.Cut(body, []byte(`,"content":"`))
	encoded, end, closed := bytes.Cut(encoded, []byte(`"`))
	if !found || !closed || string(end) != "}" {
		return m, errors.New("content is not the last field")
	}
	if err := json.Unmarshal(append(head[:len(head):len(head)], '}'), &m); err != nil {
		return m, err
	}
	m.Content, err = base64.StdEncoding.AppendDecode(nil, encoded)
	return m, err
}

func (r *receiver) contents(*testing.T) []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	var all []string
	for _, m := range r.messages {
		all = append(all, string(m.Content))
	}
	return all
}

// silent takes connections and says nothing.
func silent(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	return "http://" + l.Addr().String()
}

const content = "Subject: Hello\r\n\r\nHello.\r\n"

// deliver sends a message to two recipients and gives the first's outcome.
func deliver(t *testing.T, tr transport, url string, committing func() error) (plugin.Outcome, error) {
	t.Helper()
	i, err := tr.Open(t.Context(), with("url", url))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = i.Close() }()
	d := &plugin.Delivery{ID: "one", Attempt: 1, Content: strings.NewReader(content), Size: int64(len(content)), Envelope: plugin.Envelope{
		Recipients: []plugin.Recipient{{Address: "jane@b.example"}, {Address: "joe@b.example"}},
	}}
	committed := false
	outcomes, err := i.Deliver(t.Context(), d, func() error {
		committed = true
		return committing()
	})
	all := plugin.Settle(outcomes, err, 2, committed)
	if all[0] != all[1] {
		t.Errorf("the outcomes differ: %+v", all)
	}
	return all[0], err
}

func commit() error { return nil }

func TestAnswers(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		status int
		wait   string
		class  plugin.Class
		blame  plugin.Blame
		after  time.Duration
	}{
		{200, "", plugin.Accepted, plugin.BlameNone, 0},
		{202, "", plugin.Accepted, plugin.BlameNone, 0},
		{302, "", plugin.Temporary, plugin.BlameConnection, 0},
		{400, "", plugin.Permanent, plugin.BlameContent, 0},
		{401, "", plugin.Temporary, plugin.BlameAuth, 0},
		{403, "", plugin.Temporary, plugin.BlameAuth, 0},
		{404, "", plugin.Temporary, plugin.BlameConnection, 0},
		{408, "", plugin.Temporary, plugin.BlameServer, 0},
		{413, "", plugin.Permanent, plugin.BlameContent, 0},
		{422, "", plugin.Permanent, plugin.BlameContent, 0},
		{429, "120", plugin.Temporary, plugin.BlameLimit, 2 * time.Minute},
		{429, "soon", plugin.Temporary, plugin.BlameLimit, 0},
		{500, "", plugin.Temporary, plugin.BlameServer, 0},
		{503, "7", plugin.Temporary, plugin.BlameServer, 7 * time.Second},
	} {
		t.Run(fmt.Sprint(test.status, test.wait), func(t *testing.T) {
			t.Parallel()
			r := receive(t)
			r.answer = func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Location", "/elsewhere")
				w.Header().Set("Retry-After", test.wait)
				w.WriteHeader(test.status)
				_, _ = io.WriteString(w, "what it says\nand more")
			}
			o, err := deliver(t, transport{allowLocal: true}, r.URL, commit)
			if err != nil || o.Class != test.class || o.Blame != test.blame || o.RetryAfter != test.after {
				t.Errorf("%+v, error %v", o, err)
			}
			if o.Class != plugin.Accepted && (!strings.Contains(o.Reply, "what it says") || strings.Contains(o.Reply, "and more")) {
				t.Errorf("reply %q", o.Reply)
			}
		})
	}
}

// Before the message has left nothing can have happened; after it, it may.
func TestPointOfNoReturn(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	nobody := "http://" + l.Addr().String()
	_ = l.Close()
	never := func() error { t.Error("committing was called"); return nil }
	if o, _ := deliver(t, transport{allowLocal: true}, nobody, never); o.Class != plugin.Temporary || o.Blame != plugin.BlameNetwork {
		t.Errorf("nobody there: %+v", o)
	}
	r := receive(t)
	if o, _ := deliver(t, transport{}, r.URL, never); o.Class != plugin.Temporary || !strings.Contains(o.Reply, "-allow-local") {
		t.Errorf("an address of this machine: %+v", o)
	}
	refusal := errors.New("taken back")
	if o, err := deliver(t, transport{allowLocal: true}, r.URL, func() error { return refusal }); !errors.Is(err, refusal) || o.Class == plugin.Accepted {
		t.Errorf("taken back: %+v, error %v", o, err)
	}
	if n := len(r.contents(t)); n != 0 {
		t.Errorf("%d messages arrived that were not to", n)
	}
	r.answer = func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }
	if o, _ := deliver(t, transport{allowLocal: true}, r.URL, commit); o.Class != plugin.Unknown || o.Blame != plugin.BlameNetwork {
		t.Errorf("no answer: %+v", o)
	}
}

// The example of Standard Webhooks' own documentation.
func TestSignature(t *testing.T) {
	t.Parallel()
	got := signature("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "msg_p5jXN8AQM9LWM0D4loKWxJek", "1614265330", []byte(`{"test": 2432232314}`))
	if want := "g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="; got != want {
		t.Errorf("%s, want %s", got, want)
	}
}

// A repetition has the same id; a message for others has not.
func TestDeliveryID(t *testing.T) {
	t.Parallel()
	id := func(recipients ...string) string { return deliveryID(&message{ID: "one", Recipients: recipients}) }
	if id("a@x", "b@x") != id("b@x", "a@x") || id("a@x") == id("a@x", "b@x") || !strings.HasPrefix(id("a@x"), "one.") {
		t.Errorf("ids %s %s %s", id("a@x", "b@x"), id("b@x", "a@x"), id("a@x"))
	}
}

func TestRetryAfter(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	for text, want := range map[string]time.Duration{
		"": 0, "-1": 0, "90": 90 * time.Second, "99999999999999": 0,
		"Fri, 02 Jan 2026 03:05:05 GMT": time.Minute, "Fri, 02 Jan 2026 03:00:00 GMT": 0,
	} {
		if got := retryAfter(text, now); got != want {
			t.Errorf("%q: %s, want %s", text, got, want)
		}
	}
}
