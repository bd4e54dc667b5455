package health

import (
	"context"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/postilion-mail/postilion/internal/clock"
	"github.com/postilion-mail/postilion/internal/database"
	"github.com/postilion-mail/postilion/internal/database/databasetest"
	"github.com/postilion-mail/postilion/internal/diagnose"
	"github.com/postilion-mail/postilion/internal/dispatch"
	"github.com/postilion-mail/postilion/internal/outbox"
	"github.com/postilion-mail/postilion/internal/probe"
	"github.com/postilion-mail/postilion/internal/registry"
	"github.com/postilion-mail/postilion/internal/secret"
	"github.com/postilion-mail/postilion/internal/smtptest"
	"github.com/postilion-mail/postilion/plugin"
	"github.com/postilion-mail/postilion/plugin/host"
	postilionv1 "github.com/postilion-mail/postilion/proto/gen/postilion/v1"
	"github.com/postilion-mail/postilion/server/internal/plugins"
)

var start = time.Date(2026, 11, 26, 12, 0, 0, 0, time.UTC)

// world is an installation where all is well, to be broken by a test.
type world struct {
	*testing.T
	*Examiner
	clock   *clock.Manual
	db      *database.DB
	main    registry.Connection
	stats   outbox.Stats
	usage   int
	down    error
	alarms  []dispatch.Alarm
	plugs   []plugins.Info
	own     *x509.Certificate
	results map[string]probe.Result // by connection
	folder  string
}

func (w *world) Stats(context.Context) (outbox.Stats, error) { return w.stats, nil }
func (w *world) Usage(context.Context, string) (int, int64, error) {
	return w.usage, 0, nil
}
func (w *world) Health() error { return w.down }

func newWorld(t *testing.T) *world {
	t.Helper()
	dir, err := os.MkdirTemp("", "hlt") // short, for the sockets
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	w := &world{T: t, clock: clock.NewManual(start), folder: dir, results: map[string]probe.Result{}}
	w.db = databasetest.Open(t, dir)
	now := clock.New(w.clock.Source)
	w.Examiner = &Examiner{
		Version: "1.2.3", Started: start, Store: w, Clock: now, Registry: w.openRegistry(),
		Alarms: func() []dispatch.Alarm { return w.alarms }, Plugins: func() []plugins.Info { return w.plugs },
		SendsNothing: func(transport string) bool { return transport == "capture" },
		Directories:  map[string]string{"data_dir": dir, "maildrop_dir": dir}, MinFree: 1,
		Certificate: func() *x509.Certificate { return w.own }, CertificateFile: filepath.Join(dir, "tls.pem"),
		Sockets: func() []Socket {
			return []Socket{{Path: filepath.Join(dir, "admin.sock"), Admin: true}, {Path: filepath.Join(dir, "p.sock")}}
		},
		EveryUser: true,
	}
	w.main = w.configure(registry.Connection{Name: "main", Transport: "smtp", Settings: map[string]any{"host": "smtp.example.org"}})
	for name, mode := range map[string]os.FileMode{"admin.sock": 0o600, "p.sock": 0o666} {
		path := filepath.Join(dir, name)
		listener, err := net.Listen("unix", path)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = listener.Close() })
		w.chmod(name, mode)
	}
	return w
}

func (w *world) openRegistry() *registry.Registry {
	w.Helper()
	box, err := secret.Load(secret.Source{Environment: base64.StdEncoding.EncodeToString(make([]byte, 32))})
	if err != nil {
		w.Fatal(err)
	}
	known, err := registry.Open(w.Context(), registry.Options{Database: w.db, Box: box})
	if err != nil {
		w.Fatal(err)
	}
	return known
}

func (w *world) configure(c registry.Connection) registry.Connection {
	w.Helper()
	admin, _ := w.Registry.ClientNamed(registry.AdminName)
	made, _, err := w.Registry.Configure(w.Context(), registry.Change{Client: admin.ID, Admin: true, Connection: c})
	if err != nil {
		w.Fatal(err)
	}
	return made
}

func (w *world) chmod(name string, mode os.FileMode) {
	w.Helper()
	if err := os.Chmod(filepath.Join(w.folder, name), mode); err != nil {
		w.Fatal(err)
	}
}

// probed stores the result of a probe of main.
func (w *world) probed(r probe.Result) {
	w.Helper()
	r.Generation = w.main.Generation
	document, err := json.Marshal(r)
	if err != nil {
		w.Fatal(err)
	}
	err = w.db.Write(w.Context(), func(tx *database.Tx) error {
		_, err := tx.Exec(`INSERT INTO probes (connection, document) VALUES (?, ?)`, w.main.ID, string(document))
		return err
	})
	if err != nil {
		w.Fatal(err)
	}
}

