package mail

import "bytes"

// Recipients reads the recipients from the header of a raw message, for
// `sendmail -t` and for requests without an envelope: Resent-To, Resent-Cc and
// Resent-Bcc if there is any of them, else To, Cc and Bcc. Names without a
// domain get the given one. A list that cannot be read is an error whose Field
// is "raw.content.to[n]", "raw.content.cc[n]" or "raw.content.bcc[n]": none of several recipients must
// be lost silently.
func Recipients(raw []byte, domain string) (to, cc, bcc []Address, err error) {
	data := withoutPrefix(canonicalLines(headerPart(raw)))
	h := scanHeader(data)
	prefix := ""
	for _, f := range h.fields {
		if f.is("Resent-To") || f.is("Resent-Cc") || f.is("Resent-Bcc") {
			prefix = "Resent-"
		}
	}
	for _, f := range h.fields {
		var list *[]Address
		var where string
		switch {
		case f.is(prefix + "To"):
			list, where = &to, "raw.content.to"
		case f.is(prefix + "Cc"):
			list, where = &cc, "raw.content.cc"
		case f.is(prefix + "Bcc"):
			list, where = &bcc, "raw.content.bcc"
		default:
			continue
		}
		more, err := parseAddresses(spaced(toUTF8(f.value())), where, domain)
		if err != nil {
			return nil, nil, nil, err
		}
		*list = append(*list, more...)
	}
	return to, cc, bcc, nil
}

// headerPart cuts raw off behind the first empty line, however its lines end,
// so that big bodies are not gone through.
func headerPart(raw []byte) []byte {
	for end := 0; ; {
		i := bytes.IndexByte(raw[end:], '\n')
		if i < 0 {
			return raw
		}
		line := raw[end : end+i]
		end += i + 1
		if len(bytes.Trim(line, "\r\x00")) == 0 {
			return raw[:end]
		}
	}
}
