package smtp

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/postilion-mail/postilion/internal/smtptest"
	"github.com/postilion-mail/postilion/plugin"
)

// Sessions are given up after their messages, their age, and their idle time,
// each with QUIT; and nothing is left behind: the bubble would notice.
func TestSessionsAreReusedWithinLimits(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		messages int
		every    time.Duration
		want     int // connections
	}{
		"messages": {250, 0, 3},
		"age":      {20, 29 * time.Second, 2}, // 11 in 300 s
		"idle":     {5, 30 * time.Second, 5},
		"not idle": {5, 29 * time.Second, 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				server := smtptest.PipeScripted(t, smtptest.Script{Capabilities: everything()})
				i := piped(server).open(t)
				for range test.messages {
					send(t, i, delivery(shortContent, "a@b.example")).expect(t, "accepted")
					time.Sleep(test.every)
				}
				synctest.Wait()
				if n := server.Connections(); n != test.want {
					t.Errorf("%d connections, want %d", n, test.want)
				}
				_ = i.Close()
				if n := strings.Count(server.Received(), "QUIT"); n != test.want {
					t.Errorf("%d QUIT, want %d", n, test.want)
				}
			})
		})
	}
}

// T59: a reused session that has died costs nothing.
func TestDeadSessionIsReplaced(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		rule smtptest.Rule
		idle time.Duration
	}{
		"closed after a message":         {smtptest.Rule{On: "CONTENT", Connection: 1, Do: smtptest.Then(smtptest.Reply("250 ok"), smtptest.Close())}, 0},
		"reset after a message":          {smtptest.Rule{On: "CONTENT", Connection: 1, Do: smtptest.Then(smtptest.Reply("250 ok"), smtptest.Reset())}, 0},
		"421 after a message":            {smtptest.Rule{On: "CONTENT", Connection: 1, Do: smtptest.Then(smtptest.Reply("250 ok", "421 4.4.2 idle"), smtptest.Close())}, 0},
		"closed at MAIL":                 {smtptest.Rule{On: "MAIL", Nth: 2, Connection: 1, Do: smtptest.Close()}, 2 * time.Second},
		"closed at RCPT":                 {smtptest.Rule{On: "RCPT", Nth: 2, Connection: 1, Do: smtptest.Close()}, 2 * time.Second},
		"421 at MAIL":                    {smtptest.Rule{On: "MAIL", Nth: 2, Connection: 1, Do: smtptest.Reply("421 4.4.2 idle")}, 2 * time.Second},
		"421 at MAIL in one write":       {smtptest.Rule{On: "MAIL", Nth: 2, Connection: 1, Do: smtptest.Then(smtptest.Reply("421 4.4.2 idle"), smtptest.Close())}, 0},
		"silent since":                   {smtptest.Rule{On: "MAIL", Nth: 2, Connection: 1, Do: smtptest.Silence()}, 2 * time.Second},
		"closed before RSET":             {smtptest.Rule{On: "RSET", Connection: 1, Do: smtptest.Close()}, 2 * time.Second},
		"421 at RSET":                    {smtptest.Rule{On: "RSET", Connection: 1, Do: smtptest.Reply("421 no")}, 2 * time.Second},
		"RSET refused":                   {smtptest.Rule{On: "RSET", Connection: 1, Do: smtptest.Reply("502 no such command")}, 2 * time.Second},
		"unasked words after the answer": {smtptest.Rule{On: "CONTENT", Connection: 1, Do: smtptest.Reply("250 ok", "250 and more")}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			play := func(t *testing.T, server *smtptest.Scripted, i *instance, pause func()) {
				refused := strings.Contains(name, "RSET")
				if refused { // leaves a transaction open
					send(t, i, delivery(shortContent, "no@b.example")).expect(t, "permanent/recipient")
				} else {
					send(t, i, delivery(shortContent, "a@b.example")).expect(t, "accepted")
				}
				pause()
				r := send(t, i, delivery(shortContent, "a@b.example"))
				r.expect(t, "accepted")
				if n := server.Connections(); n != 2 || r.err != nil || r.commits != 1 {
					t.Errorf("%d connections, error %v, %d commits", n, r.err, r.commits)
				}
			}
			rules := []smtptest.Rule{{On: "RCPT TO:<no@", Do: smtptest.Reply("550 5.1.1 no")}, test.rule}
			script := smtptest.Script{Capabilities: everything(), Rules: rules}
			if test.idle > 0 {
				synctest.Test(t, func(t *testing.T) {
					server := smtptest.PipeScripted(t, script)
					play(t, server, piped(server).open(t), func() { time.Sleep(test.idle) })
				})
				return
			}
			server := smtptest.StartScripted(t, script)
			i := plainly(server).open(t)
			play(t, server, i, func() {
				// Where the server has closed, wait until we can see it.
				for try := 0; strings.Contains(name, "after a message") && try < 60_000 && idleLooksQuiet(i); try++ {
					time.Sleep(time.Millisecond)
				}
			})
		})
	}
}

func idleLooksQuiet(i *instance) bool {
	i.pool.mu.Lock()
	defer i.pool.mu.Unlock()
	return len(i.pool.idle) > 0 && quiet(i.pool.idle[0].raw)
}

// A message that went out to the last octet over a dying session is not sent
// once more.
func TestUnknownIsNotRepeated(t *testing.T) {
	t.Parallel()
	server := smtptest.StartScripted(t, smtptest.Script{
		Capabilities: everything(),
		Rules:        []smtptest.Rule{{On: "CONTENT", Nth: 2, Do: smtptest.Close()}},
	})
	i := plainly(server).open(t)
	send(t, i, delivery(shortContent, "a@b.example")).expect(t, "accepted")
	r := send(t, i, delivery(shortContent, "a@b.example"))
	r.expect(t, "unknown/network")
	if o := fault(t, r.err); o.Class != plugin.Unknown || server.Connections() != 1 {
		t.Errorf("error's outcome %+v, %d connections", o, server.Connections())
	}
}

