package health

import (
	"crypto/x509"
	"encoding/pem"
	"os"
	"strings"
	"time"

	"github.com/postilion-mail/postilion/internal/diagnose"
	"github.com/postilion-mail/postilion/internal/dispatch"
	"github.com/postilion-mail/postilion/internal/probe"
	"github.com/postilion-mail/postilion/internal/registry"
	"github.com/postilion-mail/postilion/plugin/host"
)

func (e *Examiner) connections(r *report) {
	alarms := map[string]dispatch.Alarm{}
	for _, a := range e.Alarms() {
		alarms[a.Connection] = a
	}
	all := e.Registry.All()
	delivers := 0
	for _, c := range all {
		if e.SendsNothing(c.Transport) {
			continue
		}
		delivers++
		name := c.OwnerName + "/" + c.Name
		if alarm, paused := alarms[c.ID]; paused {
			e.paused(r, &c, name, &alarm)
		} else if last, ok := e.Probes.Result(c.ID, c.Generation); ok && last.Failures > 0 {
			r.add("connection", name, "probe_failed", statusFailed, remedy(last.Diagnosis, name),
				"it could not be logged into on %s: %s", last.Time.UTC().Format("2006-01-02 15:04 MST"), last.Title())
		}
		for _, fallback := range c.Fallbacks {
			if _, err := e.Registry.Get(c.Owner, fallback); err != nil {
				r.add("connection", name, "fallback_missing", statusWarning, "configure "+fallback+", or remove it from the fallbacks of "+c.Name,
					"its fallback %s does not exist any more", fallback)
			}
		}
	}
	if delivers == 0 {
		r.add("connection", "", "none", statusWarning, "create one: postilion configure main --host smtp.example.com --username you",
			"no connection delivers yet: mail is kept here for looking at")
	}
	r.well("connection", "%d that deliver, none paused", delivers)
}

func (e *Examiner) paused(r *report, c *registry.Connection, name string, alarm *dispatch.Alarm) {
	d := diagnose.Explain(alarm.Outcome, diagnose.ContextOf(c.Settings))
	r.add("connection", name, "paused", statusFailed, remedy(&d, name), "paused, failing since %s: %s (%s)",
		alarm.Since.UTC().Format("2006-01-02 15:04 MST"), d.Title, alarm.Outcome.Reply)
	if alarm.Late > 0 {
		r.add("connection", name, "late", statusFailed, "mend it soon, or send them through another connection",
			"messages that wait for it have used half of their life")
	}
}

func remedy(d *diagnose.Diagnosis, name string) string {
	if d != nil && len(d.Remedies) > 0 {
		return d.Remedies[0]
	}
	return "see what the server says: postilion test " + name[strings.IndexByte(name, '/')+1:]
}

func (e *Examiner) plugins(r *report) {
	list := e.Plugins()
	for _, p := range list {
		switch p.State {
		case host.Failed:
			r.add("plugin", p.Name, "failed", statusFailed, "see its log: postilion plugins logs "+p.Name, "it does not run, and its mail waits: %s", p.Reason)
		case host.Backoff:
			r.add("plugin", p.Name, "restarting", statusWarning, "see its log: postilion plugins logs "+p.Name, "it ended and is started again: %s", p.Reason)
		case host.Stopped:
			r.add("plugin", p.Name, "stopped", statusNotice, "", "it is switched off, and mail for it waits")
		}
	}
	if len(list) > 0 {
		r.well("plugin", "%d, none failed", len(list))
	}
}

// certificates are the daemon's own, and those that probes have seen.
func (e *Examiner) certificates(r *report) {
	if own := e.Certificate(); own != nil {
		e.own(r, own)
	}
	for _, c := range e.Registry.All() {
		last, ok := e.Probes.Result(c.ID, c.Generation)
		if !ok || last.Expires.IsZero() || last.Expires.Sub(r.now) >= probe.ExpiresSoon {
			continue
		}
		status, word, verb := statusWarning, "server_expires", "expires"
		if !r.now.Before(last.Expires) {
			status, word, verb = statusFailed, "server_expired", "expired"
		}
		r.add("certificate", c.OwnerName+"/"+c.Name, word, status, "ask the operator of the server to renew it",
			"the certificate of the connection's server %s on %s", verb, last.Expires.UTC().Format(time.DateOnly))
	}
	r.well("certificate", "none that is known expires within 21 days")
}

func (e *Examiner) own(r *report, served *x509.Certificate) {
	left := served.NotAfter.Sub(r.now)
	if left >= probe.ExpiresSoon {
		return
	}
	status, word, verb := statusWarning, "expires", "expires"
	if left <= 0 {
		status, word, verb = statusFailed, "expired", "expired"
	}
	remedy := "renew " + e.CertificateFile + ", and restart the daemon"
	if file := leaf(e.CertificateFile); file != nil && file.NotAfter.After(served.NotAfter) {
		remedy = "restart the daemon: " + e.CertificateFile + " holds a newer one"
	}
	r.add("certificate", "tls_cert_file", word, status, remedy, "the certificate of our TCP listeners %s on %s", verb, served.NotAfter.UTC().Format(time.DateOnly))
}

// leaf reads the first certificate of a file; nil if it cannot be read.
func leaf(path string) *x509.Certificate {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil
	}
	for block, rest := pem.Decode(data); block != nil; block, rest = pem.Decode(rest) {
		if block.Type == "CERTIFICATE" {
			c, _ := x509.ParseCertificate(block.Bytes)
			return c
		}
	}
	return nil
}
