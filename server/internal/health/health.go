// Package health examines the daemon and what it stands on, for people: store,
// disk, clock, queue, connections, plugins, certificates, sockets. It reaches
// over no network; what it says about servers is what deliveries and probes
// have found.
package health

import (
	"context"
	"crypto/x509"
	"fmt"
	"time"

	"github.com/postilion-mail/postilion/internal/clock"
	"github.com/postilion-mail/postilion/internal/dispatch"
	"github.com/postilion-mail/postilion/internal/outbox"
	"github.com/postilion-mail/postilion/internal/probe"
	"github.com/postilion-mail/postilion/internal/registry"
	postilionv1 "github.com/postilion-mail/postilion/proto/gen/postilion/v1"
	"github.com/postilion-mail/postilion/server/internal/plugins"
)

// The statuses, with short names.
const (
	statusOK      = postilionv1.CheckStatus_CHECK_STATUS_OK
	statusNotice  = postilionv1.CheckStatus_CHECK_STATUS_NOTICE
	statusWarning = postilionv1.CheckStatus_CHECK_STATUS_WARNING
	statusFailed  = postilionv1.CheckStatus_CHECK_STATUS_FAILED
	statusUnknown = postilionv1.CheckStatus_CHECK_STATUS_UNKNOWN
)

// Store is what is asked of the outbox.
type Store interface {
	Stats(ctx context.Context) (outbox.Stats, error)
	Usage(ctx context.Context, client string) (messages int, bytes int64, err error)
	Health() error
}

// Socket is a Unix socket that the daemon listens on.
type Socket struct {
	Path  string
	Admin bool // whoever connects to it may do everything
}

// Examiner knows where to look. Its functions are called concurrently.
type Examiner struct {
	Version string
	Started time.Time
	Store   Store
	// Clock of the outbox.
	Clock    *clock.Clock
	Registry *registry.Registry
	// Alarms are the connections that are paused.
	Alarms func() []dispatch.Alarm
	Probes *probe.Prober
	// Plugins are all there are.
	Plugins func() []plugins.Info
	// SendsNothing says whether a transport keeps the mail on this machine.
	SendsNothing func(transport string) bool
	// Directories that the daemon writes into, by the name of their setting.
	Directories map[string]string
	// MinFree is how many octets of disk have to be free for mail to be
	// accepted.
	MinFree int64
	// Certificate that the TCP listeners serve; nil for none.
	Certificate func() *x509.Certificate
	// CertificateFile is where it was read from at the start.
	CertificateFile string
	// Sockets are the daemon's.
	Sockets func() []Socket
	// EveryUser says whether Unix users without a client of their own may send.
	EveryUser bool
}

// Examine looks at everything. The checks are in the order of the areas.
func (e *Examiner) Examine(ctx context.Context) *postilionv1.GetHealthResponse {
	r := &report{now: e.Clock.Now()}
	e.daemon(r)
	e.store(r)
	e.disk(r)
	e.clock(r)
	e.queue(ctx, r)
	e.connections(r)
	e.plugins(r)
	e.certificates(r)
	e.sockets(r)
	out := &postilionv1.GetHealthResponse{Checks: r.checks, Ok: true}
	for _, c := range r.checks {
		out.Ok = out.Ok && c.GetStatus() != statusFailed
	}
	return out
}

// report gathers checks.
type report struct {
	now    time.Time
	checks []*postilionv1.HealthCheck
}

// add adds a check; the code is made of the area and the word.
func (r *report) add(area, name, word string, status postilionv1.CheckStatus, remedy, format string, arguments ...any) {
	r.checks = append(r.checks, &postilionv1.HealthCheck{
		Area: area, Name: name, Code: area + "." + word, Status: status, Detail: fmt.Sprintf(format, arguments...), Remedy: remedy,
	})
}

// well adds that an area is as it should be, unless something was said of it.
func (r *report) well(area, format string, arguments ...any) {
	for _, c := range r.checks {
		if c.GetArea() == area {
			return
		}
	}
	r.add(area, "", "ok", statusOK, "", format, arguments...)
}

func (e *Examiner) daemon(r *report) {
	r.well("daemon", "%s runs since %s", e.Version, e.Started.UTC().Format("2006-01-02 15:04 MST"))
}

