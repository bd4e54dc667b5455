package kill

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/encoding/protojson"

	postilionv1 "github.com/postilion-mail/postilion/proto/gen/postilion/v1"
	"github.com/postilion-mail/postilion/sdk"
)

// entry is what the senders know of a message. The token is its subject, its
// idempotency key and part of its recipients' addresses.
type entry struct {
	token      string
	recipients []string
	raw        []byte
	answered   bool // OK, or exit 0
	replayed   bool
}

// big is the size of every 16th message: it is kept as a file of its own.
const big = 150 << 10

// compose makes the nth message of a run.
func compose(seed uint64, n int) *entry {
	random := rand.New(rand.NewPCG(seed, uint64(n)))
	e := &entry{token: fmt.Sprintf("m%06d-%08x", n, random.Uint32())}
	e.recipients = []string{"a-" + e.token + "@sink.example"}
	if n%5 == 0 {
		e.recipients = append(e.recipients, "b-"+e.token+"@sink.example", "later-"+e.token+"@sink.example")
	}
	size := 500 + random.IntN(3000)
	if n%16 == 0 {
		size = big + random.IntN(big)
	}
	var body bytes.Buffer
	for body.Len() < size {
		fmt.Fprintf(&body, "%016x%016x%016x\n", random.Uint64(), random.Uint64(), random.Uint64())
	}
	id := ""
	if n%2 == 0 {
		id = "Message-ID: <" + e.token + "@load.example>\n"
	}
	e.raw = fmt.Appendf(nil, "From: load@load.example\nTo: %s\nSubject: %s\n%s%s: %s\n\n%s",
		e.recipients[0], e.token, id, sumField, sum(body.Bytes()), body.Bytes())
	return e
}

func (e *entry) request() *postilionv1.SendRequest {
	from := "load@load.example"
	envelope := &postilionv1.Envelope{From: &from}
	for _, r := range e.recipients {
		envelope.Recipients = append(envelope.Recipients, &postilionv1.EnvelopeRecipient{Address: r})
	}
	return &postilionv1.SendRequest{
		IdempotencyKey: e.token,
		Content:        &postilionv1.SendRequest_Raw{Raw: &postilionv1.RawMessage{Content: e.raw, Envelope: envelope}},
	}
}

// load is a number of senders that work as much as they are allowed to, through
// all lives of the daemon.
type load struct {
	place
	seed   uint64
	grpc   *sdk.Client
	http   *http.Client
	cancel context.CancelCauseFunc
	wait   sync.WaitGroup

	// power is held for reading while sendmail runs, under the context live,
	// which ends with the power.
	power sync.RWMutex
	live  context.Context
	die   context.CancelFunc

	mu       sync.Mutex
	allowed  int
	begun    int
	finished int
	ended    bool
	wake     chan struct{} // closed and replaced at each change
	ledger   map[string]*entry
	order    []*entry // those that were answered, in that order
	arrived  int      // those of order that are known to have arrived
	refused  int      // sendmail that said no
	replayed int
}

func startLoad(ctx context.Context, p place, seed uint64, senders int) (*load, error) {
	client, err := dial(p.grpcSocket())
	if err != nil {
		return nil, err
	}
	l := &load{place: p, seed: seed, grpc: client, wake: make(chan struct{}), ledger: make(map[string]*entry)}
	l.http = &http.Client{Timeout: patience, Transport: &http.Transport{
		MaxIdleConnsPerHost: senders,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "unix", p.httpSocket())
		},
	}}
	ctx, l.cancel = context.WithCancelCause(ctx)
	l.live, l.die = context.WithCancel(context.WithoutCancel(ctx))
	for range senders {
		l.wait.Go(func() {
			for n := range l.tickets(ctx) {
				if err := l.deliver(ctx, n); err != nil {
					l.cancel(err)
					return
				}
			}
		})
	}
	return l, nil
}

// tickets gives numbers of messages as they are allowed, until the end.
func (l *load) tickets(ctx context.Context) func(func(int) bool) {
	return func(yield func(int) bool) {
		for ctx.Err() == nil {
			l.mu.Lock()
			n, ok, ended, wake := l.begun, l.begun < l.allowed, l.ended, l.wake
			if ok {
				l.begun++
			}
			l.mu.Unlock()
			if ok {
				if !yield(n) {
					return
				}
				continue
			}
			if ended {
				return
			}
			select {
			case <-wake:
			case <-ctx.Done():
			}
		}
	}
}

// change does something to the counts and tells who waits.
func (l *load) change(f func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	f()
	close(l.wake)
	l.wake = make(chan struct{})
}

// allow lets n more messages be sent.
func (l *load) allow(n int) { l.change(func() { l.allowed += n }) }

// state gives how many were answered, whether no sender is at work, and a
// channel that is closed when that changes.
func (l *load) state() (answered int, idle bool, changed <-chan struct{}) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.order), l.finished == l.allowed, l.wake
}

