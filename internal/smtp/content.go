package smtp

import (
	"bytes"
	"errors"
	"slices"
	"strconv"
	"time"

	"github.com/postilion-mail/postilion/plugin"
)

const (
	blockSize = 32 << 10 // of one write of content
	chunkSize = 1 << 20  // of one BDAT
)

// sendAtOnce sends envelope and content in one write (RFC 3030 with RFC 2920):
// one round trip for a message. BDAT's content is delivered to the recipients
// that were accepted; if all were refused the server refuses it.
func (t *transaction) sendAtOnce() error {
	t.queueMail()
	for _, i := range t.recipients {
		t.queueRecipient(i)
	}
	t.queueChunk(t.size, true)
	if err := t.load(0, int(t.size)); err != nil {
		t.s.out = t.s.out[:0]
		return err
	}
	if err := t.commit(); err != nil {
		t.s.out = t.s.out[:0] // nothing went out; the session is as before
		return err
	}
	if err := t.write(t.size, true); err != nil {
		return err
	}
	t.s.arm(plugin.PhaseMail)
	if err := t.readEnvelope(); err != nil {
		return err
	}
	return t.finish(true)
}

// sendChunks sends the envelope first, and then the content by BDAT.
func (t *transaction) sendChunks() error {
	// The first BDAT to a server is an empty one. If the server does not know
	// the command after all, it would take the content for commands, which
	// would let the author of a message speak SMTP in our name.
	probe := ""
	if !t.learned.chunks.Load() {
		probe = "BDAT 0"
	}
	sent, err := t.envelope(probe)
	if err != nil {
		return err
	}
	if probe != "" && !sent && len(t.accepted) > 0 {
		t.s.queue(probe)
		t.s.arm(plugin.PhaseData)
		if _, err := t.s.flush(plugin.PhaseData); err != nil {
			return err
		}
		sent = true
	}
	if sent {
		if refused, err := t.chunkReply(); err != nil || refused {
			return err
		}
	}
	if len(t.accepted) == 0 {
		return nil
	}
	return t.stream()
}

// stream sends the content in chunks. While one is on its way the reply to the
// one before may be so too, but all are read before the last is sent.
func (t *transaction) stream() error {
	waiting := 0
	for off := int64(0); ; {
		n := min(t.size-off, chunkSize)
		last := off+n == t.size
		for waiting > 0 && (last || waiting > 1 || !t.caps.pipelining) {
			waiting--
			if refused, err := t.chunkReply(); err != nil || refused {
				return t.drain(waiting, err)
			}
		}
		t.queueChunk(n, last)
		if err := t.pump(off, n, last, nil); err != nil {
			return t.lastWords(waiting, err)
		}
		if last {
			return t.finish(true)
		}
		off += n
		waiting++
	}
}

func (t *transaction) queueChunk(n int64, last bool) {
	end := ""
	if last {
		end = " LAST"
	}
	t.s.queue("BDAT ", strconv.FormatInt(n, 10), end)
}

// chunkReply reads the reply to a BDAT that is not the last.
func (t *transaction) chunkReply() (refused bool, err error) {
	t.s.arm(plugin.PhaseData)
	r, err := t.s.read(plugin.PhaseData)
	if err == nil {
		err = t.verdict(plugin.PhaseData, r)
	}
	switch {
	case err != nil:
		return false, err
	case len(t.accepted) == 0: // it had to be refused
		return true, nil
	case r.ok():
		t.learned.chunks.Store(true)
		return false, nil
	case unknownCommand(r):
		t.noChunking()
	case !t.learned.chunks.Load():
		// The server knows the command, and refuses an empty chunk: Postfix
		// answers "551 5.7.1 Null BDAT request". That is no verdict on the
		// message.
		t.learned.chunks.Store(true)
		t.again = true
	default:
		t.refuse(t.accepted, plugin.PhaseData, r)
	}
	return true, nil
}

// drain reads the replies that are still to come after a refusal.
func (t *transaction) drain(waiting int, err error) error {
	for ; err == nil && waiting > 0; waiting-- {
		t.s.arm(plugin.PhaseData)
		_, err = t.s.read(plugin.PhaseData)
	}
	return err
}

func unknownCommand(r reply) bool {
	return r.code == 500 || r.code == 501 || r.code == 502 || r.code == 504
}

// noChunking remembers that the server does not know BDAT although it said so.
// The message is sent again by DATA.
func (t *transaction) noChunking() {
	t.learned.lacks.Or(uint32(lacksChunking))
	t.again = true
}

// sendData sends envelope and content by DATA.
func (t *transaction) sendData() error {
	sent, err := t.envelope("DATA")
	if err != nil {
		return err
	}
	if !sent {
		if len(t.accepted) == 0 {
			return nil
		}
		t.s.queue("DATA")
		t.s.arm(plugin.PhaseData)
		if _, err := t.s.flush(plugin.PhaseData); err != nil {
			return err
		}
	}
	t.s.arm(plugin.PhaseData)
	r, err := t.s.read(plugin.PhaseData)
	switch {
	case err != nil:
		return err
	case r.code == 354 && len(t.accepted) == 0:
		return t.loneDot()
	case r.code == 354:
		return t.sendBody()
	case r.code == 421 || r.code/100 < 4:
		return t.s.refusal(plugin.PhaseData, r)
	}
	t.refuse(t.accepted, plugin.PhaseData, r)
	return nil
}

