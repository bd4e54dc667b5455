package bulk

import (
	"bufio"
	"bytes"
	"encoding/csv"
	"errors"
	"io"
	"iter"
	"net/mail"
	"slices"
	"strings"
	"unicode/utf8"

	"google.golang.org/protobuf/proto"

	postilionv1 "github.com/postilion-mail/postilion/proto/gen/postilion/v1"
	"github.com/postilion-mail/postilion/sdk"
)

// The columns that mean something beside the templates, without regard to
// case.
const (
	columnTo      = "to"
	columnName    = "name" // of the recipient
	columnCc      = "cc"
	columnBcc     = "bcc"
	columnReplyTo = "reply_to"
	columnFrom    = "from"
	columnSubject = "subject"
)

// table makes a message of each row: the base's, with its texts as templates
// over the row's columns, for the address in the column "to".
func table(in io.Reader, base *postilionv1.SendRequest) (iter.Seq2[Item, error], error) {
	buffered := bufio.NewReaderSize(in, 64<<10)
	rows := csv.NewReader(buffered)
	rows.Comma = separator(buffered)
	header, err := rows.Read()
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	columns, err := columnsOf(header)
	if err != nil {
		return nil, err
	}
	letter, err := newLetter(base.GetMessage(), columns)
	if err != nil {
		return nil, err
	}
	return func(yield func(Item, error) bool) {
		for {
			row, err := rows.Read()
			if errors.Is(err, io.EOF) {
				return
			}
			item, err := rowItem(rows, row, err)
			if err != nil {
				yield(item, err)
				return
			}
			if item.Err == nil && blank(row) {
				continue
			}
			if item.Err == nil {
				item.Request, item.Err = letter.write(row)
			}
			if item.Err == nil {
				merge(item.Request, base)
			}
			if !yield(item, nil) {
				return
			}
		}
	}, nil
}

// rowItem says where a row stands, and makes an item of a row that is none.
func rowItem(rows *csv.Reader, row []string, err error) (Item, error) {
	item := Item{Read: rows.InputOffset()}
	var bad *csv.ParseError
	if errors.As(err, &bad) {
		item.Line, item.Err = bad.StartLine, bad.Err
		return item, nil
	} else if err != nil {
		return item, err
	}
	item.Line, _ = rows.FieldPos(0)
	if slices.ContainsFunc(row, func(cell string) bool { return !utf8.ValidString(cell) }) {
		item.Err = errors.New("is not valid UTF-8; save the table as UTF-8")
	}
	return item, nil
}

// separator guesses what stands between columns from the first line: office
// programs of many countries write semicolons.
func separator(r *bufio.Reader) rune {
	if mark, err := r.Peek(3); err == nil && bytes.Equal(mark, []byte("\xef\xbb\xbf")) {
		_, _ = r.Discard(3)
	}
	start, _ := r.Peek(4096)
	first, _, _ := bytes.Cut(start, []byte("\n"))
	best, most := ',', bytes.Count(first, []byte(","))
	for _, other := range ";\t" {
		if n := bytes.Count(first, []byte(string(other))); n > most {
			best, most = other, n
		}
	}
	return best
}

func columnsOf(header []string) ([]string, error) {
	columns := make([]string, len(header))
	hasTo := false
	for i, name := range header {
		name = strings.TrimSpace(name)
		switch {
		case name == "":
			return nil, usage("the first line: column %d has no name", i+1)
		case slices.Contains(columns[:i], name):
			return nil, usage("the first line: the column %q occurs twice", name)
		}
		columns[i], hasTo = name, hasTo || strings.EqualFold(name, columnTo)
	}
	if !hasTo {
		return nil, usage(`the first line names the columns, and one of them must be "to", with the address of the recipient`)
	}
	return columns, nil
}

func blank(row []string) bool {
	return !slices.ContainsFunc(row, func(cell string) bool { return strings.TrimSpace(cell) != "" })
}

// address puts the columns that are addresses into a message.
func address(m *postilionv1.StructuredMessage, column, cell string) {
	if cell = strings.TrimSpace(cell); cell == "" {
		return
	}
	switch strings.ToLower(column) {
	case columnTo:
		m.To = []*postilionv1.Address{sdk.Address(cell)}
	case columnCc:
		m.Cc = append(m.Cc, addresses(cell)...)
	case columnBcc:
		m.Bcc = append(m.Bcc, addresses(cell)...)
	case columnReplyTo:
		m.ReplyTo = addresses(cell)
	case columnFrom:
		m.From = sdk.Address(cell)
	}
}

// addresses reads one address or several with commas between. What cannot be
// read goes on as it stands, for the daemon to refuse.
func addresses(cell string) []*postilionv1.Address {
	list, err := mail.ParseAddressList(cell)
	if err != nil {
		return []*postilionv1.Address{{Address: cell}}
	}
	out := make([]*postilionv1.Address, len(list))
	for i, one := range list {
		out[i] = &postilionv1.Address{Address: one.Address, Name: one.Name}
	}
	return out
}

// request wraps a message.
func request(m *postilionv1.StructuredMessage) *postilionv1.SendRequest {
	return &postilionv1.SendRequest{Content: &postilionv1.SendRequest_Message{Message: m}}
}

// copyOf copies a message but for the contents of its files, which all rows
// share.
func copyOf(base *postilionv1.StructuredMessage) *postilionv1.StructuredMessage {
	files := base.Attachments
	base.Attachments = nil
	m := proto.CloneOf(base)
	base.Attachments, m.Attachments = files, files
	return m
}
