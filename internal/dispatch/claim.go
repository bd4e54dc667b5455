package dispatch

import (
	"context"
	"time"

	"github.com/postilion-mail/postilion/internal/outbox"
)

const (
	// siftSize and siftEvery bound the search for mail that has another way
	// among what waits for a paused connection.
	siftSize  = 100
	siftEvery = 10 * time.Second
	// claimRetry is the wait after the store could not answer, limitPage the
	// one between two pages of what exceeds a rate.
	claimRetry = time.Second
	limitPage  = 100 * time.Millisecond
	// dueGrain gathers what comes due within it, so that 10,000 retries spread
	// over some seconds are not 10,000 claims.
	dueGrain = 100 * time.Millisecond
	// lookAgain bounds timers, in case the wall clock jumps.
	lookAgain = 10 * time.Minute
)

// wake says that a job waits in the store.
func (l *lane) wake(due time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.expect(due)
	l.kick()
}

// expect notes when a job in the store is due.
func (l *lane) expect(due time.Time) {
	if !due.After(l.d.Now()) {
		l.backlog = true
		return
	}
	if whole := due.Truncate(dueGrain); whole.Before(due) {
		due = whole.Add(dueGrain)
	}
	if l.next.IsZero() || due.Before(l.next) {
		l.next = due
	}
}

// mayClaim says whether to ask the store now: there are due jobs there, and
// half of the window is free here, so that claims are not small.
func (l *lane) mayClaim(now time.Time) bool {
	if !l.next.IsZero() && !l.next.After(now) {
		l.backlog, l.next = true, time.Time{}
	}
	room := l.room(now)
	return l.backlog && !l.after.After(now) && room > 0 && l.reserved+len(l.items) <= room
}

// arm sets the timer for the next look into the store.
func (l *lane) arm(now time.Time) {
	at := l.next
	if l.backlog {
		at = l.after // if it is over, the lane is full and comes back by itself
	}
	if at.Before(l.after) {
		at = l.after
	}
	if l.timer != nil && l.timerAt.Equal(at) {
		return
	}
	if l.timer != nil {
		l.timer.Stop()
		l.timer = nil
	}
	if at.After(now) {
		l.timerAt = at
		l.timer = time.AfterFunc(min(at.Sub(now), lookAgain), l.ring)
	}
}

// ring is what the timer does.
func (l *lane) ring() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.timer = nil
	l.kick()
}

// claim takes jobs out of the store as long as there are any and room.
func (l *lane) claim() {
	defer l.d.work.done()
	ctx := context.WithoutCancel(l.d.hard)
	for {
		request, ok := l.nextClaim()
		if !ok {
			return
		}
		claimed, err := l.d.Store.Claim(ctx, request)
		var due time.Time
		if err == nil && len(claimed.Jobs) < request.Limit && claimed.Deferred == 0 {
			due, _, err = l.d.Store.NextDue(ctx, l.id)
		}
		if err != nil {
			l.d.Log.Error("cannot claim messages", "connection", l.id, "error", err)
		}
		l.divert(l.claimed(&request, &claimed, due, err), len(claimed.Jobs) == request.Limit)
	}
}

// nextClaim says what to ask for, or ends the claiming.
func (l *lane) nextClaim() (outbox.Claim, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := l.d.Now()
	if !l.d.running.Load() || !l.mayClaim(now) {
		l.claiming = false
		l.kick()
		return outbox.Claim{}, false
	}
	limit := l.room(now)
	if l.breaker.open(now) {
		limit = min(limit, siftSize)
	}
	l.backlog = false // a wake from here on sets it again
	return outbox.Claim{Lane: l.id, Limit: limit, Lease: l.d.Lease, Rates: l.connection.Rates}, true
}

// claimed takes over the answer to a claim. It gives what cannot be delivered
// through this lane now.
func (l *lane) claimed(request *outbox.Claim, answer *outbox.Claimed, due time.Time, err error) []*item {
	items := make([]*item, len(answer.Jobs))
	for n := range answer.Jobs {
		items[n] = &item{lane: l, job: answer.Jobs[n]}
		items[n].job.Content = nil // not counted, so not kept
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	now := l.d.Now()
	for _, i := range items {
		l.items[i] = struct{}{}
	}
	l.d.held.Add(int64(len(items)))
	defer l.kick()
	switch {
	case err != nil:
		l.backlog, l.after = true, now.Add(claimRetry)
	case answer.Deferred > 0:
		l.backlog, l.after = true, now.Add(limitPage)
	case !answer.Limited.IsZero() && len(items) < request.Limit:
		// What is due now waits for the rate; what comes asks again, but not
		// each one.
		l.after = now.Add(limitPage)
		l.expect(answer.Limited)
		if due.After(now) {
			l.expect(due)
		}
	case len(items) == request.Limit:
		l.backlog = true
	case !due.IsZero():
		l.expect(due)
		if len(items) == 0 && l.backlog {
			l.after = now.Add(limitPage) // due, yet not given: no hot loop
		}
	}
	if !l.d.running.Load() || !l.delivers(now) {
		return items
	}
	for _, i := range items {
		l.queue.push(i)
	}
	return nil
}
