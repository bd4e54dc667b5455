package bounce

import (
	"bytes"
	"context"
	"errors"
	"io"

	"github.com/postilion-mail/postilion/internal/outbox"
)

// maxHeader is how much of the original's header is returned.
const maxHeader = 64 << 10

// original reads what is returned of the message: all of it if RET=FULL was
// asked for, else its header. What is not there any more is left out.
func (w *Worker) original(ctx context.Context, r *report) error {
	n := r.notice
	if n.Type == outbox.NoticeRefused {
		r.original = header(n.Header)
		return nil
	}
	content, err := w.Store.Raw(ctx, "", n.Message)
	if err != nil {
		if ctx.Err() != nil || errors.Is(err, outbox.ErrUnavailable) {
			return err
		}
		w.Log.Warn("a sender is told without the header of the message", "message", n.Message, "error", err)
		return nil
	}
	defer content.Close()
	// A delay is told while the message is still under way.
	r.whole = n.Return == "FULL" && n.Type == outbox.NoticeFailed
	size := content.Size()
	if !r.whole {
		size = min(size, maxHeader+1)
	}
	b := make([]byte, size)
	if read, err := content.ReadAt(b, 0); err != nil && err != io.EOF {
		return err
	} else if b = b[:read]; !r.whole {
		b = header(b)
	}
	if r.whole && !isASCII(header(b)) {
		// As message/rfc822 it could not be sent on (RFC 6532 section 3.7).
		r.whole, b = false, header(b)
	}
	r.original = b
	return nil
}

// header gives the header of a message in whole lines that end in CRLF, up to
// maxHeader and without the empty line.
func header(b []byte) []byte {
	b = b[:min(len(b), maxHeader+1)]
	var out []byte
	for len(b) > 0 {
		line, rest, _ := bytes.Cut(b, []byte("\n"))
		line = bytes.TrimSuffix(line, []byte("\r"))
		if len(line) == 0 || len(out)+len(line)+2 > maxHeader {
			break
		}
		out = append(append(out, line...), "\r\n"...)
		b = rest
	}
	return out
}

func isASCII(b []byte) bool {
	for _, c := range b {
		if c > 0x7e {
			return false
		}
	}
	return true
}
