package bounce

import (
	"bufio"
	"bytes"
	"encoding/base64"
	"io"
	"log/slog"
	"mime"
	"mime/multipart"
	"net/mail"
	"net/textproto"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/postilion-mail/postilion/internal/clock"
	"github.com/postilion-mail/postilion/internal/database"
	"github.com/postilion-mail/postilion/internal/intake"
	"github.com/postilion-mail/postilion/internal/outbox"
	"github.com/postilion-mail/postilion/internal/outbox/sqlite"
	"github.com/postilion-mail/postilion/internal/registry"
	"github.com/postilion-mail/postilion/internal/secret"
	"github.com/postilion-mail/postilion/plugin"
)

// start is where the clock of a world begins.
var start = time.Date(2026, 3, 4, 12, 30, 0, 0, time.UTC)

var (
	refused = plugin.Outcome{Class: plugin.Permanent, Blame: plugin.BlameRecipient, Phase: plugin.PhaseRecipient, Code: 550, Enhanced: "5.1.1", Reply: "550 5.1.1 no such user"}
	busy    = plugin.Outcome{Class: plugin.Temporary, Blame: plugin.BlameServer, Phase: plugin.PhaseMail, Code: 451, Enhanced: "4.3.2", Reply: "try later"}
	sent    = plugin.Outcome{Class: plugin.Accepted, Phase: plugin.PhaseContent, Code: 250}
)

// world is what surrounds a worker: a real outbox, registry and intake. The
// test is the dispatcher.
type world struct {
	*testing.T
	dir      string
	clock    *clock.Manual
	db       *database.DB
	store    *sqlite.Store
	registry *registry.Registry
	intake   *intake.Intake
	client   *registry.Client
	worker   *Worker
	log      bytes.Buffer
}

func newWorld(t *testing.T, change ...func(*registry.Connection)) *world {
	t.Helper()
	w := &world{T: t, dir: t.TempDir(), clock: clock.NewManual(start)}
	w.start()
	t.Cleanup(func() { w.db.Close() })
	client, _, err := w.registry.CreateClient(t.Context(), registry.Client{Name: "shop", Scopes: registry.ScopeSend}, false)
	w.ok(err)
	w.client = client
	w.configure("out", change...)
	return w
}

// configure makes a connection and gives its id.
func (w *world) configure(name string, change ...func(*registry.Connection)) string {
	w.Helper()
	c := registry.Connection{Name: name, Transport: "smtp", Settings: map[string]any{"host": name + ".example.net", "port": 587}}
	for _, f := range change {
		f(&c)
	}
	made, _, err := w.registry.Configure(w.Context(), registry.Change{Client: w.client.ID, Admin: true, Connection: c})
	w.ok(err)
	return made.ID
}

// start opens all on the data there is.
func (w *world) start() {
	w.Helper()
	var err error
	w.db, err = database.Open(w.Context(), database.Options{Dir: w.dir})
	w.ok(err)
	box, err := secret.Load(secret.Source{Environment: base64.StdEncoding.EncodeToString(make([]byte, 32))})
	w.ok(err)
	w.registry, err = registry.Open(w.Context(), registry.Options{Database: w.db, Box: box})
	w.ok(err)
	now := clock.New(w.clock.Source)
	w.store, err = sqlite.Open(w.Context(), sqlite.Options{DB: w.db, Clock: now, MinFree: 1, DelayNotice: 4 * time.Hour})
	w.ok(err)
	w.intake = intake.New(intake.Options{
		Registry: w.registry, Store: w.store, Domain: "host.example.com", Now: now.Now, Expiry: 5 * 24 * time.Hour,
		Limits: intake.Limits{ContentBytes: 1 << 20, Recipients: 1000, InFlight: 16 << 20},
	})
	w.worker = New(Options{
		Store: w.store, Intake: w.intake, Registry: w.registry, Domain: "host.example.com", Now: now.Now,
		Log: slog.New(slog.NewTextHandler(&w.log, nil)),
	})
}

// restart ends the run as a crash would, and starts another.
func (w *world) restart() {
	w.Helper()
	w.db.Close()
	w.start()
}

func (w *world) ok(err error) {
	w.Helper()
	if err != nil {
		w.Fatal(err)
	}
}

// submission is a message of the sendmail command.
func (w *world) submission(recipients ...string) *intake.Submission {
	s := &intake.Submission{
		Client: w.client, Source: "json", From: "me@example.com", FromGiven: true, Notify: true, Priority: outbox.PriorityNormal,
		Raw: []byte("From: Me <me@example.com>\nSubject: Order 17\nMessage-ID: <17@example.com>\n\nThe text.\n"),
	}
	for _, r := range recipients {
		address, notify, _ := strings.Cut(r, " ")
		s.Recipients = append(s.Recipients, outbox.Recipient{Address: address, Notify: notify})
	}
	return s
}

func (w *world) accept(s *intake.Submission) uuid.UUID {
	w.Helper()
	a, err := w.intake.Accept(w.Context(), s, nil)
	w.ok(err)
	return a.ID
}

// claim gives the jobs that are due, on all connections.
func (w *world) claim() (jobs []outbox.Job) {
	w.Helper()
	lanes, err := w.store.Lanes(w.Context())
	w.ok(err)
	for _, lane := range lanes {
		c, err := w.store.Claim(w.Context(), outbox.Claim{Lane: lane, Limit: 100, Lease: time.Hour})
		w.ok(err)
		jobs = append(jobs, c.Jobs...)
	}
	return jobs
}

