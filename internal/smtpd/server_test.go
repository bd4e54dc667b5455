package smtpd

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/postilion-mail/postilion/internal/smtptest"
)

// ring is a listener that hands out what comes through a channel.
type ring struct {
	calls chan any // net.Conn or error
	over  chan struct{}
}

func newRing() *ring { return &ring{make(chan any), make(chan struct{})} }

func (r *ring) Accept() (net.Conn, error) {
	select {
	case c := <-r.calls:
		if err, ok := c.(error); ok {
			return nil, err
		}
		return c.(net.Conn), nil
	case <-r.over:
		return nil, net.ErrClosed
	}
}

func (r *ring) Close() error {
	select {
	case <-r.over:
	default:
		close(r.over)
	}
	return nil
}

func (r *ring) Addr() net.Addr { return &net.TCPAddr{} }

// call makes a session on a pipe, whose clock is that of a bubble.
func (r *ring) call(t testing.TB) *client {
	near, far := net.Pipe()
	r.calls <- far
	return pipe(t, near)
}

func pipe(t testing.TB, conn net.Conn) *client {
	c := &client{t: t, Conn: conn}
	c.in = newReader(conn)
	return c
}

// bubble runs a server within a bubble of synctest.
func bubble(t *testing.T, o Options, test func(t *testing.T, s *Server, r *ring)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		s, r := New(o), newRing()
		done := make(chan error)
		go func() { done <- s.Serve(r) }()
		test(t, s, r)
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		s.Shutdown(ctx)
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

func TestTimeouts(t *testing.T) {
	t.Parallel()
	const transaction = "HELO me\r\nMAIL FROM:<>\r\nRCPT TO:<jane@example.net>\r\n"
	for name, tt := range map[string]struct {
		before  string // said at once
		replies int    // to it
		drip    string // said octet by octet, one in 10 s
		min     time.Duration
		max     time.Duration
	}{
		"nothing":             {"", 0, "", 5 * time.Minute, 5 * time.Minute},
		"between commands":    {"HELO me\r\n", 1, "", 5 * time.Minute, 5 * time.Minute},
		"slow command":        {"", 0, strings.Repeat("x", 1000), 5 * time.Minute, 5*time.Minute + 10*time.Second},
		"within transaction":  {transaction, 3, "", 5 * time.Minute, 5 * time.Minute},
		"content":             {transaction + "DATA\r\n", 4, "", 5 * time.Minute, 5 * time.Minute},
		"slow content":        {transaction + "DATA\r\n", 4, strings.Repeat("x", 1000), 5 * time.Minute, 5*time.Minute + 10*time.Second},
		"slow chunk":          {transaction + "BDAT 1000\r\n", 3, strings.Repeat("x", 1000), 5 * time.Minute, 5*time.Minute + 10*time.Second},
		"challenge":           {"HELO me\r\nAUTH PLAIN\r\n", 2, "", 5 * time.Minute, 5 * time.Minute},
		"large chunk, slow":   {transaction + "BDAT 900000\r\n" + strings.Repeat("x", 512*600), 3, "", 15 * time.Minute, 15*time.Minute + 10*time.Second},
		"large content, slow": {transaction + "DATA\r\n" + strings.Repeat("x", 512*600), 4, "", 15 * time.Minute, 15*time.Minute + 10*time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			b := &book{}
			o := options(b)
			o.MaxSize = 1 << 20
			bubble(t, o, func(t *testing.T, _ *Server, r *ring) {
				c := r.call(t)
				begin := time.Now()
				c.want("220*")
				wrote := make(chan bool)
				go func() {
					defer close(wrote)
					_, _ = c.Write([]byte(tt.before))
					for i := range tt.drip {
						time.Sleep(10 * time.Second)
						if _, err := c.Write([]byte(tt.drip[i : i+1])); err != nil {
							return
						}
					}
				}()
				for range tt.replies {
					c.want("*")
				}
				c.want("421 4.4.2*")
				if d := time.Since(begin); d < tt.min || d > tt.max {
					t.Errorf("after %v", d)
				}
				if got := c.line(); got != "EOF" || len(b.list()) > 0 {
					t.Errorf("%q, %d messages", got, len(b.list()))
				}
				_ = c.Close()
				<-wrote
			})
		})
	}
}

