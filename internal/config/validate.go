package config

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net/netip"
	"os/user"
	"path/filepath"
	"regexp"
	"time"
)

const (
	maxMessageSize = 50 << 20
	minMessageSize = 64 << 10
	// maxSocketPath is what sockaddr_un takes on Linux, less the final NUL.
	maxSocketPath = 107
	// longestSocket is the longest name of a socket in run_dir.
	longestSocket = "postilion-http.sock"
)

// Validate checks what settings mean, alone and together. The error joins all
// that is wrong, a line each: where the setting comes from, its key, the rule.
func (c *Config) Validate() error {
	var problems []error
	check := func(holds bool, key, rule string, args ...any) {
		if holds {
			return
		}
		problem := fmt.Errorf("%s: "+rule, append([]any{key}, args...)...)
		if origin := c.origins[key]; origin != "" {
			problem = fmt.Errorf("%s: %w", origin, problem)
		}
		problems = append(problems, problem)
	}
	check(c.DataDir != "", "data_dir", "not set; give --data-dir a folder such as /var/lib/postilion")
	check(len(filepath.Join(c.RunDir, longestSocket)) <= maxSocketPath, "run_dir",
		"too long: with the name of a socket it may have %d octets; give a shorter --run-dir", maxSocketPath)
	check(c.MaildropDir == "" || c.MaildropDir != c.DataDir, "maildrop_dir", "expected a folder of its own, not data_dir: every user may write to it")
	c.checkListeners(check)
	c.checkTLS(check)
	if c.SocketGroup != "" {
		_, err := user.LookupGroup(c.SocketGroup)
		check(err == nil, "socket_group", "there is no group %q on this machine", c.SocketGroup)
	}
	check(c.Hostname == "" || validHostname(c.Hostname), "hostname", "%q is no host name; expected letters, digits, hyphens and dots, such as mail.example.com", c.Hostname)
	check(minMessageSize <= c.MaxMessageSize && c.MaxMessageSize <= maxMessageSize, "max_message_size", "expected 64KiB to 50MiB")
	check(time.Hour <= c.Retention && c.Retention <= 3650*day, "retention", "expected 1h to 3650d")
	check(c.DelayNotice == 0 || time.Minute <= c.DelayNotice, "delay_notice", "expected 0s for never, or at least 1m")
	check(c.Drain <= time.Hour, "drain", "expected at most 1h")
	return errors.Join(problems...)
}

type checker = func(holds bool, key, rule string, args ...any)

// checkListeners holds the rules on TCP: beyond loopback only with TLS (T123),
// and no address twice.
func (c *Config) checkListeners(check checker) {
	taken := make(map[string]string)
	for _, listener := range []struct{ key, address string }{
		{"grpc_listen", c.GRPCListen},
		{"http_listen", c.HTTPListen},
		{"smtp_listen", c.SMTPListen},
		{"metrics_listen", c.MetricsListen},
	} {
		if listener.address == "" {
			continue
		}
		host, port, err := splitListen(listener.address)
		check(err == nil, listener.key, "%q is not valid: expected %s", listener.address, new(address).expected())
		if err != nil {
			continue
		}
		check(host.IsLoopback() || c.TLSCertFile != "", listener.key,
			"%s can be reached from other machines, which needs TLS: set tls_cert_file and tls_key_file, or listen on 127.0.0.1", listener.address)
		if port == 0 {
			continue // the system chooses
		}
		place := fmt.Sprintf("%s:%d", host, port)
		check(taken[place] == "", listener.key, "%s is also the address of %s", listener.address, taken[place])
		taken[place] = listener.key
	}
}

// checkTLS loads the certificate, so that a wrong file shows before anything
// is started.
func (c *Config) checkTLS(check checker) {
	switch {
	case c.TLSCertFile == "" && c.TLSKeyFile == "":
	case c.TLSKeyFile == "":
		check(false, "tls_cert_file", "needs tls_key_file too")
	case c.TLSCertFile == "":
		check(false, "tls_key_file", "needs tls_cert_file too")
	default:
		_, err := tls.LoadX509KeyPair(c.TLSCertFile, c.TLSKeyFile)
		check(err == nil, "tls_cert_file", "the certificate and its key cannot be loaded: %v", err)
	}
}

// validHostname follows RFC 1123 section 2.1. An address literal is no name.
func validHostname(name string) bool {
	if len(name) > 253 {
		return false
	}
	if _, err := netip.ParseAddr(name); err == nil {
		return false
	}
	const label = `[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?`
	return regexp.MustCompile(`^` + label + `(\.` + label + `)*$`).MatchString(name)
}