// one gives the only one.
func (w *world) one() *outbox.Job {
	w.Helper()
	jobs := w.claim()
	if len(jobs) != 1 {
		w.Fatalf("%d jobs are due, want 1", len(jobs))
	}
	return &jobs[0]
}

// record reports a job; the recipients in ended have that outcome, others are sent.
func (w *world) record(j *outbox.Job, next outbox.State, o plugin.Outcome, ended ...int) {
	w.Helper()
	now, _ := w.clock.Source()
	r := outbox.Report{Token: j.Token, Started: now, Duration: time.Second}
	for _, i := range j.Indexes {
		result := outbox.Result{Index: i, Next: outbox.Sent, Outcome: sent}
		for _, e := range ended {
			if e == i {
				result.Next, result.Outcome, result.Due = next, o, now.Add(24*time.Hour)
			}
		}
		r.Results = append(r.Results, result)
	}
	w.ok(w.store.Record(w.Context(), r))
}

// work has the worker settle what is due.
func (w *world) work() {
	w.Helper()
	_, err := w.worker.turn(w.Context())
	w.ok(err)
}

// bounce has the worker work and takes the only message that waits then.
func (w *world) bounce() *dsn {
	w.Helper()
	w.work()
	return w.read(w.one())
}

// quiet has the worker work and expects that nothing waits.
func (w *world) quiet(what string) {
	w.Helper()
	w.work()
	if jobs := w.claim(); len(jobs) != 0 {
		w.Errorf("%s: %d messages wait, to %v", what, len(jobs), jobs[0].Envelope.Recipients)
	}
	if n := w.notices(); n != 0 {
		w.Errorf("%s: %d notices wait", what, n)
	}
}

// notices counts all, due or not.
func (w *world) notices() (n int) {
	w.Helper()
	w.ok(w.db.Read(w.Context(), func(tx *database.Tx) error {
		return tx.QueryRow(`SELECT count(*) FROM notices`).Scan(&n)
	}))
	return n
}

// dsn is a report taken apart.
type dsn struct {
	job        *outbox.Job
	header     mail.Header
	text       string
	message    textproto.MIMEHeader
	recipients []textproto.MIMEHeader
	returned   string // type of the third part, empty without one
	original   string
}

func (w *world) read(j *outbox.Job) *dsn {
	w.Helper()
	c, err := w.store.Content(w.Context(), j)
	w.ok(err)
	defer c.Close()
	b, err := io.ReadAll(io.NewSectionReader(c, 0, c.Size()))
	w.ok(err)
	d := parse(w.T, b)
	d.job = j
	return d
}

// parse reads a report by the standard library's means.
func parse(t testing.TB, b []byte) *dsn {
	t.Helper()
	ok := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatalf("%v in\n%s", err, b)
		}
	}
	for line := range bytes.Lines(b) {
		if !bytes.HasSuffix(line, []byte("\r\n")) || len(line) > 1000 {
			t.Errorf("line %.80q of %d octets", line, len(line))
		}
	}
	m, err := mail.ReadMessage(bytes.NewReader(b))
	ok(err)
	kind, params, err := mime.ParseMediaType(m.Header.Get("Content-Type"))
	ok(err)
	if kind != "multipart/report" || params["report-type"] != "delivery-status" {
		t.Errorf("it is %s of %s", kind, params["report-type"])
	}
	d := &dsn{header: m.Header}
	parts := multipart.NewReader(m.Body, params["boundary"])
	for i := 0; ; i++ {
		p, err := parts.NextPart() // decodes quoted-printable
		if err == io.EOF {
			if i < 2 || i > 3 {
				t.Errorf("%d parts", i)
			}
			return d
		}
		ok(err)
		content, err := io.ReadAll(p)
		ok(err)
		kind, _, err := mime.ParseMediaType(p.Header.Get("Content-Type"))
		ok(err)
		switch i {
		case 0:
			if kind != "text/plain" {
				t.Errorf("the part for people is %s", kind)
			}
			d.text = string(content)
		case 1:
			if kind != "message/delivery-status" || !isASCII(content) {
				t.Errorf("the status is %s: %q", kind, content)
			}
			d.message, d.recipients = blocks(t, content)
		case 2:
			d.returned, d.original = kind, string(content)
		}
	}
}

// blocks reads the fields of a delivery status.
func blocks(t testing.TB, b []byte) (message textproto.MIMEHeader, recipients []textproto.MIMEHeader) {
	t.Helper()
	b = append(bytes.TrimRight(b, "\r\n"), "\r\n\r\n"...)
	for i, block := range strings.SplitAfter(string(b), "\r\n\r\n") {
		if block == "" {
			break
		}
		h, err := textproto.NewReader(bufio.NewReader(strings.NewReader(block))).ReadMIMEHeader()
		if err != nil {
			t.Fatalf("%v in the status\n%s", err, b)
		}
		if i == 0 {
			message = h
		} else {
			recipients = append(recipients, h)
		}
	}
	return message, recipients
}

// is compares a field.
func is(t testing.TB, h map[string][]string, name, want string) {
	t.Helper()
	if got := textproto.MIMEHeader(h).Get(name); got != want {
		t.Errorf("%s: %q, want %q", name, got, want)
	}
}

func has(t testing.TB, text string, parts ...string) {
	t.Helper()
	for _, part := range parts {
		if !strings.Contains(text, part) {
			t.Errorf("%q is not in\n%s", part, text)
		}
	}
}

func hasNot(t testing.TB, text string, parts ...string) {
	t.Helper()
	for _, part := range parts {
		if strings.Contains(text, part) {
			t.Errorf("%q is in\n%s", part, text)
		}
	}
}