// The time for a content begins with it, and so does that for a command.
func TestTimeBeginsAnew(t *testing.T) {
	t.Parallel()
	bubble(t, options(&book{}), func(t *testing.T, _ *Server, r *ring) {
		c := r.call(t)
		begin := time.Now()
		c.want("220*")
		for _, line := range []string{"HELO me", "MAIL FROM:<>", "RCPT TO:<jane@example.net>", "DATA"} {
			time.Sleep(4 * time.Minute)
			c.do(line, "*")
		}
		c.want("421 4.4.2*", "EOF")
		if d := time.Since(begin); d != 21*time.Minute {
			t.Errorf("after %v", d)
		}
	})
}

// A client that does not read its replies is not waited for either.
func TestDeafClient(t *testing.T) {
	t.Parallel()
	bubble(t, options(&book{}), func(t *testing.T, s *Server, r *ring) {
		c := r.call(t)
		synctest.Wait()
		if s.Sessions() != 1 {
			t.Fatal("no session")
		}
		time.Sleep(5*time.Minute + 6*time.Second)
		synctest.Wait()
		if s.Sessions() != 0 {
			t.Error("the session goes on")
		}
		_ = c.Close()
	})
}

func TestShutdown(t *testing.T) {
	t.Parallel()
	b := &book{}
	o := options(b)
	submitting, submit := make(chan bool, 1), make(chan bool, 1)
	b.answer = func(m *Message) error {
		if m.From == "slow@example.com" {
			submitting <- true
			<-submit
		}
		return nil
	}
	s := New(o)
	address := serve(t, s)
	start := func() *client {
		c := dial(t, address)
		c.want("220*")
		c.do("HELO me", "250*")
		return c
	}
	idle, finished, transaction, content, slow, stuck := start(), start(), start(), start(), start(), start()
	greeted := dial(t, address)
	greeted.want("220*")
	finished.do("MAIL FROM:<app@example.com>", "250*")
	finished.do("RSET", "250*")
	for _, c := range []*client{transaction, content, stuck} {
		c.do("MAIL FROM:<app@example.com>", "250*")
	}
	content.do("RCPT TO:<jane@example.net>", "250*")
	content.do("DATA", "354*")
	slow.do("MAIL FROM:<slow@example.com>", "250*")
	slow.do("RCPT TO:<jane@example.net>", "250*")
	slow.say("BDAT 1 LAST\r\nx")
	<-submitting

	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan bool)
	go func() { s.Shutdown(ctx); close(done) }()
	for _, c := range []*client{idle, finished, greeted} {
		c.want("421 4.3.2*", "EOF")
	}
	if conn, err := net.Dial("tcp", address); err == nil {
		// Accepted by the kernel before the listener was closed.
		_ = conn.Close()
	}
	// Transactions end well, and are the last of their sessions.
	transaction.do("RCPT TO:<jane@example.net>", "250*")
	transaction.do("DATA", "354*")
	for _, c := range []*client{transaction, content} {
		c.say("x\r\n.\r\nMAIL FROM:<>\r\n")
		c.want("250 2.0.0*", "421 4.3.2*", "EOF")
	}
	cancel()
	if got := stuck.line(); got != "EOF" {
		t.Errorf("cut with %q", got)
	}
	select {
	case <-done:
		t.Error("did not wait for a message that is being submitted")
	default:
	}
	submit <- true
	<-done
	if n := len(b.list()); n != 3 || s.Sessions() != 0 {
		t.Errorf("%d messages, %d sessions", n, s.Sessions())
	}
	if err := s.Serve(newRing()); err != nil {
		t.Error(err)
	}
}

