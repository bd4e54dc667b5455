package sdk

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"path/filepath"
	"strings"
)

// errTarget says what a target looks like.
var errTarget = errors.New(`give "unix:///path/of/socket" or "host:port"`)

// address is where a daemon listens.
type address struct {
	target string // as gRPC takes it
	local  bool   // what is sent there does not leave this machine
}

// resolve reads a target as Dial takes it.
func resolve(target string) (address, error) {
	if path, found := strings.CutPrefix(target, "unix:"); found {
		return socket(strings.TrimPrefix(path, "//"), target)
	}
	if strings.ContainsRune(target, '/') {
		return socket(target, target)
	}
	host, port, err := net.SplitHostPort(target)
	if err != nil || port == "" {
		return address{}, fmt.Errorf("sdk: target %q: %w", target, errTarget)
	}
	if host == "" {
		host = "localhost"
	}
	// "dns:" keeps gRPC from reading a host name as a scheme.
	return address{target: "dns:///" + net.JoinHostPort(host, port), local: isLoopback(host)}, nil
}

func socket(path, target string) (address, error) {
	if path == "" {
		return address{}, fmt.Errorf("sdk: target %q: %w", target, errTarget)
	}
	absolute, err := filepath.Abs(path)
	if err != nil {
		return address{}, fmt.Errorf("sdk: target %q: %w", target, err)
	}
	return address{target: "unix://" + absolute, local: true}, nil
}

func isLoopback(host string) bool {
	if host == "localhost" {
		return true
	}
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.IsLoopback()
}
