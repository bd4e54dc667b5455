package smtp

import (
	"context"
	"crypto/tls"
	"flag"
	"fmt"
	"net"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/postilion-mail/postilion/internal/smtptest"
	"github.com/postilion-mail/postilion/plugin"
)

var update = flag.Bool("update", false, "write testdata/outcomes.txt anew")

// A cell is one fault in one phase of one way of sending.
type cell struct {
	mode, phase, fault string
}

func (c cell) String() string { return c.mode + " " + c.phase + " " + c.fault }

const outcomeTable = "testdata/outcomes.txt"

// modes are the ways of sending. In "warm" the fault comes with the second
// message of a session, which goes out in one write.
func modes() map[string][]string {
	return map[string][]string{
		"stepwise":  {"8BITMIME", "SIZE"},
		"pipelined": {"8BITMIME", "SIZE", "PIPELINING"},
		"chunked":   {"8BITMIME", "SIZE", "PIPELINING", "CHUNKING"},
		"warm":      {"8BITMIME", "SIZE", "PIPELINING", "CHUNKING"},
	}
}

// cells gives the matrix of T55: every fault in every phase.
func cells() []cell {
	opening := []string{"greeting", "ehlo", "starttls", "tls", "ehlo2", "auth"}
	sending := []string{"mail", "rcpt1", "rcpt2", "data", "body", "content", "quit"}
	faults := []string{"fin", "rst", "silence", "drip", "garbage", "soft", "hard", "421", "354", "100", "600", "mixed", "long"}
	var all []cell
	for _, mode := range []string{"stepwise", "pipelined", "chunked", "warm"} {
		phases := sending
		if mode == "stepwise" {
			phases = append(opening, sending...)
		}
		for _, phase := range phases {
			if phase == "data" && mode == "warm" {
				continue // there is no reply before that to the content
			}
			for _, fault := range faults {
				replies := !slices.Contains([]string{"fin", "rst", "silence"}, fault)
				if replies && phase == "tls" || replies && fault != "421" && phase == "body" || phase == "data" && fault == "354" && mode != "chunked" {
					continue // no reply is due there; the right one
				}
				all = append(all, cell{mode, phase, fault})
			}
		}
	}
	return all
}

func (c cell) action() smtptest.Action {
	switch c.fault {
	case "fin":
		if c.phase == "body" {
			return smtptest.Reset() // to close with content unread is a RST
		}
		return smtptest.Close()
	case "rst":
		return smtptest.Reset()
	case "silence":
		if c.phase == "body" {
			return smtptest.Freeze()
		}
		return smtptest.Silence()
	case "drip":
		return smtptest.Drip("250 2.0.0 very slowly\r\n", time.Minute)
	case "soft":
		return smtptest.Reply("450 4.3.0 soft trouble")
	case "hard":
		return smtptest.Reply("550 5.0.0 hard trouble")
	case "421":
		end := smtptest.Close()
		if c.phase == "body" {
			end = smtptest.Reset() // as for fin
		}
		return smtptest.Then(smtptest.Reply("421 4.3.2 going down"), end)
	case "garbage":
		return smtptest.Reply("\x00\xff\x1b[31m abc")
	case "mixed":
		return smtptest.Reply("250-2.0.0 yes", "550 5.0.0 no")
	case "long":
		return smtptest.Forever("250-and so on\r\n")
	}
	return smtptest.Reply(c.fault + " odd")
}

func (c cell) rule() smtptest.Rule {
	nth := 1
	if c.mode == "warm" {
		nth = 2
	}
	event := map[string]string{
		"greeting": "CONNECT", "ehlo": "EHLO", "starttls": "STARTTLS", "tls": "HANDSHAKE", "ehlo2": "EHLO", "auth": "AUTH",
		"mail": "MAIL", "rcpt1": "RCPT TO:<one@", "rcpt2": "RCPT TO:<two@", "data": "DATA", "body": "BODY", "content": "CONTENT", "quit": "QUIT",
	}[c.phase]
	switch {
	case c.phase == "ehlo2":
		nth = 2
	case c.phase == "data" && c.mode == "chunked":
		event = "BDAT 0"
	case c.phase == "quit", strings.HasPrefix(c.phase, "rcpt"):
		nth = 1
	}
	return smtptest.Rule{On: event, Nth: nth, Connection: 1, Do: c.action()}
}

