package plugintest

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/postilion-mail/postilion/plugin"
)

func deliver(t *testing.T, s *Subject) {
	i := s.open(t, s.Settings)
	for _, name := range []string{"first", "second"} {
		content := message(name)
		s.send(t.Context(), t, i, delivery(content, s.Recipient), nil).is(t, plugin.Accepted)
		if n := s.arrived(t, content); n != 1 && n != -1 {
			t.Errorf("the message arrived %d times, or not as it was", n)
		}
	}
	null := delivery(message("null sender"), s.Recipient)
	null.Envelope.From = ""
	s.send(t.Context(), t, i, null, nil).is(t, plugin.Accepted)
}

// mixed: each recipient gets what is its own.
func mixed(t *testing.T, s *Subject) {
	if s.Mixed == nil {
		t.Skip("no Mixed")
	}
	i := s.open(t, s.Settings)
	to := slices.Sorted(maps.Keys(s.Mixed))
	for range 2 { // the order must not matter
		content := message("mixed " + to[0])
		r := s.send(t.Context(), t, i, delivery(content, to...), nil)
		var reached []string
		for n, o := range r.outcomes {
			if want := s.Mixed[to[n]]; o.Class != want {
				t.Errorf("%s: %s (%s), want %s; error %v", to[n], o.Class, o.Reply, want, r.err)
			}
			if o.Class == plugin.Accepted {
				reached = append(reached, to[n])
			}
		}
		if s.Reached != nil {
			slices.Sort(reached)
			if got := slices.Sorted(slices.Values(s.Reached(t, content))); !slices.Equal(got, reached) {
				t.Errorf("accepted for %v, but it has reached %v", reached, got)
			}
		}
		slices.Reverse(to)
	}
}

// refusedCommit: a message that may not go out does not.
func refusedCommit(t *testing.T, s *Subject) {
	if !s.Transport.Describe().Capabilities.ReportsCommit {
		t.Skip("it does not report committing")
	}
	i := s.open(t, s.Settings)
	content := message("refused commit")
	refusal := errors.New("the message was taken back")
	r := s.send(t.Context(), t, i, delivery(content, s.Recipient), func() error { return refusal })
	for n, o := range r.outcomes {
		if o.Class == plugin.Accepted || o.Class == plugin.Permanent {
			t.Errorf("recipient %d: %s though committing was refused", n, o.Class)
		}
	}
	if r.commits != 1 || r.err == nil {
		t.Errorf("committing was called %d times, error %v", r.commits, r.err)
	}
	if n := s.arrived(t, content); n > 0 {
		t.Error("the message went out though it was not to")
	}
	s.send(t.Context(), t, i, delivery(message("after a refused commit"), s.Recipient), nil).is(t, plugin.Accepted)
}

func largeContent(t *testing.T, s *Subject) {
	patient := *s
	patient.Patience *= 5 // the race detector is slow with each octet
	s = &patient
	i := s.open(t, s.Settings)
	head := message("large content")
	line := strings.Repeat("0123456789", 7) + "\r\n"
	content := head + strings.Repeat(line, (s.MaxContent-len(head))/len(line))
	s.send(t.Context(), t, i, delivery(content, s.Recipient), nil).is(t, plugin.Accepted)
	if n := s.arrived(t, content); n != 1 && n != -1 {
		t.Errorf("the message arrived %d times, or not as it was", n)
	}
}

// parallel: deliveries at the same time do not mix.
func parallel(t *testing.T, s *Subject) {
	const deliveries = 64
	i := s.open(t, s.Settings)
	var all sync.WaitGroup
	for n := range deliveries {
		all.Go(func() {
			content := message(fmt.Sprint("parallel ", n)) + strings.Repeat(fmt.Sprintf("Line of message %d.\r\n", n), 100*n)
			s.send(t.Context(), t, i, delivery(content, s.Recipient), nil).is(t, plugin.Accepted)
		})
	}
	all.Wait()
	if s.Arrived == nil {
		return
	}
	seen := make(map[string]int)
	for _, content := range s.Arrived(t) {
		seen[content]++
	}
	for n := range deliveries {
		content := message(fmt.Sprint("parallel ", n)) + strings.Repeat(fmt.Sprintf("Line of message %d.\r\n", n), 100*n)
		if seen[content] != 1 {
			t.Errorf("message %d arrived %d times", n, seen[content])
		}
	}
}

