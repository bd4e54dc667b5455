package smtpd

import (
	"strings"
	"testing"
)

// endings are what some servers take for the end of a content (SMTP smuggling,
// CVE-2023-51764 to 51766), among them those of reliability case T87.
var endings = []string{
	"\n.\n", "\n.\r\n", "\r.\r", "\r.\n", "\r.\r\n", "\n.\r", "\r\n.\n", "\r\n.\r", "\r\n\x00.\r\n", "\r\n.\x00\r\n",
	"\r\n.\r\r\n", "\r\r\n.\r\r\n", "\r\n.\r\x00\n",
}

// T87, from the other side: whatever is tried, there is one message, with what
// was to be smuggled as its content.
func TestSmuggling(t *testing.T) {
	t.Parallel()
	address := func() (string, *book) {
		b := &book{}
		return serve(t, New(options(b))), b
	}
	for _, end := range endings {
		a, b := address()
		c := dial(t, a)
		c.want("220*")
		c.do("HELO me", "250*")
		c.do("MAIL FROM:<app@example.com>", "250*")
		c.do("RCPT TO:<jane@example.net>", "250*")
		c.do("DATA", "354*")
		smuggled := "MAIL FROM:<evil@example.com>\r\nRCPT TO:<victim@example.net>\r\nDATA\r\nevil\r\n"
		c.say("body" + end + smuggled + ".\r\n")
		c.want("250 2.0.0 Message 1 *")
		c.do("QUIT", "221*")
		if got := c.line(); got != "EOF" {
			t.Errorf("%q: %q follows", end, got)
		}
		list := b.list()
		if len(list) != 1 || list[0].From != "app@example.com" || !strings.HasSuffix(string(list[0].Content), smuggled) {
			t.Errorf("%q: %d messages, the first %q", end, len(list), list[0].Content)
		}
	}
}

// unstuff runs a content through dotted in pieces of a size, and gives what
// came out and what is left behind the end.
func unstuff(in string, lf bool, size int) (content_, rest string, done bool) {
	c := content{server: New(Options{MaxSize: 1 << 20})}
	d := dotted{lf: lf}
	for at := 0; at < len(in); {
		n, end := d.feed(&c, []byte(in[at:min(at+size, len(in))]))
		at += n
		if end {
			return string(c.b), in[at:], true
		}
	}
	return string(c.b), "", false
}

// FuzzDotted: what is stuffed by the rule comes back, however it is cut, and
// nothing else ends it.
func FuzzDotted(f *testing.F) {
	for _, s := range append(endings, "", ".", "..\r\n", "a\r\n.b\r\n\r\n", "\r", "\n", "\r\n") {
		f.Add(s, true, 1)
		f.Add(s, false, 3)
	}
	f.Fuzz(func(t *testing.T, in string, crlf bool, size int) {
		size = max(1, min(size, 1<<16))
		end := "\n"
		if crlf {
			end = "\r\n"
		}
		if in != "" && !strings.HasSuffix(in, end) {
			in += end
		}
		stuffed := strings.ReplaceAll(in, end+".", end+"..")
		if strings.HasPrefix(in, ".") {
			stuffed = "." + stuffed
		}
		got, rest, done := unstuff(stuffed+"."+end+"rest", !crlf, size)
		if !done || got != in || rest != "rest" {
			t.Fatalf("%q became %q, %q, %v", stuffed, got, rest, done)
		}
	})
}

func TestReservations(t *testing.T) {
	t.Parallel()
	var taken, most int64
	o := Options{
		MaxSize: 1 << 20,
		Reserve: func(n int64) bool {
			if taken+n > 600<<10 {
				return false
			}
			taken += n
			most = max(most, taken)
			return true
		},
		Release: func(n int64) { taken -= n },
	}
	s := New(o)
	piece := make([]byte, 1000)
	fill := func(declared int64, pieces int) *content {
		c := &content{server: s, declared: declared}
		for range pieces {
			c.write(piece)
		}
		return c
	}
	for _, tt := range []struct {
		about        string
		declared     int64
		pieces       int
		reserve, len int
		full         bool
	}{
		{"little", 0, 1, firstPiece, 1000, false},
		{"little, declared", 1000, 1, 1000, 1000, false},
		{"more than was declared", 1000, 2, firstPiece, 2000, false},
		{"much", 0, 100, 128 << 10, 100_000, false},
		{"much, declared", 100_000, 100, 100_000, 100_000, false},
		{"much declared, little sent", 500_000, 1, firstPiece, 1000, false},
		{"no room", 0, 530, 0, 0, true},
		{"beyond the limit", 0, 1100, 0, 0, true},
	} {
		c := fill(tt.declared, tt.pieces)
		if taken != int64(tt.reserve) || len(c.b) != tt.len || c.full != tt.full || c.size != int64(tt.pieces)*1000 {
			t.Errorf("%s: %d reserved, %d kept of %d, full %v", tt.about, taken, len(c.b), c.size, c.full)
		}
		c.drop()
		if taken != 0 {
			t.Errorf("%s: %d are left", tt.about, taken)
		}
	}
}

// When there is no room, the client is told to come again, and nothing is left
// reserved, however the session ends.
func TestNoRoom(t *testing.T) {
	t.Parallel()
	b := &book{}
	o := options(b)
	budget := make(chan int64, 100)
	o.Reserve = func(n int64) bool { budget <- n; return n < 500 }
	o.Release = func(n int64) { budget <- -n }
	c := dial(t, serve(t, New(o)))
	c.want("220*")
	c.do("HELO me", "250*")
	transaction := "MAIL FROM:<> SIZE=400\r\nRCPT TO:<jane@example.net>\r\n"
	c.say(transaction + "BDAT 600 LAST\r\n" + strings.Repeat("x", 600))
	c.want("250*", "250*", "452 4.3.1*")
	c.say(transaction + "BDAT 400\r\n" + strings.Repeat("x", 400))
	c.want("250*", "250*", "250*")
	_ = c.Close()
	for _, want := range []int64{1000, 400, -400} {
		if got := <-budget; got != want {
			t.Errorf("%d, not %d", got, want)
		}
	}
	if len(b.list()) != 0 {
		t.Error("a message was submitted")
	}
}