func TestTooManySessions(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		all, each int
		refusal   string
	}{
		"in all":           {2, 0, "421 4.3.2*"},
		"from one address": {0, 2, "421 4.7.0*"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := options(&book{})
			o.MaxSessions, o.MaxPerAddress = tt.all, tt.each
			s := New(o)
			address := serve(t, s)
			first, second := dial(t, address), dial(t, address)
			first.want("220*")
			second.want("220*")
			dial(t, address).want(tt.refusal, "EOF")
			first.do("QUIT", "221*")
			first.want("EOF")
			for deadline := time.Now().Add(patience); s.Sessions() > 1 && time.Now().Before(deadline); {
				time.Sleep(time.Millisecond)
			}
			dial(t, address).want("220*")
		})
	}
}

// Running out of descriptors passes; other errors of a listener end it.
func TestAcceptErrors(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, r := New(options(&book{})), newRing()
		done := make(chan error)
		go func() { done <- s.Serve(r) }()
		for range 20 {
			r.calls <- fmt.Errorf("accept: %w", syscall.EMFILE)
		}
		c := r.call(t)
		c.want("220*")
		_ = c.Close()
		broken := errors.New("broken")
		r.calls <- broken
		if err := <-done; err != broken {
			t.Error(err)
		}
		s.Shutdown(t.Context())
	})
}

func TestPanic(t *testing.T) {
	t.Parallel()
	b := &book{}
	o := options(b)
	told := make(chan any, 1)
	o.Panicked = func(p any) { told <- p }
	reserved := make(chan int64, 10)
	o.Reserve = func(n int64) bool { reserved <- n; return true }
	o.Release = func(n int64) { reserved <- -n }
	b.answer = func(m *Message) error { panic("a fault") }
	address := serve(t, New(o))
	c := dial(t, address)
	c.say("HELO me\r\nMAIL FROM:<>\r\nRCPT TO:<jane@example.net>\r\nBDAT 1 LAST\r\nx")
	for c.line() != "EOF" {
	}
	if p := <-told; p != "a fault" {
		t.Error(p)
	}
	if a, b := <-reserved, <-reserved; a != -b {
		t.Errorf("%d reserved, %d given back", a, b)
	}
	dial(t, address).want("220*")
}

func TestStartTLS(t *testing.T) {
	t.Parallel()
	ca, err := smtptest.NewCA()
	if err != nil {
		t.Fatal(err)
	}
	certificate, err := ca.Issue(smtptest.Issue{})
	if err != nil {
		t.Fatal(err)
	}
	b := &book{}
	o := options(b)
	o.Trace, o.Anonymous = true, nil
	settings := &tls.Config{Certificates: []tls.Certificate{certificate}}
	o.StartTLS = func(conn net.Conn) (net.Conn, error) {
		secure := tls.Server(conn, settings)
		return secure, secure.Handshake()
	}
	address := serve(t, New(o))
	hello := func(c *client) string {
		c.say("EHLO app.example.com\r\n")
		var lines []string
		for {
			line := c.line()
			lines = append(lines, line[4:])
			if line[3] == ' ' {
				return strings.Join(lines, "|")
			}
		}
	}
	start := func(c *client) *client {
		c.do("STARTTLS", "220 2.0.0*")
		secure := tls.Client(c.Conn, &tls.Config{InsecureSkipVerify: true})
		return pipe(t, secure)
	}

	c := dial(t, address)
	c.want("220*")
	if got := hello(c); !strings.Contains(got, "|STARTTLS|") {
		t.Error(got)
	}
	c.do("AUTH PLAIN AHNob3AAc2VjcmV0", "235*")
	c.do("MAIL FROM:<old@example.com>", "250*")
	c.do("STARTTLS now", "501*")
	c = start(c)
	// Nothing of what was before is known any more (RFC 3207 section 4.2).
	c.do("MAIL FROM:<app@example.com>", "503*")
	if got := hello(c); strings.Contains(got, "STARTTLS") || !strings.Contains(got, "AUTH PLAIN") {
		t.Error(got)
	}
	c.do("MAIL FROM:<app@example.com>", "530*")
	c.do("RCPT TO:<jane@example.net>", "503*")
	c.do("STARTTLS", "503*")
	c.do("AUTH PLAIN AHNob3AAc2VjcmV0", "235*")
	c.do("MAIL FROM:<app@example.com>", "250*")
	c.do("RCPT TO:<jane@example.net>", "250*")
	c.do("DATA", "354*")
	c.say(strings.Repeat("x\r\n", 100) + ".\r\n")
	c.want("250 2.0.0 Message 1 of shop")
	c.do("QUIT", "221*")
	c.want("EOF")
	if trace := string(b.list()[0].Trace); !strings.Contains(trace, " with ESMTPSA;\r\n") {
		t.Error(trace)
	}

	// What is sent in front of the handshake is not taken for part of what
	// comes after it.
	for _, injected := range []string{"NOOP\r\n", "R", "MAIL FROM:<evil@example.com>\r\n"} {
		c := dial(t, address)
		c.want("220*")
		hello(c)
		c.say("STARTTLS\r\n" + injected)
		c.want("421 4.7.0*", "EOF")
	}
	// A handshake that fails ends the session.
	c = dial(t, address)
	c.want("220*")
	c.do("STARTTLS", "220*")
	c.say("no TLS\r\n")
	_, _ = c.in.ReadString(0)
	if n := len(b.list()); n != 1 {
		t.Errorf("%d messages", n)
	}
}

