package diagnose

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"

	"github.com/postilion-mail/postilion/plugin"
)

// warnings are for what a test has found that is not wrong but worth knowing.
func warnings(stages []plugin.Stage, c *Context) []string {
	var all []string
	add := func(format string, args ...any) { all = append(all, fmt.Sprintf(format, args...)) }
	passed := map[string]bool{}
	for _, s := range stages {
		passed[s.Name] = s.Status == plugin.StagePassed || s.Status == plugin.StageWarning
		if s.Status == plugin.StageWarning {
			add("%s: %s", s.Name, s.Detail)
		}
	}
	if c.Security == "opportunistic" && passed["ehlo"] && c.Facts["tls_version"] == "" && !loopback(c.Facts["remote_address"]) {
		add("The server offers no encryption, so mail goes over the network in plain text.")
	}
	if version := c.Facts["tls_version"]; version == "TLS 1.0" || version == "TLS 1.1" {
		add("The server speaks %s only, which is no longer secure (RFC 8996).", version)
	}
	if extensions, known := c.Facts["extensions"]; known && passed["ehlo"] {
		all = append(all, lacking(extensions, c)...)
	}
	if c.Sender != "" && strings.Contains(c.Username, "@") && !strings.EqualFold(c.Sender, c.Username) {
		add("The sender %s is not the address of the login, %s: many providers refuse that, or put the login's in its place.", c.Sender, c.Username)
	}
	return all
}

// lacking tells which extensions are missing that mail may need.
func lacking(extensions string, c *Context) []string {
	has := map[string]bool{}
	for extension := range strings.SplitSeq(extensions, ", ") {
		word, _, _ := strings.Cut(strings.ToUpper(extension), " ")
		has[word] = true
	}
	var all []string
	if !has["8BITMIME"] {
		all = append(all, "The server does not offer 8BITMIME: texts with special characters are re-encoded, and signed ones are refused.")
	}
	if !has["SMTPUTF8"] {
		all = append(all, "The server does not offer SMTPUTF8: addresses with special characters before the @ cannot be written to.")
	}
	if size, err := strconv.ParseInt(c.Facts["size"], 10, 64); err == nil && size > 0 && size < c.ContentLimit {
		all = append(all, fmt.Sprintf("The server takes messages up to %s, less than the %s that Postilion accepts.", megabytes(size), megabytes(c.ContentLimit)))
	}
	return all
}

func loopback(address string) bool {
	at, err := netip.ParseAddrPort(address)
	return err == nil && at.Addr().IsLoopback()
}

func megabytes(octets int64) string {
	return strconv.FormatFloat(float64(octets)/(1<<20), 'f', 1, 64) + " MiB"
}