func (e *Examiner) store(r *report) {
	if err := e.Store.Health(); err != nil {
		r.add("store", "", "unavailable", statusFailed, "look at the disk below, and at the daemon's log", "nothing is accepted: %v", err)
		return
	}
	r.well("store", "it can promise what it accepts")
}

// ages of the clock's step and of the queue that are worth a word.
const (
	oldQueue   = time.Hour
	staleQueue = 24 * time.Hour
)

func (e *Examiner) clock(r *report) {
	const remedy = "let the system keep the time: timedatectl set-ntp true"
	// Postilion was first built in 2026: an earlier time is wrong.
	if r.now.Year() < 2026 {
		r.add("clock", "", "wrong", statusFailed, "set it; "+remedy, "it says %s: certificates will not be valid", r.now.Format(time.RFC1123))
		return
	}
	if synchronised, known := clock.Synchronised(); known && !synchronised {
		r.add("clock", "", "unsynchronised", statusWarning, remedy, "the system does not synchronise it: %s", r.now.Format(time.RFC1123))
	}
	if jumped := e.Clock.Jumped(); jumped != 0 {
		r.add("clock", "", "jumped", statusNotice, remedy, "it was set by %s since the start; waiting times are not affected", jumped.Round(time.Second))
	}
	r.well("clock", "%s", r.now.Format(time.RFC1123))
}

func (e *Examiner) queue(ctx context.Context, r *report) {
	stats, err := e.Store.Stats(ctx)
	if err != nil {
		r.add("queue", "", "unknown", statusUnknown, "", "it cannot be counted: %v", err)
		return
	}
	if held := stats.Recipients[outbox.Held]; held > 0 {
		r.add("queue", "held", "held", statusWarning, "see why: postilion messages list --state held; then postilion messages release ID, or cancel ID",
			"%s held until somebody decides", recipients(held))
	}
	waiting := stats.Recipients[outbox.Queued] + stats.Recipients[outbox.Deferred] + stats.Recipients[outbox.Sending]
	if age := r.now.Sub(stats.Oldest); !stats.Oldest.IsZero() && age > oldQueue {
		status := statusNotice
		if age > staleQueue {
			status = statusWarning
		}
		r.add("queue", "oldest", "old", status, "see why: postilion messages list --state deferred", "the oldest message waits for %s", rough(age))
	}
	if deferred := stats.Recipients[outbox.Deferred]; deferred > 0 {
		r.add("queue", "deferred", "deferred", statusNotice, "see why: postilion messages list --state deferred", "%s waiting for another attempt", recipients(deferred))
	}
	e.caps(ctx, r)
	r.well("queue", "%s waiting, none deferred or held", recipients(waiting))
}

// caps tells of clients that will soon be refused.
func (e *Examiner) caps(ctx context.Context, r *report) {
	for _, c := range e.Registry.Clients() {
		messages, bytes, err := e.Store.Usage(ctx, c.ID)
		if err != nil {
			continue
		}
		mostMessages, mostBytes := c.QueueCaps()
		if int64(messages) > mostMessages/5*4 || bytes > mostBytes/5*4 {
			r.add("queue", c.Name, "nearly_full", statusWarning, "mend what keeps its mail from going out, or raise its caps (postilion clients update)",
				"the client %s has %d messages (%s) waiting and may have %d (%s)", c.Name, messages, size(bytes), mostMessages, size(mostBytes))
		}
	}
}

func recipients(n int64) string {
	if n == 1 {
		return "1 recipient is"
	}
	return fmt.Sprintf("%d recipients are", n)
}

// rough gives a duration as people say it.
func rough(d time.Duration) string {
	switch {
	case d >= 48*time.Hour:
		return fmt.Sprintf("%d days", int(d.Hours()/24))
	case d >= 2*time.Hour:
		return fmt.Sprintf("%d hours", int(d.Hours()))
	}
	return fmt.Sprintf("%d minutes", int(d.Minutes()))
}

// size gives octets as people say them.
func size(n int64) string {
	switch {
	case n >= 1<<30:
		return fmt.Sprintf("%.1f GiB", float64(n)/(1<<30))
	case n >= 1<<20:
		return fmt.Sprintf("%d MiB", n>>20)
	}
	return fmt.Sprintf("%d KiB", n>>10)
}
