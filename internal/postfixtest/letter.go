package postfixtest

import (
	"bytes"
	"io"
	"net/mail"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/emersion/go-message"
	_ "github.com/emersion/go-message/charset" // what the scripts write is UTF-8, but it says so in several ways

	"github.com/postilion-mail/postilion/internal/daemontest"
)

// Letter is a message in a mailbox, for one recipient.
type Letter struct {
	Raw    []byte
	Header message.Header
	From   string // envelope sender
	To     string // envelope recipient
	Texts  map[string]string
	Files  map[string][]byte
}

// Subject is the field as a reader shows it.
func (l *Letter) Subject() string { return l.Field("Subject") }

// Field is a field as a reader shows it.
func (l *Letter) Field(name string) string {
	text, err := l.Header.Text(name)
	if err != nil {
		return err.Error()
	}
	return text
}

// Await waits until the mailbox holds a message with a subject for a recipient.
// It fails if there are two.
func (s *Server) Await(t testing.TB, subject, to string) *Letter {
	t.Helper()
	var found []*Letter
	daemontest.Await(t, "a message "+subject+" for "+to+" is stored", func() bool {
		found = s.Find(t, subject, to)
		return len(found) > 0
	})
	if len(found) > 1 {
		t.Errorf("%d messages %s are stored for %s", len(found), subject, to)
	}
	return found[0]
}

// Find gives the messages in the mailbox with a subject for a recipient.
func (s *Server) Find(t testing.TB, subject, to string) (found []*Letter) {
	t.Helper()
	for _, l := range s.Letters(t) {
		if l.To == to && l.Subject() == subject {
			found = append(found, l)
		}
	}
	return found
}

// Letters gives all that is in the mailbox.
func (s *Server) Letters(t testing.TB) (all []*Letter) {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join(s.folder, "mail/box/new/*"))
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range paths {
		if s.seen[path] == nil {
			s.seen[path] = parse(t, path)
		}
		all = append(all, s.seen[path])
	}
	return all
}

// parse reads what Postfix's virtual(8) has written: the message, with the
// envelope in fields before it.
func parse(t testing.TB, path string) *Letter {
	t.Helper()
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	entity, err := message.Read(bytes.NewReader(raw))
	if err != nil {
		t.Fatalf("%v\n%s", err, raw)
	}
	l := &Letter{
		Raw: raw, Header: entity.Header, To: entity.Header.Get("X-Original-To"), From: strings.Trim(entity.Header.Get("Return-Path"), "<>"),
		Texts: make(map[string]string), Files: make(map[string][]byte),
	}
	err = entity.Walk(func(_ []int, part *message.Entity, err error) error {
		if err != nil {
			return err
		}
		kind, _, err := part.Header.ContentType()
		if err != nil || strings.HasPrefix(kind, "multipart/") {
			return err
		}
		content, err := io.ReadAll(part.Body)
		if err != nil {
			return err
		}
		if _, params, _ := part.Header.ContentDisposition(); params["filename"] != "" {
			l.Files[params["filename"]] = content
			return nil
		}
		l.Texts[kind] += string(content)
		return nil
	})
	if err != nil {
		t.Fatalf("%v\n%s", err, raw)
	}
	return l
}

// Addresses gives the addresses of a field.
func (l *Letter) Addresses(t testing.TB, name string) []*mail.Address {
	t.Helper()
	list, err := mail.ParseAddressList(l.Header.Get(name))
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return list
}
