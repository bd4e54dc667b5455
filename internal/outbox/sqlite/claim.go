package sqlite

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/postilion-mail/postilion/internal/database"
	"github.com/postilion-mail/postilion/internal/outbox"
	"github.com/postilion-mail/postilion/plugin"
)

// claim is a job claimed by this run, as it was then.
type claim struct {
	job
	token   outbox.Token
	until   time.Duration // end of the lease, on the source of real time
	members []member
	total   int      // recipients of the message
	chain   []string // connections
	keep    bool
	notify  bool
	content int
	bytes   int64 // of the content
	rates   []rateUse
}

// claiming is one call of Claim on its way.
type claiming struct {
	outbox.Claim
	s     *Store
	tx    *database.Tx
	c     *change
	now   moment
	rates *rates
	out   outbox.Claimed
	bytes int64
	full  bool // nothing more is to be claimed
}

// Claim claims due jobs of a lane: see outbox.Store.
func (s *Store) Claim(ctx context.Context, request outbox.Claim) (outbox.Claimed, error) {
	var out outbox.Claimed
	if !s.ready.backlog(request.Lane, outbox.PriorityBulk, s.moment().due()) {
		return out, nil
	}
	err := s.write(ctx, func(tx *database.Tx, c *change) error {
		k := &claiming{Claim: request, s: s, tx: tx, c: c, now: s.moment()}
		err := k.run()
		out = k.out
		return err
	})
	if err != nil {
		return outbox.Claimed{}, err
	}
	return out, nil
}

func (k *claiming) run() (err error) {
	if k.rates, err = loadRates(k.tx, k.Lane, k.Rates, k.now); err != nil {
		return err
	}
	for p := outbox.PriorityHigh; p <= outbox.PriorityBulk && !k.done(); p++ {
		if err := k.priority(p); err != nil {
			return err
		}
	}
	return k.rates.save(k.tx, k.Lane)
}

func (k *claiming) done() bool { return k.full || len(k.out.Jobs) >= k.Limit }

// priority claims in turns of the clients: a job of each, again and again.
func (k *claiming) priority(p outbox.Priority) error {
	clients := k.s.ready.turn(k.Lane, p, k.now.due())
	if len(clients) == 0 {
		return nil
	}
	served := clients
	for len(clients) > 0 && !k.done() {
		// In one query for each client what will be its share. Those that get
		// none this time come first in the next round, if there is one.
		left := k.Limit - len(k.out.Jobs)
		share, asked := max(1, left/len(clients)), min(len(clients), left)
		queues := make([][]*job, asked)
		more := slices.Clone(clients[asked:])
		for i, client := range clients[:asked] {
			jobs, err := k.due(p, client, share)
			if err != nil {
				return err
			}
			queues[i] = jobs
			if len(jobs) == share {
				more = append(more, client)
			}
		}
		blocked, err := k.round(p, queues, share)
		if err != nil {
			return err
		}
		clients = without(more, blocked)
	}
	return k.settle(p, served)
}

// round claims from the clients' queues in turns. It gives the clients whose
// rate is used up.
func (k *claiming) round(p outbox.Priority, queues [][]*job, share int) (blocked map[string]bool, err error) {
	blocked = make(map[string]bool)
	for turn := range share {
		for _, queue := range queues {
			if k.done() {
				return blocked, nil
			}
			if turn >= len(queue) || blocked[queue[turn].client] {
				continue
			}
			j := queue[turn]
			limit, err := k.take(j)
			if err != nil {
				return nil, err
			}
			if limit == nil {
				continue
			}
			if err := k.limited(p, j, limit); err != nil {
				return nil, err
			}
			if limit.Client == "" {
				k.full = true
			}
			blocked[j.client] = true
		}
	}
	return blocked, nil
}

func without(clients []string, blocked map[string]bool) []string {
	left := clients[:0]
	for _, c := range clients {
		if !blocked[c] {
			left = append(left, c)
		}
	}
	return left
}

// due reads a client's first due jobs.
func (k *claiming) due(p outbox.Priority, client string, limit int) ([]*job, error) {
	return queryJobs(k.tx, `SELECT`+jobColumns+`FROM jobs WHERE state IN (1, 3) AND lane = ? AND priority = ? AND client = ? AND due <= ?
		ORDER BY due, id LIMIT ?`, k.Lane, int(p), client, k.now.due(), limit)
}

// settle sets right from when on the clients' jobs wait.
func (k *claiming) settle(p outbox.Priority, clients []string) error {
	for _, client := range clients {
		due, err := head(k.tx, k.Lane, p, client)
		if err != nil {
			return err
		}
		k.c.ready = append(k.c.ready, readyChange{k.Lane, p, client, due, true})
	}
	return nil
}

