package e2e

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/postilion-mail/postilion/internal/smtptest"
)

// supervisor holds the daemon's sockets as systemd does with socket units
// (sd_listen_fds(3)): between two runs, who connects waits.
type supervisor struct {
	*daemon
	names []string
	files []*os.File
}

// hold opens a socket for the daemon.
func (s *supervisor) hold(name, network, address string) (at string) {
	s.T.Helper()
	listener, err := net.Listen(network, address)
	if err != nil {
		s.T.Fatal(err)
	}
	if unix, ok := listener.(*net.UnixListener); ok {
		unix.SetUnlinkOnClose(false)
		if err := os.Chmod(address, 0o666); err != nil {
			s.T.Fatal(err)
		}
	}
	file, err := listener.(interface{ File() (*os.File, error) }).File()
	if err != nil {
		s.T.Fatal(err)
	}
	_ = listener.Close() // the file holds it
	s.T.Cleanup(func() { _ = file.Close() })
	s.names, s.files = append(s.names, name), append(s.files, file)
	return listener.Addr().String()
}

// start starts the daemon with the sockets. LISTEN_PID must be its process id,
// which a shell knows that becomes the daemon.
func (s *supervisor) start() {
	s.T.Helper()
	command := exec.Command("sh", append([]string{"-c", `LISTEN_PID=$$; export LISTEN_PID; exec "$0" "$@"`, filepath.Join(programs, "postilion")}, s.Args...)...)
	command.Env = []string{fmt.Sprintf("LISTEN_FDS=%d", len(s.files)), "LISTEN_FDNAMES=" + strings.Join(s.names, ":")}
	command.ExtraFiles = s.files
	s.Launch(command)
}

// load is many clients at a steady pace.
type load struct {
	t     testing.TB
	calls atomic.Int64 // ended
}

// client sends requests numbered from, from+step, ... by JSON, each over a new
// connection as PHP does.
func (l *load) client(client *http.Client, url string, from, step, n int) {
	pace := time.NewTicker(time.Duration(step) * time.Second / 200)
	defer pace.Stop()
	for i := from; i < n; i += step {
		<-pace.C
		answer, err := client.Post(url, "application/json", strings.NewReader(letter(fmt.Sprintf("load-%d", i))))
		if err != nil {
			l.t.Errorf("request %d: %v", i, err)
		} else {
			body, _ := io.ReadAll(answer.Body)
			_ = answer.Body.Close()
			if answer.StatusCode != http.StatusOK {
				l.t.Errorf("request %d: %s %s", i, answer.Status, body)
			}
		}
		l.calls.Add(1)
	}
}

// Two restarts under 200 requests a second: no caller notices, and all mail
// arrives once.
func TestRestartUnderLoad(t *testing.T) {
	const (
		requests = 1200
		clients  = 10
	)
	folder := scenario(t)
	p := startProvider(t, folder, func(c *smtptest.Config) { c.Security = smtptest.Plain; c.PlainAuth = true })
	s := &supervisor{daemon: newDaemon(t, folder)}
	if err := os.MkdirAll(s.Path("run"), 0o711); err != nil {
		t.Fatal(err)
	}
	s.hold("grpc", "unix", s.Socket())
	s.hold("http", "unix", s.HTTPSocket())
	// Under the names of their Unix sockets, as packaging/systemd has them.
	url := "http://" + s.hold("http", "tcp", "127.0.0.1:0")
	s.hold("grpc", "tcp", "127.0.0.1:0")
	s.start()
	s.Ready()
	s.configure(p, password, "--security", "none")
	token := s.token("shop", "send")

	unix := &http.Client{Timeout: 2 * patience, Transport: &http.Transport{
		DisableKeepAlives: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "unix", s.HTTPSocket())
		},
	}}
	tcp := &http.Client{Timeout: 2 * patience, Transport: bearer{&http.Transport{DisableKeepAlives: true}, token}}
	l := &load{t: t}
	var clientsDone sync.WaitGroup
	for c := range clients {
		clientsDone.Go(func() {
			if c%2 == 0 {
				l.client(unix, "http://postilion/postilion.v1.MailerService/Send", c, clients, requests)
			} else {
				l.client(tcp, url+"/postilion.v1.MailerService/Send", c, clients, requests)
			}
		})
	}
	for restart := range int64(2) {
		await(t, "the load is on", func() bool { return l.calls.Load() >= (restart+1)*requests/3 })
		s.Stop()
		s.start()
	}
	clientsDone.Wait()
	s.Ready()
	list := s.awaitAll(requests, sent)
	for _, message := range list {
		if message.GetRecipients()[0].GetPossibleDuplicate() {
			t.Errorf("an orderly stop left a doubt: %v", message)
		}
	}
	if subjects := p.subjects(); p.Count() != requests || len(subjects) != requests {
		t.Errorf("%d messages arrived, %d different ones, want %d", p.Count(), len(subjects), requests)
	}
}

// bearer sends a token along.
type bearer struct {
	http.RoundTripper
	token string
}

func (b bearer) RoundTrip(request *http.Request) (*http.Response, error) {
	request = request.Clone(request.Context())
	request.Header.Set("Authorization", "Bearer "+b.token)
	return b.RoundTripper.RoundTrip(request)
}
