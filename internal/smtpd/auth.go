package smtpd

import (
	"encoding/base64"
	"strings"
)

// auth is AUTH (RFC 4954) with PLAIN (RFC 4616) and LOGIN, as old as it is
// common.
func (s *session) auth(rest string) error {
	mechanism, initial, _ := strings.Cut(rest, " ")
	switch {
	case s.server.Login == nil:
		s.fault("502 5.5.1 Not here")
		return nil
	case s.hello == "":
		s.fault("503 5.5.1 Say EHLO first")
		return nil
	case s.known:
		s.fault("503 5.5.1 You are authenticated already")
		return nil
	case s.tx.open:
		s.fault("503 5.5.1 Not within a transaction")
		return nil
	case s.exposed():
		s.fault("538 5.7.11 Say STARTTLS first")
		return nil
	}
	var user, password string
	var ok bool
	var err error
	switch strings.ToUpper(mechanism) {
	case "PLAIN":
		user, password, ok, err = s.authPlain(strings.TrimSpace(initial))
	case "LOGIN":
		user, password, ok, err = s.authLogin(strings.TrimSpace(initial))
	default:
		s.fault("504 5.5.4 Use PLAIN or LOGIN")
	}
	if !ok || err != nil {
		return err
	}
	account, ok := s.server.Login(s.remote, user, password)
	if !ok {
		s.fault("535 5.7.8 The user is the name of a client of Postilion, the password one of its tokens")
		return nil
	}
	s.account, s.known = account, true
	s.reply("235 2.7.0 Welcome")
	return nil
}

// authPlain reads the message of PLAIN. Who logs in may not act for another.
func (s *session) authPlain(initial string) (user, password string, ok bool, err error) {
	message, ok, err := s.response(initial, "334 ")
	if !ok {
		return "", "", false, err
	}
	actsFor, rest, first := strings.Cut(message, "\x00")
	user, password, second := strings.Cut(rest, "\x00")
	if !first || !second || actsFor != "" && actsFor != user {
		s.fault("535 5.7.8 Want user and password")
		return "", "", false, nil
	}
	return user, password, true, nil
}

func (s *session) authLogin(initial string) (user, password string, ok bool, err error) {
	if user, ok, err = s.response(initial, "334 VXNlcm5hbWU6"); ok { // Username:
		password, ok, err = s.response("", "334 UGFzc3dvcmQ6") // Password:
	}
	return user, password, ok, err
}

// response decodes what the client sent with AUTH, or else sends when it is
// asked for it. Unless ok, the client has its reply or there was an error.
func (s *session) response(initial, challenge string) (decoded string, ok bool, err error) {
	text := initial
	if text == "" {
		s.reply(challenge)
		text, _, err = s.readCommand()
		if err == errTooLong {
			s.fault("500 5.5.6 The line is too long")
			return "", false, nil
		}
		if err != nil {
			return "", false, err
		}
	}
	switch text {
	case "*":
		s.fault("501 5.7.0 As you like")
		return "", false, nil
	case "=":
		return "", true, nil
	}
	b, err := base64.StdEncoding.Strict().DecodeString(text)
	if err != nil {
		s.fault("501 5.5.2 Want base64")
		return "", false, nil
	}
	return string(b), true, nil
}
