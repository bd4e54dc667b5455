package smtp

import (
	"context"
	"io"
	"net"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/postilion-mail/postilion/internal/smtptest"
	"github.com/postilion-mail/postilion/plugin"
)

// cutConn lets a number of octets through, both ways together, and then ends.
type cutConn struct {
	net.Conn
	left  *atomic.Int64
	lossy bool // what is written beyond seems to go out, and is lost
}

func (c *cutConn) Read(b []byte) (int, error) {
	left := c.left.Load()
	if left <= 0 {
		_ = c.Conn.Close()
		return 0, io.EOF
	}
	n, err := c.Conn.Read(b[:min(int64(len(b)), left)])
	c.left.Add(int64(-n))
	return n, err
}

func (c *cutConn) Write(b []byte) (int, error) {
	n, err := c.Conn.Write(b[:min(int64(len(b)), max(0, c.left.Load()))])
	c.left.Add(int64(-n))
	if err == nil && n < len(b) {
		c.left.Store(0)
		_ = c.Conn.Close()
		if err = io.ErrClosedPipe; c.lossy {
			n, err = len(b), nil
		}
	}
	return n, err
}

// T56: the connection is cut after every single octet of a session. A message
// counts as accepted only if the server took it and we read that to the end; if
// it counts as temporary the server does not have it.
func TestCutAfterEveryOctet(t *testing.T) {
	t.Parallel()
	certificates := newMatrixCertificates(t)
	for name, test := range map[string]struct {
		capabilities []string
		messages     int
		tls          bool
		step         int64
	}{
		"stepwise":  {nil, 1, false, 1},
		"pipelined": {[]string{"PIPELINING"}, 1, false, 1},
		"chunked":   {everything(), 1, false, 1},
		"warm":      {everything(), 2, false, 1},
		"encrypted": {everything("STARTTLS"), 2, true, 41},
	} {
		for _, lossy := range []bool{false, true} {
			script := smtptest.Script{Capabilities: test.capabilities}
			if test.tls {
				script.TLS = certificates.server
			}
			t.Run(name+map[bool]string{false: "", true: ", lossy"}[lossy], func(t *testing.T) {
				t.Parallel()
				run := func(limit int64) (left int64) {
					budget := new(atomic.Int64)
					budget.Store(limit)
					server, s := target(t, script)
					defer server.Stop()
					dial := s.options.Dial
					dials := 0
					s.options.Dial = func(ctx context.Context, network, address string) (net.Conn, error) {
						if dials++; dials > 1 {
							return nil, io.ErrUnexpectedEOF
						}
						conn, err := dial(ctx, network, address)
						return &cutConn{conn, budget, lossy}, err
					}
					i := s.open(t)
					var classes []plugin.Class
					for n := range test.messages {
						d := delivery("Subject: "+strings.Repeat("x", n+1)+"\r\n\r\n.\r\n", "a@b.example")
						classes = append(classes, send(t, i, d).outcomes[0].Class)
					}
					left = budget.Load()
					_ = i.Close()
					<-server.Peer(1).Ended()
					checkAccounts(t, limit, classes, server.Contents())
					return left
				}
				const plenty = 1 << 20
				whole := plenty - run(plenty)
				for n := int64(0); n < whole; n += test.step {
					run(n)
				}
			})
		}
	}
}

// target starts a server, and gives the settings for it. Only without TLS it is
// on a pipe: a pipe holds nothing, and both ends of TLS sometimes write.
func target(t *testing.T, script smtptest.Script) (*smtptest.Scripted, setup) {
	if script.TLS == nil {
		server := smtptest.PipeScripted(t, script)
		return server, piped(server)
	}
	server := smtptest.StartScripted(t, script)
	s := plainly(server).with("security", "starttls", "skip_verify", true)
	s.options.Dial = new(net.Dialer).DialContext
	return server, s
}

func checkAccounts(t *testing.T, limit int64, classes []plugin.Class, contents []string) {
	t.Helper()
	all := strings.Join(contents, "|")
	for n, class := range classes {
		has := strings.Count(all, "Subject: "+strings.Repeat("x", n+1)+"\r\n")
		switch {
		case has > 1:
			t.Errorf("cut at %d: message %d was taken %d times", limit, n, has)
		case class == plugin.Accepted && has == 0:
			t.Errorf("cut at %d: message %d counts as accepted, but the server has not got it", limit, n)
		case class == plugin.Temporary && has > 0:
			t.Errorf("cut at %d: message %d counts as temporary, but the server has it", limit, n)
		case class == plugin.Permanent:
			t.Errorf("cut at %d: message %d counts as permanently failed", limit, n)
		}
	}
}

// dribble reads and writes one octet at a time.
type dribble struct{ net.Conn }

func (c dribble) Read(b []byte) (int, error) { return c.Conn.Read(b[:min(1, len(b))]) }

func (c dribble) Write(b []byte) (int, error) {
	for n := range b {
		if _, err := c.Conn.Write(b[n : n+1]); err != nil {
			return n, err
		}
	}
	return len(b), nil
}

// T57: segments of one octet change nothing.
func TestOneOctetSegments(t *testing.T) {
	t.Parallel()
	server := smtptest.Start(t, smtptest.Account("user", testPassword))
	s := against(server)
	s.options.Dial = func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := new(net.Dialer).DialContext(ctx, network, address)
		return dribble{conn}, err
	}
	i := s.open(t)
	for range 2 {
		send(t, i, delivery(shortContent, "a@b.example", "c@b.example")).expect(t, "accepted accepted")
	}
	for _, m := range server.Messages(2) {
		checkContent(t, string(m.Content), shortContent)
	}
}
