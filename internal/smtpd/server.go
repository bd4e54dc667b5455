package smtpd

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"net/netip"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/postilion-mail/postilion/internal/mail"
)

// Server holds sessions. It is safe for concurrent use.
type Server struct {
	Options
	offers   []string // lines of EHLO that every client gets
	tooLarge string   // the reply

	idle sync.Pool // of *session: a client with many messages often connects for each
	bulk sync.Pool // of *bufio.Reader

	stopping atomic.Bool
	stopped  chan struct{} // closed with stopping
	running  sync.WaitGroup

	mu        sync.Mutex
	listeners []net.Listener
	sessions  map[*session]net.Conn // the connection without TLS
	addresses map[netip.Addr]int    // sessions by address
}

// New makes a server. Serve and Converse use it.
func New(o Options) *Server {
	s := &Server{
		Options:   o,
		offers:    []string{"PIPELINING", "SIZE " + strconv.FormatInt(o.MaxSize, 10), "8BITMIME", "SMTPUTF8"},
		tooLarge:  "552 5.3.4 The message is too large: it may have " + strconv.FormatInt(o.MaxSize, 10) + " octets",
		stopped:   make(chan struct{}),
		sessions:  make(map[*session]net.Conn),
		addresses: make(map[netip.Addr]int),
	}
	if o.Chunking {
		s.offers = append(s.offers, "CHUNKING")
	}
	if o.DSN {
		s.offers = append(s.offers, "DSN")
	}
	s.idle.New = func() any {
		c := &session{out: bufio.NewWriterSize(io.Discard, replies)}
		c.small = bufio.NewReaderSize(c, maxCommand)
		return c
	}
	s.bulk.New = func() any { return bufio.NewReaderSize(nil, bulkBuffer) }
	return s
}

// recipient makes an address of RCPT canonical.
func (s *Server) recipient(address string) (string, error) {
	if s.Recipient != nil {
		return s.Recipient(address)
	}
	p, err := mail.ParsePath(mail.Complete(address, s.Domain()))
	if err != nil {
		return "", err
	}
	return p.String(), nil
}

func (s *Server) anonymous(remote net.Addr) Account {
	if s.Anonymous == nil {
		return nil
	}
	return s.Anonymous(remote)
}

// session takes one out of the pool.
func (s *Server) session(r io.Reader, w io.Writer) *session {
	c := s.idle.Get().(*session)
	c.server, c.input = s, r
	c.in = c.small
	c.small.Reset(c)
	c.out.Reset(w)
	return c
}

// recycle puts a session back, without a trace of what it was.
func (s *Server) recycle(c *session) {
	if c.in != c.small {
		c.in.Reset(nil)
		s.bulk.Put(c.in)
	}
	small, out := c.small, c.out
	*c = session{small: small, out: out}
	out.Reset(io.Discard)
	s.idle.Put(c)
}

// Converse holds one dialogue on pipes, for an account that needs no AUTH. A
// client there may end all its lines in LF. The error is ErrUnfinished,
// ErrTooManyErrors or one of writing.
func (s *Server) Converse(r io.Reader, w io.Writer, a Account) error {
	c := s.session(r, w)
	c.account = a
	defer s.recycle(c)
	return c.run()
}

// Serve holds a session on each connection that comes in by a listener. It
// returns nil after Shutdown, and closes the listener.
func (s *Server) Serve(l net.Listener) error {
	defer l.Close()
	s.mu.Lock()
	s.listeners = append(s.listeners, l)
	s.mu.Unlock()
	pause := time.Duration(0)
	for !s.stopping.Load() {
		conn, err := l.Accept()
		switch {
		case err == nil:
			pause = 0
			s.start(conn)
		case s.stopping.Load() || errors.Is(err, net.ErrClosed):
			return nil
		case passing(err):
			// Connections that end give back what is missing.
			pause = min(max(2*pause, 5*time.Millisecond), time.Second)
			timer := time.NewTimer(pause)
			select {
			case <-timer.C:
			case <-s.stopped:
				timer.Stop()
			}
		default:
			return err
		}
	}
	return nil
}

