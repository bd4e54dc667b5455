package dispatch

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"runtime/debug"
	"time"

	"github.com/postilion-mail/postilion/internal/failpoint"
	"github.com/postilion-mail/postilion/internal/outbox"
	"github.com/postilion-mail/postilion/plugin"
)

// errLost ends a delivery whose claim is no longer ours.
var errLost = errors.New("the claim of the message was lost")

// attempt is what an attempt came to, before it is decided what follows.
type attempt struct {
	started  time.Time
	took     time.Duration
	outcomes []plugin.Outcome // in the order of the job's recipients
	untried  bool
	crashed  bool
	local    bool // it says nothing about the connection
	// hold, if not empty, is why the job is held whatever the outcomes.
	hold string
}

// attempt delivers a job, learns from it and has it recorded.
func (l *lane) attempt(i *item) {
	a := l.try(i)
	if a == nil {
		l.giveBack([]*item{i})
		return
	}
	l.mu.Lock()
	l.uncount(i)
	if !a.untried && !a.crashed && !a.local {
		l.learn(i.epoch, a.outcomes)
	}
	l.mu.Unlock()
	l.conclude(i, a)
}

// try makes the attempt. It gives nil when there was none after all: the
// connection was deleted, or the daemon stopped before the message could have
// gone out.
func (l *lane) try(i *item) *attempt {
	job := &i.job
	a := &attempt{started: l.d.Now(), untried: true}
	switch {
	case overdue(job, a.started):
		a.outcomes = same(job, plugin.Outcome{Class: plugin.Temporary, Inferred: true,
			Reply: "the message's time was over before it could be tried"})
		return a
	case job.Crashes >= crashLimit:
		a.outcomes = same(job, plugin.Outcome{Class: plugin.Temporary, Blame: plugin.BlameServer, Inferred: true,
			Reply: plugin.ErrCrashed.Error()})
		return a
	}
	a.untried = false

	ctx, cancel := context.WithCancelCause(l.d.hard)
	defer cancel(nil)
	i.ctx = ctx
	l.mu.Lock()
	if !l.exists {
		l.mu.Unlock()
		return nil
	}
	i.cancel = cancel
	holder, connection := l.use(), l.connection
	l.mu.Unlock()
	defer func() {
		l.mu.Lock()
		l.unuse(holder)
		l.mu.Unlock()
	}()

	began := time.Now()
	instance, err := holder.get(i.ctx)
	if err != nil {
		a.outcomes = same(job, openOutcome(err))
	} else {
		l.deliver(i, instance, &connection, a)
	}
	a.took = time.Since(began)
	if context.Cause(l.d.hard) != nil && !i.committed.Load() && connection.Capabilities.ReportsCommit && guessed(a.outcomes) {
		return nil
	}
	return a
}

// overdue says whether a job's time is over. A message that was given no time
// to wait has one attempt.
func overdue(job *outbox.Job, now time.Time) bool {
	return !job.Expires.IsZero() && !now.Before(job.Expires) &&
		(job.Attempt > 1 || job.Expires.After(job.Accepted))
}

// deliver hands the job to the transport, in as many parts as it needs.
func (l *lane) deliver(i *item, instance plugin.Instance, c *Connection, a *attempt) {
	job := &i.job
	if limit := c.Limits.MessageBytes; limit > 0 && job.Size > limit {
		a.local = true
		a.outcomes = same(job, plugin.Outcome{Class: plugin.Permanent, Blame: plugin.BlameContent, Phase: plugin.PhaseOpen,
			Inferred: true, Reply: fmt.Sprintf("the message has %d bytes, the connection takes %d", job.Size, limit)})
		return
	}
	content, err := l.content(i)
	if err != nil {
		a.local = true
		l.d.Log.Error("cannot read a message's content", "message", job.Message, "connection", l.id, "error", err)
		a.outcomes = same(job, plugin.Outcome{Class: plugin.Temporary, Phase: plugin.PhaseOpen, Inferred: true,
			Reply: "the content could not be read"})
		if errors.Is(err, outbox.ErrNotFound) {
			a.hold = "the content is missing"
		}
		return
	}
	defer content.Close()
	part := c.Limits.Recipients
	if part <= 0 {
		part = len(job.Envelope.Recipients)
	}
	for rest := job.Envelope.Recipients; len(rest) > 0; {
		now := rest[:min(part, len(rest))]
		rest = rest[len(now):]
		envelope := job.Envelope
		envelope.Recipients = now
		outcomes := l.deliverPart(i, instance, c, a, &plugin.Delivery{
			ID: job.Message.String(), Attempt: job.Attempt, Envelope: envelope,
			Content: content, Size: content.Size(),
			EightBit: job.EightBit, UTF8Headers: job.UTF8Header, Signed: job.Signed,
		})
		a.outcomes = append(a.outcomes, outcomes...)
		if v, why := judge(outcomes); v >= trouble || a.crashed {
			// The same would happen to the others; nothing was tried for them.
			other := plugin.Outcome{Class: plugin.Temporary, Blame: plugin.BlameServer, Inferred: true, Reply: plugin.ErrCrashed.Error()}
			if why != nil {
				other = *why
				other.Class = plugin.Temporary
			}
			for range rest {
				a.outcomes = append(a.outcomes, other)
			}
			return
		}
	}
}

