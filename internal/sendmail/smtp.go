package sendmail

import (
	"errors"
	"io"

	"github.com/postilion-mail/postilion/internal/smtpd"
)

// Limits of a dialogue.
const (
	maxRecipients = 1000 // of a message
	maxErrors     = 50   // before we hang up
)

// serve is -bs: SMTP on standard input and output, as Symfony and Nextcloud
// speak it to a sendmail. DSN is not offered: a maildrop file has one NOTIFY
// for all recipients.
func (a *agent) serve(stdin io.Reader, stdout io.Writer) error {
	server := smtpd.New(smtpd.Options{
		Name: "localhost", Domain: a.config.home, Recipient: a.forwardPath,
		MaxSize: maxSize, MaxRecipients: maxRecipients, MaxErrors: maxErrors,
	})
	err := server.Converse(stdin, stdout, account{a})
	switch {
	case errors.Is(err, smtpd.ErrUnfinished):
		return failf(exitData, "the dialogue ended in the middle of a message, which was not accepted")
	case errors.Is(err, smtpd.ErrTooManyErrors):
		return failf(exitData, "the dialogue had too many errors")
	}
	return err
}

// account is the user who runs the command.
type account struct{ *agent }

// Name is not asked for: the daemon knows who calls it.
func (a account) Name() string { return a.name }

// Submit hands a message of the dialogue over.
func (a account) Submit(m *smtpd.Message) (string, error) {
	recipients := make([]string, len(m.Recipients))
	for i, r := range m.Recipients {
		recipients[i] = r.Address
	}
	text, err := a.submit(a.drop(&m.From, unique(recipients), m.Content))
	return text, submitReply(err)
}

// submitReply is what SMTP has for the exit codes.
func submitReply(err error) error {
	f := (*failure)(nil)
	switch {
	case err == nil:
		return nil
	case !errors.As(err, &f), f.exit == exitSoftware, f.later:
		return &smtpd.Reply{Code: 451, Enhanced: "4.3.0", Text: err.Error()}
	case f.exit == exitData:
		return &smtpd.Reply{Code: 554, Enhanced: "5.6.0", Text: f.text}
	}
	return &smtpd.Reply{Code: 550, Enhanced: "5.7.1", Text: f.text}
}
