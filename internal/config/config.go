// Package config holds the configuration of the daemon: defaults, then a YAML
// file, then the environment, then flags, each over the one before. One table
// of settings describes all four and the documentation.
package config

import (
	"log/slog"
	"net/netip"
	"path/filepath"
	"time"
)

// Config is the configuration of the daemon. Load fills and checks it; then
// paths are absolute and a listen address is empty when its listener is off.
type Config struct {
	DataDir     string
	RunDir      string
	MaildropDir string
	KeyFile     string // empty for the sources that package secret knows

	GRPCListen    string
	HTTPListen    string
	SMTPListen    string
	MetricsListen string
	TLSCertFile   string
	TLSKeyFile    string

	SMTPLocalClient string // name; empty: the SMTP port always asks for AUTH

	SocketGroup       string // empty: every user may connect
	LocalUsers        string // LocalUsersAllow or LocalUsersDeny
	AllowDestinations []netip.Prefix
	DNSServer         string // ip:port; empty: those of the system

	Hostname       string // empty: the machine's name
	MaxMessageSize int64  // bytes of content
	Retention      time.Duration
	DelayNotice    time.Duration // 0: none
	Drain          time.Duration

	LogLevel  slog.Level
	LogFormat string // LogText or LogJSON

	// origins tells by a setting's key where its value comes from, for errors.
	origins map[string]string
}

// The values of local_users.
const (
	LocalUsersAllow = "allow"
	LocalUsersDeny  = "deny"
)

// The values of log_format.
const (
	LogText = "text"
	LogJSON = "json"
)

// Default gives the configuration with nothing set.
func Default() Config {
	return Config{
		GRPCListen:     "127.0.0.1:9125",
		HTTPListen:     "127.0.0.1:9126",
		LocalUsers:     LocalUsersAllow,
		MaxMessageSize: 25 << 20,
		Retention:      14 * day,
		Drain:          time.Minute,
		LogLevel:       slog.LevelInfo,
		LogFormat:      LogText,
		origins:        make(map[string]string),
	}
}

// complete derives what was not set and makes paths absolute.
func (c *Config) complete() error {
	if c.DataDir != "" && c.RunDir == "" {
		c.RunDir = filepath.Join(c.DataDir, "run")
	}
	if c.DataDir != "" && c.MaildropDir == "" {
		c.MaildropDir = filepath.Join(c.DataDir, "maildrop")
	}
	for _, place := range []*string{&c.DataDir, &c.RunDir, &c.MaildropDir, &c.KeyFile, &c.TLSCertFile, &c.TLSKeyFile} {
		if *place == "" {
			continue
		}
		absolute, err := filepath.Abs(*place)
		if err != nil {
			return err
		}
		*place = absolute
	}
	return nil
}

// LogValue gives the settings with their values as they are in effect. No
// setting is a secret: keys and passwords stand in files that settings name.
func (c Config) LogValue() slog.Value {
	var attributes []slog.Attr
	for _, s := range settings(&c) {
		attributes = append(attributes, slog.String(s.key, s.value.String()))
	}
	return slog.GroupValue(attributes...)
}
