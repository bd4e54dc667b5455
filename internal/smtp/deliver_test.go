package smtp

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/postilion-mail/postilion/internal/smtptest"
	"github.com/postilion-mail/postilion/plugin"
)

func TestDeliverToRealServer(t *testing.T) {
	t.Parallel()
	for _, security := range []smtptest.Security{smtptest.StartTLS, smtptest.Implicit} {
		t.Run(string(security), func(t *testing.T) {
			t.Parallel()
			server := smtptest.Start(t, smtptest.Account("user", testPassword), smtptest.WithSecurity(security))
			i := against(server).with("security", string(security)).open(t)
			big := bigContent(3 << 20)
			for n, content := range []string{shortContent, big, shortContent, "no end of line", ""} {
				r := send(t, i, delivery(content, "a@b.example", "c@d.example"))
				r.expect(t, "accepted accepted")
				if r.commits != 1 {
					t.Errorf("message %d: committing was called %d times", n, r.commits)
				}
				if o := r.outcomes[0]; o.Code != 250 || o.Phase != plugin.PhaseContent || !strings.HasPrefix(o.Reply, "250 ") {
					t.Errorf("outcome %+v", o)
				}
			}
			messages := server.Messages(5)
			m := messages[0]
			if m.From != "from@a.example" || strings.Join(m.To, ",") != "a@b.example,c@d.example" || !m.TLS || m.AuthUser != "user" || m.Hello != "client.example" {
				t.Errorf("message %+v", m)
			}
			for n, want := range []string{shortContent, big, shortContent} {
				checkContent(t, string(messages[n].Content), want)
			}
			if server.Sessions() != 1+b2i(security == smtptest.StartTLS) {
				t.Errorf("%d EHLO sessions, want one connection", server.Sessions())
			}
		})
	}
}

func b2i(b bool) int {
	if b {
		return 1
	}
	return 0
}

// Whichever way content goes out, it arrives as it was.
func TestContentArrivesUnchanged(t *testing.T) {
	t.Parallel()
	modes := map[string][]string{
		"plain":     without(everything(), "PIPELINING", "CHUNKING"),
		"pipelined": without(everything(), "CHUNKING"),
		"chunked":   without(everything(), "PIPELINING"),
		"at once":   everything(),
		"bare":      nil,
	}
	contents := []string{
		shortContent, "", ".\r\n", ".\r\n.\r\n", "\r\n", "a", "..\r\n", "a\r\n.\r\nb\r\n",
		bigContent(blockSize - 1), bigContent(blockSize), bigContent(blockSize + 1), bigContent(2*blockSize + 3),
		strings.Repeat("x", blockSize-2) + "\r\n.\r\n", strings.Repeat("x", blockSize-3) + "\r\n.\r\n",
		bigContent(oneWrite + 1), bigContent(3*chunkSize + 5),
	}
	for name, capabilities := range modes {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := smtptest.StartScripted(t, smtptest.Script{Capabilities: capabilities})
			i := plainly(server).open(t)
			for n, content := range contents {
				r := send(t, i, delivery(content, "a@b.example"))
				r.expect(t, "accepted")
				got := server.Contents()
				if len(got) != n+1 {
					t.Fatalf("%d messages, want %d", len(got), n+1)
				}
				want := content
				if bdat := strings.Contains(name, "chunked") || name == "at once"; !bdat && want != "" && !strings.HasSuffix(want, "\r\n") {
					want += "\r\n"
				}
				checkContent(t, got[n], want)
			}
		})
	}
}

func TestManyAtOnce(t *testing.T) {
	t.Parallel()
	server := smtptest.Start(t, smtptest.Account("user", testPassword))
	i := against(server).with("pool_size", float64(3)).open(t)
	var wg sync.WaitGroup
	for worker := range 8 {
		wg.Go(func() {
			for n := range 20 {
				send(t, i, delivery(shortContent, fmt.Sprintf("w%d-%d@b.example", worker, n))).expect(t, "accepted")
			}
		})
	}
	wg.Wait()
	seen := make(map[string]int)
	for _, m := range server.Messages(160) {
		seen[m.To[0]]++
	}
	if len(seen) != 160 {
		t.Errorf("%d recipients got mail, want 160", len(seen))
	}
	if n := server.Sessions(); n > 2*5 { // two EHLO each; 3 at a time, of 100 messages at most
		t.Errorf("%d EHLO, want no more than 10", n)
	}
}