// certificate makes one of our own that ends in d.
func (w *world) certificate(d time.Duration) *x509.Certificate {
	w.Helper()
	ca, err := smtptest.NewCA()
	if err != nil {
		w.Fatal(err)
	}
	pair, err := ca.Issue(smtptest.Issue{NotAfter: start.Add(d)})
	if err != nil {
		w.Fatal(err)
	}
	made, err := x509.ParseCertificate(pair.Certificate[0])
	if err != nil {
		w.Fatal(err)
	}
	return made
}

func (w *world) examine() *postilionv1.GetHealthResponse {
	w.Helper()
	var err error
	w.Probes, err = probe.Open(w.Context(), probe.Options{Database: w.db, Targets: func() []probe.Target { return nil }})
	if err != nil {
		w.Fatal(err)
	}
	return w.Examine(w.Context())
}

const day = 24 * time.Hour

func TestAllIsWell(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.plugs = []plugins.Info{{Entry: plugins.Entry{Name: "webhook"}, Status: host.Status{State: host.Ready}}}
	w.own = w.certificate(100 * day)
	w.probed(probe.Result{Time: start, Expires: start.Add(90 * day)})
	got := w.examine()
	seen := map[string]bool{}
	for _, c := range got.GetChecks() {
		seen[c.GetArea()] = true
		rough := c.GetArea() == "clock" || c.GetArea() == "disk" // the machine's, which may be in a bad state
		if s := c.GetStatus(); s != statusOK && !rough || c.GetDetail() == "" || !strings.HasPrefix(c.GetCode(), c.GetArea()+".") {
			t.Errorf("%v", c)
		}
	}
	for _, area := range []string{"daemon", "store", "disk", "clock", "queue", "connection", "plugin", "certificate", "socket"} {
		if !seen[area] {
			t.Errorf("nothing about %s", area)
		}
	}
}