// passing tells errors of accept(2) that are over some time, or concern one
// connection only.
func passing(err error) bool {
	for _, e := range []error{syscall.EMFILE, syscall.ENFILE, syscall.ENOBUFS, syscall.ENOMEM, syscall.ECONNABORTED, syscall.EPROTO, syscall.EPERM} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}

// start begins a session, or tells the client why it may not have one.
func (s *Server) start(conn net.Conn) {
	c := s.session(conn, conn)
	c.conn, c.remote = conn, conn.RemoteAddr()
	if refusal := s.enter(c); refusal != "" {
		_ = conn.SetDeadline(time.Now().Add(time.Second)) // one line fits into any socket's buffer
		_, _ = io.WriteString(conn, refusal+"\r\n")
		_ = conn.Close()
		s.recycle(c)
		return
	}
	go s.hold(c, conn)
}

// enter counts a session in; it gives the reply if there are too many.
func (s *Server) enter(c *session) (refusal string) {
	address := addressOf(c.remote)
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.stopping.Load():
		return "421 4.3.2 The server is being stopped, come back soon"
	case s.MaxSessions > 0 && len(s.sessions) >= s.MaxSessions:
		return "421 4.3.2 There are too many connections, come back later"
	case s.MaxPerAddress > 0 && s.addresses[address] >= s.MaxPerAddress:
		return "421 4.7.0 There are too many connections from your address"
	}
	s.sessions[c] = c.conn
	s.addresses[address]++
	s.running.Add(1)
	return ""
}

func (s *Server) leave(c *session) {
	address := addressOf(c.remote)
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.sessions, c)
	if s.addresses[address]--; s.addresses[address] == 0 {
		delete(s.addresses, address)
	}
	s.running.Done()
}

// hold runs a session to its end.
func (s *Server) hold(c *session, raw net.Conn) {
	defer func() {
		if p := recover(); p != nil && s.Panicked != nil {
			s.Panicked(p)
		}
		c.dropContent()
		_ = c.conn.Close() // takes leave in TLS first
		_ = raw.Close()
		s.leave(c)
		s.recycle(c)
	}()
	c.account = s.anonymous(c.remote)
	_ = c.run()
	c.linger(raw)
}

// linger lets the client read what it was told: a connection that is closed
// with input unread is reset, and the last replies may be lost with it.
func (s *session) linger(raw net.Conn) {
	tcp, ok := raw.(interface{ CloseWrite() error })
	if !ok || !s.cut && s.in.Buffered() == 0 {
		return
	}
	if tcp.CloseWrite() != nil {
		return
	}
	_ = raw.SetDeadline(time.Now().Add(2 * time.Second))
	_, _ = io.CopyN(io.Discard, raw, maxDropped)
}

// Sessions is the number of those that are open.
func (s *Server) Sessions() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.sessions)
}

// Shutdown ends the server: it listens no more, sessions end with 421 when
// they have finished their transaction, and when ctx ends all others are cut.
// What is being submitted is waited for.
func (s *Server) Shutdown(ctx context.Context) {
	s.mu.Lock()
	if !s.stopping.Swap(true) {
		close(s.stopped)
	}
	for _, l := range s.listeners {
		_ = l.Close()
	}
	for c, raw := range s.sessions {
		if !c.busy.Load() {
			_ = raw.SetReadDeadline(time.Unix(1, 0))
		}
	}
	s.mu.Unlock()
	done := make(chan struct{})
	go func() { s.running.Wait(); close(done) }()
	select {
	case <-done:
		return
	case <-ctx.Done():
	}
	s.mu.Lock()
	for _, raw := range s.sessions {
		_ = raw.Close()
	}
	s.mu.Unlock()
	<-done
}

func addressOf(a net.Addr) netip.Addr {
	if tcp, ok := a.(*net.TCPAddr); ok {
		return tcp.AddrPort().Addr().Unmap()
	}
	return netip.Addr{}
}

func isLoopback(a net.Addr) bool { return addressOf(a).IsLoopback() }
