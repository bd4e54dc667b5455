package sendmail

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/postilion-mail/postilion/internal/mail"
)

// Limits of a dialogue.
const (
	maxCommand    = 4096 // octets of a line
	maxRecipients = 1000 // of a message
	maxErrors     = 50   // before we hang up
)

// dialogue is -bs: SMTP (RFC 5321) on standard input and output, as Symfony
// and Nextcloud speak it to a sendmail.
type dialogue struct {
	agent *agent
	in    *bufio.Reader
	out   *bufio.Writer

	greeted    bool
	mail       bool // MAIL was accepted
	from       string
	recipients []string
	errors     int
}

// errBroken: the input ended or failed in the middle of a message. Nothing of
// it was queued.
var errBroken = &failure{exit: exitData, text: "the dialogue ended in the middle of a message, which was not accepted"}

// serve holds the dialogue until QUIT or the end of the input.
func (a *agent) serve(stdin io.Reader, stdout io.Writer) error {
	d := &dialogue{agent: a, in: bufio.NewReaderSize(stdin, 64<<10), out: bufio.NewWriter(stdout)}
	d.reply("220 localhost ESMTP Postilion")
	for d.errors < maxErrors {
		line, lf, err := d.readCommand()
		switch {
		case err == errTooLong:
			d.fault("500 5.5.2 The line is too long")
			continue
		case err != nil && d.mail:
			d.out.Flush()
			return errBroken
		case err != nil:
			return d.out.Flush()
		}
		done, err := d.command(line, lf)
		if done || err != nil {
			return errors.Join(err, d.out.Flush())
		}
	}
	d.reply("421 4.7.0 Too many errors")
	d.out.Flush()
	return failf(exitData, "the dialogue had too many errors")
}

// reply writes one line. It stays in the buffer until all input that is there
// has been read, so that pipelined commands get one write (RFC 2920).
func (d *dialogue) reply(text string) { d.out.WriteString(text + "\r\n") }

func (d *dialogue) fault(text string) {
	d.errors++
	d.reply(text)
}

var errTooLong = errors.New("line too long")

// readCommand reads a line; lf tells that it ended without CR.
func (d *dialogue) readCommand() (line string, lf bool, err error) {
	if d.in.Buffered() == 0 {
		if err := d.out.Flush(); err != nil {
			return "", false, err
		}
	}
	piece, err := d.in.ReadSlice('\n')
	if err == nil && len(piece) <= maxCommand {
		line = strings.TrimSuffix(string(piece), "\n")
		return strings.TrimSuffix(line, "\r"), !strings.HasSuffix(line, "\r"), nil
	}
	for err == bufio.ErrBufferFull {
		_, err = d.in.ReadSlice('\n')
	}
	if err == nil {
		err = errTooLong
	}
	return "", false, err
}

// command obeys one line, and tells whether it was the last.
func (d *dialogue) command(line string, lf bool) (done bool, err error) {
	verb, rest, _ := strings.Cut(line, " ")
	rest = strings.TrimSpace(rest)
	switch strings.ToUpper(verb) {
	case "HELO":
		d.reset(true)
		d.reply("250 localhost")
	case "EHLO":
		d.reset(true)
		for _, s := range []string{"localhost", "PIPELINING", "SIZE " + strconv.Itoa(maxSize), "8BITMIME", "SMTPUTF8"} {
			d.reply("250-" + s)
		}
		d.reply("250 ENHANCEDSTATUSCODES")
	case "MAIL":
		d.mailFrom(rest)
	case "RCPT":
		d.rcptTo(rest)
	case "DATA":
		return false, d.data(lf)
	case "RSET":
		d.reset(d.greeted)
		d.reply("250 2.0.0 OK")
	case "NOOP":
		d.reply("250 2.0.0 OK")
	case "VRFY":
		d.reply("252 2.5.0 Send some mail, it will be tried")
	case "HELP":
		d.reply("214 2.0.0 EHLO HELO MAIL RCPT DATA RSET NOOP VRFY QUIT")
	case "QUIT":
		d.reply("221 2.0.0 Bye")
		return true, nil
	case "AUTH", "STARTTLS", "EXPN", "BDAT", "ETRN":
		d.fault("502 5.5.1 Not here")
	default:
		d.fault("500 5.5.2 Unknown command")
	}
	return false, nil
}

func (d *dialogue) reset(greeted bool) {
	d.greeted, d.mail, d.from, d.recipients = greeted, false, "", nil
}

func (d *dialogue) mailFrom(rest string) {
	path, params, ok := cutPath(rest, "FROM:")
	switch {
	case !d.greeted:
		d.fault("503 5.5.1 Say EHLO or HELO first")
		return
	case d.mail:
		d.fault("503 5.5.1 There is a sender already")
		return
	case !ok:
		d.fault("501 5.5.4 Want MAIL FROM:<address>")
		return
	}
	for param := range strings.FieldsSeq(params) {
		if text := checkParam(param); text != "" {
			d.fault(text)
			return
		}
	}
	if path != "" {
		p, err := mail.ParsePath(mail.Complete(path, d.agent.config.home()))
		if err != nil {
			d.fault("501 5.1.7 The sender " + printable(reason(err)))
			return
		}
		path = p.String()
	}
	d.mail, d.from = true, path
	d.reply("250 2.1.0 OK")
}

