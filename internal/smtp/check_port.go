package smtp

import (
	"bytes"
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/postilion-mail/postilion/plugin"
)

const (
	checkSilence = 3 * time.Second // without a greeting, before we look what else the port might be
	checkProbe   = 4 * time.Second // for looking
	checkSpeaks  = time.Second     // for a server behind TLS to speak first
	maxHeard     = 512             // octets kept of what a server says first
)

// overhearing keeps the first octets that come from a server.
type overhearing struct {
	net.Conn
	head      []byte
	encrypted bool // then what comes here tells nothing
}

// Read implements net.Conn.
func (o *overhearing) Read(b []byte) (int, error) {
	n, err := o.Conn.Read(b)
	if !o.encrypted {
		o.keep(b[:n])
	}
	return n, err
}

func (o *overhearing) keep(b []byte) {
	o.head = append(o.head, b[:min(len(b), maxHeard-len(o.head))]...)
}

// decrypted keeps the first octets under TLS.
type decrypted struct {
	io.Reader
	keep func([]byte)
}

func (d decrypted) Read(b []byte) (int, error) {
	n, err := d.Reader.Read(b)
	d.keep(b[:n])
	return n, err
}

// identify names the protocol that begins with these octets of a server; empty
// if it is none that we know.
func identify(head []byte) string {
	text := strings.ToLower(string(bytes.TrimLeft(head, "\r\n \t")))
	reply := len(text) > 3 && (text[3] == ' ' || text[3] == '-') && strings.Trim(text[:3], "0123456789") == ""
	switch {
	case len(head) > 2 && (head[0] == 0x15 || head[0] == 0x16) && head[1] == 3:
		return "tls" // an alert or a handshake
	case len(head) > 4 && head[3] == 0 && head[4] == 10 && head[2] == 0:
		return "mysql"
	case strings.HasPrefix(text, "ssh-"):
		return "ssh"
	case strings.HasPrefix(text, "http/"), strings.HasPrefix(text, "<!doctype"), strings.HasPrefix(text, "<html"), strings.HasPrefix(text, "<?xml"):
		return "http"
	case strings.HasPrefix(text, "* ok"), strings.HasPrefix(text, "* preauth"), strings.HasPrefix(text, "* bye"):
		return "imap"
	case strings.HasPrefix(text, "+ok"):
		return "pop3"
	case strings.HasPrefix(text, `"implementation"`):
		return "managesieve"
	case reply && (strings.HasPrefix(text, "200") || strings.HasPrefix(text, "201")) && strings.Contains(text, "post"):
		return "nntp"
	case reply && strings.Contains(text, "ftp") && !strings.Contains(text, "smtp"):
		return "ftp"
	case reply && strings.Contains(text, "lmtp"):
		return "lmtp"
	case reply && (text[0] == '2' || text[0] == '4' || text[0] == '5'):
		return "smtp"
	}
	return ""
}

// service says what was found on a port in place of what was asked for.
func service(name string) string {
	switch name {
	case "smtps":
		return "an SMTP server that expects TLS from the start"
	case "smtp":
		return "an SMTP server that does not speak TLS from the start"
	case "tls":
		return "a server that expects TLS from the start"
	case "https", "http":
		return "a web server, not a mail server"
	case "imap", "imaps", "pop3", "pop3s":
		return "a server for reading mail (" + strings.ToUpper(name) + "), not for sending it"
	}
	return "a server for " + strings.ToUpper(name) + ", not for mail"
}

// greet is the stage of the greeting. When none comes, it looks on other
// connections what the port is.
func (k *checker) greet(ctx context.Context) error {
	ctx, found := k.whileSilent(ctx, plugin.PhaseGreeting)
	err := k.opening.greet(ctx)
	return k.explainPort(plugin.PhaseGreeting, err, found())
}

// secure is the stage of the handshake. With TLS from the start it looks what
// answers in place of TLS.
func (k *checker) secure(ctx context.Context) error {
	if k.config.security != securityTLS {
		return k.opening.handshake(ctx)
	}
	ctx, found := k.whileSilent(ctx, plugin.PhaseTLS)
	err := k.opening.handshake(ctx)
	name := found()
	if err == nil {
		k.heard.head, k.heard.encrypted = nil, true
		k.session.in.Reset(decrypted{k.session.conn, k.heard.keep})
	}
	return k.explainPort(plugin.PhaseTLS, err, name)
}

