package bulk

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"iter"
	"strings"

	"google.golang.org/protobuf/encoding/protojson"

	postilionv1 "github.com/postilion-mail/postilion/proto/gen/postilion/v1"
)

// maxLine bounds a line: the largest content that a daemon can be made to
// take, in base64, with room for the rest.
const maxLine = 80 << 20

// lines reads a SendRequest from each line that is not blank. Unknown fields
// are errors: a misspelt "sendAt" must not send now.
func lines(in io.Reader, base *postilionv1.SendRequest) iter.Seq2[Item, error] {
	return func(yield func(Item, error) bool) {
		reader := bufio.NewReaderSize(in, 64<<10)
		item := Item{}
		for {
			line, n, err := readLine(reader, maxLine)
			if n == 0 && errors.Is(err, io.EOF) {
				return
			}
			item = Item{Line: item.Line + 1, Read: item.Read + n}
			if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, errLong) {
				yield(item, err)
				return
			}
			if item.Line == 1 {
				line = bytes.TrimPrefix(line, []byte("\xef\xbb\xbf"))
			}
			switch line = bytes.TrimSpace(line); {
			case errors.Is(err, errLong):
				item.Err = err
			case len(line) == 0:
				continue
			default:
				item.Request, item.Err = fromJSON(line, base)
			}
			if !yield(item, nil) {
				return
			}
		}
	}
}

func fromJSON(line []byte, base *postilionv1.SendRequest) (*postilionv1.SendRequest, error) {
	request := &postilionv1.SendRequest{}
	if err := protojson.Unmarshal(line, request); err != nil {
		// protojson varies its blanks on purpose.
		text := strings.TrimPrefix(strings.ReplaceAll(err.Error(), "\u00a0", " "), "proto: ")
		return nil, errors.New(text)
	}
	merge(request, base)
	return request, nil
}

var errLong = fmt.Errorf("the line is longer than %d MiB", maxLine>>20)

// readLine gives a line with its end, and how many octets it has. Of one that
// is longer than most it gives nothing but errLong.
func readLine(r *bufio.Reader, most int) (line []byte, n int64, err error) {
	for {
		part, err := r.ReadSlice('\n')
		n += int64(len(part))
		if n <= int64(most) {
			line = append(line, part...)
		}
		switch {
		case errors.Is(err, bufio.ErrBufferFull):
			continue
		case n > int64(most) && (err == nil || errors.Is(err, io.EOF)):
			return nil, n, errLong
		}
		return line, n, err
	}
}