// checkParam gives the reply to a parameter of MAIL that is not accepted.
func checkParam(param string) string {
	name, value, _ := strings.Cut(param, "=")
	switch strings.ToUpper(name) {
	case "SIZE":
		n, err := strconv.ParseUint(value, 10, 63)
		if err != nil {
			return "501 5.5.4 SIZE wants a number"
		}
		if n > maxSize {
			return "552 5.3.4 The message is too large"
		}
	case "BODY":
		if v := strings.ToUpper(value); v != "7BIT" && v != "8BITMIME" {
			return "501 5.5.4 BODY wants 7BIT or 8BITMIME"
		}
	case "SMTPUTF8", "AUTH":
	default:
		return "555 5.5.4 Unknown parameter"
	}
	return ""
}

func (d *dialogue) rcptTo(rest string) {
	path, params, ok := cutPath(rest, "TO:")
	switch {
	case !d.mail:
		d.fault("503 5.5.1 Say MAIL first")
		return
	case !ok || path == "":
		d.fault("501 5.5.4 Want RCPT TO:<address>")
		return
	case params != "":
		d.fault("555 5.5.4 Unknown parameter")
		return
	case len(d.recipients) == maxRecipients:
		d.reply("452 4.5.3 Too many recipients")
		return
	}
	recipient, err := d.agent.forwardPath(path)
	if err != nil {
		d.fault("501 5.1.3 The recipient was refused: " + printable(reason(err)))
		return
	}
	d.recipients = append(d.recipients, recipient)
	d.reply("250 2.1.5 OK")
}

// cutPath takes "FROM:<path> params" apart. White space behind the colon and
// missing brackets are tolerated, as everybody does.
func cutPath(s, word string) (path, params string, ok bool) {
	if len(s) < len(word) || !strings.EqualFold(s[:len(word)], word) {
		return "", "", false
	}
	s = strings.TrimLeft(s[len(word):], " ")
	if !strings.HasPrefix(s, "<") {
		path, params, _ = strings.Cut(s, " ")
		return path, strings.TrimSpace(params), path != ""
	}
	quoted := false
	for i := 1; i < len(s); i++ {
		switch {
		case s[i] == '\\' && quoted:
			i++
		case s[i] == '"':
			quoted = !quoted
		case s[i] == '>' && !quoted:
			params = s[i+1:]
			return s[1:i], strings.TrimSpace(params), params == "" || params[0] == ' '
		}
	}
	return "", "", false
}

// data reads a message and submits it. The error ends the dialogue.
func (d *dialogue) data(lf bool) error {
	if len(d.recipients) == 0 {
		d.fault("503 5.5.1 There is no recipient")
		return nil
	}
	d.reply("354 End with a line that has only a dot")
	if err := d.out.Flush(); err != nil {
		return err
	}
	end := "\r\n"
	if lf {
		end = "\n"
	}
	content, err := readDotted(d.in, end, maxSize)
	if err != nil {
		return errBroken
	}
	from, recipients := d.from, unique(d.recipients)
	d.reset(true)
	switch {
	case len(content) > maxSize:
		d.reply("552 5.3.4 The message is too large")
		return nil
	case len(content) == 0:
		d.reply("554 5.6.0 The message is empty")
		return nil
	}
	text, err := d.agent.submit(d.agent.drop(&from, recipients, content))
	d.reply(submitReply(text, err))
	return nil
}

// submitReply is what SMTP has for the exit codes.
func submitReply(text string, err error) string {
	f := (*failure)(nil)
	switch {
	case err == nil:
		return "250 2.0.0 " + printable(text)
	case !errors.As(err, &f), f.exit == exitSoftware:
		return "451 4.3.0 " + printable(err.Error())
	case f.exit == exitData:
		return "554 5.6.0 " + printable(f.text)
	case f.later:
		return "451 4.3.0 " + printable(f.text)
	}
	return fmt.Sprintf("550 5.7.1 %s", printable(f.text))
}

// readDotted reads a message up to the line with only a dot, and takes the
// stuffed dots away (RFC 5321 section 4.5.2). A line is what ends in end: a
// dialogue with CRLF is not ended by a dot between bare LFs that stand in the
// content (SMTP smuggling). Of what is beyond the limit one octet is kept.
func readDotted(r *bufio.Reader, end string, limit int) ([]byte, error) {
	var b bytes.Buffer
	last := byte(0) // of the piece before
	for start := true; ; {
		piece, err := r.ReadSlice('\n')
		if err != nil && err != bufio.ErrBufferFull {
			return nil, io.ErrUnexpectedEOF
		}
		if start && piece[0] == '.' {
			if string(piece[1:]) == end {
				return b.Bytes(), nil
			}
			piece = piece[1:]
		}
		b.Write(piece[:min(len(piece), max(0, limit+1-b.Len()))])
		start = err == nil && (end == "\n" || beforeLast(piece, last) == '\r')
		last = piece[len(piece)-1]
	}
}

// beforeLast gives the octet before the last one of piece, which may be the
// last of the piece before.
func beforeLast(piece []byte, last byte) byte {
	if len(piece) > 1 {
		return piece[len(piece)-2]
	}
	return last
}
