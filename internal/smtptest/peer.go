package smtptest

import (
	"bytes"
	"io"
	"strconv"
	"strings"
)

// run holds the dialogue until it is over.
func (p *Peer) run() {
	if p.server.script.Implicit && !p.handshake() {
		return
	}
	if !p.event("CONNECT", Reply(p.server.script.Greeting)) {
		return
	}
	for {
		line, err := p.line()
		if err != nil || !p.command(line) {
			return
		}
	}
}

// command answers one command.
func (p *Peer) command(line string) bool {
	verb, _, _ := strings.Cut(strings.ToUpper(line), " ")
	switch verb {
	case "EHLO":
		return p.event(line, Reply(p.hello()...))
	case "STARTTLS":
		return p.event(line, Reply("220 2.0.0 Go ahead")) && (p.code != 220 || p.handshake())
	case "AUTH":
		return p.auth(line)
	case "MAIL":
		ok := p.event(line, Reply("250 2.1.0 Sender ok"))
		p.mail, p.accepted = p.code/100 == 2, 0
		return ok
	case "RCPT":
		polite := Reply("250 2.1.5 Recipient ok")
		if !p.mail {
			polite = Reply("503 5.5.1 Need MAIL first")
		}
		ok := p.event(line, polite)
		if p.code/100 == 2 {
			p.accepted++
		}
		return ok
	case "DATA":
		polite := Reply("354 Go ahead")
		if p.accepted == 0 {
			polite = Reply("503 5.5.1 Need recipients first")
		}
		return p.event(line, polite) && (p.code != 354 || p.data())
	case "BDAT":
		return p.bdat(line)
	case "RSET":
		p.mail, p.accepted, p.content = false, 0, nil
		return p.event(line, Reply("250 2.0.0 Reset"))
	case "QUIT":
		return p.event(line, Then(Reply("221 2.0.0 Bye"), Close()))
	}
	return p.event(line, Reply("250 2.0.0 Ok"))
}

func (p *Peer) hello() []string {
	lines := []string{"scripted.example"}
	if p.secure {
		lines = append(lines, p.server.script.SecureCapabilities...)
	} else {
		lines = append(lines, p.server.script.Capabilities...)
	}
	for i := range lines {
		separator := "-"
		if i == len(lines)-1 {
			separator = " "
		}
		lines[i] = "250" + separator + lines[i]
	}
	return lines
}

// auth takes whatever the client says for right.
func (p *Peer) auth(line string) bool {
	polite := Reply("235 2.7.0 Welcome")
	if len(strings.Fields(line)) == 2 {
		polite = Reply("334 ")
	}
	if !p.event(line, polite) {
		return false
	}
	for p.code == 334 {
		if _, err := p.line(); err != nil || !p.event("RESPONSE", polite) {
			return false
		}
		polite = Reply("235 2.7.0 Welcome")
	}
	return true
}

// data reads up to the lone dot.
func (p *Peer) data() bool {
	if !p.event("BODY", func(*Peer) bool { return true }) {
		return false
	}
	var content bytes.Buffer
	for {
		line, err := p.in.ReadBytes('\n')
		if err != nil {
			return false
		}
		if string(line) == ".\r\n" {
			break
		}
		content.Write(bytes.TrimPrefix(line, []byte(".")))
	}
	p.content = content.Bytes()
	return p.final()
}

// bdat reads one chunk, which follows the command even if it is refused.
func (p *Peer) bdat(line string) bool {
	fields := strings.Fields(line)
	last := len(fields) == 3 && strings.EqualFold(fields[2], "LAST")
	size := 0
	if len(fields) > 1 {
		size, _ = strconv.Atoi(fields[1])
	}
	if size > 0 && !p.event("BODY", func(*Peer) bool { return true }) {
		return false
	}
	chunk := make([]byte, size)
	if _, err := io.ReadFull(p.in, chunk); err != nil {
		return false
	}
	if p.accepted == 0 {
		return p.event(line, Reply("503 5.5.1 Need recipients first"))
	}
	p.content = append(p.content, chunk...)
	p.code = 0
	polite := Reply("250 2.0.0 Continue")
	if last {
		polite = func(*Peer) bool { return true }
	}
	if !p.event(line, polite) {
		return false
	}
	if p.code >= 400 { // a rule has refused the chunk
		p.content = nil
		return true
	}
	return !last || p.final()
}

// final answers the complete content.
func (p *Peer) final() bool {
	content, counts := string(p.content), p.accepted > 0
	p.mail, p.accepted, p.content = false, 0, nil
	if counts {
		p.offered = &content
		defer func() { p.offered = nil }()
	}
	return p.event("CONTENT", func(p *Peer) bool {
		if !counts {
			return Reply("554 5.5.1 No valid recipients")(p)
		}
		return Reply("250 2.0.0 Queued")(p)
	})
}
