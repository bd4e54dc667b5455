package plugin

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/test/bufconn"

	pluginv1 "github.com/postilion-mail/postilion/proto/gen/postilion/plugin/v1"
)

// fake is a transport, and its instance, out of functions.
type fake struct {
	open    func(Settings) error
	check   func(context.Context, CheckRequest, func(Stage)) error
	deliver func(context.Context, *Delivery, func() error) ([]Outcome, error)
	close   func() error
}

func (f *fake) Describe() Description {
	return Description{Name: "fake", Version: "1", Capabilities: Capabilities{ReportsCommit: true}}
}

func (f *fake) Open(_ context.Context, s Settings) (Instance, error) {
	if f.open != nil {
		if err := f.open(s); err != nil {
			return nil, err
		}
	}
	return f, nil
}

func (f *fake) Check(ctx context.Context, r CheckRequest, report func(Stage)) error {
	return f.check(ctx, r, report)
}

func (f *fake) Deliver(ctx context.Context, d *Delivery, committing func() error) ([]Outcome, error) {
	return f.deliver(ctx, d, committing)
}

func (f *fake) Close() error {
	if f.close != nil {
		return f.close()
	}
	return nil
}

// link serves a plugin's service over memory.
func link(t *testing.T, s pluginv1.TransportServiceServer) *grpc.ClientConn {
	t.Helper()
	listener := bufconn.Listen(64 << 10)
	server := newServer(nil)
	pluginv1.RegisterTransportServiceServer(server, s)
	go func() { _ = server.Serve(listener) }()
	t.Cleanup(server.Stop)
	conn, err := grpc.NewClient("passthrough:///plugin",
		grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) { return listener.DialContext(ctx) }))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return conn
}

// opened gives an instance of a transport that is served over memory.
func opened(t *testing.T, s pluginv1.TransportServiceServer) *remoteInstance {
	t.Helper()
	transport, err := Connect(t.Context(), link(t, s))
	if err != nil {
		t.Fatal(err)
	}
	i, err := transport.Open(t.Context(), Settings{Connection: "c"})
	if err != nil {
		t.Fatal(err)
	}
	return i.(*remoteInstance)
}

func message(content string, to ...string) *Delivery {
	d := &Delivery{ID: "m", Attempt: 1, Envelope: Envelope{From: "f@a.example"}, Content: strings.NewReader(content), Size: int64(len(content))}
	for _, address := range to {
		d.Envelope.Recipients = append(d.Envelope.Recipients, Recipient{Address: address})
	}
	return d
}

func goOn() error { return nil }

func TestContentCrosses(t *testing.T) {
	t.Parallel()
	i := opened(t, newService(&fake{deliver: func(_ context.Context, d *Delivery, committing func() error) ([]Outcome, error) {
		all := make([]byte, d.Size)
		if _, err := d.Content.ReadAt(all, 0); err != nil && !errors.Is(err, io.EOF) {
			return nil, err
		}
		if n, err := d.Content.ReadAt(make([]byte, 1), d.Size); n != 0 || !errors.Is(err, io.EOF) {
			t.Errorf("read %d octets behind the end, error %v", n, err)
		}
		return ForAll(d, AcceptedOutcome(sum(all))), committing()
	}}))
	for _, size := range []int{0, 1, partSize - 1, partSize, partSize + 1, inMemory, inMemory + 1, 5<<20 + 3} {
		content := bytes.Repeat([]byte("0123456789abcdef\r\n"), size/18+1)[:size]
		outcomes, err := i.Deliver(t.Context(), message(string(content), "a@x"), goOn)
		if err != nil || len(outcomes) != 1 || outcomes[0].Reply != sum(content) {
			t.Errorf("%d octets: %+v, error %v", size, outcomes, err)
		}
	}
}

func sum(p []byte) string {
	n := uint64(len(p))
	for _, c := range p {
		n = n*1099511628211 ^ uint64(c)
	}
	return string(rune('a'+n%26)) + time.Duration(n>>1).String()
}