// take claims a job. It gives the rate that forbids it, if one does.
func (k *claiming) take(j *job) (*outbox.Rate, error) {
	if k.Bytes > 0 && len(k.out.Jobs) > 0 && k.bytes+j.size > k.Bytes {
		k.full = true
		return nil, nil
	}
	allowed, limit := k.rates.allow(j.client, j.n)
	if allowed == 0 {
		return limit, nil
	}
	given, cl, err := k.s.loadClaim(k.tx, j, k.now)
	if err != nil {
		return nil, k.s.quarantine(k.tx, k.c, j, err, k.now)
	}
	if allowed < j.n {
		if err := k.s.split(k.tx, k.c, cl, given, allowed, k.now); err != nil {
			return nil, err
		}
	}
	if err := k.c.turn(&cl.job, outbox.TriggerClaim); err != nil {
		return nil, err
	}
	cl.epoch = k.s.epoch
	cl.count++
	if _, err := k.tx.Exec(`UPDATE jobs SET state = ?, epoch = ?, count = ? WHERE id = ?`, uint8(cl.state), cl.epoch, cl.count, cl.id); err != nil {
		return nil, err
	}
	cl.token, cl.until = cl.job.token(), k.s.lease(k.Lease)
	given.Token = cl.token
	cl.rates = k.rates.use(j.client, cl.n)
	k.c.claimed = append(k.c.claimed, cl)
	k.out.Jobs = append(k.out.Jobs, *given)
	k.bytes += j.size
	k.s.ready.served(k.Lane, j.priority, j.client)
	return nil, nil
}

// loadClaim reads what a claimed job is of. An error says that it cannot be
// read.
func (s *Store) loadClaim(tx *database.Tx, j *job, now moment) (*outbox.Job, *claim, error) {
	cl := &claim{job: *j}
	var err error
	if cl.members, err = members(tx, j); err != nil {
		return nil, nil, err
	}
	if len(cl.members) != j.n {
		return nil, nil, fmt.Errorf("%w: %d recipients instead of %d", errCorrupt, len(cl.members), j.n)
	}
	var id, chain, extra []byte
	var accepted, flags int64
	given := &outbox.Job{Client: j.client, Lane: j.lane, Hop: j.hop, Attempt: j.attempt + 1, Priority: j.priority,
		Expires: now.time(j.expires), Due: now.time(j.due), Crashes: j.crashes, Duplicate: j.dup}
	err = tx.QueryRow(`SELECT id, message_id, accepted, chain, info, flags, content, size, total FROM messages WHERE seq = ?`, j.message()).
		Scan(&id, &given.MessageID, &accepted, &chain, &extra, &flags, &cl.content, &cl.bytes, &cl.total)
	if err != nil {
		return nil, nil, fmt.Errorf("%w: %w", errCorrupt, err)
	}
	var hops []outbox.Hop
	var in info
	if err := decode(id, chain, extra, &given.Message, &hops, &in); err != nil {
		return nil, nil, err
	}
	if j.hop >= len(hops) || cl.content == contentPurged {
		return nil, nil, fmt.Errorf("%w: hop %d of %d, content %d", errCorrupt, j.hop, len(hops), cl.content)
	}
	cl.keep, cl.notify = flags&flagKeep != 0, flags&flagNotify != 0
	given.Size = cl.bytes + int64(len(hops[j.hop].Overlay))
	given.Accepted = unstamp(accepted)
	given.EightBit, given.UTF8Header, given.Signed = flags&flagEightBit != 0, flags&flagUTF8 != 0, flags&flagSigned != 0
	given.Overlay = hops[j.hop].Overlay
	given.Envelope = plugin.Envelope{From: hops[j.hop].EnvelopeFrom, EnvelopeID: in.EnvelopeID, Return: in.Return}
	for _, hop := range hops {
		given.Chain = append(given.Chain, hop.Connection)
	}
	cl.chain = given.Chain
	for _, m := range cl.members {
		given.Indexes = append(given.Indexes, m.position)
		given.Envelope.Recipients = append(given.Envelope.Recipients, plugin.Recipient{Address: m.address, Notify: m.notify})
	}
	return given, cl, nil
}

// decode reads the encoded columns of a message.
func decode(id, chain, extra []byte, uid *uuid.UUID, hops *[]outbox.Hop, in *info) (err error) {
	if *uid, err = uuid.FromBytes(id); err != nil {
		return fmt.Errorf("%w: id: %w", errCorrupt, err)
	}
	if err := json.Unmarshal(chain, hops); err != nil {
		return fmt.Errorf("%w: chain: %w", errCorrupt, err)
	}
	if err := json.Unmarshal(extra, in); err != nil {
		return fmt.Errorf("%w: info: %w", errCorrupt, err)
	}
	return nil
}

// lease gives the end of a lease that begins now.
func (s *Store) lease(d time.Duration) time.Duration { return s.clock.Elapsed() + d }

// NextDue is when the next unclaimed job of a lane is due: see outbox.Store.
func (s *Store) NextDue(ctx context.Context, lane string) (time.Time, bool, error) {
	for {
		first, ok := s.ready.first(lane)
		if !ok {
			return time.Time{}, false, nil
		}
		// What is found is noted in the order of the groups, so that it cannot
		// undo the news of a job that came meanwhile.
		var due int64
		err := s.write(ctx, func(tx *database.Tx, c *change) (err error) {
			due, err = head(tx, lane, first.priority, first.client)
			c.ready = append(c.ready, readyChange{lane, first.priority, first.client, due, true})
			return err
		})
		if err != nil {
			return time.Time{}, false, err
		}
		if due <= first.due {
			return s.moment().time(due), true, nil
		}
	}
}
