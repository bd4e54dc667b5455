package smtptest

// TB is what this package uses of testing.TB. It keeps package testing out of
// programs that use a Server outside of tests.
type TB interface {
	Helper()
	Cleanup(func())
	Fatalf(format string, args ...any)
}

// Option changes the configuration of a server that Start starts.
type Option = func(*Config)

// Start starts a server that stops with the test.
func Start(t TB, options ...Option) *Server {
	t.Helper()
	var config Config
	for _, option := range options {
		option(&config)
	}
	server, err := New(config)
	if err != nil {
		t.Fatalf("start an SMTP server: %v", err)
	}
	server.fail = t.Fatalf
	t.Cleanup(server.Stop)
	return server
}

// Account adds a user with a password.
func Account(user, password string) Option {
	return func(c *Config) {
		if c.Accounts == nil {
			c.Accounts = make(map[string]string)
		}
		c.Accounts[user] = password
	}
}

// WithSecurity chooses how TLS is used.
func WithSecurity(security Security) Option {
	return func(c *Config) { c.Security = security }
}

// Mechanisms chooses the SASL mechanisms that are offered.
func Mechanisms(names ...string) Option {
	return func(c *Config) { c.Mechanisms = names }
}
