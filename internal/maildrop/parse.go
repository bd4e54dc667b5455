package maildrop

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Parse reads a drop. It refuses one that is truncated, damaged or of another
// version; it does not judge the addresses and the content, which is the work
// of whoever accepts the message. The drop refers to data.
func Parse(data []byte) (*Drop, error) {
	if !bytes.HasPrefix(data, []byte(magic+"\n")) {
		return nil, fmt.Errorf("does not begin with the line %q", magic)
	}
	end := bytes.Index(data[:min(len(data), maxHead)], []byte("\n\n"))
	if end < 0 {
		return nil, errors.New("its header has no end, or is too long")
	}
	p := parser{drop: &Drop{Content: data[end+2:]}, data: data}
	if err := p.header(end + 1); err != nil {
		return nil, err
	}
	return p.drop, p.finish()
}

type parser struct {
	drop   *Drop
	data   []byte
	length int
	sum    []byte
	signed int // length of what the checksum covers in the header
	seen   map[string]bool
}

// header reads the lines of data[:end] after the first.
func (p *parser) header(end int) error {
	p.seen = make(map[string]bool)
	for at := len(magic) + 1; at < end; {
		n := bytes.IndexByte(p.data[at:end], '\n')
		line := string(p.data[at : at+n])
		name, value, ok := strings.Cut(line, ": ")
		if !ok || value == "" || strings.ContainsAny(line, "\r\x00") {
			return fmt.Errorf("its header has the line %.100q", line)
		}
		if p.seen[name] && name != "to" {
			return fmt.Errorf("its header has %q twice", name)
		}
		if p.sum != nil && name != "proof" {
			return fmt.Errorf("its header has %q after the checksum", name)
		}
		p.seen[name] = true
		if name == "sha256" {
			p.signed = at
		}
		if err := p.field(name, value); err != nil {
			return fmt.Errorf("its header has the wrong line %.100q: %w", line, err)
		}
		at += n + 1
	}
	return nil
}

func (p *parser) field(name, value string) (err error) {
	d := p.drop
	switch name {
	case "key":
		d.Key = value
	case "created":
		var seconds int64
		seconds, err = strconv.ParseInt(value, 10, 64)
		d.Created = time.Unix(seconds, 0)
	case "form":
		if value != formRequest {
			return errors.New("the form is not known")
		}
		d.Request = true
	case "from":
		from, ok := unwrap(value)
		if !ok {
			return errors.New("no angle brackets")
		}
		d.From = &from
	case "to":
		if len(d.Recipients) == maxRecipients {
			return fmt.Errorf("there are more than %d recipients", maxRecipients)
		}
		d.Recipients = append(d.Recipients, value)
	case "notify":
		d.Notify = value
	case "return":
		d.Return = value
	case "envelope-id":
		d.EnvelopeID = value
	case "author":
		d.Author = value
	case "notify-sender":
		d.NotifySender = value == "yes"
	case "length":
		p.length, err = strconv.Atoi(value)
	case "sha256":
		p.sum, err = hex.DecodeString(value)
	case "proof":
		d.proof, err = hex.DecodeString(value)
	default:
		err = errors.New("the name is not known")
	}
	return err
}

func unwrap(s string) (string, bool) {
	if len(s) < 2 || s[0] != '<' || s[len(s)-1] != '>' {
		return "", false
	}
	return s[1 : len(s)-1], true
}

// finish compares what was read with what was promised.
func (p *parser) finish() error {
	d := p.drop
	for _, name := range []string{"key", "created", "length", "sha256"} {
		if !p.seen[name] {
			return fmt.Errorf("its header lacks %q", name)
		}
	}
	if p.length != len(d.Content) {
		return fmt.Errorf("its content has %d octets instead of %d", len(d.Content), p.length)
	}
	d.digest = checksum(p.data[:p.signed], d.Content)
	if len(p.sum) != sha256.Size || !bytes.Equal(p.sum, d.digest[:]) {
		return errors.New("its checksum does not match")
	}
	return d.check()
}
