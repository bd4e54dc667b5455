// Package probe logs into connections from time to time without sending mail,
// so that a login that has stopped working, or a certificate that is about to
// expire, is noticed before a mail fails.
//
// When and with what result is kept in the database: a restart makes no probe
// come early, and none is forgotten.
package probe

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"hash/fnv"
	"log/slog"
	"math"
	"runtime/debug"
	"sync"
	"time"

	"github.com/postilion-mail/postilion/internal/database"
	"github.com/postilion-mail/postilion/internal/diagnose"
	"github.com/postilion-mail/postilion/plugin"
)

const (
	// limit is how long a probe may take.
	limit = 30 * time.Second
	// atOnce is how many connections are probed at a time.
	atOnce = 2
	// roundEvery is the time between two looks at what is due.
	roundEvery = time.Minute
	// firstWithin is how soon a connection that was changed is probed.
	firstWithin = time.Hour
	// again is when a probe that failed is repeated, doubling up to the usual
	// interval: a network comes back, and a server that counts wrong passwords
	// must not lock the account.
	again = 10 * time.Minute
	// ExpiresSoon is how long before its end a certificate is an alarm.
	ExpiresSoon = 21 * 24 * time.Hour
)

// Target is a connection that is probed.
type Target struct {
	ID   string
	Name string // for logs: client/name
	// Generation changes with the connection; an earlier one's result says
	// nothing about it.
	Generation uint64
	Updated    time.Time
	Every      time.Duration // 0 for never
}

// Result is what the last probe of a connection found.
type Result struct {
	Generation uint64    `json:"generation"`
	Time       time.Time `json:"time"`
	// Failures in a row; 0 if it works.
	Failures  int                 `json:"failures,omitempty"`
	Outcome   plugin.Outcome      `json:"outcome,omitzero"`
	Diagnosis *diagnose.Diagnosis `json:"diagnosis,omitempty"`
	// Expires is when the server's certificate does; zero if there was none.
	Expires time.Time `json:"expires,omitzero"`
}

// Title says in a few words why the probe failed.
func (r *Result) Title() string {
	if r.Diagnosis == nil {
		return "it is not known why"
	}
	return r.Diagnosis.Title
}

// Alarms are what a person should know of a result, in sentences.
func (r *Result) Alarms(now time.Time) []string {
	var out []string
	if r.Failures > 0 {
		out = append(out, fmt.Sprintf("A login without mail failed on %s: %s.", r.Time.UTC().Format("2006-01-02 15:04 MST"), r.Title()))
	}
	switch left := r.Expires.Sub(now); {
	case r.Expires.IsZero() || left >= ExpiresSoon:
	case left <= 0:
		out = append(out, "The certificate of the server expired on "+r.Expires.UTC().Format(time.DateOnly)+".")
	default:
		out = append(out, "The certificate of the server expires on "+r.Expires.UTC().Format(time.DateOnly)+".")
	}
	return out
}

// Options are what a prober needs.
type Options struct {
	Database *database.DB
	// Targets gives all connections there are, those that are never probed
	// too.
	Targets func() []Target
	// Open opens an instance of a connection, and tells what is known of it.
	Open func(ctx context.Context, id string) (plugin.Instance, diagnose.Context, error)
	// Paused says whether deliveries have just shown that the connection does
	// not work, and go on trying; it is not probed then.
	Paused func(id string) bool
	// Probed, if set, is told of each probe.
	Probed func(works bool)
	// Now is the clock that due times are compared with. Defaults to time.Now.
	Now func() time.Time
	Log *slog.Logger // defaults to none
}

// Prober probes connections. It is safe for concurrent use.
type Prober struct {
	Options

	mu      sync.Mutex
	results map[string]Result // by connection
}

// Open makes a prober with the results of earlier runs.
func Open(ctx context.Context, o Options) (*Prober, error) {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	p := &Prober{Options: o, results: make(map[string]Result)}
	return p, p.load(ctx)
}

