package smtp

import (
	"sync"
	"time"
)

const (
	maxMessages = 100             // over one session
	maxAge      = 5 * time.Minute // of a session (Postfix's smtp_connection_reuse_time_limit)
)

// pool keeps the sessions of an instance that are not in use. Its methods are
// safe for concurrent use.
type pool struct {
	idleFor time.Duration

	mu     sync.Mutex
	idle   []*session // the one used last is at the end, and is taken first
	busy   map[*session]struct{}
	reaper *time.Timer // runs while there are idle sessions
	closed bool
	wg     sync.WaitGroup // goodbyes under way
}

// get gives a session that is alive as far as can be seen, or nil.
func (p *pool) get() *session {
	for {
		s := p.pop()
		if s == nil {
			return nil
		}
		if quiet(s.raw) {
			return s
		}
		p.drop(s)
	}
}

// pop takes the session that was used last.
func (p *pool) pop() *session {
	p.mu.Lock()
	defer p.mu.Unlock()
	for len(p.idle) > 0 {
		last := len(p.idle) - 1
		s := p.idle[last]
		p.idle[last] = nil
		p.idle = p.idle[:last]
		if !p.spent(s) {
			p.busy[s] = struct{}{}
			return s
		}
		p.dismiss(s)
	}
	return nil
}

// drop closes a session that is of no use any more.
func (p *pool) drop(s *session) {
	s.close()
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.busy, s)
}

// adopt takes note of a new session that is in use. It refuses when the pool is
// closed.
func (p *pool) adopt(s *session) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return false
	}
	if p.busy == nil {
		p.busy = make(map[*session]struct{})
	}
	p.busy[s] = struct{}{}
	s.used = time.Now()
	return true
}

// put takes a session back from use. One to which the server has said more than
// it was asked is out of step, and dropped.
func (p *pool) put(s *session) {
	if s.broken || s.in.Buffered() > 0 {
		p.drop(s)
		return
	}
	s.used = time.Now()
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.busy, s)
	switch {
	case p.closed: // and nobody waits for goodbyes any more
		s.kill()
		return
	case p.spent(s):
		p.dismiss(s)
		return
	}
	p.idle = append(p.idle, s)
	if len(p.idle) == 1 {
		p.wake(p.idleFor)
	}
}

// spent tells whether a session has served long enough. The caller holds mu.
func (p *pool) spent(s *session) bool {
	now := time.Now()
	return s.messages >= maxMessages || now.Sub(s.born) >= maxAge || now.Sub(s.used) >= p.idleFor
}

// dismiss says goodbye to a session in the background. The caller holds mu.
func (p *pool) dismiss(s *session) { p.wg.Go(s.quit) }

// wake lets reap run after d. The caller holds mu.
func (p *pool) wake(d time.Duration) {
	if p.reaper == nil {
		p.reaper = time.AfterFunc(d, p.reap)
		return
	}
	p.reaper.Reset(d)
}

// reap dismisses the sessions that have been idle for too long.
func (p *pool) reap() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for len(p.idle) > 0 && p.spent(p.idle[0]) {
		p.dismiss(p.idle[0])
		p.idle = p.idle[1:]
	}
	if len(p.idle) > 0 {
		p.wake(max(0, p.idleFor-time.Since(p.idle[0].used)))
	}
}

// close dismisses the idle sessions, cuts off those in use and waits until the
// goodbyes are said. It may be called twice.
func (p *pool) close() {
	p.mu.Lock()
	p.closed = true
	if p.reaper != nil {
		p.reaper.Stop()
	}
	for _, s := range p.idle {
		p.dismiss(s)
	}
	p.idle = nil
	for s := range p.busy {
		s.kill()
	}
	p.mu.Unlock()
	p.wg.Wait()
}
