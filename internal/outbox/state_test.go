package outbox_test

import (
	"os"
	"strings"
	"testing"

	"github.com/postilion-mail/postilion/internal/outbox"
)

// triggers by their names in docs/states.md.
var triggers = map[string]outbox.Trigger{
	"claim": outbox.TriggerClaim, "accept": outbox.TriggerAccept, "defer": outbox.TriggerDefer, "reject": outbox.TriggerReject,
	"expire": outbox.TriggerExpire, "hold": outbox.TriggerHold, "release": outbox.TriggerRelease, "cancel": outbox.TriggerCancel,
	"retry": outbox.TriggerRetry, "crash": outbox.TriggerCrash, "limit": outbox.TriggerLimit,
}

func states() []outbox.State {
	var all []outbox.State
	for s := outbox.Queued; s <= outbox.Suppressed; s++ {
		all = append(all, s)
	}
	return all
}

// table reads the rows of the document's table that begins with a cell.
func table(t *testing.T, first string) [][]string {
	t.Helper()
	text, err := os.ReadFile("../../docs/states.md")
	if err != nil {
		t.Fatal(err)
	}
	var rows [][]string
	for line := range strings.Lines(string(text)) {
		cells := strings.Split(strings.Trim(strings.TrimSpace(line), "|"), "|")
		for i := range cells {
			cells[i] = strings.TrimSpace(cells[i])
		}
		switch {
		case len(rows) == 0 && cells[0] != first:
		case len(cells) < 2:
			return rows
		default:
			rows = append(rows, cells)
		}
	}
	return rows
}

// TestTransitions holds the table of docs/states.md against the code, in every
// cell.
func TestTransitions(t *testing.T) {
	t.Parallel()
	rows := table(t, "trigger")
	head := rows[0]
	said := make(map[outbox.State]map[outbox.Trigger]string)
	for _, s := range states() {
		said[s] = make(map[outbox.Trigger]string)
	}
	seen := 0
	for _, row := range rows[2:] {
		trigger, ok := triggers[row[0]]
		if !ok || len(row) != len(head) {
			t.Fatalf("row %v", row)
		}
		seen++
		for i := 1; i < len(head)-1; i++ {
			for _, s := range states() {
				if s.String() == head[i] {
					said[s][trigger] = row[i]
				}
			}
		}
	}
	if seen != len(triggers) || int(outbox.TriggerLimit) != len(triggers) {
		t.Errorf("the table has %d triggers, the test %d, the code %d", seen, len(triggers), outbox.TriggerLimit)
	}
	for _, s := range states() {
		for name, trigger := range triggers {
			next, ok := s.Next(trigger)
			got := ""
			if ok {
				got = next.String()
			}
			if want := said[s][trigger]; got != want {
				t.Errorf("%s by %s: %q, the document says %q", s, name, got, want)
			}
			if ok && s.Terminal() && trigger != outbox.TriggerRetry {
				t.Errorf("%s is final, but %s leads out of it", s, name)
			}
		}
	}
}

func TestStatesAreAllDescribed(t *testing.T) {
	t.Parallel()
	var names []string
	for _, row := range table(t, "state")[2:] {
		names = append(names, row[0])
	}
	var want []string
	for _, s := range states() {
		want = append(want, s.String())
	}
	if strings.Join(names, " ") != strings.Join(want, " ") {
		t.Errorf("the document describes %v, the states are %v", names, want)
	}
	if s := outbox.State(0).String() + outbox.State(99).String(); s != "UNSPECIFIEDUNSPECIFIED" {
		t.Errorf("unknown states are called %s", s)
	}
}

func TestSummarize(t *testing.T) {
	t.Parallel()
	order := []outbox.State{outbox.Sending, outbox.Queued, outbox.Deferred, outbox.Held, outbox.Failed, outbox.Expired, outbox.Suppressed, outbox.Cancelled, outbox.Sent}
	if len(order) != len(states()) {
		t.Fatal("a state has no place in the order")
	}
	for i, first := range order {
		for _, other := range order[i:] {
			for _, list := range [][]outbox.State{{first, other}, {other, first}, {other, other, first}} {
				if got := outbox.Summarize(list); got != first {
					t.Errorf("%v is summed up as %s", list, got)
				}
			}
		}
	}
	if outbox.Summarize(nil) != 0 {
		t.Error("nothing has a state")
	}
}
