package bulk

import (
	"iter"
	"os"
	"path/filepath"
	"strings"

	"google.golang.org/protobuf/proto"

	postilionv1 "github.com/postilion-mail/postilion/proto/gen/postilion/v1"
)

// openFolder takes the files *.eml of a directory, by name.
func openFolder(o Options) (*Source, error) {
	entries, err := os.ReadDir(o.Path)
	if err != nil {
		return nil, err
	}
	var names []string
	for _, entry := range entries {
		if strings.EqualFold(filepath.Ext(entry.Name()), ".eml") && !entry.IsDir() {
			names = append(names, entry.Name())
		}
	}
	return &Source{Format: Folder, Total: int64(len(names)), Items: messages(o.Path, names, o.Base)}, nil
}

// messages reads one file after the other. One that cannot be read is a bad
// item, not the end.
func messages(dir string, names []string, base *postilionv1.SendRequest) iter.Seq2[Item, error] {
	return func(yield func(Item, error) bool) {
		for i, name := range names {
			item := Item{File: name, Read: int64(i + 1)}
			content, err := os.ReadFile(filepath.Join(dir, name))
			if err != nil {
				item.Err = err
			} else {
				raw := &postilionv1.RawMessage{Content: content}
				if given := base.GetRaw().GetEnvelope(); given != nil {
					raw.Envelope = proto.CloneOf(given)
				}
				item.Request = &postilionv1.SendRequest{Content: &postilionv1.SendRequest_Raw{Raw: raw}}
				merge(item.Request, base)
			}
			if !yield(item, nil) {
				return
			}
		}
	}
}
