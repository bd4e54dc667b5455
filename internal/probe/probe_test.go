package probe

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/postilion-mail/postilion/internal/clock"
	"github.com/postilion-mail/postilion/internal/database"
	"github.com/postilion-mail/postilion/internal/database/databasetest"
	"github.com/postilion-mail/postilion/internal/diagnose"
	"github.com/postilion-mail/postilion/internal/smtp"
	"github.com/postilion-mail/postilion/internal/smtptest"
	"github.com/postilion-mail/postilion/plugin"
)

const day = 24 * time.Hour

// world is a prober whose clock is turned by hand, and a real SMTP server that
// its connection logs into.
type world struct {
	*testing.T
	clock   *clock.Manual
	db      *database.DB
	server  *smtptest.Server
	users   map[string]string // of the server; changed while it is stopped
	targets []Target
	paused  map[string]bool
	log     bytes.Buffer
	passed  atomic.Int32
	failed  atomic.Int32
	prober  *Prober
}

func newWorld(t *testing.T, options ...smtptest.Option) *world {
	t.Helper()
	start := time.Now().UTC().Truncate(time.Second) // certificates are judged by the real clock
	w := &world{T: t, clock: clock.NewManual(start), users: map[string]string{"shop": "right"}, paused: map[string]bool{}}
	options = append(options, func(c *smtptest.Config) { c.Accounts = w.users })
	w.server = smtptest.Start(t, options...)
	w.targets = []Target{{ID: "one", Name: "admin/one", Generation: 1, Updated: start, Every: day}}
	w.db = databasetest.Open(t, t.TempDir())
	w.start()
	return w
}

// start makes a prober on the data there is, as a restart of the daemon does.
func (w *world) start() {
	w.Helper()
	var err error
	w.prober, err = Open(w.Context(), Options{
		Database: w.db, Targets: func() []Target { return w.targets }, Open: w.open,
		Paused: func(id string) bool { return w.paused[id] },
		Probed: func(works bool) {
			if works {
				w.passed.Add(1)
			} else {
				w.failed.Add(1)
			}
		},
		Now: clock.New(w.clock.Source).Now, Log: slog.New(slog.NewTextHandler(&w.log, nil)),
	})
	if err != nil {
		w.Fatal(err)
	}
}

func (w *world) open(ctx context.Context, id string) (plugin.Instance, diagnose.Context, error) {
	settings := map[string]any{
		"host": "127.0.0.1", "port": float64(w.server.Port()), "security": "starttls", "username": "shop", "ca_certificates": w.server.CA().PEM(),
	}
	instance, err := smtp.New(smtp.Options{}).Open(ctx, plugin.Settings{
		Connection: id, Values: settings, Secrets: map[string]string{"password": "right"},
	})
	return instance, diagnose.ContextOf(settings), err
}

// after lets time pass and does what is due then.
func (w *world) after(d time.Duration) Result {
	w.Helper()
	w.clock.Advance(d)
	w.prober.round(w.Context())
	r, _ := w.prober.Result("one", w.targets[0].Generation)
	return r
}

func (w *world) probes() [2]int32 { return [2]int32{w.passed.Load(), w.failed.Load()} }

func (w *world) want(passed, failed int32) {
	w.Helper()
	if got := w.probes(); got != [2]int32{passed, failed} {
		w.Errorf("%d probes passed and %d failed; want %d and %d\n%s", got[0], got[1], passed, failed, &w.log)
	}
}

// setPassword changes the server's.
func (w *world) setPassword(password string) {
	w.Helper()
	w.server.Stop()
	w.users["shop"] = password
	if err := w.server.Restart(); err != nil {
		w.Fatal(err)
	}
}

