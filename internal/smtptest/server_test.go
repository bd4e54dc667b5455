package smtptest_test

import (
	"bufio"
	"context"
	"errors"
	"net"
	"net/smtp"
	"strings"
	"testing"
	"time"

	"github.com/postilion-mail/postilion/internal/smtptest"
)

const content = "Subject: x\r\n\r\nbody\r\n"

func TestServerRecords(t *testing.T) {
	t.Parallel()
	server := smtptest.Start(t, smtptest.WithSecurity(smtptest.Plain))
	for n := range 3 {
		if err := smtp.SendMail(server.Address(), nil, "a@a.example", []string{"b@b.example", "c@c.example"}, []byte(content)); err != nil {
			t.Fatal(err)
		}
		got := server.Messages(n + 1)
		if m := got[n]; m.From != "a@a.example" || strings.Join(m.To, " ") != "b@b.example c@c.example" || string(m.Content) != content || m.TLS || m.Session != n+1 {
			t.Errorf("message %+v", m)
		}
	}
}

// A stopped server refuses connections; started again it has its address and
// what it had recorded.
func TestStopAndRestart(t *testing.T) {
	t.Parallel()
	server := smtptest.Start(t, smtptest.WithSecurity(smtptest.Plain))
	address := server.Address()
	send := func() error {
		return smtp.SendMail(address, nil, "a@a.example", []string{"b@b.example"}, []byte(content))
	}
	for n := range 3 {
		if err := send(); err != nil {
			t.Fatal(err)
		}
		server.Stop()
		server.Stop()
		if send() == nil {
			t.Fatal("a stopped server took mail")
		}
		if err := server.Restart(); err != nil {
			t.Fatal(err)
		}
		if server.Restart() == nil {
			t.Error("a running server could be started")
		}
		if got := server.Count(); got != n+1 || server.Address() != address {
			t.Errorf("%d messages at %s", got, server.Address())
		}
	}
}

func TestWaitEnds(t *testing.T) {
	t.Parallel()
	server, err := smtptest.New(smtptest.Config{})
	if err != nil {
		t.Fatal(err)
	}
	defer server.Stop()
	ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
	defer cancel()
	if _, err := server.Wait(ctx, 1); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("error %v", err)
	}
}

func TestRefusals(t *testing.T) {
	t.Parallel()
	server := smtptest.Start(t, smtptest.WithSecurity(smtptest.Plain), func(c *smtptest.Config) {
		c.Recipient = func(address string) error {
			if strings.HasPrefix(address, "no@") {
				return smtptest.Refuse(450, [3]int{4, 2, 1}, "not now")
			}
			return nil
		}
	})
	err := smtp.SendMail(server.Address(), nil, "a@a.example", []string{"no@b.example"}, []byte(content))
	if err == nil || !strings.Contains(err.Error(), "not now") || !strings.Contains(err.Error(), "450") {
		t.Errorf("error %v", err)
	}
}

func TestScriptedRules(t *testing.T) {
	t.Parallel()
	server := smtptest.StartScripted(t, smtptest.Script{
		Rules: []smtptest.Rule{
			{On: "mail from:<no", Do: smtptest.Reply("550 no")},
			{On: "NOOP", Nth: 2, Do: smtptest.Reply("251 second")},
			{On: "RSET", Connection: 2, Do: smtptest.Reply("252 other connection")},
		},
	})
	for _, rset := range []string{"250", "252"} {
		conn, err := net.Dial("tcp", server.Address())
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		in := bufio.NewReader(conn)
		for _, exchange := range [][2]string{
			{"", "220 scripted"}, {"EHLO x", "250 scripted"}, {"NOOP", "250"}, {"NOOP", "251 second"}, {"NOOP", "250"},
			{"MAIL FROM:<no@x>", "550 no"}, {"MAIL FROM:<a@x>", "250"}, {"RSET", rset}, {"QUIT", "221"},
		} {
			if exchange[0] != "" {
				if _, err := conn.Write([]byte(exchange[0] + "\r\n")); err != nil {
					t.Fatal(err)
				}
			}
			line, err := in.ReadString('\n')
			if err != nil || !strings.HasPrefix(line, exchange[1]) {
				t.Errorf("%q: %q, want %q, error %v", exchange[0], line, exchange[1], err)
			}
		}
	}
	if n := strings.Count(server.Received(), "NOOP"); n != 6 || server.Connections() != 2 {
		t.Errorf("%d NOOP over %d connections", n, server.Connections())
	}
}
