package domaincheck

import (
	"fmt"
	"slices"
	"strings"
)

// tags are a list of "name=value" between semicolons: the form of DKIM (RFC
// 6376 section 3.2), DMARC, MTA-STS, TLS-RPT and BIMI records.
type tags []struct{ name, value string }

// parseTags takes a record apart. The error says what is wrong, for people.
func parseTags(record string) (tags, error) {
	var list tags
	for part := range strings.SplitSeq(record, ";") {
		if part = strings.TrimSpace(part); part == "" {
			continue
		}
		name, value, found := strings.Cut(part, "=")
		name = strings.ToLower(strings.TrimSpace(name))
		switch {
		case !found:
			return nil, fmt.Errorf("%q is no name=value", part)
		case name == "" || strings.Trim(name, "abcdefghijklmnopqrstuvwxyz0123456789_") != "":
			return nil, fmt.Errorf("%q is no name of a tag", name)
		case list.has(name):
			return nil, fmt.Errorf("%q is there twice", name)
		}
		list = append(list, struct{ name, value string }{name, strings.TrimSpace(value)})
	}
	return list, nil
}

func (t tags) get(name string) string {
	for _, tag := range t {
		if tag.name == name {
			return tag.value
		}
	}
	return ""
}

func (t tags) has(name string) bool {
	return slices.ContainsFunc(t, func(tag struct{ name, value string }) bool { return tag.name == name })
}

// versioned gives the records that begin with a version such as "v=DMARC1".
// Others at the same name are none of a receiver's business.
func versioned(records []string, version string) []string {
	var ours []string
	for _, record := range records {
		begin, _, _ := strings.Cut(record, ";")
		begin = strings.Join(strings.Fields(begin), "")
		if strings.EqualFold(begin, "v="+version) {
			ours = append(ours, record)
		}
	}
	return ours
}
