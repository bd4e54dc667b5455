package registry

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/postilion-mail/postilion/internal/mail"
)

// Bounds of what a client may store, so that one cannot fill the memory.
const (
	maxConnections  = 1000 // of a client
	maxList         = 100  // entries of a list
	maxFallbacks    = 10
	maxRoutes       = 500
	maxText         = 998 // octets of a header value, RFC 5322 section 2.1.1
	maxDisplayName  = 100 // characters
	maxTag          = 64  // characters, as in Send
	maxSettings     = 256 << 10
	maxSecrets      = 32
	maxSecretLength = 64 << 10
	maxRetryWait    = 7 * 24 * time.Hour
	maxExpiry       = 30 * 24 * time.Hour
	minProbe        = 10 * time.Minute // more often looks like guessing passwords
	maxProbe        = 30 * 24 * time.Hour
)

// The ways of Connection.Isolation. Empty leaves it to the transport: built-in
// ones run in the daemon, plugins in processes of their own.
const (
	InProcess  = "in-process"
	OwnProcess = "process"
)

// checkName wants 1 to 63 of a-z, 0-9 and the characters of also, beginning
// with a letter or digit.
func checkName(field, name, also string) error {
	ok := name != "" && len(name) <= 63 && !strings.ContainsRune(also, rune(name[0]))
	for _, r := range name {
		ok = ok && (r >= 'a' && r <= 'z' || r >= '0' && r <= '9' || strings.ContainsRune(also, r))
	}
	if ok {
		return nil
	}
	return malformed(field, fmt.Sprintf("%.80q is no valid name", name),
		fmt.Sprintf("give 1 to 63 of a-z, 0-9 and %q, beginning with a letter or digit", also))
}

func checkClientName(name string) error { return checkName("client.name", name, "-_.") }

// checkConnection judges what the caller chose, as far as it can be judged
// without the other connections. It writes ranges in their canonical form.
func checkConnection(c *Connection) error {
	err := errors.Join(
		checkName("connection.name", c.Name, "-_"),
		checkText("connection.display_name", c.DisplayName, maxDisplayName),
		checkName("connection.custom.transport", c.Transport, "-_"),
	)
	if err != nil {
		return first(err)
	}
	if !slices.Contains([]string{"", InProcess, OwnProcess}, c.Isolation) {
		return malformed("connection.isolation", fmt.Sprintf("%.40q is not known", c.Isolation), `leave it empty or give "process"`)
	}
	if len(c.AllowDestinations) > maxList {
		return tooMany("connection.allow_destinations", maxList)
	}
	for i, text := range c.AllowDestinations {
		prefix, err := netip.ParsePrefix(text)
		if err != nil {
			return malformed(fmt.Sprintf("connection.allow_destinations[%d]", i),
				fmt.Sprintf("%.80q is no address range", text), `give one such as "10.0.0.0/8" or "192.0.2.7/32"`)
		}
		c.AllowDestinations[i] = prefix.Masked().String()
	}
	if every := c.ProbeEvery(); every != 0 && (every < minProbe || every > maxProbe) {
		return malformed("connection.probe_interval", "is out of range", "give 10 minutes to 30 days, or 0 for never")
	}
	if err := checkRetry(&c.Retry); err != nil {
		return err
	}
	return checkSender(&c.Sender)
}

func checkRetry(p *RetryPolicy) error {
	if len(p.Schedule) > maxList {
		return tooMany("connection.retry.schedule", maxList)
	}
	for i, wait := range p.Schedule {
		if wait < time.Second || wait > maxRetryWait {
			return malformed(fmt.Sprintf("connection.retry.schedule[%d]", i), "is out of range", "give 1 s to 7 days")
		}
	}
	if p.ExpiresAfter < 0 || p.ExpiresAfter > maxExpiry {
		return malformed("connection.retry.expires_after", "is out of range", "give at most 30 days, or 0 for the default")
	}
	return nil
}

