package dispatch

import (
	"time"

	"github.com/google/uuid"

	"github.com/postilion-mail/postilion/internal/outbox"
	"github.com/postilion-mail/postilion/plugin"
)

// divert is for claimed jobs of a lane that attempts nothing now. Those with
// another open connection go there at once; those of a paused lane are put
// off until the pause ends, with its reason for people to see; those of a
// connection that is no more are held. None of that is an attempt.
//
// What waits in the store is not moved as a whole: when there is more after a
// page that has nothing to go another way, the next one waits, longer each
// time in a pause.
func (l *lane) divert(items []*item, more bool) {
	if len(items) == 0 {
		return
	}
	l.mu.Lock()
	why, exists, until := l.breaker.pause.Outcome, l.exists, l.breaker.pause.Until
	for _, i := range items {
		i.epoch = l.breaker.epoch
	}
	l.mu.Unlock()
	if !l.d.running.Load() || exists && !l.d.Now().Before(until) {
		l.giveBack(items) // the pause is over
		return
	}
	moved := false
	for _, i := range items {
		a := &attempt{started: l.d.Now(), untried: true, outcomes: same(&i.job, pausedOutcome(why, exists))}
		report, moves := l.report(&i.job, a)
		for n := range report.Results {
			if r := &report.Results[n]; r.Next == outbox.Deferred && r.Hop == i.job.Hop {
				putOff(r, &i.job, until, exists)
			}
		}
		moved = moved || moves
		l.log(&i.job, &report)
		l.d.work.run(func() {
			l.record(i, &report, moves)
			l.overtaken(i)
		})
	}
	if more && !moved && exists {
		l.mu.Lock()
		l.after = l.d.Now().Add(siftEvery << min(l.breaker.sifts, 16))
		if until.Before(l.after) {
			l.after = until
		}
		l.breaker.sifts++
		l.mu.Unlock()
	}
}

// overtaken makes due what was put off for a pause that ended before the store
// had it: whoever ended the pause has not found it there.
func (l *lane) overtaken(i *item) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if i.epoch != l.breaker.epoch && l.breaker.pause.Strikes == 0 {
		l.breaker.unsaved = true
		l.savePause()
	}
}

// pausedOutcome is the outcome of not being tried. A pause stands for its own
// reason, so that the store makes due what it put off when it ends.
func pausedOutcome(why plugin.Outcome, exists bool) plugin.Outcome {
	if !exists {
		return plugin.Outcome{Class: plugin.Temporary, Blame: plugin.BlameConnection, Phase: plugin.PhaseOpen,
			Inferred: true, Reply: "the connection no longer exists"}
	}
	why.Class, why.Inferred = plugin.Temporary, true
	why.RetryAfter = 0
	return why
}

// putOff replaces the schedule, which is for attempts, where the job stays on
// this connection.
func putOff(r *outbox.Result, job *outbox.Job, until time.Time, exists bool) {
	if !exists {
		r.Next, r.Due, r.Reason = outbox.Held, time.Time{}, r.Outcome.Reply
		return
	}
	r.Due = until
	if !job.Expires.IsZero() && until.After(job.Expires) {
		r.Due = job.Expires
	}
}

// noteLate remembers a message that waits past half its life, and says so
// once in each pause.
func (l *lane) noteLate(job *outbox.Job, now time.Time) {
	if job.Expires.IsZero() || now.Sub(job.Accepted) < job.Expires.Sub(job.Accepted)/2 {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	b := &l.breaker
	if b.pause.Strikes == 0 || len(b.late) >= lateMax {
		return
	}
	if b.late == nil {
		b.late = make(map[uuid.UUID]struct{})
		l.d.Log.Error("messages that wait for a paused connection have used half their life",
			"connection", l.id, "name", l.connection.Name, "since", b.pause.Since)
	}
	b.late[job.Message] = struct{}{}
}
