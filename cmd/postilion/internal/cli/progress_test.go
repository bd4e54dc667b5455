package cli

import (
	"bytes"
	"testing"
	"time"
)

func TestProgress(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		width int
		want  string
	}{
		"a terminal": {60, "\r\x1b[K[============            ]  50 %  20 accepted, 1 bad, 2 a …" + "\r\x1b[Kline 3: bad\n"},
		"a file":     {0, "20 accepted, 1 bad, 2 a second, 50 % read\nline 3: bad\n"},
	} {
		var out bytes.Buffer
		now := testTime
		p := newProgress(&app{Process: Process{Err: &out, Now: func() time.Time { return now }}}, 200)
		p.width = test.width
		p.show(50, 10, 0) // too soon
		now = now.Add(10 * time.Second)
		p.show(100, 20, 1)
		p.show(100, 20, 1) // too soon
		p.line("line %d: bad", 3)
		p.end()
		if got := out.String(); got != test.want {
			t.Errorf("%s:\n%q\n%q", name, got, test.want)
		}
	}
}
