package server

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/postilion-mail/postilion/internal/config"
	"github.com/postilion-mail/postilion/internal/database"
	"github.com/postilion-mail/postilion/internal/probe"
	"github.com/postilion-mail/postilion/internal/smtptest"
	postilionv1 "github.com/postilion-mail/postilion/proto/gen/postilion/v1"
)

// A login that stopped working is an alarm although no mail was sent, and ends
// when it works again. The daemon has been down for so long that the probe is
// due at its start.
func TestProbe(t *testing.T) {
	t.Parallel()
	users := map[string]string{"shop": "right"}
	server := smtptest.Start(t, plain, func(c *smtptest.Config) { c.Accounts, c.PlainAuth = users, true })
	r := newRig(t, func(c *config.Config) { c.MetricsListen = "127.0.0.1:0" })
	c := connection("main", server)
	password := "right"
	c.GetSmtp().Username, c.GetSmtp().Password, c.GetSmtp().Authentication = "shop", &password, postilionv1.Authentication_AUTHENTICATION_AUTO
	c.GetSmtp().AllowPlainAuth = true
	made := configure(t, r.admin, c)
	if made.GetStatus().GetProbeTime() != nil {
		t.Errorf("it was probed already: %v", made.GetStatus())
	}
	server.Stop()
	users["shop"] = "another"
	if err := server.Restart(); err != nil {
		t.Fatal(err)
	}
	r.longAgo(probe.Result{Generation: 1, Time: time.Now().Add(-48 * time.Hour)})
	status := r.awaitProbe(func(s *postilionv1.ConnectionStatus) bool { return s.GetProbeDiagnosis() != nil })
	if alarms := strings.Join(status.GetAlarms(), " "); !strings.Contains(alarms, "login without mail failed") || !strings.HasPrefix(status.GetProbeDiagnosis().GetCode(), "auth") || status.GetPaused() {
		t.Errorf("%v", status)
	}
	if time.Since(status.GetProbeTime().AsTime()) > time.Hour {
		t.Errorf("probed %v", status.GetProbeTime().AsTime())
	}
	contains(t, r.scrape(), `postilion_connection_probes_total{result="failed"} 1`)
	contains(t, r.scrape(), "postilion_connections_failing_probe 1")
	contains(t, r.log.String(), "cannot be logged into")

	server.Stop()
	users["shop"] = "right"
	if err := server.Restart(); err != nil {
		t.Fatal(err)
	}
	r.longAgo(probe.Result{Generation: 1, Time: time.Now().Add(-48 * time.Hour), Failures: 1})
	status = r.awaitProbe(func(s *postilionv1.ConnectionStatus) bool { return time.Since(s.GetProbeTime().AsTime()) < time.Hour })
	if len(status.GetAlarms()) > 0 || status.GetProbeDiagnosis() != nil {
		t.Errorf("%v", status)
	}
	contains(t, r.scrape(), "postilion_connections_failing_probe 0")
	if n := server.Count(); n != 0 {
		t.Errorf("%d mails were sent", n)
	}
}

// A client's connection is probed under the guard that its mail is under.
func TestProbeIsGuarded(t *testing.T) {
	t.Parallel()
	server := smtptest.Start(t, plain)
	r := newRig(t)
	shop := r.dial(r.addr.GRPC, r.client("shop", postilionv1.Scope_SCOPE_CONFIGURE))
	configure(t, shop, connection("main", server))
	r.longAgo(probe.Result{Generation: 1, Time: time.Now().Add(-48 * time.Hour)})
	await(t, "the probe is refused", func() bool { return strings.Contains(r.log.String(), "cannot be logged into") })
	contains(t, r.log.String(), "may not be reached")
	if n := server.Sessions(); n != 0 {
		t.Errorf("%d sessions", n)
	}
}

// longAgo restarts the daemon with a result of a probe of the only connection
// that is no capture.
func (r *rig) longAgo(result probe.Result) {
	r.t.Helper()
	r.stop()
	document, err := json.Marshal(result)
	if err != nil {
		r.t.Fatal(err)
	}
	db, err := database.Open(context.Background(), database.Options{Dir: r.cfg.DataDir})
	if err != nil {
		r.t.Fatal(err)
	}
	err = db.Write(context.Background(), func(tx *database.Tx) error {
		_, err := tx.Exec(`INSERT OR REPLACE INTO probes (connection, document) SELECT id, ? FROM connections WHERE name = 'main'`, string(document))
		return err
	})
	if err != nil {
		r.t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		r.t.Fatal(err)
	}
	r.start()
}

// awaitProbe awaits a status of the connection main.
func (r *rig) awaitProbe(holds func(*postilionv1.ConnectionStatus) bool) *postilionv1.ConnectionStatus {
	r.t.Helper()
	var status *postilionv1.ConnectionStatus
	await(r.t, "the probe is done", func() bool {
		got, err := r.admin.GetConnection(r.ctx(), &postilionv1.GetConnectionRequest{Name: "main"})
		if err != nil {
			r.t.Fatal(err)
		}
		status = got.GetConnection().GetStatus()
		return holds(status)
	})
	return status
}

// scrape gives the metrics.
func (r *rig) scrape() string {
	r.t.Helper()
	res, err := http.Get("http://" + r.addr.Metrics + "/metrics")
	if err != nil {
		r.t.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		r.t.Fatal(err)
	}
	return string(text)
}
