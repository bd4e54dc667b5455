package php_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"strconv"
	"sync"

	"github.com/postilion-mail/postilion/internal/smtptest"
)

// misbehave opens the sockets of things that are not as they should be.
func (w *world) misbehave(f *fixture) {
	w.Helper()
	f.Dead = w.daemon.Path("dead.sock")
	dead, err := net.ListenUnix("unix", &net.UnixAddr{Name: f.Dead})
	w.ok(err)
	dead.SetUnlinkOnClose(false)
	w.ok(dead.Close())

	f.Silent = w.daemon.Path("silent.sock")
	silent, err := net.Listen("unix", f.Silent) // the kernel takes the connections
	w.ok(err)
	w.Cleanup(func() { _ = silent.Close() })

	f.Stranger = w.serve("stranger.sock", func(out http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(out, "<h1>It works</h1>")
	})
	f.Broken, f.BrokenAnswers = w.serve("broken.sock", w.breaking), len(brokenAnswers)
	first := newFirst()
	f.Lost = w.serve("lost.sock", w.forward(func(key string, _ context.Context) bool { return !first.is(key) }))
	f.Losing = w.serve("losing.sock", w.forward(func(string, context.Context) bool { return false }))
	f.Late = w.serve("late.sock", w.forward(func(key string, ctx context.Context) bool {
		if first.is(key) {
			<-ctx.Done() // the client goes away
		}
		return true
	}))
	f.HTTPS, f.CAFile = w.serveTLS(w.forward(func(string, context.Context) bool { return true }))
}

// brokenAnswers are not what the daemon would say.
var brokenAnswers = []string{
	"",
	"\xff\xfe\x00\r\n\r\n",
	"HTTP/1.1 200 OK\r\nContent-Le",
	"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{}",
	"HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n{}",
	"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n{}\r\n",
	"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n",
	"HTTP/1.1 200 OK\r\n\r\n{\"id\":",
	"HTTP/1.1 200 OK\r\n\r\n[]",
	"HTTP/1.1 200 OK\r\n\r\n{}",
	"HTTP/1.1 200 OK\r\n\r\n{\"id\": {\"a\": 1}}",
	"HTTP/1.1 204 No Content\r\n\r\n",
	"HTTP/1.1 502 Bad Gateway\r\n\r\n<h1>Bad gateway</h1>",
	"HTTP/1.1 400 Bad Request\r\n\r\n{\"code\":\"strange\",\"details\":[1,{\"type\":\"postilion.v1.ErrorDetail\",\"debug\":[]}]}",
	"HTTP/1.1 400 Bad Request\r\n\r\n{\"code\":{\"a\":1},\"details\":\"x\"}",
}

// breaking answers with one of brokenAnswers.
func (w *world) breaking(out http.ResponseWriter, in *http.Request) {
	var send struct{ IdempotencyKey string }
	err := json.NewDecoder(in.Body).Decode(&send)
	number, err2 := strconv.Atoi(send.IdempotencyKey)
	conn, _, err3 := out.(http.Hijacker).Hijack()
	if err = errors.Join(err, err2, err3); err != nil {
		w.Errorf("the broken server: %v", err)
		return
	}
	_, _ = io.WriteString(conn, brokenAnswers[number])
	_ = conn.Close()
}

// serve serves HTTP on a socket and gives its path.
func (w *world) serve(name string, handler http.HandlerFunc) string {
	w.Helper()
	path := w.daemon.Path(name)
	listener, err := net.Listen("unix", path)
	w.ok(err)
	w.run(listener, handler)
	return path
}

// serveTLS serves HTTP over TLS and gives its URL and the file of its CA.
func (w *world) serveTLS(handler http.HandlerFunc) (address, caFile string) {
	w.Helper()
	ca, err := smtptest.NewCA()
	w.ok(err)
	certificate, err := ca.Issue(smtptest.Issue{})
	w.ok(err)
	caFile = w.daemon.Path("ca.pem")
	w.ok(os.WriteFile(caFile, []byte(ca.PEM()), 0o600))
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	w.ok(err)
	address = "https://" + listener.Addr().String()
	w.run(tls.NewListener(listener, &tls.Config{Certificates: []tls.Certificate{certificate}}), handler)
	return address, caFile
}

func (w *world) run(listener net.Listener, handler http.Handler) {
	server := &http.Server{Handler: handler, ErrorLog: log.New(io.Discard, "", 0)} // clients hang up
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = server.Serve(listener)
	}()
	w.Cleanup(func() {
		_ = server.Close()
		<-ended
	})
}

// forward gives a proxy to the daemon. It relays an answer if the function says
// so, which is asked when the daemon has answered; else it hangs up.
func (w *world) forward(relay func(key string, ctx context.Context) bool) http.HandlerFunc {
	transport := &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "unix", w.daemon.HTTPSocket())
	}}
	w.Cleanup(transport.CloseIdleConnections)
	return func(out http.ResponseWriter, in *http.Request) {
		body, err := io.ReadAll(in.Body)
		if err != nil {
			return
		}
		var send struct{ IdempotencyKey string }
		_ = json.Unmarshal(body, &send)
		request := in.Clone(context.WithoutCancel(in.Context()))
		request.Body, request.RequestURI = io.NopCloser(bytes.NewReader(body)), ""
		request.URL.Scheme, request.URL.Host = "http", "daemon"
		answer, err := transport.RoundTrip(request)
		if err != nil {
			w.Errorf("the proxy: %v", err)
			return
		}
		defer answer.Body.Close()
		if !relay(send.IdempotencyKey, in.Context()) {
			panic(http.ErrAbortHandler)
		}
		out.Header().Set("Content-Type", answer.Header.Get("Content-Type"))
		out.WriteHeader(answer.StatusCode)
		_, _ = io.Copy(out, answer.Body)
	}
}

// firsts tells first from later.
type firsts struct {
	mu   sync.Mutex
	seen map[string]bool
}

func newFirst() *firsts { return &firsts{seen: make(map[string]bool)} }

func (f *firsts) is(key string) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	first := !f.seen[key]
	f.seen[key] = true
	return first
}