// T20, T21, T23: every recipient has an outcome of its own.
func TestRecipientsApart(t *testing.T) {
	t.Parallel()
	for _, capabilities := range [][]string{everything(), without(everything(), "CHUNKING"), without(everything(), "PIPELINING"), nil} {
		server := smtptest.StartScripted(t, smtptest.Script{Capabilities: capabilities, Rules: []smtptest.Rule{
			{On: "RCPT TO:<later@", Do: smtptest.Reply("450 4.2.1 busy, try again in 7 minutes")},
			{On: "RCPT TO:<never@", Do: smtptest.Reply("550 5.1.1 no such user")},
			{On: "RCPT TO:<many@", Do: smtptest.Reply("552 too many recipients")},
		}})
		i := plainly(server).open(t)
		for range 2 { // over a new session and over a warm one
			r := send(t, i, delivery(shortContent, "a@b.example", "later@b.example", "never@b.example", "many@b.example", "z@b.example"))
			r.expect(t, "accepted temporary/recipient permanent/recipient temporary/limit accepted")
			if wait := r.outcomes[1].RetryAfter.Minutes(); wait != 7 {
				t.Errorf("retry after %v minutes, want 7", wait)
			}
			if o := r.outcomes[2]; o.Code != 550 || o.Enhanced != "5.1.1" || o.Reply != "550 5.1.1 no such user" || o.Inferred {
				t.Errorf("outcome %+v", o)
			}
		}
		if n := len(server.Contents()); n != 2 {
			t.Errorf("%d messages, want 2", n)
		}
	}
}

func TestManyRecipientsSeveralTransactions(t *testing.T) {
	t.Parallel()
	for limit, transactions := range map[string]int{"": 5, "LIMITS RCPTMAX=20": 13} {
		server := smtptest.StartScripted(t, smtptest.Script{Capabilities: append(everything(), limit)})
		i := plainly(server).open(t)
		var to []string
		for n := range 250 {
			to = append(to, fmt.Sprintf("r%03d@b.example", n))
		}
		r := send(t, i, delivery(shortContent, to...))
		r.expect(t, strings.TrimSpace(strings.Repeat("accepted ", 250)))
		if n := len(server.Contents()); n != transactions || r.commits != 1 || server.Connections() != 1 {
			t.Errorf("%q: %d transactions, %d commits, %d connections", limit, n, r.commits, server.Connections())
		}
		wire := server.Received()
		for _, address := range to {
			if n := strings.Count(wire, "<"+address+">"); n != 1 {
				t.Errorf("%s was named %d times", address, n)
			}
		}
	}
}

// T22: all recipients are refused, but the server answers 354.
func TestAllRefusedButData(t *testing.T) {
	t.Parallel()
	server := smtptest.StartScripted(t, smtptest.Script{
		Capabilities: []string{"PIPELINING"},
		Rules: []smtptest.Rule{
			{On: "RCPT TO:<no@", Do: smtptest.Reply("550 5.1.1 no")},
			{On: "RCPT TO:<wait@", Do: smtptest.Reply("450 4.2.0 wait")},
			{On: "DATA", Nth: 1, Do: smtptest.Reply("354 go on")},
			{On: "CONTENT", Nth: 1, Do: smtptest.Reply("250 2.0.0 took nothing")},
		},
	})
	i := plainly(server).open(t)
	r := send(t, i, delivery(shortContent, "no@b.example", "wait@b.example"))
	r.expect(t, "permanent/recipient temporary/recipient")
	if r.commits != 0 {
		t.Error("committing was called without a message")
	}
	send(t, i, delivery(shortContent, "a@b.example")).expect(t, "accepted")
	if wire := server.Received(); strings.Count(wire, "Subject") != 1 || server.Connections() != 1 || !strings.Contains(wire, "DATA\r\n.\r\nMAIL") {
		t.Errorf("connections %d, wire %q", server.Connections(), wire)
	}
}

