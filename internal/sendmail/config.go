package sendmail

import (
	"errors"
	"io/fs"
	"os"
	"os/user"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/postilion-mail/postilion/internal/mail"
)

// The defaults of a system-wide installation.
const (
	defaultFile     = "/etc/postilion/sendmail.conf"
	defaultSocket   = "/run/postilion/postilion-http.sock"
	defaultMaildrop = "/var/spool/postilion/maildrop"
	defaultTimeout  = 10 * time.Second
)

// config says where the daemon is and who we are. The environment goes before
// the file: neither can give a user more than he has, since the command runs
// without privileges.
type config struct {
	socket    string        // POSTILION_SOCKET
	maildrop  string        // POSTILION_MAILDROP_DIR
	tokenFile string        // POSTILION_TOKEN_FILE
	from      string        // POSTILION_SENDMAIL_FROM: envelope sender without -f
	domain    string        // behind names without one; /etc/mailname, else the host's name
	timeout   time.Duration // for the call to the daemon
	token     string        // from tokenFile; never an argument or in the environment
}

// loadConfig reads the file that POSTILION_SENDMAIL_CONFIG names, or the
// default one if it exists.
func loadConfig(env func(string) string) (config, error) {
	c := config{socket: defaultSocket, maildrop: defaultMaildrop, timeout: defaultTimeout}
	file := env("POSTILION_SENDMAIL_CONFIG")
	optional := file == ""
	if optional {
		file = defaultFile
	}
	data, err := os.ReadFile(file)
	if err != nil && !(optional && errors.Is(err, fs.ErrNotExist)) {
		return c, failf(exitConfig, "%v", err)
	}
	for i, line := range strings.Split(string(data), "\n") {
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' {
			continue
		}
		if err := c.set(line); err != nil {
			return c, failf(exitConfig, "%s: line %d: %v", file, i+1, err)
		}
	}
	for name, value := range map[string]*string{
		"POSTILION_SOCKET":        &c.socket,
		"POSTILION_MAILDROP_DIR":  &c.maildrop,
		"POSTILION_TOKEN_FILE":    &c.tokenFile,
		"POSTILION_SENDMAIL_FROM": &c.from,
	} {
		if v := env(name); v != "" {
			*value = v
		}
	}
	if c.tokenFile == "" {
		return c, nil
	}
	c.token, err = readToken(c.tokenFile)
	return c, err
}

// set takes one line "key = value".
func (c *config) set(line string) error {
	key, value, ok := strings.Cut(line, "=")
	key, value = strings.TrimSpace(key), strings.TrimSpace(value)
	if !ok || value == "" {
		return errors.New("want key = value")
	}
	switch key {
	case "socket":
		c.socket = value
	case "maildrop":
		c.maildrop = value
	case "token_file":
		c.tokenFile = value
	case "from":
		c.from = value
	case "domain":
		c.domain = value
	case "timeout":
		d, err := time.ParseDuration(value)
		if err != nil || d <= 0 {
			return errors.New("timeout: want a duration such as 10s")
		}
		c.timeout = d
	default:
		return errors.New("unknown key " + strconv.Quote(key) + ": want socket, maildrop, token_file, from, domain or timeout")
	}
	return nil
}

// readToken reads a token from a file that nobody else may read.
func readToken(file string) (string, error) {
	f, err := os.OpenFile(file, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		exit := exitConfig
		if errors.Is(err, fs.ErrPermission) {
			exit = exitPermission
		}
		return "", failf(exit, "token file: %v", err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil || !info.Mode().IsRegular() {
		return "", failf(exitConfig, "token file: %s is not a regular file", file)
	}
	if perm := info.Mode().Perm(); perm&0o077 != 0 {
		return "", failf(exitConfig, "token file: %s has mode %04o, so that others may read it; run chmod 600 %s", file, perm, file)
	}
	b := make([]byte, 4097)
	n, _ := f.Read(b)
	token := strings.TrimSpace(string(b[:n]))
	if token == "" || n > 4096 || hasControl(token) || strings.ContainsRune(token, ' ') || !isASCII(token) {
		return "", failf(exitConfig, "token file: %s does not hold one token on one line", file)
	}
	return token, nil
}

// home is the domain of local names.
func (c *config) home() string {
	if c.domain == "" {
		c.domain = hostDomain()
	}
	return c.domain
}

func hostDomain() string {
	// Debian policy 11.6: what follows the @ of mail that leaves the host.
	if b, err := os.ReadFile("/etc/mailname"); err == nil {
		if d, err := mail.ParseDomain(strings.TrimSpace(string(b))); err == nil {
			return d
		}
	}
	if host, err := os.Hostname(); err == nil {
		if d, err := mail.ParseDomain(host); err == nil {
			return d
		}
	}
	return "localhost"
}

// login is the name of the user that runs the command, as the system knows
// it: LOGNAME may say anything.
func login() string {
	uid := strconv.Itoa(os.Getuid())
	if u, err := user.LookupId(uid); err == nil {
		return u.Username
	}
	return "uid" + uid
}
