package main

import (
	"bytes"
	"context"
	"fmt"
	"os/exec"
	"strconv"
	"sync"
)

// sink is Postfix's smtp-sink, which takes mail and forgets it. Its counters
// tell when the last message has arrived.
type sink struct {
	*process
	port int

	mu    sync.Mutex
	taken int
	rest  []byte
	moved chan struct{} // closed and replaced when taken grows
}

// startSink starts one; port 0 chooses a free one.
func (b *bench) startSink(port int) *sink {
	if port == 0 {
		port = b.freePort()
	}
	s := &sink{port: port, moved: make(chan struct{})}
	command := exec.Command("/usr/sbin/smtp-sink", "-u", "postfix", "-c", address(port), "1000")
	command.Dir = "/"
	command.Stdout = s
	s.process = b.start(command)
	b.await("smtp-sink listens", func() bool {
		b.alive(s.process)
		return listens(address(port))
	})
	return s
}

// Write reads the counters: "sess=1 quit=0 mesg=17\r".
func (s *sink) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.rest = append(s.rest, p...)
	end := bytes.LastIndexByte(s.rest, '\r')
	if end < 0 {
		return len(p), nil
	}
	last := s.rest[:end]
	last = last[bytes.LastIndexByte(last, '\r')+1:]
	if _, number, found := bytes.Cut(last, []byte("mesg=")); found {
		if n, err := strconv.Atoi(string(bytes.TrimSpace(number))); err == nil && n != s.taken {
			s.taken = n
			close(s.moved)
			s.moved = make(chan struct{})
		}
	}
	s.rest = append(s.rest[:0], s.rest[end+1:]...)
	return len(p), nil
}

// count is how many messages it has taken.
func (s *sink) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.taken
}

// await waits until so many were taken.
func (s *sink) await(ctx context.Context, n int) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for {
		s.mu.Lock()
		taken, moved := s.taken, s.moved
		s.mu.Unlock()
		if taken >= n {
			return nil
		}
		select {
		case <-moved:
		case <-ctx.Done():
			return fmt.Errorf("%d of %d messages arrived at the sink: %w", taken, n, ctx.Err())
		}
	}
}
