package face

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/http"
	"sync"
	"time"
)

// HTTP is an HTTP server that stops without refusing anybody. NewHTTP makes
// it. Its methods are safe for concurrent use.
//
// http.Server.Shutdown drops without an answer what it has accepted and not
// yet read. With sockets that outlive the daemon (sd_listen_fds(3)) that would
// be the only callers who notice a restart, so they are served first.
type HTTP struct {
	server http.Server

	mu        sync.Mutex
	listeners []net.Listener
	serving   int                    // loops that accept
	unheard   map[net.Conn]time.Time // accepted then, no request has come to the handler yet
}

// silence is how long a connection may be open before its first request until
// nobody waits for it any more when the server stops.
const silence = 5 * time.Second

type connKey struct{}

// ServeHTTP serves on a listener until the server is shut down.
func ServeHTTP(h *HTTP, l *Listener) error {
	var listener net.Listener = l
	if l.TLS != nil {
		listener = tls.NewListener(l, l.TLS)
	}
	h.mu.Lock()
	h.listeners = append(h.listeners, listener)
	h.serving++
	h.mu.Unlock()
	err := h.server.Serve(listener)
	h.mu.Lock()
	h.serving--
	h.mu.Unlock()
	if errors.Is(err, http.ErrServerClosed) || errors.Is(err, net.ErrClosed) {
		return nil
	}
	return err
}

// Shutdown stops accepting, answers everybody whose connection was accepted,
// and returns when that is done, or ctx ends: then it closes the rest.
func (h *HTTP) Shutdown(ctx context.Context) {
	h.server.SetKeepAlivesEnabled(false) // whoever comes again is the next daemon's
	h.mu.Lock()
	for _, l := range h.listeners {
		_ = l.Close()
	}
	h.mu.Unlock()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for h.listening() && ctx.Err() == nil {
		select {
		case <-tick.C:
		case <-ctx.Done():
		}
	}
	if h.server.Shutdown(ctx) != nil {
		_ = h.server.Close()
	}
}

// listening tells whether a connection may still come up with its first
// request.
func (h *HTTP) listening() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.serving > 0 {
		return true
	}
	for _, since := range h.unheard {
		if time.Since(since) < silence {
			return true
		}
	}
	return false
}

func (h *HTTP) accepted(ctx context.Context, c net.Conn) context.Context {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.unheard[c] = time.Now()
	return context.WithValue(ctx, connKey{}, c)
}

func (h *HTTP) heard(c net.Conn) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.unheard, c)
}

// hearing notes that a connection has come to its first request.
func (h *HTTP) hearing(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if c, ok := r.Context().Value(connKey{}).(net.Conn); ok {
			h.heard(c)
		}
		next.ServeHTTP(w, r)
	})
}
