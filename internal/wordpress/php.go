package wordpress

import (
	"bytes"
	"strings"
)

// kind is what a part of a PHP file is.
type kind uint8

const (
	kindText    kind = iota // outside of PHP
	kindCode                // one octet of code
	kindString              // a string or heredoc
	kindComment             // with its marks
)

// part is a piece of a PHP file.
type part struct {
	kind       kind
	start, end int
}

// scan takes a PHP file apart, as far as it takes to know what is code: it
// knows tags, comments, strings and heredocs (php.net/manual/language.basic-syntax).
// Something that has no end ends with the file.
func scan(source []byte) []part {
	var parts []part
	at := 0
	add := func(k kind, length int) {
		length = max(1, min(length, len(source)-at))
		parts = append(parts, part{k, at, at + length})
		at += length
	}
	inside := false
	for at < len(source) {
		rest := source[at:]
		switch {
		case !inside:
			length := opening(rest)
			inside = length >= 0
			if !inside {
				length = len(rest)
			}
			add(kindText, length)
		case bytes.HasPrefix(rest, []byte("?>")):
			inside = false
			add(kindText, 2)
		case rest[0] == '#' && !bytes.HasPrefix(rest, []byte("#[")), bytes.HasPrefix(rest, []byte("//")):
			add(kindComment, lineComment(rest))
		case bytes.HasPrefix(rest, []byte("/*")):
			add(kindComment, until(rest, 2, "*/"))
		case rest[0] == '\'' || rest[0] == '"' || rest[0] == '`':
			add(kindString, quoted(rest))
		case bytes.HasPrefix(rest, []byte("<<<")):
			if length := heredoc(rest); length > 0 {
				add(kindString, length)
			} else {
				add(kindCode, 3)
			}
		default:
			add(kindCode, 1)
		}
	}
	return parts
}

// opening gives the octets up to and with the next opening tag, -1 for none.
func opening(rest []byte) int {
	at := bytes.Index(rest, []byte("<?"))
	if at < 0 {
		return -1
	}
	at += 2
	for _, more := range []string{"php", "="} {
		if len(rest) >= at+len(more) && bytes.EqualFold(rest[at:at+len(more)], []byte(more)) {
			return at + len(more)
		}
	}
	return at
}

// lineComment ends with its line, or before a closing tag.
func lineComment(rest []byte) int {
	end := len(rest)
	if i := bytes.IndexByte(rest, '\n'); i >= 0 {
		end = i
	}
	if i := bytes.Index(rest[:end], []byte("?>")); i >= 0 {
		end = i
	}
	return end
}

func until(rest []byte, from int, mark string) int {
	if i := bytes.Index(rest[from:], []byte(mark)); i >= 0 {
		return from + i + len(mark)
	}
	return len(rest)
}

func quoted(rest []byte) int {
	for i := 1; i < len(rest); i++ {
		switch rest[i] {
		case '\\':
			i++
		case rest[0]:
			return i + 1
		}
	}
	return len(rest)
}

// heredoc gives the length of a heredoc or nowdoc, 0 for none.
func heredoc(rest []byte) int {
	line, _, _ := bytes.Cut(rest[3:], []byte("\n"))
	name := strings.Trim(strings.TrimRight(strings.TrimLeft(string(line), " \t"), "\r"), `'"`)
	if name == "" || strings.ContainsFunc(name, func(r rune) bool {
		return r != '_' && (r < '0' || r > '9') && (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && r < 0x80
	}) {
		return 0
	}
	at := 3 + len(line) + 1
	for at < len(rest) {
		end := len(rest)
		if i := bytes.IndexByte(rest[at:], '\n'); i >= 0 {
			end = at + i
		}
		text := strings.TrimLeft(string(rest[at:end]), " \t")
		if after, found := strings.CutPrefix(text, name); found && !startsWithWord(after) {
			return end - len(after)
		}
		at = end + 1
	}
	return len(rest)
}

func startsWithWord(s string) bool {
	return s != "" && (s[0] == '_' || s[0] >= '0' && s[0] <= '9' || s[0] >= 'a' && s[0] <= 'z' || s[0] >= 'A' && s[0] <= 'Z' || s[0] >= 0x80)
}