// A password that is changed at the server is noticed within a day, without a
// mail.
func TestPasswordChanges(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.after(0)
	w.want(0, 0) // it was configured a moment ago
	r := w.after(time.Hour)
	w.want(1, 0)
	if alarms := r.Alarms(r.Time); len(alarms) != 0 || w.prober.Failing() != 0 {
		t.Errorf("alarms of a connection that works: %q", alarms)
	}
	w.setPassword("another")
	w.after(20 * time.Hour)
	w.want(1, 0)
	r = w.after(7 * time.Hour)
	w.want(1, 1)
	alarms := strings.Join(r.Alarms(r.Time), " ")
	if r.Failures != 1 || r.Outcome.Blame != plugin.BlameAuth || r.Diagnosis == nil || !strings.Contains(alarms, r.Diagnosis.Title) || w.prober.Failing() != 1 {
		t.Errorf("%+v, alarms %q", r, alarms)
	}
	if text := w.log.String(); !strings.Contains(text, "cannot be logged into") || !strings.Contains(text, "admin/one") || strings.Contains(text, "right") {
		t.Errorf("log: %s", text)
	}
	if n := w.server.Count(); n != 0 {
		t.Errorf("%d mails were sent", n)
	}
	// It is tried again, ever more rarely.
	w.after(9 * time.Minute)
	w.want(1, 1)
	w.after(2 * time.Minute)
	w.want(1, 2)
	w.after(19 * time.Minute)
	w.want(1, 2)
	w.setPassword("right")
	r = w.after(2 * time.Minute)
	w.want(2, 2)
	if r.Failures != 0 || r.Diagnosis != nil || !strings.Contains(w.log.String(), "again") {
		t.Errorf("%+v\n%s", r, &w.log)
	}
}

// Probes that fail for long are made once in the interval.
func TestFailsForLong(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.server.Stop()
	for range 10 * 24 * 6 { // 10 days
		w.after(10 * time.Minute)
	}
	// 10, 20, 40, ... minutes, then each day.
	if n := w.failed.Load(); n < 14 || n > 20 {
		t.Errorf("%d probes in 10 days", n)
	}
}

func TestRestartKeepsResults(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.setPassword("another")
	before := w.after(time.Hour)
	w.want(0, 1)
	w.start()
	r, ok := w.prober.Result("one", 1)
	if !ok || r.Failures != 1 || !r.Time.Equal(before.Time) || r.Diagnosis == nil || r.Diagnosis.Title != before.Diagnosis.Title || r.Outcome.Code != before.Outcome.Code {
		t.Errorf("%+v, before %+v", r, before)
	}
	w.after(5 * time.Minute)
	w.want(0, 1)
	w.after(6 * time.Minute)
	w.want(0, 2)
	w.setPassword("right")
	w.after(time.Hour)
	w.want(1, 2)
	for range 3 { // restarts neither put a probe off nor bring it forward
		w.start()
		w.after(7 * time.Hour)
	}
	w.want(1, 2)
	w.start()
	w.after(6 * time.Hour)
	w.want(2, 2)
}

func TestNotProbed(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(*world){
		"never":          func(w *world) { w.targets[0].Every = 0 },
		"paused":         func(w *world) { w.paused["one"] = true },
		"probed earlier": func(w *world) { w.targets[0].Every = 4 * day; w.after(time.Hour); w.passed.Store(0) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			change(w)
			w.after(3 * day)
			w.want(0, 0)
		})
	}
}

// A result says nothing about a connection that was changed since.
func TestConfigured(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.setPassword("another")
	w.after(time.Hour)
	w.want(0, 1)
	w.targets[0].Generation, w.targets[0].Updated = 2, w.prober.Now()
	if _, ok := w.prober.Result("one", 2); ok || w.prober.Failing() != 0 {
		t.Error("the result of the earlier settings is shown")
	}
	w.setPassword("right")
	w.after(29 * time.Minute)
	w.want(0, 1)
	w.after(31 * time.Minute)
	w.want(1, 1)
}

func TestClockSetBack(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.after(time.Hour)
	w.want(1, 0)
	w.clock.Jump(-30 * day)
	w.after(time.Minute)
	w.want(2, 0)
	w.after(time.Hour)
	w.want(2, 0)
}

func TestCertificateExpires(t *testing.T) {
	t.Parallel()
	ca, err := smtptest.NewCA()
	if err != nil {
		t.Fatal(err)
	}
	certificate, err := ca.Issue(smtptest.Issue{NotAfter: time.Now().Add(25 * day)})
	if err != nil {
		t.Fatal(err)
	}
	w := newWorld(t, func(c *smtptest.Config) {
		c.CA, c.Certificate = ca, &certificate
		c.TLS = &tls.Config{Certificates: []tls.Certificate{certificate}}
	})
	r := w.after(time.Hour)
	w.want(1, 0)
	if alarms := r.Alarms(w.prober.Now()); len(alarms) != 0 {
		t.Errorf("%q", alarms)
	}
	w.clock.Advance(5 * day)
	if alarms := r.Alarms(w.prober.Now()); len(alarms) != 1 || !strings.Contains(alarms[0], "expires on "+time.Now().Add(25*day).UTC().Format(time.DateOnly)) {
		t.Errorf("%q", alarms)
	}
	w.clock.Advance(30 * day)
	if alarms := r.Alarms(w.prober.Now()); len(alarms) != 1 || !strings.Contains(alarms[0], "expired on") {
		t.Errorf("%q", alarms)
	}
}

