package smtp

import (
	"slices"
	"strconv"
	"strings"
)

// capabilities are what a server says it can do in its EHLO reply.
type capabilities struct {
	size       int64 // RFC 1870; 0 if not limited or not said
	hasSize    bool
	eightBit   bool     // RFC 6152
	utf8       bool     // RFC 6531
	pipelining bool     // RFC 2920
	chunking   bool     // RFC 3030
	dsn        bool     // RFC 3461
	startTLS   bool     // RFC 3207
	recipients int      // RCPTMAX of RFC 9422, 0 for none
	auth       []string // mechanisms in upper case (RFC 4954)
	lines      []string // as they came, fit to be shown
}

// parseCapabilities reads the text of an EHLO reply. The first line is the
// server's greeting. What it does not know or understand it passes over.
func parseCapabilities(text string) capabilities {
	var c capabilities
	_, rest, _ := strings.Cut(text, "\n")
	for line := range strings.SplitSeq(rest, "\n") {
		words := strings.Fields(line)
		if len(words) == 0 {
			continue
		}
		c.lines = append(c.lines, printable(strings.Join(words, " "), 200))
		keyword, parameters := strings.ToUpper(words[0]), words[1:]
		// Old Microsoft servers say "AUTH=LOGIN".
		if first, ok := strings.CutPrefix(keyword, "AUTH="); ok {
			keyword, parameters = "AUTH", append([]string{first}, parameters...)
		}
		c.add(keyword, parameters)
	}
	return c
}

func (c *capabilities) add(keyword string, parameters []string) {
	switch keyword {
	case "SIZE":
		c.hasSize = true
		if len(parameters) > 0 {
			if n, err := strconv.ParseInt(parameters[0], 10, 64); err == nil && n > 0 {
				c.size = n
			}
		}
	case "8BITMIME":
		c.eightBit = true
	case "SMTPUTF8":
		c.utf8 = true
	case "PIPELINING":
		c.pipelining = true
	case "CHUNKING":
		c.chunking = true
	case "DSN":
		c.dsn = true
	case "STARTTLS":
		c.startTLS = true
	case "AUTH":
		for _, name := range parameters {
			if name = strings.ToUpper(name); !slices.Contains(c.auth, name) {
				c.auth = append(c.auth, name)
			}
		}
	case "LIMITS":
		for _, p := range parameters {
			if value, ok := strings.CutPrefix(strings.ToUpper(p), "RCPTMAX="); ok {
				if n, err := strconv.Atoi(value); err == nil && n > 0 {
					c.recipients = n
				}
			}
		}
	}
}
