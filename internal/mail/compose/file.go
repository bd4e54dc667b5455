package compose

import (
	"io"
	"maps"
	"mime"
	"net/textproto"
	"path/filepath"
	"slices"

	gomail "github.com/wneessen/go-mail"

	"github.com/postilion-mail/postilion/internal/mail"
)

// file is an attachment for go-mail, with its header complete, because go-mail
// writes content types and names without looking at them.
//
// go-mail calls Writer when everything before the file has gone to out, and
// would collect what it writes. So it writes to out itself and nothing to
// go-mail.
func file(a *mail.Attachment, out *buffer) *gomail.File {
	header := textproto.MIMEHeader{}
	header.Set("Content-Type", contentType(a))
	header.Set("Content-Transfer-Encoding", "base64")
	disposition := "attachment"
	if a.Inline || a.ContentID != "" {
		disposition = "inline"
	}
	if a.Filename != "" {
		disposition = string(mail.AppendParam([]byte(disposition), "filename", a.Filename))
	}
	header.Set("Content-Disposition", disposition)
	if a.ContentID != "" {
		header.Set("Content-ID", bracketed(a.ContentID))
	}
	return &gomail.File{
		Name:   a.Filename,
		Header: header,
		Writer: func(io.Writer) (int64, error) {
			out.b = mail.AppendBase64(out.b, a.Content)
			return 0, nil
		},
	}
}

// contentType is the type that was given, or what the name's ending says, with
// the name besides: many readers look for it there.
func contentType(a *mail.Attachment) string {
	given := a.ContentType
	if given == "" {
		given = mime.TypeByExtension(filepath.Ext(a.Filename))
	}
	mediaType, params, err := mime.ParseMediaType(given)
	if err != nil {
		mediaType, params = "application/octet-stream", nil
	}
	if params["name"] == "" && a.Filename != "" {
		if params == nil {
			params = map[string]string{}
		}
		params["name"] = a.Filename
	}
	out := []byte(mediaType)
	for _, key := range slices.Sorted(maps.Keys(params)) {
		out = mail.AppendParam(out, key, params[key])
	}
	return string(out)
}

func bracketed(id string) string { return "<" + mail.Bare(id) + ">" }
