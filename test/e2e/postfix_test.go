package e2e

import (
	"testing"

	"github.com/postilion-mail/postilion/internal/postfixtest"
)

// The account at the mail server.
const (
	account  = postfixtest.Account
	password = postfixtest.Password
)

// postfix is the real one, to which a daemon is led.
type postfix struct{ *postfixtest.Server }

func startPostfix(t testing.TB, folder string) *postfix {
	t.Helper()
	return &postfix{postfixtest.Start(t, folder)}
}

// configure makes connections to both ports; what goes to old.example alone
// takes the poor one.
func (p *postfix) configure(d *daemon) {
	for name, port := range map[string]string{"modern": p.Port, "old": p.OldPort} {
		d.cli(password, "configure", name, "--host", p.Host, "--port", port, "--ca-file", p.CA, "--username", account,
			"--password-file", "-", "--from", "default@shop.example", "--from-name", "The Shop", "--shared")
	}
	d.cli("", "connections", "default", "modern")
	d.cli("routes:\n- recipientDomains: [old.example]\n  connection: old\n", "routes", "set", "--file", "-")
}
