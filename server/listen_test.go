package server

import (
	"context"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/postilion-mail/postilion/internal/config"
)

func listener(t *testing.T, network, address string) net.Listener {
	t.Helper()
	l, err := net.Listen(network, address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	return l
}

// The socket units of packaging/systemd have a Unix socket and a TCP address
// each, under one name.
func TestSocketsOfOneUnit(t *testing.T) {
	t.Parallel()
	given := byKind(map[string][]net.Listener{
		"grpc":    {listener(t, "tcp", "127.0.0.1:0"), listener(t, "unix", filepath.Join(t.TempDir(), "g"))},
		"http":    {listener(t, "unix", filepath.Join(t.TempDir(), "h")), listener(t, "tcp", "127.0.0.1:0")},
		"metrics": {listener(t, "tcp", "127.0.0.1:0")},
	})
	for name, network := range map[string]string{"grpc": "unix", "grpc-tcp": "tcp", "http": "unix", "http-tcp": "tcp", "metrics": "tcp"} {
		if len(given[name]) != 1 || given[name][0].Addr().Network() != network {
			t.Errorf("%s has %v", name, given[name])
		}
	}
}

// What is handed over may be no more open than what is configured.
func TestBeyondLoopbackOnlyWithTLS(t *testing.T) {
	t.Parallel()
	open := listener(t, "tcp", "0.0.0.0:0")
	if err := checkReach("grpc-tcp", open, nil); err == nil || !strings.Contains(err.Error(), "tls_cert_file") {
		t.Errorf("a listener for all machines without TLS gives %v", err)
	}
	for _, l := range []net.Listener{listener(t, "tcp", "127.0.0.1:0"), listener(t, "unix", filepath.Join(t.TempDir(), "s"))} {
		if err := checkReach("grpc", l, nil); err != nil {
			t.Error(err)
		}
	}
	// The daemon itself holds to it as well, also when it is embedded.
	cfg := config.Default()
	cfg.DataDir = shortDir(t)
	cfg.RunDir, cfg.MaildropDir = filepath.Join(cfg.DataDir, "r"), filepath.Join(cfg.DataDir, "m")
	cfg.GRPCListen, cfg.HTTPListen = "127.0.0.1:0", "0.0.0.0:0"
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	err := Run(ctx, &cfg, Options{Ready: func(Addresses) { cancel() }})
	if err == nil || !strings.Contains(err.Error(), "needs TLS") {
		t.Errorf("the daemon started: %v", err)
	}
}

// A page for a browser on another site gets no leave to call, and nothing but
// POST to the exact path is a call.
func TestOnlyPostIsACall(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	token := r.adminToken()
	call := func(method, path string, header ...string) (int, http.Header) {
		req, err := http.NewRequestWithContext(r.ctx(), method, "http://"+r.addr.HTTP+path, strings.NewReader("{}"))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Content-Type", "application/json")
		for i := 0; i < len(header); i += 2 {
			req.Header.Set(header[i], header[i+1])
		}
		res, err := http.DefaultTransport.RoundTrip(req)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		_, _ = io.Copy(io.Discard, res.Body)
		return res.StatusCode, res.Header
	}
	const path = "/postilion.v1.MessageService/ListMessages"
	authorization := []string{"Authorization", "Bearer " + token}
	if code, _ := call("POST", path, authorization...); code != 200 {
		t.Fatalf("a good call gives %d", code)
	}
	for _, c := range []struct {
		about, method, path string
		header              []string
		code                int
	}{
		{"GET", "GET", path, authorization, 405},
		{"GET with the message", "GET", path + "?message={}&encoding=json", authorization, 405},
		{"a WebSocket", "GET", path, append([]string{"Connection", "Upgrade", "Upgrade", "websocket", "Sec-WebSocket-Version", "13",
			"Sec-WebSocket-Key", "AAAAAAAAAAAAAAAAAAAAAA==", "Origin", "https://evil.example"}, authorization...), 405},
		{"an escaped slash", "POST", "/postilion.v1.MessageService%2FListMessages", authorization, 404},
		{"an escaped letter without token", "POST", "/postilion.v1.MessageService/%4CistMessages", nil, 401},
		{"an unknown method", "POST", "/postilion.v1.MessageService/ListMessage", authorization, 404},
		{"a form", "POST", path, append([]string{"Content-Type", "application/x-www-form-urlencoded"}, authorization...), 415},
		{"a text", "POST", path, append([]string{"Content-Type", "text/plain"}, authorization...), 415},
		{"a debugging page", "GET", "/debug/pprof/", authorization, 404},
		{"variables", "GET", "/debug/vars", authorization, 404},
	} {
		if code, _ := call(c.method, c.path, c.header...); code != c.code {
			t.Errorf("%s gives %d, not %d", c.about, code, c.code)
		}
	}
	for _, origin := range []string{"https://evil.example", "null", "http://" + r.addr.HTTP} {
		code, header := call("OPTIONS", path, "Origin", origin, "Access-Control-Request-Method", "POST",
			"Access-Control-Request-Headers", "authorization,content-type")
		for name := range header {
			if strings.HasPrefix(name, "Access-Control-") {
				t.Errorf("a preflight from %s gets %s: %s", origin, name, header.Get(name))
			}
		}
		if code < 400 {
			t.Errorf("a preflight from %s gives %d", origin, code)
		}
	}
}

func TestWritersOfDirectoriesAreToldOf(t *testing.T) {
	t.Parallel()
	r := newRig(t, func(c *config.Config) {
		if err := os.Mkdir(c.RunDir, 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(c.RunDir, 0o777); err != nil {
			t.Fatal(err)
		}
	})
	contains(t, r.log.String(), "other users can replace files in run_dir")
	if strings.Contains(r.log.String(), "files in data_dir") {
		t.Error("the data directory is told of, too")
	}
}