// From elsewhere a password is taken only within TLS.
func TestPasswordsNeedTLS(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		remote net.Addr
		secure bool
		want   string
	}{
		"from elsewhere":            {&net.TCPAddr{IP: net.IPv4(192, 0, 2, 1)}, false, "538"},
		"from elsewhere within TLS": {&net.TCPAddr{IP: net.IPv4(192, 0, 2, 1)}, true, "235"},
		"from here":                 {&net.TCPAddr{IP: net.IPv6loopback}, false, "235"},
	} {
		o := options(&book{})
		o.StartTLS = func(conn net.Conn) (net.Conn, error) { return conn, nil }
		near, far := net.Pipe()
		s := New(o)
		c := s.session(far, far)
		c.conn, c.remote, c.secure = far, tt.remote, tt.secure
		go func() {
			_ = c.run()
			_ = far.Close()
		}()
		client := pipe(t, near)
		client.want("220*")
		client.say("EHLO me\r\n")
		offered := false
		for line := "250-"; line[3] == '-'; {
			line = client.line()
			offered = offered || strings.Contains(line, "AUTH")
		}
		client.do("AUTH PLAIN AHNob3AAc2VjcmV0", tt.want+"*")
		client.do("QUIT", "221*")
		if offered != (tt.want == "235") {
			t.Errorf("%s: AUTH offered: %v", name, offered)
		}
	}
}

func TestTrace(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 26, 12, 0, 0, 0, time.FixedZone("", 3600))
	for _, tt := range []struct {
		hello                         string
		extended, secure, known, utf8 bool
		name                          string
		want                          string
	}{
		{"app.example.com", true, true, true, false, "shop", "from app.example.com (client shop)\r\n\tby mx.example.com (Postilion) with ESMTPSA;"},
		{"[127.0.0.1]", true, false, false, false, "a_b.c-1", "from [127.0.0.1] (client a_b.c-1)\r\n\tby mx.example.com (Postilion) with ESMTP;"},
		{"[IPv6:::1]", false, false, true, false, "x", "from [IPv6:::1] (client x)\r\n\tby mx.example.com (Postilion) with SMTP;"},
		{"a (b) c", true, false, true, true, "a)(\r\nb ü", "from unknown (client a____b__)\r\n\tby mx.example.com (Postilion) with UTF8SMTPA;"},
		{strings.Repeat("x", 256), true, true, false, false, "x", "from unknown (client x)\r\n\tby mx.example.com (Postilion) with ESMTPS;"},
		{"[x", true, true, false, false, "x", "from unknown (client x)\r\n\tby mx.example.com (Postilion) with ESMTPS;"},
	} {
		s := session{server: New(options(&book{})), hello: tt.hello, extended: tt.extended, secure: tt.secure, known: tt.known, account: account{name: tt.name}}
		s.tx.utf8 = tt.utf8
		if got, want := string(s.trace(now)), "Received: "+tt.want+"\r\n\tThu, 26 Nov 2026 11:00:00 +0000\r\n"; got != want {
			t.Errorf("%q, not %q", got, want)
		}
	}
}