// end waits until all that was allowed is done.
func (l *load) end() {
	l.change(func() { l.ended = true })
	l.wait.Wait()
	l.cancel(nil)
	l.die()
	l.http.CloseIdleConnections()
	_ = l.grpc.Close()
}

// deliver sends a message until it is answered. sendmail has no key of ours,
// so a message that it refuses is given up.
func (l *load) deliver(ctx context.Context, n int) error {
	e := compose(l.seed, n)
	l.mu.Lock()
	l.ledger[e.token] = e
	l.mu.Unlock()
	var err error
	switch n % 4 {
	case 0, 1:
		err = l.insist(ctx, e, l.byGRPC)
	case 2:
		err = l.insist(ctx, e, l.byJSON)
	default:
		err = l.bySendmail(ctx, e)
	}
	l.change(func() {
		l.finished++
		e.raw = nil
		if e.answered {
			l.order = append(l.order, e)
		}
		if e.replayed {
			l.replayed++
		}
	})
	return err
}

// loseThePower ends what runs on the daemon's machine, then cuts. A sendmail
// that outlived its own machine would find the maildrop of after the cut under
// the same name, sync that, and say that all is well.
func (l *load) loseThePower(cut func() error) error {
	l.die()
	l.power.Lock()
	defer l.power.Unlock()
	l.live, l.die = context.WithCancel(context.WithoutCancel(l.live))
	return cut()
}

// errAway means that it is not known whether the message was accepted.
var errAway = errors.New("no answer")

func (l *load) insist(ctx context.Context, e *entry, send func(context.Context, *entry) (replayed bool, err error)) error {
	late := time.Now().Add(patience)
	for {
		replayed, err := send(ctx, e)
		if err == nil {
			e.answered, e.replayed = true, replayed
			return nil
		}
		if !errors.Is(err, errAway) {
			return fmt.Errorf("message %s: %w", e.token, err)
		}
		if time.Now().After(late) {
			return fmt.Errorf("message %s was not answered in %s: %w", e.token, patience, err)
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(5 * time.Millisecond):
		}
	}
}

func (l *load) byGRPC(ctx context.Context, e *entry) (bool, error) {
	answer, err := l.grpc.Mailer.Send(ctx, e.request())
	if code := sdk.AsError(err); code != nil {
		if code.Code == codes.Unavailable {
			return false, fmt.Errorf("%w: %w", errAway, err)
		}
		return false, err
	}
	return answer.GetReplayed(), nil
}

func (l *load) byJSON(ctx context.Context, e *entry) (bool, error) {
	body, err := protojson.Marshal(e.request())
	if err != nil {
		return false, err
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://postilion/postilion.v1.MailerService/Send", bytes.NewReader(body))
	if err != nil {
		return false, err
	}
	request.Header.Set("Content-Type", "application/json")
	response, err := l.http.Do(request)
	if err != nil {
		return false, fmt.Errorf("%w: %w", errAway, err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	switch {
	case err != nil || response.StatusCode == http.StatusServiceUnavailable:
		return false, fmt.Errorf("%w: %s %v", errAway, text, err)
	case response.StatusCode != http.StatusOK:
		return false, fmt.Errorf("%s: %s", response.Status, text)
	}
	answer := &postilionv1.SendResponse{}
	err = protojson.Unmarshal(text, answer)
	return answer.GetReplayed(), err
}

// bySendmail runs the drop-in command, which leaves the message in the
// maildrop while the daemon is down.
func (l *load) bySendmail(ctx context.Context, e *entry) error {
	l.power.RLock()
	defer l.power.RUnlock()
	live := l.live
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	defer context.AfterFunc(live, cancel)()
	command := exec.CommandContext(ctx, filepath.Join(l.programs, "postilion-sendmail"),
		append([]string{"-i", "-f", "load@load.example"}, e.recipients...)...)
	command.Env = environment("POSTILION_SOCKET="+l.httpSocket(), "POSTILION_MAILDROP_DIR="+l.maildrop())
	command.Stdin = bytes.NewReader(e.raw)
	output, err := command.CombinedOutput()
	if err == nil {
		e.answered = true
		return nil
	}
	if live.Err() != nil {
		return nil // it has died, too, without an answer
	}
	exit := (*exec.ExitError)(nil)
	if !errors.As(err, &exit) || exit.ExitCode() == 75 || ctx.Err() != nil {
		return fmt.Errorf("sendmail: %w: %s", err, strings.TrimSpace(string(output)))
	}
	l.mu.Lock()
	l.refused++
	l.mu.Unlock()
	return nil
}

// dropFrom is the number of the first message that is dropped by drop.
const dropFrom = 500_000

// drop leaves messages in the maildrop; the daemon must be down.
func (l *load) drop(ctx context.Context, first, n int) error {
	for i := range n {
		e := compose(l.seed, dropFrom+first+i)
		if err := l.bySendmail(ctx, e); err != nil {
			return err
		}
		if !e.answered {
			return fmt.Errorf("sendmail refused a message while the daemon was down")
		}
		l.change(func() {
			l.ledger[e.token] = e
			l.order = append(l.order, e)
		})
	}
	return nil
}
