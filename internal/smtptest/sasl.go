package smtptest

import (
	"bytes"
	"crypto/hmac"
	"crypto/md5"
	"crypto/pbkdf2"
	"crypto/rand"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"hash"
	"strings"

	"github.com/emersion/go-sasl"
	"github.com/emersion/go-smtp"
)

var errPassword = smtp.ErrAuthFailed

// mechanism gives the server side of a SASL mechanism, nil for one that is not
// known. It calls done with the user's name once the password was right.
func mechanism(name string, accounts map[string]string, done func(user string)) sasl.Server {
	check := func(user, password string) error {
		want, known := accounts[user]
		if !known || want != password {
			return errPassword
		}
		done(user)
		return nil
	}
	switch name {
	case "PLAIN":
		return sasl.NewPlainServer(func(_, user, password string) error { return check(user, password) })
	case "LOGIN":
		return &loginServer{check: check}
	case "SCRAM-SHA-1":
		return &scramServer{hash: sha1.New, accounts: accounts, done: done}
	case "SCRAM-SHA-256":
		return &scramServer{hash: sha256.New, accounts: accounts, done: done}
	case "CRAM-MD5":
		return &cramServer{accounts: accounts, done: done}
	case "XOAUTH2":
		return &xoauth2Server{check: check}
	}
	return nil
}

// loginServer asks for the name, then for the password.
type loginServer struct {
	check func(user, password string) error
	asked int
	user  string
}

func (s *loginServer) Next(response []byte) ([]byte, bool, error) {
	if response == nil && s.asked == 0 {
		s.asked++
		return []byte("Username:"), false, nil
	}
	if s.asked < 2 {
		s.asked, s.user = 2, string(response)
		return []byte("Password:"), false, nil
	}
	return nil, true, s.check(s.user, string(response))
}

// scramServer is the server side of RFC 5802 without channel binding.
type scramServer struct {
	hash     func() hash.Hash
	accounts map[string]string
	done     func(string)

	step                    int
	user, nonce, clientBare string
	serverFirst             string
	salted                  []byte
}

func (s *scramServer) Next(response []byte) ([]byte, bool, error) {
	s.step++
	switch {
	case s.step == 1 && response == nil:
		s.step = 0
		return nil, false, nil
	case s.step == 1:
		return s.first(string(response))
	case s.step == 2:
		return s.final(string(response))
	default:
		s.done(s.user)
		return nil, true, nil
	}
}

func (s *scramServer) first(message string) ([]byte, bool, error) {
	bare, ok := strings.CutPrefix(message, "n,,")
	fields := strings.Split(bare, ",")
	if !ok || len(fields) < 2 || !strings.HasPrefix(fields[0], "n=") || !strings.HasPrefix(fields[1], "r=") {
		return nil, false, errors.New("malformed client-first-message")
	}
	s.clientBare = bare
	s.user = strings.NewReplacer("=2C", ",", "=3D", "=").Replace(fields[0][2:])
	s.nonce = fields[1][2:] + rand.Text()
	salt := []byte("a salt for tests")
	password, known := s.accounts[s.user]
	if !known {
		password = rand.Text()
	}
	const iterations = 4096
	var err error
	if s.salted, err = pbkdf2.Key(s.hash, password, salt, iterations, s.hash().Size()); err != nil {
		return nil, false, err
	}
	s.serverFirst = "r=" + s.nonce + ",s=" + base64.StdEncoding.EncodeToString(salt) + ",i=4096"
	return []byte(s.serverFirst), false, nil
}

func (s *scramServer) final(message string) ([]byte, bool, error) {
	bare, proofText, ok := strings.Cut(message, ",p=")
	proof, err := base64.StdEncoding.DecodeString(proofText)
	if !ok || err != nil || bare != "c=biws,r="+s.nonce {
		return nil, false, errors.New("malformed client-final-message")
	}
	authMessage := []byte(s.clientBare + "," + s.serverFirst + "," + bare)
	clientKey := s.mac(s.salted, []byte("Client Key"))
	stored := s.hash()
	stored.Write(clientKey)
	want := s.mac(stored.Sum(nil), authMessage)
	for i := range want {
		want[i] ^= clientKey[i]
	}
	if !hmac.Equal(want, proof) {
		return nil, false, errPassword
	}
	signature := s.mac(s.mac(s.salted, []byte("Server Key")), authMessage)
	return []byte("v=" + base64.StdEncoding.EncodeToString(signature)), false, nil
}

func (s *scramServer) mac(key, message []byte) []byte {
	mac := hmac.New(s.hash, key)
	mac.Write(message)
	return mac.Sum(nil)
}

// cramServer is the server side of RFC 2195.
type cramServer struct {
	accounts  map[string]string
	done      func(string)
	challenge []byte
}

func (s *cramServer) Next(response []byte) ([]byte, bool, error) {
	if s.challenge == nil {
		s.challenge = []byte("<" + rand.Text() + "@smtptest>")
		return s.challenge, false, nil
	}
	user, digest, _ := strings.Cut(string(response), " ")
	mac := hmac.New(md5.New, []byte(s.accounts[user]))
	mac.Write(s.challenge)
	if _, known := s.accounts[user]; !known || hex.EncodeToString(mac.Sum(nil)) != digest {
		return nil, false, errPassword
	}
	s.done(user)
	return nil, true, nil
}

// xoauth2Server takes the account's password for the token. It answers a wrong
// one as Google does: an error document in a further challenge first.
type xoauth2Server struct {
	check  func(user, token string) error
	failed error
}

func (s *xoauth2Server) Next(response []byte) ([]byte, bool, error) {
	if s.failed != nil {
		return nil, false, s.failed
	}
	if response == nil {
		return nil, false, nil
	}
	var user, token string
	for _, field := range bytes.Split(response, []byte{1}) {
		if rest, ok := strings.CutPrefix(string(field), "user="); ok {
			user = rest
		}
		if rest, ok := strings.CutPrefix(string(field), "auth=Bearer "); ok {
			token = rest
		}
	}
	if s.failed = s.check(user, token); s.failed != nil {
		return []byte(`{"status":"400","schemes":"bearer"}`), false, nil
	}
	return nil, true, nil
}
