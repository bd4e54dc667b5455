package dispatch

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/postilion-mail/postilion/internal/diagnose"
	"github.com/postilion-mail/postilion/internal/failpoint"
	"github.com/postilion-mail/postilion/internal/outbox"
	"github.com/postilion-mail/postilion/plugin"
)

const (
	recordRetry    = 100 * time.Millisecond
	recordRetryMax = 5 * time.Second
	// recordTries bounds the tries of a report that the store refuses though
	// it is available. The claim's lease then lapses, and the job is recovered.
	recordTries = 10
)

// conclude decides what follows an attempt and records it, beside the lane's
// next delivery.
func (l *lane) conclude(i *item, a *attempt) {
	report, moves := l.report(&i.job, a)
	l.log(&i.job, &report)
	l.d.work.run(func() { l.record(i, &report, moves) })
}

// report decides for each recipient. It also says whether all that is left of
// the job goes on at once, through another connection.
func (l *lane) report(job *outbox.Job, a *attempt) (outbox.Report, bool) {
	s := l.situation(job, a)
	report := outbox.Report{
		Token: job.Token, Started: a.started, Duration: a.took,
		Untried: a.untried, Crashed: a.crashed,
		Results: make([]outbox.Result, len(a.outcomes)),
	}
	moves := true
	for n := range a.outcomes {
		r := decide(&s, &a.outcomes[n])
		if a.hold != "" && !r.Next.Terminal() {
			r.Next, r.Due, r.Reason = outbox.Held, time.Time{}, a.hold
		}
		r.Index = job.Indexes[n]
		report.Results[n] = r
		moves = moves && r.Next == outbox.Deferred && !r.Due.After(s.now)
		if !a.untried {
			l.d.Metrics.Attempted(l.id, &a.outcomes[n], a.took)
		}
	}
	l.noteLate(job, s.now)
	return report, moves
}

// situation gathers what decide needs.
func (l *lane) situation(job *outbox.Job, a *attempt) situation {
	s := situation{
		now: l.d.Now(), expires: job.Expires, attempt: job.Attempt, hop: job.Hop, hops: len(job.Chain),
		duplicate: job.Duplicate, crashes: job.Crashes, random: l.d.random(),
	}
	if a.crashed {
		s.crashes++
	} else if !a.untried {
		s.crashes = 0
	}
	l.mu.Lock()
	s.schedule = l.connection.Schedule
	if l.breaker.open(s.now) {
		s.resume = l.breaker.pause.Until
	}
	l.mu.Unlock()
	for hop := job.Hop + 1; hop < len(job.Chain); hop++ {
		if l.d.lane(job.Chain[hop]).takesMail(s.now) {
			s.next = hop
			break
		}
	}
	return s
}

// takesMail says whether mail of other lanes may fall back to this one.
func (l *lane) takesMail(now time.Time) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.delivers(now)
}

// record writes a report until the store has it or the claim is lost. Until
// then the job is held, and so its lease extended. Who waits for an outcome is
// told, unless the job moves on at once.
func (l *lane) record(i *item, report *outbox.Report, moves bool) {
	defer l.drop(i)
	failpoint.Hit(failpoint.Delivered)
	refused := 0
	for wait := recordRetry; ; wait = min(2*wait, recordRetryMax) {
		err := l.d.Store.Record(context.WithoutCancel(l.d.hard), *report)
		if err == nil {
			l.passOn(i, report)
			if !moves {
				l.d.watch.tell(i.job.Message)
			}
			return
		}
		if errors.Is(err, outbox.ErrStaleToken) {
			l.d.Metrics.Stale(l.id)
			l.d.Log.Error("an outcome came after its claim was lost; the message may arrive twice",
				"message", i.job.Message, "connection", l.id)
			return
		}
		if !errors.Is(err, outbox.ErrUnavailable) {
			refused++
		}
		l.d.Metrics.Unrecorded(l.id)
		l.d.Log.Error("cannot record an outcome", "message", i.job.Message, "connection", l.id, "error", err)
		if refused >= recordTries || !l.d.sleep(wait) {
			return
		}
	}
}

// passOn wakes the lanes that have more to do with the message.
func (l *lane) passOn(i *item, report *outbox.Report) {
	var last *outbox.Result
	for n := range report.Results {
		r := &report.Results[n]
		if r.Next != outbox.Deferred || last != nil && last.Hop == r.Hop && last.Due.Equal(r.Due) {
			continue
		}
		last = r
		l.d.lane(i.job.Chain[r.Hop]).wake(r.Due)
	}
}

// log writes one line for a report: details are in the outbox.
func (l *lane) log(job *outbox.Job, report *outbox.Report) {
	sent := 0
	var worst *outbox.Result
	for n := range report.Results {
		if report.Results[n].Next == outbox.Sent {
			sent++
		} else {
			worst = &report.Results[n]
		}
	}
	if worst == nil {
		l.d.Log.Debug("sent", "message", job.Message, "connection", l.id, "recipients", sent, "took", report.Duration)
		return
	}
	cause := ""
	if worst.Outcome.Class != plugin.ClassUnspecified {
		l.mu.Lock()
		known := l.connection.Known
		l.mu.Unlock()
		cause = diagnose.Explain(worst.Outcome, known).Code
	}
	what, level := "not sent", slog.LevelInfo
	if report.Untried {
		// Only put off: the pause itself has its line, and in an outage there
		// would be one for each message that waits.
		what, level = "not tried", slog.LevelDebug
	}
	l.d.Log.Log(context.Background(), level, what, "message", job.Message, "connection", l.id, "attempt", job.Attempt,
		"recipients", len(report.Results), "sent", sent, "state", worst.Next.String(), "due", worst.Due,
		"class", worst.Outcome.Class.String(), "blame", worst.Outcome.Blame.String(),
		"phase", worst.Outcome.Phase.String(), "code", worst.Outcome.Code, "reply", worst.Outcome.Reply, "cause", cause)
}
