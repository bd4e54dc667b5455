package smtp

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"strings"
	"testing"

	"github.com/postilion-mail/postilion/internal/smtptest"
	"github.com/postilion-mail/postilion/plugin"
)

const testPassword = "correct horse battery"

const shortContent = "Subject: hello\r\n\r\n.dot\r\nBody.\r\n"

// setup is what a test opens an instance with.
type setup struct {
	values  map[string]any
	secrets map[string]string
	options Options
}

// against makes settings for a real server, with the account "user" if it has
// one of that name.
func against(server *smtptest.Server) setup {
	return setup{
		values: map[string]any{
			"host": "127.0.0.1", "port": float64(server.Port()), "ca_certificates": server.CA().PEM(),
			"hello_name": "client.example", "username": "user",
		},
		secrets: map[string]string{"password": testPassword},
	}
}

// plainly makes settings for a scripted server without TLS or authentication.
func plainly(server *smtptest.Scripted) setup {
	return setup{values: map[string]any{
		"host": "127.0.0.1", "port": float64(server.Port()), "security": "none", "hello_name": "client.example",
	}}
}

// piped makes settings for a scripted server over a net.Pipe.
func piped(server *smtptest.Scripted) setup {
	return setup{
		values:  map[string]any{"host": "127.0.0.1", "security": "none", "hello_name": "client.example"},
		options: Options{Dial: server.Dial},
	}
}

func (s setup) with(pairs ...any) setup {
	s.values = maps.Clone(s.values)
	for i := 0; i < len(pairs); i += 2 {
		s.values[pairs[i].(string)] = pairs[i+1]
	}
	return s
}

func (s setup) open(t testing.TB) *instance {
	t.Helper()
	opened, err := New(s.options).Open(context.Background(), plugin.Settings{Connection: "test", Values: s.values, Secrets: s.secrets})
	if err != nil {
		t.Fatalf("open: %v", err)
	}
	t.Cleanup(func() { _ = opened.Close() })
	return opened.(*instance)
}

func delivery(content string, to ...string) *plugin.Delivery {
	d := &plugin.Delivery{
		ID: "m1", Attempt: 1, Envelope: plugin.Envelope{From: "from@a.example"},
		Content: strings.NewReader(content), Size: int64(len(content)),
	}
	for _, address := range to {
		d.Envelope.Recipients = append(d.Envelope.Recipients, plugin.Recipient{Address: address})
	}
	for i := range len(content) {
		d.EightBit = d.EightBit || content[i] > 127
	}
	return d
}

// result is what came of a delivery.
type result struct {
	outcomes []plugin.Outcome
	err      error
	commits  int
}

func send(t testing.TB, i *instance, d *plugin.Delivery) result {
	t.Helper()
	var r result
	r.outcomes, r.err = i.Deliver(context.Background(), d, func() error { r.commits++; return nil })
	if len(r.outcomes) != len(d.Envelope.Recipients) {
		t.Fatalf("%d outcomes for %d recipients, error %v", len(r.outcomes), len(d.Envelope.Recipients), r.err)
	}
	for n, o := range r.outcomes {
		if o.Class == plugin.ClassUnspecified {
			t.Errorf("recipient %d has no outcome", n)
		}
	}
	return r
}

// String sums up the outcomes, such as "accepted temporary/network".
func (r result) String() string {
	var all []string
	for _, o := range r.outcomes {
		s := o.Class.String()
		if o.Blame != plugin.BlameNone {
			s += "/" + o.Blame.String()
		}
		all = append(all, s)
	}
	return strings.Join(all, " ")
}

func (r result) expect(t testing.TB, want string) {
	t.Helper()
	if got := r.String(); got != want {
		t.Errorf("outcomes %q, want %q; error %v; %s", got, want, r.err, replies(r.outcomes))
	}
}

func replies(outcomes []plugin.Outcome) string {
	var b strings.Builder
	for _, o := range outcomes {
		fmt.Fprintf(&b, "[%s: %s] ", o.Phase, o.Reply)
	}
	return b.String()
}

// everything are the capabilities of a modern server.
func everything(more ...string) []string {
	return append([]string{"PIPELINING", "SIZE 10000000", "8BITMIME", "SMTPUTF8", "DSN", "ENHANCEDSTATUSCODES", "CHUNKING"}, more...)
}

// without gives all of list but some.
func without(list []string, names ...string) []string {
	var rest []string
	for _, entry := range list {
		keep := true
		for _, name := range names {
			keep = keep && !strings.HasPrefix(entry, name)
		}
		if keep {
			rest = append(rest, entry)
		}
	}
	return rest
}

func checkContent(t testing.TB, got, want string) {
	t.Helper()
	if got != want {
		t.Errorf("content of %d octets, want %d; begins %.60q", len(got), len(want), got)
	}
}

func fault(t testing.TB, err error) plugin.Outcome {
	t.Helper()
	var f *plugin.DeliveryError
	if !errors.As(err, &f) {
		t.Fatalf("error %v is no *plugin.DeliveryError", err)
	}
	return f.Outcome
}

// bigContent makes canonical content of n octets with dots at line starts.
func bigContent(n int) string {
	const head = "Subject: big\r\n\r\n"
	const line = ".line of a long message ........................................\r\n"
	lines := max(0, n-len(head)-2) / len(line)
	text := head + strings.Repeat(line, lines)
	return text + strings.Repeat("x", max(0, n-len(text)-2)) + "\r\n"
}
