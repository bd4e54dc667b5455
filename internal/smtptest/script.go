package smtptest

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Script says how a Scripted server behaves. Where no rule applies it is a
// polite server that takes everything.
type Script struct {
	Greeting     string   // default "220 scripted.example ESMTP"
	Capabilities []string // lines of the EHLO reply after the first
	// SecureCapabilities are those under TLS; default Capabilities without
	// STARTTLS.
	SecureCapabilities []string
	// TLS is the configuration for STARTTLS, or from the start if Implicit.
	TLS      *tls.Config
	Implicit bool
	Rules    []Rule
	// SmallBuffers makes the kernel's receive buffer small, so that a client
	// notices soon when the server does not read.
	SmallBuffers bool
}

// Rule tells what to do at one event in place of the polite answer. The first
// rule that applies is taken.
type Rule struct {
	// On is the event: CONNECT, HANDSHAKE (after the reply to STARTTLS, or at
	// the start), RESPONSE (a line of the client within AUTH), BODY (content
	// has begun to arrive), CONTENT (all of it has), or the beginning of a
	// command such as "RCPT" or "RCPT TO:<b@x>", in upper or lower case.
	On string
	// Nth is which event of this kind on the connection, from 1; 0 for all.
	Nth int
	// Connection is which connection, from 1; 0 for all.
	Connection int
	Do         Action
}

// Action does something at an event. It returns false when the connection is
// over.
type Action func(*Peer) bool

// Reply answers with lines, each ended by CRLF.
func Reply(lines ...string) Action { return Raw(strings.Join(lines, "\r\n") + "\r\n") }

// Raw writes octets as they are.
func Raw(text string) Action {
	return func(p *Peer) bool { return p.write(text) }
}

// Accept goes on as after a positive reply, without giving one.
func Accept() Action {
	return func(p *Peer) bool {
		p.code = 250
		return true
	}
}

// Close ends the connection in an orderly way (FIN).
func Close() Action {
	return func(p *Peer) bool {
		// Octets that were not read would turn the FIN into a RST.
		if half, ok := p.raw.(interface{ CloseWrite() error }); ok {
			_ = half.CloseWrite()
			_, _ = io.Copy(io.Discard, p.raw)
		}
		_ = p.raw.Close()
		return false
	}
}

// Reset ends the connection by a RST, where it is TCP.
func Reset() Action {
	return func(p *Peer) bool {
		if tcp, ok := p.raw.(*net.TCPConn); ok {
			_ = tcp.SetLinger(0)
		}
		_ = p.raw.Close()
		return false
	}
}

// Silence reads on but never answers, until the client closes.
func Silence() Action {
	return func(p *Peer) bool {
		_, _ = io.Copy(io.Discard, p.raw)
		return false
	}
}

// Freeze neither reads nor writes until the server stops.
func Freeze() Action {
	return func(p *Peer) bool {
		<-p.server.stopped
		return false
	}
}

// Drip writes text one octet every interval.
func Drip(text string, interval time.Duration) Action {
	return func(p *Peer) bool {
		go func() { _, _ = io.Copy(io.Discard, p.raw) }()
		for i := range len(text) {
			if i == len(text)-1 {
				p.note(text)
			}
			timer := time.NewTimer(interval)
			select {
			case <-timer.C:
			case <-p.server.stopped:
				timer.Stop()
				return false
			}
			if !p.write(text[i : i+1]) {
				return false
			}
		}
		return true
	}
}

// Throttle reads what comes at a number of octets a second from now on.
func Throttle(rate int) Action {
	return func(p *Peer) bool {
		p.rate = rate
		return true
	}
}

// Then does several things one after the other.
func Then(actions ...Action) Action {
	return func(p *Peer) bool {
		for _, action := range actions {
			if !action(p) {
				return false
			}
		}
		return true
	}
}

// Forever writes text again and again until the client closes.
func Forever(text string) Action {
	chunk := strings.Repeat(text, 1+4096/len(text))
	return func(p *Peer) bool {
		for p.write(chunk) {
		}
		return false
	}
}

// Scripted is a server that follows a script. It notes every octet that it
// receives. Its methods are safe for concurrent use.
type Scripted struct {
	script   Script
	listener net.Listener
	stopped  chan struct{}
	wg       sync.WaitGroup

	mu      sync.Mutex
	peers   []*Peer
	changed chan struct{} // closed and replaced at each connection
	stopOne sync.Once
}

// NewScripted starts a scripted server on a port of 127.0.0.1. The caller stops
// it with Stop.
func NewScripted(script Script) (*Scripted, error) {
	s := newScripted(script)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	s.listener = listener
	s.wg.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return // stopped
			}
			if script.SmallBuffers {
				_ = conn.(*net.TCPConn).SetReadBuffer(4096)
			}
			s.serve(conn)
		}
	})
	return s, nil
}

// StartScripted starts a scripted server that stops with the test.
func StartScripted(t TB, script Script) *Scripted {
	t.Helper()
	s, err := NewScripted(script)
	if err != nil {
		t.Fatalf("start a scripted SMTP server: %v", err)
	}
	t.Cleanup(s.Stop)
	return s
}

// PipeScripted makes a scripted server without a network: Dial gives one end of
// a net.Pipe. So it works in a testing/synctest bubble.
func PipeScripted(t TB, script Script) *Scripted {
	t.Helper()
	s := newScripted(script)
	t.Cleanup(s.Stop)
	return s
}

func newScripted(script Script) *Scripted {
	if script.Greeting == "" {
		script.Greeting = "220 scripted.example ESMTP"
	}
	if script.SecureCapabilities == nil {
		for _, line := range script.Capabilities {
			if line != "STARTTLS" {
				script.SecureCapabilities = append(script.SecureCapabilities, line)
			}
		}
	}
	return &Scripted{script: script, stopped: make(chan struct{}), changed: make(chan struct{})}
}