// Results of connections that are gone do not stay.
func TestForgets(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.after(time.Hour)
	w.want(1, 0)
	gone := w.targets
	w.targets = nil
	w.prober.round(t.Context())
	w.targets = gone
	w.start()
	if _, ok := w.prober.Result("one", 1); ok {
		t.Error("the result is still stored")
	}
}

// A result that cannot be read is left aside.
func TestDamagedResult(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.after(time.Hour)
	err := w.db.Write(t.Context(), func(tx *database.Tx) error {
		_, err := tx.Exec(`UPDATE probes SET document = '{'`)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	w.start()
	w.after(time.Hour)
	w.want(2, 0)
}

// fakes open no network.
type fake struct {
	check func(ctx context.Context, report func(plugin.Stage)) error
}

func (f fake) Check(ctx context.Context, r plugin.CheckRequest, report func(plugin.Stage)) error {
	if !r.LoginOnly {
		return errors.New("more than a login was asked for")
	}
	return f.check(ctx, report)
}

func (fake) Deliver(context.Context, *plugin.Delivery, func() error) ([]plugin.Outcome, error) {
	return nil, errors.New("a probe delivered")
}

func (fake) Close() error { return nil }

func (w *world) use(check func(ctx context.Context, report func(plugin.Stage)) error) {
	w.prober.Open = func(context.Context, string) (plugin.Instance, diagnose.Context, error) {
		return fake{check}, diagnose.Context{}, nil
	}
}

func TestFewAtOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for range 20 {
		next := w.targets[0]
		next.ID += "x"
		w.targets = append([]Target{next}, w.targets...)
	}
	var running, most atomic.Int32
	var mu sync.Mutex
	w.use(func(context.Context, func(plugin.Stage)) error {
		mu.Lock()
		most.Store(max(most.Load(), running.Add(1)))
		mu.Unlock()
		time.Sleep(time.Millisecond) // gives the others the chance to begin
		running.Add(-1)
		return nil
	})
	w.after(2 * time.Hour)
	w.want(21, 0)
	if n := most.Load(); n > atOnce {
		t.Errorf("%d at once", n)
	}
}

// What a server does after the login is no failure of it, and a connection
// that cannot be opened is one.
func TestWhatCounts(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.use(func(_ context.Context, report func(plugin.Stage)) error {
		report(plugin.Stage{Name: "quit", Status: plugin.StageFailed, Outcome: &plugin.Outcome{Class: plugin.Temporary, Phase: plugin.PhaseQuit}})
		return nil
	})
	w.after(time.Hour)
	w.want(1, 0)
	w.prober.Open = func(context.Context, string) (plugin.Instance, diagnose.Context, error) {
		return nil, diagnose.Context{}, errors.New("the plugin does not run")
	}
	r := w.after(2 * day)
	w.want(1, 1)
	if r.Title() == "" || r.Diagnosis == nil || !strings.Contains(r.Outcome.Reply, "does not run") {
		t.Errorf("%+v", r)
	}
}

func TestTransportPanics(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.use(func(context.Context, func(plugin.Stage)) error { panic("a fault of the transport") })
	r := w.after(time.Hour)
	w.want(0, 1)
	if r.Outcome.Reply != "the transport crashed" || !strings.Contains(w.log.String(), "probe_test.go") {
		t.Errorf("%+v\n%s", r, &w.log)
	}
}

// The end of the daemon is no failure of the connection.
func TestStopped(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ctx, cancel := context.WithCancel(t.Context())
	w.use(func(ctx context.Context, report func(plugin.Stage)) error {
		cancel()
		<-ctx.Done()
		report(plugin.Stage{Name: "connect", Status: plugin.StageFailed})
		return nil
	})
	w.clock.Advance(2 * time.Hour)
	w.prober.Run(ctx)
	w.want(0, 0)
	if _, ok := w.prober.Result("one", 1); ok {
		t.Error("a result was kept")
	}
}