func TestFaults(t *testing.T) {
	t.Parallel()
	const failed, warning, notice = statusFailed, statusWarning, statusNotice
	outcome := plugin.Outcome{Class: plugin.Temporary, Blame: plugin.BlameAuth, Phase: plugin.PhaseAuth, Code: 535, Enhanced: "5.7.8", Reply: "535 5.7.8 no"}
	for _, test := range []struct {
		code   string
		status postilionv1.CheckStatus
		name   string
		words  string
		broken func(*world)
	}{
		{"store.unavailable", failed, "", "disk on fire", func(w *world) { w.down = errors.New("disk on fire") }},
		{"disk.full", failed, "data_dir", "no mail is accepted", func(w *world) { w.MinFree = 1 << 60 }},
		{"disk.missing", failed, "maildrop_dir", "no such file", func(w *world) { w.Directories["maildrop_dir"] = "/nowhere/at/all" }},
		{"clock.wrong", failed, "", "1970", func(w *world) { w.clock.Jump(-start.Sub(time.Unix(0, 0))) }},
		{"clock.jumped", notice, "", "1h0m0s", func(w *world) { w.clock.Jump(time.Hour) }},
		{"queue.held", warning, "held", "2 recipients", func(w *world) { w.stats.Recipients = map[outbox.State]int64{outbox.Held: 2} }},
		{"queue.deferred", notice, "deferred", "1 recipient is", func(w *world) { w.stats.Recipients = map[outbox.State]int64{outbox.Deferred: 1} }},
		{"queue.old", notice, "oldest", "2 hours", func(w *world) { w.stats.Oldest = start.Add(-2 * time.Hour) }},
		{"queue.old", warning, "oldest", "3 days", func(w *world) { w.stats.Oldest = start.Add(-3 * day) }},
		{"queue.nearly_full", warning, "admin", "90000 messages", func(w *world) { w.usage = 90_000 }},
		{"connection.paused", failed, "admin/main", "535 5.7.8 no", func(w *world) {
			w.alarms = []dispatch.Alarm{{Connection: w.main.ID, Since: start.Add(-time.Hour), Outcome: outcome}}
		}},
		{"connection.late", failed, "admin/main", "half of their life", func(w *world) {
			w.alarms = []dispatch.Alarm{{Connection: w.main.ID, Since: start, Outcome: outcome, Late: 3}}
		}},
		{"connection.probe_failed", failed, "admin/main", "Wrong password", func(w *world) {
			w.probed(probe.Result{Time: start, Failures: 1, Outcome: outcome, Diagnosis: &diagnose.Diagnosis{Title: "Wrong password"}})
		}},
		{"connection.fallback_missing", warning, "admin/main", "second", func(w *world) {
			w.configure(registry.Connection{Name: "second", Transport: "smtp", Settings: map[string]any{"host": "smtp2.example.org"}})
			c := w.main.Clone()
			c.Fallbacks = []string{"second"}
			w.configure(c)
			err := w.db.Write(w.Context(), func(tx *database.Tx) error {
				_, err := tx.Exec(`UPDATE connections SET document = '{' WHERE name = 'second'`)
				return err
			})
			if err != nil {
				w.Fatal(err)
			}
			w.Registry = w.openRegistry()
		}},
		{"connection.none", warning, "", "no connection delivers", func(w *world) { w.SendsNothing = func(string) bool { return true } }},
		{"plugin.failed", failed, "webhook", "checksum", func(w *world) {
			w.plugs = []plugins.Info{{Entry: plugins.Entry{Name: "webhook"}, Status: host.Status{State: host.Failed, Reason: "the checksum is another"}}}
		}},
		{"plugin.restarting", warning, "webhook", "exit 1", func(w *world) {
			w.plugs = []plugins.Info{{Entry: plugins.Entry{Name: "webhook"}, Status: host.Status{State: host.Backoff, Reason: "exit 1"}}}
		}},
		{"plugin.stopped", notice, "webhook", "switched off", func(w *world) {
			w.plugs = []plugins.Info{{Entry: plugins.Entry{Name: "webhook"}, Status: host.Status{State: host.Stopped}}}
		}},
		{"certificate.expires", warning, "tls_cert_file", "renew", func(w *world) { w.own = w.certificate(10 * day) }},
		{"certificate.expires", warning, "tls_cert_file", "restart the daemon: ", func(w *world) {
			w.own = w.certificate(10 * day)
			newer := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: w.certificate(90 * day).Raw})
			if err := os.WriteFile(w.CertificateFile, newer, 0o600); err != nil {
				w.Fatal(err)
			}
		}},
		{"certificate.expired", failed, "tls_cert_file", "expired on 2026-11-25", func(w *world) { w.own = w.certificate(-day) }},
		{"certificate.server_expires", warning, "admin/main", "2026-12-06", func(w *world) { w.probed(probe.Result{Time: start, Expires: start.Add(10 * day)}) }},
		{"certificate.server_expired", failed, "admin/main", "expired", func(w *world) { w.probed(probe.Result{Time: start, Expires: start.Add(-day)}) }},
		{"socket.missing", failed, "p.sock", "restart", func(w *world) { _ = os.Remove(filepath.Join(w.folder, "p.sock")) }},
		{"socket.replaced", failed, "p.sock", "something else", func(w *world) {
			_ = os.Remove(filepath.Join(w.folder, "p.sock"))
			_ = os.WriteFile(filepath.Join(w.folder, "p.sock"), nil, 0o600)
		}},
		{"socket.admin_open", failed, "admin.sock", "chmod 0600", func(w *world) { w.chmod("admin.sock", 0o666) }},
	} {
		t.Run(test.code, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			before := w.examine()
			test.broken(w)
			got := w.examine()
			for _, c := range before.GetChecks() {
				if c.GetCode() == test.code {
					t.Errorf("found although all is well: %v", c)
				}
			}
			for _, c := range got.GetChecks() {
				if c.GetCode() != test.code {
					continue
				}
				if c.GetStatus() != test.status || !strings.HasSuffix(c.GetName(), test.name) || !strings.Contains(c.GetDetail()+" "+c.GetRemedy(), test.words) {
					t.Errorf("%v", c)
				}
				if got.GetOk() == (test.status == failed) {
					t.Errorf("ok is %t", got.GetOk())
				}
				return
			}
			t.Errorf("not found: %v", got.GetChecks())
		})
	}
}

// Who may connect to a socket is told by name.
func TestReach(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for mode, want := range map[os.FileMode]string{0o666: "every user", 0o660: "the group", 0o600: "root"} {
		w.chmod("p.sock", mode)
		info, err := os.Stat(filepath.Join(w.folder, "p.sock"))
		if err != nil {
			t.Fatal(err)
		}
		if got := reach(info); !strings.Contains(got, want) || mode == 0o600 && strings.Contains(got, "group") {
			t.Errorf("%04o: %q", mode, got)
		}
	}
}

func TestSpace(t *testing.T) {
	t.Parallel()
	e := &Examiner{MinFree: 40 << 20}
	for _, test := range []struct {
		free, inodes, freeInodes int64
		want                     string
	}{
		{1 << 40, 1 << 20, 1 << 20, ""},
		{1 << 40, 0, 0, ""}, // inodes as needed
		{500 << 20, 1 << 20, 1 << 20, "disk.low"},
		{39 << 20, 1 << 20, 1 << 20, "disk.full"},
		{1 << 40, 1 << 20, 5000, "disk.low_inodes"},
		{1 << 40, 1 << 20, 10, "disk.no_inodes"},
	} {
		r := &report{}
		e.space(r, "data_dir", "/d", test.free, test.inodes, test.freeInodes)
		got := ""
		for _, c := range r.checks {
			got += c.GetCode()
		}
		if got != test.want {
			t.Errorf("%+v: got %q", test, got)
		}
	}
}
