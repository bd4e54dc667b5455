package dispatch

import (
	"bufio"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/postilion-mail/postilion/internal/outbox"
	"github.com/postilion-mail/postilion/plugin"
)

// decisions reads the table of docs/delivery.md: outcome, blame, column.
func decisions(t *testing.T) map[[3]string]string {
	t.Helper()
	file, err := os.Open("../../docs/delivery.md")
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	table := make(map[[3]string]string)
	var head []string
	for lines := bufio.NewScanner(file); lines.Scan(); {
		cells := strings.Split(strings.Trim(lines.Text(), "|"), "|")
		for n := range cells {
			cells[n] = strings.TrimSpace(cells[n])
		}
		switch {
		case cells[0] == "outcome":
			head = cells
		case head == nil || strings.HasPrefix(cells[0], "---"):
		case len(cells) != len(head):
			return table
		default:
			for n := 2; n < len(cells); n++ {
				table[[3]string{cells[0], cells[1], head[n]}] = cells[n]
			}
		}
	}
	return table
}

var blameGroups = map[string][]plugin.Blame{
	"message":  {plugin.BlameNone, plugin.BlameRecipient, plugin.BlameSender, plugin.BlameContent},
	"settings": {plugin.BlameAuth, plugin.BlameConnection},
	"way":      {plugin.BlameNetwork, plugin.BlameServer, plugin.BlameLimit},
}

// columns set up a situation for each column of the table.
var columns = map[string]func(*situation){
	"one":     func(s *situation) { s.hops = 1 },
	"next":    func(s *situation) { s.hops, s.hop, s.next = 4, 1, 3 },
	"paused":  func(s *situation) { s.hops, s.hop = 4, 1 },
	"last":    func(s *situation) { s.hops, s.hop = 3, 2 },
	"copy":    func(s *situation) { s.hops, s.hop, s.next, s.duplicate = 4, 1, 3, true },
	"expired": func(s *situation) { s.hops, s.expires = 1, s.now },
}

func TestDecideIsTheDocumentedTable(t *testing.T) {
	t.Parallel()
	table := decisions(t)
	now := time.Date(2026, 7, 1, 12, 0, 0, 0, time.UTC)
	seen := 0
	for _, class := range []plugin.Class{plugin.Accepted, plugin.Temporary, plugin.Permanent, plugin.Unknown} {
		for group, blames := range blameGroups {
			for column, set := range columns {
				want, ok := table[[3]string{class.String(), group, column}]
				if !ok {
					t.Fatalf("docs/delivery.md has no cell for %s, %s, %s", class, group, column)
				}
				seen++
				for _, blame := range blames {
					s := situation{now: now, expires: now.Add(24 * time.Hour), attempt: 1, random: 0.5}
					set(&s)
					got := decide(&s, &plugin.Outcome{Class: class, Blame: blame})
					if name := describe(&s, &got); name != want {
						t.Errorf("%s, blame %q, %s: %s, want %s", class, blame, column, name, want)
					}
					if got.Duplicate != (class == plugin.Unknown) {
						t.Errorf("%s, blame %q, %s: duplicate is %v", class, blame, column, got.Duplicate)
					}
				}
			}
		}
	}
	if seen != len(table) {
		t.Errorf("docs/delivery.md has %d cells, %d are known here", len(table), seen)
	}
}

// describe names a decision as the table does.
func describe(s *situation, r *outbox.Result) string {
	wait := r.Due.Sub(s.now)
	switch {
	case r.Next != outbox.Deferred:
		return strings.ToLower(r.Next.String())
	case wait == 0 && r.Hop == s.next:
		return "next now"
	case wait >= 10*time.Minute && r.Hop == s.hop:
		return "wait"
	case wait != time.Minute:
		return "deferred for " + wait.String()
	case r.Hop == s.hop:
		return "same"
	case r.Hop == 0:
		return "first"
	case r.Hop == s.hop+1:
		return "next"
	}
	return "through another hop"
}

func TestDecideUnspecifiedIsTemporary(t *testing.T) {
	t.Parallel()
	s := situation{now: time.Now(), attempt: 1, hops: 1}
	if got := decide(&s, &plugin.Outcome{}); got.Next != outbox.Deferred {
		t.Errorf("got %s, want DEFERRED", got.Next)
	}
}

