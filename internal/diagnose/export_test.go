package diagnose

import "github.com/postilion-mail/postilion/plugin"

// Codes gives the codes of the table, in its order.
func Codes() []string {
	var all []string
	for _, family := range tables {
		for _, e := range family {
			all = append(all, e.code)
		}
	}
	return all
}

// Titles gives the causes as rows of a table.
func Titles() []string {
	s := newSubject(plugin.Outcome{}, Context{})
	var all []string
	for _, family := range tables {
		for _, e := range family {
			all = append(all, "| `"+e.code+"` | "+s.fill(e.title)+" |")
		}
	}
	return all
}
