package clock_test

import (
	"testing"
	"time"

	"github.com/postilion-mail/postilion/internal/clock"
)

var start = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func TestNowFollowsTheWallClockAndCountsJumps(t *testing.T) {
	t.Parallel()
	manual := clock.NewManual(start)
	c := clock.New(manual.Source)
	for _, step := range []struct {
		advance, jump time.Duration
		now           time.Duration // since start
		jumped        time.Duration
	}{
		{advance: time.Hour, now: time.Hour},
		{jump: 30 * time.Second, now: time.Hour}, // too small to follow
		{jump: -30 * time.Second, now: time.Hour},
		{jump: 144 * time.Hour, now: 145 * time.Hour, jumped: 144 * time.Hour},
		{advance: time.Second, now: 145*time.Hour + time.Second, jumped: 144 * time.Hour},
		{jump: -200 * time.Hour, now: -55*time.Hour + time.Second, jumped: -56 * time.Hour},
	} {
		manual.Advance(step.advance)
		manual.Jump(step.jump)
		now, jumped := c.Read()
		if got := now.Sub(start); got != step.now || jumped != step.jumped {
			t.Errorf("after %+v: now is start%+v, jumped %v", step, got, jumped)
		}
	}
}

func TestMarkSince(t *testing.T) {
	t.Parallel()
	at := func(wall, elapsed time.Duration, boot string) clock.Mark {
		return clock.Mark{Wall: start.Add(wall), Elapsed: elapsed, Boot: boot}
	}
	for name, test := range map[string]struct {
		before, after clock.Mark
		want          time.Duration
	}{
		"stopped for a day":                 {at(0, 0, "a"), at(24*time.Hour, 24*time.Hour, "a"), 0},
		"set forwards":                      {at(0, 0, "a"), at(25*time.Hour, time.Hour, "a"), 24 * time.Hour},
		"set backwards":                     {at(0, 0, "a"), at(-23*time.Hour, time.Hour, "a"), -24 * time.Hour},
		"forwards over a restart":           {at(0, time.Hour, "a"), at(25*time.Hour, time.Minute, "b"), 0},
		"backwards over a restart":          {at(0, time.Hour, "a"), at(-25*time.Hour, time.Minute, "b"), -25 * time.Hour},
		"a little backwards over a restart": {at(0, time.Hour, "a"), at(-25*time.Second, time.Minute, "b"), 0},
		"boot unknown":                      {at(0, 0, ""), at(25*time.Hour, time.Hour, ""), 0},
	} {
		if got := test.before.Since(test.after); got != test.want {
			t.Errorf("%s: %v, want %v", name, got, test.want)
		}
	}
}

func TestSystemRuns(t *testing.T) {
	t.Parallel()
	c := clock.New(clock.System())
	first := c.Mark()
	second := c.Mark()
	if second.Wall.Before(first.Wall) || second.Elapsed < first.Elapsed || second.Boot != first.Boot {
		t.Errorf("%+v, then %+v", first, second)
	}
	if c.Jumped() != 0 {
		t.Error("a jump of a clock that nobody set")
	}
}
