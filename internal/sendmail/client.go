package sendmail

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"time"
)

// maxAnswer is the most octets of an answer that are read.
const maxAnswer = 16 << 20

// rejection is an error that the daemon answered, in the terms of the Connect
// protocol.
type rejection struct {
	code    string
	message string
	reason  string // of postilion.v1.ErrorDetail or google.rpc.ErrorInfo
}

func (r *rejection) Error() string { return r.message }

// client calls the daemon's JSON face: one HTTP/1.1 request a connection.
// net/http would take longer to start than the request itself.
type client struct {
	socket  string
	token   string
	timeout time.Duration
}

// post calls a method with a body of the given size and decodes the answer
// into out. An error that is no *rejection leaves open whether the daemon did
// what was asked.
func (c *client) post(method string, size int64, body func(io.Writer) error, out any) error {
	conn, err := net.DialTimeout("unix", c.socket, c.timeout)
	if err != nil {
		return err
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(c.timeout)); err != nil {
		return err
	}
	// A daemon that refuses early closes before it has read all, but what it
	// said can still be read.
	written := c.request(conn, method, size, body)
	status, answer, err := readAnswer(bufio.NewReader(conn))
	switch {
	case err != nil && written != nil:
		return written
	case err != nil:
		return err
	case status != 200:
		return readRejection(status, answer)
	case written != nil:
		return written
	}
	if err := json.Unmarshal(answer, out); err != nil {
		return fmt.Errorf("the daemon's answer is not JSON: %w", err)
	}
	return nil
}

func (c *client) request(conn io.Writer, method string, size int64, body func(io.Writer) error) error {
	w := bufio.NewWriterSize(conn, 32<<10) // a common message goes in one write
	fmt.Fprintf(w, "POST /postilion.v1.%s HTTP/1.1\r\nHost: localhost\r\nUser-Agent: postilion-sendmail\r\n"+
		"Content-Type: application/json\r\nConnect-Protocol-Version: 1\r\nConnection: close\r\nContent-Length: %d\r\n", method, size)
	if c.token != "" {
		fmt.Fprintf(w, "Authorization: Bearer %s\r\n", c.token)
	}
	w.WriteString("\r\n")
	if err := body(w); err != nil {
		return err
	}
	return w.Flush()
}

// readRejection reads the error of the Connect protocol. What is none comes
// from something that is not our daemon.
func readRejection(status int, answer []byte) error {
	var e struct {
		Code    string
		Message string
		Details []struct {
			Debug struct{ Reason string }
		}
	}
	if err := json.Unmarshal(answer, &e); err != nil || e.Code == "" {
		return fmt.Errorf("the daemon answered with HTTP status %d and no reason", status)
	}
	r := &rejection{code: e.Code, message: e.Message}
	for _, d := range e.Details {
		if r.reason == "" {
			r.reason = d.Debug.Reason
		}
	}
	if r.message == "" {
		r.message = "the daemon answered " + e.Code
	}
	return r
}

// readAnswer reads one HTTP/1.1 response (RFC 9112).
func readAnswer(r *bufio.Reader) (status int, body []byte, err error) {
	line, err := readLine(r)
	if err != nil {
		return 0, nil, err
	}
	proto, rest, _ := strings.Cut(line, " ")
	status, err = strconv.Atoi(rest[:min(3, len(rest))])
	if !strings.HasPrefix(proto, "HTTP/1.") || err != nil || status < 200 {
		return 0, nil, errors.New("the answer is not HTTP")
	}
	length, chunked := int64(-1), false
	for {
		if line, err = readLine(r); err != nil {
			return 0, nil, err
		}
		if line == "" {
			break
		}
		name, value, _ := strings.Cut(line, ":")
		value = strings.TrimSpace(value)
		switch strings.ToLower(name) {
		case "content-length":
			if length, err = strconv.ParseInt(value, 10, 64); err != nil || length < 0 {
				return 0, nil, errors.New("the answer has no proper length")
			}
		case "transfer-encoding":
			chunked = strings.EqualFold(value, "chunked")
		}
	}
	body, err = readBody(r, length, chunked)
	return status, body, err
}

func readBody(r *bufio.Reader, length int64, chunked bool) ([]byte, error) {
	var b bytes.Buffer
	switch {
	case chunked:
		err := readChunks(&b, r)
		return b.Bytes(), err
	case length > maxAnswer:
		return nil, errLong
	case length >= 0:
		_, err := io.CopyN(&b, r, length)
		return b.Bytes(), err
	}
	if n, err := io.CopyN(&b, r, maxAnswer+1); err != io.EOF {
		return nil, errors.Join(err, tooLong(n))
	}
	return b.Bytes(), nil
}

var errLong = errors.New("the answer is too long")

func tooLong(n int64) error {
	if n > maxAnswer {
		return errLong
	}
	return nil
}

// readChunks reads a chunked body and its trailer (RFC 9112 section 7.1).
func readChunks(b *bytes.Buffer, r *bufio.Reader) error {
	for {
		line, err := readLine(r)
		if err != nil {
			return err
		}
		line, _, _ = strings.Cut(line, ";")
		n, err := strconv.ParseInt(strings.TrimSpace(line), 16, 64)
		if err != nil || n < 0 {
			return errors.New("the answer has a chunk without size")
		}
		if int64(b.Len())+n > maxAnswer {
			return errLong
		}
		if n == 0 {
			for line = "-"; line != "" && err == nil; {
				line, err = readLine(r)
			}
			return err
		}
		if _, err := io.CopyN(b, r, n); err != nil {
			return err
		}
		if line, err := readLine(r); err != nil || line != "" {
			return errors.New("the answer has a chunk without end")
		}
	}
}

// readLine reads a line of at most the reader's buffer, without its end.
func readLine(r *bufio.Reader) (string, error) {
	line, err := r.ReadSlice('\n')
	if err == io.EOF {
		err = io.ErrUnexpectedEOF
	}
	return strings.TrimRight(string(line), "\r\n"), err
}
