// Package bulk reads many messages out of files and hands them to the daemon:
// lines of JSON, tables with a template, folders of composed messages. It
// names each message by the place where it stands, and gives each a key, so
// that what was broken off can be run again without sending anything twice.
package bulk

import (
	"fmt"
	"io"
	"iter"
	"os"
	"path/filepath"
	"strings"

	"google.golang.org/protobuf/proto"

	postilionv1 "github.com/postilion-mail/postilion/proto/gen/postilion/v1"
)

// Item is one message of a file, or what is wrong with it.
type Item struct {
	Line    int    // where it begins, from 1; 0 in a folder
	File    string // its file's name in a folder
	Request *postilionv1.SendRequest
	Err     error // why there is no request
	Read    int64 // octets, or files, up to its end
}

// Place says where an item stands, for people.
func (i Item) Place() string {
	if i.File != "" {
		return i.File
	}
	return fmt.Sprintf("line %d", i.Line)
}

// Format is what a source looks like.
type Format string

// The formats.
const (
	Lines  Format = "jsonl" // each line a SendRequest in JSON
	Table  Format = "csv"   // columns for a template
	Folder Format = "eml"   // a directory of composed messages
)

// Options say what to read and what all messages have in common.
type Options struct {
	// Path is a file or directory; "-" is In.
	Path string
	In   io.Reader
	// Format is found from Path if empty.
	Format Format
	// Base has what holds for all messages where they say nothing else. For a
	// table its message is the template.
	Base *postilionv1.SendRequest
	// Run is part of the keys: the same messages with another one are sent
	// again.
	Run string
}

// Source is an open file or folder.
type Source struct {
	Format Format
	Total  int64 // octets, or files; 0 if unknown
	// Items gives the messages in their order, once. Its error ends it.
	Items iter.Seq2[Item, error]
	close func() error
}

// Close closes the file.
func (s *Source) Close() error {
	if s.close == nil {
		return nil
	}
	return s.close()
}

// Open opens what options name. An error of a template or of a table's first
// line is an *UsageError.
func Open(o Options) (*Source, error) {
	if o.Base == nil {
		o.Base = &postilionv1.SendRequest{}
	}
	source, err := open(o)
	if err != nil {
		return nil, err
	}
	source.Items = withKeys(source.Items, o.Run)
	return source, nil
}

// FormatOf gives the format of a path: the given one, or what its name says.
func FormatOf(path string, given Format) (Format, error) {
	if path == "-" {
		if given == "" {
			given = Lines
		}
		return given, nil
	}
	info, err := os.Stat(path)
	if err != nil {
		return "", err
	}
	switch extension := strings.ToLower(filepath.Ext(path)); {
	case given != "":
	case info.IsDir():
		given = Folder
	case extension == ".csv" || extension == ".tsv":
		given = Table
	default:
		given = Lines
	}
	if (given == Folder) != info.IsDir() {
		return "", usage("%s: messages as eml stand in a directory, the other formats in a file", path)
	}
	return given, nil
}

func open(o Options) (*Source, error) {
	format, err := FormatOf(o.Path, o.Format)
	if err != nil {
		return nil, err
	}
	source := &Source{Format: format}
	switch {
	case format == Folder && o.Path != "-":
		return openFolder(o)
	case o.Path == "-":
		return read(source, o.In, o)
	}
	file, err := os.Open(o.Path)
	if err != nil {
		return nil, err
	}
	if info, err := file.Stat(); err == nil && info.Mode().IsRegular() {
		source.Total = info.Size()
	}
	source.close = file.Close
	if source, err = read(source, file, o); err != nil {
		_ = file.Close()
	}
	return source, err
}

func read(source *Source, in io.Reader, o Options) (_ *Source, err error) {
	switch source.Format {
	case Lines:
		source.Items = lines(in, o.Base)
	case Table:
		source.Items, err = table(in, o.Base)
	default:
		return nil, usage("%q cannot be read from here; give a directory", source.Format)
	}
	return source, err
}

// UsageError is a mistake in what was asked for, not in a message.
type UsageError struct{ text string }

// Error says what is wrong and what to do.
func (e *UsageError) Error() string { return e.text }

func usage(format string, args ...any) error { return &UsageError{fmt.Sprintf(format, args...)} }

// merge puts what base has into a request that does not say.
func merge(request, base *postilionv1.SendRequest) {
	if request.Connection == "" {
		request.Connection = base.GetConnection()
	}
	if request.Priority == 0 {
		request.Priority = base.GetPriority()
	}
	if request.SendAt == nil {
		request.SendAt = base.GetSendAt()
	}
	if request.ExpiresAfter == nil {
		request.ExpiresAfter = base.GetExpiresAfter()
	}
	request.Tags = append(request.Tags, base.GetTags()...)
	for name, value := range base.GetMetadata() {
		if _, has := request.Metadata[name]; !has {
			if request.Metadata == nil {
				request.Metadata = map[string]string{}
			}
			request.Metadata[name] = value
		}
	}
	request.Wait = nil // the answers of a batch do not wait for outcomes
}

// sizeOf is about what a request needs on its way.
func sizeOf(request *postilionv1.SendRequest) int64 { return int64(proto.Size(request)) }
