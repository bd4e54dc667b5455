package dispatch

import (
	"context"
	"time"

	"github.com/postilion-mail/postilion/internal/outbox"
)

const (
	extendPage  = 500
	extendRetry = 5 * time.Second
)

// leaseLoop keeps the claims of held jobs alive until all is stopped.
func (d *Dispatcher) leaseLoop(ctx context.Context) {
	wait := d.Lease / 2
	for {
		select {
		case <-d.stopped:
			return
		case <-time.After(wait):
		}
		wait = d.Lease / 2
		if err := d.extendAll(ctx); err != nil {
			d.Log.Error("cannot extend claims", "error", err)
			wait = min(wait, extendRetry)
		}
	}
}

// extendAll extends every held claim. One that is lost ends its delivery.
func (d *Dispatcher) extendAll(ctx context.Context) error {
	var tokens []outbox.Token
	held := make(map[outbox.Token]*item)
	for _, l := range d.all() {
		l.mu.Lock()
		for i := range l.items {
			tokens = append(tokens, i.job.Token)
			held[i.job.Token] = i
		}
		l.mu.Unlock()
	}
	var first error
	for len(tokens) > 0 {
		page := tokens[:min(extendPage, len(tokens))]
		tokens = tokens[len(page):]
		stale, err := d.Store.Extend(ctx, d.Lease, page...)
		if err != nil && first == nil {
			first = err
		}
		for _, token := range stale {
			if i := held[token]; i != nil {
				i.lose()
			}
		}
	}
	return first
}

// lose marks a claim as lost. What is being delivered is cut off; its outcome
// will be refused by the store.
func (i *item) lose() {
	if i.lost.Swap(true) {
		return
	}
	i.lane.mu.Lock()
	cancel := i.cancel
	i.lane.mu.Unlock()
	if cancel != nil {
		cancel(errLost)
	}
}
