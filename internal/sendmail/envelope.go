package sendmail

import (
	"errors"
	"strings"
	"time"

	"github.com/postilion-mail/postilion/internal/mail"
	"github.com/postilion-mail/postilion/internal/maildrop"
)

// operands reads the recipients among the arguments: addresses, or lists of
// them as they stand in a header.
func (a *agent) operands() ([]string, error) {
	var list []string
	for _, arg := range a.options.operands {
		path, err := a.forwardPath(arg)
		if err == nil {
			list = append(list, path)
			continue
		}
		if f := (*failure)(nil); errors.As(err, &f) {
			return nil, err
		}
		more, e := a.headerList(arg)
		if e != nil || len(more) == 0 {
			return nil, failf(exitData, "recipient %q: %s", arg, reason(err))
		}
		list = append(list, more...)
	}
	return unique(list), nil
}

// forwardPath reads one recipient. The error is a *failure if it looks like
// something else than an address.
func (a *agent) forwardPath(s string) (string, error) {
	s = strings.TrimSpace(s)
	if err := checkLocal(s); err != nil {
		return "", err
	}
	p, err := mail.ParsePath(mail.Complete(s, a.config.home()))
	if err != nil {
		return "", err
	}
	return p.String(), checkLocal(p.String()) // the quotes may be gone
}

// headerList reads an argument as the value of an address field.
func (a *agent) headerList(value string) ([]string, error) {
	if hasControl(value) {
		return nil, failf(exitData, "holds a control character")
	}
	return a.headerRecipients([]byte("To: " + value + "\r\n\r\n"))
}

// headerRecipients is -t: Resent-To, Resent-Cc and Resent-Bcc if there is any
// of them, else To, Cc and Bcc. The daemon removes Bcc.
func (a *agent) headerRecipients(content []byte) ([]string, error) {
	to, cc, bcc, err := mail.Recipients(content, a.config.home())
	if err != nil {
		return nil, failf(exitData, "%s", strings.TrimPrefix(err.Error(), "raw.content."))
	}
	var list []string
	for _, address := range append(append(to, cc...), bcc...) {
		if err := checkLocal(address.Addr); err != nil {
			return nil, err
		}
		list = append(list, address.Addr)
	}
	return unique(list), nil
}

// checkLocal refuses what other mailers took for an option, a command, a file
// or a list of addresses (CVE-2020-28247, CVE-2020-7247). Some of it may be an
// address by the letter of RFC 5321; nobody has one.
func checkLocal(s string) error {
	s = strings.TrimLeft(s, " \t<\"")
	switch {
	case s == "":
		return failf(exitData, "a recipient is empty")
	case s[0] == '-':
		return failf(exitData, "recipient %q looks like an option", s)
	case s[0] == '|', s[0] == '/', len(s) > 8 && strings.EqualFold(s[:9], ":include:"):
		return failf(exitData, "recipient %q is not an address: mail goes to no command, file or list here", s)
	}
	return nil
}

// sender is the envelope sender of -f or the configuration. nil leaves it to
// the daemon, which knows the connection's policy and reads the From field.
func (a *agent) sender() (*string, error) {
	given, where := a.options.sender, "-f"
	if given == nil {
		if a.config.from == "" {
			return nil, nil
		}
		given, where = &a.config.from, "the configured sender"
	}
	s := strings.TrimSpace(*given)
	if strings.HasPrefix(s, "-") {
		return nil, failf(exitUsage, "%s: %q looks like an option", where, s)
	}
	if s != "" && s != "<>" {
		s = mail.Complete(strings.TrimSuffix(strings.TrimPrefix(s, "<"), ">"), a.config.home())
	}
	p, err := mail.ParseReversePath(s)
	if err != nil {
		return nil, failf(exitUsage, "%s: the sender %q %s", where, *given, reason(err))
	}
	s = p.String()
	return &s, nil
}

// drop puts the message together as it will be handed over, once, under one
// key.
func (a *agent) drop(from *string, recipients []string, content []byte) *maildrop.Drop {
	d := &maildrop.Drop{
		Key: maildrop.NewKey(), Created: time.Now(), From: from, Recipients: recipients,
		Notify: a.options.notify, Return: a.options.ret, EnvelopeID: a.options.envelopeID,
		NotifySender: a.options.notify != "NEVER", // nobody here watches events
		Content:      content,
	}
	if hasFrom(content) {
		return d
	}
	author := mail.Address{Name: a.options.fullName}
	if from != nil && *from != "" {
		// The caller has said who sends.
		author.Addr = *from
		d.Author = author.String()
		d.Content, d.Author = d.WithAuthor(), ""
		return d
	}
	author.Addr = mail.Complete(login(), a.config.home())
	d.Author = author.String()
	return d
}

// unique drops repetitions. Local parts keep their case, as paths do.
func unique(list []string) []string {
	seen := make(map[string]bool, len(list))
	out := list[:0:0]
	for _, s := range list {
		if !seen[s] {
			seen[s] = true
			out = append(out, s)
		}
	}
	return out
}
