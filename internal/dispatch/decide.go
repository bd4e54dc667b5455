package dispatch

import (
	"fmt"
	"time"

	"github.com/postilion-mail/postilion/internal/outbox"
	"github.com/postilion-mail/postilion/plugin"
)

// Limits of the policy that are not settings.
const (
	// unknownWait is the least time between an attempt that may have been
	// accepted and the next one.
	unknownWait = 10 * time.Minute
	// retryAfterMax bounds what a server may ask us to wait.
	retryAfterMax = 24 * time.Hour
	// crashLimit is how many crashes in a row take a job out of the way.
	crashLimit = 5
	// jitter spreads delays by this part of them, up and down.
	jitter = 0.2
)

// DefaultSchedule is the time to the next attempt, by attempts made; the last
// one repeats. RFC 5321 section 4.5.4.1 asks for two tries in the first hour
// and one every two or three hours then; the early ones are for greylisting.
var defaultSchedule = [...]time.Duration{
	time.Minute, 5 * time.Minute, 15 * time.Minute, 30 * time.Minute,
	time.Hour, 2 * time.Hour, 3 * time.Hour,
}

// situation is what a decision depends on beside the outcome.
type situation struct {
	now     time.Time
	expires time.Time // zero for never
	attempt int       // the one that was made, from 1
	hop     int       // through which it was made
	hops    int
	// next is the first later hop whose lane takes mail now; 0 for none.
	next int
	// resume is when the lane of this hop takes mail again; zero for now.
	resume    time.Time
	duplicate bool // an earlier attempt was UNKNOWN
	crashes   int  // in a row, with this attempt
	schedule  []time.Duration
	random    float64 // in [0,1), for the jitter
}

// decide is the policy: what becomes of a recipient after an attempt with
// this outcome. It is the only place that knows.
func decide(s *situation, o *plugin.Outcome) outbox.Result {
	r := outbox.Result{Outcome: *o, Duplicate: o.Class == plugin.Unknown}
	switch {
	case o.Class == plugin.Accepted:
		r.Next = outbox.Sent
	case s.crashes >= crashLimit:
		r.Next = outbox.Held
		r.Reason = fmt.Sprintf("the transport crashed %d times", s.crashes)
	case o.Class == plugin.Permanent && !s.spared(o.Blame):
		r.Next = outbox.Failed
	case s.expired():
		r.Next = outbox.Expired
	case s.fallsBack(o):
		r.Next, r.Hop, r.Due = outbox.Deferred, s.next, s.now
	default:
		r.Next, r.Hop, r.Due = outbox.Deferred, s.retryHop(o), s.due(o)
	}
	return r
}

// spared says whether a permanent outcome is not the end of the message: the
// settings of the connection are to blame, which a person will mend, or the
// way through it, and there is another.
func (s *situation) spared(b plugin.Blame) bool {
	if b == plugin.BlameAuth || b == plugin.BlameConnection {
		return true
	}
	return blamesWay(b) && s.hop+1 < s.hops && !s.duplicate
}

// fallsBack says whether the next hop is tried at once.
func (s *situation) fallsBack(o *plugin.Outcome) bool {
	return s.next > s.hop && s.mayMove(o)
}

// mayMove says whether the message may go another way. What may have been
// accepted once stays on its connection: a copy that comes the same way is
// recognised more often.
func (s *situation) mayMove(o *plugin.Outcome) bool {
	return blamesWay(o.Blame) && o.Class != plugin.Unknown && !s.duplicate
}

// retryHop is through which hop the scheduled attempt goes. After the last
// one the chain begins again; a later one that is paused now is not left out.
func (s *situation) retryHop(o *plugin.Outcome) int {
	switch {
	case !s.mayMove(o) || s.hops < 2:
		return s.hop
	case o.Class == plugin.Permanent && s.hop+1 < s.hops:
		return s.hop + 1
	default:
		return 0
	}
}

// due is when the scheduled attempt is. It is not put after the expiry: the
// message's end is told when it comes.
func (s *situation) due(o *plugin.Outcome) time.Time {
	wait := scale(s.delay(), 1-jitter+2*jitter*s.random)
	if o.Class == plugin.Unknown {
		wait = max(wait, scale(unknownWait, 1+jitter*s.random))
	}
	if o.RetryAfter > 0 {
		wait = max(wait, min(retryAfterMax, scale(min(o.RetryAfter, retryAfterMax), 1+jitter*s.random)))
	}
	due := s.now.Add(wait)
	if s.resume.After(due) && s.retryHop(o) == s.hop {
		due = s.resume
	}
	if !s.expires.IsZero() && due.After(s.expires) {
		due = s.expires
	}
	return due
}

// delay is the schedule's step. One round through the whole chain is one
// step, or many fallbacks would mean a long wait after one short outage.
func (s *situation) delay() time.Duration {
	steps := s.schedule
	if len(steps) == 0 {
		steps = defaultSchedule[:]
	}
	round := max(0, s.attempt-1) / max(1, s.hops)
	return steps[min(round, len(steps)-1)]
}

func (s *situation) expired() bool {
	return !s.expires.IsZero() && !s.now.Before(s.expires)
}

// blamesWay says that not the message but the way it took is to blame, so
// that another way may work.
func blamesWay(b plugin.Blame) bool {
	switch b {
	case plugin.BlameAuth, plugin.BlameConnection, plugin.BlameNetwork, plugin.BlameServer, plugin.BlameLimit:
		return true
	}
	return false
}

func scale(d time.Duration, by float64) time.Duration {
	return time.Duration(float64(d) * by)
}
