package main

import (
	"context"
	"errors"
	"io"
	"math"
	"net"
	"strings"
	"testing"
	"text/template"
)

func TestSeries(t *testing.T) {
	t.Parallel()
	s := series{5, 1, 4, 2, 3, 6}
	for _, check := range []struct {
		what      string
		got, want float64
	}{
		{"median of six", s.median(), 3.5}, {"median of one", s[:1].median(), 5}, {"lowest", s.quantile(0), 1},
		{"half", s.quantile(0.5), 3}, {"p95", s.quantile(0.95), 6}, {"highest", s.quantile(1), 6},
	} {
		if check.got != check.want {
			t.Errorf("%s: %v, want %v", check.what, check.got, check.want)
		}
	}
	if !math.IsNaN(series(nil).median()) || !math.IsNaN(series(nil).quantile(1)) {
		t.Error("nothing measured is a number")
	}
	if got := s.String(); got != "3.50 (1–6)" {
		t.Error(got)
	}
}

func TestFigure(t *testing.T) {
	t.Parallel()
	for value, want := range map[float64]string{
		0: "0", 0.123: "0.12", 7: "7", 12.34: "12.3", 123.4: "123", 999.9: "1000", 1234: "1,234", -1234567: "-1,234,567", math.NaN(): "–",
	} {
		if got := figure(value); got != want {
			t.Errorf("%v is %q, want %q", value, got, want)
		}
	}
}

func TestMarkdown(t *testing.T) {
	t.Parallel()
	made := table{Title: "T", About: "A.", columns: []string{"what", "n"}}
	made.row("ä", "1")
	made.row("longer name")
	made.atLeast("a", 2, 3, " times")
	made.atMost("b", 2, 3, "")
	made.note("%d notes", 1)
	const want = `## T

A.

| what        | n   |
|-------------|----:|
| ä           | 1   |
| longer name |     |

| target | wanted           | measured |            |
|--------|-----------------:|---------:|-----------:|
| a      | at least 3 times | 2 times  | **missed** |
| b      | under 3          | 2        | reached    |

- 1 notes
`
	if got := made.String(); got != want {
		t.Errorf("got:\n%s", got)
	}
}

func TestReportIsATemplate(t *testing.T) {
	t.Parallel()
	parsed, err := template.New("report").Parse(report)
	if err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	made := &table{Title: "One", columns: []string{"a"}}
	if err := parsed.Execute(&out, map[string]any{"Tables": []*table{made}, "Runs": 3}); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(out.String(), made.String()) {
		t.Errorf("the table is not there:\n%s", &out)
	}
}

func TestSinkReadsCounters(t *testing.T) {
	t.Parallel()
	s := &sink{moved: make(chan struct{})}
	for _, step := range []struct {
		written string
		want    int
	}{
		{"sess=1 quit=0 mesg=1\rsess=1 quit=0 mesg=2\rsess=1 qu", 2}, {"it=1 mes", 2}, {"g=17\r", 17}, {"\r", 17},
	} {
		if _, err := io.WriteString(s, step.written); err != nil || s.count() != step.want {
			t.Errorf("after %q: %d, want %d", step.written, s.count(), step.want)
		}
	}
}

// The proxy counts a round trip when the client speaks after it was spoken to,
// however many pieces that has.
func TestProxyCountsTurns(t *testing.T) {
	t.Parallel()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	go func() {
		conn, err := listener.Accept()
		if err != nil {
			return
		}
		buffer := make([]byte, 4)
		for { // each four octets get an answer
			if _, err := io.ReadFull(conn, buffer); err != nil {
				_ = conn.Close()
				return
			}
			_, _ = conn.Write(buffer)
		}
	}()
	b := &bench{suite: &suite{}, ctx: context.Background()}
	p := b.startProxy(listener.Addr().(*net.TCPAddr).Port)
	defer b.cleanups[0]()
	client, err := net.Dial("tcp", address(p.Port()))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	answer := make([]byte, 4)
	for n, pieces := range [][]string{{"abcd"}, {"ef", "gh"}, {"i", "jk", "l"}} {
		for _, piece := range pieces {
			if _, err := io.WriteString(client, piece); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := io.ReadFull(client, answer); err != nil || string(answer) != strings.Join(pieces, "") {
			t.Fatalf("%q, %v", answer, err)
		}
		if got := p.Turns(); got != int64(n+1) {
			t.Errorf("after %d: %d round trips", n+1, got)
		}
	}
}

// A failure ends a measurement, and what was started in it.
func TestFailureEnds(t *testing.T) {
	t.Parallel()
	var order []string
	fault := errors.New("fault")
	_, err := (&suite{}).measure(t.Context(), benchmark{"x", func(b *bench) *table {
		b.cleanup(func() { order = append(order, "outer") })
		b.scope(func(b *bench) {
			b.cleanup(func() { order = append(order, "first") })
			b.cleanup(func() { order = append(order, "second") })
			b.failf("no: %w", fault)
		})
		return &table{}
	}})
	if !errors.Is(err, fault) || strings.Join(order, " ") != "second first outer" {
		t.Errorf("%v, ended: %v", err, order)
	}
}
