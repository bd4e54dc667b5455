package smtpd

import (
	"errors"
	"strconv"
	"strings"

	"github.com/postilion-mail/postilion/internal/mail"
)

// transaction is what one MAIL begins.
type transaction struct {
	open       bool
	utf8       bool // SMTPUTF8
	from       string
	envelopeID string
	ret        string
	size       int64 // as declared; 0 if it was not
	recipients []Recipient
	content    content
	chunked    bool // BDAT came
}

func (s *session) mailFrom(rest string) {
	path, params, ok := cutPath(rest, "FROM:")
	switch {
	case s.hello == "":
		s.fault("503 5.5.1 Say EHLO or HELO first")
		return
	case s.tx.open:
		s.fault("503 5.5.1 There is a sender already")
		return
	}
	s.refused = true
	switch {
	case s.account == nil:
		s.fault("530 5.7.0 Authentication required")
		return
	case !ok:
		s.fault("501 5.5.4 Want MAIL FROM:<address>")
		return
	}
	tx := transaction{open: true}
	if text := eachParam(params, func(name, value string) string { return s.mailParam(&tx, name, value) }); text != "" {
		s.fault(text)
		return
	}
	if path != "" {
		p, err := mail.ParsePath(mail.Complete(path, s.server.Domain()))
		if err != nil {
			s.fault("501 5.1.7 The sender " + printable(reason(err)))
			return
		}
		tx.from = p.String()
	}
	s.tx, s.refused = tx, false
	s.busy.Store(true)
	s.reply("250 2.1.0 OK")
}

// mailParam takes a parameter of MAIL, or gives the reply that refuses it.
//
// SMTPUTF8 is not insisted on: what an address needs can be seen from it, and
// clients that are not mail software know nothing of the parameter.
func (s *session) mailParam(tx *transaction, name, value string) string {
	switch name {
	case "SIZE":
		n, err := strconv.ParseUint(value, 10, 63)
		if err != nil {
			return "501 5.5.4 SIZE wants a number"
		}
		if tx.size = int64(n); tx.size > s.server.MaxSize {
			return s.server.tooLarge
		}
	case "BODY":
		if v := strings.ToUpper(value); v != "7BIT" && v != "8BITMIME" {
			return "501 5.5.4 BODY wants 7BIT or 8BITMIME"
		}
	case "SMTPUTF8":
		if tx.utf8 = true; value != "" {
			return "501 5.5.4 SMTPUTF8 has no value"
		}
	case "AUTH": // RFC 4954 section 5: who else vouched for the sender. Nobody asks.
	case "RET":
		if tx.ret = strings.ToUpper(value); s.server.DSN && tx.ret != "FULL" && tx.ret != "HDRS" {
			return "501 5.5.4 RET wants FULL or HDRS"
		}
		return s.dsnParam()
	case "ENVID":
		var ok bool
		if tx.envelopeID, ok = fromXtext(value); s.server.DSN && (!ok || tx.envelopeID == "" || len(tx.envelopeID) > 100 || !isGraphic(tx.envelopeID)) {
			return "501 5.5.4 ENVID wants at most 100 printable characters as xtext"
		}
		return s.dsnParam()
	default:
		return unknownParam
	}
	return ""
}

const unknownParam = "555 5.5.4 Unknown parameter"

func (s *session) dsnParam() string {
	if s.server.DSN {
		return ""
	}
	return unknownParam
}

func (s *session) rcptTo(rest string) {
	path, params, ok := cutPath(rest, "TO:")
	switch {
	case !s.tx.open:
		s.sequence("503 5.5.1 Say MAIL first")
		return
	case s.tx.chunked:
		s.fault("503 5.5.1 The content has begun")
		return
	case !ok || path == "":
		s.fault("501 5.5.4 Want RCPT TO:<address>")
		return
	}
	var r Recipient
	if text := eachParam(params, func(name, value string) string { return s.rcptParam(&r, name, value) }); text != "" {
		s.fault(text)
		return
	}
	if len(s.tx.recipients) >= s.server.MaxRecipients {
		s.reply("452 4.5.3 Too many recipients")
		return
	}
	var err error
	if r.Address, err = s.server.recipient(path); err != nil {
		// No fault: a list of a thousand addresses may well have ten bad ones.
		s.reply("501 5.1.3 The recipient was refused: " + printable(reason(err)))
		return
	}
	s.tx.recipients = append(s.tx.recipients, r)
	s.reply("250 2.1.5 OK")
}

// rcptParam takes a parameter of RCPT (RFC 3461 section 4), or gives the reply
// that refuses it.
func (s *session) rcptParam(r *Recipient, name, value string) string {
	switch {
	case !s.server.DSN:
		return unknownParam
	case name == "NOTIFY":
		r.Notify = strings.ToUpper(value)
		if r.Notify == "NEVER" {
			return ""
		}
		for word := range strings.SplitSeq(r.Notify, ",") {
			if word != "SUCCESS" && word != "FAILURE" && word != "DELAY" {
				return "501 5.5.4 NOTIFY wants NEVER, or a list of SUCCESS, FAILURE and DELAY"
			}
		}
		return ""
	case name == "ORCPT":
		kind, address, _ := strings.Cut(value, ";")
		address, ok := fromXtext(address)
		if !ok || !isGraphic(kind) || address == "" || len(value) > 500 || strings.ContainsFunc(address, isControl) {
			return "501 5.5.4 ORCPT wants rfc822; and an address as xtext"
		}
		r.Original = kind + ";" + address
		return ""
	}
	return unknownParam
}

// eachParam goes through parameters until one is refused, and gives the reply.
func eachParam(params string, take func(name, value string) string) string {
	if params == "" {
		return ""
	}
	var seen []string
	for param := range strings.FieldsSeq(params) {
		name, value, _ := strings.Cut(param, "=")
		name = strings.ToUpper(name)
		for _, other := range seen {
			if name == other {
				return "501 5.5.4 A parameter is given twice"
			}
		}
		seen = append(seen, name)
		if text := take(name, value); text != "" {
			return text
		}
	}
	return ""
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

// fromXtext decodes a value of a DSN parameter (RFC 3461 section 4). The
// letters of UTF-8 may stand in it as they are (RFC 6533 section 3).
func fromXtext(s string) (string, bool) {
	if strings.IndexByte(s, '+') < 0 {
		return s, strings.IndexByte(s, '=') < 0
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		c := s[i]
		if c == '+' {
			if i+2 >= len(s) || s[i+1] > 'F' || s[i+2] > 'F' { // capitals only
				return "", false
			}
			n, err := strconv.ParseUint(s[i+1:i+3], 16, 8)
			if err != nil {
				return "", false
			}
			c = byte(n)
			i += 2
		} else if c == '=' {
			return "", false
		}
		b.WriteByte(c)
	}
	return b.String(), true
}

// isGraphic wants visible ASCII.
func isGraphic(s string) bool {
	return s != "" && !strings.ContainsFunc(s, func(r rune) bool { return r < '!' || r > '~' })
}

func isControl(r rune) bool { return r < ' ' || r == 0x7f }

// reason is what is wrong, in words without the API's names of fields.
func reason(err error) string {
	if f := (*mail.FieldError)(nil); errors.As(err, &f) {
		return f.Reason
	}
	return err.Error()
}