// deliverPart is one call of the transport.
func (l *lane) deliverPart(i *item, instance plugin.Instance, c *Connection, a *attempt, delivery *plugin.Delivery) []plugin.Outcome {
	i.committed.Store(false)
	outcomes, err := deliverSafely(i.ctx, instance, delivery, i.commit)
	if errors.Is(err, plugin.ErrCrashed) {
		a.crashed = true
		l.d.Metrics.Crashed(l.id)
		l.d.Log.Error("a transport crashed", "message", i.job.Message, "connection", l.id, "error", err)
		if de := (*plugin.DeliveryError)(nil); !errors.As(err, &de) {
			err = plugin.ErrCrashed // the details are for the log
		}
	}
	committed := i.committed.Load() || !c.Capabilities.ReportsCommit
	return plugin.Settle(outcomes, err, len(delivery.Envelope.Recipients), committed)
}

// commit is what a transport calls before the point of no return.
func (i *item) commit() error {
	if i.lost.Load() {
		return errLost
	}
	if i.ctx.Err() != nil {
		return context.Cause(i.ctx)
	}
	i.committed.Store(true)
	failpoint.Hit(failpoint.Committing)
	return nil
}

// deliverSafely turns a panic of the transport into plugin.ErrCrashed.
func deliverSafely(ctx context.Context, instance plugin.Instance, d *plugin.Delivery, commit func() error) (outcomes []plugin.Outcome, err error) {
	defer func() {
		if r := recover(); r != nil {
			outcomes, err = nil, fmt.Errorf("%w: %v\n%s", plugin.ErrCrashed, r, debug.Stack())
		}
	}()
	return instance.Deliver(ctx, d, commit)
}

// content gives the bytes of a job: those handed over, or the store's.
func (l *lane) content(i *item) (outbox.Content, error) {
	if i.job.Content == nil {
		return l.d.Store.Content(i.ctx, &i.job)
	}
	if len(i.job.Overlay) == 0 {
		return memory{bytes.NewReader(i.job.Content)}, nil
	}
	return joined{i.job.Overlay, i.job.Content}, nil
}

// memory is content without an overlay.
type memory struct{ *bytes.Reader }

func (memory) Close() error { return nil }

// joined is an overlay and the content after it.
type joined struct{ overlay, content []byte }

func (j joined) Size() int64  { return int64(len(j.overlay) + len(j.content)) }
func (j joined) Close() error { return nil }

func (j joined) ReadAt(p []byte, at int64) (int, error) {
	n := 0
	if at < int64(len(j.overlay)) {
		n = copy(p, j.overlay[at:])
		at = int64(len(j.overlay))
	}
	if n == len(p) {
		return n, nil
	}
	at -= int64(len(j.overlay))
	if at >= int64(len(j.content)) {
		return n, io.EOF
	}
	n += copy(p[n:], j.content[at:])
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

// openOutcome is that of an instance that could not be opened: the settings
// are to blame, unless the transport says otherwise.
func openOutcome(err error) plugin.Outcome {
	if de := (*plugin.DeliveryError)(nil); errors.As(err, &de) && de.Outcome.Class != plugin.ClassUnspecified {
		return de.Outcome
	}
	return plugin.Outcome{Class: plugin.Temporary, Blame: plugin.BlameConnection, Phase: plugin.PhaseOpen,
		Inferred: true, Reply: err.Error()}
}

// same gives all recipients of a job one outcome.
func same(job *outbox.Job, o plugin.Outcome) []plugin.Outcome {
	all := make([]plugin.Outcome, len(job.Envelope.Recipients))
	for n := range all {
		all[n] = o
	}
	return all
}

// guessed says that no server said anything about any recipient.
func guessed(outcomes []plugin.Outcome) bool {
	for n := range outcomes {
		if o := &outcomes[n]; o.Class != plugin.Temporary || !o.Inferred {
			return false
		}
	}
	return true
}