// explainPort makes of an error what the octets or the probes have shown the
// port to be.
func (k *checker) explainPort(phase plugin.Phase, err error, probed string) error {
	name := cmp.Or(identify(k.heard.head), probed)
	if name == "" || slices.Contains(k.expected(phase), name) {
		return err
	}
	k.fact("service", name)
	var fault *plugin.DeliveryError
	if !errors.As(err, &fault) || !fault.Outcome.Inferred {
		return err // it speaks in replies as SMTP has them; EHLO will show
	}
	line, _, _ := bytes.Cut(k.heard.head, []byte("\n"))
	k.said = printable(string(bytes.TrimRight(line, "\r")), 200)
	return &plugin.DeliveryError{Err: err, Outcome: plugin.Outcome{
		Class: plugin.Temporary, Blame: plugin.BlameConnection, Phase: phase, Inferred: true,
		Reply: "on this port there is " + service(name),
	}}
}

// expected are the services that are no news in a phase.
func (k *checker) expected(phase plugin.Phase) []string {
	switch {
	case phase == plugin.PhaseTLS:
		return []string{"tls", "smtps"}
	case k.session.secure:
		return []string{"smtp", "smtps", "tls"}
	}
	return []string{"smtp"}
}

// whileSilent looks what the port is once the server has been silent for a
// while, and ends the context that it gives when it finds something unexpected.
// The caller calls found when its own reading has ended; it gives what that was.
func (k *checker) whileSilent(ctx context.Context, phase plugin.Phase) (reading context.Context, found func() string) {
	reading, end := context.WithCancelCause(ctx)
	looking, stop := context.WithCancel(ctx)
	result := make(chan string, 1)
	target, secure, expected := k.target.String(), k.session.secure, k.expected(phase)
	go func() {
		timer := time.NewTimer(checkSilence)
		defer timer.Stop()
		name := ""
		select {
		case <-timer.C:
			name = k.probe(looking, target, secure)
		case <-looking.Done():
		}
		if slices.Contains(expected, name) {
			name = ""
		}
		if name != "" {
			end(stopped("found " + name))
		}
		result <- name
	}()
	return reading, func() string {
		stop()
		name := <-result
		end(nil)
		return name
	}
}

// probe asks a port in TLS and in HTTP. It sends nothing secret.
func (k *checker) probe(ctx context.Context, target string, secure bool) string {
	ctx, cancel := context.WithTimeout(ctx, checkProbe)
	defer cancel()
	viaTLS, viaHTTP := make(chan string, 1), make(chan string, 1)
	go func() { viaTLS <- k.probeTLS(ctx, target) }()
	go func() {
		name := ""
		if !secure { // else it is asked under TLS
			name = k.probeHTTP(ctx, target)
		}
		viaHTTP <- name
	}()
	a, b := <-viaTLS, <-viaHTTP
	if a == "" || secure && a == "tls" {
		return b
	}
	return a
}

// probeTLS tells what is behind TLS: smtps, https, imaps, pop3s, or tls if that
// does not show; or what answers in place of TLS.
func (k *checker) probeTLS(ctx context.Context, target string) string {
	heard, err := k.dialProbe(ctx, target)
	if err != nil {
		return ""
	}
	defer heard.Close()
	conn := tls.Client(heard, &tls.Config{ServerName: k.config.host, InsecureSkipVerify: true, MinVersion: tls.VersionTLS10}) // nothing is said to it
	if conn.HandshakeContext(ctx) != nil {
		return identify(heard.head)
	}
	inner := make([]byte, maxHeard)
	_ = conn.SetReadDeadline(time.Now().Add(checkSpeaks))
	n, err := conn.Read(inner)
	if errors.Is(err, os.ErrDeadlineExceeded) {
		// A read deadline does not hurt the next read of a tls.Conn unless
		// it fell into a record.
		n = ask(ctx, conn, inner)
	}
	switch name := identify(inner[:n]); name {
	case "":
		return "tls"
	case "ssh", "mysql", "managesieve":
		return name
	default:
		return name + "s"
	}
}

// probeHTTP tells what answers a request for a web page.
func (k *checker) probeHTTP(ctx context.Context, target string) string {
	conn, err := k.dialProbe(ctx, target)
	if err != nil {
		return ""
	}
	defer conn.Close()
	buffer := make([]byte, maxHeard)
	if name := identify(buffer[:ask(ctx, conn, buffer)]); name == "http" {
		return name
	}
	return ""
}

// ask sends a request for a web page's head, and gives how much of an answer
// came.
func ask(ctx context.Context, conn net.Conn, buffer []byte) int {
	if deadline, ok := ctx.Deadline(); ok {
		_ = conn.SetDeadline(deadline)
	}
	_, _ = io.WriteString(conn, "HEAD / HTTP/1.0\r\n\r\n")
	n, _ := conn.Read(buffer)
	return n
}

// dialProbe connects once more to where the session is. When ctx ends the
// connection is closed.
func (k *checker) dialProbe(ctx context.Context, target string) (*overhearing, error) {
	conn, err := dialOne(ctx, k.config, k.options, target)
	if err != nil {
		return nil, err
	}
	context.AfterFunc(ctx, func() { _ = conn.Close() })
	return &overhearing{Conn: conn}, nil
}
