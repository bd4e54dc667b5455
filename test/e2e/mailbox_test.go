package e2e

import (
	"bytes"
	"errors"
	"io"
	"net"
	"net/mail"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/emersion/go-message"
	_ "github.com/emersion/go-message/charset" // what the scripts write is UTF-8, but it says so in several ways
)

// stored is a message in a mailbox, for one recipient.
type stored struct {
	raw    []byte
	header message.Header
	from   string // envelope sender
	to     string // envelope recipient
	texts  map[string]string
	files  map[string][]byte
}

// subject is the field as a reader shows it.
func (s *stored) subject() string { return s.field("Subject") }

func (s *stored) field(name string) string {
	text, err := s.header.Text(name)
	if err != nil {
		return err.Error()
	}
	return text
}

// await waits until the mailbox holds a message with a subject for a recipient.
// It fails if there are two.
func (p *postfix) await(t testing.TB, subject, to string) *stored {
	t.Helper()
	var found []*stored
	await(t, "a message "+subject+" for "+to+" is stored", func() bool {
		found = p.find(t, subject, to)
		return len(found) > 0
	})
	if len(found) > 1 {
		t.Errorf("%d messages %s are stored for %s", len(found), subject, to)
	}
	return found[0]
}

// find gives the messages in the mailbox with a subject for a recipient.
func (p *postfix) find(t testing.TB, subject, to string) (found []*stored) {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join(p.Folder, "mail/box/new/*"))
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range paths {
		if p.seen[path] == nil {
			p.seen[path] = parseStored(t, path)
		}
		if s := p.seen[path]; s.to == to && s.subject() == subject {
			found = append(found, s)
		}
	}
	return found
}

// parseStored reads what Postfix's virtual(8) has written: the message, with
// the envelope in fields before it.
func parseStored(t testing.TB, path string) *stored {
	t.Helper()
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	entity, err := message.Read(bytes.NewReader(raw))
	if err != nil {
		t.Fatalf("%v\n%s", err, raw)
	}
	s := &stored{
		raw: raw, header: entity.Header, to: entity.Header.Get("X-Original-To"), from: strings.Trim(entity.Header.Get("Return-Path"), "<>"),
		texts: make(map[string]string), files: make(map[string][]byte),
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
			s.files[params["filename"]] = content
			return nil
		}
		s.texts[kind] += string(content)
		return nil
	})
	if err != nil {
		t.Fatalf("%v\n%s", err, raw)
	}
	return s
}

// addresses gives the addresses of a field.
func (s *stored) addresses(t testing.TB, name string) []*mail.Address {
	t.Helper()
	list, err := mail.ParseAddressList(s.header.Get(name))
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return list
}

// listens tells whether somebody accepts connections at an address.
func listens(address string) bool {
	conn, err := net.DialTimeout("tcp", address, time.Second)
	if err != nil {
		return false
	}
	defer conn.Close()
	greeting := make([]byte, 3)
	if err := conn.SetDeadline(time.Now().Add(patience)); err != nil {
		return false
	}
	_, err = io.ReadFull(conn, greeting)
	_, errQuit := io.WriteString(conn, "QUIT\r\n")
	_, errEnd := io.Copy(io.Discard, conn)
	return errors.Join(err, errQuit, errEnd) == nil && string(greeting) == "220"
}