// All recipients refused with BDAT under way: the server refuses that too, and
// the session goes on after a RSET.
func TestAllRefusedAtOnce(t *testing.T) {
	t.Parallel()
	server := smtptest.StartScripted(t, smtptest.Script{
		Capabilities: everything(),
		Rules:        []smtptest.Rule{{On: "RCPT TO:<no@", Do: smtptest.Reply("550 5.1.1 no")}},
	})
	i := plainly(server).open(t)
	for range 2 {
		send(t, i, delivery(shortContent, "a@b.example")).expect(t, "accepted")
		send(t, i, delivery(shortContent, "no@b.example", "no@c.example")).expect(t, "permanent/recipient permanent/recipient")
	}
	send(t, i, delivery(shortContent, "a@b.example")).expect(t, "accepted")
	wire := server.Received()
	if n := strings.Count(wire, "RSET"); n != 2 || server.Connections() != 1 {
		t.Errorf("%d RSET and %d connections, want 2 and 1:\n%s", n, server.Connections(), wire)
	}
}

// The error of committing ends the delivery, with nothing sent.
func TestCommittingRefuses(t *testing.T) {
	t.Parallel()
	for _, capabilities := range [][]string{everything(), without(everything(), "CHUNKING"), nil} {
		server := smtptest.StartScripted(t, smtptest.Script{Capabilities: capabilities})
		i := plainly(server).open(t)
		refused := errors.New("not now")
		for range 2 {
			send(t, i, delivery(shortContent, "a@b.example"))
			_, err := i.Deliver(t.Context(), delivery(shortContent, "a@b.example"), func() error { return refused })
			if !errors.Is(err, refused) {
				t.Errorf("error %v, want that of committing", err)
			}
		}
		if n := len(server.Contents()); n != 2 {
			t.Errorf("%d messages, want 2", n)
		}
	}
}

func TestStuff(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		previous byte
		in, want string
	}{
		{'\n', ".", ".."},
		{'x', ".", "."},
		{'\r', ".", ".."},
		{'\n', "..\r\n.\r\n", "...\r\n..\r\n"},
		{'\n', "a.b\r\n.c.\r\n", "a.b\r\n..c.\r\n"},
		{'\n', strings.Repeat(".\r\n", 1000), strings.Repeat("..\r\n", 1000)},
		{'\n', "", ""},
		{'\n', "x\r.y\n.z", "x\r..y\n..z"},
	} {
		got := stuff([]byte("head\r\n."+test.in), len("head\r\n."), test.previous)
		if want := "head\r\n." + test.want; string(got) != want {
			t.Errorf("%.40q: %.60q, want %.60q", test.in, got, want)
		}
	}
}

// Content that cannot be read to its end is never sent as if it were whole.
func TestContentBreaks(t *testing.T) {
	t.Parallel()
	for name, capabilities := range map[string][]string{"chunking": everything(), "data": nil} {
		for _, size := range []int{100, 3 << 20} {
			server := smtptest.StartScripted(t, smtptest.Script{Capabilities: capabilities})
			i := plainly(server).open(t)
			send(t, i, delivery(shortContent, "a@b.example"))
			d := delivery(bigContent(size), "a@b.example")
			d.Size += 10
			d.Content = bytes.NewReader([]byte(bigContent(size)))
			r := send(t, i, d)
			r.expect(t, "temporary")
			d.EightBit = true
			s := plainly(server)
			s.options.SevenBit = func(content []byte) ([]byte, error) { return content, nil }
			send(t, s.open(t), d).expect(t, "temporary")
			if n := len(server.Contents()); n != 1 || r.commits != 0 {
				t.Errorf("%s %d: %d messages, %d commits", name, size, n, r.commits)
			}
		}
	}
}