func TestCommitting(t *testing.T) {
	t.Parallel()
	refusal := errors.New("the claim was lost")
	i := opened(t, newService(&fake{deliver: func(_ context.Context, d *Delivery, committing func() error) ([]Outcome, error) {
		if err := committing(); err != nil {
			return nil, err
		}
		return ForAll(d, AcceptedOutcome("ok")), committing() // a second call is answered alike
	}}))
	calls := 0
	outcomes, err := i.Deliver(t.Context(), message("x", "a@x"), func() error { calls++; return nil })
	if err != nil || outcomes[0].Class != Accepted || calls != 1 {
		t.Errorf("%+v, error %v, %d calls", outcomes, err, calls)
	}
	_, err = i.Deliver(t.Context(), message("x", "a@x"), func() error { return refusal })
	if !errors.Is(err, refusal) || err.Error() != refusal.Error() {
		t.Errorf("error %v, want the refusal", err)
	}
}

func TestOutcomesAndErrorsCross(t *testing.T) {
	t.Parallel()
	mix := []Outcome{AcceptedOutcome("ok"), PermanentOutcome(BlameRecipient, PhaseRecipient, "no \xff such"), {}}
	whole := &DeliveryError{Outcome: TemporaryOutcome(BlameNetwork, PhaseConnect, "refused")}
	i := opened(t, newService(&fake{deliver: func(context.Context, *Delivery, func() error) ([]Outcome, error) { return mix, whole }}))
	outcomes, err := i.Deliver(t.Context(), message("x", "a@x", "b@x", "c@x"), goOn)
	want := slices.Clone(mix)
	want[1].Reply = "no \uFFFD such"
	if !slices.Equal(outcomes, want) {
		t.Errorf("outcomes %+v", outcomes)
	}
	if de := (*DeliveryError)(nil); !errors.As(err, &de) || de.Outcome != whole.Outcome || errors.Is(err, ErrCrashed) {
		t.Errorf("error %v", err)
	}
}

func TestPanicsFailOneCallOnly(t *testing.T) {
	t.Parallel()
	panics := true
	i := opened(t, newService(&fake{deliver: func(_ context.Context, d *Delivery, _ func() error) ([]Outcome, error) {
		if panics {
			panic("oh no")
		}
		return ForAll(d, AcceptedOutcome("ok")), nil
	}}))
	_, err := i.Deliver(t.Context(), message("x", "a@x"), goOn)
	if !errors.Is(err, ErrCrashed) || !strings.Contains(err.Error(), "oh no") {
		t.Errorf("error %v", err)
	}
	panics = false
	if outcomes, err := i.Deliver(t.Context(), message("x", "a@x"), goOn); err != nil || outcomes[0].Class != Accepted {
		t.Errorf("after the panic: %+v, error %v", outcomes, err)
	}
}

// What a transport knows when it is told to end is not lost.
func TestCancelledDeliveryGivesItsOutcome(t *testing.T) {
	t.Parallel()
	for _, ends := range []string{"cancelled", "deadline"} {
		ctx, cancel := context.WithCancel(t.Context())
		if ends == "deadline" {
			ctx, cancel = context.WithTimeout(t.Context(), 50*time.Millisecond)
		}
		i := opened(t, newService(&fake{deliver: func(ctx context.Context, d *Delivery, committing func() error) ([]Outcome, error) {
			if err := committing(); err != nil {
				return nil, err
			}
			if ends == "cancelled" {
				cancel()
			}
			<-ctx.Done()
			return ForAll(d, AcceptedOutcome("just in time")), nil
		}}))
		i.remote.grace = time.Minute
		outcomes, err := i.Deliver(ctx, message("x", "a@x"), goOn)
		if err != nil || len(outcomes) != 1 || outcomes[0].Reply != "just in time" {
			t.Errorf("%s: %+v, error %v", ends, outcomes, err)
		}
		cancel()
	}
}

func TestHungDeliveryIsCutOff(t *testing.T) {
	t.Parallel()
	release := make(chan struct{})
	defer close(release)
	ctx, cancel := context.WithCancel(t.Context())
	i := opened(t, newService(&fake{deliver: func(context.Context, *Delivery, func() error) ([]Outcome, error) {
		cancel()
		<-release
		return nil, nil
	}}))
	i.remote.grace = time.Millisecond
	if _, err := i.Deliver(ctx, message("x", "a@x"), goOn); !errors.Is(err, context.Canceled) || !errors.Is(err, ErrHung) || errors.Is(err, ErrCrashed) {
		t.Errorf("error %v", err)
	}
}

type failing struct{}

var errDisk = errors.New("the disk is gone")

func (failing) ReadAt([]byte, int64) (int, error) { return 0, errDisk }

