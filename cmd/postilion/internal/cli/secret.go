package cli

import (
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/pflag"
	"golang.org/x/term"

	postilionv1 "github.com/postilion-mail/postilion/proto/gen/postilion/v1"
)

// passwordFlags say where the password of a login comes from: never from the
// command line, which every user of the machine can see.
type passwordFlags struct {
	file    string
	refused refusedPassword
}

// refusedPassword is --password, which is there only to say what to use.
type refusedPassword struct{}

// String implements pflag.Value.
func (refusedPassword) String() string { return "" }

// Type implements pflag.Value.
func (refusedPassword) Type() string { return "string" }

// Set implements pflag.Value.
func (refusedPassword) Set(string) error { return nil }

func (p *passwordFlags) register(flags *pflag.FlagSet) {
	flags.StringVar(&p.file, "password-file", "", "`file` with the password; - reads standard input, or asks (POSTILION_PASSWORD)")
	flags.Var(p.refused, "password", "refused: use --password-file")
	_ = flags.MarkHidden("password")
}

// check refuses --password. It is not the flag's Set that does, because pflag
// would put the password into the error.
func (p *passwordFlags) check(flags *pflag.FlagSet) error {
	if flags.Changed("password") {
		return usage("--password is not allowed, because every user of this machine can see it: use --password-file FILE, --password-file - to be asked, or the environment's POSTILION_PASSWORD; change the password, it may have been seen")
	}
	return nil
}

// apply puts the password into a connection, if one was given, and reports
// whether it did. With ask it asks on a terminal if there is none.
func (p *passwordFlags) apply(a *app, c *connection, ask bool) (bool, error) {
	password, given, err := p.read(a, ask)
	if err != nil || !given {
		return false, err
	}
	if c.GetCustom() != nil {
		if p.file == "" {
			return false, nil // POSTILION_PASSWORD is not meant for it
		}
		return false, usage("--password-file is for SMTP; give the secrets of another transport with --secret-file name=file")
	}
	smtp(c).Password = &password
	return true, nil
}

// given tells whether the password comes from somewhere else than a question.
func (p *passwordFlags) given(a *app) bool {
	return p.file != "" && p.file != "-" || p.file == "" && a.Getenv("POSTILION_PASSWORD") != ""
}

func (p *passwordFlags) read(a *app, ask bool) (password string, given bool, err error) {
	switch {
	case p.file == "-":
		password, err = a.askPassword()
	case p.file != "":
		var content []byte
		content, err = os.ReadFile(p.file)
		password = string(content)
	case a.Getenv("POSTILION_PASSWORD") != "":
		password = a.Getenv("POSTILION_PASSWORD")
	case ask && a.interactive():
		password, err = a.askPassword()
	default:
		return "", false, nil
	}
	if err != nil {
		return "", false, err
	}
	password = strings.TrimRight(password, "\r\n")
	if password == "" {
		return "", false, usage("the password is empty")
	}
	return password, true, nil
}

func (a *app) interactive() bool {
	file, ok := a.In.(*os.File)
	return ok && term.IsTerminal(int(file.Fd()))
}

// askPassword reads standard input, without echo if it is a terminal.
func (a *app) askPassword() (string, error) {
	if !a.interactive() {
		content, err := io.ReadAll(io.LimitReader(a.In, 64<<10))
		return string(content), err
	}
	fmt.Fprint(a.Err, "Password: ")
	content, err := term.ReadPassword(int(a.In.(*os.File).Fd()))
	fmt.Fprintln(a.Err)
	return string(content), err
}

// hasLogin tells whether a connection logs in with a password.
func hasLogin(c *connection) bool {
	return c.GetSmtp().GetUsername() != "" && c.GetSmtp().GetAuthentication() != postilionv1.Authentication_AUTHENTICATION_NONE
}
