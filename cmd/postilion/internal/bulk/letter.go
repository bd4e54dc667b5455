package bulk

import (
	"errors"
	html "html/template"
	"io"
	"slices"
	"strings"
	text "text/template"
	"unicode"

	postilionv1 "github.com/postilion-mail/postilion/proto/gen/postilion/v1"
)

// letter is a message with templates in it. It writes one row at a time.
type letter struct {
	base    *postilionv1.StructuredMessage
	columns []string
	fields  []field
	row     map[string]string
}

// field is a text of the message that is a template.
type field struct {
	name     string
	template interface{ Execute(io.Writer, any) error }
	set      func(*postilionv1.StructuredMessage, string)
}

// newLetter reads the templates. {{name}} and {{.name}} both stand for the
// column "name"; one whose name is not a word is {{index . "First name"}}.
func newLetter(base *postilionv1.StructuredMessage, columns []string) (*letter, error) {
	if base == nil {
		base = &postilionv1.StructuredMessage{}
	}
	l := &letter{base: base, columns: columns, row: map[string]string{}}
	functions := l.functions()
	plain := func(name, source string, set func(*postilionv1.StructuredMessage, string)) error {
		if source == "" {
			return nil
		}
		t, err := text.New(name).Option("missingkey=error").Funcs(functions).Parse(source)
		if err != nil {
			return usage("%s; the columns are %s", trimTemplate(err), strings.Join(columns, ", "))
		}
		l.fields = append(l.fields, field{name, t, set})
		return nil
	}
	err := errors.Join(
		plain("subject", base.GetSubject(), func(m *postilionv1.StructuredMessage, s string) { m.Subject = s }),
		plain("text", base.GetText(), func(m *postilionv1.StructuredMessage, s string) { m.Text = s }),
	)
	for i, header := range base.GetHeaders() {
		err = errors.Join(err, plain("header "+header.GetName(), header.GetValue(), func(m *postilionv1.StructuredMessage, s string) { m.Headers[i].Value = s }))
	}
	if err != nil {
		return nil, err
	}
	if base.GetHtml() != "" {
		t, err := html.New("html").Option("missingkey=error").Funcs(functions).Parse(base.GetHtml())
		if err != nil {
			return nil, usage("%s; the columns are %s", trimTemplate(err), strings.Join(columns, ", "))
		}
		l.fields = append(l.fields, field{"html", t, func(m *postilionv1.StructuredMessage, s string) { m.Html = s }})
	}
	return l, nil
}

// functions gives a function for each column whose name is a word that the
// templates do not have already.
func (l *letter) functions() map[string]any {
	taken := []string{"and", "or", "not", "len", "index", "slice", "print", "printf", "println", "html", "js", "urlquery", "call",
		"eq", "ne", "lt", "le", "gt", "ge", "if", "else", "end", "range", "with", "define", "template", "block", "break", "continue", "nil", "true", "false"}
	functions := map[string]any{}
	for _, column := range l.columns {
		if isWord(column) && !slices.Contains(taken, column) {
			functions[column] = func() string { return l.row[column] }
		}
	}
	return functions
}

func isWord(s string) bool {
	for i, r := range s {
		if r != '_' && !unicode.IsLetter(r) && (i == 0 || !unicode.IsDigit(r)) {
			return false
		}
	}
	return s != ""
}

// write makes the message of a row.
func (l *letter) write(row []string) (*postilionv1.SendRequest, error) {
	m := copyOf(l.base)
	name := ""
	for i, column := range l.columns {
		l.row[column] = row[i]
		address(m, column, row[i])
		switch strings.ToLower(column) {
		case columnName:
			name = strings.TrimSpace(row[i])
		case columnSubject:
			if l.base.GetSubject() == "" {
				m.Subject = row[i]
			}
		}
	}
	if len(m.GetTo()) == 0 {
		return nil, errors.New(`the column "to" is empty`)
	}
	if m.To[0].Name == "" {
		m.To[0].Name = name
	}
	for _, f := range l.fields {
		var out strings.Builder
		if err := f.template.Execute(&out, l.row); err != nil {
			return nil, errors.New(trimTemplate(err))
		}
		f.set(m, out.String())
	}
	return request(m), nil
}

// trimTemplate cuts the template packages' own prefix from their errors.
func trimTemplate(err error) string {
	return strings.TrimPrefix(strings.TrimPrefix(err.Error(), "html/"), "template: ")
}