// loneDot ends the DATA of a server that wants content though it has refused
// all recipients (RFC 2920 section 3.1). Whatever it answers, no mail was sent.
func (t *transaction) loneDot() error {
	_, err := t.s.command(plugin.PhaseContent, ".")
	t.s.dirty = err != nil
	return err
}

func (t *transaction) sendBody() error {
	var end [2]byte
	tail := []byte("\r\n.\r\n")
	if t.size >= 2 {
		if err := readFull(t.content, end[:], t.size-2); err != nil {
			t.s.broken = true
			return err
		}
	}
	if t.size == 0 || end == [2]byte{'\r', '\n'} {
		tail = tail[2:]
	}
	if err := t.pump(0, t.size, true, tail); err != nil {
		return t.lastWords(0, err)
	}
	return t.finish(false)
}

// pump sends n octets of the content from off on, in blocks. With a tail the
// content is dot-stuffed (RFC 5321 section 4.5.2) and the tail put behind it.
// If these are the last octets, committing is called before the last write.
func (t *transaction) pump(off, n int64, last bool, tail []byte) error {
	previous := byte('\n')
	for first := true; n > 0 || first; first = false {
		size := min(n, blockSize)
		start := len(t.s.out)
		if err := t.load(off, int(size)); err != nil {
			t.s.broken = true // never end a message that is not whole
			return err
		}
		off, n = off+size, n-size
		if tail != nil && size > 0 {
			end := t.s.out[len(t.s.out)-1]
			t.s.out = stuff(t.s.out, start, previous)
			previous = end
		}
		if n == 0 && last {
			t.s.out = append(t.s.out, tail...)
			if err := t.commit(); err != nil {
				t.s.broken = true
				return err
			}
		}
		if err := t.write(size, n == 0 && last); err != nil {
			return err
		}
	}
	return nil
}

// load appends content to what the next write sends.
func (t *transaction) load(off int64, n int) error {
	if n == 0 {
		return nil
	}
	start := len(t.s.out)
	t.s.out = slices.Grow(t.s.out, n)[:start+n]
	return readFull(t.content, t.s.out[start:], off)
}

// stuff doubles the dots at the beginning of lines in b from start on; previous
// is the octet before. A CR alone counts as the end of a line too: content has
// none, but if one slipped in, nobody shall find the end of the message there.
func stuff(b []byte, start int, previous byte) []byte {
	leads := func(i int) bool { // whether the dot at i leads a line
		before := previous
		if i > start {
			before = b[i-1]
		}
		return before == '\n' || before == '\r'
	}
	more := 0
	for i := start; ; i++ {
		next := bytes.IndexByte(b[i:], '.')
		if next < 0 {
			break
		}
		if i += next; leads(i) {
			more++
		}
	}
	end := len(b)
	b = slices.Grow(b, more)[:end+more]
	for from, to := end-1, end+more-1; from < to; from, to = from-1, to-1 {
		b[to] = b[from]
		if b[from] == '.' && leads(from) {
			to--
			b[to] = '.'
		}
	}
	return b
}

// write sends what is queued, with size octets of content among it. Each write
// has its own deadline, and all together must keep to the minimum rate.
func (t *transaction) write(size int64, last bool) error {
	limit := t.s.timeouts.block
	if t.started.IsZero() {
		t.started = time.Now()
	}
	allowed := limit + time.Duration(t.sent/minimumRate)*time.Second - time.Since(t.started)
	t.s.armFor(min(limit, allowed))
	t.s.limit = limit
	whole := len(t.s.out)
	n, err := t.s.flush(plugin.PhaseData)
	t.handed = last && n == whole
	t.sent += size
	if t.s.trace != nil && err == nil {
		t.s.trace(Line{t.s.config.connection, true, "(" + strconv.FormatInt(size, 10) + " octets of content)"})
	}
	return err
}

// lastWords looks whether a server that broke off while we were sending has
// said why. It may come behind replies that were still to be read.
func (t *transaction) lastWords(waiting int, broken error) error {
	var fault *plugin.DeliveryError
	if !errors.As(broken, &fault) || t.handed || t.s.ctx.Err() != nil {
		return broken
	}
	t.s.armFor(time.Second)
	for range waiting + 1 {
		r, err := t.s.read(plugin.PhaseData)
		if err != nil {
			break
		}
		if r.code >= 400 {
			return t.s.refusal(plugin.PhaseData, r)
		}
	}
	return broken
}

// finish reads the reply that decides: only a complete positive one means that
// the server has taken the message.
func (t *transaction) finish(chunked bool) error {
	t.s.arm(plugin.PhaseContent)
	r, err := t.s.read(plugin.PhaseContent)
	switch {
	case err != nil:
		return err
	case len(t.accepted) == 0: // all had been refused, and so must this be
		return nil
	case r.code == 421 || r.code/100 == 3:
		return t.s.refusal(plugin.PhaseContent, r)
	case chunked && unknownCommand(r):
		t.s.broken = true // it has taken the content for commands
		t.noChunking()
		return nil
	}
	// A refused BDAT leaves the transaction in an uncertain state (RFC 3030
	// section 2); after DATA it is over in any case.
	t.s.dirty = chunked && !r.ok()
	t.refuse(t.accepted, plugin.PhaseContent, r)
	return nil
}