// play sends a message into the fault and sums up what came of it.
func (c cell) play(t *testing.T, certificates *matrixCertificates, inBubble bool) string {
	script := smtptest.Script{
		Capabilities: append([]string{"STARTTLS", "AUTH PLAIN"}, modes()[c.mode]...),
		TLS:          certificates.server, Rules: []smtptest.Rule{c.rule()}, SmallBuffers: c.phase == "body",
	}
	s := setup{
		values: map[string]any{
			"host": "127.0.0.1", "hello_name": "client.example", "username": "user",
			"ca_certificates": certificates.ca.PEM(),
		},
		secrets: map[string]string{"password": testPassword},
	}
	if c.mode != "stepwise" { // once is enough for TLS and AUTH
		s = s.with("security", "none", "auth", "none")
	}
	var server *smtptest.Scripted
	if inBubble {
		server = smtptest.PipeScripted(t, script)
		s.options.Dial = server.Dial
	} else {
		server = smtptest.StartScripted(t, script)
		s = s.with("port", float64(server.Port()))
		s.options.Dial = dialSmall
	}
	i := s.open(t)
	content := shortContent
	if c.phase == "body" && c.mode != "warm" {
		content = bigContent(1 << 20)
	}
	if c.mode == "warm" {
		send(t, i, delivery(shortContent, "zero@b.example")).expect(t, "accepted")
	}
	r := send(t, i, delivery(content, "one@b.example", "two@b.example"))
	_ = i.Close()
	taken := 0
	for _, got := range server.Contents() {
		if got == content {
			taken++
		}
	}
	if c.mode == "warm" {
		taken--
	}
	server.Stop()
	for n, o := range r.outcomes {
		if o.Class.String() == "accepted" && taken == 0 {
			t.Errorf("recipient %d counts as accepted, but the server has nothing", n)
		}
		if o.Class.String() != "accepted" && o.Class.String() != "unknown" && taken > 0 && !strings.Contains(o.Reply, "trouble") {
			t.Errorf("recipient %d counts as %s, but the server took the message", n, o.Class)
		}
	}
	phase := r.outcomes[0].Phase
	if phase == plugin.PhaseConnect && c.fault == "rst" {
		phase = plugin.PhaseGreeting // the RST may overtake the end of connect
	}
	return fmt.Sprintf("%s: %s (%s)", c, r, phase)
}

// dialSmall connects with a small send buffer, so that a server that does not
// read is noticed soon.
func dialSmall(ctx context.Context, network, address string) (net.Conn, error) {
	conn, err := new(net.Dialer).DialContext(ctx, network, address)
	if err == nil {
		err = conn.(*net.TCPConn).SetWriteBuffer(4096)
	}
	return conn, err
}

type matrixCertificates struct {
	ca     *smtptest.CA
	server *tls.Config
}

func newMatrixCertificates(t *testing.T) *matrixCertificates {
	ca, err := smtptest.NewCA()
	if err != nil {
		t.Fatal(err)
	}
	certificate, err := ca.Issue(smtptest.Issue{})
	if err != nil {
		t.Fatal(err)
	}
	return &matrixCertificates{ca, &tls.Config{Certificates: []tls.Certificate{certificate}}}
}

// T19, T41, T42, T55, T58: a checked-in table says what must come of each fault
// in each phase. Only a complete 250 after the content makes "accepted".
func TestFaultMatrix(t *testing.T) {
	t.Parallel()
	certificates := newMatrixCertificates(t)
	all := cells()
	lines := make([]string, len(all))
	t.Run("cells", func(t *testing.T) {
		var slots = make(chan struct{}, 4)
		var wg sync.WaitGroup
		for n, c := range all {
			if c.fault == "silence" || c.fault == "drip" {
				t.Run(c.String(), func(t *testing.T) {
					synctest.Test(t, func(t *testing.T) { lines[n] = c.play(t, certificates, true) })
				})
				continue
			}
			slots <- struct{}{}
			wg.Go(func() {
				defer func() { <-slots }()
				lines[n] = c.play(t, certificates, false)
			})
		}
		wg.Wait()
	})
	got := strings.Join(lines, "\n") + "\n"
	if *update {
		if err := os.WriteFile(outcomeTable, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(outcomeTable)
	if err != nil {
		t.Fatal(err)
	}
	wanted := strings.Split(strings.TrimSpace(string(want)), "\n")
	if len(wanted) != len(lines) {
		t.Fatalf("%d cells, the table has %d", len(lines), len(wanted))
	}
	for n := range lines {
		if lines[n] != wanted[n] {
			t.Errorf("got  %s\nwant %s", lines[n], wanted[n])
		}
	}
}