func TestDue(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 7, 1, 12, 0, 0, 0, time.UTC)
	hour := []time.Duration{time.Hour}
	tests := map[string]struct {
		s        situation
		o        plugin.Outcome
		min, max time.Duration
	}{
		"first":                 {situation{attempt: 1}, greylisted, 48 * time.Second, 72 * time.Second},
		"second":                {situation{attempt: 2}, greylisted, 4 * time.Minute, 6 * time.Minute},
		"sixth":                 {situation{attempt: 6}, greylisted, 96 * time.Minute, 144 * time.Minute},
		"seventh":               {situation{attempt: 7}, greylisted, 144 * time.Minute, 216 * time.Minute},
		"hundredth":             {situation{attempt: 100}, greylisted, 144 * time.Minute, 216 * time.Minute},
		"own schedule":          {situation{attempt: 9, schedule: hour}, greylisted, 48 * time.Minute, 72 * time.Minute},
		"first round of three":  {situation{attempt: 3, hops: 3, hop: 2}, refused, 48 * time.Second, 72 * time.Second},
		"second round of three": {situation{attempt: 4, hops: 3, hop: 2}, refused, 4 * time.Minute, 6 * time.Minute},
		"unknown":               {situation{attempt: 1}, unheard, 10 * time.Minute, 12 * time.Minute},
		"unknown, later":        {situation{attempt: 7}, unheard, 144 * time.Minute, 216 * time.Minute},
		"told":                  {situation{attempt: 1}, told(10 * time.Minute), 10 * time.Minute, 12 * time.Minute},
		"told less":             {situation{attempt: 7}, told(time.Second), 144 * time.Minute, 216 * time.Minute},
		"told too much":         {situation{attempt: 1}, told(1000 * time.Hour), 24 * time.Hour, 24 * time.Hour},
		"paused":                {situation{attempt: 1, resume: now.Add(time.Hour)}, badLogin, time.Hour, time.Hour},
		"at the end of life":    {situation{attempt: 7, expires: now.Add(time.Minute)}, greylisted, time.Minute, time.Minute},
	}
	for name, test := range tests {
		for _, random := range []float64{0, 0.5, 0.999999} {
			s := test.s
			s.now, s.random, s.hops = now, random, max(1, s.hops)
			r := decide(&s, &test.o)
			if wait := r.Due.Sub(now); wait < test.min || wait > test.max {
				t.Errorf("%s, at random %v: waits %v, want %v to %v", name, random, wait, test.min, test.max)
			}
		}
	}
}

func told(wait time.Duration) plugin.Outcome {
	o := greylisted
	o.RetryAfter = wait
	return o
}

func TestQuarantine(t *testing.T) {
	t.Parallel()
	for crashes, want := range []outbox.State{1: outbox.Deferred, 4: outbox.Deferred, 5: outbox.Held, 6: outbox.Held} {
		if want == 0 {
			continue
		}
		s := situation{now: time.Now(), attempt: 1, hops: 1, crashes: crashes}
		if got := decide(&s, &plugin.Outcome{Class: plugin.Temporary}); got.Next != want {
			t.Errorf("after %d crashes: %s, want %s", crashes, got.Next, want)
		}
	}
}

func TestQueueOrder(t *testing.T) {
	t.Parallel()
	var q queue
	for n, j := range []outbox.Job{
		{Client: "a", Priority: outbox.PriorityBulk}, {Client: "a", Priority: outbox.PriorityNormal},
		{Client: "a", Priority: outbox.PriorityNormal}, {Client: "a", Priority: outbox.PriorityNormal},
		{Client: "b", Priority: outbox.PriorityNormal}, {Client: "b", Priority: outbox.PriorityHigh},
		{Client: "c", Priority: outbox.PriorityNormal}, {Client: "b", Priority: outbox.PriorityNormal},
	} {
		j.Token.Job = int64(n)
		q.push(&item{job: j})
	}
	var got []int64
	for i := q.pop(); i != nil; i = q.pop() {
		got = append(got, i.job.Token.Job)
	}
	if want := []int64{5, 1, 4, 6, 2, 7, 3, 0}; !slices.Equal(got, want) {
		t.Errorf("order %v, want %v", got, want)
	}
	if q.length != 0 {
		t.Errorf("length %d after the last", q.length)
	}
}
