// Package plugintest is the suite of tests that every transport passes, be it
// in the process of the daemon or a plugin. What it demands is what the
// comments of the interfaces in package plugin say.
package plugintest

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/postilion-mail/postilion/plugin"
)

// Patience is after how long a test gives up waiting for something that a
// transport does soon, unless its Subject says otherwise.
const Patience = 60 * time.Second

// Subject is a transport with what it takes to try it. Transport, Settings and
// Recipient must be given; the rest adds tests.
type Subject struct {
	Transport plugin.Transport
	// Settings of a connection that works.
	Settings plugin.Settings
	// Recipient is an address that is accepted.
	Recipient string
	// Mixed has addresses and what becomes of them, when they are all in one
	// envelope. Some are to be accepted.
	Mixed map[string]plugin.Class
	// Bad has settings that are refused, by the field that the error names.
	// Unknown names, missing values and wrong types are tried anyway.
	Bad map[string]plugin.Settings
	// Arrived gives the contents that have arrived so far.
	Arrived func(t *testing.T) []string
	// Reached gives the recipients whom a content has reached. They must be
	// those whose outcome is accepted.
	Reached func(t *testing.T, content string) []string
	// Stalled are settings of a connection on which nothing goes on, such as
	// one to a server that does not answer.
	Stalled *plugin.Settings
	// MaxContent is the largest content that it takes, in octets. Default:
	// 25 MiB.
	MaxContent int
	// Patience in place of the constant.
	Patience time.Duration
}

// Result tells how one test of the suite went.
type Result struct {
	Test   string
	Status string // "passed", "failed", "skipped", or "not run" when -run chose others
}

// Run runs all tests on a transport, each with instances of its own.
func Run(t *testing.T, s Subject) []Result {
	t.Helper()
	if s.MaxContent == 0 {
		s.MaxContent = 25 << 20
	}
	if s.Patience == 0 {
		s.Patience = Patience
	}
	var results []Result
	for _, test := range []struct {
		name string
		run  func(*testing.T, *Subject)
	}{
		{"describe", describe},
		{"bad settings", badSettings},
		{"check", check},
		{"deliver", deliver},
		{"mixed recipients", mixed},
		{"refused commit", refusedCommit},
		{"parallel", parallel},
		{"cancelled", cancelled},
		{"cancelled while stalled", cancelledStalled},
		{"deadline", deadline},
		{"close while stalled", closeStalled},
		{"close while delivering", closeDelivering},
		{"close twice", closeTwice},
		{"reopen", reopen},
		{"large content", largeContent},
	} {
		r := Result{Test: test.name, Status: "not run"}
		t.Run(test.name, func(t *testing.T) {
			t.Cleanup(func() { // after that of the instances
				s.checkOutput(t)
				r.Status = status(t)
			})
			test.run(t, &s)
		})
		results = append(results, r)
	}
	return results
}

func status(t *testing.T) string {
	switch {
	case t.Failed():
		return "failed"
	case t.Skipped():
		return "skipped"
	}
	return "passed"
}

// open makes an instance that is closed with the test.
func (s *Subject) open(t *testing.T, settings plugin.Settings) plugin.Instance {
	t.Helper()
	i, err := s.Transport.Open(t.Context(), settings)
	if err != nil {
		t.Fatalf("open: %v", err)
	}
	t.Cleanup(func() { s.close(t, i) })
	return i
}

