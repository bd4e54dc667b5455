package cli

import (
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"golang.org/x/term"
)

// How often progress is shown: as a bar on a terminal, and as lines elsewhere.
const (
	redrawEvery = 100 * time.Millisecond
	lineEvery   = 10 * time.Second
)

// progress tells on standard error how far a long work is.
type progress struct {
	out   io.Writer
	now   func() time.Time
	total int64 // 0 if unknown
	width int   // of the terminal; 0 if it is none
	began time.Time
	last  time.Time // when it was shown
	read  int64     // the furthest
	drawn bool      // a bar stands in the last line
}

func newProgress(a *app, total int64) *progress {
	p := &progress{out: a.Err, now: a.Now, total: total}
	p.began = p.now()
	p.last = p.began
	if file, ok := a.Err.(*os.File); ok && term.IsTerminal(int(file.Fd())) {
		if p.width, _, _ = term.GetSize(int(file.Fd())); p.width <= 0 {
			p.width = 80
		}
	}
	return p
}

// show tells how far it is, if it is time to.
func (p *progress) show(read int64, accepted, refused int) {
	p.read = max(p.read, read)
	every := lineEvery
	if p.width > 0 {
		every = redrawEvery
	}
	now := p.now()
	if now.Sub(p.last) < every {
		return
	}
	p.last = now
	text := fmt.Sprintf("%d accepted", accepted)
	if refused > 0 {
		text += fmt.Sprintf(", %d bad", refused)
	}
	if elapsed := now.Sub(p.began).Seconds(); elapsed > 0 {
		text += fmt.Sprintf(", %.0f a second", float64(accepted)/elapsed)
	}
	if p.width == 0 {
		if p.total > 0 {
			text += fmt.Sprintf(", %d %% read", 100*p.read/p.total)
		}
		fmt.Fprintln(p.out, text)
		return
	}
	fmt.Fprint(p.out, "\r\x1b[K"+cut(p.bar()+text, p.width-1))
	p.drawn = true
}

const barWidth = 24

func (p *progress) bar() string {
	if p.total <= 0 {
		return ""
	}
	done := int(min(barWidth, barWidth*p.read/p.total))
	return fmt.Sprintf("[%s%s] %3d %%  ", strings.Repeat("=", done), strings.Repeat(" ", barWidth-done), min(100, 100*p.read/p.total))
}

// line prints a line above the bar.
func (p *progress) line(format string, args ...any) {
	p.end()
	fmt.Fprintln(p.out, clean(fmt.Sprintf(format, args...)))
}

// end takes the bar away.
func (p *progress) end() {
	if p.drawn {
		fmt.Fprint(p.out, "\r\x1b[K")
		p.drawn = false
	}
}
