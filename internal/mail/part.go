package mail

import (
	"bytes"
	"strings"
)

// part is a message or a part of one, leniently read.
type part struct {
	header     header
	body       []byte
	mediaType  string // lower case, empty if there is none
	encoding   string // Content-Transfer-Encoding in lower case
	delimiters []delimiter
}

// delimiter is a boundary line in a body.
type delimiter struct {
	start, end int // with its line end
	closing    bool
}

func readPart(b []byte, defaultType string) part {
	h := scanHeader(b)
	p := part{header: h, body: b[h.body:], mediaType: defaultType}
	if v, ok := h.get("Content-Type"); ok {
		var params []param
		p.mediaType, params = parseParams(v)
		boundary := getParam(params, "boundary")
		if strings.HasPrefix(p.mediaType, "multipart/") && boundary != "" && len(boundary) <= maxBoundary {
			p.delimiters = findDelimiters(p.body, boundary)
		}
	}
	v, _ := h.get("Content-Transfer-Encoding")
	p.encoding = strings.ToLower(strings.TrimSpace(withoutComment(v)))
	return p
}

// isMessage reports whether the body is a message with parts of its own.
func (p *part) isMessage() bool {
	return (p.mediaType == "message/rfc822" || p.mediaType == "message/global") &&
		p.encoding != "base64" && p.encoding != "quoted-printable"
}

// findDelimiters finds the lines that consist of the boundary between two
// hyphens before and, at the end, two after, up to the closing one. It stops
// at one more than the parts that are allowed.
func findDelimiters(body []byte, boundary string) []delimiter {
	dash := []byte("--" + boundary)
	var found []delimiter
	for at := 0; len(found) <= maxParts; {
		i := bytes.Index(body[at:], dash)
		if i < 0 {
			break
		}
		start := at + i
		at = start + len(dash)
		if start > 0 && body[start-1] != '\n' {
			continue
		}
		line, end := body[at:], len(body)
		if i := bytes.IndexByte(line, '\n'); i >= 0 {
			line, end = line[:i+1], at+i+1
		}
		rest, closing := bytes.CutPrefix(line, []byte("--"))
		if len(bytes.Trim(rest, " \t\r\n")) > 0 {
			continue
		}
		found = append(found, delimiter{start: start, end: end, closing: closing})
		if closing {
			break
		}
		at = end
	}
	return found
}

// between gives the content behind the i-th delimiter, and the line end that
// belongs to the next one.
func (p *part) between(i int) (content, lineEnd []byte) {
	end := len(p.body)
	if i+1 < len(p.delimiters) {
		end = p.delimiters[i+1].start
	}
	content = p.body[p.delimiters[i].end:end]
	if i+1 < len(p.delimiters) && bytes.HasSuffix(content, []byte("\r\n")) {
		return content[:len(content)-2], content[len(content)-2:]
	}
	return content, nil
}
