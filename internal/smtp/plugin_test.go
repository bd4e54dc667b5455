package smtp

import (
	"strings"
	"testing"

	"github.com/postilion-mail/postilion/internal/smtptest"
	"github.com/postilion-mail/postilion/plugin"
	"github.com/postilion-mail/postilion/plugin/plugintest"
)

// TestMain serves as the plugin in TestConformance.
func TestMain(m *testing.M) {
	plugintest.Main(m, func() plugin.Transport { return New(Options{}) })
}

// What is demanded of all transports, in this process and in another.
func TestConformance(t *testing.T) {
	t.Parallel()
	for name, transport := range map[string]func(*testing.T) plugin.Transport{
		"in process": func(*testing.T) plugin.Transport { return New(Options{}) },
		"process":    func(t *testing.T) plugin.Transport { return plugintest.Process(t) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			plugintest.Run(t, conformance(t, transport(t)))
		})
	}
}

func conformance(t *testing.T, transport plugin.Transport) plugintest.Subject {
	server := smtptest.Start(t, smtptest.Account("user", testPassword), func(c *smtptest.Config) {
		c.Recipient = func(address string) error {
			switch {
			case strings.HasPrefix(address, "later@"):
				return smtptest.Refuse(450, [3]int{4, 2, 1}, "mailbox busy")
			case strings.HasPrefix(address, "never@"):
				return smtptest.Refuse(550, [3]int{5, 1, 1}, "no such user")
			}
			return nil
		}
	})
	silent := smtptest.StartScripted(t, smtptest.Script{Rules: []smtptest.Rule{{On: "MAIL", Do: smtptest.Silence()}}})
	good := against(server)
	settings := func(s setup) plugin.Settings {
		return plugin.Settings{Connection: "test", Values: s.values, Secrets: s.secrets}
	}
	stalled := settings(plainly(silent))
	return plugintest.Subject{
		Transport: transport,
		Settings:  settings(good),
		Recipient: "good@b.example",
		Mixed: map[string]plugin.Class{
			"good@b.example": plugin.Accepted, "later@b.example": plugin.Temporary,
			"never@b.example": plugin.Permanent, "other@b.example": plugin.Accepted,
		},
		Bad: map[string]plugin.Settings{
			"port":       settings(good.with("port", 70000.0)),
			"pin_sha256": settings(good.with("pin_sha256", "zz")),
		},
		Arrived: func(*testing.T) []string {
			var all []string
			for _, m := range server.Messages(server.Count()) {
				all = append(all, string(m.Content))
			}
			return all
		},
		Stalled: &stalled,
	}
}