// Dial connects over a net.Pipe, whatever the address.
func (s *Scripted) Dial(context.Context, string, string) (net.Conn, error) {
	client, server := net.Pipe()
	s.serve(server)
	return client, nil
}

// Address gives host and port.
func (s *Scripted) Address() string { return s.listener.Addr().String() }

// Port gives the port.
func (s *Scripted) Port() int { return s.listener.Addr().(*net.TCPAddr).Port }

// Stop ends all connections and waits for them. It may be called twice.
func (s *Scripted) Stop() {
	s.stopOne.Do(func() {
		close(s.stopped)
		if s.listener != nil {
			_ = s.listener.Close()
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		for _, p := range s.peers {
			_ = p.raw.Close()
		}
	})
	s.wg.Wait()
}

// Connections tells how many connections there have been.
func (s *Scripted) Connections() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.peers)
}

// Received gives all octets of all connections after decryption, one after the
// other.
func (s *Scripted) Received() string {
	var all strings.Builder
	for _, p := range s.all() {
		all.WriteString(p.Received())
	}
	return all.String()
}

// Contents gives the messages that were taken with a positive reply, with dots
// unstuffed.
func (s *Scripted) Contents() []string {
	var all []string
	for _, p := range s.all() {
		p.mu.Lock()
		all = append(all, p.contents...)
		p.mu.Unlock()
	}
	return all
}

// Peer gives the nth connection, from 1. It waits up to 60 s for it, and gives
// nil if it does not come.
func (s *Scripted) Peer(n int) *Peer {
	timeout := time.NewTimer(time.Minute)
	defer timeout.Stop()
	for {
		s.mu.Lock()
		peers, changed := s.peers, s.changed
		s.mu.Unlock()
		if n <= len(peers) {
			return peers[n-1]
		}
		select {
		case <-changed:
		case <-timeout.C:
			return nil
		}
	}
}

func (s *Scripted) all() []*Peer {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]*Peer(nil), s.peers...)
}

func (s *Scripted) serve(conn net.Conn) {
	s.mu.Lock()
	p := &Peer{server: s, raw: conn, conn: conn, number: len(s.peers) + 1, seen: make(map[int]int), ended: make(chan struct{})}
	p.in = bufio.NewReader(recorder{p})
	s.peers = append(s.peers, p)
	close(s.changed)
	s.changed = make(chan struct{})
	s.mu.Unlock()
	select {
	case <-s.stopped:
		_ = conn.Close()
	default:
	}
	s.wg.Go(func() {
		defer close(p.ended)
		defer conn.Close()
		p.run()
	})
}

// Peer is one client's connection to a Scripted server.
type Peer struct {
	server *Scripted
	number int
	raw    net.Conn // below TLS
	conn   net.Conn
	in     *bufio.Reader
	secure bool
	ended  chan struct{}
	seen   map[int]int // events that a rule's On has matched, by rule

	code     int // of the last reply
	rate     int // octets a second, 0 for any
	mail     bool
	accepted int // recipients
	content  []byte
	offered  *string // content that waits for its reply

	mu       sync.Mutex
	received bytes.Buffer
	contents []string
}

// Received gives the octets of the connection after decryption.
func (p *Peer) Received() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.received.String()
}

// Ended is closed when the server is done with the connection.
func (p *Peer) Ended() <-chan struct{} { return p.ended }

// recorder reads from the peer's connection and keeps a copy.
type recorder struct{ p *Peer }

func (r recorder) Read(b []byte) (int, error) {
	if r.p.rate > 0 {
		time.Sleep(time.Second)
		b = b[:min(len(b), r.p.rate)]
	}
	n, err := r.p.conn.Read(b)
	r.p.mu.Lock()
	r.p.received.Write(b[:n])
	r.p.mu.Unlock()
	return n, err
}

func (p *Peer) write(text string) bool {
	p.note(text)
	_, err := io.WriteString(p.conn, text)
	return err == nil
}

// note remembers the code of a reply, and before the client can know of it,
// that a message was taken.
func (p *Peer) note(text string) {
	last := text[strings.LastIndex(strings.TrimRight(text, "\r\n"), "\n")+1:]
	if len(last) < 3 {
		return
	}
	p.code, _ = strconv.Atoi(last[:3])
	if p.offered != nil && p.code/100 == 2 {
		p.mu.Lock()
		p.contents = append(p.contents, *p.offered)
		p.mu.Unlock()
	}
}

// event does what the rules say for an event, else what is polite.
func (p *Peer) event(name string, polite Action) bool {
	action := polite
	found := false
	for i, rule := range p.server.script.Rules {
		if len(name) < len(rule.On) || !strings.EqualFold(name[:len(rule.On)], rule.On) {
			continue
		}
		p.seen[i]++
		fits := (rule.Nth == 0 || rule.Nth == p.seen[i]) && (rule.Connection == 0 || rule.Connection == p.number)
		if fits && !found {
			action, found = rule.Do, true
		}
	}
	return action(p)
}

func (p *Peer) handshake() bool {
	return p.event("HANDSHAKE", func(p *Peer) bool {
		conn := tls.Server(p.conn, p.server.script.TLS)
		if conn.Handshake() != nil {
			return false
		}
		p.conn, p.secure = conn, true
		p.in.Reset(recorder{p})
		return true
	})
}

var errDone = errors.New("connection is over")

func (p *Peer) line() (string, error) {
	line, err := p.in.ReadString('\n')
	if err != nil {
		return "", errDone
	}
	return strings.TrimRight(line, "\r\n"), nil
}