// cancelled: a delivery that is over before it begins does no harm.
func cancelled(t *testing.T, s *Subject) {
	i := s.open(t, s.Settings)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	content := message("cancelled")
	r := s.send(ctx, t, i, delivery(content, s.Recipient), func() error { return context.Cause(ctx) })
	r.is(t, plugin.Temporary, plugin.Unknown)
	if n := s.arrived(t, content); n > 0 {
		t.Error("the message went out")
	}
	s.send(t.Context(), t, i, delivery(message("after a cancelled one"), s.Recipient), nil).is(t, plugin.Accepted)
}

func cancelledStalled(t *testing.T, s *Subject) {
	if s.Stalled == nil {
		t.Skip("no Stalled")
	}
	i := s.open(t, *s.Stalled)
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(50*time.Millisecond, cancel)
	s.send(ctx, t, i, delivery(message("stalled"), s.Recipient), nil).is(t, plugin.Temporary, plugin.Unknown)
}

func deadline(t *testing.T, s *Subject) {
	if s.Stalled == nil {
		t.Skip("no Stalled")
	}
	i := s.open(t, *s.Stalled)
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	s.send(ctx, t, i, delivery(message("deadline"), s.Recipient), nil).is(t, plugin.Temporary, plugin.Unknown)
	s.soon(t, "a check with a deadline", func() {
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		defer cancel()
		failed := false
		err := i.Check(ctx, plugin.CheckRequest{}, func(stage plugin.Stage) { failed = failed || stage.Status == plugin.StageFailed })
		if err == nil && !failed {
			t.Error("a check of what does not answer has neither a failed stage nor an error")
		}
	})
}

func closeStalled(t *testing.T, s *Subject) {
	if s.Stalled == nil {
		t.Skip("no Stalled")
	}
	i := s.open(t, *s.Stalled)
	time.AfterFunc(50*time.Millisecond, func() { _ = i.Close() })
	s.send(t.Context(), t, i, delivery(message("closed"), s.Recipient), nil).is(t, plugin.Temporary, plugin.Unknown)
}

// closeDelivering: whatever becomes of the deliveries, what was accepted has
// arrived, and a new instance works.
func closeDelivering(t *testing.T, s *Subject) {
	i := s.open(t, s.Settings)
	var all sync.WaitGroup
	contents := make(chan string, 16)
	for n := range cap(contents) {
		all.Go(func() {
			content := message(fmt.Sprint("close ", n))
			r := s.send(t.Context(), t, i, delivery(content, s.Recipient), nil)
			r.is(t, plugin.Accepted, plugin.Temporary, plugin.Unknown)
			if r.outcomes[0].Class == plugin.Accepted {
				contents <- content
			}
		})
	}
	s.soon(t, "close", func() { _ = i.Close() })
	all.Wait()
	close(contents)
	if s.Arrived != nil {
		there := s.Arrived(t)
		for content := range contents {
			if !slices.Contains(there, content) {
				t.Error("a message was accepted that has not arrived")
			}
		}
	}
	s.send(t.Context(), t, s.open(t, s.Settings), delivery(message("after close"), s.Recipient), nil).is(t, plugin.Accepted)
}

func closeTwice(t *testing.T, s *Subject) {
	i := s.open(t, s.Settings)
	s.close(t, i)
	s.close(t, i)
	s.send(t.Context(), t, i, delivery(message("after close"), s.Recipient), nil).is(t, plugin.Temporary, plugin.Accepted)
}

// reopen: two instances with the same settings work beside each other, also
// after one of them was closed.
func reopen(t *testing.T, s *Subject) {
	one, two := s.open(t, s.Settings), s.open(t, s.Settings)
	s.send(t.Context(), t, one, delivery(message("one"), s.Recipient), nil).is(t, plugin.Accepted)
	s.close(t, one)
	s.send(t.Context(), t, two, delivery(message("two"), s.Recipient), nil).is(t, plugin.Accepted)
}