// A context that ends reaches down to the socket, in every phase.
func TestContextEnds(t *testing.T) {
	t.Parallel()
	for event, want := range map[string]string{
		"CONNECT": "temporary", "EHLO": "temporary", "MAIL": "temporary", "RCPT": "temporary", "DATA": "temporary", "CONTENT": "unknown",
	} {
		for _, closing := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, closing %v", event, closing), func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) {
					server := smtptest.PipeScripted(t, smtptest.Script{Rules: []smtptest.Rule{{On: event, Do: smtptest.Silence()}}})
					i := piped(server).open(t)
					ctx, cancel := context.WithTimeoutCause(t.Context(), time.Second, errors.New("enough"))
					defer cancel()
					if closing {
						ctx = t.Context()
						time.AfterFunc(time.Second, func() { _ = i.Close() })
					}
					begin := time.Now()
					outcomes, err := i.Deliver(ctx, delivery(shortContent, "a@b.example"), func() error { return nil })
					if took := time.Since(begin); took != time.Second {
						t.Errorf("took %v", took)
					}
					r := result{outcomes: outcomes, err: err}
					if got := r.String(); !strings.HasPrefix(got, want) || fault(t, err).Phase != outcomes[0].Phase {
						t.Errorf("%s, want %s; error %v", got, want, err)
					}
				})
			})
		}
	}
}

// Deliveries beyond the size of the pool wait for a place.
func TestPoolIsBounded(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		server := smtptest.PipeScripted(t, smtptest.Script{
			Rules: []smtptest.Rule{{On: "CONTENT", Do: smtptest.Drip("250 2.0.0 well\r\n", time.Second)}},
		})
		i := piped(server).with("pool_size", float64(2)).open(t)
		var wg sync.WaitGroup
		for range 4 {
			wg.Go(func() { send(t, i, delivery(shortContent, "a@b.example")).expect(t, "accepted") })
		}
		synctest.Wait()
		if n := server.Connections(); n != 2 {
			t.Errorf("%d connections, want 2", n)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := i.Deliver(ctx, delivery(shortContent, "a@b.example"), nil); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("error %v", err)
		}
		wg.Wait()
		_ = i.Close()
		_, err := i.Deliver(t.Context(), delivery(shortContent, "a@b.example"), nil)
		if o := fault(t, err); o.Class != plugin.Temporary || !strings.Contains(o.Reply, "configured anew") {
			t.Errorf("outcome %+v", o)
		}
		server.Stop()
	})
}

// The limits of the phases are those of the settings, and each covers a whole
// request and reply.
func TestTimeouts(t *testing.T) {
	t.Parallel()
	for event, test := range map[string]struct {
		setting string
		preset  time.Duration
	}{
		"CONNECT": {"greeting_timeout", 5 * time.Minute},
		"EHLO":    {"ehlo_timeout", 5 * time.Minute},
		"MAIL":    {"mail_timeout", 5 * time.Minute},
		"RCPT":    {"rcpt_timeout", 5 * time.Minute},
		"DATA":    {"data_timeout", 2 * time.Minute},
		"CONTENT": {"content_timeout", 10 * time.Minute},
	} {
		for _, limit := range []time.Duration{0, 7 * time.Second} {
			for _, act := range []smtptest.Action{smtptest.Silence(), smtptest.Drip(strings.Repeat("250-x\r\n", 90), 5*time.Second)} {
				t.Run(fmt.Sprintf("%s %v", event, limit), func(t *testing.T) {
					t.Parallel()
					synctest.Test(t, func(t *testing.T) {
						server := smtptest.PipeScripted(t, smtptest.Script{Rules: []smtptest.Rule{{On: event, Do: act}}})
						s, want := piped(server), test.preset
						if limit > 0 {
							s, want = s.with(test.setting, limit.String()), limit
						}
						begin := time.Now()
						r := send(t, s.open(t), delivery(shortContent, "a@b.example"))
						if took := time.Since(begin); took != want {
							t.Errorf("took %v, want %v: %s", took, want, replies(r.outcomes))
						}
						if text := r.outcomes[0].Reply; !strings.Contains(text, "within "+want.String()) {
							t.Errorf("reply %q", text)
						}
						server.Stop()
					})
				})
			}
		}
	}
}

// T11: a server that takes its time within the limits is waited for.
func TestSlowAnswerToTheDot(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		server := smtptest.PipeScripted(t, smtptest.Script{Rules: []smtptest.Rule{{On: "CONTENT", Do: func(p *smtptest.Peer) bool {
			time.Sleep(9*time.Minute + 50*time.Second)
			return smtptest.Reply("250 2.0.0 at last")(p)
		}}}})
		send(t, piped(server).open(t), delivery(shortContent, "a@b.example")).expect(t, "accepted")
		if n := len(server.Contents()); n != 1 {
			t.Errorf("%d messages", n)
		}
	})
}

// A server that takes content too slowly is given up, but one that keeps to
// the minimum rate is not.
func TestMinimumRate(t *testing.T) {
	t.Parallel()
	for rate, want := range map[int]string{400: "temporary/network", 700: "accepted"} {
		synctest.Test(t, func(t *testing.T) {
			server := smtptest.PipeScripted(t, smtptest.Script{Rules: []smtptest.Rule{{On: "BODY", Do: smtptest.Throttle(rate)}}})
			content := bigContent(512 << 10)
			send(t, piped(server).open(t), delivery(content, "a@b.example")).expect(t, want)
			server.Stop()
		})
	}
}
