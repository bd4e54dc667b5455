package smtpd

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"time"
)

// patience bounds every wait; it is for machines that are busy.
const patience = 60 * time.Second

// book is where accounts put what they take.
type book struct {
	mu       sync.Mutex
	messages []*Message
	// answer, if set, is asked what to say to a message.
	answer func(m *Message) error
}

func (b *book) list() []*Message {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.messages
}

// account is one that keeps its messages in a book.
type account struct {
	name string
	*book
}

func (a account) Name() string { return a.name }

func (a account) Submit(m *Message) (string, error) {
	if a.answer != nil {
		if err := a.answer(m); err != nil {
			return "", err
		}
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.messages = append(a.messages, m)
	return fmt.Sprintf("Message %d of %s", len(a.messages), a.name), nil
}

// options are those of the port, with small limits. Everybody has the account
// "anyone"; "shop" has the password "secret".
func options(b *book) Options {
	return Options{
		Name: "mx.example.com", Domain: func() string { return "home.example" },
		MaxSize: 1000, MaxRecipients: 3, MaxErrors: 10, MaxHops: 50, Idle: 5 * time.Minute,
		Login: func(_ net.Addr, user, password string) (Account, bool) {
			return account{user, b}, user == "shop" && password == "secret"
		},
		Anonymous: func(net.Addr) Account { return account{"anyone", b} },
		DSN:       true, Chunking: true,
	}
}

// serve starts a server on TCP and gives its address.
func serve(t testing.TB, s *Server) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- s.Serve(l) }()
	t.Cleanup(func() {
		ctx, cancel := context.WithCancel(context.Background())
		cancel() // whoever is left is cut
		s.Shutdown(ctx)
		if err := <-done; err != nil {
			t.Error(err)
		}
		if n := s.Sessions(); n != 0 {
			t.Errorf("%d sessions are left", n)
		}
	})
	return l.Addr().String()
}

// client is one end of a session.
type client struct {
	t testing.TB
	net.Conn
	in *bufio.Reader
}

func dial(t testing.TB, address string) *client {
	t.Helper()
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	_ = conn.SetDeadline(time.Now().Add(patience))
	return &client{t, conn, bufio.NewReader(conn)}
}

// say writes text as it is.
func (c *client) say(text string) {
	c.t.Helper()
	if _, err := io.WriteString(c.Conn, text); err != nil {
		c.t.Fatalf("writing %.80q: %v", text, err)
	}
}

// line reads one line, without its end; "EOF" at the end.
func (c *client) line() string {
	c.t.Helper()
	line, err := c.in.ReadString('\n')
	if err == io.EOF && line == "" {
		return "EOF"
	}
	if err != nil || !strings.HasSuffix(line, "\r\n") || len(line) > 512 {
		c.t.Fatalf("%q, %v", line, err)
	}
	return line[:len(line)-2]
}

// want reads one reply for each pattern, the last line of it. A pattern ends
// in * if more may follow.
func (c *client) want(patterns ...string) {
	c.t.Helper()
	for _, pattern := range patterns {
		line := c.line()
		for len(line) > 3 && line[3] == '-' {
			line = c.line()
		}
		if !matches(line, pattern) {
			c.t.Fatalf("%q, not %q", line, pattern)
		}
	}
}

// do says one line and wants one reply.
func (c *client) do(line, pattern string) {
	c.t.Helper()
	c.say(line + "\r\n")
	c.want(pattern)
}

func matches(line, pattern string) bool {
	if start, open := strings.CutSuffix(pattern, "*"); open {
		return strings.HasPrefix(line, start)
	}
	return line == pattern
}

func newReader(r io.Reader) *bufio.Reader { return bufio.NewReader(r) }
