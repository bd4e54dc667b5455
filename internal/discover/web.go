package discover

import (
	"crypto/tls"
	"net/http"
	"time"

	"github.com/postilion-mail/postilion/internal/guard"
)

// webTime is how long one file may take.
const webTime = 5 * time.Second

// Client gives a client for Finder that dials under a guard, verifies
// certificates and follows no redirect. It uses no proxy and keeps no
// connection.
func Client(g *guard.Guard) *http.Client {
	return &http.Client{
		Timeout:       webTime,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Transport: &http.Transport{
			DialContext:            g.DialContext,
			TLSClientConfig:        &tls.Config{MinVersion: tls.VersionTLS12},
			TLSHandshakeTimeout:    webTime,
			DisableKeepAlives:      true,
			DisableCompression:     true, // what is read is bounded as it is sent
			MaxResponseHeaderBytes: 32 << 10,
		},
	}
}