// Run probes what is due until ctx ends.
func (p *Prober) Run(ctx context.Context) {
	ticker := time.NewTicker(roundEvery)
	defer ticker.Stop()
	for {
		p.round(ctx)
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}

// Result gives that of a connection's last probe; false if it has not been
// probed as it is now.
func (p *Prober) Result(id string, generation uint64) (Result, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	r, ok := p.results[id]
	return r, ok && r.Generation == generation
}

// Failing counts the connections whose last probe failed.
func (p *Prober) Failing() int {
	n := 0
	for _, t := range p.Targets() {
		if r, ok := p.Result(t.ID, t.Generation); ok && r.Failures > 0 && t.Every > 0 {
			n++
		}
	}
	return n
}

// round probes all that is due.
func (p *Prober) round(ctx context.Context) {
	targets := p.Targets()
	p.forget(ctx, targets)
	var all sync.WaitGroup
	places := make(chan struct{}, atOnce)
	for _, t := range targets {
		if ctx.Err() != nil {
			break
		}
		if t.Every == 0 || p.Now().Before(p.due(t)) || p.Paused(t.ID) {
			continue
		}
		places <- struct{}{}
		all.Go(func() {
			defer func() { <-places }()
			p.probe(ctx, t)
		})
	}
	all.Wait()
}

// due is when a connection is to be probed next.
func (p *Prober) due(t Target) time.Time {
	last, ok := p.Result(t.ID, t.Generation)
	switch {
	case !ok:
		return t.Updated.Add(spread(t, min(t.Every, firstWithin), 0.5, 1))
	case last.Time.After(p.Now()): // the clock was set back
		return p.Now()
	case last.Failures > 0:
		return last.Time.Add(min(t.Every, again<<min(last.Failures-1, 16)))
	}
	return last.Time.Add(spread(t, t.Every, 0.9, 1.1))
}

// spread gives a part of d between two fractions, for a connection always the
// same: connections are not all probed at once, and not at the full hour.
func spread(t Target, d time.Duration, from, to float64) time.Duration {
	h := fnv.New32a()
	_, _ = h.Write([]byte(t.ID))
	share := float64(h.Sum32()) / math.MaxUint32
	return time.Duration(float64(d) * (from + (to-from)*share))
}

// probe probes one connection and keeps the result.
func (p *Prober) probe(ctx context.Context, t Target) {
	checked, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	report, err := p.check(checked, t.ID)
	if ctx.Err() != nil {
		return // the end of the daemon says nothing about the connection
	}
	if err != nil {
		report = diagnose.Report{Failed: &plugin.Outcome{Class: plugin.Temporary, Blame: plugin.BlameConnection, Inferred: true, Reply: err.Error()}}
		diagnosis := diagnose.Explain(*report.Failed, diagnose.Context{})
		report.Diagnosis = &diagnosis
	}
	before, known := p.Result(t.ID, t.Generation)
	r := Result{Generation: t.Generation, Time: p.Now(), Expires: expiry(report.Stages)}
	if report.Failed != nil {
		r.Failures, r.Outcome, r.Diagnosis = 1, *report.Failed, report.Diagnosis
		if known {
			r.Failures += before.Failures
		}
	}
	p.tell(t, &before, &r)
	if err := p.keep(ctx, t.ID, r); err != nil {
		p.Log.Error("cannot store the result of a probe", "connection", t.ID, "name", t.Name, "error", err)
	}
}

// check logs in. A transport that panics has failed, as with a delivery.
func (p *Prober) check(ctx context.Context, id string) (report diagnose.Report, err error) {
	defer func() {
		if r := recover(); r != nil {
			p.Log.Error("a transport panicked in a probe", "connection", id, "panic", r, "stack", string(debug.Stack()))
			report, err = diagnose.Report{}, errors.New("the transport crashed")
		}
	}()
	instance, known, err := p.Open(ctx, id)
	if err != nil {
		return report, err
	}
	defer instance.Close()
	report, err = diagnose.Test(ctx, instance, plugin.CheckRequest{LoginOnly: true}, known)
	if report.Failed != nil && report.Failed.Phase == plugin.PhaseQuit {
		report.Failed, report.Diagnosis = nil, nil // the login has worked
	}
	return report, err
}

// expiry finds the end of the server's certificate among what the stages
// found.
func expiry(stages []plugin.Stage) time.Time {
	for _, stage := range stages {
		if at, err := time.Parse(time.RFC3339, stage.Facts["certificate_expires"]); err == nil {
			return at
		}
	}
	return time.Time{}
}

// tell logs a result. A failure is told each time, success only after one.
func (p *Prober) tell(t Target, before, r *Result) {
	if p.Probed != nil {
		p.Probed(r.Failures == 0)
	}
	switch {
	case r.Failures > 0:
		p.Log.Warn("a connection cannot be logged into; the next mail through it will fail", "connection", t.ID, "name", t.Name,
			"failures", r.Failures, "title", r.Title(), "code", r.Outcome.Code, "reply", r.Outcome.Reply)
	case before.Failures > 0:
		p.Log.Info("a connection can be logged into again", "connection", t.ID, "name", t.Name)
	}
	if !r.Expires.IsZero() && r.Expires.Sub(r.Time) < ExpiresSoon {
		p.Log.Warn("the certificate of a connection's server expires soon", "connection", t.ID, "name", t.Name, "expires", r.Expires)
	}
}

// keep stores a result. Memory has it even if the database does not take it.
func (p *Prober) keep(ctx context.Context, id string, r Result) error {
	p.mu.Lock()
	p.results[id] = r
	p.mu.Unlock()
	document, err := json.Marshal(r)
	if err != nil {
		return err
	}
	return p.Database.Write(ctx, func(tx *database.Tx) error {
		_, err := tx.Exec(`INSERT INTO probes (connection, document) VALUES (?, ?)
			ON CONFLICT (connection) DO UPDATE SET document = excluded.document`, id, string(document))
		return err
	})
}

// forget removes results of connections that are gone.
func (p *Prober) forget(ctx context.Context, targets []Target) {
	here := make(map[string]bool, len(targets))
	for _, t := range targets {
		here[t.ID] = true
	}
	var gone []string
	p.mu.Lock()
	for id := range p.results {
		if !here[id] {
			gone = append(gone, id)
			delete(p.results, id)
		}
	}
	p.mu.Unlock()
	if len(gone) == 0 {
		return
	}
	err := p.Database.Write(ctx, func(tx *database.Tx) error {
		for _, id := range gone {
			if _, err := tx.Exec(`DELETE FROM probes WHERE connection = ?`, id); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil { // the next run loads and forgets them once more
		p.Log.Error("cannot remove the results of probes", "error", err)
	}
}

func (p *Prober) load(ctx context.Context) error {
	return p.Database.Read(ctx, func(tx *database.Tx) error {
		rows, err := tx.Query(`SELECT connection, document FROM probes`)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var id, document string
			if err := rows.Scan(&id, &document); err != nil {
				return err
			}
			var r Result
			if err := json.Unmarshal([]byte(document), &r); err != nil {
				p.Log.Warn("the result of a probe is damaged; the connection is probed anew", "connection", id)
				continue
			}
			p.results[id] = r
		}
		return rows.Err()
	})
}
