package fault

import (
	"strconv"
	"unicode/utf8"
)

// quote shows a caller's text safely: escaped, and not at any length.
func quote(s string) string {
	const most = 80
	if len(s) > most {
		cut := most
		for cut > 0 && !utf8.RuneStart(s[cut]) {
			cut--
		}
		s = s[:cut] + "…"
	}
	return strconv.Quote(s)
}
