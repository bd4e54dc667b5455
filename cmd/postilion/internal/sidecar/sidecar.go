// Package sidecar lets another program have the daemon as its child. That
// program is a host as hashicorp/go-plugin has it: it sets a magic cookie in
// the environment, reads one line from standard output that says where the
// daemon listens, and ends it by a call. See docs/launch.md.
package sidecar

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

const (
	// CookieKey is the environment variable that says so.
	CookieKey = "POSTILION_SIDECAR"
	// CookieValue is what it has to be.
	CookieValue = "daemon"
	// HostPID is the environment variable with the host's process id. Without
	// it the host is the parent that we find.
	HostPID = "POSTILION_HOST_PID"

	// version of what the host and the daemon agree upon: the services of
	// postilion.v1 on a Unix socket whose callers are admins.
	version = "1"

	watchEvery = 500 * time.Millisecond
)

// Host is the program that has launched the daemon.
type Host struct {
	pid    int
	parent func() int
}

// Find gives the host; nil if there is none. The error says what the host
// wants that cannot be had.
func Find(getenv func(string) string) (*Host, error) {
	switch getenv(CookieKey) {
	case "":
		return nil, nil
	case CookieValue:
	default:
		return nil, fmt.Errorf("%s must be %q", CookieKey, CookieValue)
	}
	if versions := getenv("PLUGIN_PROTOCOL_VERSIONS"); versions != "" && !slices.Contains(strings.Split(versions, ","), version) {
		return nil, fmt.Errorf("the host speaks the versions %.100q of the handshake, the daemon version %s", versions, version)
	}
	if getenv("PLUGIN_CLIENT_CERT") != "" {
		return nil, errors.New("the host wants TLS (AutoMTLS), which the daemon's socket has not: the daemon's directory is what protects it; switch it off")
	}
	h := &Host{pid: os.Getppid(), parent: os.Getppid}
	if text := getenv(HostPID); text != "" {
		pid, err := strconv.Atoi(text)
		if err != nil || pid <= 0 {
			return nil, fmt.Errorf("%s: %.100q is no process id", HostPID, text)
		}
		h.pid = pid
	}
	return h, nil
}

// Announce tells the host the socket where the daemon now listens. Nothing
// else may be written to out before.
func (h *Host) Announce(out io.Writer, socket string) error {
	socket, err := filepath.Abs(socket)
	if err != nil {
		return err
	}
	if strings.ContainsAny(socket, "|\n") {
		return fmt.Errorf("data_dir: the handshake cannot carry %q; choose a directory without | and line breaks", socket)
	}
	_, err = fmt.Fprintf(out, "1|%s|unix|%s|grpc\n", version, socket)
	return err
}

// Watch returns true when the host is gone without having ended us, and false
// when ctx ends.
func (h *Host) Watch(ctx context.Context) (gone bool) {
	ticker := time.NewTicker(watchEvery)
	defer ticker.Stop()
	for h.parent() == h.pid {
		select {
		case <-ctx.Done():
			return false
		case <-ticker.C:
		}
	}
	return true
}