func TestUnreadableContent(t *testing.T) {
	t.Parallel()
	i := opened(t, newService(&fake{deliver: func(context.Context, *Delivery, func() error) ([]Outcome, error) {
		t.Error("a message without its content was delivered")
		return nil, nil
	}}))
	d := message("x", "a@x")
	d.Content = failing{}
	if _, err := i.Deliver(t.Context(), d, goOn); !errors.Is(err, errDisk) {
		t.Errorf("error %v", err)
	}
	d.Content, d.Size = strings.NewReader("short"), 6
	if _, err := i.Deliver(t.Context(), d, goOn); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("error %v", err)
	}
}

func TestOpen(t *testing.T) {
	t.Parallel()
	f := &fake{}
	conn := link(t, newService(f))
	transport, err := Connect(t.Context(), conn)
	if err != nil {
		t.Fatal(err)
	}
	f.open = func(Settings) error { return &SettingError{Field: "host", Reason: "is required"} }
	if _, err := transport.Open(t.Context(), Settings{}); !errors.As(err, new(*SettingError)) || err.Error() != "host: is required" {
		t.Errorf("error %v", err)
	}
	f.open = func(Settings) error { panic("settings") }
	if _, err := transport.Open(t.Context(), Settings{}); !errors.Is(err, ErrCrashed) {
		t.Errorf("error %v", err)
	}
	f.open = func(s Settings) error {
		if s.Connection != "c" || s.Values["n"] != 1.0 || s.Secrets["s"] != "x" {
			t.Errorf("settings %+v", s)
		}
		return nil
	}
	i, err := transport.Open(t.Context(), Settings{Connection: "c", Values: map[string]any{"n": 1.0}, Secrets: map[string]string{"s": "x"}})
	if err != nil {
		t.Fatal(err)
	}
	f.close = func() error { return errors.New("the file is locked") }
	if err := i.Close(); err == nil || err.Error() != "the file is locked" {
		t.Errorf("error %v", err)
	}
	if err := i.Close(); err != nil {
		t.Errorf("closed twice: %v", err)
	}
	if _, err := i.Deliver(t.Context(), message("x", "a@x"), goOn); !errors.Is(err, ErrNoInstance) {
		t.Errorf("error %v", err)
	}
}

func TestCheck(t *testing.T) {
	t.Parallel()
	o := TemporaryOutcome(BlameAuth, PhaseAuth, "535 no")
	want := []Stage{
		{Name: "connect", Status: StagePassed, Duration: time.Second, Facts: map[string]string{"ip": "192.0.2.1"}},
		{Name: "auth", Status: StageFailed, Server: "535 no", Outcome: &o},
	}
	i := opened(t, newService(&fake{check: func(ctx context.Context, r CheckRequest, report func(Stage)) error {
		text, err := io.ReadAll(io.NewSectionReader(r.Message.Content, 0, r.Message.Size))
		if r.Sender != "s@x" || r.Recipient != "r@x" || string(text) != "test" || r.Message.Envelope.Recipients[0].Address != "a@x" || !r.LoginOnly || err != nil {
			t.Errorf("request %+v", r)
		}
		for _, stage := range want {
			report(stage)
		}
		return errors.New("no more")
	}}))
	var got []string
	err := i.Check(t.Context(), CheckRequest{Sender: "s@x", Recipient: "r@x", Message: message("test", "a@x"), LoginOnly: true}, func(s Stage) {
		got = append(got, s.Name+" "+string(s.Status)+" "+s.Server+s.Facts["ip"])
		if s.Outcome != nil && *s.Outcome != o {
			t.Errorf("outcome %+v", s.Outcome)
		}
	})
	if !slices.Equal(got, []string{"connect passed 192.0.2.1", "auth failed 535 no"}) || err == nil || err.Error() != "no more" {
		t.Errorf("%q, error %v", got, err)
	}
}

func TestCheckReportsWhatTookTooLong(t *testing.T) {
	t.Parallel()
	i := opened(t, newService(&fake{check: func(ctx context.Context, _ CheckRequest, report func(Stage)) error {
		<-ctx.Done()
		report(Stage{Name: "connect", Status: StageFailed})
		return nil
	}}))
	i.remote.grace = time.Minute
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	stages := 0
	if err := i.Check(ctx, CheckRequest{}, func(Stage) { stages++ }); err != nil || stages != 1 {
		t.Errorf("%d stages, error %v", stages, err)
	}
}