// close closes an instance.
func (s *Subject) close(t *testing.T, i plugin.Instance) {
	t.Helper()
	s.soon(t, "close", func() {
		if err := i.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
}

// delivery is a message to some recipients.
func delivery(content string, to ...string) *plugin.Delivery {
	d := &plugin.Delivery{
		ID: "id-" + digest(content), Attempt: 1, Envelope: plugin.Envelope{From: "sender@a.example"},
		Content: strings.NewReader(content), Size: int64(len(content)),
	}
	for _, address := range to {
		d.Envelope.Recipients = append(d.Envelope.Recipients, plugin.Recipient{Address: address})
	}
	return d
}

// message is content that differs from others by its name.
func message(name string) string {
	return "From: <sender@a.example>\r\nSubject: " + name + "\r\nMessage-ID: <" + digest(name) + "@a.example>\r\n\r\n" +
		".A line with a dot.\r\n..\r\n.\r\nThe end.\r\n"
}

func digest(text string) string { return fmt.Sprintf("%x", sha256.Sum256([]byte(text)))[:20] }

// result is what came of a delivery.
type result struct {
	outcomes []plugin.Outcome
	err      error
	commits  int
}

// send delivers and checks what holds for every delivery.
func (s *Subject) send(ctx context.Context, t *testing.T, i plugin.Instance, d *plugin.Delivery, committing func() error) result {
	t.Helper()
	r, outcomes := s.call(ctx, t, i, d, committing)
	err, n := r.err, len(d.Envelope.Recipients)
	if len(outcomes) > n {
		t.Errorf("%d outcomes for %d recipients", len(outcomes), n)
	}
	if r.commits > 1 {
		t.Errorf("committing was called %d times", r.commits)
	}
	reports := s.Transport.Describe().Capabilities.ReportsCommit
	r.outcomes = plugin.Settle(outcomes, err, n, r.commits > 0 || !reports)
	for n, o := range r.outcomes {
		if o.Class == plugin.Accepted && reports && r.commits == 0 {
			t.Errorf("recipient %d was accepted without committing", n)
		}
		s.checkSecrets(t, "the outcome", o.Reply)
	}
	if err != nil {
		s.checkSecrets(t, "the error", err.Error())
	}
	return r
}

// call calls Deliver, which must return.
func (s *Subject) call(ctx context.Context, t *testing.T, i plugin.Instance, d *plugin.Delivery, committing func() error) (result, []plugin.Outcome) {
	t.Helper()
	var r result
	var outcomes []plugin.Outcome
	returned := s.soon(t, "a delivery", func() {
		outcomes, r.err = i.Deliver(ctx, d, func() error {
			r.commits++
			if committing != nil {
				return committing()
			}
			return nil
		})
	})
	if !returned { // r is still another's
		return result{err: errors.New("the delivery did not return")}, nil
	}
	return r, outcomes
}

// is demands one class for all recipients.
func (r result) is(t *testing.T, classes ...plugin.Class) {
	t.Helper()
	for n, o := range r.outcomes {
		ok := false
		for _, c := range classes {
			ok = ok || o.Class == c
		}
		if !ok {
			t.Errorf("recipient %d: %s (%s), want one of %v; error %v", n, o.Class, o.Reply, classes, r.err)
		}
	}
}

// checkSecrets looks for the secrets of the settings in a text.
func (s *Subject) checkSecrets(t *testing.T, where, text string) {
	t.Helper()
	for name, secret := range s.Settings.Secrets {
		if len(secret) >= 4 && strings.Contains(text, secret) {
			t.Errorf("%s has the secret %s", where, name)
		}
	}
}

// checkOutput looks for them in what a process has written.
func (s *Subject) checkOutput(t *testing.T) {
	t.Helper()
	if p, ok := s.Transport.(interface{ Output() []string }); ok {
		for _, line := range p.Output() {
			s.checkSecrets(t, "the output", line)
		}
	}
}

// arrived counts how often a content has arrived, -1 if nobody knows.
func (s *Subject) arrived(t *testing.T, content string) int {
	t.Helper()
	if s.Arrived == nil {
		return -1
	}
	n := 0
	for _, other := range s.Arrived(t) {
		if other == content {
			n++
		}
	}
	return n
}

// soon runs something that must not hang, and tells whether it has returned.
func (s *Subject) soon(t *testing.T, what string, f func()) bool {
	t.Helper()
	done := make(chan struct{})
	go func() { defer close(done); f() }()
	select {
	case <-done:
		return true
	case <-time.After(s.Patience):
		t.Errorf("%s did not return within %s", what, s.Patience)
		return false
	}
}

// settingError demands that settings are refused with an error that names a
// field.
func (s *Subject) settingError(t *testing.T, what, field string, settings plugin.Settings) {
	t.Helper()
	i, err := s.Transport.Open(t.Context(), settings)
	if err == nil {
		_ = i.Close()
		t.Errorf("%s: the settings were taken", what)
		return
	}
	var as *plugin.SettingError
	if !errors.As(err, &as) {
		t.Errorf("%s: error %v, which is no *plugin.SettingError", what, err)
		return
	}
	if as.Field != field || as.Reason == "" {
		t.Errorf("%s: the error is about %q, want %q: %v", what, as.Field, field, err)
	}
	s.checkSecrets(t, what+": the error", err.Error())
}
