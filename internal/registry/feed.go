package registry

import (
	"slices"
	"sync"
)

// Subscription tells which connections were configured or deleted. No change
// is lost: ids gather until they are taken.
type Subscription struct {
	feed    *feed
	changed chan struct{}
	ids     []string // guarded by feed.mu
}

type feed struct {
	mu   sync.Mutex
	subs []*Subscription
}

// Subscribe begins to gather changes. Close the subscription after use.
func (r *Registry) Subscribe() *Subscription {
	s := &Subscription{feed: &r.feed, changed: make(chan struct{}, 1)}
	r.feed.mu.Lock()
	defer r.feed.mu.Unlock()
	r.feed.subs = append(r.feed.subs, s)
	return s
}

// Changed gives a value when there are ids to take.
func (s *Subscription) Changed() <-chan struct{} { return s.changed }

// Take gives the ids of the connections that changed since it was last
// called, each once. The registry answers with the new values already.
func (s *Subscription) Take() []string {
	s.feed.mu.Lock()
	defer s.feed.mu.Unlock()
	ids := s.ids
	s.ids = nil
	slices.Sort(ids)
	return slices.Compact(ids)
}

// Close ends the subscription. It may be called twice.
func (s *Subscription) Close() {
	s.feed.mu.Lock()
	defer s.feed.mu.Unlock()
	s.feed.subs = slices.DeleteFunc(s.feed.subs, func(other *Subscription) bool { return other == s })
}

func (f *feed) announce(ids []string) {
	if len(ids) == 0 {
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, s := range f.subs {
		s.ids = append(s.ids, ids...)
		select {
		case s.changed <- struct{}{}:
		default:
		}
	}
}