func checkSender(p *SenderPolicy) error {
	const at = "connection.sender."
	if p.ForceFromAddress && p.FromAddress == "" {
		return malformed(at+"from_address", "is empty, and force_from_address wants it in every message", "give an address")
	}
	if p.ForceFromName && p.FromName == "" {
		return malformed(at+"from_name", "is empty, and force_from_name wants it in every message", "give a name")
	}
	if p.ForceReplyTo && len(p.ReplyTo) == 0 {
		return malformed(at+"reply_to", "is empty, and force_reply_to wants it in every message", "give an address")
	}
	var err error
	for _, one := range []struct{ name, address string }{
		{"from_address", p.FromAddress}, {"envelope_from", p.EnvelopeFrom},
	} {
		if one.address != "" {
			err = errors.Join(err, checkAddress(at+one.name, one.address))
		}
	}
	return first(errors.Join(err,
		checkText(at+"from_name", p.FromName, maxText),
		checkList(at+"force_exceptions", p.ForceExceptions, checkPattern),
		checkList(at+"reply_to", p.ReplyTo, checkAddress),
		checkHeaders(at+"headers", p.Headers),
		checkList(at+"always_bcc", p.AlwaysBcc, checkAddress),
		checkList(at+"allowed_from_domains", p.AllowedFromDomains, checkDomain),
	))
}

// first gives the first of joined errors: a request is answered with one.
func first(err error) error {
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		return first(joined.Unwrap()[0])
	}
	return err
}

func checkList(field string, list []string, check func(field, value string) error) error {
	if len(list) > maxList {
		return tooMany(field, maxList)
	}
	for i, value := range list {
		if err := check(fmt.Sprintf("%s[%d]", field, i), value); err != nil {
			return err
		}
	}
	return nil
}

func checkAddress(field, value string) error {
	_, err := mail.ParsePath(value)
	return fromMail(field, err)
}

func checkDomain(field, value string) error {
	_, err := mail.ParseDomain(value)
	return fromMail(field, err)
}

// checkPattern wants an address, or a domain as "@example.com".
func checkPattern(field, value string) error {
	if domain, ok := strings.CutPrefix(value, "@"); ok {
		return checkDomain(field, domain)
	}
	return checkAddress(field, value)
}

// fromMail gives an error of internal/mail the path of the field.
func fromMail(field string, err error) error {
	var e *mail.FieldError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &e):
		return malformed(field, e.Reason, "")
	}
	return malformed(field, err.Error(), "")
}

func checkHeaders(field string, headers []Header) error {
	if len(headers) > maxList {
		return tooMany(field, maxList)
	}
	for i, h := range headers {
		// RFC 5322 section 2.2: printable US-ASCII but the colon.
		bad := func(r rune) bool { return r <= ' ' || r > '~' || r == ':' }
		if h.Name == "" || len(h.Name) > 76 || strings.ContainsFunc(h.Name, bad) {
			return malformed(fmt.Sprintf("%s[%d].name", field, i), "is no name of a header field",
				"give at most 76 printable ASCII characters without space and colon")
		}
		if err := checkText(fmt.Sprintf("%s[%d].value", field, i), h.Value, maxText); err != nil {
			return err
		}
	}
	return nil
}

func checkTag(field, value string) error {
	if value == "" {
		return malformed(field, "is empty", "give a tag")
	}
	return checkText(field, value, maxTag)
}

// checkText wants valid UTF-8 without control characters, of at most so many
// characters.
func checkText(field, value string, most int) error {
	switch {
	case !utf8.ValidString(value):
		return malformed(field, "is not valid UTF-8", "convert it")
	case strings.ContainsFunc(value, isControl):
		return malformed(field, "holds a line break or another control character", "remove it")
	case utf8.RuneCountInString(value) > most:
		return malformed(field, "is too long", fmt.Sprintf("give at most %d characters", most))
	}
	return nil
}

func isControl(r rune) bool { return unicode.IsControl(r) || r == '\u2028' || r == '\u2029' }

func tooMany(field string, most int) error {
	return &Error{Code: Invalid, Reason: ReasonTooMany, Field: field,
		Text: "has too many entries", Remedy: fmt.Sprintf("give at most %d", most)}
}

// inUse is the error of something that cannot go because of its users.
func inUse(field, what string, users []string) error {
	slices.Sort(users)
	shown := users
	if len(shown) > 10 {
		shown = append(slices.Clone(shown[:10]), "others")
	}
	return &Error{Code: InUse, Reason: ReasonReferenced, Field: field,
		Text: what + " is used by " + strings.Join(shown, ", "), Remedy: "change these first"}
}
