package sqlite

import (
	"fmt"
	"time"

	"github.com/postilion-mail/postilion/internal/database"
	"github.com/postilion-mail/postilion/internal/outbox"
	"github.com/postilion-mail/postilion/plugin"
)

// maxDeferred bounds the jobs that one claim puts off because of rates.
const maxDeferred = 1000

// rates are those of one claim with what is used of them.
type rates struct {
	list []rateState
}

type rateState struct {
	outbox.Rate
	opened int64 // stamp of the window's begin
	used   int
	added  int
}

// rateUse is what a claim counted, so that its release can give it back.
type rateUse struct {
	client string
	per    time.Duration
	opened int64
	n      int
}

// loadRates reads what is used in the windows of now.
func loadRates(tx *database.Tx, lane string, list []outbox.Rate, now moment) (*rates, error) {
	r := &rates{}
	for _, rate := range list {
		if rate.Per <= 0 {
			return nil, fmt.Errorf("rate of %d per %v", rate.Count, rate.Per)
		}
		per := rate.Per.Microseconds()
		state := rateState{Rate: rate, opened: stamp(now.now) / per * per}
		err := tx.QueryRow(`SELECT coalesce((SELECT used FROM rates WHERE lane = ? AND client = ? AND per = ? AND opened = ?), 0)`,
			rateLane(lane, rate.Client), rate.Client, int64(rate.Per), state.opened).Scan(&state.used)
		if err != nil {
			return nil, err
		}
		r.list = append(r.list, state)
	}
	return r, nil
}

// rateLane is where a rate is counted: a client's over all its lanes.
func rateLane(lane, client string) string {
	if client != "" {
		return ""
	}
	return lane
}

// allow says how many of n recipients of a client may go now. If none may, it
// gives the rate that opens last of those that forbid it. A job that would fit
// into no window at all may go in parts.
func (r *rates) allow(client string, n int) (int, *outbox.Rate) {
	allowed := n
	var limit *rateState
	for i := range r.list {
		s := &r.list[i]
		if s.Client != "" && s.Client != client {
			continue
		}
		left := s.Count - s.used
		switch {
		case n <= left:
		case n > s.Count && left > 0:
			allowed = min(allowed, left)
		case limit == nil || s.opens().After(limit.opens()):
			limit = s
		}
	}
	if limit != nil {
		return 0, &limit.Rate
	}
	return allowed, nil
}

// use counts recipients.
func (r *rates) use(client string, n int) (uses []rateUse) {
	for i := range r.list {
		s := &r.list[i]
		if s.Client == "" || s.Client == client {
			s.used += n
			s.added += n
			uses = append(uses, rateUse{s.Client, s.Per, s.opened, n})
		}
	}
	return uses
}

func (s *rateState) opens() time.Time { return unstamp(s.opened).Add(s.Per) }

// save writes what was counted.
func (r *rates) save(tx *database.Tx, lane string) error {
	for _, s := range r.list {
		if s.added == 0 {
			continue
		}
		_, err := tx.Exec(`INSERT INTO rates (lane, client, per, opened, used) VALUES (?, ?, ?, ?, ?)
			ON CONFLICT (lane, client, per) DO UPDATE SET opened = excluded.opened, used = excluded.used`,
			rateLane(lane, s.Client), s.Client, int64(s.Per), s.opened, s.used)
		if err != nil {
			return err
		}
	}
	return nil
}

// giveBackRates uncounts a claim that was not tried, if its window is open.
func giveBackRates(tx *database.Tx, cl *claim) error {
	for _, u := range cl.rates {
		_, err := tx.Exec(`UPDATE rates SET used = max(used - ?, 0) WHERE lane = ? AND client = ? AND per = ? AND opened = ?`,
			u.n, rateLane(cl.lane, u.client), u.client, int64(u.per), u.opened)
		if err != nil {
			return err
		}
	}
	return nil
}

// limited notes a used-up rate. Unless it opens in a moment, the jobs that are
// due become DEFERRED until then, a page of them.
func (k *claiming) limited(p outbox.Priority, j *job, limit *outbox.Rate) error {
	per := limit.Per.Microseconds()
	opens := unstamp((stamp(k.now.now)/per + 1) * per)
	if k.out.Limited.IsZero() || opens.Before(k.out.Limited) {
		k.out.Limited = opens
	}
	if limit.Per < time.Minute {
		return nil
	}
	if limit.Client != "" {
		return k.putOff(p, j.client, limit, opens)
	}
	for p := outbox.PriorityHigh; p <= outbox.PriorityBulk; p++ {
		clients := k.s.ready.turn(k.Lane, p, k.now.due())
		for _, client := range clients {
			if err := k.putOff(p, client, limit, opens); err != nil {
				return err
			}
		}
		if err := k.settle(p, clients); err != nil {
			return err
		}
	}
	return nil
}

// putOff defers a client's due jobs.
func (k *claiming) putOff(p outbox.Priority, client string, limit *outbox.Rate, opens time.Time) error {
	if k.out.Deferred >= maxDeferred {
		return nil
	}
	jobs, err := k.due(p, client, maxDeferred-k.out.Deferred)
	if err != nil {
		return err
	}
	e := event{time: k.now.now, kind: outbox.EventDeferred, lane: k.Lane, next: opens, outcome: plugin.Outcome{
		Class: plugin.Temporary, Blame: plugin.BlameLimit, Inferred: true,
		Reply: fmt.Sprintf("limit of %d recipients %s is used up", limit.Count, each(limit.Per)),
	}}
	for _, j := range jobs {
		if err := k.c.turn(j, outbox.TriggerLimit); err != nil {
			return err
		}
		j.due, j.blame, j.reason = k.now.keep(opens), plugin.BlameLimit, e.outcome.Reply
		if _, err := k.tx.Exec(`UPDATE jobs SET state = ?, due = ?, blame = ?, reason = ? WHERE id = ?`,
			uint8(j.state), j.due, uint8(j.blame), j.reason, j.id); err != nil {
			return err
		}
		if err := k.s.tell(k.tx, k.c, j, e); err != nil {
			return err
		}
		k.out.Deferred++
	}
	return nil
}

// each words a time as in "500 a day".
func each(per time.Duration) string {
	switch per {
	case time.Second:
		return "a second"
	case time.Minute:
		return "a minute"
	case time.Hour:
		return "an hour"
	case 24 * time.Hour:
		return "a day"
	}
	return "in " + per.String()
}
