// Package sendmail is the drop-in for /usr/sbin/sendmail: PHP's mail(), cron,
// mailx and the mail libraries of most languages call it. It hands the message
// to the daemon over its Unix socket, or, when that does not answer, puts it
// durably into the maildrop.
//
// It is started anew for each message, so it takes care to start fast: no
// net/http, no gRPC. What it takes from Postfix and from sendmail 8 is what
// their manual pages sendmail(1) and sendmail(8) have in common.
package sendmail

import (
	"errors"
	"fmt"
	"io"
	"path/filepath"

	"github.com/postilion-mail/postilion/internal/mail"
)

// The exit codes, from sysexits.h. Never 75 (EX_TEMPFAIL): since version 8.5
// PHP takes it for success, and nothing of it would be true here.
const (
	exitOK          = 0
	exitUsage       = 64
	exitData        = 65
	exitUnavailable = 69 // not accepted by policy, or nowhere to put it
	exitSoftware    = 70
	exitPermission  = 77
	exitConfig      = 78
)

// maxSize of a message in octets: the daemon's hard limit.
const maxSize = 50 << 20

// failure is an error that knows the exit code.
type failure struct {
	exit  int
	text  string
	later bool // it may work at another time
}

func (f *failure) Error() string { return f.text }

func failf(exit int, format string, args ...any) error {
	return &failure{exit: exit, text: fmt.Sprintf(format, args...)}
}

// Main runs the command and returns its exit code. args[0] is the name it was
// called by: "mailq" and "newaliases" mean -bp and -bi. env is os.Getenv or a
// stand-in. Only -bs and -bp write to stdout.
func Main(args []string, stdin io.Reader, stdout, stderr io.Writer, env func(string) string) int {
	name := "sendmail"
	if len(args) > 0 {
		name, args = filepath.Base(args[0]), args[1:]
	}
	err := run(name, args, stdin, stdout, stderr, env)
	if err == nil {
		return exitOK
	}
	fmt.Fprintf(stderr, "%s: %s\n", name, printable(err.Error()))
	if f := (*failure)(nil); errors.As(err, &f) {
		return f.exit
	}
	return exitSoftware
}

func run(name string, args []string, stdin io.Reader, stdout, stderr io.Writer, env func(string) string) error {
	o, err := parseArgs(name, args)
	if err != nil || o.mode == modeAliases {
		return err
	}
	c, err := loadConfig(env)
	if err != nil {
		return err
	}
	a := &agent{options: o, config: c, name: name, stderr: stderr}
	switch o.mode {
	case modeQueue:
		return a.printQueue(stdout)
	case modeSMTP:
		return a.serve(stdin, stdout)
	}
	return a.deliver(stdin)
}

// agent is one run of the command.
type agent struct {
	options options
	config  config
	name    string
	stderr  io.Writer
}

// deliver takes one message from standard input.
func (a *agent) deliver(stdin io.Reader) error {
	recipients, err := a.operands()
	if err != nil {
		return err
	}
	if len(recipients) == 0 && !a.options.extract {
		if a.options.flush {
			return nil // the daemon's queue needs no push
		}
		return failf(exitUsage, "no recipients: name them as arguments, or give -t to take them from the header")
	}
	content, err := readMessage(stdin, a.options.ignoreDots, maxSize)
	if err != nil {
		return err
	}
	if a.options.extract {
		more, err := a.headerRecipients(content)
		if err != nil {
			return err
		}
		recipients = unique(append(more, recipients...))
	}
	if len(recipients) == 0 {
		return failf(exitUsage, "no recipients: there is none in To, Cc and Bcc")
	}
	from, err := a.sender()
	if err != nil {
		return err
	}
	text, err := a.submit(a.drop(from, recipients, content))
	if err == nil {
		a.tell(text)
	}
	return err
}

// tell says with -v what became of the message.
func (a *agent) tell(text string) {
	if a.options.verbose {
		fmt.Fprintf(a.stderr, "%s: %s\n", a.name, printable(text))
	}
}

// reason is what is wrong, in words without the API's names of fields.
func reason(err error) string {
	if f := (*mail.FieldError)(nil); errors.As(err, &f) {
		return f.Reason
	}
	return err.Error()
}
